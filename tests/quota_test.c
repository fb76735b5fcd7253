/* SPDX-License-Identifier: ISC */
/* LINK: policy/quota.c base/addr.c base/local.c base/secret.c base/program.c base/sys.c ipc/share.c */
/*
 * Tests what is counted for one address, with a clock of the test, and with one
 * process that plays several workers in turn.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

enum {
	WORKERS = 5,
	HOSTS = 40,
	STEPS = 200000,
	MANY = 3 * QUOTA_SETS * QUOTA_WAYS / 2
};

static int64_t now = 1000;
static struct share share;
static const unsigned char key[SECRET_KEY_SIZE] = "the same always";
static unsigned max_clients, max_rate;
static struct netblock block = { 32, 64 };
static unsigned seed = 1;

int64_t
clock_now(void)
{
	return now;
}

/* Numbers that are the same in each run. */
static unsigned
any(unsigned below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

static void
become(size_t slot)
{
	if (slot >= atomic_load(&share.nslots))
		atomic_store(&share.nslots, (unsigned)slot + 1);
	quota_begin(
	    slot, &(struct quota_limits){ max_clients, max_rate, block });
}

static struct addr
host(unsigned n)
{
	const unsigned char ip[4] = { 10, (unsigned char)(n >> 16),
		(unsigned char)(n >> 8), (unsigned char)n };
	struct addr a;

	addr_from4(&a, ip);
	a.port = (uint16_t)any(65536);
	return a;
}

/* Whether a client may have one more connection; if so, it is counted. */
static bool
enters(struct addr a)
{
	bool counted;

	return quota_enter(&a, &counted) && counted;
}

static void
leaves(struct addr a)
{
	quota_leave(&a);
}

/* Whether the counts of all addresses are zero. */
static bool
is_empty(void)
{
	for (size_t slot = 0; slot < SLOTS_MAX; slot++) {
		struct share_slot *s = &share.slots[slot];

		if (atomic_load(&s->hosts) != 0)
			return false;
		for (size_t i = 0; i < QUOTA_SETS && slot < WORKERS; i++)
			for (size_t j = 0; j < QUOTA_WAYS; j++)
				if (atomic_load(&s->counts[i][j]) != 0)
					return false;
	}
	return true;
}

static void
try_clients(void)
{
	max_clients = 3;
	become(7);
	must(enters(host(1)) && enters(host(1)), "two may come");
	become(SLOTS_MAX - 1);
	must(enters(host(1)), "and a third to another worker");
	must(!enters(host(1)), "but no fourth");
	become(0);
	must(!enters(host(1)) && !enters(host(1)), "nor to a third worker");
	must(enters(host(2)), "another client may come");
	become(7);
	leaves(host(1));
	must(enters(host(1)) && !enters(host(1)), "who leaves makes room");
	max_clients = 5;
	become(1);
	must(enters(host(1)) && enters(host(1)) && !enters(host(1)),
	    "workers with another limit count all");
	quota_forget(7);
	must(enters(host(1)) && enters(host(1)) && !enters(host(1)),
	    "who dies makes room for what it had, and for no more");
	quota_forget(SLOTS_MAX - 1);
	quota_forget(1);
	quota_forget(0);
	quota_forget(0);
	must(is_empty(), "nothing is left of those who died");
}

static void
try_addresses(void)
{
	struct addr a = host(1), b;

	max_clients = 1;
	become(0);
	memset(&b, 0, sizeof(b));
	must(addr_parse(&b, "::ffff:10.0.0.1") == 0, "an address is read");
	must(enters(a) && !enters(b), "IPv4 in IPv6 is the same client");
	leaves(b);
	must(addr_parse(&a, "fe80::1") == 0, "an address is read");
	b = a;
	a.scope = 1;
	b.scope = 2;
	must(enters(a) && enters(b), "zones make two clients");
	leaves(a);
	leaves(b);
	must(addr_parse(&a, "2001:db8:0:1::1") == 0, "an address is read");
	must(addr_parse(&b, "2001:db8:0:2::1") == 0, "an address is read");
	must(enters(a) && enters(b), "each bit of the first 64 counts");
	leaves(a);
	leaves(b);
	must(is_empty(), "nothing is left");
}

/* Many clients come and go, and some workers die; a second count must agree. */
static void
try_all(void)
{
	static unsigned counts[HOSTS][WORKERS];
	unsigned total[HOSTS] = { 0 };

	max_clients = 9;
	for (int i = 0; i < STEPS; i++) {
		unsigned h = any(HOSTS), worker = any(WORKERS);

		become(worker);
		if (any(1000) == 0) {
			quota_forget(worker);
			for (h = 0; h < HOSTS; h++) {
				total[h] -= counts[h][worker];
				counts[h][worker] = 0;
			}
		} else if (any(2) == 0 && counts[h][worker] > 0) {
			leaves(host(h));
			counts[h][worker]--;
			total[h]--;
		} else if (total[h] < 9) {
			must(enters(host(h)), "who is below the limit enters");
			counts[h][worker]++;
			total[h]++;
		} else {
			must(!enters(host(h)), "who has reached it does not");
		}
	}
	for (size_t i = 0; i < WORKERS; i++)
		quota_forget(i);
	must(is_empty(), "nothing is left in the end");
}

/* More addresses than places. */
static void
try_many(void)
{
	static bool counted[MANY];
	unsigned n = 0;

	max_clients = 1;
	become(3);
	for (unsigned i = 0; i < MANY; i++) {
		struct addr a = host(i);

		must(quota_enter(&a, &counted[i]), "all may come");
		n += counted[i];
	}
	must(n > MANY / 2, "most of them are counted");
	must(n < MANY, "and not all");
	for (unsigned i = 0; i < MANY; i++)
		must(!counted[i] || !enters(host(i)), "those counted are over");
	for (unsigned i = 0; i < MANY; i++)
		if (counted[i])
			leaves(host(i));
	must(is_empty(), "nothing is left of them");
}

static bool
takes(enum quota_kind kind, unsigned h)
{
	struct addr a = host(h);
	int64_t wait = quota_wait(kind, &a), took = quota_take(kind, &a);

	must(wait == took, "to look says what to take does");
	return took == 0;
}

static int64_t
waits(enum quota_kind kind, unsigned h)
{
	struct addr a = host(h);

	return quota_wait(kind, &a);
}

/* How many connections, of one in each ms, are admitted. */
static unsigned
taken(unsigned ms)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ms; i++, now++)
		n += takes(QUOTA_CONNECTIONS, 1);
	return n;
}

static void
try_rate(unsigned rate)
{
	unsigned n = 0;

	max_rate = rate;
	become(0);
	now += 10000;
	while (takes(QUOTA_CONNECTIONS, 1))
		n++;
	must(n == rate, "so many may come at once");
	become(1);
	must(!takes(QUOTA_CONNECTIONS, 1), "to all workers together");
	must(takes(QUOTA_CONNECTIONS, 2), "another client is not concerned");
	now += waits(QUOTA_CONNECTIONS, 1) - 1;
	must(!takes(QUOTA_CONNECTIONS, 1), "a wait is needed");
	now++;
	must(takes(QUOTA_CONNECTIONS, 1), "and is enough");
	n = taken(10000);
	must(n >= 10 * rate - 1 && n <= 10 * rate + 1, "so many in a second");
	now += 1000;
	for (n = 0; takes(QUOTA_CONNECTIONS, 1); n++)
		;
	must(n == rate, "all is forgiven after a second");
}

static void
try_failures(void)
{
	struct addr a = host(1);

	now += 100000;
	for (int i = 0; i < 5; i++) {
		must(waits(QUOTA_FAILURES, 1) == 0, "some failures are free");
		quota_charge(QUOTA_FAILURES, &a, 1);
	}
	must(waits(QUOTA_FAILURES, 1) == 1000, "then each costs a second");
	must(waits(QUOTA_FAILURES, 2) == 0, "but nobody else");
	must(!takes(QUOTA_FAILURES, 1), "none is to be had meanwhile");
	quota_charge(QUOTA_FAILURES, &a, -1);
	must(waits(QUOTA_FAILURES, 1) == 0, "one is given back");
	must(takes(QUOTA_FAILURES, 1), "and taken");
	quota_charge(QUOTA_FAILURES, &a, 3);
	must(waits(QUOTA_FAILURES, 1) == 4000, "several are charged");
	now += 3999;
	must(waits(QUOTA_FAILURES, 1) == 1, "time pays");
	quota_charge(QUOTA_FAILURES, &a, 1000);
	must(waits(QUOTA_FAILURES, 1) == 61000, "there is a most");
	now += 66000;
	quota_charge(QUOTA_FAILURES, &a, -1000);
	must(waits(QUOTA_FAILURES, 1) == 0, "and a least");
	for (int i = 0; i < 5; i++)
		must(takes(QUOTA_FAILURES, 1), "nobody has anything in stock");
	must(!takes(QUOTA_FAILURES, 1), "of what is free");
}

static struct addr
host6(const char *text)
{
	struct addr a;

	must(addr_parse(&a, text) == 0, "it is an address");
	return a;
}

/* What one host can choose of its address does not make it another client. */
static void
try_blocks(void)
{
	struct addr a = host6("2001:db8:1:2::1"),
		    b = host6("2001:db8:1:2:f::9");
	struct addr c = host6("2001:db8:1:3::1"), d = host6("2001:db9:1:2::1");
	struct digest same = { { 1, 2 } }, other = { { 3, 2 } };

	now += 1000000;
	max_clients = 1;
	become(0);
	must(enters(a) && !enters(b), "64 bits are one client");
	must(enters(c), "others are another");
	leaves(b);
	leaves(c);
	must(is_empty(), "nothing is left of them");
	quota_charge(QUOTA_FAILURES, &a, 10);
	quota_charge(QUOTA_NET_FAILURES, &a, 10);
	must(
	    quota_wait(QUOTA_FAILURES, &b) > 0, "failures count for the block");
	must(quota_wait(QUOTA_FAILURES, &c) == 0, "and not beyond");
	must(quota_wait(QUOTA_NET_FAILURES, &c) > 0,
	    "and the network counts them too");
	must(quota_wait(QUOTA_NET_FAILURES, &d) == 0, "and not beyond that");
	must(quota_meet(&a, &same, 500) == 0, "the first says how long");
	must(quota_meet(&b, &same, 900) == 500, "the next waits for it");
	must(quota_meet(&b, &same, 0) == 500, "also only to look");
	must(quota_meet(&c, &same, 0) == 0, "another client does not");
	must(quota_meet(&a, &other, 0) == 0, "nor other credentials");
	now += 500;
	must(quota_meet(&a, &same, 0) == 0, "then it is over");
	block = (struct netblock){ 24, 128 };
	become(0);
	must(enters(a) && enters(b), "128 bits are single addresses");
	must(enters(host(1)) && !enters(host(2)), "24 bits are a block");
	leaves(a);
	leaves(b);
	leaves(host(2));
	block = (struct netblock){ 32, 64 };
	become(0);
}

/* If there are too many debts, the largest ones are remembered. */
static void
try_debtors(void)
{
	struct addr a = host(1);

	now += 100000;
	quota_charge(QUOTA_FAILURES, &a, 30);
	for (unsigned i = 2; i < 4 * QUOTA_DEBT_SETS * QUOTA_WAYS; i++) {
		struct addr other = host(i);

		quota_charge(QUOTA_FAILURES, &other, 1);
	}
	must(waits(QUOTA_FAILURES, 1) == 26000, "who owes most is remembered");
}

/* Debts that a hostile worker has made up leave room for others. */
static void
try_forgeries(void)
{
	struct addr a = host(1);

	for (size_t i = 0; i < QUOTA_DEBT_SETS; i++)
		for (size_t j = 0; j < QUOTA_WAYS; j++) {
			atomic_store(&share.common.debts[i][j].key, j + 1);
			atomic_store(&share.common.debts[i][j].paid, INT64_MAX);
		}
	quota_charge(QUOTA_FAILURES, &a, 30);
	for (unsigned i = 2; i < QUOTA_DEBT_SETS; i++) {
		struct addr other = host(i);

		quota_charge(QUOTA_FAILURES, &other, 30);
	}
	must(waits(QUOTA_FAILURES, 1) > 0, "they are what is forgotten");
}

/* Values that a hostile worker may have written. */
static void
try_rubbish(void)
{
	static const long long values[] = { INT64_MAX, INT64_MIN, -1, 0 };
	struct addr a = host(1);

	for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++) {
		for (size_t i = 0; i < QUOTA_DEBT_SETS; i++)
			for (size_t j = 0; j < QUOTA_WAYS; j++)
				atomic_store(
				    &share.common.debts[i][j].paid, values[v]);
		must(waits(QUOTA_FAILURES, 1) <= 61000, "a wait is bounded");
		must(v != 0 || waits(QUOTA_FAILURES, 1) == 0,
		    "a debt of many years is none");
		quota_charge(QUOTA_FAILURES, &a, 1);
		quota_charge(QUOTA_FAILURES, &a, -1);
		now += 66000;
		must(takes(QUOTA_FAILURES, 1), "and over some day");
	}
	memset(share.slots, 0xff, WORKERS * sizeof(*share.slots));
	memset(&share.common, 0xff, sizeof(share.common));
	max_clients = 1;
	become(2);
	enters(host(1));
	leaves(host(1));
	quota_forget(2);
	must(enters(host(2)), "nothing is left of what a dead worker wrote");
}

int
main(void)
{
	quota_resume(&share, key);
	try_clients();
	try_addresses();
	try_all();
	try_many();
	try_rate(1);
	try_rate(3);
	try_rate(100);
	try_failures();
	try_blocks();
	try_debtors();
	try_forgeries();
	try_rubbish();
	return 0;
}
