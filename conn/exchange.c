/* SPDX-License-Identifier: ISC */
/*
 * Plain HTTP in the life of a connection: an exchange begins when the server
 * is connected; when it is over another request may follow, or a tunnel.  What
 * is in the messages is the business of forward.c.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "clock.h"
#include "conn.h"
#include "forward.h"
#include "parking.h"
#include "refusal.h"
#include "relay.h"
#include "reply.h"
#include "rewrite.h"
#include "socket.h"
#include "steps.h"
#include "tunnel.h"
#include "upstream.h"

static const struct upstreams *upstreams;

/* To be called once, before the first request. */
void
exchange_init(const struct upstreams *parents)
{
	upstreams = parents;
}

/* Forgets a request that is over, but not what the client owes RateLimit. */
static void
exchange_forget(struct conn *c)
{
	relay_free(&c->tunnel);
	memset(c->tunnel.flow, 0, sizeof(c->tunnel.flow));
	free(c->target);
	c->target = NULL;
	c->user = NULL;
	c->status = 0;
	c->server = (struct addr){ .port = 0 };
	c->began = clock_now();
}

/* The client may ask for more, or has done so already. */
static enum conn_state
exchange_next(struct conn *c)
{
	struct exchange *e = c->exchange;

	exchange_forget(c);
	if (e->next_len == 0)
		return CONN_IDLE;
	if (request_keep(c, e->next, e->next_len) != 0)
		return conn_end(c, END_CLOSED);
	return CONN_REQUEST;
}

/* The client has its answer. */
static enum conn_state
exchange_done(struct conn *c)
{
	const struct exchange *e = c->exchange;
	int server = c->tunnel.end[SERVER].fd;

	if (e->upstream != NULL)
		upstream_alive(upstreams, e->upstream);
	/* Only a server that was given all of the request may not notice. */
	if (e->up.done && !relay_holds(&c->tunnel, CLIENT) && server >= 0)
		socket_linger(server, true);
	conn_record(c, END_FORWARDED);
	c->recorded = true;
	if (e->keep && e->up.done)
		return exchange_next(c);
	relay_free(&c->tunnel);
	if (shutdown(c->tunnel.end[CLIENT].fd, SHUT_WR) != 0)
		return conn_end(c, END_FORWARDED);
	return CONN_LINGER;
}

/*
 * Another protocol goes on where HTTP has ended, with what the client has said
 * in it already.
 */
static enum conn_state
exchange_switched(struct conn *c)
{
	const struct exchange *e = c->exchange;

	c->tunnel.flow[CLIENT].bytes += e->next_len;
	if (e->next_len > 0 &&
	    relay_keep(&c->tunnel, CLIENT, e->next, e->next_len) != 0)
		return conn_lost(c, CLIENT);
	return CONN_RELAY;
}

/* Whether the client can still be answered: it has no part of an answer. */
static bool
is_unanswered(const struct conn *c)
{
	return !c->exchange->answered && !relay_holds(&c->tunnel, SERVER);
}

/* The server has failed, and the client, which has nothing, is told so. */
static enum conn_state
exchange_fail(struct conn *c, enum refusal refusal, const char *why)
{
	struct reply reply = { .why = why, .detail = why };

	return conn_fail(
	    c, c->exchange->upstream, refusal, "get an answer from", &reply);
}

/*
 * The server is of no use.  A client that has a part of its answer gets what
 * has come, and a reset after it.
 */
static enum conn_state
exchange_lost(struct conn *c)
{
	if (is_unanswered(c))
		return exchange_fail(c, REFUSE_SERVER, c->exchange->why);
	return conn_lost(c, SERVER);
}

/* Nothing has happened for Timeout. */
static enum conn_state
exchange_silent(struct conn *c)
{
	const struct exchange *e = c->exchange;

	if (!is_unanswered(c))
		return conn_end(c, e->over ? END_FORWARDED : END_IDLE);
	if (!e->up.done && !relay_holds(&c->tunnel, CLIENT))
		return conn_refuse(c, REFUSE_SLOW_CONTENT);
	return exchange_fail(
	    c, REFUSE_SILENCE, refusal_row(REFUSE_SILENCE)->sentence);
}

/* The deadline of an exchange has passed, perhaps because a side has rested. */
enum conn_state
exchange_expire(struct conn *c)
{
	if (conn_is_idle(c))
		return exchange_silent(c);
	parking_leave(&c->tunnel);
	return CONN_FORWARD;
}

/* What follows from what became of the messages. */
static enum conn_state
forwarded(struct conn *c, enum forward_state state)
{
	const struct exchange *e = c->exchange;

	if (e->answered)
		c->status = e->answer.status;
	switch (state) {
	case FORWARD_GOES_ON:
		break;
	case FORWARD_DONE:
		return exchange_done(c);
	case FORWARD_SWITCHED:
		return exchange_switched(c);
	case FORWARD_BAD_REQUEST:
		return is_unanswered(c) ? conn_refuse(c, REFUSE_CONTENT)
					: conn_end(c, END_CLIENT_RESET);
	case FORWARD_CLIENT_LOST:
		return conn_end(c,
		    e->over           ? END_FORWARDED
			: e->answered ? END_CLIENT_RESET
				      : END_CLIENT_LEFT);
	case FORWARD_SERVER_LOST:
		return exchange_lost(c);
	}
	return CONN_FORWARD;
}

/* CONN_FORWARD begins: sends the server the request, or answers it here. */
enum conn_state
exchange_enter(struct conn *c)
{
	const struct exchange *e = c->exchange;

	parking_busy(&c->tunnel);
	return forwarded(c,
	    rewrite_ends_here(&e->request, e->head)
		? forward_reply(&c->tunnel, c->exchange)
		: forward_begin(&c->tunnel, c->exchange));
}

/* Something happened at one of the two ends. */
enum conn_state
exchange_event(struct conn *c, enum side side, short revents)
{
	parking_busy(&c->tunnel);
	return forwarded(
	    c, forward_ready(&c->tunnel, c->exchange, side, revents));
}
