/* SPDX-License-Identifier: ISC */
/*
 * The baton: one worker of a generation listens, and the others do not, so
 * that a connection wakes one process and goes where there are fewest.  Who
 * has it stands as one number in the shared memory: from the time when the
 * generation goes to work there is never none, and never two for long.  The
 * bells, one for each worker, only say that it is time to look there; so it
 * does no harm to ring one once more, when whoever should have done it has
 * died.
 *
 * Any worker can write there what it likes.  Nothing that is read here is
 * trusted further than to choose among the workers that there are.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "baton.h"
#include "share.h"
#include "sys.h"

/* A generation's number stands in the slot of its first worker. */
static atomic_uint *
baton_word(const struct baton *b)
{
	return &b->share->slots[b->slots[0]].baton;
}

static struct share_slot *
baton_slot(const struct baton *b, uint32_t worker)
{
	return &b->share->slots[b->slots[worker]];
}

/* Closes a bell here, or what is not needed to ring it. */
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

/* A baton without workers, which baton_close() may be called for. */
void
baton_init(struct baton *b, struct share *share)
{
	b->share = share;
	b->nworkers = 0;
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

/* Closes all bells that are open here. */
void
baton_close(struct baton *b)
{
	for (size_t i = 0; i < b->nworkers; i++)
		bell_close(b->bells[i], true);
}

/*
 * In a worker: closes what only others hear.  It keeps an end of its own bell
 * to ring by, so that the bell never ends.
 */
void
baton_keep(struct baton *b, uint32_t me)
{
	for (uint32_t i = 0; i < b->nworkers; i++)
		if (i != me)
			bell_close(b->bells[i], false);
}

/* Who listens: a worker, or some other number for nobody. */
uint32_t
baton_holder(const struct baton *b)
{
	return atomic_load(baton_word(b));
}

/* Gives the baton to a worker, whoever has it. */
void
baton_give(const struct baton *b, uint32_t worker)
{
	atomic_store(baton_word(b), worker);
}

/* Passes the baton on, unless it was taken away in the meantime. */
void
baton_pass(const struct baton *b, uint32_t me, uint32_t to)
{
	unsigned expected = me;

	if (atomic_compare_exchange_strong(baton_word(b), &expected, to))
		baton_ring(b, to);
}

/* Has a worker look who has the baton. */
void
baton_ring(const struct baton *b, uint32_t worker)
{
	sys_bell_ring(b->bells[worker][1]);
}

/* Silences the own bell. */
void
baton_hear(const struct baton *b, uint32_t me)
{
	sys_bell_hear(b->bells[me][0]);
}

/*
 * Says what a worker does: it itself, and the master for one that is not to
 * be given the baton before it says so again.  Returns what it did before.
 */
enum slot_state
baton_state(const struct baton *b, uint32_t worker, enum slot_state state)
{
	atomic_uint *was = &baton_slot(b, worker)->state;

	/* Others read that often, and had to fetch it again. */
	if (atomic_load(was) == state)
		return state;
	return (enum slot_state)atomic_exchange(was, state);
}

/* What a worker says that it does. */
enum slot_state
baton_state_of(const struct baton *b, uint32_t worker)
{
	return (enum slot_state)atomic_load(&baton_slot(b, worker)->state);
}

/* How many clients a worker says that it has. */
unsigned
baton_load(const struct baton *b, uint32_t worker)
{
	return atomic_load(&baton_slot(b, worker)->clients);
}

/* A worker is gone, or not there yet. */
void
baton_forget(const struct baton *b, uint32_t worker)
{
	atomic_store(&baton_slot(b, worker)->clients, 0);
	baton_state(b, worker, SLOT_AWAY);
}

/*
 * Finds who should have the baton next: of the others that can take clients,
 * the one with the fewest, or NOBODY.  *bound becomes how many clients the one
 * who has it may carry until then, an eighth more than that one: none where
 * there are few, so that these are spread evenly, and no worker comes far over
 * the mean; some where there are many, so that the baton does not move for
 * each.  The mean itself would do as well, but could be lied about.
 */
uint32_t
baton_next(
    const struct baton *b, uint32_t me, size_t max_conns, uint64_t *bound)
{
	uint32_t next = NOBODY;
	uint64_t least = UINT64_MAX;

	for (uint32_t n = 1; n < b->nworkers; n++) {
		uint32_t i = (uint32_t)((me + n) % b->nworkers);
		unsigned load = baton_load(b, i);

		if (load >= max_conns || load >= least ||
		    baton_state_of(b, i) != SLOT_READY)
			continue;
		least = load;
		next = i;
	}
	*bound = next == NOBODY ? UINT64_MAX : least + least / 8;
	return next;
}
