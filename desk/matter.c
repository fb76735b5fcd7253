/* SPDX-License-Identifier: ISC */
/*
 * The questions that the desk has taken and not yet answered.  There are lines
 * of those that wait for a helper, and lists of those that have one.  In each
 * line the clients take turns, and each has a share of the helpers.  A question
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

enum { MATTERS_MAX = 16384 /* of all workers, also those that are the same */ };

static struct {
	const struct desk_args *args;
	struct matter *newest; /* of all */
	size_t n;              /* matters */
	struct {
		uint32_t channel; /* counts those that it has had */
		size_t n;         /* matters that came through the last one */
	} workers[WORKERS_MAX];
	struct {
		struct turns turns;
		struct matter *taken; /* owned: each has a helper */
		size_t ntaken;
	} lines[LINES];
} m;

/* To be called once.  The arguments stay the caller's. */
void
matter_init(const struct desk_args *args)
{
	m.args = args;
	for (int line = 0; line < LINES; line++)
		turns_init(&m.lines[line].turns, args->logins->key);
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

/* Whatever is the same as a question: with a helper, or of the same client. */
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
	w = turns_first(&m.lines[line].turns, &client);
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
	if (turn_wait(&m.lines[line].turns, &new->waiter, &client) == 0)
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

/*
 * Returns the matter that is next to get a helper, if a line may have so many
 * more, or NULL.
 */
struct matter *
matter_next(enum desk_line line, size_t room)
{
	struct waiter *w = turns_next(&m.lines[line].turns, room);

	return w != NULL ? w->owner : NULL;
}

/*
 * A helper has that one now.  Returns 0, or -1 with ENOMEM: it still waits.
 */
int
matter_take(struct matter *taken)
{
	struct addr client = matter_client(&taken->question);
	struct turns *turns = &m.lines[taken->line].turns;

	taken->turn = turn_take(turns, &client);
	if (taken->turn == NULL)
		return -1;
	turn_served(turns, &taken->waiter);
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
	turn_give(&m.lines[taken->line].turns, taken->turn);
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
		turn_leave(&m.lines[old->line].turns, &old->waiter);
	for (; old != NULL; old = same) {
		same = old->same;
		matter_reply(&old->question, answer);
		matter_free(old);
	}
}
