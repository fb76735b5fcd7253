/* SPDX-License-Identifier: ISC */
/* LINK: ipc/baton.c ipc/share.c base/sys.c base/clock.c base/program.c */
/*
 * Asks which worker is to take clients, with each state and load of the others.
 */
#define _POSIX_C_SOURCE 200809L

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../proxy.h"
#include "must.h"

enum { WORKERS = 4, BUSY = 2, PLACES = 96 };

static struct share *share;
static struct baton b;

static struct share_slot *
slot(uint32_t worker)
{
	return &share->slots[worker];
}

/* Publishes what a worker does, and how many clients it has. */
static void
is(uint32_t worker, enum slot_state state, unsigned clients)
{
	baton_state(&b, worker, state);
	atomic_store(&slot(worker)->clients, clients);
}

/* All have so many clients each. */
static void
all_are(enum slot_state state, unsigned clients)
{
	for (uint32_t i = 0; i < WORKERS; i++) {
		baton_forget(&b, i);
		is(i, state, clients);
	}
}

static bool
rings(uint32_t worker)
{
	struct pollfd pfd = { .fd = b.bells[worker][0], .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static void
next_is(uint32_t me, uint32_t next, uint64_t most, const char *what)
{
	uint64_t found;

	must(baton_next(&b, me, &found) == next, what);
	must(found == most, what);
}

static void
test_most(void)
{
	must(baton_most(0) == 1 && baton_most(7) == 8, "one more");
	must(baton_most(8) == 10 && baton_most(80) == 91, "and an eighth");
}

static void
test_next(void)
{
	all_are(SLOT_READY, 5);
	next_is(0, 1, 6, "of equal ones the next");
	next_is(1, 0, 6, "in the order of a circle, without the reserve");
	is(1, SLOT_READY, 3);
	next_is(0, 1, 4, "the one with the fewest");
	is(1, SLOT_RESTS, 3);
	next_is(0, 2, 6, "not one that rests: the reserve begins later");
	all_are(SLOT_AWAY, 0);
	is(0, SLOT_READY, 9);
	next_is(0, NOBODY, UINT64_MAX, "nobody else is ready");
	all_are(SLOT_READY, 0);
	is(1, SLOT_READY, PLACES);
	is(0, SLOT_READY, PLACES);
	next_is(0, 2, 1, "one of the reserve when the others are full");
}

/* They are in use once seven eighths of the places are taken. */
static void
test_reserve(void)
{
	all_are(SLOT_READY, 0);
	is(0, SLOT_READY, 83);
	is(1, SLOT_READY, 84);
	next_is(0, 1, 84 + 84 / 8 + 1, "the reserve sleeps");
	must(!baton_uses(&b, 2), "and is not used");
	next_is(2, 0, 0, "one of the reserve takes none");
	is(0, SLOT_READY, 84);
	next_is(0, 2, 1, "then it wakes");
	must(baton_uses(&b, 2) && baton_uses(&b, 3), "as many again");
	/* What one says counts for its own places alone. */
	is(0, SLOT_READY, UINT32_MAX);
	is(1, SLOT_READY, 0);
	must(!baton_uses(&b, 2), "a lie wakes no reserve");
}

static void
test_staying(void)
{
	all_are(SLOT_READY, 10);
	baton_spare(&b, 1, SPARE_HALF, 1);
	must(baton_staying(&b, 1) == 9, "one that leaves does not count");
	baton_spare(&b, 1, SPARE_HALF, 9);
	must(baton_staying(&b, 1) == 8, "nor do two, but no more");
	is(1, SLOT_READY, 1);
	must(baton_staying(&b, 1) == 0, "not less than nothing");
	is(1, SLOT_READY, 10);
	baton_spare(&b, 1, SPARE_HALF, 0);
	baton_rapid(&b, 1);
	must(baton_staying(&b, 1) == 74, "a tunnel at full speed counts");
	atomic_store(&slot(1)->rapid_until, clock_now() + 60000);
	must(baton_staying(&b, 1) == 10, "but not for a minute");
	atomic_store(&slot(1)->rapid_until, clock_now() - 1);
	must(baton_staying(&b, 1) == 10, "nor afterwards");
	baton_forget(&b, 1);
	must(baton_staying(&b, 1) == 0, "one that is gone has none");
}

static void
test_pass(void)
{
	all_are(SLOT_READY, 0);
	baton_give(&b, 0);
	baton_pass(&b, 1, 2);
	must(baton_holder(&b) == 0 && !rings(2), "not by one without it");
	baton_pass(&b, 0, 1);
	must(baton_holder(&b) == 1 && rings(1), "it is passed, and rings");
	must(!rings(0) && !rings(2), "for nobody else");
	must(!baton_hear(&b, 1) && !rings(1), "it is heard once");
	baton_yield(&b, 1);
	must(rings(1) && baton_hear(&b, 1), "a wish for room is heard");
	must(!baton_hear(&b, 1), "once");
}

static void
test_sparest(void)
{
	all_are(SLOT_READY, 5);
	must(baton_sparest(&b, 0) == NOBODY, "none can give way");
	baton_spare(&b, 2, SPARE_HALF, 5);
	must(baton_sparest(&b, 0) == 2, "half-closed ones");
	baton_spare(&b, 1, SPARE_HEAD, 1);
	must(baton_sparest(&b, 0) == 1, "half heads come before them");
	baton_spare(&b, 3, SPARE_HEAD, 1);
	must(baton_sparest(&b, 3) == 3, "of equal ones me");
}

int
main(void)
{
	share = share_new();
	must(share != NULL, "shared memory");
	clock_turn();
	baton_init(&b, share);
	for (size_t i = 0; i < WORKERS; i++)
		must(baton_add(&b, i) == 0, "a worker");
	baton_plan(&b, BUSY, PLACES);
	must(baton_holder(&b) == NOBODY, "at first nobody has it");
	test_most();
	test_next();
	test_reserve();
	test_staying();
	test_pass();
	test_sparest();
	baton_close(&b);
	return 0;
}
