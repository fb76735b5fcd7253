/* SPDX-License-Identifier: ISC */
#ifndef RACE_H
#define RACE_H

#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "bounds.h"
#include "tunnel.h"

struct conf;
struct conn;

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
};

enum race_state { RACE_RUNS, RACE_WON, RACE_LOST };

void race_init(struct race *, const struct addr *addrs, size_t n);
enum race_state race_start(struct conn *, const struct conf *, int64_t now);
enum race_state race_event(struct conn *, const struct conf *, unsigned which,
    short revents, int64_t now);
void race_end(struct race *);

#endif
