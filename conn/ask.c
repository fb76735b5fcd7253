/* SPDX-License-Identifier: ISC */
/*
 * The worker's side of looking up names and checking passwords.  It sends
 * questions to the desk, and counts them in several queues.  Connections with
 * the same question wait together for one answer.  Of the questions that a queue
 * takes at once each client has a share; beyond that its connections wait, and
 * the clients take turns.  Questions in the hosts queue are answered at once, but
 * from the hosts file alone.  Those in the other queues may go to name servers,
 * and take as long as these do, or are about passwords.  Nothing here blocks.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
#include "sys.h"
#include "turns.h"

enum {
	/*
	 * Most questions of a worker in one queue.  As many are for passwords,
	 * so that these do not wait here, but at the desk, which knows whose go
	 * first.
	 */
	PLACES_MAX = 2048,
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
	bool open;           /* not answered yet */
	struct asked *older; /* of the open ones, in the order of their age */
	struct asked *newer; /* the same; of the free ones, the next */
	struct turn *turn;   /* of the client that has the place, while open */
	int64_t since;       /* ms: when it was sent */
	uint64_t serial;     /* to recognise late answers */
	struct list conns;   /* empty unless it is open */
	enum question_kind kind;
	struct addr client;
	struct addr joined; /* the last other client to ask the same */
	char name[HOST_SIZE];
	struct digest digest; /* of user and password, in place of a name */
};

static struct {
	const struct worker_args *args;
	int64_t patience; /* ms after which a question is lost */
	uint64_t serial;  /* of the last question; nobody can guess the first */
	size_t nplaces;
	size_t used[QUEUES];  /* places that were ever taken */
	size_t nopen[QUEUES]; /* places that are open */
	struct asked *oldest[QUEUES], *newest[QUEUES]; /* of the open ones */
	struct asked *free[QUEUES]; /* was taken before; the first of a list */
	struct asked asked[QUEUES][PLACES_MAX];
	/* Clients with places, and connections that could not ask yet. */
	struct turns turns[QUEUES];
	struct answer answer;   /* the one that is being handed out */
	struct asked *answered; /* the question it is for, or NULL */
	int taken;              /* answers taken in this turn */
} pending;

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

/* Whether a question is so young that it cannot be lost. */
static bool
is_recent(const struct asked *a)
{
	return clock_now() - a->since < JOIN_TIME;
}

/* Whether an open place holds the same question that a connection has. */
static bool
is_asked(const struct asked *a, const struct conn *c)
{
	const struct setup *s = c->setup;
	const struct question_traits *traits = question_traits(s->kind);

	if (a->kind != s->kind)
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

/* The place where the same question is asked already, or NULL. */
static struct asked *
place_same(const struct conn *c)
{
	enum queue queue = c->setup->queue;
	struct asked *a = pending.newest[queue];

	for (; a != NULL && is_recent(a); a = a->older)
		if (is_asked(a, c))
			return a;
	return NULL;
}

/* A question is asked from now on. */
static void
place_open(struct asked *a, enum queue queue)
{
	a->open = true;
	a->older = pending.newest[queue];
	a->newer = NULL;
	*(a->older != NULL ? &a->older->newer : &pending.oldest[queue]) = a;
	pending.newest[queue] = a;
	pending.nopen[queue]++;
}

/* A question is asked no more, and its client has given back the place. */
static void
place_close(struct asked *a, enum queue queue)
{
	a->open = false;
	*(a->older != NULL ? &a->older->newer : &pending.oldest[queue]) =
	    a->newer;
	*(a->newer != NULL ? &a->newer->older : &pending.newest[queue]) =
	    a->older;
	a->newer = pending.free[queue];
	pending.free[queue] = a;
	turn_give(&pending.turns[queue], a->turn);
	pending.nopen[queue]--;
}

/* Forgets all questions in a queue, for which no connection waits any more. */
static void
places_forget(enum queue queue)
{
	while (pending.oldest[queue] != NULL)
		place_close(pending.oldest[queue], queue);
	pending.free[queue] = NULL;
	pending.used[queue] = 0;
}

/*
 * Must be called in a worker before it asks; what was asked before is forgotten,
 * and no connection may wait for it.  The arguments stay the caller's;
 * the key is secret, and determines where clients are looked for.  A connection
 * waits for an answer for timeout seconds at most.  Returns 0, or -1 with errno.
 */
int
ask_init(
    const struct worker_args *args, const unsigned char *key, unsigned timeout)
{
	pending.args = args;
	pending.patience = timeout * INT64_C(1000) + PLACE_EXTRA;
	pending.nplaces =
	    args->max_questions < PLACES_MAX ? args->max_questions : PLACES_MAX;
	for (int queue = 0; queue < QUEUES; queue++) {
		places_forget((enum queue)queue);
		turns_init(&pending.turns[queue], key);
	}
	return sys_random(&pending.serial, sizeof(pending.serial));
}

/* Gives back the places of questions that were lost. */
static void
places_sweep(enum queue queue)
{
	struct asked *newer;

	for (struct asked *a = pending.oldest[queue]; a != NULL && is_lost(a);
	     a = newer) {
		newer = a->newer;
		if (a->conns.first == NULL && a != pending.answered)
			place_close(a, queue);
	}
}

/* How many more questions a queue takes. */
static size_t
queue_room(enum queue queue)
{
	size_t most = queue == QUEUE_USERS ? PLACES_MAX : pending.nplaces;

	return most - pending.nopen[queue];
}

/* Whether a connection's client may have one more place now. */
static bool
may_ask(const struct conn *c)
{
	struct addr client = quota_client(&c->client);
	enum queue queue = c->setup->queue;

	places_sweep(queue);
	return turns_held(&pending.turns[queue], &client) < queue_room(queue);
}

/* A free place.  One that was never used is taken last, to save its memory. */
static struct asked *
place_free(enum queue queue)
{
	struct asked *a = pending.free[queue];

	if (a == NULL)
		return &pending.asked[queue][pending.used[queue]++];
	pending.free[queue] = a->newer;
	return a;
}

/* Writes what is asked into the place. */
static void
place_fill(struct asked *a, const struct conn *c)
{
	const struct setup *s = c->setup;

	a->kind = s->kind;
	a->client = c->client;
	a->joined = quota_client(&c->client);
	a->since = clock_now();
	a->serial = ++pending.serial;
	if (question_traits(s->kind)->secret)
		a->digest = s->credentials->digest;
	else
		strcpy(a->name, s->name);
}

/* The way to the desk that answers questions of a kind. */
static int
desk_of(enum question_kind kind)
{
	return pending.args->desks[question_traits(kind)->helper];
}

/* Sends the question of a place to its desk, for the client of c. */
static int
place_send(const struct asked *a, const struct conn *c, bool again)
{
	const struct setup *s = c->setup;
	struct question q = { .kind = s->kind,
		.client = c->client,
		.again = again,
		.ticket = { .queue = s->queue,
		    .place = (uint32_t)(a - pending.asked[s->queue]),
		    .serial = a->serial } };
	int result;

	if (question_traits(s->kind)->secret) {
		question_add(&q, s->credentials->user);
		question_add(&q, s->credentials->password);
	} else {
		question_add(&q, s->name);
	}
	result = question_send(desk_of(s->kind), &q);
	question_wipe(&q);
	return result;
}

/* Asks a connection's question.  Returns the place it has then, or NULL. */
static struct asked *
place_ask(const struct conn *c)
{
	struct addr client = quota_client(&c->client);
	enum queue queue = c->setup->queue;
	struct turn *turn = turn_take(&pending.turns[queue], &client);
	struct asked *a;

	if (turn == NULL)
		return NULL;
	a = place_free(queue);
	a->turn = turn;
	place_fill(a, c);
	place_open(a, queue);
	if (place_send(a, c, false) != 0) {
		place_close(a, queue);
		return NULL;
	}
	if (question_traits(a->kind)->helper == HELPER_PASSWORDS)
		quota_charge(QUOTA_CHECKS, &a->client, 1);
	return a;
}

/*
 * A connection waits for a question that another client has asked.  The desk
 * must know, since that client may have to wait there for its turn.
 */
static void
place_join(struct asked *a, const struct conn *c)
{
	struct addr client = quota_client(&c->client);

	if (addr_same_ip(&a->joined, &client))
		return;
	a->joined = client;
	/* If there is no room for it, the first one is still under way. */
	(void)place_send(a, c, true);
}

/* Asks, or joins connections that have asked.  False: it must wait. */
static bool
ask(struct conn *c)
{
	struct asked *a = place_same(c);

	if (a != NULL)
		place_join(a, c);
	else if (may_ask(c))
		a = place_ask(c);
	if (a == NULL)
		return false;
	list_add(&a->conns, c);
	return true;
}

/* Lets a connection wait for its turn. */
static void
ask_later(struct conn *c)
{
	struct addr client = quota_client(&c->client);
	struct setup *s = c->setup;

	s->waiter.owner = c;
	/* Without memory it waits in vain, until its time is over. */
	(void)turn_wait(&pending.turns[s->queue], &s->waiter, &client);
}

static void
ask_at(struct conn *c, enum queue queue)
{
	c->setup->queue = queue;
	if (!ask(c))
		ask_later(c);
}

/*
 * Asks a question for a connection, or lets it wait until its client has room.
 * It joins a question that is under way.  While it cannot ask the proper queue,
 * the hosts queue is asked instead, for it may know the answer.  The name must
 * be shorter than HOST_SIZE, and live as long as the connection's setup.
 */
void
ask_question(struct conn *c, enum question_kind kind, const char *name)
{
	const struct question_traits *traits = question_traits(kind);

	c->setup->kind = kind;
	c->setup->name = name;
	c->setup->queue = traits->queue;
	ask_at(c,
	    place_same(c) != NULL || may_ask(c) ? traits->queue
						: traits->overflow);
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
	c->setup->kind = QUESTION_USER;
	c->setup->queue = QUEUE_USERS;
	return place_same(c) != NULL;
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

/* Whether a connection waits for an answer, or for its turn to ask. */
bool
ask_pending(const struct conn *c)
{
	return c->setup->list != NULL || c->setup->waiter.turn != NULL;
}

/* Stops a connection from waiting for an answer, if it does. */
void
ask_cancel(struct conn *c)
{
	struct setup *s = c->setup;

	if (s->list != NULL)
		list_remove(c);
	if (s->waiter.turn != NULL)
		turn_leave(&pending.turns[s->queue], &s->waiter);
}

/* Whether a connection that waits could ask, if the queue has room. */
bool
ask_waiting(enum queue queue)
{
	struct turns *turns = &pending.turns[queue];

	if (turns->ring == NULL)
		return false;
	places_sweep(queue);
	return turns_next(turns, queue_room(queue)) != NULL;
}

/* Sends questions of connections that wait, as many as the queue takes. */
void
ask_send(enum queue queue)
{
	struct waiter *w;

	while (ask_waiting(queue)) {
		w = turns_next(&pending.turns[queue], queue_room(queue));
		turn_served(&pending.turns[queue], w);
		if (ask(w->owner))
			continue;
		/* At the end of the line it does not delay others. */
		ask_later(w->owner);
		return;
	}
}

/*
 * Caches an answer for later questions.  That a rule does not match a client
 * is certain only if its proper queue says so: the hosts file may lack the name.
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

	if (t->queue >= QUEUES || t->place >= PLACES_MAX)
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
	place_close(a, (enum queue)pending.answer.ticket.queue);
	pending.answered = NULL;
	return NULL;
}

/*
 * Returns the next connection whose question a desk has answered, and the answer,
 * which is valid until the next call.  Returns NULL when no answer is left, or
 * after ANSWERS_MAX, to end the turn.  Must be called until it returns NULL.
 */
struct conn *
ask_answered(enum helper_kind desk, const struct answer **answer)
{
	struct conn *c;

	*answer = &pending.answer;
	while ((c = answer_next()) == NULL) {
		if (pending.taken == ANSWERS_MAX ||
		    answer_receive(
			pending.args->desks[desk], &pending.answer) != 1) {
			pending.taken = 0;
			return NULL;
		}
		pending.taken++;
		answer_take(&pending.answer);
	}
	return c;
}
