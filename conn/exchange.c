/* SPDX-License-Identifier: ISC */
/*
 * Plain HTTP in the life of a connection: an exchange begins when the server
 * is connected; when it is over there may be another one, or a tunnel.  What
 * is in the messages is the business of forward.c.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "exchange.h"
#include "forward.h"
#include "lot.h"
#include "reach.h"
#include "relay.h"
#include "request.h"
#include "rewrite.h"
#include "socket.h"
#include "tunnel.h"
#include "upstream.h"

static const struct conf *conf;

/* To be called once, before the first request. */
void
exchange_init(const struct conf *new_conf)
{
	conf = new_conf;
	forward_use(&conf->headers, &conf->reverse);
}

/* Forgets a request that is over, but not what the client owes RateLimit. */
static void
exchange_forget(struct conn *c)
{
	relay_free(&c->tunnel);
	memset(c->tunnel.flow, 0, sizeof(c->tunnel.flow));
	c->exchange = NULL;
	free(c->target);
	c->target = NULL;
	c->user = NULL;
	c->status = 0;
	c->server = (struct addr){ .port = 0 };
	c->began = clock_now();
}

/*
 * The client may ask for more, on the connection that it has.  What it has
 * asked already never leads back here before something else has happened.
 */
static void
exchange_next(struct conn *c)
{
	struct exchange *e = c->exchange;

	exchange_forget(c);
	conn_state(c, CONN_REQUEST);
	if (e->next_len == 0)
		conn_watch(c);
	else if (request_follow(c, e->next, e->next_len) != 0)
		conn_close(c, END_FORWARDED);
	forward_free(e);
}

/* The client has its answer. */
static void
exchange_done(struct conn *c)
{
	const struct exchange *e = c->exchange;
	bool keep = e->keep && e->up.done;

	if (e->upstream != NULL)
		upstream_alive(&conf->upstreams, e->upstream);
	/* A server that was not given all of the request shall notice. */
	if (e->up.done && !relay_holds(&c->tunnel, CLIENT) &&
	    c->tunnel.end[SERVER].fd >= 0)
		socket_linger(c->tunnel.end[SERVER].fd, true);
	conn_record(c, END_FORWARDED);
	c->recorded = true;
	conn_server_close(c);
	if (keep) {
		exchange_next(c);
		return;
	}
	relay_free(&c->tunnel);
	if (shutdown(c->tunnel.end[CLIENT].fd, SHUT_WR) != 0) {
		conn_close(c, END_FORWARDED);
		return;
	}
	conn_state(c, CONN_LINGER);
	conn_watch(c);
}

/*
 * Another protocol goes on where HTTP has ended, with what the client has said
 * in it already.
 */
static void
exchange_switched(struct conn *c)
{
	struct exchange *e = c->exchange;
	enum relay_state state = RELAY_GOES_ON;
	enum side lost = CLIENT;

	c->exchange = NULL;
	conn_state(c, CONN_RELAY);
	if (e->next_len > 0) {
		c->tunnel.flow[CLIENT].bytes += e->next_len;
		state =
		    relay_keep(&c->tunnel, CLIENT, e->next, e->next_len) != 0
		    ? RELAY_LOST
		    : relay_flush(&c->tunnel, CLIENT, &lost);
	}
	forward_free(e);
	conn_relayed(c, state, lost);
}

/* Whether the client can be answered still: it has no part of an answer. */
static bool
exchange_unanswered(const struct conn *c)
{
	return !c->exchange->answered && !relay_holds(&c->tunnel, SERVER);
}

/*
 * The server is of no use.  Who has a part of its answer gets what there is,
 * and a reset behind it.
 */
static void
exchange_lost(struct conn *c)
{
	struct failure failure = { 0, 502, "http_protocol_error",
		c->exchange->why };

	if (exchange_unanswered(c))
		reach_failed(c, &failure, "get an answer from", failure.what);
	else
		conn_lost(c, SERVER);
}

/* Nothing has happened for Timeout. */
static void
exchange_silent(struct conn *c)
{
	static const struct failure silence = { 0, 504, "http_response_timeout",
		"did not answer in time." };

	if (!exchange_unanswered(c))
		conn_close(c, c->exchange->over ? END_FORWARDED : END_IDLE);
	else if (!c->exchange->up.done && !relay_holds(&c->tunnel, CLIENT))
		conn_refuse(c, 408, "http_request_error",
		    "The content of the request did not come in time.");
	else
		reach_failed(c, &silence, "get an answer from", silence.what);
}

/* The deadline of an exchange has passed, maybe because a side has rested. */
void
exchange_expire(struct conn *c)
{
	lot_leave(&c->tunnel);
	if (clock_now() - c->active >= conf->timeout * INT64_C(1000)) {
		exchange_silent(c);
		return;
	}
	conn_state(c, CONN_FORWARD);
	conn_watch(c);
	conn_look_soon();
}

static void
exchange_goes_on(struct conn *c, enum forward_state state)
{
	if (c->exchange->answered)
		c->status = c->exchange->answer.status;
	switch (state) {
	case FORWARD_GOES_ON:
		/* A side may have to rest. */
		if (conf->rate_limit != 0)
			conn_state(c, CONN_FORWARD);
		conn_watch(c);
		break;
	case FORWARD_DONE:
		exchange_done(c);
		break;
	case FORWARD_SWITCHED:
		exchange_switched(c);
		break;
	case FORWARD_BAD_REQUEST:
		if (exchange_unanswered(c))
			conn_refuse(c, 400, "http_request_error",
			    "The content of the request is malformed.");
		else
			conn_close(c, END_CLIENT_RESET);
		break;
	case FORWARD_CLIENT_LOST:
		conn_close(c,
		    c->exchange->over           ? END_FORWARDED
			: c->exchange->answered ? END_CLIENT_RESET
						: END_CLIENT_LEFT);
		break;
	case FORWARD_SERVER_LOST:
		exchange_lost(c);
	}
}

/* The server is connected: sends it the request. */
void
exchange_start(struct conn *c)
{
	const struct upstream *u = c->setup->upstream;

	if (u != NULL && u->kind != UPSTREAM_HTTP)
		u = NULL;
	conn_setup_free(c);
	conn_busy(c);
	conn_state(c, CONN_FORWARD);
	exchange_goes_on(c, forward_begin(c, u));
}

/* A request is for this proxy itself. */
void
exchange_here(struct conn *c)
{
	conn_setup_free(c);
	conn_busy(c);
	conn_state(c, CONN_FORWARD);
	exchange_goes_on(c, forward_reply(c));
}

/* Something happened at one of the two ends. */
void
exchange_event(struct conn *c, enum side side, short revents)
{
	conn_busy(c);
	exchange_goes_on(c, forward_ready(c, side, revents));
}
