/* SPDX-License-Identifier: ISC */
/*
 * What is counted over all workers.  Each writes its own slot of the shared
 * memory and reads those of the others.  Whatever another worker may have
 * written there, nothing beyond the slots is read.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "share.h"

/*
 * A number for the layout of the shared memory, which programs with the same
 * layout have in common.
 */
uint64_t
share_layout(void)
{
	static const size_t parts[] = { SHARE_VERSION, sizeof(struct share),
		sizeof(struct share_slot), TALLIES, SPARES, SLOTS_MAX,
		offsetof(struct share, made), offsetof(struct share, slots),
		offsetof(struct share, counts), offsetof(struct share, debts),
		offsetof(struct share_slot, baton),
		offsetof(struct share_slot, tally) };
	uint64_t layout = UINT64_C(14695981039346656037); /* FNV-1a */

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		layout = (layout ^ parts[i]) * UINT64_C(1099511628211);
	return layout;
}

/* How many slots were ever used; the rest hold nothing. */
size_t
share_slots(const struct share *share)
{
	size_t n = atomic_load(&share->nslots);

	return n < SLOTS_MAX ? n : SLOTS_MAX;
}

/* The clients of all workers together. */
unsigned long
share_clients(const struct share *share)
{
	size_t nslots = share_slots(share);
	unsigned long total = 0;

	for (size_t i = 0; i < nslots; i++)
		total += atomic_load(&share->slots[i].clients);
	return total;
}
