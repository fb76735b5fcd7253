/* SPDX-License-Identifier: ISC */
/*
 * The worker's side of looking up names and checking passwords.  It sends
 * questions to the desk through three queues.  Connections with the same
 * question wait together for one answer.  When a queue is full, connections
 * wait in line.  Questions in the hosts queue are answered at once, but from
 * the hosts file alone.  Those in the names queue may go to name servers, and
 * take as long as these do.  Passwords have the users queue.  Nothing here
 * blocks.
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
	PLACES_MAX = 256,   /* most questions of a worker in one queue */
	PLACE_EXTRA = 5000, /* ms after ConnectTimeout: the question is lost */
	JOIN_TIME = 5000,   /* ms: an older question may be lost: ask again */
	ANSWERS_MAX = 64    /* most answers taken in one turn of the loop */
};

struct list {
	struct conn *first, *last;
};

/*
 * A place: a question that was sent, and the connections that wait for its
 * answer.  The place stays taken when they have all left, since the desk still
 * works on the question: otherwise clients that come and go would fill the
 * queue.
 */
struct asked {
	bool open;         /* not answered yet */
	int64_t since;     /* ms: when it was sent */
	uint32_t serial;   /* counts up, to recognise late answers */
	struct list conns; /* empty unless it is open */
	enum question_kind kind;
	struct addr client;
	char name[HOST_SIZE];
	struct digest digest; /* of user and password, in place of a name */
};

static struct {
	const struct worker_args *args;
	int64_t patience; /* ms after which a question is lost */
	pid_t pid;
	size_t nplaces;
	size_t used[QUEUES]; /* places that were ever taken */
	struct asked asked[QUEUES][PLACES_MAX];
	struct list waiting[QUEUES]; /* connections that could not ask yet */
	struct answer answer;        /* the one that is being handed out */
	struct asked *answered;      /* the question it is for, or NULL */
	int taken;                   /* answers taken in this turn */
} pending;

/*
 * Must be called in a worker before it asks.  The arguments stay the caller's.
 * A connection waits for an answer for timeout seconds at most.
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

/* Whether a place holds the same question that a connection has. */
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

/* Whether a question is so old that the desk must have lost it. */
static bool
is_lost(const struct asked *a)
{
	return clock_now() - a->since >= pending.patience;
}

/*
 * Returns the place where the same question is asked already, else a free one,
 * or NULL.  A place that was never used is taken last, to save its memory.
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

/* Writes what is asked into the question for the desk, and into the place. */
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

/* Asks, or joins connections that have asked.  False: it must wait in line. */
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
 * room.  It joins a question that is under way.  While all places of the names
 * queue are taken, the hosts queue is asked instead, for it may know the
 * answer.  The name must be shorter than HOST_SIZE, and live as long as the
 * connection's setup.
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

/* Asks whether the connection's credentials are right, as ask_question(). */
void
ask_user(struct conn *c)
{
	c->setup->kind = QUESTION_USER;
	ask_at(c, QUEUE_USERS);
}

/* Whether ask_user() would join a question that the desk has already. */
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
 * Called when an answer was not enough.  If it came from the overflow queue,
 * asks the proper queue and returns true.
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

/* Stops a connection from waiting for an answer, if it does. */
void
ask_cancel(struct conn *c)
{
	if (c->setup->list != NULL)
		list_remove(c);
}

/* Whether the first connection in line could ask, if the queue has room. */
bool
ask_waiting(enum queue queue)
{
	const struct conn *c = pending.waiting[queue].first;

	return c != NULL && place_find(c) != NULL;
}

/* Sends questions of connections in line, as many as the queue takes. */
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
		/* At the end of the line it does not delay others. */
		list_add(list, c);
		return;
	}
}

/*
 * Caches an answer for later questions.  That a rule does not match a client
 * is certain only if the names queue says so: the hosts file may lack the name.
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

/* Returns the question that an answer is for; NULL: it is asked no more. */
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

/* Begins to hand out an answer; drops it if its question is asked no more. */
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
	/* Answered late, but not lost: the place must not be taken now. */
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
	/* Until now the place must not be taken for another question. */
	a->open = false;
	pending.answered = NULL;
	return NULL;
}

/*
 * Returns the next connection whose question is answered, and the answer,
 * which is valid until the next call.  Returns NULL when no answer is left, or
 * after ANSWERS_MAX, to end the turn.  Must be called until it returns NULL.
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
