/* SPDX-License-Identifier: ISC */
/* LINK: conn/namecache.c base/addr.c base/local.c */
/*
 * Tests which names a worker remembers, with a clock of the test.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

enum { MANY = 20000, LIFE = 10000 };

static int64_t now = 1;

int64_t
clock_now(void)
{
	return now;
}

static void
put(const char *name, unsigned char first, size_t n)
{
	struct addr addrs[ADDRS_MAX];

	memset(addrs, 0, sizeof(addrs));
	for (size_t i = 0; i < n; i++)
		addrs[i].ip[0] = (unsigned char)(first + i);
	namecache_put(name, addrs, n);
}

/* Whether a name is remembered with exactly these addresses. */
static bool
knows(const char *name, unsigned char first, size_t n)
{
	size_t found = 0;
	const struct addr *addrs = namecache_find(name, &found);

	if (addrs == NULL || found != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (addrs[i].ip[0] != first + i)
			return false;
	return true;
}

static bool
is_unknown(const char *name)
{
	size_t n;

	return namecache_find(name, &n) == NULL;
}

static size_t
count_known(void)
{
	char name[32];
	size_t known = 0;

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%d.example", i);
		known += !is_unknown(name);
	}
	return known;
}

static void
try_one(void)
{
	must(is_unknown("a.example"), "nothing is known at first");
	must(namecache_tidy_at() < 0, "an empty cache wakes nobody");
	put("a.example", 1, 2);
	put("b.example", 9, ADDRS_MAX);
	must(knows("a.example", 1, 2), "a name is known");
	must(knows("b.example", 9, ADDRS_MAX), "with all its addresses");
	must(is_unknown("a.exampl"), "a part of it is not");
	put("a.example", 5, 1);
	must(knows("a.example", 5, 1), "the new replaces the old");
	namecache_forget("a.example");
	namecache_forget("c.example");
	must(is_unknown("a.example"), "a name is forgotten");
	must(knows("b.example", 9, ADDRS_MAX), "and no other");
}

static void
try_time(void)
{
	put("a.example", 1, 1);
	now += LIFE - 1;
	must(knows("a.example", 1, 1), "a name is known for a while");
	put("b.example", 2, 1);
	now++;
	must(is_unknown("a.example"), "and then not any more");
	must(namecache_tidy_at() >= 0 && namecache_tidy_at() <= now,
	    "it is tidied");
	namecache_tidy();
	must(knows("b.example", 2, 1), "what is good stays");
	must(namecache_tidy_at() > now, "and is tidied later");
	now = namecache_tidy_at();
	namecache_tidy();
	must(namecache_tidy_at() < 0, "an empty cache wakes nobody again");
}

static void
try_many(void)
{
	char name[32];
	size_t known;

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%d.example", i);
		put(name, 1, 1);
		must(knows(name, 1, 1), "the newest is known");
		now += i % 20 == 0;
	}
	known = count_known();
	must(known <= 1024, "no more are known than there is room for");
	must(known >= 900, "and hardly fewer");
	now += LIFE;
	must(count_known() == 0, "all are too old in the end");
	namecache_tidy();
	must(namecache_tidy_at() < 0, "and nothing is left of them");
}

static struct addr
client(unsigned n)
{
	struct addr a = { .port = (uint16_t)rand() };

	memcpy(a.ip, &n, sizeof(n));
	return a;
}

/* What is remembered of a rule and a client: 'y', 'n', or '?' for nothing. */
static char
rule_matches(const char *rule, unsigned n)
{
	struct addr a = client(n);
	bool matches;

	if (!namecache_find_client(rule, &a, &matches))
		return '?';
	return matches ? 'y' : 'n';
}

static void
put_client(const char *rule, unsigned n, bool matches)
{
	struct addr a = client(n);

	namecache_put_client(rule, &a, matches);
}

static void
try_clients(void)
{
	must(rule_matches("a.example", 1) == '?', "no client is known");
	put("a.example", 1, 1);
	must(rule_matches("a.example", 1) == '?', "a name is no rule");
	put_client("a.example", 1, true);
	put_client("a.example", 2, false);
	put_client(".a.example", 1, false);
	must(knows("a.example", 1, 1), "a rule is no name");
	must(rule_matches("a.example", 1) == 'y', "a client that matches");
	must(rule_matches("a.example", 2) == 'n', "one that does not");
	must(rule_matches("a.example", 3) == '?', "one that is not known");
	must(rule_matches(".a.example", 1) == 'n', "another rule");
	must(rule_matches("b.example", 1) == '?', "one that is not known");
	put_client("a.example", 1, false);
	must(rule_matches("a.example", 1) == 'n', "the new replaces the old");
	namecache_forget("a.example");
	must(rule_matches("a.example", 2) == 'n', "names are forgotten alone");
	now += LIFE;
	must(rule_matches("a.example", 2) == '?', "in the end it is forgotten");
	put("a.example", 1, 1);
	for (unsigned i = 0; i < MANY; i++)
		put_client("a.example", i, true);
	must(knows("a.example", 1, 1), "clients push no names out");
	must(rule_matches("a.example", MANY - 1) == 'y', "the newest is known");
	must(rule_matches("a.example", 0) == '?', "there is room for some");
	now += LIFE;
	namecache_tidy();
	must(namecache_tidy_at() < 0, "nothing is left");
}

int
main(void)
{
	try_one();
	try_time();
	try_many();
	try_clients();
	return 0;
}
