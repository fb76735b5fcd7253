/* SPDX-License-Identifier: ISC */
/*
 * What the workers count, and the host whose page shows it.  A worker counts
 * in its own slot of the share and nowhere else, so that it neither waits for
 * others nor loses what they count; a slot goes on counting under its next
 * worker.  What others have counted is only ever shown.
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

/* Lets a worker count in its slot. */
void
stats_init(struct share *share, size_t slot)
{
	k.share = share;
	k.tally = share->slots[slot].tally;
}

/* Counts one more of a kind; nothing for TALLY_NONE. */
void
stats_count(enum tally tally)
{
	uint64_t n;

	if (tally == TALLY_NONE)
		return;
	n = atomic_load_explicit(&k.tally[tally], memory_order_relaxed);
	/* Nobody else writes there, so this needs no locked addition. */
	atomic_store_explicit(&k.tally[tally], n + 1, memory_order_relaxed);
}

/* Adds up what all workers have counted since the start. */
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
 * Whether a request asks for the statistics: its target is StatHost, whatever
 * the port is.  An address has that meaning in all its forms.
 */
bool
stats_asked(const struct stat_host *host, const struct request *req)
{
	if (host->literal)
		return req->literal && addr_same_ip(&host->addr, &req->addr);
	return !req->literal && strcmp(req->host, host->name) == 0;
}
