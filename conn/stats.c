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
#include "page.h"
#include "parse.h"
#include "share.h"
#include "stats.h"
#include "tally.h"

static struct {
	struct share *share;
	_Atomic uint64_t *tally; /* of this worker's slot */
} k;

/* Must be called in a worker before it counts; the share stays the caller's. */
void
stats_init(struct share *share, size_t slot)
{
	k.share = share;
	k.tally = share->slots[slot].tally;
}

/* Adds one to a counter; does nothing for TALLY_NONE. */
void
stats_count(enum tally tally)
{
	uint64_t n;

	if (tally == TALLY_NONE)
		return;
	n = atomic_load_explicit(&k.tally[tally], memory_order_relaxed);
	/* No other process writes there, so the addition need not be atomic. */
	atomic_store_explicit(&k.tally[tally], n + 1, memory_order_relaxed);
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
