/* SPDX-License-Identifier: ISC */
/*
 * What a worker waits for: the poll set, and the deadlines of its connections.
 * The set is kept from turn to turn and changed in place; it holds a few
 * descriptors of the worker itself and those of the busy connections.  Nothing
 * here may know what the descriptors and deadlines are for.
 */
#define _POSIX_C_SOURCE 200809L

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "bounds.h"
#include "clock.h"
#include "loop.h"
#include "lot.h"
#include "race.h"
#include "tunnel.h"

enum { OWN_MAX = LISTEN_MAX + 10 /* descriptors of the worker itself */ };

/*
 * What belongs to a descriptor in the set: *slot is its place, updated when it
 * moves, and which tells the caller which descriptor of the tunnel it is.
 */
struct watch {
	struct tunnel *tunnel;
	int *slot;
	unsigned which;
	uint32_t turn; /* in which it was added */
};

static struct pollfd *set;
static struct watch *watches;
static size_t nset, set_size, nown;
static bool grown;
static uint32_t turn; /* how often poll() was called; it may wrap */

static struct tunnel **heap; /* from 1 on; the earliest alarm is at 1 */
static size_t nheap;

/* Returns how many descriptors the set may hold for so many connections. */
size_t
watch_max(size_t max_conns)
{
	return OWN_MAX + max_conns * (2 + RACE_MAX);
}

/*
 * Allocates the set and the deadlines for up to max_conns connections; pages
 * that are never touched cost no memory.  Returns 0, or -1 with errno.
 */
int
loop_init(size_t max_conns)
{
	set_size = watch_max(max_conns);
	set = calloc(set_size, sizeof(*set));
	watches = calloc(set_size, sizeof(*watches));
	heap = calloc(max_conns + 1, sizeof(*heap));
	clock_turn();
	return set == NULL || watches == NULL || heap == NULL ? -1 : 0;
}

/*
 * Adds a descriptor to the set for some events of poll(2), and stores its place
 * in *slot, which must stay valid until watch_remove().  The tunnel is NULL for
 * a descriptor of the worker itself.  Returns 0, or -1 with ENOBUFS when the
 * set is full.
 */
int
watch_add(int fd, short events, struct tunnel *t, unsigned which, int *slot)
{
	if (nset == set_size) {
		errno = ENOBUFS;
		return -1;
	}
	set[nset] = (struct pollfd){ .fd = fd, .events = events };
	watches[nset] = (struct watch){ t, slot, which, turn };
	*slot = (int)nset++;
	nown += t == NULL;
	grown |= t != NULL;
	return 0;
}

/* Changes the events that a descriptor in the set is watched for. */
void
watch_set(int slot, short events)
{
	set[slot].events = events;
}

/*
 * Removes a descriptor from the set and sets *slot to -1; does nothing if it is
 * -1.
 */
void
watch_remove(int *slot)
{
	size_t at = (size_t)*slot;

	if (*slot < 0)
		return;
	assert(at < nset && watches[at].slot == slot);
	nset--;
	nown -= watches[at].tunnel == NULL;
	set[at] = set[nset];
	watches[at] = watches[nset];
	*watches[at].slot = (int)at;
	*slot = -1;
}

/* Returns how many descriptors are in the set. */
size_t
watch_count(void)
{
	return nset;
}

/* Returns whether one of a connection was added since the last call. */
bool
watch_grown(void)
{
	bool was = grown;

	grown = false;
	return was;
}

/* Returns how many of them are not the worker's own. */
size_t
watch_tunnels(void)
{
	return nset - nown;
}

/*
 * Waits up to timeout ms, or for ever if -1; then begins a turn.  Returns what
 * poll(2) returned.
 */
int
watch_poll(int timeout)
{
	int n = lot_poll(set, nset, timeout);

	turn++;
	clock_turn();
	return n;
}

/* Returns the number of this turn. */
uint32_t
watch_turn(void)
{
	return turn;
}

/*
 * Whether poll() has looked at a descriptor after the turn with that number,
 * and found nothing that it is watched for; false if it is not in the set.
 */
bool
watch_is_quiet(int slot, uint32_t since)
{
	return slot >= 0 && since != turn && watches[slot].turn != turn &&
	    set[slot].revents == 0;
}

/*
 * Returns and clears the events of the descriptor at a place, and stores its
 * tunnel and which.  The caller must go from the last place to the first: a
 * descriptor that moves into a place freed meanwhile comes from the end of the
 * set, where it has been asked already.
 */
short
watch_take(size_t at, struct tunnel **tunnel, unsigned *which)
{
	short revents;

	if (at >= nset)
		return 0;
	revents = set[at].revents;
	set[at].revents = 0;
	*tunnel = watches[at].tunnel;
	*which = watches[at].which;
	return revents;
}

/*
 * Returns the tunnel of the descriptor at a place, and stores which; NULL for
 * one of the worker itself, or if the place is empty.
 */
struct tunnel *
watch_tunnel(size_t at, unsigned *which)
{
	if (at >= nset)
		return NULL;
	*which = watches[at].which;
	return watches[at].tunnel;
}

static void
heap_put(size_t at, struct tunnel *t)
{
	heap[at] = t;
	t->heap_at = at;
}

static void
heap_up(size_t at, struct tunnel *t)
{
	for (; at > 1 && heap[at / 2]->alarm > t->alarm; at /= 2)
		heap_put(at, heap[at / 2]);
	heap_put(at, t);
}

static void
heap_down(size_t at, struct tunnel *t)
{
	for (size_t child; (child = 2 * at) <= nheap; at = child) {
		if (child < nheap &&
		    heap[child + 1]->alarm < heap[child]->alarm)
			child++;
		if (heap[child]->alarm >= t->alarm)
			break;
		heap_put(at, heap[child]);
	}
	heap_put(at, t);
}

/*
 * Sets the deadline of a connection, in ms of clock_ms().  Moving it later
 * costs nothing: the old alarm stays in the heap, and deadline_due() moves it
 * when its time comes.
 */
void
deadline_set(struct tunnel *t, int64_t when)
{
	t->deadline = when;
	if (t->heap_at == 0) {
		t->alarm = when;
		heap_up(++nheap, t);
	} else if (when < t->alarm) {
		t->alarm = when;
		heap_up(t->heap_at, t);
	}
}

/* Clears a connection's deadline, if it has one. */
void
deadline_clear(struct tunnel *t)
{
	struct tunnel *last;
	size_t at = t->heap_at;

	if (at == 0)
		return;
	t->heap_at = 0;
	last = heap[nheap--];
	if (last == t)
		return;
	heap_up(at, last);
	heap_down(last->heap_at, last);
}

/* Returns a connection whose deadline has passed, and clears it; or NULL. */
struct tunnel *
deadline_due(void)
{
	while (nheap > 0 && heap[1]->alarm <= clock_now()) {
		struct tunnel *t = heap[1];

		if (t->deadline <= clock_now()) {
			deadline_clear(t);
			return t;
		}
		t->alarm = t->deadline;
		heap_down(1, t);
	}
	return NULL;
}

/* Returns when to call deadline_due() next, in ms of clock_ms(); -1: never. */
int64_t
deadline_next(void)
{
	return nheap > 0 ? heap[1]->alarm : -1;
}
