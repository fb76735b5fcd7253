/* SPDX-License-Identifier: ISC */
/*
 * A cache of credentials that a check has recently found to be right, kept as
 * digests, so that the hundred connections of a browser cost one check.  It has
 * a fixed size, and each process has its own: an entry that a compromised
 * worker forges lets nobody in through another worker.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "authcache.h"
#include "secret.h"

enum {
	KNOWN_LIFE = 60000, /* ms that an entry is valid after the check */
	KNOWN_SETS = 1024,  /* a digest may stand in one of these sets, */
	KNOWN_WAYS = 4      /* which has this many places */
};

struct known {
	struct digest digest;
	int64_t until;    /* ms: valid before this time */
	const char *user; /* NULL: the place is free */
};

static struct known sets[KNOWN_SETS][KNOWN_WAYS];
static int64_t tidy_at = -1;

static struct known *
set_of(const struct digest *digest)
{
	return sets[digest->half[0] % KNOWN_SETS];
}

/*
 * Returns the user whose credentials have this digest, as authcache_put() got
 * it, or NULL.
 */
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
 * Remembers credentials that are right, in a free place or in that of the entry
 * checked longest ago.  user is not copied and must stay valid.
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

/* Wipes expired entries, if authcache_tidy_at() has come. */
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

/* Returns when authcache_tidy() must be called, in ms of clock_ms(), or -1. */
int64_t
authcache_tidy_at(void)
{
	return tidy_at;
}
