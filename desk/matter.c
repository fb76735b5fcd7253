/* SPDX-License-Identifier: ISC */
/*
 * The questions that the desk has taken and not yet answered.  Each kind of
 * helper has a line of those that wait for one, and a list of those that have
 * one.  A question that is there already, whichever worker asked it, is kept
 * with the first and gets the same answer.  Nothing here asks or waits.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "clock.h"
#include "matter.h"
#include "question.h"

enum { MATTERS_MAX = 16384 /* of all workers, also those that are the same */ };

static struct line {
	struct matter *first, *last; /* owned: they wait for a helper */
	struct matter *taken;        /* owned: each has a helper */
} lines[HELPER_KINDS];

static size_t nmatters;
static const int *answers; /* the sockets of the workers */

/* To be called once, with the sockets by which the workers get answers. */
void
matter_init(const int *sockets)
{
	answers = sockets;
}

/*
 * Sends an answer to the worker that asked.  An answer for which there is no
 * room is lost, and the worker gives up after a while.
 */
void
matter_reply(const struct question *q, struct answer *answer)
{
	answer->ticket = q->ticket;
	answer_send(answers[q->ticket.worker], answer);
}

static struct line *
line_of(const struct question *q)
{
	return &lines[question_traits(q->kind)->helper];
}

/* The one in a list that is the same as a question, or NULL. */
static struct matter *
list_find(struct matter *m, const struct question *q)
{
	while (m != NULL && !question_same(&m->question, q))
		m = m->next;
	return m;
}

static struct matter *
matter_find(const struct question *q)
{
	const struct line *line = line_of(q);
	struct matter *m = list_find(line->taken, q);

	return m != NULL ? m : list_find(line->first, q);
}

/* Puts a matter at the end of its line. */
static void
line_add(struct matter *m)
{
	struct line *line = line_of(&m->question);

	m->next = NULL;
	*(line->first != NULL ? &line->last->next : &line->first) = m;
	line->last = m;
}

/* Takes a matter out of those that have a helper. */
static void
taken_remove(struct matter *m)
{
	struct matter **at = &line_of(&m->question)->taken;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
}

/*
 * Adds a question: to the same one if there is one, or at the end of its line.
 * Returns 0, or -1 when there is no room or memory.
 */
int
matter_add(const struct question *q)
{
	struct matter *m, *same = matter_find(q);

	if (nmatters == MATTERS_MAX || (m = malloc(sizeof(*m))) == NULL)
		return -1;
	nmatters++;
	m->same = NULL;
	m->since = clock_ms();
	m->question = *q;
	if (same != NULL) {
		m->same = same->same;
		same->same = m;
		same->since = m->since;
		return 0;
	}
	line_add(m);
	return 0;
}

/* The matter that has waited longest for a helper of a kind, or NULL. */
const struct matter *
matter_first(enum helper_kind kind)
{
	return lines[kind].first;
}

/* Takes that one, which must exist, out of the line: a helper has it now. */
struct matter *
matter_take(enum helper_kind kind)
{
	struct line *line = &lines[kind];
	struct matter *m = line->first;

	line->first = m->next;
	m->next = line->taken;
	line->taken = m;
	return m;
}

/* Puts a matter that was taken back to the end of its line. */
void
matter_put_back(struct matter *m)
{
	taken_remove(m);
	line_add(m);
}

/* Sends an answer to all that asked, and frees a matter that was taken. */
void
matter_close(struct matter *m, struct answer *answer)
{
	struct matter *same;

	for (taken_remove(m); m != NULL; m = same) {
		same = m->same;
		matter_reply(&m->question, answer);
		question_wipe(&m->question);
		free(m);
		nmatters--;
	}
}

/* The same when there is no answer, with one of getaddrinfo()'s errors. */
void
matter_fail(struct matter *m, int error)
{
	struct answer answer = { .error = error };

	matter_close(m, &answer);
}
