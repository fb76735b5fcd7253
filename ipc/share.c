/* SPDX-License-Identifier: ISC */
/*
 * What is counted over all workers.  Each writes its own slot of the shared
 * memory and reads those of the others.  Whatever another worker may have
 * written there, nothing beyond the slots is read.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdatomic.h>
#include <stddef.h>

#include "share.h"

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
