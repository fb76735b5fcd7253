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

enum {
	PLACES_MAX = 64,    /* questions of a worker at a desk, at most */
	PLACE_EXTRA = 5000, /* ms after ConnectTimeout: no answer will come */
	JOIN_TIME = 5000,   /* ms: a question that is older may be lost */
	ANSWERS_MAX = 64    /* taken in one turn of the loop */
};

struct list {
	struct conn *first, *last;
};

/*
 * A question that was sent, and the connections that wait for its answer.  It
 * keeps its place when they have left: the helper is busy with it all the
 * same, and more questions than the helpers can take at once would only stand
 * in the way of others.
 */
struct asked {
	bool open;         /* there is no answer yet */
	int64_t since;     /* ms: when it was asked */
	uint32_t serial;   /* counts up, so that a late answer finds nobody */
	struct list conns; /* empty unless it is open */
	enum question_kind kind;
	char name[HOST_SIZE];
};

static struct {
	const struct worker_args *args;
	pid_t pid;
	size_t nplaces;
	struct asked asked[DESKS][PLACES_MAX];
	struct list waiting[DESKS]; /* those who found no place or no room */
} asker;

/* To be called in a worker before it asks. */
void
resolve_init(const struct worker_args *args)
{
	asker.args = args;
	asker.pid = getpid();
	asker.nplaces =
	    args->max_questions < PLACES_MAX ? args->max_questions : PLACES_MAX;
}

static void
list_add(struct list *list, struct conn *c)
{
	struct setup *s = c->setup;

	s->list = list;
	s->prev = list->last;
	*(s->prev != NULL ? &s->prev->setup->next : &list->first) = c;
	list->last = c;
}

static void
list_remove(struct conn *c)
{
	struct setup *s = c->setup;

	*(s->prev != NULL ? &s->prev->setup->next : &s->list->first) = s->next;
	*(s->next != NULL ? &s->next->setup->prev : &s->list->last) = s->prev;
	s->next = s->prev = NULL;
	s->list = NULL;
}

/* Whether a place has the question that a connection would ask. */
static bool
is_asked(const struct asked *a, const struct setup *s)
{
	return a->open && loop_now() - a->since < JOIN_TIME &&
	    s->kind == QUESTION_NAME && a->kind == s->kind &&
	    strcmp(a->name, s->name) == 0;
}

/* Whether the helper that took a question must have died of it. */
static bool
is_lost(const struct asked *a)
{
	return loop_now() - a->since >=
	    asker.args->conf->connect_timeout * INT64_C(1000) + PLACE_EXTRA;
}

/*
 * The place of a question: one where the same name is asked for already, or
 * one that is free, or NULL.
 */
static struct asked *
place_find(const struct setup *s)
{
	struct asked *found = NULL;

	for (size_t i = 0; i < asker.nplaces; i++) {
		struct asked *a = &asker.asked[s->desk][i];

		if (is_asked(a, s))
			return a;
		if (!a->open || (a->conns.first == NULL && is_lost(a)))
			found = a;
	}
	return found;
}

static bool
question_send(struct asked *a, const struct conn *c)
{
	const struct setup *s = c->setup;
	struct question q = { .kind = s->kind,
		.client = c->client,
		.ticket = { .pid = asker.pid,
		    .worker = asker.args->index,
		    .desk = s->desk,
		    .place = (uint32_t)(a - asker.asked[s->desk]),
		    .serial = ++a->serial } };

	a->kind = s->kind;
	strcpy(a->name, s->name);
	strcpy(q.name, s->name);
	a->since = loop_now();
	a->open =
	    sys_send(asker.args->desks[s->desk], &q, sizeof(q), NULL, 0) == 0;
	return a->open;
}

/* Asks, or joins those who have; false when that must wait. */
static bool
ask(struct conn *c)
{
	struct asked *a = place_find(c->setup);

	if (a == NULL || (!is_asked(a, c->setup) && !question_send(a, c)))
		return false;
	list_add(&a->conns, c);
	return true;
}

/*
 * Asks a question for a connection, or lets it wait in line until there is
 * room.  A name that is being asked for is not asked for again.  The name, of
 * less than HOST_SIZE bytes, must live as long as the connection's setup.
 */
void
resolve_ask(
    struct conn *c, enum desk desk, enum question_kind kind, const char *name)
{
	c->setup->desk = desk;
	c->setup->kind = kind;
	c->setup->name = name;
	if (!ask(c))
		list_add(&asker.waiting[desk], c);
}

/* A connection does not want its answer any more, if it still waits for one. */
void
resolve_cancel(struct conn *c)
{
	if (c->setup->list != NULL)
		list_remove(c);
}

/* Whether there is somebody who could ask if the desk took the question. */
bool
resolve_waiting(enum desk desk)
{
	const struct conn *c = asker.waiting[desk].first;

	return c != NULL && place_find(c->setup) != NULL;
}

/* The desk takes questions again. */
void
resolve_send(enum desk desk)
{
	struct list *list = &asker.waiting[desk];
	struct conn *c;

	while ((c = list->first) != NULL) {
		list_remove(c);
		if (ask(c))
			continue;
		/* To the end of the line, where it can do no harm. */
		list_add(list, c);
		return;
	}
}

/* Hands an answer to all who wait for it. */
static void
answer_deliver(const struct answer *answer)
{
	const struct ticket *t = &answer->ticket;
	struct asked *a;
	struct conn *c;

	if (t->pid != asker.pid || t->desk >= DESKS || t->place >= PLACES_MAX ||
	    answer->naddrs > ADDRS_MAX)
		return;
	a = &asker.asked[t->desk][t->place];
	if (a->serial != t->serial)
		return;
	while ((c = a->conns.first) != NULL) {
		list_remove(c);
		conn_answer(c, answer);
	}
	/* Only now: whoever asks again at once must not be answered here. */
	a->open = false;
}

/* Takes some of the answers that have come. */
void
resolve_receive(void)
{
	struct answer answer;

	for (int i = 0; i < ANSWERS_MAX; i++) {
		if (sys_receive(asker.args->answers, &answer, sizeof(answer),
			NULL, 0) != sizeof(answer))
			return;
		answer_deliver(&answer);
	}
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
