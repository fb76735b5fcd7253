/* SPDX-License-Identifier: ISC */
/*
 * A helper: answers the questions that can only be answered by blocking, one
 * after the other, for the desk that forked it.  It decides nothing, keeps
 * nothing, and talks to nobody but the desk.
 */
#define _XOPEN_SOURCE 700

#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <netdb.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "bounds.h"
#include "checker.h"
#include "clock.h"
#include "helper.h"
#include "hosts.h"
#include "login.h"
#include "name.h"
#include "pins.h"
#include "program.h"
#include "question.h"
#include "sandbox.h"
#include "sys.h"

enum { NICENESS = 5 /* of a helper that checks passwords */ };

static const struct logins *logins; /* or NULL: it checks no passwords */

static struct addrinfo *
look_up(const char *name, int *error)
{
	struct addrinfo hints, *list = NULL;

	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	*error = getaddrinfo(name, NULL, &hints, &list);
	return *error == 0 ? list : NULL;
}

static void
addr_of(struct addr *addr, const struct addrinfo *ai)
{
	struct sockaddr_storage ss;

	memset(&ss, 0, sizeof(ss));
	if (ai->ai_addrlen <= sizeof(ss))
		memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
	addr_from_sockaddr(addr, &ss);
}

static void
name_answer(const char *name, struct answer *answer)
{
	struct addrinfo *list = look_up(name, &answer->error), *ai;

	for (ai = list; ai != NULL && answer->naddrs < ADDRS_MAX;
	     ai = ai->ai_next)
		addr_of(&answer->addrs[answer->naddrs++], ai);
	if (list != NULL)
		freeaddrinfo(list);
}

/* Whether an address is one of those that the HostsFiles have for a name. */
static bool
pin_has(const struct pin *first, size_t n, const struct addr *wanted)
{
	for (size_t i = 0; i < n; i++)
		if (addr_same_ip(&first[i].addr, wanted))
			return true;
	return false;
}

/* Whether an address is one of a name's. */
static bool
name_has(const char *name, const struct addr *wanted, int *error)
{
	size_t n;
	const struct pin *first = hosts_pinned(name, &n);
	struct addrinfo *list, *ai;
	bool found = false;
	struct addr addr;

	*error = 0;
	if (first != NULL)
		return pin_has(first, n, wanted);
	list = look_up(name, error);
	for (ai = list; ai != NULL && !found; ai = ai->ai_next) {
		addr_of(&addr, ai);
		found = addr_same_ip(&addr, wanted);
	}
	if (list != NULL)
		freeaddrinfo(list);
	return found;
}

/* Whether a look-up has failed, rather than found that there is nothing. */
static bool
is_failure(int error)
{
	return error == EAI_AGAIN || error == EAI_FAIL || error == EAI_MEMORY ||
	    error == EAI_SYSTEM || error == EAI_OVERFLOW;
}

/*
 * Looks up the name of an address.  Returns 0, or getnameinfo()'s error.  On
 * some systems that is the same for a failure as for an address without a name.
 * There it counts as a failure if it took long, since only failures do: while
 * the name server is dead, a client that a rule denies by name must not get in.
 */
static int
name_of(const struct addr *client, char *name, size_t size)
{
	struct sockaddr_storage ss;
	const void *sa = &ss;
	socklen_t len = addr_to_sockaddr(client, &ss);
	int64_t began = clock_ms();
	int error =
	    getnameinfo(sa, len, name, (socklen_t)size, NULL, 0, NI_NAMEREQD);

	if (error == EAI_NONAME && !sys_tells_failures() &&
	    clock_ms() - began >= LOOKUP_LATE)
		return EAI_AGAIN;
	return error;
}

/*
 * Whether a client has the name of a rule: its address is one of the name's; or
 * the address has a name that matches and that leads back to it, since an owner
 * of addresses can give them any name.
 */
static void
client_answer(
    const char *rule, const struct addr *client, struct answer *answer)
{
	char name[HOST_SIZE];
	int forward = 0, reverse;

	if (rule[0] != '.')
		answer->matches = name_has(rule, client, &forward);
	if (answer->matches)
		return;
	reverse = name_of(client, name, sizeof(name));
	if (reverse == 0 && name_matches(rule, name))
		answer->matches = name_has(name, client, &reverse);
	if (is_failure(reverse))
		answer->error = reverse;
	else if (is_failure(forward))
		answer->error = forward;
}

static void
user_answer(const struct question *q, struct answer *answer)
{
	const char *password = question_password(q);
	bool failed, known = login_find(logins, q->text) != NULL;

	answer->matches = checker_used() && !known
	    ? checker_ask(q->text, password, &failed)
	    : login_check(logins, q->text, password, &failed);
	if (failed)
		answer->error = known ? EAI_MEMORY : EAI_FAIL;
}

/* The login name of a number, if it has one. */
static void
login_answer(const char *number, struct answer *answer)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwuid((uid_t)strtoul(number, NULL, 10));
	if (pw != NULL)
		answer_put_login(answer, pw->pw_name);
	else if (errno != 0 && errno != ENOENT && errno != ESRCH)
		answer->error = EAI_AGAIN;
}

/*
 * Answers a question, which takes as long as name servers like.  One about a
 * user must be asked in a helper that has the users.
 */
void
helper_answer(const struct question *q, struct answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	switch (q->kind) {
	case QUESTION_NAME:
		name_answer(q->text, answer);
		break;
	case QUESTION_CLIENT:
		client_answer(q->text, &q->client, answer);
		break;
	case QUESTION_USER:
		user_answer(q, answer);
		break;
	case QUESTION_LOGIN:
		login_answer(q->text, answer);
	}
}

/*
 * A helper's life: answers questions of its kind, and ends with status 0 when
 * the desk asks no more.  One for passwords has the users, and others NULL.  A
 * password takes a processor's time, and tunnels come first.
 */
_Noreturn void
helper_run(int desk, enum helper_kind kind, const struct logins *users)
{
	struct question q;
	struct answer answer;
	ssize_t n;

	sys_die_with_parent();
	logins = users;
	if (kind == HELPER_PASSWORDS && nice(NICENESS) == -1)
		errno = 0;
	if (!checker_used())
		sandbox_enter(
		    kind == HELPER_NAMES ? SANDBOX_NAMES : SANDBOX_PASSWORDS,
		    false);
	for (;;) {
		checker_wait(desk);
		n = recv(desk, &q, sizeof(q), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (!question_fits(&q, n) ||
		    question_traits(q.kind)->helper != kind)
			_exit(0);
		helper_answer(&q, &answer);
		question_wipe(&q);
		if (answer_send(desk, &answer) != 0)
			_exit(STATUS_SYSTEM);
	}
}
