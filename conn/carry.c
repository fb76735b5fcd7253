/* SPDX-License-Identifier: ISC */
/*
 * The steps that only move bytes: an established tunnel, the rest that a lost
 * side has left for the other, and a reply that the client still reads.
 * Nothing here looks into the bytes; vet.c does, at the beginning of a tunnel
 * that must be TLS.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "clock.h"
#include "conn.h"
#include "inlet.h"
#include "log.h"
#include "parking.h"
#include "record.h"
#include "refusal.h"
#include "relay.h"
#include "reply.h"
#include "socket.h"
#include "stats.h"
#include "steps.h"
#include "tally.h"
#include "target.h"
#include "tunnel.h"
#include "vet.h"

enum {
	WASTE_SIZE = 16384, /* bytes to throw away at once */
	QUIET_TIME = 500    /* ms without traffic: then reads are small again */
};

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
	/* This client does not know that there is a proxy. */
	if (c->inlet == INLET_TLS)
		return 0;
	return send(t->end[CLIENT].fd, reply_established, reply_established_len,
		   MSG_NOSIGNAL) == (ssize_t)reply_established_len
	    ? 0
	    : -1;
}

/*
 * Ends a tunnel of which nothing more goes to the server, for which this is no
 * error.  The client gets the last bytes, if there are any.
 */
static enum conn_state
vet_end(struct conn *c, const char *last, size_t len)
{
	relay_drop(&c->tunnel, CLIENT);
	if (c->tunnel.end[SERVER].fd >= 0)
		socket_linger(c->tunnel.end[SERVER].fd, true);
	return conn_close(c, last, len);
}

/*
 * Refuses a tunnel, and logs why.  Without a rule that wants TLS it is one of a
 * TransparentPort, perhaps without a target yet.
 */
enum conn_state
carry_unfit(struct conn *c, const struct vet_refusal *r)
{
	const struct target_rule *rule = c->setup->duty;

	say_connect(c);
	c->refusal = r->refusal;
	c->status = (int16_t)refusal_row(r->refusal)->status;
	c->rule = rule != NULL ? (uint32_t)rule->line : 0;
	stats_refused(r->refusal);
	if (rule != NULL)
		stats_rule(r->refusal, c->rule);
	log_line(LOG_LEVEL_NOTICE, "Refused tunnel to %s: %s%s%s %s",
	    say_target(c), r->why, rule != NULL ? "; " : "",
	    rule != NULL ? say_line(rule->line) : "", say_whom(c));
	if (r->name != NULL && conn_extra_new(c) == 0)
		c->extra->offered = strndup(r->name, r->name_len);
	say_verdict(c,
	    &(struct judged){ .refusal = r->refusal,
		.rule = c->rule,
		.because = rule != NULL ? rule->because : NULL });
	return vet_end(c, r->alert, r->alert_len);
}

/* Returns the state that follows from the outcome of vet.c. */
static enum conn_state
vetted(struct conn *c, enum vet_state state, const struct vet_refusal *r)
{
	switch (state) {
	case VET_GOES_ON:
		break;
	case VET_GREETED:
		return CONN_RELAY;
	case VET_ENDED:
		return conn_end(c, END_CLOSED);
	case VET_LAST:
		conn_record(c, END_CLOSED);
		return vet_end(c, NULL, 0);
	case VET_REFUSED:
		return carry_unfit(c, r);
	case VET_CLIENT_LOST:
		return conn_end(c, END_CLIENT_RESET);
	case VET_SERVER_LOST:
		return conn_lost(c, SERVER);
	}
	if (c->state == CONN_NAME)
		return c->state;
	return c->setup->up.hellos > 0 ? CONN_GREETED : CONN_HELLO;
}

/*
 * CONN_HELLO begins: sends the client a 200 if it has asked for a tunnel, and
 * looks at what it has sent already.
 */
enum conn_state
carry_hello(struct conn *c)
{
	struct vet_refusal r;

	c->setup->deaf = false;
	c->setup->left_at = 0;
	c->tunnel.active = clock_now();
	if (established_send(c) != 0)
		return conn_end(c, END_CLIENT_RESET);
	return vetted(c, vet_begin(&c->tunnel, c->setup, &r), &r);
}

/* Handles an event at one side of a tunnel that must be TLS. */
enum conn_state
carry_vetted(struct conn *c, enum side side, short revents)
{
	struct vet_refusal r;

	return vetted(
	    c, vet_ready(&c->tunnel, c->setup, side, revents, &r), &r);
}

/* Handles a deadline: HeaderTimeout, or the end of a rest by RateLimit. */
enum conn_state
carry_late(struct conn *c)
{
	struct vet_refusal r;

	if (!conn_is_late(c))
		return c->state;
	if (c->state == CONN_GREETED)
		return conn_end(c, END_IDLE);
	return vetted(c, vet_late(c->setup, &r), &r);
}

/* Refuses a hello that is too large for the memory that there is. */
enum conn_state
carry_crowded(struct conn *c)
{
	struct vet_refusal r;

	return vetted(c, vet_crowded(c->setup, &r), &r);
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
	enum relay_state state;
	enum side lost;

	if (clock_now() - c->tunnel.active >= QUIET_TIME)
		relay_quiet(&c->tunnel);
	parking_busy(&c->tunnel);
	state = relay_ready(&c->tunnel, side, revents, &lost);
	return relayed(c, state, lost);
}

/*
 * Handles a deadline of a tunnel: a timeout, the next line in the access logs,
 * or the end of a rest.
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
	return CONN_RELAY;
}

/* CONN_FLUSH: sends what is left, and checks whether all was delivered. */
enum conn_state
carry_flush(struct conn *c, short revents)
{
	enum side lost = c->lost, heir = lost == CLIENT ? SERVER : CLIENT;
	enum side gone;

	c->tunnel.active = clock_now();
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
