/* SPDX-License-Identifier: ISC */
/*
 * The worker's side of looking up names and checking passwords.  It sends
 * questions to the desk by three queues, lets connections that want the same
 * answer wait together, and keeps those for which there is no room in line.
 * Questions in the hosts queue are answered at once, from the hosts file and
 * nothing else.  One in the names queue may be about any name, but keeps its
 * place for as long as a name server likes.  Passwords have the users queue.
 * Nothing here blocks.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "args.h"
#include "ask.h"
#include "auth.h"
#include "bounds.h"
#include "clock.h"
#include "conn.h"
#include "namecache.h"
#include "question.h"
#include "quota.h"
#include "secret.h"

enum {
	PLACES_MAX = 256,   /* questions of a worker in a queue, at most */
	PLACE_EXTRA = 5000, /* ms after ConnectTimeout: no answer will come */
	JOIN_TIME = 5000,   /* ms: a question that is older may be lost */
	ANSWERS_MAX = 64    /* taken in one turn of the loop */
};

struct list {
	struct conn *first, *last;
};

/*
 * A question that was sent, and the connections that wait for its answer.  It
 * keeps its place when they have left: the desk is busy with it all the same,
 * and clients that come and go must not fill the queue.
 */
struct asked {
	bool open;         /* there is no answer yet */
	int64_t since;     /* ms: when it was asked */
	uint32_t serial;   /* counts up, so that a late answer is dropped */
	struct list conns; /* empty unless it is open */
	enum question_kind kind;
	struct addr client;
	char name[HOST_SIZE];
	struct digest digest; /* of a secret, in place of the name */
};

static struct {
	const struct worker_args *args;
	int64_t patience; /* ms: after that no answer will come */
	pid_t pid;
	size_t nplaces;
	size_t used[QUEUES]; /* places that were ever needed */
	struct asked asked[QUEUES][PLACES_MAX];
	struct list waiting[QUEUES]; /* those that found no place or no room */
	struct answer answer;        /* that is being handed out */
	struct asked *answered;      /* to those who asked this, or NULL */
	int taken;                   /* answers of this turn */
} pending;

/*
 * To be called in a worker before it asks; timeout is how many seconds a
 * connection waits for an answer.
 */
void
ask_init(const struct worker_args *args, unsigned timeout)
{
	pending.args = args;
	pending.patience = timeout * INT64_C(1000) + PLACE_EXTRA;
	pending.pid = getpid();
	pending.nplaces =
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
is_asked(const struct asked *a, const struct conn *c)
{
	const struct setup *s = c->setup;
	const struct question_traits *traits = question_traits(s->kind);

	if (!a->open || clock_now() - a->since >= JOIN_TIME ||
	    a->kind != s->kind)
		return false;
	if (traits->secret)
		return secret_same(&a->digest, &s->credentials->digest);
	return strcmp(a->name, s->name) == 0 &&
	    (!traits->about_client || addr_same_ip(&a->client, &c->client));
}

/* Whether the desk that took a question must have died. */
static bool
is_lost(const struct asked *a)
{
	return clock_now() - a->since >= pending.patience;
}

/*
 * The place of a question: one where the same is asked already, or one that is
 * free, or NULL.  A new one is touched only when it is needed.
 */
static struct asked *
place_find(const struct conn *c)
{
	enum queue queue = c->setup->queue;
	struct asked *found = NULL, *places = pending.asked[queue];
	size_t used = pending.used[queue];

	for (size_t i = 0; i < used; i++) {
		struct asked *a = &places[i];

		if (is_asked(a, c))
			return a;
		if (found == NULL &&
		    (!a->open || (a->conns.first == NULL && is_lost(a))))
			found = a;
	}
	if (found == NULL && used < pending.nplaces)
		found = &places[used];
	return found;
}

/* Writes down what is asked, for the desk and at the place. */
static void
question_fill(struct question *q, struct asked *a, const struct setup *s)
{
	const struct credentials *p = s->credentials;

	a->kind = s->kind;
	if (question_traits(s->kind)->secret) {
		question_add(q, p->user);
		question_add(q, p->password);
		a->digest = p->digest;
	} else {
		question_add(q, s->name);
		strcpy(a->name, s->name);
	}
}

static bool
place_ask(struct asked *a, const struct conn *c)
{
	const struct setup *s = c->setup;
	uint32_t place = (uint32_t)(a - pending.asked[s->queue]);
	struct question q = { .kind = s->kind,
		.client = c->client,
		.ticket = { .pid = pending.pid,
		    .worker = pending.args->index,
		    .queue = s->queue,
		    .place = place,
		    .serial = ++a->serial } };

	if (place == pending.used[s->queue])
		pending.used[s->queue]++;
	a->client = c->client;
	question_fill(&q, a, s);
	a->since = clock_now();
	a->open = question_send(pending.args->queues[s->queue], &q) == 0;
	question_wipe(&q);
	if (a->open && question_traits(a->kind)->helper == HELPER_PASSWORDS)
		quota_charge(QUOTA_CHECKS, &a->client, 1);
	return a->open;
}

/* Asks, or joins those that have asked; false when that must wait. */
static bool
ask(struct conn *c)
{
	struct asked *a = place_find(c);

	if (a == NULL || (!is_asked(a, c) && !place_ask(a, c)))
		return false;
	list_add(&a->conns, c);
	return true;
}

static void
ask_at(struct conn *c, enum queue queue)
{
	c->setup->queue = queue;
	if (!ask(c))
		list_add(&pending.waiting[queue], c);
}

/*
 * Asks a question for a connection, or lets it wait in line until there is
 * room.  What is being asked already is not asked again.  While all
 * places in the names queue are taken, the hosts file may have the answer.  The
 * name, of less than HOST_SIZE bytes, must live as long as the connection's
 * setup.
 */
void
ask_question(struct conn *c, enum question_kind kind, const char *name)
{
	const struct question_traits *traits = question_traits(kind);

	c->setup->kind = kind;
	c->setup->name = name;
	c->setup->queue = traits->queue;
	ask_at(c, place_find(c) != NULL ? traits->queue : traits->overflow);
}

/* The same for the credentials of a connection, by the users queue. */
void
ask_user(struct conn *c)
{
	c->setup->kind = QUESTION_USER;
	ask_at(c, QUEUE_USERS);
}

/* Whether the desk has that question already, so that none is added. */
bool
ask_joins(struct conn *c)
{
	const struct asked *places = pending.asked[QUEUE_USERS];

	c->setup->kind = QUESTION_USER;
	for (size_t i = 0; i < pending.used[QUEUE_USERS]; i++)
		if (is_asked(&places[i], c))
			return true;
	return false;
}

/*
 * The answer does not help a connection.  Returns whether it asks where more
 * is known.
 */
bool
ask_on(struct conn *c)
{
	enum queue queue = question_traits(c->setup->kind)->queue;

	if (c->setup->queue == queue)
		return false;
	ask_at(c, queue);
	return true;
}

/* A connection does not want its answer any more, if it still waits for one. */
void
ask_cancel(struct conn *c)
{
	if (c->setup->list != NULL)
		list_remove(c);
}

/* Whether a connection could ask if the queue took its question. */
bool
ask_waiting(enum queue queue)
{
	const struct conn *c = pending.waiting[queue].first;

	return c != NULL && place_find(c) != NULL;
}

/* The queue takes questions again. */
void
ask_send(enum queue queue)
{
	struct list *list = &pending.waiting[queue];
	struct conn *c;

	while (ask_waiting(queue)) {
		c = list->first;
		list_remove(c);
		if (ask(c))
			continue;
		/* To the end of the line, where it can do no harm. */
		list_add(list, c);
		return;
	}
}

/*
 * Keeps an answer for the next that ask the same.  That a client is not what a
 * rule says is only known after the names queue was asked.
 */
static void
answer_remember(
    const struct asked *a, enum queue queue, const struct answer *ans)
{
	const struct question_traits *traits = question_traits(a->kind);

	if (ans->error != 0 || traits->memory != MEMORY_WORKER)
		return;
	if (!traits->about_client)
		namecache_put(a->name, ans->addrs, ans->naddrs);
	else if (ans->matches || queue == traits->queue)
		namecache_put_client(a->name, &a->client, ans->matches);
}

/* The question that an answer is for, or NULL: it is not asked any more. */
static struct asked *
answer_match(const struct answer *answer)
{
	const struct ticket *t = &answer->ticket;
	struct asked *a;

	if (t->pid != pending.pid || t->queue >= QUEUES ||
	    t->place >= PLACES_MAX)
		return NULL;
	a = &pending.asked[t->queue][t->place];
	return a->open && a->serial == t->serial ? a : NULL;
}

/* Begins to hand out an answer; one that is not waited for is dropped. */
static void
answer_take(const struct answer *answer)
{
	struct asked *a = answer_match(answer);

	pending.answered = a;
	if (a == NULL)
		return;
	answer_remember(a, answer->ticket.queue, answer);
	if (question_traits(a->kind)->helper == HELPER_PASSWORDS)
		quota_charge(QUOTA_CHECKS, &a->client, -1);
	/* It is not lost, whatever the clock says. */
	a->since = clock_now();
}

/* Takes the next connection that waits for the answer at hand, or NULL. */
static struct conn *
answer_next(void)
{
	struct asked *a = pending.answered;
	struct conn *c;

	if (a == NULL)
		return NULL;
	c = a->conns.first;
	if (c != NULL) {
		list_remove(c);
		return c;
	}
	/* Its place is free only now: a connection that asks again at once must
	 * not join a question that is answered already. */
	a->open = false;
	pending.answered = NULL;
	return NULL;
}

/*
 * The next connection whose question is answered, with the answer, which stays
 * valid until the next call; NULL when there is none for now, or when enough
 * were taken for one turn of the loop.  To be called until it returns NULL.
 */
struct conn *
ask_answered(const struct answer **answer)
{
	struct conn *c;

	*answer = &pending.answer;
	while ((c = answer_next()) == NULL) {
		if (pending.taken == ANSWERS_MAX ||
		    answer_receive(pending.args->answers, &pending.answer) !=
			1) {
			pending.taken = 0;
			return NULL;
		}
		pending.taken++;
		answer_take(&pending.answer);
	}
	return c;
}
