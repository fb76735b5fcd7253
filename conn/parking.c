/* SPDX-License-Identifier: ISC */
/*
 * Which connections wait in the parking lot: those that have been quiet for a
 * while are taken out of the poll set, and those that wake are put back.  It
 * costs nothing while all tunnels are parked.
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
#include "pipe.h"
#include "relay.h"
#include "tunnel.h"

enum {
	PARK_AFTER = 20, /* ms of quiet until a tunnel is parked, */
	PARK_TURNS = 16  /* or turns of the loop */
};

static struct {
	int64_t look_at; /* ms: when to look for quiet tunnels, or -1 */
	uint32_t turn;   /* of the loop, counted */
	uint32_t looked; /* the turn of the last look */
} p = { .look_at = -1 };

/* A connection may become quiet: it is looked for then. */
static void
look_soon(void)
{
	if (p.look_at < 0)
		p.look_at = clock_now() + PARK_AFTER;
}

/* Bytes have come: the connection is busy for a while. */
void
parking_busy(struct tunnel *t)
{
	t->active = clock_now();
	t->turn = p.turn;
	look_soon();
}

/* Takes a connection out of the lot, to be polled for a while. */
void
parking_leave(struct tunnel *t)
{
	lot_leave(t);
	look_soon();
}

/* Takes those that woke out of the lot, so that their events are seen. */
void
parking_wake(void)
{
	struct tunnel *woken[WOKEN_MAX];
	size_t n = lot_woken(woken, WOKEN_MAX);

	for (size_t i = 0; i < n; i++) {
		parking_busy(woken[i]);
		conn_watch(conn_of(woken[i]));
	}
}

static void
park(struct conn *c)
{
	const int events[2] = { conn_events(c, CLIENT),
		conn_events(c, SERVER) };

	if (lot_park(&c->tunnel, events) != 0)
		return;
	if (clock_now() - c->tunnel.active >= PARK_AFTER)
		relay_quiet(&c->tunnel);
	watch_remove(&c->tunnel.end[CLIENT].slot);
	watch_remove(&c->tunnel.end[SERVER].slot);
}

/* Whether a connection may be quiet for long. */
static bool
is_parkable(const struct conn *c)
{
	return c->state == CONN_RELAY || c->state == CONN_FORWARD ||
	    c->state == CONN_IDLE;
}

/*
 * Whether it is cheaper to park a tunnel than to leave it in the poll set,
 * where it costs something in each turn; a lot without a descriptor costs more
 * the more often it is looked at.
 */
static bool
is_quiet(const struct conn *c)
{
	return clock_now() - c->tunnel.active >= PARK_AFTER ||
	    (lot_fd() >= 0 && p.turn - c->tunnel.turn >= PARK_TURNS);
}

/*
 * Parks the connections in the poll set that have been quiet for PARK_AFTER or
 * PARK_TURNS, when it is time to look for them.  To be called in each turn.
 */
void
parking_look(void)
{
	bool busy = false;

	p.turn++;
	if (p.look_at < 0 ||
	    (clock_now() < p.look_at && p.turn - p.looked < PARK_TURNS))
		return;
	p.looked = p.turn;
	for (size_t i = watch_count(); i-- > 0;) {
		struct conn *c = conn_of(watch_tunnel(i));

		if (c == NULL || !is_parkable(c))
			continue;
		if (is_quiet(c))
			park(c);
		else
			busy = true;
	}
	p.look_at = busy ? clock_now() + PARK_AFTER / 2 : -1;
	if (!busy)
		pipe_rest();
}

/* When parking_look() has something to look for, in ms of clock_ms(), or -1. */
int64_t
parking_look_at(void)
{
	return p.look_at;
}
