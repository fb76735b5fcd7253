/* SPDX-License-Identifier: ISC */
/*
 * Picks the connections that give way when all places are taken: those that
 * cost a client nothing to keep.  First those without a whole head, then idle
 * clients, then those of which one side has ended; of these, those of the client
 * that has the most; and of these the oldest.  Nothing here ends a connection.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "addr.h"
#include "clock.h"
#include "conn.h"
#include "crowd.h"
#include "quota.h"
#include "secret.h"
#include "share.h"
#include "sys.h"

enum {
	GRACE_TIME = 1000, /* ms that each may have in peace */
	CROWDS = 1024      /* counters of clients; two may share one */
};

static struct {
	unsigned char key[SECRET_KEY_SIZE];
	unsigned counts[CROWDS];
} k;

/* To be called once in a worker.  Returns 0, or -1 with errno. */
int
crowd_init(void)
{
	return sys_random(k.key, sizeof(k.key));
}

/* The counter of a connection's client. */
static size_t
crowd_of(const struct conn *c)
{
	struct addr client = quota_client(&c->client);

	return secret_digest(k.key, client.ip, sizeof(client.ip)).half[0] %
	    CROWDS;
}

/* Whether a connection has had its time in peace. */
static bool
is_ripe(const struct conn *c, enum spare spare)
{
	int64_t since = spare == SPARE_HALF ? c->tunnel.active : c->since;

	return clock_now() - since >= GRACE_TIME;
}

/* The first kind of spare connections that there are, or SPARES. */
static enum spare
spare_first(void)
{
	enum spare first = SPARES, spare;

	for (struct conn *c = conn_next(NULL); c != NULL; c = conn_next(c)) {
		spare = conn_spare(c);
		if (spare < first && is_ripe(c, spare))
			first = spare;
	}
	return first;
}

/* Counts those of a kind by client.  Returns the counter with the most. */
static size_t
crowd_largest(enum spare spare)
{
	size_t largest = 0, crowd;

	memset(k.counts, 0, sizeof(k.counts));
	for (struct conn *c = conn_next(NULL); c != NULL; c = conn_next(c)) {
		if (conn_spare(c) != spare || !is_ripe(c, spare))
			continue;
		crowd = crowd_of(c);
		if (++k.counts[crowd] > k.counts[largest])
			largest = crowd;
	}
	return largest;
}

/* Puts a connection among the oldest, of which there are n, at most max. */
static size_t
oldest_add(struct conn *picked[CROWD_MAX], size_t n, size_t max, struct conn *c)
{
	size_t at = n < max ? n : max - 1;

	if (n == max && picked[at]->since <= c->since)
		return n;
	for (; at > 0 && picked[at - 1]->since > c->since; at--)
		picked[at] = picked[at - 1];
	picked[at] = c;
	return n < max ? n + 1 : max;
}

/*
 * Picks the connections that give way.  If one client has many, these are
 * several, since to find them takes a look at all connections.  Returns how
 * many; 0: none can.
 */
size_t
crowd_pick(struct conn *picked[CROWD_MAX])
{
	enum spare spare = spare_first();
	size_t crowd, max, n = 0;

	if (spare == SPARES)
		return 0;
	crowd = crowd_largest(spare);
	max = 1 + k.counts[crowd] / CROWD_MAX;
	if (max > CROWD_MAX)
		max = CROWD_MAX;
	for (struct conn *c = conn_next(NULL); c != NULL; c = conn_next(c))
		if (conn_spare(c) == spare && is_ripe(c, spare) &&
		    crowd_of(c) == crowd)
			n = oldest_add(picked, n, max, c);
	return n;
}
