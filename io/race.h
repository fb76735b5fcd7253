/* SPDX-License-Identifier: ISC */
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
	RACE_DELAY = 250 /* ms between two attempts, RFC 8305 */
};

/* The race for a server, RFC 8305. */
struct race {
	struct addr addrs[ADDRS_MAX];
	unsigned naddrs, next;
	struct attempt {
		struct end end;
		unsigned addr;
	} attempts[RACE_MAX];
	unsigned nattempts; /* slots in use, with holes of fd -1 */
	int error;          /* errno of the most telling failure */
	int64_t next_at;    /* ms: when the next attempt is due */
	unsigned winner;    /* RACE_WON: of addrs */
};

enum race_state { RACE_RUNS, RACE_WON, RACE_LOST };

/* How connections are made. */
struct race_rules {
	const struct addr *bind; /* by one of these, of the family */
	size_t nbind;
	bool bind_same; /* or by the one that the client came in by */
	bool keepalive; /* whether the server is still there is asked */
};

void race_use(const struct race_rules *);
void race_init(struct race *, const struct addr *addrs, size_t n);
enum race_state race_start(struct race *, struct tunnel *);
enum race_state race_event(
    struct race *, struct tunnel *, unsigned which, short revents);
void race_end(struct race *);

#endif
