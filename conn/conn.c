/* SPDX-License-Identifier: ISC */
/*
 * A connection's life: its states, what it waits for in each, its deadlines,
 * and its end, from the moment it is accepted to its line in the access log.
 * Nothing that a peer does ends the worker; it ends that peer's connection.
 * Nothing here blocks.
 *
 *     RULE -> REQUEST -> USER -> RESOLVE -> CONNECT -> (PARENT) -> RELAY -> FLUSH
 *                ^                                              -> FORWARD
 *                +--------------------------------------------------+
 *                  any but the last two -> LINGER
 *
 * What happens in them is in client.c (RULE), request.c (REQUEST, USER),
 * reach.c (RESOLVE, CONNECT, PARENT), exchange.c (FORWARD), and here.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "args.h"
#include "ask.h"
#include "auth.h"
#include "client.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "exchange.h"
#include "forward.h"
#include "log.h"
#include "loop.h"
#include "lot.h"
#include "parent.h"
#include "parse.h"
#include "pipe.h"
#include "question.h"
#include "quota.h"
#include "race.h"
#include "reach.h"
#include "relay.h"
#include "reply.h"
#include "request.h"
#include "secret.h"
#include "self.h"
#include "share.h"
#include "socket.h"
#include "stats.h"
#include "tunnel.h"
#include "via.h"

enum { WASTE_SIZE = 16384 /* bytes to throw away at once */ };

static struct {
	const struct worker_args *args;
	const struct conf *conf;
	struct conn *conns;
	struct conn *free;
	size_t used; /* of conns, ever */
	size_t count;
	size_t unsettled; /* of count: those whose tunnel does not stand */
	int64_t park_at;  /* ms: when to look for quiet tunnels, or -1 */
	int64_t ended_at; /* ms: when one has ended last */
	uint32_t turn;    /* of the loop, counted */
	uint32_t looked;  /* the turn of the last look for quiet tunnels */
	bool draining;    /* no client is served once more */
} k;

/*
 * Makes room for the connections of a worker.  Returns 0, or -1 with errno.
 */
int
conn_init(const struct worker_args *args)
{
	k.args = args;
	k.conf = args->conf;
	k.park_at = -1;
	self_use(args->listening, args->nlisteners, args->share);
	via_use(args->share->token, k.conf->via_name, k.conf->disable_via);
	relay_limit(k.conf->rate_limit);
	stats_init(args->share, args->slot);
	reply_use(&k.conf->pages, k.conf->realm);
	client_init(k.conf);
	request_init(k.conf);
	exchange_init(k.conf);
	k.conns = calloc(args->max_conns, sizeof(*k.conns));
	return k.conns == NULL ? -1 : reach_init(k.conf);
}

/* The connection that a tunnel is a part of; NULL for NULL. */
struct conn *
conn_of(struct tunnel *t)
{
	return (struct conn *)t;
}

/* How many connections there are. */
size_t
conn_count(void)
{
	return k.count;
}

/* When one of them has ended last, in ms of clock_ms(). */
int64_t
conn_ended_at(void)
{
	return k.ended_at;
}

/* How many of them may still need the desk. */
size_t
conn_unsettled(void)
{
	return k.unsettled;
}

/*
 * Whether a client may stay that only might ask for more: not when half of the
 * places are taken, since all may be needed for those who do ask.
 */
bool
conn_has_room(void)
{
	if (k.draining || k.count > k.args->max_conns / 2)
		return false;
	if (k.conf->max_clients == 0)
		return true;
	return share_clients(k.args->share) <= k.conf->max_clients / 2;
}

/* Connections and their descriptors. */

/*
 * Gives a connection what it needs until its tunnel stands.  Returns 0, or -1
 * with ENOMEM.
 */
int
conn_setup_new(struct conn *c)
{
	c->setup = calloc(1, sizeof(*c->setup));
	if (c->setup == NULL)
		return -1;
	c->setup->request.takes_paths = k.conf->reverse.n > 0;
	k.unsettled++;
	return 0;
}

/*
 * Begins the connection of a client that was accepted.  Returns NULL with
 * ENOMEM; the descriptor is the caller's then.
 */
struct conn *
conn_new(int fd, const struct addr *client)
{
	struct conn *c = k.free;

	if (c != NULL)
		k.free = c->next_free;
	else
		c = &k.conns[k.used++];
	memset(c, 0, sizeof(*c));
	if (conn_setup_new(c) != 0) {
		c->next_free = k.free;
		k.free = c;
		return NULL;
	}
	c->tunnel.end[CLIENT] = (struct end){ .fd = fd, .slot = -1 };
	c->tunnel.end[SERVER] = (struct end){ .fd = -1, .slot = -1 };
	c->began = clock_now();
	c->client = *client;
	k.count++;
	return c;
}

/* What an end of a connection is watched for: -1, it is not. */
static int
conn_events(const struct conn *c, enum side side)
{
	if (c->tunnel.end[side].fd < 0)
		return -1;
	if (c->state == CONN_RELAY || c->state == CONN_FORWARD) {
		short events = c->state == CONN_RELAY
		    ? relay_events(&c->tunnel, side)
		    : forward_events(c, side);

		return events == 0 && c->tunnel.end[side].hung_up ? -1 : events;
	}
	if (c->state == CONN_FLUSH && side == c->lost)
		return -1;
	if (c->state == CONN_FLUSH)
		return relay_holds(&c->tunnel, c->lost) ? POLLOUT
		    : c->tunnel.end[side].hung_up       ? -1
							: 0;
	if (c->state == CONN_LINGER && side == CLIENT)
		return (c->tunnel.flow[CLIENT].eof ? 0 : POLLIN) |
		    (relay_holds(&c->tunnel, SERVER) ? POLLOUT : 0);
	if (side == SERVER)
		return c->state != CONN_PARENT                ? -1
		    : c->setup->parent->state == PARENT_SENDS ? POLLOUT
							      : POLLIN;
	return c->setup != NULL && c->setup->deaf ? 0 : POLLIN;
}

/* Puts the ends of a connection into the poll set, or out of it. */
void
conn_watch(struct conn *c)
{
	for (enum side side = CLIENT; side <= SERVER; side++) {
		struct end *end = &c->tunnel.end[side];
		int events = conn_events(c, side);

		if (events < 0)
			watch_remove(&end->slot);
		else if (end->slot >= 0)
			watch_set(end->slot, (short)events);
		else if (watch_add(end->fd, (short)events, &c->tunnel,
			     (unsigned)side, &end->slot) != 0)
			assert(0 && "the poll set has room for all");
	}
}

/* Takes that away again, when there is nothing left to be decided. */
void
conn_setup_free(struct conn *c)
{
	if (c->setup == NULL)
		return;
	ask_cancel(c);
	race_end(&c->setup->race);
	free(c->setup->parent);
	free(c->setup->via);
	auth_forget(c);
	if (c->setup->head != NULL)
		secret_wipe(c->setup->head, c->setup->head_len);
	free(c->setup->head);
	free(c->setup);
	c->setup = NULL;
	k.unsettled--;
}

/*
 * The one place where the state of a connection changes, and with it the
 * deadline; conn_new() and conn_close() begin and end it.
 */
void
conn_state(struct conn *c, enum conn_state state)
{
	const struct conf *conf = k.conf;
	int64_t when;

	/* All that it takes to get to a server has one time. */
	if (state != c->state &&
	    !(reach_under_way(c->state) && reach_under_way(state)))
		c->since = clock_now();
	c->state = state;
	switch (state) {
	case CONN_REQUEST:
		when = c->began + conf->header_timeout * INT64_C(1000);
		break;
	case CONN_USER:
		/* At first it may have to wait until the check begins. */
		when = c->setup->credentials->check_at;
		if (when <= clock_now() || when > c->setup->credentials->until)
			when = c->setup->credentials->until;
		break;
	case CONN_CONNECT:
		when = reach_until(c);
		if (c->setup->race.next_at < when)
			when = c->setup->race.next_at;
		break;
	case CONN_RESOLVE:
	case CONN_PARENT:
		when = reach_until(c);
		break;
	case CONN_FORWARD:
	case CONN_RELAY:
		when = c->active + conf->timeout * INT64_C(1000);
		if (state == CONN_RELAY && conf->tunnel_timeout != 0 &&
		    c->since + conf->tunnel_timeout * INT64_C(1000) < when)
			when = c->since + conf->tunnel_timeout * INT64_C(1000);
		if (conf->rate_limit != 0 && relay_resumes(&c->tunnel) < when)
			when = relay_resumes(&c->tunnel);
		break;
	case CONN_FLUSH:
		/* No event tells of it; the looks become rarer. */
		when = clock_now() + FLUSH_CHECK + (clock_now() - c->since) / 2;
		break;
	case CONN_LINGER:
		when = c->active + LINGER_TIME;
		if (relay_holds(&c->tunnel, SERVER))
			when = c->active + FLUSH_TIME;
		if (c->since + REPLY_TIME < when)
			when = c->since + REPLY_TIME;
		break;
	default:
		when = c->since + conf->connect_timeout * INT64_C(1000);
	}
	if (c->setup != NULL && c->setup->left_at != 0 &&
	    c->setup->left_at < when)
		when = c->setup->left_at;
	deadline_set(&c->tunnel, when);
}

/* Writes the line of a connection, or of one request of it, to the access log. */
void
conn_record(const struct conn *c, enum ending ending)
{
	static const char *const words[] = { [END_CLOSED] = "closed",
		[END_FORWARDED] = "forwarded",
		[END_CLIENT_RESET] = "client_reset",
		[END_SERVER_RESET] = "server_reset",
		[END_CLIENT_LEFT] = "client_left",
		[END_IDLE] = "idle",
		[END_LIFETIME] = "lifetime",
		[END_DRAINED] = "drained",
		[END_STOPPED] = "stopped" };
	struct record record = {
		.client = &c->client,
		.user = c->user,
		.target = c->target,
		.dialled = &c->server,
		.status = c->status,
		.reason = c->error != NULL ? c->error : words[ending],
		.up = c->tunnel.flow[CLIENT].bytes,
		.down = c->tunnel.flow[SERVER].bytes,
		.ms = clock_now() - c->began,
	};

	log_access(&record);
}

/* Lets go of the server. */
void
conn_server_close(struct conn *c)
{
	watch_remove(&c->tunnel.end[SERVER].slot);
	if (c->tunnel.end[SERVER].fd >= 0)
		close(c->tunnel.end[SERVER].fd);
	c->tunnel.end[SERVER] = (struct end){ .fd = -1, .slot = -1 };
}

/*
 * Ends a connection, frees all it owns and writes its record.  A tunnel that
 * did not end by itself is reset on both sides, so that what was cut off does
 * not look complete to anybody.
 */
void
conn_close(struct conn *c, enum ending ending)
{
	bool tunnel = c->state == CONN_RELAY || c->state == CONN_FLUSH;
	bool reset =
	    (tunnel || c->state == CONN_FORWARD) && ending != END_CLOSED;

	if (!c->recorded)
		conn_record(c, ending);
	if (tunnel)
		log_line(LOG_LEVEL_INFO,
		    "Closed connection between local client (fd:%d) and "
		    "remote client (fd:%d)",
		    c->tunnel.end[CLIENT].fd, c->tunnel.end[SERVER].fd);
	if (c->counted)
		quota_leave(&c->client);
	lot_leave(&c->tunnel);
	conn_setup_free(c);
	relay_free(&c->tunnel);
	forward_free(c->exchange);
	c->exchange = NULL;
	deadline_clear(&c->tunnel);
	for (enum side side = CLIENT; side <= SERVER; side++) {
		watch_remove(&c->tunnel.end[side].slot);
		if (c->tunnel.end[side].fd < 0)
			continue;
		if (!reset)
			socket_linger(c->tunnel.end[side].fd, true);
		close(c->tunnel.end[side].fd);
	}
	free(c->target);
	c->target = NULL;
	c->state = CONN_FREE;
	c->next_free = k.free;
	k.free = c;
	k.count--;
	k.ended_at = clock_now();
}

/* Answering without a tunnel. */

/* The request line as far as it matters, or NULL: there was none. */
static const char *
request_text(const struct conn *c)
{
	static char text[REQUEST_LINE_MAX + 32];

	if (c->target == NULL)
		return NULL;
	snprintf(text, sizeof(text), "%.*s %s HTTP/1.%c",
	    c->exchange != NULL ? (int)c->exchange->request.method.len : 7,
	    c->exchange != NULL
		? c->exchange->head + c->exchange->request.method.at
		: "CONNECT",
	    c->target, c->minor);
	return text;
}

/*
 * Sends a reply, and the end of file behind it; keeps what the client does not
 * take at once, as if it came from a server that has ended.  Returns 0 or -1.
 */
static int
reply_send(struct conn *c, const char *reply, size_t len)
{
	int fd = c->tunnel.end[CLIENT].fd;
	ssize_t n = send(fd, reply, len, MSG_NOSIGNAL);

	if (n == (ssize_t)len)
		return shutdown(fd, SHUT_WR);
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		return -1;
	if (n < 0)
		n = 0;
	c->tunnel.flow[SERVER].eof = true;
	return relay_keep(&c->tunnel, SERVER, reply + n, len - (size_t)n);
}

/*
 * Answers, and lets the client read it: RFC 9112 9.6.  What the client has
 * sent behind its request goes nowhere, RFC 9931.
 */
void
conn_reply(struct conn *c, struct reply *r)
{
	const char *text;
	size_t len;

	if (r->request == NULL)
		r->request = request_text(c);
	r->target = c->target;
	r->client = &c->client;
	if (c->setup != NULL)
		r->bodiless = c->setup->request.is_head;
	else if (c->exchange != NULL)
		r->bodiless = c->exchange->request.is_head;
	len = reply_make(&text, r);
	c->status = r->status;
	c->error = r->error != NULL ? r->error
	    : r->stats != NULL      ? "statistics"
				    : "redirected";
	stats_count_error(c->error);
	lot_leave(&c->tunnel);
	conn_setup_free(c);
	relay_free(&c->tunnel);
	forward_free(c->exchange);
	c->exchange = NULL;
	conn_server_close(c);
	c->active = clock_now();
	if (reply_send(c, text, len) != 0) {
		conn_close(c, END_REFUSED);
		return;
	}
	conn_state(c, CONN_LINGER);
	conn_watch(c);
}

/*
 * Answers with an error: its status, its type by RFC 9209 2.3, and a sentence
 * for the client.
 */
void
conn_refuse(struct conn *c, int status, const char *error, const char *detail)
{
	struct reply reply = {
		.status = status, .error = error, .detail = detail
	};

	conn_reply(c, &reply);
}

/* The same when memory is short. */
void
conn_no_memory(struct conn *c)
{
	conn_refuse(
	    c, 500, "proxy_internal_error", "The proxy has no memory left.");
}

/*
 * Sends what is left of a reply, and throws away what its client still sends,
 * until it closes.
 */
static void
conn_linger(struct conn *c)
{
	static char waste[WASTE_SIZE];
	struct flow *in = &c->tunnel.flow[CLIENT],
		    *out = &c->tunnel.flow[SERVER];
	uint32_t left = out->len - out->at;
	enum side lost;
	ssize_t n = -1;

	if (relay_flush(&c->tunnel, SERVER, &lost) == RELAY_LOST) {
		conn_close(c, END_REFUSED);
		return;
	}
	if (!in->eof)
		n = recv(c->tunnel.end[CLIENT].fd, waste, sizeof(waste), 0);
	in->eof = in->eof || n == 0;
	if ((n < 0 && !in->eof && errno != EAGAIN && errno != EINTR) ||
	    (in->eof && !relay_holds(&c->tunnel, SERVER))) {
		conn_close(c, END_REFUSED);
		return;
	}
	if (out->len - out->at != left) {
		c->active = clock_now();
		conn_state(c, CONN_LINGER);
	}
	conn_watch(c);
}

/* The tunnel. */

/* A tunnel may become quiet, and is to be looked for then. */
void
conn_look_soon(void)
{
	if (k.park_at < 0)
		k.park_at = clock_now() + PARK_AFTER;
}

/* Something has come: the tunnel is busy for a while. */
void
conn_busy(struct conn *c)
{
	c->active = clock_now();
	c->tunnel.turn = k.turn;
	conn_look_soon();
}

static enum ending
lost_ending(enum side lost)
{
	return lost == CLIENT ? END_CLIENT_RESET : END_SERVER_RESET;
}

/*
 * A side of a tunnel was reset or has failed.  The other gets what it is owed,
 * RFC 9110 9.3.6, for as long as FLUSH_TIME, and is reset then; nothing more
 * is read from it.
 */
void
conn_lost(struct conn *c, enum side lost)
{
	if (!relay_owes(&c->tunnel, lost)) {
		conn_close(c, lost_ending(lost));
		return;
	}
	c->lost = lost;
	conn_state(c, CONN_FLUSH);
	conn_watch(c);
}

/* Looks how far that has come. */
static void
conn_flush(struct conn *c, short revents)
{
	enum side lost;

	/* It may give a pipe back, and somebody has to look after those. */
	conn_busy(c);
	/* Both directions may have ended before all is acknowledged. */
	if (revents & POLLHUP)
		c->tunnel.end[c->lost == CLIENT ? SERVER : CLIENT].hung_up =
		    true;
	if (revents & (POLLERR | POLLNVAL) ||
	    relay_flush(&c->tunnel, c->lost, &lost) == RELAY_LOST ||
	    !relay_owes(&c->tunnel, c->lost) ||
	    clock_now() - c->since >= FLUSH_TIME) {
		conn_close(c, lost_ending(c->lost));
		return;
	}
	conn_state(c, CONN_FLUSH);
	conn_watch(c);
}

/* Draws the consequences of what became of the bytes of a tunnel. */
void
conn_relayed(struct conn *c, enum relay_state state, enum side lost)
{
	if (state == RELAY_DONE) {
		conn_close(c, END_CLOSED);
	} else if (state == RELAY_LOST) {
		conn_lost(c, lost);
	} else {
		/* A side may have to rest. */
		if (k.conf->rate_limit != 0)
			conn_state(c, CONN_RELAY);
		conn_watch(c);
	}
}

/*
 * A tunnel goes on when its deadline has passed, which may be because a side
 * has rested.  It is looked at again, since nothing may come.
 */
static void
conn_resume(struct conn *c)
{
	conn_state(c, CONN_RELAY);
	if (k.conf->rate_limit == 0)
		return;
	lot_leave(&c->tunnel);
	conn_watch(c);
	conn_look_soon();
}

/* The server is connected: says so, and hands over what came early. */
void
conn_establish(struct conn *c)
{
	enum side lost = CLIENT;
	enum relay_state state;

	if (c->setup->upstream == NULL)
		log_line(LOG_LEVEL_CONNECT,
		    "Established connection to host \"%s\" using file "
		    "descriptor %d.",
		    c->setup->request.host, c->tunnel.end[SERVER].fd);
	if (c->exchange != NULL) {
		exchange_start(c);
		return;
	}
	c->status = 200;
	for (enum side side = CLIENT; side <= SERVER; side++)
		c->tunnel.flow[side].bytes = c->tunnel.flow[side].len;
	conn_setup_free(c);
	conn_busy(c);
	conn_state(c, CONN_RELAY);
	if (send(c->tunnel.end[CLIENT].fd, reply_established,
		reply_established_len,
		MSG_NOSIGNAL) != (ssize_t)reply_established_len) {
		conn_close(c, END_CLIENT_RESET);
		return;
	}
	state = relay_flush(&c->tunnel, CLIENT, &lost);
	if (state == RELAY_GOES_ON)
		state = relay_flush(&c->tunnel, SERVER, &lost);
	conn_relayed(c, state, lost);
}

static void
conn_relay(struct conn *c, enum side side, short revents)
{
	enum side lost;
	enum relay_state state = relay_ready(&c->tunnel, side, revents, &lost);

	conn_busy(c);
	conn_relayed(c, state, lost);
}

/* The deadline of a tunnel has passed. */
static void
conn_relay_expire(struct conn *c)
{
	int64_t life = k.conf->tunnel_timeout * INT64_C(1000);

	if (clock_now() - c->active >= k.conf->timeout * INT64_C(1000))
		conn_close(c, END_IDLE);
	else if (life != 0 && clock_now() - c->since >= life)
		conn_close(c, END_LIFETIME);
	else
		conn_resume(c);
}

/* Events. */

/*
 * Something came from a client that nothing is read from yet: what it says is
 * the tunnel's.  A client that is reset has left.  An end of file may mean
 * that too; or that the client has said all it has to say, with early data or
 * without any, and waits for an answer.  Without any it is given only a
 * moment, in which the tunnel of a server that is there will stand.
 */
static void
conn_early(struct conn *c, short revents)
{
	bool gone = (revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
	ssize_t n = 1;
	char byte;

	if ((revents & POLLIN) && !c->setup->deaf)
		n = recv(c->tunnel.end[CLIENT].fd, &byte, 1, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (gone || n < 0) {
		conn_close(c, END_CLIENT_LEFT);
		return;
	}
	c->setup->deaf = true;
	if (n == 0 && !relay_holds(&c->tunnel, CLIENT) && c->exchange == NULL) {
		c->setup->left_at = clock_now() + LEAVE_TIME;
		conn_state(c, c->state);
	}
	conn_watch(c);
}

/* Takes the answer to what a connection has asked. */
void
conn_answer(struct conn *c, const struct answer *answer)
{
	if (c->state == CONN_USER)
		request_answer(c, answer);
	else if (c->state == CONN_RESOLVE)
		reach_answer(c, answer);
	else
		client_named(c, answer);
}

/* Something happened at a descriptor of a connection. */
void
conn_event(struct conn *c, unsigned which, short revents)
{
	switch (c->state) {
	case CONN_RULE:
	case CONN_USER:
		conn_early(c, revents);
		break;
	case CONN_REQUEST:
		request_read(c);
		break;
	case CONN_RESOLVE:
	case CONN_CONNECT:
	case CONN_PARENT:
		if (which == CLIENT)
			conn_early(c, revents);
		else
			reach_event(c, which, revents);
		break;
	case CONN_FORWARD:
		exchange_event(c, (enum side)which, revents);
		break;
	case CONN_RELAY:
		conn_relay(c, (enum side)which, revents);
		break;
	case CONN_FLUSH:
		conn_flush(c, revents);
		break;
	case CONN_LINGER:
		conn_linger(c);
		break;
	case CONN_FREE:
		break;
	}
}

/* A connection's deadline has passed. */
void
conn_expire(struct conn *c)
{
	if (c->setup != NULL && c->setup->left_at != 0 &&
	    clock_now() >= c->setup->left_at) {
		conn_close(c, END_CLIENT_LEFT);
		return;
	}
	switch (c->state) {
	case CONN_RULE:
		client_deny(c);
		break;
	case CONN_REQUEST:
	case CONN_USER:
		request_expire(c);
		break;
	case CONN_RESOLVE:
	case CONN_CONNECT:
	case CONN_PARENT:
		reach_expire(c);
		break;
	case CONN_FORWARD:
		exchange_expire(c);
		break;
	case CONN_RELAY:
		conn_relay_expire(c);
		break;
	case CONN_FLUSH:
		conn_flush(c, 0);
		break;
	case CONN_LINGER:
		conn_close(c, END_REFUSED);
		break;
	case CONN_FREE:
		break;
	}
}

/* The parking lot. */

/* Lets parked tunnels that woke go on. */
void
conn_wake_parked(void)
{
	struct tunnel *woken[WOKEN_MAX];
	size_t n = lot_woken(woken, WOKEN_MAX);

	for (size_t i = 0; i < n; i++) {
		conn_busy(conn_of(woken[i]));
		conn_watch(conn_of(woken[i]));
	}
}

static void
conn_park(struct conn *c)
{
	const int events[2] = { conn_events(c, CLIENT),
		conn_events(c, SERVER) };

	if (lot_park(&c->tunnel, events) != 0)
		return;
	if (clock_now() - c->active >= PARK_AFTER)
		relay_quiet(&c->tunnel);
	watch_remove(&c->tunnel.end[CLIENT].slot);
	watch_remove(&c->tunnel.end[SERVER].slot);
}

/* Whether a connection may be quiet for long. */
static bool
is_parkable(const struct conn *c)
{
	return c->state == CONN_RELAY || c->state == CONN_FORWARD ||
	    (c->state == CONN_REQUEST && c->recorded);
}

/*
 * Whether it is cheaper to park a tunnel than to leave it in the poll set,
 * where it costs something in each turn; a lot without a descriptor costs more
 * the more often it is looked at.
 */
static bool
is_quiet(const struct conn *c)
{
	return clock_now() - c->active >= PARK_AFTER ||
	    (lot_fd() >= 0 && k.turn - c->tunnel.turn >= PARK_TURNS);
}

/*
 * Parks the tunnels in the poll set that have been quiet for PARK_AFTER or
 * PARK_TURNS, when it is time to look for them.  To be called in each turn.
 */
void
conn_park_quiet(void)
{
	bool busy = false;

	k.turn++;
	if (k.park_at < 0 ||
	    (clock_now() < k.park_at && k.turn - k.looked < PARK_TURNS))
		return;
	k.looked = k.turn;
	for (size_t i = watch_count(); i-- > 0;) {
		struct conn *c = conn_of(watch_tunnel(i));

		if (c == NULL || !is_parkable(c))
			continue;
		if (is_quiet(c))
			conn_park(c);
		else
			busy = true;
	}
	k.park_at = busy ? clock_now() + PARK_AFTER / 2 : -1;
	if (!busy)
		pipe_rest();
}

/* When conn_park_quiet() has something to look for, or -1. */
int64_t
conn_park_at(void)
{
	return k.park_at;
}

/* Their end. */

/*
 * Nobody is served once more: clients that only might ask again are let go
 * now, and the others when they have their answer.
 */
void
conn_drain(void)
{
	k.draining = true;
	for (size_t i = 0; i < k.used; i++) {
		struct conn *c = &k.conns[i];

		if (c->state == CONN_REQUEST && c->recorded)
			conn_close(c, END_FORWARDED);
		else if (c->state != CONN_FREE && c->exchange != NULL)
			c->exchange->keep = false;
	}
}

/* Ends all connections. */
void
conn_close_all(enum ending ending)
{
	for (size_t i = 0; i < k.used; i++)
		if (k.conns[i].state != CONN_FREE)
			conn_close(&k.conns[i], ending);
}
