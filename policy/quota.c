/* SPDX-License-Identifier: ISC */
/*
 * Limits for one client over all workers: how many connections it has at the
 * same time, and how often it may do certain things, such as connect or fail to
 * log in.  A client is an address, or the block of addresses that somebody has
 * who has one of them.  Both are counted in the shared memory, in tables of a
 * fixed size, where a client has an entry only while it counts.  Nothing here
 * decides what happens to a client.  What other workers may have written is
 * trusted only so far that it can lead to a wrong answer about a client, never
 * to worse.
 *
 * Connections: an entry is one word for one client and one worker.  Only that
 * worker can write it, and the master clears the entries of a worker that has
 * died, so the counts stay right.  A new connection is counted first and the
 * sum is taken then.  When two arrive at two workers at once where one would
 * fit, both may be refused, but never are both let in.
 *
 * The rest uses the generic cell rate algorithm, known from ATM.  A client that
 * does something is in debt for a while.  All that is kept is the time when the
 * debt will be paid: one number, whatever the client has done.
 *
 * If all places for a client are taken by others, its connections are not
 * counted, and the debt that would be paid soonest is forgotten.  Only somebody
 * with very many addresses can cause that, and no limit for one client can
 * restrain that anyway; but nobody can aim at the entry of another, because a
 * secret key determines the place.
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
	TRIES_MAX = 64,  /* attempts to change what others change too */
	NET_BITS6 = 48,  /* of an IPv6 network: what one customer may get */
	AHEAD_MAX = 60000000, /* us: the clock of no other worker is so fast */
	MEET_MAX = 60000000   /* us: nobody waits longer for others */
};

/* What is hashed with a client: an enum quota_kind, or one of these. */
#define HASH_CLIENTS QUOTA_KINDS
#define HASH_MEET (UINT64_C(1) << 63) /* and the other bits of a digest */

_Static_assert(
    (int)QUOTA_SET_BITS <= (int)COUNT_BITS, "sets and words tell hashes");

/* us: a debt that is due later was never charged */
#define DEBT_MAX INT64_C(1000000000)

#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

/* How debts grow and are paid.  Times are in microseconds. */
struct rate {
	int64_t interval; /* until one is paid */
	int64_t burst;    /* so many may be done at once */
	int64_t most;     /* the debt grows no further than so many */
};

static struct {
	struct share *share;
	unsigned char key[SECRET_KEY_SIZE];
	size_t slot; /* of this worker */
	unsigned max_clients;
	struct netblock block, net;
	struct rate rates[QUOTA_KINDS];
} q = {
	.rates = { [QUOTA_CONNECTIONS] = { 1000000, 1, 1 },
	    [QUOTA_REFUSALS] = { 500000, 4, 4 },
	    [QUOTA_FAILURES] = { 1000000, 5, 65 },
	    [QUOTA_WAITERS] = { 10000000, 8, 8 },
	    [QUOTA_NET_FAILURES] = { 1000000, 5, 225 },
	    [QUOTA_NET_WAITERS] = { 10000000, 64, 64 },
	    [QUOTA_CHECKS] = { 5000000, 16, 16 } },
};

/*
 * Takes the shared memory and makes the key.  Must be called in the master
 * before it has children.  Returns 0, or -1 with errno.
 */
int
quota_init(struct share *share)
{
	q.share = share;
	return sys_random(q.key, sizeof(q.key));
}

/* Copies the key, for a program that goes on with the same tables. */
void
quota_key(unsigned char key[SECRET_KEY_SIZE])
{
	memcpy(key, q.key, sizeof(q.key));
}

/* In place of quota_init(): goes on with tables and a key that there are. */
void
quota_resume(struct share *share, const unsigned char key[SECRET_KEY_SIZE])
{
	q.share = share;
	memcpy(q.key, key, sizeof(q.key));
}

/* Sets, in a worker, its slot and the limits. */
void
quota_begin(size_t slot, const struct quota_limits *limits)
{
	unsigned rate = limits->rate;

	q.slot = slot;
	q.max_clients = limits->clients;
	q.block = q.net = limits->block;
	if (q.net.bits6 > NET_BITS6)
		q.net.bits6 = NET_BITS6;
	if (rate > 0)
		q.rates[QUOTA_CONNECTIONS] =
		    (struct rate){ 1000000 / rate, rate, rate };
}

/* What stands for a client in all that is counted. */
struct addr
quota_client(const struct addr *a)
{
	return addr_client(a, &q.block);
}

/*
 * Returns a keyed hash of a client, its zone, and what is counted.  The odds
 * that two of them get the same hash are below one to a thousand million.
 */
static uint64_t
client_hash(const struct addr *a, uint64_t what)
{
	bool net = what == QUOTA_NET_FAILURES || what == QUOTA_NET_WAITERS;
	struct addr client = addr_client(a, net ? &q.net : &q.block);
	uint64_t of = what | (uint64_t)client.local << 32;
	unsigned char key[sizeof(a->ip) + sizeof(a->scope) + sizeof(of)];

	memcpy(key, client.ip, sizeof(a->ip));
	memcpy(key + sizeof(a->ip), &a->scope, sizeof(a->scope));
	memcpy(key + sizeof(a->ip) + sizeof(a->scope), &of, sizeof(of));
	return secret_digest(q.key, key, sizeof(key)).half[0];
}

/* Connections. */

/* Returns the word of a client, without its count. */
static uint64_t
count_word(uint64_t hash)
{
	return hash << COUNT_BITS;
}

/*
 * Returns the set for a client and a slot.  It uses bits of the hash that the
 * word lacks.
 */
static atomic_ullong *
count_set(uint64_t hash, size_t slot)
{
	return q.share->slots[slot].counts[hash >> (64 - QUOTA_SET_BITS)];
}

/*
 * Returns the word that counts a client for a slot, or NULL; a free word is
 * 0.
 */
static atomic_ullong *
count_find(uint64_t hash, size_t slot)
{
	atomic_ullong *set = count_set(hash, slot);
	uint64_t word = count_word(hash), found;

	for (int i = 0; i < QUOTA_WAYS; i++) {
		found = atomic_load(&set[i]);
		if (found != 0 && (found & ~COUNT_MASK) == word)
			return &set[i];
	}
	return NULL;
}

/*
 * Takes a free word for the first connection.  Returns false if there is none.
 */
static bool
count_begin(uint64_t hash)
{
	atomic_ullong *set = count_set(hash, q.slot);
	atomic_uint *hosts = &q.share->slots[q.slot].hosts;

	/* First, so that the master clears the word even if we die now. */
	atomic_fetch_add(hosts, 1);
	for (int i = 0; i < QUOTA_WAYS; i++) {
		unsigned long long none = 0;

		if (atomic_compare_exchange_strong(
			&set[i], &none, count_word(hash) | 1))
			return true;
	}
	atomic_fetch_sub(hosts, 1);
	return false;
}

/* Returns how many connections a client has in all slots together. */
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
 * Counts one more connection of a client.  Returns whether the client may have
 * it.  *counted tells whether quota_leave() must be called when the connection
 * ends.
 */
bool
quota_enter(const struct addr *client, bool *counted)
{
	uint64_t hash = client_hash(client, HASH_CLIENTS);
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
	atomic_ullong *own =
	    count_find(client_hash(client, HASH_CLIENTS), q.slot);
	uint64_t word;

	/* A compromised worker may have overwritten the word. */
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

/* Clears, in the master, the counts of a worker that has ended. */
void
quota_forget(size_t slot)
{
	struct share_slot *s = &q.share->slots[slot];

	/* Even if none were counted: a worker may have lied about that. */
	atomic_store(&s->hosts, 0);
	sys_share_clear(s->counts, sizeof(s->counts));
}

/* Debts. */

/* Returns the time of this turn, in microseconds. */
static int64_t
clock_us(void)
{
	return clock_now() * 1000;
}

/*
 * Returns what is owed at a time, from 0 to the most that the rate allows.  What
 * is more is from a worker that was taken over, and would be owed for years.
 */
static int64_t
debt_at(int64_t paid, int64_t now, const struct rate *rate)
{
	int64_t most = rate->interval * rate->most;

	if (paid <= now || paid - now > most + AHEAD_MAX)
		return 0;
	return paid - now < most ? paid - now : most;
}

/* Returns the debt with a key, or NULL. */
static struct share_debt *
debt_find(uint64_t key)
{
	struct share_debt *set =
	    q.share->common.debts[key & (QUOTA_DEBT_SETS - 1)];

	for (int i = 0; i < QUOTA_WAYS; i++)
		if (atomic_load(&set[i].key) == key)
			return &set[i];
	return NULL;
}

/* When a debt is paid, or 0 for one that a worker has made up. */
static int64_t
debt_due(const struct share_debt *debt)
{
	long long paid = atomic_load(&debt->paid);

	return paid <= clock_us() + DEBT_MAX ? paid : 0;
}

/*
 * Returns the debt with a key, or a place for it: that of a paid debt or of the
 * one that will be paid soonest.  If another worker adds to that debt at this
 * moment, or takes the same place, one debt is charged to the wrong address,
 * once.
 */
static struct share_debt *
debt_take(uint64_t key)
{
	struct share_debt *set =
	    q.share->common.debts[key & (QUOTA_DEBT_SETS - 1)];
	struct share_debt *debt = debt_find(key), *first = set;

	if (debt != NULL)
		return debt;
	for (int i = 1; i < QUOTA_WAYS; i++)
		if (debt_due(&set[i]) < debt_due(first))
			first = &set[i];
	atomic_store(&first->paid, 0);
	atomic_store(&first->key, key);
	return first;
}

/* Returns for how many ms a debt exceeds the burst; 0: it does not. */
static int64_t
debt_wait(int64_t owed, const struct rate *rate)
{
	int64_t over = owed - rate->interval * (rate->burst - 1);

	return over <= 0 ? 0 : (over + 999) / 1000;
}

/*
 * Returns how many ms a client must wait before it may do something of this
 * kind; 0: it may now.  Changes nothing.
 */
int64_t
quota_wait(enum quota_kind kind, const struct addr *client)
{
	const struct rate *rate = &q.rates[kind];
	struct share_debt *debt = debt_find(client_hash(client, kind));

	if (debt == NULL)
		return 0;
	return debt_wait(
	    debt_at(atomic_load(&debt->paid), clock_us(), rate), rate);
}

/*
 * Charges a client for doing something of this kind, if it may.  Returns 0, or
 * how many ms it must wait; nothing is charged then.
 */
int64_t
quota_take(enum quota_kind kind, const struct addr *client)
{
	const struct rate *rate = &q.rates[kind];
	struct share_debt *debt = debt_take(client_hash(client, kind));
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
 * Adds n times one to the debt of a client for this kind, even if the client
 * may not do that now; or, if n < 0, gives back what was charged.  The debt
 * stays between 0 and the most that the rate allows.
 */
void
quota_charge(enum quota_kind kind, const struct addr *client, int n)
{
	const struct rate *rate = &q.rates[kind];
	int64_t most = rate->interval * rate->most;
	struct share_debt *debt = debt_take(client_hash(client, kind));
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

/*
 * Lets those meet that wait for the same reason, such as connections of one
 * client with the same credentials, in whichever worker: the first one says how
 * many ms it waits, and all others, until that is over, wait for the rest of
 * it.  Returns 0 to the first, or that rest.
 */
int64_t
quota_meet(
    const struct addr *client, const struct digest *digest, int64_t delay)
{
	uint64_t hash = client_hash(client, HASH_MEET | digest->half[0]);
	struct share_debt *debt = debt_take(hash);
	long long due = atomic_load(&debt->paid), now = clock_us();

	if ((due <= now || due - now > MEET_MAX) &&
	    atomic_compare_exchange_strong(
		&debt->paid, &due, now + delay * 1000))
		return 0;
	return due > now ? (due - now + 999) / 1000 : 0;
}
