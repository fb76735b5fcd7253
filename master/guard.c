/* SPDX-License-Identifier: ISC */
/*
 * Guards the baton: the workers pass it among themselves, and the master takes
 * it from one that has died, was stopped, or hangs.  It looks for clients that
 * wait, but never accepts one.  tests/models/baton.pml models this.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "baton.h"
#include "child.h"
#include "gen.h"
#include "guard.h"
#include "listen.h"
#include "orders.h"
#include "quota.h"
#include "share.h"

enum {
	LOOK_TIME = 1000, /* ms between looks at the listening sockets */
	LOOK_IDLE = 5000, /* ms while there are no clients */
	LOOK_AGAIN = 100  /* ms to a second look */
};

/* Whether the workers of this generation take clients. */
static bool
is_guarded(const struct gen *gen)
{
	return gen->state == GEN_LIVE && !gen->stopped;
}

/* Whether there is such a worker, and it has said that it is ready. */
static bool
worker_serves(const struct gen *gen, uint32_t worker)
{
	return worker < gen->nworkers && gen->children[worker].pid > 0 &&
	    gen->children[worker].ready;
}

/*
 * Gives an order that needs no more than its name.  Each of them wakes the
 * worker, so that it looks at the baton; if one is lost, the bell does that.
 */
static void
worker_order(const struct gen *gen, uint32_t worker, enum order what)
{
	struct order_message order = { .order = what };

	if (child_order(&gen->children[worker], &order, NULL, 0) != 0)
		baton_ring(&gen->links.baton, worker);
}

/*
 * Returns the worker with the fewest clients, except one (or NOBODY).  One that
 * says that it cannot listen is chosen only if there is no other.  If there is
 * none at all, returns NOBODY.
 */
static uint32_t
worker_fewest(const struct gen *gen, uint32_t except)
{
	const struct baton *baton = &gen->links.baton;
	uint32_t best = NOBODY;
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < gen->nworkers; i++) {
		uint64_t load = baton_load(baton, i);

		if (i == except || !worker_serves(gen, i))
			continue;
		if (baton_state_of(baton, i) == SLOT_AWAY)
			load += UINT32_MAX;
		if (load >= least)
			continue;
		least = load;
		best = i;
	}
	return best;
}

/*
 * Gives the baton to a worker in use, except one (or NOBODY), or else to any
 * other.  If there is none, the baton stays where it is.
 */
static void
baton_assign(const struct gen *gen, uint32_t except)
{
	const struct baton *baton = &gen->links.baton;
	uint64_t most;
	uint32_t best = baton_next(baton, except, &most);

	if (!worker_serves(gen, best))
		best = worker_fewest(gen, except);
	if (best == NOBODY)
		return;
	baton_give(baton, best);
	worker_order(gen, best, ORDER_LISTEN);
}

/*
 * Takes care that a worker has the baton which can listen, after one has come
 * or gone.  A worker that starts in the place of the one that listened may
 * have seen that the baton is its own, and has to look again.
 */
static void
baton_ensure(const struct gen *gen)
{
	uint32_t holder = baton_holder(&gen->links.baton);

	if (!is_guarded(gen) || worker_serves(gen, holder))
		return;
	baton_assign(gen, NOBODY);
	if (holder < gen->nworkers && gen->children[holder].pid > 0)
		worker_order(gen, holder, ORDER_LOOK);
}

/* Lets a first worker accept clients; from then on they pass the baton. */
void
guard_begin(const struct gen *gen)
{
	baton_assign(gen, NOBODY);
}

/* A worker has said that it is ready. */
void
guard_worker_ready(const struct gen *gen)
{
	baton_ensure(gen);
}

/*
 * A worker may hang, or somebody has stopped it.  It gets no baton until it
 * says again that it is ready; the order makes it say so as soon as it runs.
 */
void
guard_worker_doubt(const struct gen *gen, uint32_t worker)
{
	const struct baton *baton = &gen->links.baton;

	if (!is_guarded(gen))
		return;
	if (worker_serves(gen, worker) &&
	    baton_state(baton, worker, SLOT_AWAY) != SLOT_AWAY)
		worker_order(gen, worker, ORDER_LOOK);
	if (baton_holder(baton) == worker)
		baton_assign(gen, worker);
}

/* A worker has died. */
void
guard_worker_gone(const struct gen *gen, uint32_t worker)
{
	uint32_t holder = baton_holder(&gen->links.baton);

	baton_forget(&gen->links.baton, worker);
	quota_forget(gen->children[worker].slot);
	/* It may have passed the baton on and died before it rang the bell. */
	if (gen->state == GEN_LIVE && worker_serves(gen, holder))
		worker_order(gen, holder, ORDER_LOOK);
	baton_ensure(gen);
}

static bool
has_clients(const struct gen *gen)
{
	for (uint32_t i = 0; i < gen->nworkers; i++)
		if (baton_load(&gen->links.baton, i) > 0)
			return true;
	return false;
}

/*
 * Looks whether the worker that holds the baton does accept clients.  A signal
 * tells the master of a worker that has died or was stopped, but not of one
 * that hangs in a loop or is held by a debugger.  If clients wait at two looks
 * in a row, something may be wrong, or there is only much to do; another
 * worker gets the baton then, which does no harm in the second case.  What
 * the workers say does not count here.
 *
 * Such a look takes a system call or two, about once a second.  (Polling the
 * sockets instead would wake the master for each client.)  A worker without
 * clients does nothing that it could hang in, so an idle proxy is looked at
 * less often.
 *
 * Returns whether a socket does not listen any more, because a worker has shut it
 * down.  Then it must be opened again, for new workers.
 */
bool
guard_look(struct gen *gen, int64_t now)
{
	bool waiting, broken;

	if (!is_guarded(gen) || now < gen->look_at)
		return false;
	waiting = listen_waits(&gen->listeners, &broken);
	if (waiting && gen->waiting && gen->nworkers > 1)
		guard_worker_doubt(gen, baton_holder(&gen->links.baton));
	gen->look_at = now +
	    (broken                            ? LOOK_IDLE
		    : waiting && !gen->waiting ? LOOK_AGAIN
		    : has_clients(gen)         ? LOOK_TIME
					       : LOOK_IDLE);
	gen->waiting = waiting && !gen->waiting;
	return broken;
}

/* When guard_look() is needed next, or -1. */
int64_t
guard_look_next(const struct gen *gen)
{
	return is_guarded(gen) ? gen->look_at : -1;
}
