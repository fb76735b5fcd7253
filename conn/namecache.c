/* SPDX-License-Identifier: ISC */
/*
 * What a worker knows of names for a short while: the addresses of look-ups
 * that succeeded, and which clients a rule with a name matches or does not.  It
 * never holds more than a fixed number of either, and no memory when nobody has
 * asked for any lately.  It decides nothing: whoever gets addresses from here
 * judges them as if they had just been looked up.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "clock.h"
#include "namecache.h"

enum {
	CACHE_LIFE = 10000, /* ms that an answer is good for */
	CACHE_SETS = 128,   /* a name has its place in one of these, */
	CACHE_WAYS = 8      /* with so many others at most */
};

/* What is looked for: a name, or a rule and a client. */
struct key {
	const char *name;
	const struct addr *client; /* or NULL */
};

/* The name, or the rule, follows behind the addresses. */
struct entry {
	int64_t until; /* ms: good up to here */
	uint32_t hash;
	uint32_t naddrs;
	bool matches;        /* of a rule */
	struct addr addrs[]; /* of the name, or the client's */
};

/* Clients have sets of their own: strangers must push no addresses out. */
static struct entry *sets[2 * CACHE_SETS][CACHE_WAYS];
static int64_t tidy_at = -1;

/*
 * FNV-1a.  It need not withstand an attacker: names that fall into one set
 * push each other out, and whoever can ask for those can ask for so many that
 * all are pushed out.
 */
static uint32_t
key_hash(struct key key)
{
	uint32_t hash = 2166136261;

	for (; *key.name != '\0'; key.name++)
		hash = (hash ^ (unsigned char)*key.name) * 16777619;
	for (size_t i = 0; key.client != NULL && i < 16; i++)
		hash = (hash ^ key.client->ip[i]) * 16777619;
	return hash;
}

static char *
entry_name(struct entry *e)
{
	return (char *)(e->addrs + e->naddrs);
}

static void
entry_free(struct entry **way)
{
	free(*way);
	*way = NULL;
}

static struct entry **
set_of(struct key key, uint32_t hash)
{
	return sets[hash % CACHE_SETS + (key.client != NULL ? CACHE_SETS : 0)];
}

/* Where something is, or NULL. */
static struct entry **
way_find(struct key key)
{
	uint32_t hash = key_hash(key);
	struct entry **set = set_of(key, hash);

	for (int i = 0; i < CACHE_WAYS; i++)
		if (set[i] != NULL && set[i]->hash == hash &&
		    strcmp(entry_name(set[i]), key.name) == 0 &&
		    (key.client == NULL ||
			addr_same_ip(&set[i]->addrs[0], key.client)))
			return &set[i];
	return NULL;
}

/* The same if it is still good. */
static const struct entry *
entry_find(struct key key)
{
	struct entry **way = way_find(key);

	return way == NULL || clock_now() >= (*way)->until ? NULL : *way;
}

/* Where something new goes: in place of the oldest, if no place is free. */
static struct entry **
way_take(struct key key, uint32_t hash)
{
	struct entry **set = set_of(key, hash), **oldest = set;

	for (int i = 0; i < CACHE_WAYS; i++) {
		if (set[i] == NULL)
			return &set[i];
		if (set[i]->until < (*oldest)->until)
			oldest = &set[i];
	}
	entry_free(oldest);
	return oldest;
}

static void
entry_forget(struct key key)
{
	struct entry **way = way_find(key);

	if (way != NULL)
		entry_free(way);
}

/* Puts a new entry in the place of an old one; without memory, of none. */
static void
entry_put(struct key key, bool matches, const struct addr *addrs, size_t naddrs)
{
	size_t size = naddrs * sizeof(*addrs), len = strlen(key.name) + 1;
	struct entry *e = malloc(sizeof(*e) + size + len);

	entry_forget(key);
	if (e == NULL)
		return;
	e->until = clock_now() + CACHE_LIFE;
	e->hash = key_hash(key);
	e->naddrs = (uint32_t)naddrs;
	e->matches = matches;
	memcpy(e->addrs, addrs, size);
	memcpy(entry_name(e), key.name, len);
	*way_take(key, e->hash) = e;
	if (tidy_at < 0)
		tidy_at = e->until;
}

/*
 * The addresses of a name, if they were learnt less than CACHE_LIFE ago, or
 * NULL.  They stay the cache's, up to the next call of any function here.
 */
const struct addr *
namecache_find(const char *name, size_t *naddrs)
{
	const struct entry *e = entry_find((struct key){ .name = name });

	if (e == NULL)
		return NULL;
	*naddrs = e->naddrs;
	return e->addrs;
}

/* Remembers the addresses of a name; without memory for that it does not. */
void
namecache_put(const char *name, const struct addr *addrs, size_t naddrs)
{
	entry_put((struct key){ .name = name }, false, addrs, naddrs);
}

/* Forgets a name, if it is known. */
void
namecache_forget(const char *name)
{
	entry_forget((struct key){ .name = name });
}

/*
 * Whether it was learnt less than CACHE_LIFE ago if a rule with a name matches
 * a client, whose port does not count.  *matches is the answer then.
 */
bool
namecache_find_client(
    const char *rule, const struct addr *client, bool *matches)
{
	const struct entry *e =
	    entry_find((struct key){ .name = rule, .client = client });

	if (e == NULL)
		return false;
	*matches = e->matches;
	return true;
}

/* Remembers that, if there is memory for it. */
void
namecache_put_client(const char *rule, const struct addr *client, bool matches)
{
	entry_put(
	    (struct key){ .name = rule, .client = client }, matches, client, 1);
}

/* Frees what is no longer good, when it is time to look for it. */
void
namecache_tidy(void)
{
	struct entry **way;
	bool any = false;

	if (tidy_at < 0 || clock_now() < tidy_at)
		return;
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++)
		for (way = sets[i]; way < sets[i] + CACHE_WAYS; way++) {
			if (*way != NULL && clock_now() >= (*way)->until)
				entry_free(way);
			any = any || *way != NULL;
		}
	tidy_at = any ? clock_now() + CACHE_LIFE : -1;
}

/* When namecache_tidy() has something to look for, or -1. */
int64_t
namecache_tidy_at(void)
{
	return tidy_at;
}
