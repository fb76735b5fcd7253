/* SPDX-License-Identifier: ISC */
/*
 * A worker's short-lived cache of look-ups: the addresses of names, and whether
 * a rule with a name matches a client.  It holds at most a fixed number of
 * each, and frees its memory when it is not used.  It decides nothing:
 * addresses from here are judged as if they had just been looked up.
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
	CACHE_LIFE = 10000, /* ms that an entry is valid */
	CACHE_SETS = 128,   /* for names, and as many for clients */
	CACHE_WAYS = 8      /* entries of a set */
};

/* The key of an entry: a name, or a rule's name and a client. */
struct key {
	const char *name;
	const struct addr *client; /* or NULL */
};

/* An entry; its name, or the rule's, follows the addresses in memory. */
struct entry {
	int64_t until; /* ms: valid before that */
	uint32_t hash;
	uint32_t naddrs;
	bool matches;        /* of a rule */
	struct addr addrs[]; /* of the name, or the client's */
};

/* Clients have their own sets: strangers must not push out addresses. */
static struct entry *sets[2 * CACHE_SETS][CACHE_WAYS];
static int64_t tidy_at = -1;

/*
 * FNV-1a.  It need not resist collisions made on purpose: they only push
 * entries of one set out, and a client that can make them can also push all
 * entries out by asking for many names.
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

/* Returns the place of an entry, which may have expired, or NULL. */
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

/* Returns an entry that is still valid, or NULL. */
static const struct entry *
entry_find(struct key key)
{
	struct entry **way = way_find(key);

	return way == NULL || clock_now() >= (*way)->until ? NULL : *way;
}

/* Returns a free place for a new entry; if none is free, frees the oldest. */
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

/* Replaces an entry; without memory the old one is only forgotten. */
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
 * Returns the addresses of a name, and how many, if they were looked up less
 * than CACHE_LIFE ago; else NULL.  They belong to the cache, and are valid
 * until the next call of any function here.
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

/* Remembers the addresses of a name, a copy of them, if there is memory. */
void
namecache_put(const char *name, const struct addr *addrs, size_t naddrs)
{
	entry_put((struct key){ .name = name }, false, addrs, naddrs);
}

/* Forgets a name, if it is in the cache. */
void
namecache_forget(const char *name)
{
	entry_forget((struct key){ .name = name });
}

/*
 * Whether the cache knows if a rule with a name matches a client.  If so, it
 * sets *matches.  The client's port does not count.
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

/* Remembers whether a rule matches a client, if there is memory. */
void
namecache_put_client(const char *rule, const struct addr *client, bool matches)
{
	entry_put(
	    (struct key){ .name = rule, .client = client }, matches, client, 1);
}

/* Frees expired entries, if namecache_tidy_at() has come. */
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

/* Returns when namecache_tidy() must be called, in ms, or -1: not at all. */
int64_t
namecache_tidy_at(void)
{
	return tidy_at;
}
