/* SPDX-License-Identifier: ISC */
/*
 * The steps that only move bytes: an established tunnel, the rest that a lost
 * side has left for the other, and a reply that the client still reads.
 * Nothing here looks into the bytes.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <errno.h>
#include <poll.h>

#include "clock.h"
#include "conn.h"
#include "parking.h"
#include "record.h"
#include "relay.h"
#include "reply.h"
#include "stats.h"
#include "steps.h"
#include "tally.h"
#include "tunnel.h"

enum { WASTE_SIZE = 16384 /* bytes to throw away at once */ };

/* Returns the state that follows from the outcome of a relay call. */
static enum conn_state
relayed(struct conn *c, enum relay_state state, enum side lost)
{
	switch (state) {
	case RELAY_GOES_ON:
		break;
	case RELAY_DONE:
		return conn_end(c, END_CLOSED);
	case RELAY_LOST:
		return conn_lost(c, lost);
	}
	return CONN_RELAY;
}

/* Tells the client that its tunnel is established.  Returns 0 or -1. */
static int
established_send(struct conn *c)
{
	struct tunnel *t = &c->tunnel;

	c->status = 200;
	stats_add(COUNT_TUNNELS, 1);
	for (enum side side = CLIENT; side <= SERVER; side++)
		t->flow[side].bytes = t->flow[side].len;
	return send(t->end[CLIENT].fd, reply_established, reply_established_len,
		   MSG_NOSIGNAL) == (ssize_t)reply_established_len
	    ? 0
	    : -1;
}

/*
 * CONN_RELAY begins: sends the client a 200, unless it has the server's 101,
 * and passes on the bytes that were received early.
 */
enum conn_state
carry_enter(struct conn *c)
{
	enum side lost = CLIENT;
	enum relay_state state;

	parking_busy(&c->tunnel);
	if (c->status == 0 && established_send(c) != 0)
		return conn_end(c, END_CLIENT_RESET);
	conn_report(c, RECORD_START);
	state = relay_flush(&c->tunnel, CLIENT, &lost);
	if (state == RELAY_GOES_ON)
		state = relay_flush(&c->tunnel, SERVER, &lost);
	return relayed(c, state, lost);
}

/* Handles an event at one side of a tunnel. */
enum conn_state
carry_event(struct conn *c, enum side side, short revents)
{
	enum side lost;
	enum relay_state state = relay_ready(&c->tunnel, side, revents, &lost);

	parking_busy(&c->tunnel);
	return relayed(c, state, lost);
}

/*
 * Handles a deadline of a tunnel: a timeout, the next line in the access logs,
 * or the end of a pause that RateLimit made.  After a pause the tunnel must be polled again: the lot may
 * not report bytes that were there before.
 */
enum conn_state
carry_expire(struct conn *c)
{
	if (conn_is_idle(c))
		return conn_end(c, END_IDLE);
	if (conn_is_old(c))
		return conn_end(c, END_LIFETIME);
	if (conn_is_reported(c))
		conn_report(c, RECORD_OPEN);
	if (conn_has_rate())
		parking_leave(&c->tunnel);
	return CONN_RELAY;
}

/* CONN_FLUSH: sends what is left, and checks whether all was delivered. */
enum conn_state
carry_flush(struct conn *c, short revents)
{
	enum side lost = c->lost, heir = lost == CLIENT ? SERVER : CLIENT;
	enum side gone;

	/* A pipe may be given back here; parking_look() tends idle ones. */
	parking_busy(&c->tunnel);
	/* Both directions may have ended before all is acknowledged. */
	if (revents & POLLHUP)
		c->tunnel.end[heir].hung_up = true;
	if (revents & (POLLERR | POLLNVAL) ||
	    relay_flush(&c->tunnel, lost, &gone) == RELAY_LOST)
		return conn_end(
		    c, lost == CLIENT ? END_CLIENT_RESET : END_SERVER_RESET);
	return conn_lost(c, lost);
}

/*
 * CONN_LINGER: sends the rest of a reply, and drops what the client sends,
 * until it closes.
 */
enum conn_state
carry_linger(struct conn *c)
{
	static char waste[WASTE_SIZE];
	struct flow *in = &c->tunnel.flow[CLIENT];
	struct flow *out = &c->tunnel.flow[SERVER];
	uint32_t left = out->len - out->at;
	enum side lost;
	ssize_t n = -1;

	if (relay_flush(&c->tunnel, SERVER, &lost) == RELAY_LOST)
		return conn_end(c, END_REFUSED);
	if (!in->eof)
		n = recv(c->tunnel.end[CLIENT].fd, waste, sizeof(waste), 0);
	in->eof = in->eof || n == 0;
	if ((n < 0 && !in->eof && errno != EAGAIN && errno != EINTR) ||
	    (in->eof && !relay_holds(&c->tunnel, SERVER)))
		return conn_end(c, END_REFUSED);
	if (out->len - out->at != left)
		c->tunnel.active = clock_now();
	return CONN_LINGER;
}
