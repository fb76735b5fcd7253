/* SPDX-License-Identifier: ISC */
/*
 * The questions of the workers to the desk, and its answers, as messages of
 * one socket: of each only what is used is sent, and what comes is checked to
 * its last byte before it is believed.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "bounds.h"
#include "question.h"
#include "secret.h"
#include "sys.h"

/*
 * Sends a question, and of it what is used.  Returns 0, or -1 with errno.
 */
int
question_send(int fd, const struct question *q)
{
	return sys_send(
	    fd, q, offsetof(struct question, text) + q->len, NULL, 0);
}

/* Whether len bytes that were received are a question, whole and no more. */
bool
question_fits(const struct question *q, ssize_t len)
{
	size_t least = offsetof(struct question, text), nuls = 0;

	if (len <= (ssize_t)least || q->len > sizeof(q->text) ||
	    (size_t)len != least + q->len || q->text[q->len - 1] != '\0')
		return false;
	for (size_t i = 0; i < q->len; i++)
		nuls += q->text[i] == '\0';
	if (q->kind == QUESTION_USER)
		return nuls == 2;
	return nuls == 1 && q->len <= HOST_SIZE;
}

/* The password in a QUESTION_USER. */
const char *
question_password(const struct question *q)
{
	return q->text + strlen(q->text) + 1;
}

/* Wipes the password in a question, if there is one. */
void
question_wipe(struct question *q)
{
	if (q->kind == QUESTION_USER)
		secret_wipe(q->text, sizeof(q->text));
}

/* Sends an answer, and of it what is used.  Returns 0, or -1 with errno. */
int
answer_send(int fd, const struct answer *answer)
{
	return sys_send(fd, answer,
	    offsetof(struct answer, addrs) +
		answer->naddrs * sizeof(*answer->addrs),
	    NULL, 0);
}

/*
 * Receives an answer.  Returns 1; 0 when the other end is gone, or not in its
 * right mind; or -1 with errno EAGAIN or EINTR.
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
