/* SPDX-License-Identifier: ISC */
/*
 * The helpers, which do everything that can only be done by blocking, and the
 * worker's side of talking to them.  A helper takes a question from its desk, where all of the desk's helpers wait, and sends
 * the answer to the worker that asked.  The hosts desk knows the hosts file
 * and nothing else, so that its names are found while every helper of the
 * names desk waits for a name server.  A helper decides nothing and keeps
 * nothing but the hosts file.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "proxy.h"

/* The worker's side. */

/*
 * A worker has so many questions at a desk at most; their answers all find
 * room in its socket, which holds some 160.
 */
enum { ASKED_MAX = 64 };

static struct {
	const struct worker_args *args;
	pid_t pid;
	/* Connections whose question finds no room at a desk. */
	struct {
		struct conn *first, *last;
	} waiting[DESKS];
	unsigned asked[DESKS]; /* questions not answered yet */
} asker;

/* To be called in a worker before it asks. */
void
resolve_init(const struct worker_args *args)
{
	asker.args = args;
	asker.pid = getpid();
}

/* Hands a question to a desk; false when the desk takes no more for now. */
static bool
question_send(struct conn *c)
{
	struct setup *s = c->setup;
	struct question q = { .kind = s->kind,
		.client = c->client,
		.ticket = { .pid = asker.pid,
		    .worker = asker.args->index,
		    .conn = c->index,
		    .serial = c->serial } };

	if (asker.asked[s->desk] == ASKED_MAX)
		return false;
	strcpy(q.name, s->name);
	if (sys_send(asker.args->desks[s->desk], &q, sizeof(q), NULL, 0) != 0)
		return false;
	s->asked = true;
	asker.asked[s->desk]++;
	return true;
}

/*
 * Asks a question for a connection, or lets it wait in line until the desk
 * takes questions again.  The name, of less than HOST_SIZE bytes, must live
 * as long as the connection's setup.
 */
void
resolve_ask(
    struct conn *c, enum desk desk, enum question_kind kind, const char *name)
{
	struct setup *s = c->setup;

	s->desk = desk;
	s->kind = kind;
	s->name = name;
	if (asker.waiting[desk].first == NULL && question_send(c))
		return;
	s->waiting = true;
	s->prev = asker.waiting[desk].last;
	if (s->prev != NULL)
		s->prev->setup->next = c;
	else
		asker.waiting[desk].first = c;
	asker.waiting[desk].last = c;
}

/* Takes a connection out of the line, where it stands there. */
static void
line_leave(struct setup *s)
{
	if (!s->waiting)
		return;
	if (s->prev != NULL)
		s->prev->setup->next = s->next;
	else
		asker.waiting[s->desk].first = s->next;
	if (s->next != NULL)
		s->next->setup->prev = s->prev;
	else
		asker.waiting[s->desk].last = s->prev;
	s->next = s->prev = NULL;
	s->waiting = false;
}

/* A connection has its answer, or does not want it any more. */
void
resolve_end(struct conn *c)
{
	struct setup *s = c->setup;

	line_leave(s);
	if (s->asked)
		asker.asked[s->desk]--;
	s->asked = false;
}

/* Whether there is somebody who could ask if the desk took the question. */
bool
resolve_waiting(enum desk desk)
{
	return asker.waiting[desk].first != NULL &&
	    asker.asked[desk] < ASKED_MAX;
}

/* The desk takes questions again. */
void
resolve_send(enum desk desk)
{
	struct conn *c;

	while ((c = asker.waiting[desk].first) != NULL && question_send(c))
		line_leave(c->setup);
}

/* Takes an answer to a question of this process; false when there is none. */
bool
resolve_read(struct answer *answer)
{
	while (sys_receive(asker.args->answers, answer, sizeof(*answer), NULL,
		   0) == sizeof(*answer))
		if (answer->ticket.pid == asker.pid &&
		    answer->naddrs <= ADDRS_MAX)
			return true;
	return false;
}

/* The helper's side. */

#define HOSTS_FILE "/etc/hosts"

/* One name of the hosts file. */
struct host {
	char *name; /* owned */
	struct addr addr;
	size_t order; /* in the file */
};

static struct host *hosts;
static size_t nhosts, hosts_size;
static struct stat hosts_stat;

static int
host_compare(const void *a, const void *b)
{
	const struct host *x = a, *y = b;
	int order = strcasecmp(x->name, y->name);

	if (order != 0)
		return order;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void
hosts_add(const char *name, const struct addr *addr)
{
	if (nhosts == hosts_size) {
		size_t size = hosts_size == 0 ? 64 : 2 * hosts_size;
		struct host *grown = realloc(hosts, size * sizeof(*hosts));

		if (grown == NULL)
			return;
		hosts = grown;
		hosts_size = size;
	}
	hosts[nhosts].name = strdup(name);
	hosts[nhosts].addr = *addr;
	hosts[nhosts].order = nhosts;
	if (hosts[nhosts].name != NULL)
		nhosts++;
}

/* "address name alias ... # comment", hosts(5). */
static void
hosts_line(char *line)
{
	char *save, *word;
	struct addr addr;

	line[strcspn(line, "#\n")] = '\0';
	word = strtok_r(line, " \t\r", &save);
	if (word == NULL || addr_parse(&addr, word) != 0)
		return;
	while ((word = strtok_r(NULL, " \t\r", &save)) != NULL)
		hosts_add(word, &addr);
}

/* Reads the hosts file again if it is not the one that was read. */
static void
hosts_refresh(void)
{
	struct stat st;
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	if (stat(HOSTS_FILE, &st) != 0)
		memset(&st, 0, sizeof(st));
	if (st.st_ino == hosts_stat.st_ino &&
	    st.st_size == hosts_stat.st_size &&
	    st.st_mtim.tv_sec == hosts_stat.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == hosts_stat.st_mtim.tv_nsec)
		return;
	hosts_stat = st;
	while (nhosts > 0)
		free(hosts[--nhosts].name);
	f = fopen(HOSTS_FILE, "r");
	if (f == NULL)
		return;
	while (getline(&line, &size, f) > 0)
		hosts_line(line);
	free(line);
	fclose(f);
	qsort(hosts, nhosts, sizeof(*hosts), host_compare);
}

static void
hosts_answer(const char *name, struct answer *answer)
{
	size_t low = 0, high;

	hosts_refresh();
	for (high = nhosts; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (strcasecmp(hosts[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < nhosts && answer->naddrs < ADDRS_MAX &&
	     strcasecmp(hosts[low].name, name) == 0;
	     low++)
		answer->addrs[answer->naddrs++] = hosts[low].addr;
	answer->error = answer->naddrs > 0 ? 0 : EAI_NONAME;
}

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

/* Whether an address is one of a name's. */
static bool
name_has(const char *name, const struct addr *wanted, int *error)
{
	struct addrinfo *list = look_up(name, error), *ai;
	bool found = false;
	struct addr addr;

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
 * Whether a client is what a rule with a name says: its address is one of
 * the name's; or it has a name that matches and that leads back to it, since
 * whoever owns an address may call it what he likes.
 */
static void
client_answer(
    const char *rule, const struct addr *client, struct answer *answer)
{
	char name[HOST_SIZE];
	struct sockaddr_storage ss;
	const void *sa = &ss;
	socklen_t len = addr_to_sockaddr(client, &ss);
	int forward = 0, reverse;

	if (rule[0] != '.')
		answer->matches = name_has(rule, client, &forward);
	if (answer->matches)
		return;
	reverse =
	    getnameinfo(sa, len, name, sizeof(name), NULL, 0, NI_NAMEREQD);
	if (reverse == 0 && acl_name_matches(rule, name))
		answer->matches = name_has(name, client, &reverse);
	if (is_failure(reverse))
		answer->error = reverse;
	else if (is_failure(forward))
		answer->error = forward;
}

/* What the hosts file alone says of that; both ways are in it. */
static void
hosts_client_answer(
    const char *rule, const struct addr *client, struct answer *answer)
{
	hosts_refresh();
	for (size_t i = 0; i < nhosts && !answer->matches; i++)
		answer->matches = addr_same_ip(&hosts[i].addr, client) &&
		    acl_name_matches(rule, hosts[i].name);
}

static void
answer_make(enum desk desk, const struct question *q, struct answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->ticket = q->ticket;
	if (q->kind == QUESTION_CLIENT && desk == DESK_HOSTS)
		hosts_client_answer(q->name, &q->client, answer);
	else if (q->kind == QUESTION_CLIENT)
		client_answer(q->name, &q->client, answer);
	else if (desk == DESK_HOSTS)
		hosts_answer(q->name, answer);
	else
		name_answer(q->name, answer);
}

/*
 * A helper's life: takes questions until all who could ask are gone, and
 * sends each answer to answers[worker].  An answer that finds no room is
 * dropped; its question times out.
 */
_Noreturn void
resolve_helper(
    enum desk desk, int questions, const int *answers, size_t workers)
{
	struct question q;
	struct answer answer;
	ssize_t n;

	for (;;) {
		n = recv(questions, &q, sizeof(q), 0);
		if (n == 0 || (n < 0 && errno != EINTR))
			_exit(0);
		if (n != sizeof(q) || q.ticket.worker >= workers ||
		    memchr(q.name, '\0', sizeof(q.name)) == NULL)
			continue;
		answer_make(desk, &q, &answer);
		sys_send(
		    answers[q.ticket.worker], &answer, sizeof(answer), NULL, 0);
	}
}
