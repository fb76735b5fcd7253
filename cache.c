/* SPDX-License-Identifier: ISC */
/*
 * What a worker knows of names for a short while: the addresses of look-ups
 * that succeeded.  It never holds more than a fixed number of names, and no
 * memory when nobody has asked for any lately.  It decides nothing: whoever
 * gets addresses from here judges them as if they had just been looked up.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>
#include <string.h>

#include "proxy.h"

enum {
	CACHE_LIFE = 10000, /* ms that an answer is good for */
	CACHE_SETS = 128,   /* a name has its place in one of these, */
	CACHE_WAYS = 8      /* with so many others at most */
};

/* The name follows behind the addresses. */
struct entry {
	int64_t until; /* ms: good up to here */
	uint32_t hash;
	uint32_t naddrs;
	struct addr addrs[];
};

static struct entry *sets[CACHE_SETS][CACHE_WAYS];
static int64_t tidy_at = -1;

/*
 * FNV-1a.  It need not withstand an attacker: names that fall into one set
 * push each other out, and whoever can ask for those can ask for so many that
 * all are pushed out.
 */
static uint32_t
name_hash(const char *name)
{
	uint32_t hash = 2166136261;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619;
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

/* Where a name is, or NULL. */
static struct entry **
way_find(const char *name)
{
	uint32_t hash = name_hash(name);
	struct entry **set = sets[hash % CACHE_SETS];

	for (int i = 0; i < CACHE_WAYS; i++)
		if (set[i] != NULL && set[i]->hash == hash &&
		    strcmp(entry_name(set[i]), name) == 0)
			return &set[i];
	return NULL;
}

/* Where a new name goes: in place of the oldest, if no place is free. */
static struct entry **
way_take(uint32_t hash)
{
	struct entry **set = sets[hash % CACHE_SETS], **oldest = set;

	for (int i = 0; i < CACHE_WAYS; i++) {
		if (set[i] == NULL)
			return &set[i];
		if (set[i]->until < (*oldest)->until)
			oldest = &set[i];
	}
	entry_free(oldest);
	return oldest;
}

/*
 * The addresses of a name, if they were learnt less than CACHE_LIFE ago, or
 * NULL.  They stay the cache's, up to the next call of any function here.
 */
const struct addr *
cache_find(const char *name, size_t *naddrs)
{
	struct entry **way = way_find(name);

	if (way == NULL || loop_now() >= (*way)->until)
		return NULL;
	*naddrs = (*way)->naddrs;
	return (*way)->addrs;
}

/* Remembers the addresses of a name; without memory for that it does not. */
void
cache_put(const char *name, const struct addr *addrs, size_t naddrs)
{
	size_t size = naddrs * sizeof(*addrs), len = strlen(name) + 1;
	struct entry *e = malloc(sizeof(*e) + size + len);

	cache_forget(name);
	if (e == NULL)
		return;
	e->until = loop_now() + CACHE_LIFE;
	e->hash = name_hash(name);
	e->naddrs = (uint32_t)naddrs;
	memcpy(e->addrs, addrs, size);
	memcpy(entry_name(e), name, len);
	*way_take(e->hash) = e;
	if (tidy_at < 0)
		tidy_at = e->until;
}

/* Forgets a name, if it is known. */
void
cache_forget(const char *name)
{
	struct entry **way = way_find(name);

	if (way != NULL)
		entry_free(way);
}

/* Frees what is no longer good, when it is time to look for it. */
void
cache_tidy(void)
{
	struct entry **way;
	bool any = false;

	if (tidy_at < 0 || loop_now() < tidy_at)
		return;
	for (size_t i = 0; i < CACHE_SETS; i++)
		for (way = sets[i]; way < sets[i] + CACHE_WAYS; way++) {
			if (*way != NULL && loop_now() >= (*way)->until)
				entry_free(way);
			any = any || *way != NULL;
		}
	tidy_at = any ? loop_now() + CACHE_LIFE : -1;
}

/* When cache_tidy() has something to look for, or -1. */
int64_t
cache_tidy_at(void)
{
	return tidy_at;
}
