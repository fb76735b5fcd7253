/* SPDX-License-Identifier: ISC */
/*
 * The baton: one worker of a generation listens, and the others do not, so
 * that a connection wakes one process and goes where there are fewest.  The
 * shared memory has the number of the worker that holds the baton.  Once the
 * generation works there always is one, and never two for long; while more
 * clients wait than it can take in a turn, others listen too.  Each worker
 * has a bell, which says no more than that the number may have changed: to ring
 * it once too often does no harm.
 *
 * The workers have an order.  A small load stays with the first ones; the rest
 * are a reserve that sleeps until it is needed.
 *
 * Any worker can write anything there.  What is read is only trusted to choose
 * among the workers that exist.  tests/models/baton.pml models who listens.
 */
#define _POSIX_C_SOURCE 200809L

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "baton.h"
#include "clock.h"
#include "share.h"
#include "sys.h"

enum {
	LEAVING_MAX = 2,   /* clients that are about to leave, of one worker */
	RAPID_WEIGHT = 64, /* clients that a tunnel at full speed counts for */
	RAPID_TIME = 200   /* ms for which it does */
};

/* The number of the holder is at the place of the generation's first worker. */
static atomic_uint *
baton_word(const struct baton *b)
{
	return &b->share->common.turns[b->slots[0]].baton;
}

static struct share_slot *
baton_slot(const struct baton *b, uint32_t worker)
{
	return &b->share->slots[b->slots[worker]];
}

/* Where others ask a worker to make room for clients. */
static atomic_uint *
baton_wish(const struct baton *b, uint32_t worker)
{
	return &b->share->common.turns[b->slots[worker]].yield;
}

/* Closes a bell in this process: both ends, or the one that hears it. */
static void
bell_close(int bell[2], bool whole)
{
	if (bell[0] >= 0 && bell[0] != bell[1])
		close(bell[0]);
	bell[0] = -1;
	if (!whole)
		return;
	if (bell[1] >= 0)
		close(bell[1]);
	bell[1] = -1;
}

/* Makes a baton without workers, so that baton_close() may be called. */
void
baton_init(struct baton *b, struct share *share)
{
	b->share = share;
	b->nworkers = 0;
	baton_plan(b, WORKERS_MAX, SIZE_MAX);
}

/*
 * Sets how many workers are in use at least, and how many connections each of
 * them may have.  Without a plan all are in use.
 */
void
baton_plan(struct baton *b, size_t busy, size_t places)
{
	b->busy = busy;
	b->places = places;
}

/*
 * Adds a worker with its place in the share, and makes its bell.  Returns 0,
 * or -1 with errno.
 */
int
baton_add(struct baton *b, size_t slot)
{
	size_t worker = b->nworkers++;

	b->slots[worker] = slot;
	atomic_store(baton_word(b), NOBODY);
	baton_forget(b, (uint32_t)worker);
	return sys_bell(b->bells[worker]);
}

/*
 * Adds a worker that another program has started, which has its bell alone.
 * What it has published stays if the shared memory is the same.
 */
void
baton_adopt(struct baton *b, size_t slot, bool same_share)
{
	size_t worker = b->nworkers++;

	b->slots[worker] = slot;
	b->bells[worker][0] = b->bells[worker][1] = -1;
	if (same_share)
		return;
	atomic_store(baton_word(b), NOBODY);
	baton_forget(b, (uint32_t)worker);
}

/* Closes all bells that are open here. */
void
baton_close(struct baton *b)
{
	for (size_t i = 0; i < b->nworkers; i++)
		bell_close(b->bells[i], true);
}

/*
 * In a worker: closes the ends by which other workers hear their bells.  It
 * keeps both ends of its own, so that it never sees an end of file there.
 */
void
baton_keep(struct baton *b, uint32_t me)
{
	for (uint32_t i = 0; i < b->nworkers; i++)
		if (i != me)
			bell_close(b->bells[i], false);
}

/* The worker that holds the baton; any other number means that none does. */
uint32_t
baton_holder(const struct baton *b)
{
	return atomic_load(baton_word(b));
}

/* Gives the baton to a worker, whichever holds it now. */
void
baton_give(const struct baton *b, uint32_t worker)
{
	atomic_store(baton_word(b), worker);
}

/* Passes the baton on, unless it has been taken away meanwhile. */
void
baton_pass(const struct baton *b, uint32_t me, uint32_t to)
{
	unsigned expected = me;

	if (atomic_compare_exchange_strong(baton_word(b), &expected, to))
		baton_ring(b, to);
}

/* Wakes a worker, so that it looks at the baton. */
void
baton_ring(const struct baton *b, uint32_t worker)
{
	sys_bell_ring(b->bells[worker][1]);
}

/*
 * Silences a worker's own bell.  Returns whether it was rung to make room for
 * clients.
 */
bool
baton_hear(const struct baton *b, uint32_t me)
{
	sys_bell_hear(b->bells[me][0]);
	return atomic_exchange(baton_wish(b, me), 0) != 0;
}

/* Asks another worker to make room for clients. */
void
baton_yield(const struct baton *b, uint32_t worker)
{
	atomic_store(baton_wish(b, worker), 1);
	baton_ring(b, worker);
}

/* Publishes how many connections of a worker can give way to others. */
void
baton_spare(const struct baton *b, uint32_t worker, enum spare spare, size_t n)
{
	atomic_uint *was = &baton_slot(b, worker)->spare[spare];

	if (atomic_load(was) != n)
		atomic_store(was, (unsigned)n);
}

/*
 * Publishes that a worker carries a tunnel at full speed now.  What is read
 * often is written rarely.
 */
void
baton_rapid(const struct baton *b, uint32_t worker)
{
	atomic_llong *until = &baton_slot(b, worker)->rapid_until;

	if (atomic_load(until) < clock_now() + RAPID_TIME / 2)
		atomic_store(until, clock_now() + RAPID_TIME);
}

/*
 * The worker with the most connections that can give way, of the first kind
 * that there is, or NOBODY.  Of several it is me, if I am one of them.
 */
uint32_t
baton_sparest(const struct baton *b, uint32_t me)
{
	uint32_t sparest = NOBODY;
	unsigned most = 0, n;

	for (enum spare spare = 0; spare < SPARES && most == 0; spare++)
		for (uint32_t i = 0; i < b->nworkers; i++) {
			uint32_t worker = (uint32_t)((me + i) % b->nworkers);

			n = atomic_load(&baton_slot(b, worker)->spare[spare]);
			if (n > most) {
				most = n;
				sparest = worker;
			}
		}
	return sparest;
}

/*
 * Publishes what a worker does.  The worker calls this; so does the master, for
 * one that must not be given the baton until it says itself that it is ready.
 * Returns the state before.
 */
enum slot_state
baton_state(const struct baton *b, uint32_t worker, enum slot_state state)
{
	atomic_uint *was = &baton_slot(b, worker)->state;

	/*
	 * Other processes read this often: writing an unchanged value would
	 * make them fetch the cache line again.
	 */
	if (atomic_load(was) == state)
		return state;
	return (enum slot_state)atomic_exchange(was, state);
}

/* The state that a worker has published. */
enum slot_state
baton_state_of(const struct baton *b, uint32_t worker)
{
	return (enum slot_state)atomic_load(&baton_slot(b, worker)->state);
}

/* The number of clients that a worker has published. */
unsigned
baton_load(const struct baton *b, uint32_t worker)
{
	return atomic_load(&baton_slot(b, worker)->clients);
}

/* Publishes that a worker is gone, or has not started yet. */
void
baton_forget(const struct baton *b, uint32_t worker)
{
	atomic_store(&baton_slot(b, worker)->clients, 0);
	atomic_store(&baton_slot(b, worker)->rapid_until, 0);
	for (enum spare spare = 0; spare < SPARES; spare++)
		baton_spare(b, worker, spare, 0);
	baton_state(b, worker, SLOT_AWAY);
}

/*
 * The number of clients of a worker that do not seem to leave.  A tunnel of
 * which one side has ended usually ends at once, so a few of these are left
 * out: where one tunnel follows another, the baton need not move.  One at full
 * speed would slow others down, and so counts for many.
 */
unsigned
baton_staying(const struct baton *b, uint32_t worker)
{
	const struct share_slot *slot = baton_slot(b, worker);
	unsigned load = baton_load(b, worker);
	unsigned half = atomic_load(&slot->spare[SPARE_HALF]);
	int64_t rapid;

	if (half > LEAVING_MAX)
		half = LEAVING_MAX;
	load = load > half ? load - half : 0;
	rapid = atomic_load(&slot->rapid_until);
	if (load < UINT_MAX - RAPID_WEIGHT && rapid > clock_now() &&
	    rapid <= clock_now() + RAPID_TIME)
		load += RAPID_WEIGHT;
	return load;
}

/*
 * Returns the first worker of the reserve, or the number of workers if there
 * is none.  The first workers that can take clients are in use: as many as
 * there are processors, and so many more each time that seven eighths of the
 * places are taken.  What a worker says counts for its own places only.
 */
static uint32_t
baton_reserve(const struct baton *b)
{
	uint64_t clients = 0;
	size_t used = 0;

	for (uint32_t i = 0; i < b->nworkers; i++) {
		unsigned load = baton_load(b, i);

		if (baton_state_of(b, i) != SLOT_READY)
			continue;
		if (used > 0 && used % b->busy == 0 &&
		    clients < used * (b->places - b->places / 8))
			return i;
		used++;
		clients += load < b->places ? load : b->places;
	}
	return (uint32_t)b->nworkers;
}

/* Whether a worker is in use, and not one of the reserve. */
bool
baton_uses(const struct baton *b, uint32_t worker)
{
	return worker < baton_reserve(b);
}

/*
 * The number of clients at which a worker passes the baton on to one that has
 * so many: one more, and an eighth.  So a few clients are spread evenly; with
 * many, the baton does not move for each of them.  No worker comes far above
 * the mean.
 */
uint64_t
baton_most(uint64_t load)
{
	return load + load / 8 + 1;
}

/*
 * Finds the worker that should hold the baton next: of the others that are in
 * use and have room, the one with the fewest clients; or NOBODY.  *most becomes
 * the number of clients at which the holder passes the baton on to it.  The
 * mean would do as a bound too, but one worker could shift it by a false count.
 * A holder that is not in use takes none.
 */
uint32_t
baton_next(const struct baton *b, uint32_t me, uint64_t *most)
{
	uint32_t next = NOBODY, end = baton_reserve(b);
	uint64_t least = UINT64_MAX;

	for (uint32_t n = 0; n < b->nworkers; n++) {
		uint32_t i = (uint32_t)((me + 1 + n) % b->nworkers);
		unsigned load = baton_staying(b, i);

		if (i == me || i >= end || load >= least ||
		    baton_load(b, i) >= b->places ||
		    baton_state_of(b, i) != SLOT_READY)
			continue;
		least = load;
		next = i;
	}
	*most = next == NOBODY ? UINT64_MAX : baton_most(least);
	if (next != NOBODY && me >= end)
		*most = 0;
	return next;
}
