/* SPDX-License-Identifier: ISC */
/*
 * What one client address may still have, over all workers: connections at the
 * same time, and things that may be done so often and no more, such as to
 * connect or to fail to log in.  Both are counted in the shared memory, in
 * tables of a fixed size; an address has its place there only while it counts.
 * Nothing here decides what becomes of a client, or trusts what other workers
 * may have written further than to be wrong about a client.
 *
 * Connections: an entry is one word, for one address and one worker, which
 * alone writes it, and the master clears the entries of a worker that has
 * died; so the counts are right whatever happens.  Who comes counts itself
 * first and adds up then: of two that come to two workers at the same moment
 * neither may be served where there is place for one, but never both.
 *
 * The rest: the generic cell rate algorithm, known from ATM.  An address that
 * does something is in debt for a while; what it keeps is when the debt is
 * paid, which is one number whatever it has done.
 *
 * When the places for an address are all taken by others, its connections are
 * not counted, and of the debts the one that is soonest paid is forgotten.
 * Only somebody with very many addresses can bring that about, on whom no
 * limit for one address has any hold; and he cannot aim at the place of
 * another, since a secret key says where it is.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "addr.h"
#include "clock.h"
#include "quota.h"
#include "secret.h"
#include "share.h"
#include "sys.h"

enum {
	COUNT_BITS = 18, /* of a word: connections, more than a worker has */
	SLOT_BITS = 10,  /* the slot of the worker; the rest: of the hash */
	TRIES_MAX = 64   /* to change what others are changing too */
};

_Static_assert(SLOTS_MAX <= 1 << SLOT_BITS, "a word holds each slot");

#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define SLOT_MASK ((UINT64_C(1) << SLOT_BITS) - 1)

/* How debts are made and paid.  Times are in microseconds. */
struct rate {
	int64_t interval; /* in which one is paid */
	int64_t burst;    /* so many are free */
	int64_t most;     /* the debt does not grow beyond so many */
};

static struct {
	struct share *share;
	unsigned char key[SECRET_KEY_SIZE];
	size_t slot; /* of this worker */
	unsigned max_clients;
	struct rate rates[QUOTA_KINDS];
} q = {
	.rates = { [QUOTA_CONNECTIONS] = { 1000000, 1, 1 },
	    [QUOTA_REFUSALS] = { 500000, 4, 4 },
	    [QUOTA_FAILURES] = { 1000000, 5, 65 },
	    [QUOTA_WAITERS] = { 10000000, 8, 8 },
	    [QUOTA_CHECKS] = { 5000000, 16, 16 } },
};

/*
 * In the master, before any child is there: takes the shared memory and makes
 * the key.  Returns 0, or -1 with errno.
 */
int
quota_init(struct share *share)
{
	q.share = share;
	return sys_random(q.key, sizeof(q.key));
}

/*
 * In a worker: its slot, and how many connections an address may have and how
 * many new ones in a second; 0: no limit.
 */
void
quota_begin(size_t slot, unsigned max_clients, unsigned max_rate)
{
	q.slot = slot;
	q.max_clients = max_clients;
	if (max_rate > 0)
		q.rates[QUOTA_CONNECTIONS] =
		    (struct rate){ 1000000 / max_rate, max_rate, max_rate };
}

/*
 * A keyed hash of an address, its zone and a number.  All that is told apart
 * by it is told apart for certain but for odds of one to a thousand million.
 */
static uint64_t
addr_hash(const struct addr *a, uint32_t number)
{
	unsigned char key[sizeof(a->ip) + sizeof(a->scope) + sizeof(number)];

	memcpy(key, a->ip, sizeof(a->ip));
	memcpy(key + sizeof(a->ip), &a->scope, sizeof(a->scope));
	memcpy(key + sizeof(a->ip) + sizeof(a->scope), &number, sizeof(number));
	return secret_digest(q.key, key, sizeof(key)).half[0];
}

/* Connections. */

/* What the word of an address and a slot is, but for its count. */
static uint64_t
count_word(uint64_t hash, size_t slot)
{
	return hash << (COUNT_BITS + SLOT_BITS) | (uint64_t)slot << COUNT_BITS;
}

/* Where an address and a slot may stand.  The word has other bits. */
static atomic_ullong *
count_set(uint64_t hash, size_t slot)
{
	uint64_t mixed = ((hash >> 32) + slot) * UINT64_C(0x9e3779b97f4a7c15);

	return q.share->counts[mixed >> 32 & (QUOTA_SETS - 1)];
}

/* Finds where an address is counted for a slot, or NULL; a free word is 0. */
static atomic_ullong *
count_find(uint64_t hash, size_t slot)
{
	atomic_ullong *set = count_set(hash, slot);
	uint64_t word = count_word(hash, slot), found;

	for (int i = 0; i < QUOTA_WAYS; i++) {
		found = atomic_load(&set[i]);
		if (found != 0 && (found & ~COUNT_MASK) == word)
			return &set[i];
	}
	return NULL;
}

/* Takes a free word for the first connection.  False: there is none. */
static bool
count_begin(uint64_t hash)
{
	atomic_ullong *set = count_set(hash, q.slot);
	atomic_uint *hosts = &q.share->slots[q.slot].hosts;

	/* First, so that the master looks for it in any case. */
	atomic_fetch_add(hosts, 1);
	for (int i = 0; i < QUOTA_WAYS; i++) {
		unsigned long long none = 0;

		if (atomic_compare_exchange_strong(
			&set[i], &none, count_word(hash, q.slot) | 1))
			return true;
	}
	atomic_fetch_sub(hosts, 1);
	return false;
}

/* How many connections an address has, in all slots together. */
static uint64_t
count_total(uint64_t hash)
{
	struct share *share = q.share;
	size_t nslots = share_slots(share);
	uint64_t total = 0;

	for (size_t slot = 0; slot < nslots; slot++) {
		atomic_ullong *word;

		if (atomic_load(&share->slots[slot].hosts) == 0)
			continue;
		word = count_find(hash, slot);
		if (word != NULL)
			total += atomic_load(word) & COUNT_MASK;
	}
	return total;
}

/*
 * Counts one more connection of a client, if it may have one more.  Returns
 * whether it may; *counted becomes whether quota_leave() has to be called when
 * it ends.
 */
bool
quota_enter(const struct addr *client, bool *counted)
{
	uint64_t hash = addr_hash(client, QUOTA_KINDS);
	atomic_ullong *own = count_find(hash, q.slot);

	*counted = true;
	if (own != NULL)
		atomic_store(own, atomic_load(own) + 1);
	else
		*counted = count_begin(hash);
	if (count_total(hash) + !*counted <= q.max_clients)
		return true;
	if (*counted)
		quota_leave(client);
	*counted = false;
	return false;
}

/* Counts one connection of a client less. */
void
quota_leave(const struct addr *client)
{
	atomic_ullong *own = count_find(addr_hash(client, QUOTA_KINDS), q.slot);
	uint64_t word;

	/* Other workers could have written there what they like. */
	if (own == NULL)
		return;
	word = atomic_load(own);
	if ((word & COUNT_MASK) > 1) {
		atomic_store(own, word - 1);
		return;
	}
	atomic_store(own, 0);
	atomic_fetch_sub(&q.share->slots[q.slot].hosts, 1);
}

/* In the master: a worker is gone, and all its connections with it. */
void
quota_forget(size_t slot)
{
	atomic_uint *hosts = &q.share->slots[slot].hosts;

	if (atomic_load(hosts) == 0)
		return;
	for (size_t set = 0; set < QUOTA_SETS; set++)
		for (size_t i = 0; i < QUOTA_WAYS; i++) {
			atomic_ullong *word = &q.share->counts[set][i];
			uint64_t found = atomic_load(word);

			if (found != 0 &&
			    (found >> COUNT_BITS & SLOT_MASK) == slot)
				atomic_store(word, 0);
		}
	atomic_store(hosts, 0);
}

/* Debts. */

/* The time, in microseconds. */
static int64_t
clock_us(void)
{
	return clock_now() * 1000;
}

/* What is owed at a time, from nothing to the most that may be. */
static int64_t
debt_at(int64_t paid, int64_t now, const struct rate *rate)
{
	int64_t most = rate->interval * rate->most;

	if (paid <= now)
		return 0;
	return paid - now < most ? paid - now : most;
}

/* Finds the debt with a key, or NULL. */
static struct share_debt *
debt_find(uint64_t key)
{
	struct share_debt *set = q.share->debts[key & (QUOTA_DEBT_SETS - 1)];

	for (int i = 0; i < QUOTA_WAYS; i++)
		if (atomic_load(&set[i].key) == key)
			return &set[i];
	return NULL;
}

/*
 * Finds it, or takes a place for it: that of the debt that is soonest paid,
 * if it is not paid already.  Should another worker be about to add to that
 * one, or take the same place, a debt of one is another's, for once.
 */
static struct share_debt *
debt_take(uint64_t key)
{
	struct share_debt *set = q.share->debts[key & (QUOTA_DEBT_SETS - 1)];
	struct share_debt *debt = debt_find(key), *first = set;

	if (debt != NULL)
		return debt;
	for (int i = 1; i < QUOTA_WAYS; i++)
		if (atomic_load(&set[i].paid) < atomic_load(&first->paid))
			first = &set[i];
	atomic_store(&first->paid, 0);
	atomic_store(&first->key, key);
	return first;
}

/* How long, in ms, a debt is above what is free; 0: it is not. */
static int64_t
debt_wait(int64_t owed, const struct rate *rate)
{
	int64_t over = owed - rate->interval * (rate->burst - 1);

	return over <= 0 ? 0 : (over + 999) / 1000;
}

/*
 * How many ms a client has to wait until it may do something of this kind
 * again; 0: it may.  Nothing is changed.
 */
int64_t
quota_wait(enum quota_kind kind, const struct addr *client)
{
	const struct rate *rate = &q.rates[kind];
	struct share_debt *debt = debt_find(addr_hash(client, kind));

	if (debt == NULL)
		return 0;
	return debt_wait(
	    debt_at(atomic_load(&debt->paid), clock_us(), rate), rate);
}

/*
 * Takes one of what a client may do of this kind.  Returns 0, or how many ms
 * it has to wait until it may; then nothing is taken.
 */
int64_t
quota_take(enum quota_kind kind, const struct addr *client)
{
	const struct rate *rate = &q.rates[kind];
	struct share_debt *debt = debt_take(addr_hash(client, kind));
	long long paid = atomic_load(&debt->paid);

	for (int i = 0; i < TRIES_MAX; i++) {
		int64_t owed = debt_at(paid, clock_us(), rate);

		if (debt_wait(owed, rate) > 0)
			return debt_wait(owed, rate);
		if (atomic_compare_exchange_weak(
			&debt->paid, &paid, clock_us() + owed + rate->interval))
			break;
	}
	return 0;
}

/*
 * Adds to what a client owes for this kind (n > 0: so many times one), whether
 * it may do that or not, or gives back what was taken (n < 0).  The debt stays
 * between nothing and the most that may be.
 */
void
quota_charge(enum quota_kind kind, const struct addr *client, int n)
{
	const struct rate *rate = &q.rates[kind];
	int64_t most = rate->interval * rate->most;
	struct share_debt *debt = debt_take(addr_hash(client, kind));
	long long paid = atomic_load(&debt->paid);

	for (int i = 0; i < TRIES_MAX; i++) {
		int64_t owed =
		    debt_at(paid, clock_us(), rate) + n * rate->interval;

		owed = owed < 0 ? 0 : owed < most ? owed : most;
		if (atomic_compare_exchange_weak(
			&debt->paid, &paid, clock_us() + owed))
			break;
	}
}
