/* SPDX-License-Identifier: ISC */
/*
 * A cache of credentials that a check has recently found to be right, kept as
 * digests, so that the hundred connections of a browser cost one check.  It has
 * a fixed size, and each process has its own: an entry that a compromised
 * worker forges lets nobody in through another worker.
 */
#define _POSIX_C_SOURCE 200809L

#include <stddef.h>
#include <stdint.h>

#include "authcache.h"
#include "memo.h"
#include "secret.h"

enum { KNOWN_LIFE = 60000 /* ms that an entry is valid after the check */ };

static struct memo known;
static int64_t tidy_at = -1;

/*
 * Returns the user whose credentials have this digest, as authcache_put() got
 * it, or NULL.
 */
const char *
authcache_find(const struct digest *digest, int64_t now)
{
	return memo_find(&known, digest, now);
}

/* Remembers credentials that are right.  user must stay valid. */
void
authcache_put(const struct digest *digest, const char *user, int64_t now)
{
	memo_put(&known, digest, user, now + KNOWN_LIFE);
	if (tidy_at < 0)
		tidy_at = now + KNOWN_LIFE;
}

/* Wipes expired entries, if authcache_tidy_at() has come. */
void
authcache_tidy(int64_t now)
{
	if (tidy_at < 0 || now < tidy_at)
		return;
	tidy_at = memo_tidy(&known, now) > 0 ? now + KNOWN_LIFE : -1;
}

/* Returns when authcache_tidy() must be called, in ms of clock_ms(), or -1. */
int64_t
authcache_tidy_at(void)
{
	return tidy_at;
}
