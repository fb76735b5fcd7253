/* SPDX-License-Identifier: ISC */
/*
 * The questions of the workers to the desk and its answers: what is true of
 * each kind of question, and how they travel, as messages of one socket.  Of
 * each message only what is used is sent, and it is checked to its last byte
 * before it is believed.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "addr.h"
#include "bounds.h"
#include "question.h"
#include "secret.h"
#include "sys.h"

static const struct question_traits kinds[] = {
	[QUESTION_NAME] = { .parts = 1,
	    .part_size = HOST_SIZE,
	    .queue = QUEUE_NAMES,
	    .overflow = QUEUE_HOSTS,
	    .helper = HELPER_NAMES,
	    .memory = MEMORY_WORKER },
	[QUESTION_CLIENT] = { .parts = 1,
	    .part_size = HOST_SIZE,
	    .about_client = true,
	    .queue = QUEUE_CLIENTS,
	    .overflow = QUEUE_HOSTS,
	    .helper = HELPER_NAMES,
	    .memory = MEMORY_WORKER },
	[QUESTION_USER] = { .parts = 2,
	    .part_size = CREDENTIAL_SIZE,
	    .secret = true,
	    .queue = QUEUE_USERS,
	    .overflow = QUEUE_USERS,
	    .helper = HELPER_PASSWORDS,
	    .memory = MEMORY_DESK },
	[QUESTION_LOGIN] = { .parts = 1,
	    .part_size = HOST_SIZE,
	    .queue = QUEUE_CLIENTS,
	    .overflow = QUEUE_CLIENTS,
	    .helper = HELPER_NAMES,
	    .memory = MEMORY_NONE },
};

/* Whether a question that was received is of any kind. */
static bool
kind_known(const struct question *q)
{
	return (size_t)q->kind < sizeof(kinds) / sizeof(*kinds);
}

/* What is true of a kind. */
const struct question_traits *
question_traits(enum question_kind kind)
{
	return &kinds[kind];
}

/* The desk, by the kind of its helpers, that takes the questions of a queue. */
enum helper_kind
queue_desk(enum queue queue)
{
	return queue == QUEUE_USERS ? HELPER_PASSWORDS : HELPER_NAMES;
}

/* Adds a part to the text of a question; there must be room. */
void
question_add(struct question *q, const char *part)
{
	size_t len = strlen(part) + 1;

	memcpy(q->text + q->len, part, len);
	q->len += (uint32_t)len;
}

/* The password in a QUESTION_USER. */
const char *
question_password(const struct question *q)
{
	return q->text + strlen(q->text) + 1;
}

/* Whether two questions have the same answer. */
bool
question_same(const struct question *a, const struct question *b)
{
	return a->kind == b->kind && a->len == b->len &&
	    memcmp(a->text, b->text, a->len) == 0 &&
	    (!kinds[a->kind].about_client ||
		addr_same_ip(&a->client, &b->client));
}

/* Sends a question.  Returns 0, or -1 with errno. */
int
question_send(int fd, const struct question *q)
{
	return sys_send(
	    fd, q, offsetof(struct question, text) + q->len, NULL, 0);
}

/* Whether the text of a question is all its parts and no more. */
static bool
text_fits(const struct question *q, const struct question_traits *traits)
{
	const char *at = q->text, *end = at + q->len, *nul;

	for (unsigned i = 0; i < traits->parts; i++) {
		nul = memchr(at, '\0', (size_t)(end - at));
		if (nul == NULL || (size_t)(nul - at) >= traits->part_size)
			return false;
		at = nul + 1;
	}
	return at == end;
}

/* Whether len bytes that were received are a question, whole and no more. */
bool
question_fits(const struct question *q, ssize_t len)
{
	size_t least = offsetof(struct question, text);

	return len > (ssize_t)least && q->len <= sizeof(q->text) &&
	    (size_t)len == least + q->len && kind_known(q) &&
	    text_fits(q, &kinds[q->kind]);
}

/* Wipes the text of a question, unless it is known to hold no secret. */
void
question_wipe(struct question *q)
{
	if (!kind_known(q) || kinds[q->kind].secret)
		secret_wipe(q->text, sizeof(q->text));
}

/* Sends an answer.  Returns 0, or -1 with errno. */
int
answer_send(int fd, const struct answer *answer)
{
	return sys_send(fd, answer,
	    offsetof(struct answer, addrs) +
		answer->naddrs * sizeof(*answer->addrs),
	    NULL, 0);
}

/* Puts a login name into an answer, unless it is too long. */
void
answer_put_login(struct answer *answer, const char *name)
{
	size_t size = strlen(name) + 1;

	if (size > CREDENTIAL_SIZE)
		return;
	memcpy(answer->login, name, size);
	answer->naddrs =
	    (uint32_t)((size + sizeof(struct addr) - 1) / sizeof(struct addr));
}

/* Returns the login name in an answer, or NULL: there is none. */
const char *
answer_login(const struct answer *answer)
{
	size_t room = answer->naddrs * sizeof(struct addr);
	const char *end = memchr(answer->login, '\0', room);

	return answer->error == 0 && end != NULL && end > answer->login &&
		end - answer->login < CREDENTIAL_SIZE
	    ? answer->login
	    : NULL;
}

/*
 * Receives an answer.  Returns 1; 0 when the other end is gone or has sent
 * something else; or -1 with errno EAGAIN or EINTR.
 */
int
answer_receive(int fd, struct answer *answer)
{
	size_t least = offsetof(struct answer, addrs);
	ssize_t n = sys_receive(fd, answer, sizeof(*answer), NULL, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	return n >= (ssize_t)least && answer->naddrs <= ADDRS_MAX &&
	    (size_t)n == least + answer->naddrs * sizeof(*answer->addrs);
}
