/* SPDX-License-Identifier: ISC */
/*
 * Moves connections that are quiet from the poll set to the lot, and those that
 * wake back.  While all tunnels are parked, this costs nothing.
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
	PARK_AFTER = 20, /* ms without traffic until a tunnel is parked */
	PARK_TURNS = 16  /* turns of the loop after which it is, too */
};

static struct {
	int64_t look_at; /* ms: when to look for quiet tunnels, or -1 */
	uint32_t turn;   /* turns of the loop so far; it may wrap */
	uint32_t looked; /* the turn of the last look */
} p = { .look_at = -1 };

/* Sets a time to look for quiet connections, if none is set. */
static void
look_soon(void)
{
	if (p.look_at < 0)
		p.look_at = clock_now() + PARK_AFTER;
}

/* Notes that a connection has traffic: it is not parked for a while. */
void
parking_busy(struct tunnel *t)
{
	t->active = clock_now();
	t->turn = p.turn;
	look_soon();
}

/* Takes a connection out of the lot; it is polled until it is quiet again. */
void
parking_leave(struct tunnel *t)
{
	lot_leave(t);
	look_soon();
}

/* Puts connections that woke into the poll set, which reports their events. */
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
	conn_quiet(c);
	if (clock_now() - c->tunnel.active >= PARK_AFTER)
		relay_quiet(&c->tunnel);
	watch_remove(&c->tunnel.end[CLIENT].slot);
	watch_remove(&c->tunnel.end[SERVER].slot);
}

/* Whether a connection is in a state that may last long without traffic. */
static bool
is_parkable(const struct conn *c)
{
	return c->state == CONN_RELAY || c->state == CONN_FORWARD ||
	    c->state == CONN_IDLE;
}

/*
 * Whether it is cheaper to park a tunnel than to poll it in each turn.  A lot
 * without a descriptor must be searched for woken tunnels, so there only the
 * time counts, not the turns.
 */
static bool
is_quiet(const struct conn *c)
{
	return clock_now() - c->tunnel.active >= PARK_AFTER ||
	    (lot_fd() >= 0 && p.turn - c->tunnel.turn >= PARK_TURNS);
}

/*
 * Parks the connections in the poll set that are quiet, if it is time to look
 * for them.  Must be called once in each turn of the loop.
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

/* Returns when parking_look() must be called, in ms of clock_ms(), or -1. */
int64_t
parking_look_at(void)
{
	return p.look_at;
}
