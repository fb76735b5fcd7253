/* SPDX-License-Identifier: ISC */
/*
 * The counters of the workers, and the host whose page shows them.  A worker
 * writes only to its own slot of the share, so it needs no lock.  A slot that
 * gets another worker keeps its counts.  The sum over all slots is only shown;
 * nothing is decided by it.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "addr.h"
#include "log.h"
#include "page.h"
#include "parse.h"
#include "refusal.h"
#include "relay.h"
#include "share.h"
#include "stats.h"
#include "tally.h"
#include "tunnel.h"

static struct {
	struct share *share;
	struct share_slot *slot; /* of this worker */
	uint64_t moved[2];       /* bytes that are counted, by side */
	uint64_t lost;           /* lines that are */
} k;

_Static_assert(REFUSALS <= (int)REFUSALS_MAX, "each refusal has its counter");

/* Adds to a counter.  No other process writes there: it need not be atomic. */
static void
add(_Atomic uint64_t *to, uint64_t n)
{
	atomic_store_explicit(to,
	    atomic_load_explicit(to, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

/* Must be called in a worker before it counts; the share stays the caller's. */
void
stats_init(struct share *share, size_t slot)
{
	k.share = share;
	k.slot = &share->slots[slot];
	atomic_store(&k.slot->tunnels, 0);
	atomic_store(&k.slot->parents_down, 0);
	/* Another generation may have other rules in the same lines. */
	for (size_t i = 0; i < HITS_MAX; i++) {
		atomic_store(&k.slot->hits[i].rule, 0);
		atomic_store(&k.slot->hits[i].count, 0);
	}
}

/* Adds one to a counter; does nothing for TALLY_NONE. */
void
stats_count(enum tally tally)
{
	if (tally != TALLY_NONE)
		add(&k.slot->tally[tally], 1);
}

/* Adds to another counter. */
void
stats_add(enum count count, uint64_t n)
{
	add(&k.slot->count[count], n);
}

/* Counts an answer of this proxy itself. */
void
stats_refused(enum refusal refusal)
{
	add(&k.slot->refused[refusal], 1);
	stats_count(refusal_row(refusal)->tally);
}

/*
 * Counts a refusal for the line of the rule that has caused it.  When there are
 * more rules than places, the one with the fewest gives way, and its count is
 * a part of what is shown for the next, which is too high then.
 */
void
stats_rule(enum refusal refusal, uint32_t line)
{
	uint64_t rule = (uint64_t)refusal << 32 | line;
	struct share_hit *hits = k.slot->hits, *least = hits;

	for (size_t i = 0; i < HITS_MAX; i++) {
		if (atomic_load(&hits[i].rule) == rule) {
			add(&hits[i].count, 1);
			return;
		}
		if (atomic_load(&hits[i].count) < atomic_load(&least->count))
			least = &hits[i];
	}
	atomic_store(&least->rule, rule);
	add(&least->count, 1);
}

/* Counts a time by its length. */
void
stats_took(enum span span, int64_t ms)
{
	size_t step = 0;

	while (step < SPAN_STEPS && ms > span_steps[span][step])
		step++;
	add(&k.slot->span[span][step], 1);
	add(&k.slot->span_ms[span], ms > 0 ? (uint64_t)ms : 0);
}

/* So many tunnels more, or fewer, are open. */
void
stats_tunnels(int change)
{
	unsigned n =
	    atomic_load_explicit(&k.slot->tunnels, memory_order_relaxed);

	atomic_store_explicit(
	    &k.slot->tunnels, n + (unsigned)change, memory_order_relaxed);
}

/* Adds what has come to a total since it was last added. */
static void
add_since(enum count count, uint64_t total, uint64_t *before)
{
	if (total == *before)
		return;
	stats_add(count, total - *before);
	*before = total;
}

/*
 * Publishes, once in each turn of the loop, that the worker moves, and what
 * others have counted.  The parents have a bit each, which is set while they
 * are down.
 */
void
stats_turn(uint64_t parents_down)
{
	struct share_slot *slot = k.slot;

	atomic_store_explicit(&slot->beat,
	    atomic_load_explicit(&slot->beat, memory_order_relaxed) + 1,
	    memory_order_relaxed);
	for (enum side side = CLIENT; side <= SERVER; side++)
		add_since(side == CLIENT ? COUNT_UP : COUNT_DOWN,
		    relay_moved(side), &k.moved[side]);
	add_since(COUNT_LINES_LOST, log_lost(), &k.lost);
	if (atomic_load_explicit(&slot->parents_down, memory_order_relaxed) !=
	    parents_down)
		atomic_store_explicit(
		    &slot->parents_down, parents_down, memory_order_relaxed);
}

/* Adds up the counters of all workers, since the start. */
void
stats_sum(struct stats *sum)
{
	size_t nslots = share_slots(k.share);

	memset(sum, 0, sizeof(*sum));
	for (size_t i = 0; i < nslots; i++) {
		struct share_slot *slot = &k.share->slots[i];

		sum->open += atomic_load(&slot->clients);
		for (size_t j = 0; j < TALLIES; j++)
			sum->tally[j] += atomic_load(&slot->tally[j]);
	}
}

/*
 * Whether a request asks for the statistics: its target is StatHost, with any
 * port.  An address may be written in any form.
 */
bool
stats_asked(const struct stat_host *host, const struct request *req)
{
	if (host->literal)
		return req->literal && addr_same_ip(&host->addr, &req->addr);
	return !req->literal && strcmp(req->host, host->name) == 0;
}
