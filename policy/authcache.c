/* SPDX-License-Identifier: ISC */
/*
 * The credentials that have been found right a short while ago, as digests,
 * so that the hundred connections of a browser cost one check.  It holds a
 * fixed number of them, and each process has its own: what a worker writes
 * here lets nobody in elsewhere.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "authcache.h"
#include "secret.h"

enum {
	KNOWN_LIFE = 60000, /* ms from the check */
	KNOWN_SETS = 1024,  /* a digest has its place in one of these, */
	KNOWN_WAYS = 4      /* with so many others at most */
};

struct known {
	struct digest digest;
	int64_t until;    /* ms: good up to here */
	const char *user; /* NULL: the place is free */
};

static struct known sets[KNOWN_SETS][KNOWN_WAYS];
static int64_t tidy_at = -1;

static struct known *
set_of(const struct digest *digest)
{
	return sets[digest->half[0] % KNOWN_SETS];
}

/* The user with these credentials, as authcache_put() was told, or NULL. */
const char *
authcache_find(const struct digest *digest, int64_t now)
{
	struct known *set = set_of(digest);

	for (int i = 0; i < KNOWN_WAYS; i++)
		if (set[i].user != NULL && now < set[i].until &&
		    secret_same(&set[i].digest, digest))
			return set[i].user;
	return NULL;
}

/*
 * Remembers credentials that are right, in place of those that were found so
 * first, if no place is free.  The user's name stays the caller's.
 */
void
authcache_put(const struct digest *digest, const char *user, int64_t now)
{
	struct known *set = set_of(digest), *place = set;

	for (int i = 0; i < KNOWN_WAYS; i++) {
		if (set[i].user != NULL &&
		    secret_same(&set[i].digest, digest)) {
			place = &set[i];
			break;
		}
		if (set[i].user == NULL ||
		    (place->user != NULL && set[i].until < place->until))
			place = &set[i];
	}
	*place = (struct known){ *digest, now + KNOWN_LIFE, user };
	if (tidy_at < 0)
		tidy_at = place->until;
}

/* Wipes what is no longer good, when it is time to look for it. */
void
authcache_tidy(int64_t now)
{
	bool any = false;

	if (tidy_at < 0 || now < tidy_at)
		return;
	for (size_t i = 0; i < KNOWN_SETS; i++)
		for (struct known *k = sets[i]; k < sets[i] + KNOWN_WAYS; k++) {
			if (k->user != NULL && now >= k->until)
				secret_wipe(k, sizeof(*k));
			any = any || k->user != NULL;
		}
	tidy_at = any ? now + KNOWN_LIFE : -1;
}

/* When authcache_tidy() has something to look for, or -1. */
int64_t
authcache_tidy_at(void)
{
	return tidy_at;
}
