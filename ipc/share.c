/* SPDX-License-Identifier: ISC */
/*
 * What is counted over all workers.  Each writes its own slot of the shared
 * memory and reads those of the others.  Whatever another worker may have
 * written there, nothing beyond the slots is read.  The memory is mapped again
 * in each child, so that a worker which somebody has taken over cannot write
 * what others count: a mapping of a descriptor that is open for reading alone
 * can never be made writable.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "share.h"
#include "sys.h"

_Static_assert(offsetof(struct share, slots) == SHARE_PAGE &&
	offsetof(struct share_slot, counts) == SHARE_PAGE &&
	sizeof(struct share_slot) % SHARE_PAGE == 0,
    "what is protected begins and ends with a page");

static int memory = -1; /* descriptor of the shared memory, or -1 */

/*
 * Returns the memory, all zeros, or NULL with errno.  Without a descriptor of it
 * a new program at an upgrade has to count from zero.
 */
struct share *
share_new(void)
{
	memory = sys_memory(sizeof(struct share));
	if (memory < 0)
		return sys_share(sizeof(struct share));
	return sys_share_map(memory, sizeof(struct share));
}

/*
 * Returns the memory of another program, whose descriptor is the callee's from
 * now on; or NULL: there is none, or it has another layout.
 */
struct share *
share_resume(int fd, uint64_t layout)
{
	struct share *share = NULL;

	if (fd >= 0 && layout == share_layout())
		share = sys_share_map(fd, sizeof(*share));
	if (share != NULL)
		memory = fd;
	else if (fd >= 0)
		close(fd);
	return share;
}

/* The descriptor of the memory, or -1. */
int
share_descriptor(void)
{
	return memory;
}

/* Protects the memory from one offset to another. */
static int
protect(struct share *share, size_t from, size_t to)
{
	return sys_share_protect(memory, share, from, to - from);
}

/*
 * In a child: from now on it can write to the slot of a worker and to what is
 * for all workers, or to nothing with SLOTS_MAX.  Returns 0, or -1 with errno.
 */
int
share_keep(struct share *share, size_t slot)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t rest = (page - sizeof(*share) % page) % page;
	size_t own =
	    offsetof(struct share, slots) + slot * sizeof(struct share_slot);

	/* The whole memory ends within a page; a slot ends with one. */
	if (slot == SLOTS_MAX)
		return protect(share, 0, sizeof(*share) + rest);
	if (protect(share, 0, own) != 0)
		return -1;
	return protect(share, own + sizeof(struct share_slot),
	    offsetof(struct share, common));
}

/* In a child that has nothing to do with it. */
void
share_leave(struct share *share)
{
	sys_unshare(share, sizeof(*share));
}

/*
 * A number for the layout of the shared memory, which programs with the same
 * layout have in common.
 */
uint64_t
share_layout(void)
{
	static const size_t parts[] = { SHARE_VERSION, sizeof(struct share),
		sizeof(struct share_slot), TALLIES, SPARES, SLOTS_MAX,
		offsetof(struct share, slots), offsetof(struct share, common),
		offsetof(struct share_common, made),
		offsetof(struct share_common, debts),
		offsetof(struct share_slot, tally),
		offsetof(struct share_slot, counts) };
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

/* The clients that a worker says it has: at most as many as it may have. */
unsigned
share_slot_clients(const struct share *share, size_t slot)
{
	unsigned n = atomic_load(&share->slots[slot].clients);
	unsigned most = atomic_load(&share->places[slot]);

	return n < most ? n : most;
}

/* The clients of all workers together. */
unsigned long
share_clients(const struct share *share)
{
	size_t nslots = share_slots(share);
	unsigned long total = 0;

	for (size_t i = 0; i < nslots; i++)
		total += share_slot_clients(share, i);
	return total;
}
