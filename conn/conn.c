/* SPDX-License-Identifier: ISC */
/*
 * A connection as an object: what it owns, what it waits for in each state,
 * what is freed when it leaves a state, and its line in the access log.  The
 * work of each state is done by the steps, which life.c calls; this file calls
 * neither.  Nothing here blocks.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

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
#include "alert.h"
#include "args.h"
#include "ask.h"
#include "auth.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "forward.h"
#include "inlet.h"
#include "log.h"
#include "loop.h"
#include "lot.h"
#include "parent.h"
#include "parse.h"
#include "quota.h"
#include "race.h"
#include "refusal.h"
#include "relay.h"
#include "reply.h"
#include "reverse.h"
#include "rewrite.h"
#include "secret.h"
#include "sender.h"
#include "session.h"
#include "share.h"
#include "socket.h"
#include "stats.h"
#include "store.h"
#include "sys.h"
#include "tally.h"
#include "tunnel.h"
#include "upstream.h"

enum {
	PREFACE_TIME = 5000, /* ms for a PROXY header, HeaderTimeout at most */
	LINGER_TIME = 2000,  /* ms for a client to close after a reply */
	REPLY_TIME = 30000,  /* ms for it to read a long reply and close */
	FLUSH_TIME = 5000,   /* ms for a side to read what is left for it */
	PROBE_TIME = 100,    /* ms without traffic after one side has ended */
	FLUSH_CHECK = 20     /* ms until it is first checked whether it has */
};

static struct {
	const struct worker_args *args;
	const struct conf *conf;
	struct conn *conns;
	struct conn *free;
	size_t used; /* how many of conns were ever in use */
	size_t count;
	size_t unsettled;      /* how many of count have a setup */
	size_t spares[SPARES]; /* how many of count can give way */
	int64_t ended_at;      /* ms: when a connection last ended */
	bool draining;         /* clients get no further request served */
	bool stirred;          /* see conn_stirred() */
} k;

/*
 * Allocates the connections of a worker, unless it has been called before.
 * There must be none.  Returns 0, or -1 with ENOMEM.
 */
int
conn_init(const struct worker_args *args)
{
	struct conn *conns = k.conns;
	char *memory;

	if (conns == NULL) {
		/* One more: calloc() may align less than a tunnel is. */
		memory = calloc(args->max_conns + 1, sizeof(*conns));
		if (memory == NULL)
			return -1;
		memory += -(uintptr_t)memory % TUNNEL_ALIGN;
		conns = (struct conn *)(void *)memory;
	}
	memset(&k, 0, sizeof(k));
	k.args = args;
	k.conf = args->conf;
	k.conns = conns;
	return 0;
}

/* How many connections the worker has. */
size_t
conn_count(void)
{
	return k.count;
}

/* Returns when a connection last ended, in ms of clock_ms(); 0: never. */
int64_t
conn_ended_at(void)
{
	return k.ended_at;
}

/*
 * Returns whether anything has happened to a connection since the last call but
 * that a tunnel has moved bytes.
 */
bool
conn_stirred(void)
{
	bool was = k.stirred;

	k.stirred = false;
	return was;
}

/* Returns how many connections may still have a question for the desk. */
size_t
conn_unsettled(void)
{
	return k.unsettled;
}

/* Returns the connection after c, or the first for NULL; NULL at the end. */
struct conn *
conn_next(struct conn *c)
{
	for (c = c == NULL ? k.conns : c + 1; c < k.conns + k.used; c++)
		if (c->state != CONN_FREE)
			return c;
	return NULL;
}

/* What others see of them. */

static struct conn *shown; /* the last of those that were */
static bool all_shown;

/* Begins to show all connections again. */
void
conn_show_begin(void)
{
	shown = NULL;
	all_shown = false;
}

/* Cuts a text to size, with what is not printable escaped. */
static void
session_text(char *to, size_t size, const char *from)
{
	if (from != NULL)
		log_escape(to, size, from, strlen(from));
}

/* Whether a tunnel in this state is not known yet to be what it must be. */
static bool
is_vetted(enum conn_state state)
{
	return state == CONN_HELLO || state == CONN_GREETED;
}

/* Whether the client was told that it has a tunnel. */
static bool
is_tunnel(enum conn_state state)
{
	return is_vetted(state) || state == CONN_RELAY || state == CONN_FLUSH;
}

static void
session_fill(struct session *s, const struct conn *c)
{
	memset(s, 0, sizeof(*s));
	s->serial = c->serial;
	s->tunnel = is_tunnel(c->state);
	s->parent = c->parent != NULL;
	s->client = c->client;
	s->dialled = c->server;
	s->up = c->tunnel.flow[CLIENT].bytes;
	s->down = c->tunnel.flow[SERVER].bytes;
	s->age = clock_now() - c->began;
	s->idle =
	    clock_now() - (c->tunnel.active != 0 ? c->tunnel.active : c->since);
	session_text(s->user, sizeof(s->user), c->user);
	session_text(s->target, sizeof(s->target), c->target);
}

/*
 * Shows the next connections, at most max of them.  Returns how many; 0: that
 * was all.  One that begins meanwhile may be left out.
 */
size_t
conn_show(struct session *to, size_t max)
{
	size_t n = 0;

	while (n < max && !all_shown) {
		shown = conn_next(shown);
		if (shown != NULL)
			session_fill(&to[n++], shown);
		else
			all_shown = true;
	}
	return n;
}

/* From now on no client may keep its connection for a further request. */
void
conn_drain(void)
{
	k.draining = true;
}

/* Whether clients that come now would better go elsewhere. */
bool
conn_draining(void)
{
	return k.draining;
}

/*
 * Whether an idle client may keep its connection: not once half of the places
 * are taken, since clients that do ask may need them.
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
 * Allocates what a connection needs until it reaches a server.  Returns 0, or
 * -1 with ENOMEM.
 */
int
conn_setup_new(struct conn *c)
{
	c->setup = calloc(1, sizeof(*c->setup));
	if (c->setup == NULL)
		return -1;
	c->setup->request.takes_paths =
	    c->inlet == INLET_HTTP || reverse_takes_paths(&k.conf->reverse);
	k.unsettled++;
	return 0;
}

/* Gives a connection what few have.  Returns 0, or -1 with ENOMEM. */
int
conn_extra_new(struct conn *c)
{
	if (c->extra == NULL)
		c->extra = calloc(1, sizeof(*c->extra));
	return c->extra == NULL ? -1 : 0;
}

static void
extra_free(struct conn *c)
{
	if (c->extra != NULL)
		free(c->extra->offered);
	free(c->extra);
	c->extra = NULL;
}

/* Frees the setup of a connection, if it has one; wipes secrets in it. */
void
conn_setup_free(struct conn *c)
{
	struct setup *s = c->setup;

	if (s == NULL)
		return;
	auth_forget(c);
	free(s->via);
	if (s->head != NULL)
		secret_wipe(s->head, s->head_len);
	store_free(s->head, s->head_size);
	free(s);
	c->setup = NULL;
	k.unsettled--;
}

/*
 * Returns the number of a new connection.  No two connections that ever had
 * this worker's slot have the same, since the next worker goes on from there.
 */
static uint64_t
serial_next(void)
{
	_Atomic uint64_t *last = &k.args->share->slots[k.args->slot].serial;
	uint64_t n = atomic_load_explicit(last, memory_order_relaxed) + 1;

	/* No other process writes there, so the addition need not be atomic. */
	atomic_store_explicit(last, n, memory_order_relaxed);
	return n;
}

/*
 * Makes a connection, in CONN_RULE, for a client that was accepted; it owns
 * the descriptor.  Returns NULL with ENOMEM: the caller still owns it.
 */
struct conn *
conn_new(int fd, const struct addr *client, enum inlet inlet)
{
	struct conn *c = k.free;

	if (c != NULL)
		k.free = c->next_free;
	else
		c = &k.conns[k.used++];
	memset(c, 0, sizeof(*c));
	c->inlet = (unsigned char)inlet;
	if ((inlet == INLET_PREFACE && conn_extra_new(c) != 0) ||
	    conn_setup_new(c) != 0) {
		extra_free(c);
		c->next_free = k.free;
		k.free = c;
		return NULL;
	}
	c->state = CONN_RULE;
	c->serial = serial_next();
	c->tunnel.end[CLIENT] =
	    (struct end){ .fd = fd, .slot = -1, .resets = true };
	c->tunnel.end[SERVER] = (struct end){ .fd = -1, .slot = -1 };
	conn_request_begin(c);
	c->began = c->since = clock_now();
	c->client = *client;
	k.count++;
	return c;
}

/* Whether a connection in this state uses its socket to the server. */
static bool
has_server(enum conn_state state)
{
	return state == CONN_PARENT || state == CONN_FORWARD ||
	    is_vetted(state) || state == CONN_RELAY || state == CONN_FLUSH;
}

/* Whether a connection keeps a server for a request that is not there yet. */
bool
conn_keeps(const struct conn *c)
{
	return c->kept != NULL && !has_server(c->state);
}

/* No longer watches an end, whose descriptor is closed at once. */
static void
end_unwatch(struct tunnel *t, enum side side)
{
	lot_forget(&t->end[side]);
	watch_remove(&t->end[side].slot);
}

/* Closes the socket to the server, if there is one. */
void
conn_server_close(struct conn *c)
{
	struct end *server = &c->tunnel.end[SERVER];

	if (conn_keeps(c) && server->resets)
		socket_linger(server->fd, true);
	free(c->kept);
	c->kept = NULL;
	end_unwatch(&c->tunnel, SERVER);
	if (server->fd >= 0)
		close(server->fd);
	*server = (struct end){ .fd = -1, .slot = -1 };
}

/* A request begins: what the last one has left is over. */
void
conn_request_begin(struct conn *c)
{
	c->recorded = false;
	c->method[0] = '\0';
	c->lookup_ms = c->connect_ms = -1;
	c->parent = NULL;
	c->rule = c->reported = 0;
	c->because = NULL;
	c->judged = false;
}

/* Writes the line of a connection, or of one request, to the access logs. */
void
conn_record(struct conn *c, enum ending ending)
{
	c->ending = (unsigned char)ending;
	say_record(c, RECORD_END);
	c->recorded = true;
}

/* Writes the line of a tunnel that is open, and sets the time of the next. */
void
conn_report(struct conn *c, enum record_event event)
{
	if (event != RECORD_START || k.conf->access_start)
		say_record(c, event);
	c->report_at = k.conf->access_interval != 0
	    ? clock_now() + k.conf->access_interval * INT64_C(1000)
	    : 0;
}

/* The state. */

/* Whether a connection in this state is on its way to a server. */
static bool
is_under_way(enum conn_state state)
{
	return state == CONN_RESOLVE || state == CONN_CONNECT ||
	    state == CONN_PARENT;
}

/* Whether a server that is kept stays so in this state. */
static bool
is_between(enum conn_state state)
{
	return state == CONN_IDLE || state == CONN_REQUEST ||
	    state == CONN_USER || state == CONN_RESOLVE;
}

/* Whether a connection in this state may still need its setup. */
static bool
is_unsettled(enum conn_state state)
{
	return state == CONN_PREFACE || state == CONN_RULE ||
	    state == CONN_REQUEST || state == CONN_NAME || state == CONN_USER ||
	    is_under_way(state) || is_vetted(state);
}

/* Whether one side of a connection in use has ended its data. */
static bool
is_half_closed(const struct conn *c)
{
	const struct tunnel *t = &c->tunnel;

	if (c->state == CONN_RELAY)
		return t->flow[CLIENT].eof || t->flow[SERVER].eof;
	return c->state == CONN_FORWARD && t->end[CLIENT].ended;
}

/* As what a connection can give way to others, or SPARES: it cannot. */
enum spare
conn_spare(const struct conn *c)
{
	switch (c->state) {
	case CONN_PREFACE:
	case CONN_REQUEST:
	case CONN_NAME:
	case CONN_HELLO:
		return SPARE_HEAD;
	case CONN_IDLE:
		return SPARE_IDLE;
	case CONN_RELAY:
	case CONN_FORWARD:
		return c->half ? SPARE_HALF : SPARES;
	case CONN_RULE:
	case CONN_USER:
	case CONN_RESOLVE:
	case CONN_CONNECT:
	case CONN_PARENT:
	case CONN_GREETED:
	case CONN_FLUSH:
	case CONN_LINGER:
	case CONN_FREE:
		break;
	}
	return SPARES;
}

/* How many connections can give way. */
size_t
conn_spares(enum spare spare)
{
	return k.spares[spare];
}

/* Adds a connection to those that can give way, or takes it out. */
static void
spare_count(const struct conn *c, int n)
{
	enum spare spare = conn_spare(c);

	if (spare < SPARES)
		k.spares[spare] += (size_t)n;
}

/* When both peers of a connection must be asked if they are there. */
static int64_t
probe_at(const struct conn *c)
{
	return c->half && !c->probed ? c->tunnel.active + PROBE_TIME
				     : INT64_MAX;
}

/* After one side has ended, the other may go on for long, but not if dead. */
static void
conn_probe(struct conn *c)
{
	c->probed = true;
	for (enum side side = CLIENT; side <= SERVER; side++)
		if (c->tunnel.end[side].fd >= 0)
			sys_probe(c->tunnel.end[side].fd);
}

/* Frees what a connection holds for the state that it leaves. */
static void
conn_leave(struct conn *c)
{
	spare_count(c, -1);
	c->half = false;
	switch (c->state) {
	case CONN_PREFACE:
		sender_leave(&c->extra->via);
		break;
	case CONN_RULE:
	case CONN_USER:
	case CONN_RESOLVE:
		ask_cancel(c);
		break;
	case CONN_CONNECT:
		race_end(&c->setup->race);
		break;
	case CONN_PARENT:
		free(c->setup->parent);
		c->setup->parent = NULL;
		break;
	case CONN_FORWARD:
		if (!c->exchange->again) {
			forward_free(c->exchange);
			c->exchange = NULL;
		}
		break;
	case CONN_RELAY:
		stats_tunnels(-1);
		stats_took(SPAN_TUNNEL, clock_now() - c->since);
		break;
	case CONN_REQUEST:
	case CONN_NAME:
	case CONN_IDLE:
	case CONN_HELLO:
	case CONN_GREETED:
	case CONN_FLUSH:
	case CONN_LINGER:
	case CONN_FREE:
		break;
	}
}

/*
 * Closes both sides.  With reset, they get a TCP reset instead of an end of
 * file: neither must take data that was cut off for complete.  A server that
 * has the whole request is never reset, since that would take from it what the
 * kernel still has to deliver.
 */
static void
ends_close(struct conn *c, bool reset)
{
	for (enum side side = CLIENT; side <= SERVER; side++) {
		struct end *end = &c->tunnel.end[side];

		end_unwatch(&c->tunnel, side);
		if (end->fd < 0)
			continue;
		/* A worker may have changed what all sockets inherit. */
		if (end->resets)
			socket_linger(end->fd, !reset);
		close(end->fd);
	}
}

/* Whether a client has left without a word, as health checks do. */
static bool
is_silent(const struct conn *c)
{
	const struct setup *s = c->setup;

	if (c->ending != END_CLIENT_LEFT || s == NULL || s->head_len > 0 ||
	    c->target != NULL)
		return false;
	/* Nothing is read in CONN_RULE, but client_early() has looked. */
	return !s->deaf || s->left_at != 0;
}

/* Ends a connection, frees all it owns and writes its record. */
static void
conn_free(struct conn *c)
{
	bool tunnel = is_tunnel(c->state);
	bool reset =
	    (tunnel || c->state == CONN_FORWARD || c->state == CONN_PREFACE) &&
	    c->ending != END_CLOSED;

	if (!c->recorded && !is_silent(c))
		conn_record(c, (enum ending)c->ending);
	if (tunnel)
		log_line(LOG_LEVEL_INFO,
		    "Closed connection between local client (fd:%d) and "
		    "remote client (fd:%d) %s",
		    c->tunnel.end[CLIENT].fd, c->tunnel.end[SERVER].fd,
		    say_whom(c));
	if (c->counted)
		quota_leave(&c->client);
	conn_leave(c);
	conn_setup_free(c);
	forward_free(c->exchange);
	c->exchange = NULL;
	relay_free(&c->tunnel);
	deadline_clear(&c->tunnel);
	ends_close(c, reset);
	free(c->target);
	c->target = NULL;
	extra_free(c);
	free(c->kept);
	c->kept = NULL;
	c->state = CONN_FREE;
	c->next_free = k.free;
	k.free = c;
	k.count--;
	k.ended_at = clock_now();
	k.stirred = true;
}

/* Adds how long a state on the way to a server took, and begins the next. */
static void
way_time(struct conn *c, enum conn_state next)
{
	int32_t ms = (int32_t)(clock_now() - c->entered);

	if (c->state == CONN_RESOLVE && c->lookup_ms >= 0)
		c->lookup_ms += ms;
	if (c->state == CONN_CONNECT)
		c->connect_ms = (c->connect_ms > 0 ? c->connect_ms : 0) + ms;
	if (is_under_way(next))
		c->entered = clock_now();
}

/*
 * Changes the state of a connection, and frees what the new state does not
 * need.  CONN_FREE ends the connection: the caller must not use it any more.
 */
void
conn_state(struct conn *c, enum conn_state next)
{
	if (next == CONN_FREE) {
		conn_free(c);
		return;
	}
	way_time(c, next);
	conn_leave(c);
	if (!is_unsettled(next))
		conn_setup_free(c);
	if (next == CONN_LINGER) {
		forward_free(c->exchange);
		c->exchange = NULL;
	}
	if (!has_server(next) && !(c->kept != NULL && is_between(next)))
		conn_server_close(c);
	/* ConnectTimeout is for all states on the way to a server together. */
	if (!is_under_way(c->state) || !is_under_way(next))
		c->since = clock_now();
	c->tunnel.deadline = 0;
	c->state = next;
	if (next == CONN_RELAY)
		stats_tunnels(1);
	spare_count(c, 1);
}

/* What a connection waits for. */

/* Returns when ConnectTimeout ends, in ms, for all that is tried on the way. */
int64_t
conn_reach_by(const struct conn *c)
{
	return c->since + k.conf->connect_timeout * INT64_C(1000);
}

/* Returns when the present attempt ends: a parent may get only a part. */
int64_t
conn_connect_by(const struct conn *c)
{
	int64_t by = conn_reach_by(c);

	return c->setup->give_up_at != 0 && c->setup->give_up_at < by
	    ? c->setup->give_up_at
	    : by;
}

/* For how long there may be no traffic, in ms: Timeout, or less. */
static int64_t
quiet_time(const struct conn *c)
{
	unsigned half = k.conf->half_closed_timeout, all = k.conf->timeout;

	return (c->half && half < all ? half : all) * INT64_C(1000);
}

/* Whether no byte was received or sent for as long as may be. */
bool
conn_is_idle(const struct conn *c)
{
	return clock_now() - c->tunnel.active >= quiet_time(c);
}

/* Whether a tunnel is older than TunnelTimeout. */
bool
conn_is_old(const struct conn *c)
{
	int64_t life = k.conf->tunnel_timeout * INT64_C(1000);

	return life != 0 && clock_now() - c->since >= life;
}

/* Whether a hello has not come within HeaderTimeout. */
bool
conn_is_late(const struct conn *c)
{
	return clock_now() - c->since >= k.conf->header_timeout * INT64_C(1000);
}

/* Whether it is time for a line about an open tunnel, AccessLogInterval. */
bool
conn_is_reported(const struct conn *c)
{
	return c->report_at != 0 && clock_now() >= c->report_at;
}

static int64_t
earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * When the check of the credentials begins, or, while it is under way, when it
 * must be over.
 */
static int64_t
user_deadline(const struct conn *c)
{
	const struct credentials *p = c->setup->credentials;

	return ask_pending(c) ? p->until : earliest(p->check_at, p->until);
}

/* When a timeout ends, or a side may be read again. */
static int64_t
traffic_deadline(const struct conn *c)
{
	int64_t when = earliest(c->tunnel.active + quiet_time(c), probe_at(c));

	if (c->state == CONN_RELAY && k.conf->tunnel_timeout != 0)
		when = earliest(
		    when, c->since + k.conf->tunnel_timeout * INT64_C(1000));
	if (c->state == CONN_RELAY && c->report_at != 0)
		when = earliest(when, c->report_at);
	return earliest(when, relay_resumes(&c->tunnel));
}

static int64_t
linger_deadline(const struct conn *c)
{
	bool reads = relay_holds(&c->tunnel, SERVER);

	return earliest(c->tunnel.active + (reads ? FLUSH_TIME : LINGER_TIME),
	    c->since + REPLY_TIME);
}

/* When a connection must be looked at even if no event comes. */
static int64_t
conn_deadline(const struct conn *c)
{
	switch (c->state) {
	case CONN_PREFACE:
		return c->began +
		    earliest(
			PREFACE_TIME, k.conf->header_timeout * INT64_C(1000));
	case CONN_REQUEST:
	case CONN_IDLE:
		return c->began + k.conf->header_timeout * INT64_C(1000);
	case CONN_NAME:
	case CONN_HELLO:
	case CONN_GREETED:
		return earliest(
		    c->since + k.conf->header_timeout * INT64_C(1000),
		    relay_resumes(&c->tunnel));
	case CONN_USER:
		return user_deadline(c);
	case CONN_CONNECT:
		return earliest(conn_connect_by(c), c->setup->race.next_at);
	case CONN_RESOLVE:
	case CONN_PARENT:
		return conn_connect_by(c);
	case CONN_FORWARD:
	case CONN_RELAY:
		return traffic_deadline(c);
	case CONN_FLUSH:
		/* No event tells what a peer has read; check ever less often. */
		return clock_now() + FLUSH_CHECK + (clock_now() - c->since) / 2;
	case CONN_LINGER:
		return linger_deadline(c);
	case CONN_RULE:
	case CONN_FREE:
		break;
	}
	return conn_reach_by(c);
}

/*
 * Whether the deadline that is set may stay.  Each byte moves the deadline of
 * a tunnel on; it is cheaper to compute it again only when it has passed.
 */
static bool
deadline_stands(const struct conn *c)
{
	return (c->state == CONN_RELAY || c->state == CONN_FORWARD) &&
	    c->tunnel.deadline != 0 && c->tunnel.heap_at != 0 &&
	    !relay_is_paced(&c->tunnel);
}

/* Returns the poll() events for a parent that is asked for a tunnel. */
static int
parent_events(const struct conn *c)
{
	return c->setup->parent->state == PARENT_SENDS ? POLLOUT : POLLIN;
}

/* Returns the poll() events for one end; -1: it is not to be polled. */
int
conn_events(const struct conn *c, enum side side)
{
	const struct tunnel *t = &c->tunnel;

	if (t->end[side].fd < 0)
		return -1;
	if (c->state == CONN_RELAY || c->state == CONN_FORWARD ||
	    is_vetted(c->state)) {
		short events = c->state == CONN_FORWARD
		    ? forward_events(t, c->exchange, side)
		    : relay_events(t, side);

		if (c->state == CONN_FORWARD && side == CLIENT &&
		    !(events & POLLIN) && !t->end[side].ended)
			events |= sys_poll_end();
		return events == 0 && t->end[side].hung_up ? -1 : events;
	}
	if (c->state == CONN_FLUSH && side == c->lost)
		return -1;
	if (c->state == CONN_FLUSH)
		return relay_holds(t, c->lost) ? POLLOUT
		    : t->end[side].hung_up     ? -1
					       : 0;
	if (c->state == CONN_LINGER && side == CLIENT)
		return (t->flow[CLIENT].eof ? 0 : POLLIN) |
		    (relay_holds(t, SERVER) ? POLLOUT : 0);
	if (side == SERVER)
		return c->state == CONN_PARENT ? parent_events(c)
		    : conn_keeps(c)            ? POLLIN
					       : -1;
	return c->setup != NULL && c->setup->deaf ? 0 : POLLIN;
}

/* Whether a connection is served from the lot, and not only parked there. */
bool
conn_settles(const struct conn *c)
{
	return c->state == CONN_RELAY && lot_fd() >= 0;
}

/* Whether an end is watched for these events where it is to be. */
static bool
end_stands(const struct conn *c, enum side side, int events)
{
	const struct end *end = &c->tunnel.end[side];

	return events == end->events &&
	    (end->enrolled ? conn_settles(c) : end->slot >= 0);
}

/*
 * Watches an end.  One that is in the lot stays there if nothing changes: to
 * change it there takes a system call.
 */
static void
end_watch(struct conn *c, enum side side)
{
	struct end *end = &c->tunnel.end[side];
	int events = conn_events(c, side);

	if (end_stands(c, side, events))
		return;
	if (events >= 0 && conn_settles(c) &&
	    lot_set(&c->tunnel, side, end, (short)events) == 0)
		return;
	lot_leave(end);
	end->events = (short)events;
	end->seen = false;
	if (events < 0)
		watch_remove(&end->slot);
	else if (end->slot >= 0)
		watch_set(end->slot, (short)events);
	else if (watch_add(end->fd, (short)events, &c->tunnel, (unsigned)side,
		     &end->slot) != 0)
		assert(0 && "the poll set has room for all");
}

/* Whether a tunnel waits for what most do: bytes of either side. */
static bool
tunnel_stands(const struct conn *c)
{
	return c->state == CONN_RELAY && relay_flows(&c->tunnel) &&
	    deadline_stands(c) && end_stands(c, CLIENT, POLLIN) &&
	    end_stands(c, SERVER, POLLIN);
}

/*
 * Sets what a connection waits for in its state: its deadline, and the events
 * of both ends.
 */
void
conn_watch(struct conn *c)
{
	int64_t when;

	if (tunnel_stands(c))
		return;
	k.stirred = true;
	if (!c->half && is_half_closed(c)) {
		c->half = true;
		spare_count(c, 1);
		c->tunnel.deadline = 0;
	}
	if (clock_now() >= probe_at(c))
		conn_probe(c);
	if (!deadline_stands(c)) {
		when = conn_deadline(c);
		if (c->setup != NULL && c->setup->left_at != 0)
			when = earliest(when, c->setup->left_at);
		deadline_set(&c->tunnel, when);
	}
	end_watch(c, CLIENT);
	end_watch(c, SERVER);
}

/* What a step may end with. */

/* Ends a connection, for the reason given.  Returns CONN_FREE. */
enum conn_state
conn_end(struct conn *c, enum ending ending)
{
	c->ending = (unsigned char)ending;
	return CONN_FREE;
}

/*
 * Handles the loss of one side: a reset or an error.  What was received from
 * it still goes to the other side, RFC 9110 9.3.6, for FLUSH_TIME at most;
 * then that is reset, too.  Returns CONN_FLUSH, or CONN_FREE if nothing is
 * left to deliver.
 */
enum conn_state
conn_lost(struct conn *c, enum side lost)
{
	bool over =
	    c->state == CONN_FLUSH && clock_now() - c->since >= FLUSH_TIME;

	if (over || !relay_owes(&c->tunnel, lost))
		return conn_end(
		    c, lost == CLIENT ? END_CLIENT_RESET : END_SERVER_RESET);
	c->lost = lost;
	return CONN_FLUSH;
}

/* Returns the request line, in a static buffer; NULL: none was parsed. */
static const char *
request_text(const struct conn *c)
{
	static char text[REQUEST_LINE_MAX + 32];
	const struct exchange *e = c->exchange;

	if (c->target == NULL)
		return NULL;
	snprintf(text, sizeof(text), "%.*s %s HTTP/1.%c",
	    e != NULL ? (int)e->request.method.len : 7,
	    e != NULL ? e->head + e->request.method.at : "CONNECT", c->target,
	    c->minor);
	return text;
}

/*
 * Sends the last bytes and an end of file.  What the socket does not take at
 * once is kept, after what the server has sent, as if that had sent it and
 * closed.  Returns 0, or -1.
 */
static int
last_send(struct conn *c, const char *last, size_t len)
{
	int fd = c->tunnel.end[CLIENT].fd;
	ssize_t n = 0;

	if (!relay_holds(&c->tunnel, SERVER)) {
		n = send(fd, last, len, MSG_NOSIGNAL);
		if (n == (ssize_t)len)
			return shutdown(fd, SHUT_WR);
		if (n < 0 && !socket_is_passing(errno))
			return -1;
		n = n > 0 ? n : 0;
	}
	c->tunnel.flow[SERVER].eof = true;
	return len == 0
	    ? 0
	    : relay_keep(&c->tunnel, SERVER, last + n, len - (size_t)n);
}

/*
 * Sends the last bytes on this connection, of which there may be none, and
 * gives the client time to read them.  Returns CONN_LINGER, or CONN_FREE if the
 * client is gone.
 */
enum conn_state
conn_close(struct conn *c, const char *last, size_t len)
{
	c->tunnel.active = clock_now();
	return last_send(c, last, len) == 0 ? CONN_LINGER
					    : conn_end(c, END_REFUSED);
}

/*
 * What a client of a TransparentPort with tls gets in place of a reply; its
 * status is only for the logs.  Returns the length.
 */
static size_t
alert_make(const char **text, struct reply *r)
{
	static char record[ALERT_SIZE];
	const struct refusal_row *row = refusal_row(r->refusal);
	bool denied = row->status == 403 || row->tally == TALLY_REFUSED;

	if (r->status == 0)
		r->status = row->status;
	*text = record;
	return alert_write(record,
	    denied                             ? ALERT_DENIED
		: r->refusal == REFUSE_NO_NAME ? ALERT_NAME
					       : ALERT_INTERNAL);
}

/*
 * Sends the last answer on this connection.  The client gets time to read it,
 * RFC 9112 9.6; what it sent after its request is dropped, RFC 9931.  In the
 * reply only those members need be set that the refusal's row does not have.
 * Returns CONN_LINGER, or CONN_FREE if the client is gone.
 */
enum conn_state
conn_reply(struct conn *c, enum refusal refusal, struct reply *r)
{
	const char *text;
	size_t len;

	say_connect(c);
	r->refusal = refusal;
	if (r->request == NULL)
		r->request = request_text(c);
	r->target = c->target;
	r->because = c->because;
	r->client = &c->client;
	if (c->setup != NULL)
		r->bodiless = c->setup->request.is_head;
	else if (c->exchange != NULL)
		r->bodiless = c->exchange->request.is_head;
	len =
	    c->inlet == INLET_TLS ? alert_make(&text, r) : reply_make(&text, r);
	c->status = (int16_t)r->status;
	c->refusal = refusal;
	stats_refused(refusal);
	if (c->rule != 0)
		stats_rule(refusal, c->rule);
	say_verdict(c,
	    &(struct judged){ .refusal = refusal,
		.rule = c->rule,
		.because = c->because,
		.addrs = r->addrs,
		.naddrs = r->naddrs });
	relay_free(&c->tunnel);
	return conn_close(c, text, len);
}

/* Answers with a refusal as its row has it.  Returns as conn_reply(). */
enum conn_state
conn_refuse(struct conn *c, enum refusal refusal)
{
	struct reply reply = { .status = 0 };

	return conn_reply(c, refusal, &reply);
}

/*
 * Answers that a target, or the parent on the way to it, could not be used;
 * parent is NULL without one.  The log gets the task that failed, as "establish
 * a connection to", and the reply's why.  Returns as conn_reply().
 */
enum conn_state
conn_fail(struct conn *c, const struct upstream *parent, enum refusal refusal,
    const char *task, struct reply *reply)
{
	reply->of_parent = parent != NULL;
	log_line(LOG_LEVEL_ERROR, "opensock: Could not %s %s: %s %s", task,
	    say_target(c), reply->why, say_whom(c));
	return conn_reply(c, refusal, reply);
}
