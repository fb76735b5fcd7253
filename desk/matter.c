/* SPDX-License-Identifier: ISC */
/*
 * The questions that the desk has taken and not yet answered.  There are lines
 * of those that wait for a helper, and lists of those that have one.  In each
 * line the workers take turns, and the clients of each worker, and each has a
 * share of the helpers: whatever a worker says, others get some.  A question
 * that a helper has already, or that the same client waits for, is kept with
 * that one and gets the same answer.  Nothing here asks or waits.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "addr.h"
#include "args.h"
#include "bounds.h"
#include "clock.h"
#include "login.h"
#include "matter.h"
#include "question.h"
#include "turns.h"

enum {
	MATTERS_MAX = 16384, /* of all workers, also those that are the same */
	/* Times what is left for others, a worker may have with helpers. */
	WORKER_SHARE = 4
};

/* What helpers there are for: the lines of passwords share theirs. */
enum pool { POOL_CLIENTS, POOL_NAMES, POOL_PASSWORDS, POOLS };

static struct {
	const struct desk_args *args;
	struct matter *newest; /* of all */
	size_t n;              /* matters */
	struct {
		uint32_t channel; /* counts those that it has had */
		size_t n;         /* matters that came through the last one */
		size_t taken[POOLS]; /* that have a helper */
	} workers[WORKERS_MAX];
	struct {
		struct turns clients; /* what they have in all lanes */
		struct turns *lanes;  /* owned: of each worker */
		uint32_t next;        /* the worker whose turn it is */
		struct matter *taken; /* owned: each has a helper */
		size_t ntaken;
	} lines[LINES];
} m;

static enum pool
pool_of(enum desk_line line)
{
	switch (line) {
	case LINE_CLIENTS:
		return POOL_CLIENTS;
	case LINE_NAMES:
		return POOL_NAMES;
	case LINE_REGULARS:
	case LINE_PASSWORDS:
	case LINES:
		break;
	}
	return POOL_PASSWORDS;
}

/* Makes a line with a lane for each worker.  Returns 0, or -1 with ENOMEM. */
static int
line_init(enum desk_line line, const unsigned char *key)
{
	size_t n = m.args->nworkers;
	struct turns *lanes = calloc(n, sizeof(*lanes));

	if (lanes == NULL)
		return -1;
	turns_init(&m.lines[line].clients, key);
	m.lines[line].lanes = lanes;
	for (size_t i = 0; i < n; i++) {
		turns_init(&lanes[i], key);
		lanes[i].whole = &m.lines[line].clients;
		lanes[i].parts = n;
	}
	return 0;
}

/*
 * To be called once.  The arguments stay the caller's.  Returns 0, or -1 with
 * ENOMEM.
 */
int
matter_init(const struct desk_args *args)
{
	m.args = args;
	for (int line = 0; line < LINES; line++)
		if (line_init((enum desk_line)line, args->logins->key) != 0)
			return -1;
	return 0;
}

/* Where a matter waits, among those of its worker. */
static struct turns *
lane_of(const struct question *q, enum desk_line line)
{
	return &m.lines[line].lanes[q->ticket.worker];
}

/* What stands for the client that asks. */
struct addr
matter_client(const struct question *q)
{
	return addr_client(&q->client, &m.args->block);
}

/* Notes that a question came through the present channel of a worker. */
void
matter_sign(struct question *q, uint32_t worker)
{
	q->ticket.worker = worker;
	q->ticket.channel = m.workers[worker].channel;
}

/* The channel of a worker is gone, and with it whatever came through it. */
void
matter_forget(uint32_t worker)
{
	m.workers[worker].channel++;
	m.workers[worker].n = 0;
}

/* Whether the worker that has asked is still there. */
static bool
has_asker(const struct question *q)
{
	return q->ticket.channel == m.workers[q->ticket.worker].channel;
}

/* Whether any worker that asked is still there. */
bool
matter_wanted(const struct matter *matter)
{
	while (matter != NULL && !has_asker(&matter->question))
		matter = matter->same;
	return matter != NULL;
}

/*
 * Sends an answer to the worker that asked.  An answer for which there is no
 * room is lost, and the worker gives up after a while.
 */
void
matter_reply(const struct question *q, struct answer *answer)
{
	answer->ticket = q->ticket;
	if (has_asker(q))
		answer_send(m.args->channels[q->ticket.worker], answer);
}

/*
 * Whatever is the same as a question: with a helper, or of the same client and
 * worker.
 */
static struct matter *
matter_find(const struct question *q, enum desk_line line)
{
	struct addr client = matter_client(q);
	struct matter *found = m.lines[line].taken;
	struct waiter *w;

	while (found != NULL && !question_same(&found->question, q))
		found = found->next;
	if (found != NULL)
		return found;
	w = turns_first(lane_of(q, line), &client);
	for (; w != NULL; w = w->next) {
		found = w->owner;
		if (question_same(&found->question, q))
			return found;
	}
	return NULL;
}

static struct matter *
matter_new(const struct question *q, enum desk_line line)
{
	struct matter *new = calloc(1, sizeof(*new));

	if (new == NULL)
		return NULL;
	new->older = m.newest;
	if (m.newest != NULL)
		m.newest->newer = new;
	m.newest = new;
	m.n++;
	m.workers[q->ticket.worker].n++;
	new->waiter.owner = new;
	new->line = line;
	new->since = clock_ms();
	new->question = *q;
	return new;
}

static void
matter_free(struct matter *old)
{
	if (has_asker(&old->question))
		m.workers[old->question.ticket.worker].n--;
	*(old->newer != NULL ? &old->newer->older : &m.newest) = old->older;
	if (old->older != NULL)
		old->older->newer = old->newer;
	question_wipe(&old->question);
	free(old);
	m.n--;
}

/*
 * Whether a worker may have one more: fewer than are free.  So there is always
 * room for the others, whatever one asks.
 */
static bool
has_room(uint32_t worker)
{
	return m.workers[worker].n < MATTERS_MAX - m.n;
}

/*
 * Adds a question: to the same one if there is one, or to the line of its
 * client.  Returns 0, or -1 when there is no room or memory.
 */
int
matter_add(const struct question *q, enum desk_line line)
{
	struct matter *same = matter_find(q, line), *new;
	struct addr client = matter_client(q);

	if (!has_room(q->ticket.worker) || (new = matter_new(q, line)) == NULL)
		return -1;
	if (same != NULL) {
		new->same = same->same;
		same->same = new;
		same->since = new->since;
		return 0;
	}
	if (turn_wait(lane_of(q, line), &new->waiter, &client) == 0)
		return 0;
	matter_free(new);
	return -1;
}

/* How many of a line have a helper. */
size_t
matter_taken(enum desk_line line)
{
	return m.lines[line].ntaken;
}

/* How many matters of all workers have a helper of the same pool. */
size_t
matter_pooled(enum desk_line line)
{
	size_t n = 0;

	for (int i = 0; i < LINES; i++)
		if (pool_of((enum desk_line)i) == pool_of(line))
			n += m.lines[i].ntaken;
	return n;
}

/*
 * Whether a worker may have one more helper when there are so many.  A single
 * worker may have all.
 */
static bool
worker_may(size_t worker, enum desk_line line, size_t left)
{
	return m.args->nworkers == 1 ||
	    m.workers[worker].taken[pool_of(line)] / WORKER_SHARE < left;
}

/*
 * Returns the matter that is next to get a helper, or NULL.  There are so many
 * left in the pool, and a client gets a share of room.
 */
struct matter *
matter_next(enum desk_line line, size_t left, size_t room)
{
	size_t n = m.args->nworkers, worker;
	struct waiter *w;

	for (size_t i = 0; i < n; i++) {
		worker = (m.lines[line].next + i) % n;
		if (!worker_may(worker, line, left))
			continue;
		w = turns_next(&m.lines[line].lanes[worker], room);
		if (w != NULL)
			return w->owner;
	}
	return NULL;
}

/*
 * A helper has that one now.  Returns 0, or -1 with ENOMEM: it still waits.
 */
int
matter_take(struct matter *taken)
{
	struct addr client = matter_client(&taken->question);
	struct turns *lane = lane_of(&taken->question, taken->line);
	uint32_t worker = taken->question.ticket.worker;

	taken->turn = turn_take(lane, &client);
	if (taken->turn == NULL)
		return -1;
	turn_served(lane, &taken->waiter);
	m.lines[taken->line].next = worker + 1;
	m.workers[worker].taken[pool_of(taken->line)]++;
	taken->next = m.lines[taken->line].taken;
	m.lines[taken->line].taken = taken;
	m.lines[taken->line].ntaken++;
	return 0;
}

/* No helper has it any more. */
static void
taken_remove(struct matter *taken)
{
	struct matter **at = &m.lines[taken->line].taken;

	while (*at != taken)
		at = &(*at)->next;
	*at = taken->next;
	m.lines[taken->line].ntaken--;
	m.workers[taken->question.ticket.worker].taken[pool_of(taken->line)]--;
	turn_give(lane_of(&taken->question, taken->line), taken->turn);
}

/* In a helper: it has a copy of all questions, perhaps with passwords. */
void
matter_wipe_all(void)
{
	for (struct matter *matter = m.newest; matter != NULL;
	     matter = matter->older)
		question_wipe(&matter->question);
}

/* Sends an answer to all that asked, and frees the matter. */
void
matter_close(struct matter *old, struct answer *answer)
{
	struct matter *same;

	if (old->turn != NULL)
		taken_remove(old);
	else
		turn_leave(lane_of(&old->question, old->line), &old->waiter);
	for (; old != NULL; old = same) {
		same = old->same;
		matter_reply(&old->question, answer);
		matter_free(old);
	}
}
