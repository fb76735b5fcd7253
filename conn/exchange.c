/* SPDX-License-Identifier: ISC */
/*
 * Plain HTTP as a step of a connection.  An exchange begins when the server is
 * connected.  After it another request may follow, or a tunnel.  The messages
 * themselves are handled by forward.c.
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
#include "kept.h"
#include "loop.h"
#include "parking.h"
#include "refusal.h"
#include "relay.h"
#include "reply.h"
#include "rewrite.h"
#include "socket.h"
#include "steps.h"
#include "sys.h"
#include "tunnel.h"
#include "upstream.h"

enum {
	LAST_MAX = 16 * 1024 /* bytes that may be left to the kernel */
};

static const struct upstreams *upstreams;

/* Must be called once, before the first request. */
void
exchange_init(const struct upstreams *parents)
{
	upstreams = parents;
}

/* Forgets a request that is over, but not the pause due to RateLimit. */
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

/*
 * From now on a close() of the server's socket resets it: it must not take half
 * a request for a whole one.  What is sent in parts must not wait either.
 */
static void
server_arm(struct conn *c)
{
	struct end *server = &c->tunnel.end[SERVER];

	if (!server->resets)
		socket_tune(server->fd);
	server->resets = true;
}

/* From now on a close() of the server's socket ends it in good order. */
static void
server_calm(struct conn *c)
{
	struct end *server = &c->tunnel.end[SERVER];

	if (server->resets)
		socket_linger(server->fd, true);
	server->resets = false;
}

/*
 * Keeps the connection to the server for the next request, if nothing is
 * uncertain about it, or closes it.
 */
static void
server_keep(struct conn *c)
{
	const struct exchange *e = c->exchange;
	struct kept kept = { .parent = c->parent,
		.user = c->user,
		.server = c->server,
		.port = e->request.port };
	bool stays = forward_stays(&c->tunnel, e);

	if (stays && c->kept == NULL)
		c->kept = kept_new(&kept, e->request.host);
	if (!stays || c->kept == NULL) {
		server_calm(c);
		conn_server_close(c);
		return;
	}
	c->kept->since = clock_now();
	c->kept->turn = watch_turn();
}

/* Waits for the next request, or begins with it if it is here already. */
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

/*
 * Whether a client has announced that it sends nothing more, and has got little:
 * then its connection can be closed without waiting for it to do so.
 */
static bool
is_last(const struct conn *c)
{
	const struct exchange *e = c->exchange;

	return !e->lasts && e->up.done && e->request.content == 0 &&
	    !e->request.chunked && e->next_len == 0 &&
	    c->tunnel.flow[SERVER].bytes <= LAST_MAX;
}

/* Ends an exchange after the client has got the whole answer. */
static enum conn_state
exchange_done(struct conn *c)
{
	const struct exchange *e = c->exchange;

	if (e->upstream != NULL)
		upstream_alive(upstreams, e->upstream);
	conn_record(c, END_FORWARDED);
	if (e->keep && e->up.done) {
		server_keep(c);
		return exchange_next(c);
	}
	/* A server that has not got the whole request must see a reset. */
	if (e->up.done && !relay_holds(&c->tunnel, CLIENT))
		server_calm(c);
	if (is_last(c))
		return conn_end(c, END_CLOSED);
	relay_free(&c->tunnel);
	if (shutdown(c->tunnel.end[CLIENT].fd, SHUT_WR) != 0)
		return conn_end(c, END_FORWARDED);
	return CONN_LINGER;
}

/*
 * Makes the connection a tunnel after a 101, and passes on what the client has
 * already sent in the new protocol.
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

/* Whether this proxy may answer: the client was sent no part of an answer. */
static bool
is_unanswered(const struct conn *c)
{
	return !c->exchange->answered && !relay_holds(&c->tunnel, SERVER);
}

/* Tells an unanswered client that the server has failed, and why. */
static enum conn_state
exchange_fail(struct conn *c, enum refusal refusal, const char *why)
{
	struct reply reply = { .why = why, .detail = why };

	return conn_fail(
	    c, c->exchange->upstream, refusal, "get an answer from", &reply);
}

/*
 * Handles the failure of a server.  A client that has a part of the answer
 * gets what was received, and then a reset.
 */
static enum conn_state
exchange_lost(struct conn *c)
{
	if (is_unanswered(c))
		return exchange_fail(c, REFUSE_SERVER, c->exchange->why);
	return conn_lost(c, SERVER);
}

/*
 * Sends a request again, over a new connection: the server has closed the kept
 * one at the moment when this was used.
 */
static enum conn_state
exchange_again(struct conn *c)
{
	struct exchange *e = c->exchange;

	conn_server_close(c);
	relay_free(&c->tunnel);
	memset(c->tunnel.flow, 0, sizeof(c->tunnel.flow));
	c->server = (struct addr){ .port = 0 };
	c->parent = NULL;
	if (conn_setup_new(c) != 0)
		return conn_refuse(c, REFUSE_MEMORY);
	c->setup->request = e->request;
	forward_rewind(e);
	e->keep = e->keep && conn_has_room();
	e->again = true;
	return CONN_RESOLVE;
}

/* Handles an exchange in which no byte was moved for Timeout. */
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

/* Handles a deadline: Timeout, or the end of a pause due to RateLimit. */
enum conn_state
exchange_expire(struct conn *c)
{
	if (conn_is_idle(c))
		return exchange_silent(c);
	return CONN_FORWARD;
}

/* Returns the state that follows from the outcome of forward.c. */
static enum conn_state
forwarded(struct conn *c, enum forward_state state)
{
	const struct exchange *e = c->exchange;

	if (e->answered)
		c->status = (int16_t)e->answer.status;
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
	case FORWARD_AGAIN:
		return exchange_again(c);
	}
	return CONN_FORWARD;
}

/* CONN_FORWARD begins: sends the request, or answers it here. */
enum conn_state
exchange_enter(struct conn *c)
{
	struct exchange *e = c->exchange;
	enum forward_state state;

	parking_busy(&c->tunnel);
	e->again = false;
	if (rewrite_ends_here(&e->request, e->head)) {
		conn_server_close(c);
		return forwarded(c, forward_reply(&c->tunnel, e));
	}
	state = forward_begin(&c->tunnel, e);
	if (!e->up.done || relay_holds(&c->tunnel, CLIENT) || e->upgrade)
		server_arm(c);
	return forwarded(c, state);
}

/* Handles an event at one side of an exchange. */
enum conn_state
exchange_event(struct conn *c, enum side side, short revents)
{
	parking_busy(&c->tunnel);
	if (side == CLIENT && (revents & sys_poll_end()))
		c->tunnel.end[CLIENT].ended = true;
	return forwarded(
	    c, forward_ready(&c->tunnel, c->exchange, side, revents));
}
