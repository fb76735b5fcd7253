/* SPDX-License-Identifier: ISC */
/* The race of connection attempts for a server, RFC 8305. */
#ifndef RACE_H
#define RACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "bounds.h"
#include "tunnel.h"

enum {
	RACE_MAX = 8,    /* connection attempts under way at once */
	RACE_DELAY = 250 /* ms between the starts of two attempts, RFC 8305 5 */
};

/* A race.  It owns the descriptors of its attempts. */
struct race {
	struct addr addrs[ADDRS_MAX];
	unsigned naddrs, next;
	struct attempt {
		struct end end;
		unsigned addr;
	} attempts[RACE_MAX];
	unsigned nattempts; /* slots used; a free one has fd -1 */
	int error;          /* errno of the failure that tells most */
	int64_t by;         /* ms: when the caller gives it up */
	int64_t next_at;    /* ms: when the next attempt is due */
	unsigned winner;    /* RACE_WON: index of its address */
};

enum race_state { RACE_RUNS, RACE_WON, RACE_LOST };

/* How connections are made. */
struct race_rules {
	const struct addr *bind; /* local addresses to bind to, by family */
	size_t nbind;
	bool bind_same; /* or bind to the address the client connected to */
	bool keepalive; /* SO_KEEPALIVE on the connection to the server */
	size_t extras;  /* attempts of all races besides the first of each */
};

void race_use(const struct race_rules *);
void race_init(struct race *, const struct addr *addrs, size_t n, int64_t by);
enum race_state race_start(struct race *, struct tunnel *);
enum race_state race_event(
    struct race *, struct tunnel *, unsigned which, short revents);
void race_end(struct race *);
struct end *race_attempt(struct race *, unsigned which);

#endif
