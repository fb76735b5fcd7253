/* SPDX-License-Identifier: ISC */
/*
 * Adds up what the workers count, and says whether the proxy is ready for
 * clients.  A worker may have written anything into its slot: numbers are only
 * added and shown, and of its clients those alone that it may have, since that
 * sum decides whether there is room for more.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "board.h"
#include "clock.h"
#include "refusal.h"
#include "share.h"
#include "sheet.h"
#include "tally.h"

enum {
	ROOM_PART = 16 /* a proxy is full with less than this part free */
};

static void
add_all(uint64_t *to, const _Atomic uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += atomic_load_explicit(&from[i], memory_order_relaxed);
}

/* Adds what is kept over all workers that a slot ever had. */
static void
slot_count(struct sheet *s, const struct share_slot *slot)
{
	add_all(s->tally, slot->tally, TALLIES);
	add_all(s->count, slot->count, COUNTS);
	add_all(s->refused, slot->refused, REFUSALS_MAX);
	for (size_t i = 0; i < SPANS; i++)
		add_all(s->span[i], slot->span[i], SPAN_STEPS + 1);
	add_all(s->span_ms, slot->span_ms, SPANS);
}

/* Adds to a rule's count. */
static void
rule_add(struct sheet *s, uint64_t rule, uint64_t count)
{
	enum refusal refusal = (enum refusal)(rule >> 32);
	uint32_t line = (uint32_t)rule;
	size_t i = 0;

	if (rule == 0 || rule >> 32 >= REFUSALS)
		return;
	while (i < s->nrules &&
	    (s->rules[i].refusal != refusal || s->rules[i].line != line))
		i++;
	if (i == SHEET_RULES)
		return;
	if (i == s->nrules)
		s->rules[s->nrules++] =
		    (struct sheet_rule){ .refusal = refusal, .line = line };
	s->rules[i].count += count;
}

static int
rule_compare(const void *a, const void *b)
{
	const struct sheet_rule *x = a, *y = b;

	return x->count < y->count ? 1 : x->count > y->count ? -1 : 0;
}

/* Adds what the worker has that holds the slot now. */
static void
worker_count(struct sheet *s, const struct share *share, size_t place)
{
	const struct share_slot *slot = &share->slots[place];
	const struct board_worker *worker = &s->view.workers[place];
	unsigned clients = share_slot_clients(share, place);
	unsigned tunnels = atomic_load(&slot->tunnels);

	if (worker->pid < 0) {
		s->workers_dead += worker->gen == s->view.gen;
		return;
	}
	s->clients += clients;
	s->tunnels += tunnels;
	s->slot_clients[place] = clients;
	s->slot_tunnels[place] = tunnels;
	for (size_t i = 0; i < s->view.ngens; i++)
		if (s->view.gens[i].number == worker->gen) {
			s->gen_clients[i] += clients;
			s->gen_tunnels[i] += tunnels;
		}
	if (worker->gen != s->view.gen)
		return;
	s->workers_stopped += worker->stopped;
	s->workers_ready += worker->ready && !worker->stopped;
	s->parents_down |= atomic_load(&slot->parents_down);
	for (size_t i = 0; i < HITS_MAX; i++)
		rule_add(s, atomic_load(&slot->hits[i].rule),
		    atomic_load(&slot->hits[i].count));
}

/* How many connections the live workers may have together. */
static uint64_t
limit_of(const struct board_view *view)
{
	uint64_t workers = 0, by_descriptors;

	for (size_t i = 0; i < view->ngens; i++)
		if (view->gens[i].number == view->gen)
			workers = view->gens[i].workers;
	by_descriptors = workers * view->per_worker;
	return view->max_clients != 0 && view->max_clients < by_descriptors
	    ? view->max_clients
	    : by_descriptors;
}

/* Fills a sheet with what is so now. */
void
sheet_take(struct sheet *s, const struct control_args *args)
{
	const struct share *share = args->share;
	size_t nslots = share_slots(share);

	memset(s, 0, sizeof(*s));
	s->now = clock_ms();
	board_read(args->board, &s->view);
	if (s->view.ngens > BOARD_GENS)
		s->view.ngens = BOARD_GENS;
	for (size_t i = 0; i < nslots; i++) {
		slot_count(s, &share->slots[i]);
		if (s->view.workers[i].gen != 0)
			worker_count(s, share, i);
	}
	qsort(s->rules, s->nrules, sizeof(*s->rules), rule_compare);
	s->limit = limit_of(&s->view);
}

/*
 * Why no clients should be sent here, or NULL: they can be.  Whether the
 * workers move is not known from a sheet.
 */
const char *
sheet_unready(const struct sheet *s)
{
	switch (s->view.phase) {
	case BOARD_STARTING:
		return "starting";
	case BOARD_LEAVING:
	case BOARD_DRAINING:
		return "draining";
	case BOARD_STOPPING:
		return "stopping";
	case BOARD_RUNNING:
		break;
	}
	if (s->workers_ready == 0)
		return s->workers_stopped > 0 ? "all workers are stopped"
					      : "no worker is ready";
	if (s->clients + s->limit / ROOM_PART >= s->limit)
		return "too few places are free";
	return NULL;
}

/* How many answers of the proxy itself were refusals. */
uint64_t
sheet_refusals(const struct sheet *s)
{
	return s->tally[TALLY_BAD] + s->tally[TALLY_DENIED] +
	    s->tally[TALLY_REFUSED];
}

/* What the worker of a slot does, in a word. */
const char *
sheet_worker(const struct sheet *s, size_t slot)
{
	const struct board_worker *w = &s->view.workers[slot];

	if (w->pid < 0)
		return "dead";
	if (w->stopped)
		return "stopped";
	if (w->gen != s->view.gen)
		return "draining";
	return w->ready ? "ready" : "starting";
}
