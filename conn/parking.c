/* SPDX-License-Identifier: ISC */
/*
 * Moves connections that stay from the poll set to the lot.  A tunnel is served
 * from there for the rest of its life.  Another one, and with LOT=poll any, is
 * there only while it is quiet: conn_watch() takes it out.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "conn.h"
#include "loop.h"
#include "lot.h"
#include "parking.h"
#include "tunnel.h"

enum {
	LOOK_TIME = 20, /* ms between two looks */
	LOOK_TURNS = 16 /* turns of the loop after which the next one comes */
};

static struct {
	int64_t look_at; /* ms: when to look at the poll set, or -1 */
	unsigned turns;  /* of the loop since the last look */
} p = { .look_at = -1 };

/* Whether a tunnel stays in the lot, whatever happens to it. */
static bool
is_settled(const struct tunnel *t)
{
	return lot_fd() >= 0 && t->end[CLIENT].enrolled &&
	    t->end[SERVER].enrolled;
}

/* Sets a time to look at the poll set, if none is set. */
static void
look_soon(void)
{
	if (p.look_at < 0)
		p.look_at = clock_now() + LOOK_TIME;
}

/*
 * Notes that a connection has traffic.  If it goes to the lot only when it is
 * quiet, that is not soon.
 */
void
parking_busy(struct tunnel *t)
{
	t->active = clock_now();
	if (!conn_settles(conn_of(t)))
		t->end[CLIENT].seen = t->end[SERVER].seen = false;
	if (!is_settled(t))
		look_soon();
}

/*
 * Returns an end of a connection, or an attempt to reach its server; NULL if
 * there is none now.
 */
struct end *
parking_end(struct tunnel *t, unsigned which)
{
	struct conn *c = conn_of(t);

	if (which <= SERVER)
		return &t->end[which];
	return c->state == CONN_CONNECT ? race_attempt(&c->setup->race, which)
					: NULL;
}

/*
 * Moves the ends that the last look has seen already, if it is time to look:
 * each costs time in every turn.
 * Must be called once in each turn of the loop with a connection in the poll
 * set, and when parking_look_at() has come.  A lot without a descriptor must be
 * searched for events, so there only the time counts, not the turns.
 */
void
parking_look(void)
{
	bool left = false;
	unsigned which;

	if (watch_grown())
		look_soon();
	if (p.look_at < 0 ||
	    (clock_now() < p.look_at &&
		(lot_fd() < 0 || ++p.turns < LOOK_TURNS)))
		return;
	p.turns = 0;
	for (size_t i = watch_count(); i-- > 0;) {
		struct tunnel *t = watch_tunnel(i, &which);
		struct end *end = t != NULL ? parking_end(t, which) : NULL;

		if (end == NULL)
			continue;
		if (!end->seen)
			end->seen = left = true;
		else if (lot_add(t, which, end) == 0)
			watch_remove(&end->slot);
	}
	p.look_at = left ? clock_now() + LOOK_TIME : -1;
}

/* Returns when parking_look() must be called, in ms of clock_ms(), or -1. */
int64_t
parking_look_at(void)
{
	return p.look_at;
}
