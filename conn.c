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
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy.h"

enum {
	HEAD_SIZE_MIN = 1024, /* bytes for a head that comes in pieces */
	COMPLAIN_TIME = 60000 /* ms between two lines on the same limit */
};

/* The limits for one client address. */
enum limit { LIMIT_CLIENTS, LIMIT_RATE, LIMITS, LIMIT_NONE = LIMITS };

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
	int64_t complained[LIMITS]; /* ms: of who is over one, last time */
	bool draining;              /* no client is served once more */
} k;

static char head_buffer[HEAD_MAX + 1];
static char url[URL_SIZE]; /* of the request that is looked at */

static void conn_close(struct conn *, enum ending);
static void conn_dialled(struct conn *, enum race_state);
static void conn_head(struct conn *, char *head, size_t len);
static int head_keep(struct setup *, char *head, size_t len);
static bool parent_failed(
    struct conn *, const struct upstream *, const char *why);
static void parent_ask(struct conn *);
static void conn_judge(struct conn *);
static void conn_checked(struct conn *, const struct answer *);
static void conn_admit(struct conn *);
static void conn_deny(struct conn *);

/*
 * Makes room for the connections of a worker.  Returns 0, or -1 with errno.
 */
int
conn_init(const struct worker_args *args)
{
	k.args = args;
	k.conf = args->conf;
	k.park_at = -1;
	own_init(args);
	relay_limit(k.conf->rate_limit);
	stats_init(args->share, args->slot);
	k.conns = calloc(args->max_conns, sizeof(*k.conns));
	return k.conns == NULL ? -1 : upstream_init(&k.conf->upstreams);
}

/* How many connections there are. */
size_t
conn_count(void)
{
	return k.count;
}

/* When one of them has ended last, in ms of loop_clock(). */
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

static struct asker
conn_asker(const struct conn *c)
{
	return (struct asker){ .client = &c->client, .user = c->user };
}

/*
 * Whether a connection may have an address, with its port, for its target.
 * *line is that of the rule which says no, or 0.
 */
static bool
target_allowed(
    const struct conn *c, const struct addr *target, unsigned long *line)
{
	const struct request *req = &c->setup->request;
	struct asker asker = conn_asker(c);
	const struct target_rule *rule;

	*line = 0;
	if (acl_target(
		k.conf, req->literal ? NULL : req->host, target, &asker, &rule))
		return !own_socket(target);
	if (rule != NULL && !rule->allow)
		*line = rule->line;
	return false;
}

/* Connections and their descriptors. */

static int
setup_new(struct conn *c)
{
	c->setup = calloc(1, sizeof(*c->setup));
	if (c->setup == NULL)
		return -1;
	k.unsettled++;
	return 0;
}

static struct conn *
conn_new(int fd, const struct addr *client)
{
	struct conn *c = k.free;

	if (c != NULL)
		k.free = c->next_free;
	else
		c = &k.conns[k.used++];
	memset(c, 0, sizeof(*c));
	if (setup_new(c) != 0) {
		c->next_free = k.free;
		k.free = c;
		return NULL;
	}
	c->end[CLIENT] = (struct end){ .fd = fd, .slot = -1 };
	c->end[SERVER] = (struct end){ .fd = -1, .slot = -1 };
	c->began = loop_now();
	c->client = *client;
	k.count++;
	return c;
}

/* What an end of a connection is watched for: -1, it is not. */
static int
conn_events(const struct conn *c, enum side side)
{
	if (c->end[side].fd < 0)
		return -1;
	if (c->state == CONN_RELAY || c->state == CONN_FORWARD) {
		short events = c->state == CONN_RELAY ? relay_events(c, side)
						      : forward_events(c, side);

		return events == 0 && c->end[side].hung_up ? -1 : events;
	}
	if (c->state == CONN_FLUSH && side == c->lost)
		return -1;
	if (c->state == CONN_FLUSH)
		return relay_holds(c, c->lost) ? POLLOUT
		    : c->end[side].hung_up     ? -1
					       : 0;
	if (c->state == CONN_LINGER && side == CLIENT)
		return (c->flow[CLIENT].eof ? 0 : POLLIN) |
		    (relay_holds(c, SERVER) ? POLLOUT : 0);
	if (side == SERVER)
		return c->state != CONN_PARENT                ? -1
		    : c->setup->parent->state == PARENT_SENDS ? POLLOUT
							      : POLLIN;
	return c->setup != NULL && c->setup->deaf ? 0 : POLLIN;
}

/* Puts the ends of a connection into the poll set, or out of it. */
static void
conn_watch(struct conn *c)
{
	for (enum side side = CLIENT; side <= SERVER; side++) {
		struct end *end = &c->end[side];
		int events = conn_events(c, side);

		if (events < 0)
			watch_remove(&end->slot);
		else if (end->slot >= 0)
			watch_set(end->slot, (short)events);
		else if (watch_add(end->fd, (short)events, c, (unsigned)side,
			     &end->slot) != 0)
			assert(0 && "the poll set has room for all");
	}
}

static void
setup_free(struct conn *c)
{
	if (c->setup == NULL)
		return;
	resolve_cancel(c);
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

/* Whether a connection in this state is on its way to a server. */
static bool
is_reaching(enum conn_state state)
{
	return state == CONN_RESOLVE || state == CONN_CONNECT ||
	    state == CONN_PARENT;
}

/* When the time to get there is over, whoever is tried on the way. */
static int64_t
reach_end(const struct conn *c)
{
	int64_t since = is_reaching(c->state) ? c->since : loop_now();

	return since + k.conf->connect_timeout * INT64_C(1000);
}

/* The same for who is tried now; a parent may have less than all. */
static int64_t
reach_until(const struct conn *c)
{
	int64_t until = reach_end(c);

	return c->setup->give_up_at != 0 && c->setup->give_up_at < until
	    ? c->setup->give_up_at
	    : until;
}

/*
 * The one place where the state of a connection changes, and with it the
 * deadline; conn_new() and conn_close() begin and end it.
 */
static void
conn_state(struct conn *c, enum conn_state state)
{
	const struct conf *conf = k.conf;
	int64_t when;

	/* All that it takes to get to a server has one time. */
	if (state != c->state && !(is_reaching(c->state) && is_reaching(state)))
		c->since = loop_now();
	c->state = state;
	switch (state) {
	case CONN_REQUEST:
		when = c->began + conf->header_timeout * INT64_C(1000);
		break;
	case CONN_USER:
		/* At first it may have to wait until the check begins. */
		when = c->setup->credentials->check_at;
		if (when <= loop_now() || when > c->setup->credentials->until)
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
		if (conf->rate_limit != 0 && relay_resumes(c) < when)
			when = relay_resumes(c);
		break;
	case CONN_FLUSH:
		/* No event tells of it; the looks become rarer. */
		when = loop_now() + FLUSH_CHECK + (loop_now() - c->since) / 2;
		break;
	case CONN_LINGER:
		when = c->active + LINGER_TIME;
		if (relay_holds(c, SERVER))
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
	deadline_set(c, when);
}

static void
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
		.up = c->flow[CLIENT].bytes,
		.down = c->flow[SERVER].bytes,
		.ms = loop_now() - c->began,
	};

	log_access(&record);
}

/* Lets go of the server. */
static void
server_close(struct conn *c)
{
	watch_remove(&c->end[SERVER].slot);
	if (c->end[SERVER].fd >= 0)
		close(c->end[SERVER].fd);
	c->end[SERVER] = (struct end){ .fd = -1, .slot = -1 };
}

/*
 * Ends a connection, frees all it owns and writes its record.  A tunnel that
 * did not end by itself is reset on both sides, so that what was cut off does
 * not look complete to anybody.
 */
static void
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
		    c->end[CLIENT].fd, c->end[SERVER].fd);
	if (c->counted)
		quota_leave(&c->client);
	lot_leave(c);
	setup_free(c);
	relay_free(c);
	forward_free(c->exchange);
	c->exchange = NULL;
	deadline_clear(c);
	for (enum side side = CLIENT; side <= SERVER; side++) {
		watch_remove(&c->end[side].slot);
		if (c->end[side].fd < 0)
			continue;
		if (!reset)
			socket_linger(c->end[side].fd, true);
		close(c->end[side].fd);
	}
	free(c->target);
	c->target = NULL;
	c->state = CONN_FREE;
	c->next_free = k.free;
	k.free = c;
	k.count--;
	k.ended_at = loop_now();
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
	int fd = c->end[CLIENT].fd;
	ssize_t n = send(fd, reply, len, MSG_NOSIGNAL);

	if (n == (ssize_t)len)
		return shutdown(fd, SHUT_WR);
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		return -1;
	if (n < 0)
		n = 0;
	c->flow[SERVER].eof = true;
	return relay_keep(c, SERVER, reply + n, len - (size_t)n);
}

/*
 * Answers, and lets the client read it: RFC 9112 9.6.  What the client has
 * sent behind its request goes nowhere, RFC 9931.
 */
static void
conn_reply(struct conn *c, struct reply *r)
{
	const char *text;
	size_t len;

	if (r->request == NULL)
		r->request = request_text(c);
	r->target = c->target;
	r->client = &c->client;
	r->bodiless = c->exchange != NULL && forward_hides_content(c->exchange);
	len = reply_make(&text, r, k.conf);
	c->status = r->status;
	c->error = r->error != NULL ? r->error : "statistics";
	stats_count_error(c->error);
	lot_leave(c);
	setup_free(c);
	relay_free(c);
	forward_free(c->exchange);
	c->exchange = NULL;
	server_close(c);
	c->active = loop_now();
	if (reply_send(c, text, len) != 0) {
		conn_close(c, END_REFUSED);
		return;
	}
	conn_state(c, CONN_LINGER);
	conn_watch(c);
}

static void
conn_refuse(struct conn *c, int status, const char *error, const char *detail)
{
	struct reply reply = {
		.status = status, .error = error, .detail = detail
	};

	conn_reply(c, &reply);
}

static void
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
	struct flow *in = &c->flow[CLIENT], *out = &c->flow[SERVER];
	uint32_t left = out->len - out->at;
	enum side lost;
	ssize_t n = -1;

	if (relay_flush(c, SERVER, &lost) == RELAY_LOST) {
		conn_close(c, END_REFUSED);
		return;
	}
	if (!in->eof)
		n = recv(
		    c->end[CLIENT].fd, head_buffer, sizeof(head_buffer), 0);
	in->eof = in->eof || n == 0;
	if ((n < 0 && !in->eof && errno != EAGAIN && errno != EINTR) ||
	    (in->eof && !relay_holds(c, SERVER))) {
		conn_close(c, END_REFUSED);
		return;
	}
	if (out->len - out->at != left) {
		c->active = loop_now();
		conn_state(c, CONN_LINGER);
	}
	conn_watch(c);
}

/* Who is looked up and connected to. */
static const char *
reached_name(const struct conn *c)
{
	const struct upstream *u = c->setup->upstream;

	return u != NULL ? u->host : c->setup->request.host;
}

/* Why a server cannot be had, and what the client is told of it. */
struct failure {
	int error; /* errno, where it is one */
	int status;
	const char *type;
	const char *what; /* "... does not resolve." */
};

/*
 * The target, or the parent on the way to it, cannot be had.  Without another
 * parent to try that is the end: the log and the client are told.
 */
static void
conn_failed(
    struct conn *c, const struct failure *f, const char *task, const char *why)
{
	const struct upstream *u = c->setup != NULL ? c->setup->upstream
	    : c->exchange != NULL                   ? c->exchange->upstream
						    : NULL;
	bool parent = u != NULL;
	char detail[160];
	struct reply reply = { .status = f->status,
		.error = f->type,
		.detail = detail,
		.why = why };

	if (parent && parent_failed(c, u, why))
		return;
	snprintf(detail, sizeof(detail), "The %s %s",
	    parent ? "parent proxy" : "target", f->what);
	log_line(LOG_LEVEL_ERROR, "opensock: Could not %s %s: %s", task,
	    c->target, why);
	conn_reply(c, &reply);
}

/* No address can be connected to; the name may have others by now. */
static void
conn_unreached(struct conn *c, int error)
{
	static const struct failure failures[] = {
		{ ECONNREFUSED, 502, "connection_refused",
		    "refused the connection." },
		{ ECONNRESET, 502, "connection_refused",
		    "refused the connection." },
		{ ETIMEDOUT, 504, "connection_timeout",
		    "did not answer in time." },
		{ ENETUNREACH, 502, "destination_ip_unroutable",
		    "is not there: there is no route." },
		{ EHOSTUNREACH, 502, "destination_ip_unroutable",
		    "is not there: there is no route." },
		{ ENETDOWN, 502, "destination_ip_unroutable",
		    "is not there: there is no route." },
		{ EACCES, 502, "destination_ip_unroutable",
		    "is not there: there is no route." },
		{ EPERM, 502, "destination_ip_unroutable",
		    "is not there: there is no route." },
		{ EINVAL, 502, "destination_ip_unroutable",
		    "is not there: there is no route." },
		{ EADDRNOTAVAIL, 502, "destination_ip_unroutable",
		    "cannot be reached from here." },
		{ EAFNOSUPPORT, 502, "destination_ip_unroutable",
		    "cannot be reached from here." },
		{ EMFILE, 503, "connection_limit_reached",
		    "was not tried: no descriptor is left." },
		{ ENFILE, 503, "connection_limit_reached",
		    "was not tried: no descriptor is left." },
		{ 0, 500, "proxy_internal_error", "could not be connected to." }
	};
	const struct failure *f = failures;

	cache_forget(reached_name(c));
	while (f->error != error && f->error != 0)
		f++;
	conn_failed(c, f, "establish a connection to", strerror(error));
}

/* The tunnel. */

/* Something has come: the tunnel is busy for a while. */
static void
conn_busy(struct conn *c)
{
	c->active = loop_now();
	c->turn = k.turn;
	if (k.park_at < 0)
		k.park_at = loop_now() + PARK_AFTER;
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
static void
conn_lost(struct conn *c, enum side lost)
{
	if (!relay_owes(c, lost)) {
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
		c->end[c->lost == CLIENT ? SERVER : CLIENT].hung_up = true;
	if (revents & (POLLERR | POLLNVAL) ||
	    relay_flush(c, c->lost, &lost) == RELAY_LOST ||
	    !relay_owes(c, c->lost) || loop_now() - c->since >= FLUSH_TIME) {
		conn_close(c, lost_ending(c->lost));
		return;
	}
	conn_state(c, CONN_FLUSH);
	conn_watch(c);
}

static void
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
	lot_leave(c);
	conn_watch(c);
	if (k.park_at < 0)
		k.park_at = loop_now() + PARK_AFTER;
}

/* Plain HTTP. */

/* Forgets a request that is over, but not what the client owes RateLimit. */
static void
forward_forget(struct conn *c)
{
	relay_free(c);
	memset(c->flow, 0, sizeof(c->flow));
	c->exchange = NULL;
	free(c->target);
	c->target = NULL;
	c->user = NULL;
	c->status = 0;
	c->server = (struct addr){ .port = 0 };
	c->began = loop_now();
}

/*
 * The client may ask for more, on the connection that it has.  What it has
 * asked already never leads back here before something else has happened.
 */
static void
forward_next(struct conn *c)
{
	struct exchange *e = c->exchange;

	forward_forget(c);
	conn_state(c, CONN_REQUEST);
	if (e->next_len == 0) {
		conn_watch(c);
	} else if (setup_new(c) != 0 ||
	    head_keep(c->setup, e->next, e->next_len) != 0) {
		conn_close(c, END_FORWARDED);
	} else {
		c->recorded = false;
		conn_head(c, c->setup->head, e->next_len);
	}
	forward_free(e);
}

/* The client has its answer. */
static void
forward_done(struct conn *c)
{
	const struct exchange *e = c->exchange;
	bool keep = e->keep && e->up.done;

	if (e->upstream != NULL)
		upstream_alive(&k.conf->upstreams, e->upstream);
	/* A server that was not given all of the request shall notice. */
	if (e->up.done && !relay_holds(c, CLIENT) && c->end[SERVER].fd >= 0)
		socket_linger(c->end[SERVER].fd, true);
	conn_record(c, END_FORWARDED);
	c->recorded = true;
	server_close(c);
	if (keep) {
		forward_next(c);
		return;
	}
	relay_free(c);
	if (shutdown(c->end[CLIENT].fd, SHUT_WR) != 0) {
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
forward_switched(struct conn *c)
{
	struct exchange *e = c->exchange;
	enum relay_state state = RELAY_GOES_ON;
	enum side lost = CLIENT;

	c->exchange = NULL;
	conn_state(c, CONN_RELAY);
	if (e->next_len > 0) {
		c->flow[CLIENT].bytes += e->next_len;
		state = relay_keep(c, CLIENT, e->next, e->next_len) != 0
		    ? RELAY_LOST
		    : relay_flush(c, CLIENT, &lost);
	}
	forward_free(e);
	conn_relayed(c, state, lost);
}

/* Whether the client can be answered still: it has no part of an answer. */
static bool
forward_unanswered(const struct conn *c)
{
	return !c->exchange->answered && !relay_holds(c, SERVER);
}

/*
 * The server is of no use.  Who has a part of its answer gets what there is,
 * and a reset behind it.
 */
static void
forward_lost(struct conn *c)
{
	struct failure failure = { 0, 502, "http_protocol_error",
		c->exchange->why };

	if (forward_unanswered(c))
		conn_failed(c, &failure, "get an answer from", failure.what);
	else
		conn_lost(c, SERVER);
}

/* Nothing has happened for Timeout. */
static void
forward_silent(struct conn *c)
{
	static const struct failure silence = { 0, 504, "http_response_timeout",
		"did not answer in time." };

	if (!forward_unanswered(c))
		conn_close(c, c->exchange->over ? END_FORWARDED : END_IDLE);
	else if (!c->exchange->up.done && !relay_holds(c, CLIENT))
		conn_refuse(c, 408, "http_request_error",
		    "The content of the request did not come in time.");
	else
		conn_failed(c, &silence, "get an answer from", silence.what);
}

/* The deadline of an exchange has passed, maybe because a side has rested. */
static void
forward_expire(struct conn *c)
{
	lot_leave(c);
	if (loop_now() - c->active >= k.conf->timeout * INT64_C(1000)) {
		forward_silent(c);
		return;
	}
	conn_state(c, CONN_FORWARD);
	conn_watch(c);
	if (k.park_at < 0)
		k.park_at = loop_now() + PARK_AFTER;
}

static void
forward_goes_on(struct conn *c, enum forward_state state)
{
	if (c->exchange->answered)
		c->status = c->exchange->answer.status;
	switch (state) {
	case FORWARD_GOES_ON:
		/* A side may have to rest. */
		if (k.conf->rate_limit != 0)
			conn_state(c, CONN_FORWARD);
		conn_watch(c);
		break;
	case FORWARD_DONE:
		forward_done(c);
		break;
	case FORWARD_SWITCHED:
		forward_switched(c);
		break;
	case FORWARD_BAD_REQUEST:
		if (forward_unanswered(c))
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
		forward_lost(c);
	}
}

static void
log_parent(const struct conn *c)
{
	const struct upstream *u = c->setup->upstream;

	log_line(LOG_LEVEL_CONNECT,
	    "Established connection to %s proxy \"%s\" using file descriptor "
	    "%d.",
	    u->kind == UPSTREAM_HTTP ? "upstream" : upstream_kind(u), u->host,
	    c->end[SERVER].fd);
}

/* The server is connected: sends it the request. */
static void
forward_start(struct conn *c)
{
	const struct upstream *u = c->setup->upstream;

	if (u != NULL && u->kind != UPSTREAM_HTTP)
		u = NULL;
	else if (u != NULL)
		log_parent(c);
	setup_free(c);
	conn_busy(c);
	conn_state(c, CONN_FORWARD);
	forward_goes_on(c, forward_begin(c, u, k.conf));
}

/* A request is for this proxy itself. */
static void
forward_here(struct conn *c)
{
	setup_free(c);
	conn_busy(c);
	conn_state(c, CONN_FORWARD);
	forward_goes_on(c, forward_reply(c));
}

/* The server is connected: says so, and hands over what came early. */
static void
conn_establish(struct conn *c)
{
	enum side lost = CLIENT;
	enum relay_state state;

	if (c->setup->upstream == NULL)
		log_line(LOG_LEVEL_CONNECT,
		    "Established connection to host \"%s\" using file "
		    "descriptor %d.",
		    c->setup->request.host, c->end[SERVER].fd);
	if (c->exchange != NULL) {
		forward_start(c);
		return;
	}
	c->status = 200;
	for (enum side side = CLIENT; side <= SERVER; side++)
		c->flow[side].bytes = c->flow[side].len;
	setup_free(c);
	conn_busy(c);
	conn_state(c, CONN_RELAY);
	if (send(c->end[CLIENT].fd, reply_established, reply_established_len,
		MSG_NOSIGNAL) != (ssize_t)reply_established_len) {
		conn_close(c, END_CLIENT_RESET);
		return;
	}
	state = relay_flush(c, CLIENT, &lost);
	if (state == RELAY_GOES_ON)
		state = relay_flush(c, SERVER, &lost);
	conn_relayed(c, state, lost);
}

static void
conn_relay(struct conn *c, enum side side, short revents)
{
	enum side lost;
	enum relay_state state = relay_ready(c, side, revents, &lost);

	conn_busy(c);
	conn_relayed(c, state, lost);
}

/* Looking up and connecting. */

static void
conn_dialled(struct conn *c, enum race_state state)
{
	if (state == RACE_LOST) {
		conn_unreached(c, c->setup->race.error);
	} else if (state == RACE_RUNS) {
		conn_state(c, CONN_CONNECT);
		conn_watch(c);
	} else {
		own_remember(c->end[SERVER].fd, &c->server);
		if (c->setup->upstream != NULL &&
		    (c->exchange == NULL ||
			c->setup->upstream->kind != UPSTREAM_HTTP))
			parent_ask(c);
		else
			conn_establish(c);
	}
}

/* Says in the log which line of the configuration has refused a target. */
static void
log_refused(const struct conn *c, const char *what, unsigned long line)
{
	if (line != 0)
		log_line(LOG_LEVEL_NOTICE, "%s %s: line %lu of %s", what,
		    c->target, line, k.conf->file);
	else
		log_line(LOG_LEVEL_NOTICE,
		    "%s %s: not a target for this client", what, c->target);
}

static void
refuse_name(struct conn *c, unsigned long line)
{
	log_refused(c, "Refused target", line);
	conn_refuse(
	    c, 403, "http_request_denied", "This target is not allowed.");
}

static void
refuse_address(struct conn *c, unsigned long line)
{
	log_refused(c, "Refused address of", line);
	conn_refuse(c, 403, "destination_ip_prohibited",
	    "The address of the target is not allowed.");
}

/*
 * Dials those of some addresses that may be dialled: just these.  A parent is
 * the administrator's choice, wherever it is.
 */
static void
conn_dial(struct conn *c, const struct addr *addrs, size_t n)
{
	const struct upstream *u = c->setup->upstream;
	struct addr allowed[ADDRS_MAX];
	size_t nallowed = 0;
	unsigned long line = 0;

	for (size_t i = 0; i < n; i++) {
		struct addr addr = addrs[i];

		addr.port = u != NULL ? u->port : c->setup->request.port;
		if (u != NULL || target_allowed(c, &addr, &line))
			allowed[nallowed++] = addr;
	}
	if (nallowed == 0) {
		refuse_address(c, line);
		return;
	}
	race_init(&c->setup->race, allowed, nallowed);
	conn_dialled(c, race_start(c, k.conf, loop_now()));
}

/* Begins to look up who is to be reached; some addresses need not be. */
static void
conn_reach(struct conn *c)
{
	const struct request *req = &c->setup->request;
	const struct upstream *u = c->setup->upstream;
	const struct addr *addrs = u != NULL ? &u->addr : &req->addr;
	size_t n = 1;

	if (u != NULL ? !u->literal : !req->literal)
		addrs = cache_find(reached_name(c), &n);
	if (addrs != NULL) {
		conn_dial(c, addrs, n);
		return;
	}
	conn_state(c, CONN_RESOLVE);
	conn_watch(c);
	resolve_ask(c, QUESTION_NAME, reached_name(c));
}

/* Parents. */

/*
 * Chooses who is to be reached: the next parent, or the target itself.  Each
 * parent gets its share of the time, so that the others get theirs.  Returns
 * whether there is anybody.
 */
static bool
parent_choose(struct conn *c)
{
	const struct upstreams *us = &k.conf->upstreams;
	struct setup *s = c->setup;
	const struct upstream *u = upstream_pick(us, &s->request, &s->tried);

	if (u == NULL)
		return false;
	s->upstream = NULL;
	if (u->kind == UPSTREAM_NONE)
		return true;
	s->upstream = u;
	s->give_up_at = loop_now() +
	    (reach_end(c) - loop_now()) /
		(1 + upstream_left(us, &s->request, s->tried));
	log_line(LOG_LEVEL_INFO, "Found upstream proxy %s %s:%u for %s",
	    upstream_kind(u), u->host, (unsigned)u->port, s->request.host);
	return true;
}

/*
 * Lets go of a parent that is of no use.  Returns whether another is tried;
 * none is when it was given a request, which it may have sent on.
 */
static bool
parent_failed(struct conn *c, const struct upstream *u, const char *why)
{
	struct setup *s = c->setup;

	log_line(LOG_LEVEL_WARNING,
	    "Could not connect to upstream proxy. (%s %s:%u: %s)",
	    upstream_kind(u), u->host, (unsigned)u->port, why);
	upstream_dead(&k.conf->upstreams, u);
	if (s == NULL || loop_now() >= reach_end(c) || !parent_choose(c))
		return false;
	resolve_cancel(c);
	race_end(&s->race);
	server_close(c);
	conn_reach(c);
	return true;
}

/* The tunnel through a parent stands; what it sent behind that is for us. */
static void
parent_agreed(struct conn *c)
{
	static const struct failure early = { 0, 502, "http_protocol_error",
		"has said something before it was asked." };
	const struct parent *p = c->setup->parent;
	size_t len = p->len - p->at;

	upstream_alive(&k.conf->upstreams, c->setup->upstream);
	if (len > 0 && c->exchange != NULL)
		conn_failed(c, &early, "get an answer from", early.what);
	else if (len > 0 && relay_keep(c, SERVER, p->bytes + p->at, len) != 0)
		conn_no_memory(c);
	else
		conn_establish(c);
}

/* Goes on with what is said to a parent. */
static void
parent_event(struct conn *c)
{
	struct parent *p = c->setup->parent;
	struct failure failure;

	switch (parent_talk(p, c->end[SERVER].fd)) {
	case PARENT_AGREED:
		parent_agreed(c);
		break;
	case PARENT_REFUSED:
		upstream_alive(&k.conf->upstreams, c->setup->upstream);
		log_line(LOG_LEVEL_NOTICE, "Upstream proxy %s refused %s: %s",
		    c->setup->upstream->host, c->target, p->error);
		conn_refuse(c, p->status, p->error, p->detail);
		break;
	case PARENT_BROKEN:
		failure = (struct failure){ 0, p->status, p->error, p->detail };
		conn_failed(c, &failure, "get a tunnel to", p->detail);
		break;
	default:
		conn_watch(c);
	}
}

/* A parent is connected: asks it for the tunnel. */
static void
parent_ask(struct conn *c)
{
	struct setup *s = c->setup;
	const struct upstream *u = s->upstream;

	log_parent(c);
	if (s->parent == NULL)
		s->parent = malloc(sizeof(*s->parent));
	if (s->parent == NULL) {
		conn_no_memory(c);
		return;
	}
	parent_begin(s->parent, u, &s->request, s->via != NULL ? s->via : "");
	conn_state(c, CONN_PARENT);
	parent_event(c);
}

/*
 * Whether a name may be asked of a parent, which looks it up: nobody here can
 * judge its addresses.
 */
static bool
parent_allowed(const struct conn *c, const struct target_rule **rule)
{
	const struct request *req = &c->setup->request;
	struct asker asker = conn_asker(c);

	return target_unresolved(&k.conf->targets, req->host, req->port, &asker,
		   rule) == ACL_ALLOW &&
	    acl_name(req->host, &c->client);
}

/* Sends a target to its parent, if it may go there. */
static void
parent_route(struct conn *c)
{
	const struct request *req = &c->setup->request;
	const struct target_rule *rule = NULL;
	unsigned long line;

	if (req->literal && !target_allowed(c, &req->addr, &line))
		refuse_address(c, line);
	else if (!req->literal && !parent_allowed(c, &rule))
		refuse_name(c, rule != NULL ? rule->line : 0);
	else
		conn_reach(c);
}

/*
 * Decides which way a target is reached.  A name that is denied whatever its
 * addresses are is not looked up.
 */
static void
conn_route(struct conn *c)
{
	const struct request *req = &c->setup->request;
	struct asker asker = conn_asker(c);
	const struct target_rule *rule;

	if (!req->literal &&
	    target_name(&k.conf->targets, req->host, req->port, &asker,
		&rule) == ACL_DENY) {
		refuse_name(c, rule != NULL ? rule->line : 0);
		return;
	}
	if (k.conf->upstreams.n > 0 && parent_choose(c) &&
	    c->setup->upstream != NULL) {
		parent_route(c);
		return;
	}
	if (k.conf->upstreams.n > 0)
		log_line(LOG_LEVEL_INFO, "No upstream proxy for %s", req->host);
	conn_reach(c);
}

static void
conn_unresolved(struct conn *c, int error)
{
	static const struct failure
	    late = { 0, 504, "dns_timeout",
		    "has a name that could not be looked up in time." },
	    none = { 0, 502, "dns_error; rcode=\"NXDOMAIN\"",
		    "has a name that does not resolve." },
	    other = { 0, 502, "dns_error",
		    "has a name that does not resolve." };
	const struct failure *f = error == EAI_NONAME ? &none : &other;

	if (error == EAI_AGAIN && loop_now() - c->since >= 1000)
		f = &late;
	conn_failed(c, f, "retrieve address info for", gai_strerror(error));
}

/* Takes the answer to what a connection has asked. */
void
conn_answer(struct conn *c, const struct answer *answer)
{
	const struct rule *rule;

	if (c->state == CONN_USER) {
		conn_checked(c, answer);
		return;
	}
	if (c->state == CONN_RESOLVE) {
		if (answer->error == 0 && answer->naddrs > 0)
			conn_dial(c, answer->addrs, answer->naddrs);
		else if (!resolve_ask_on(c))
			conn_unresolved(c, answer->error);
		return;
	}
	if (!answer->matches && resolve_ask_on(c))
		return;
	rule = &k.conf->rules[c->setup->rule];
	switch (acl_answer(rule, answer->matches, answer->error != 0)) {
	case ACL_ALLOW:
		conn_admit(c);
		break;
	case ACL_DENY:
		conn_deny(c);
		break;
	case ACL_ASK:
		c->setup->rule++;
		conn_judge(c);
	}
}

/* The request. */

static void
log_request(const struct conn *c, const char *head)
{
	const struct request *req = &c->setup->request;
	char target[512];

	if (!log_wants(LOG_LEVEL_CONNECT))
		return;
	log_escape(
	    target, sizeof(target), head + req->target.at, req->target.len);
	log_line(LOG_LEVEL_CONNECT,
	    "Request (file descriptor %d): %.*s %s %.8s", c->end[CLIENT].fd,
	    (int)(req->method.len < 40 ? req->method.len : 40),
	    head + req->method.at, target,
	    head + req->target.at + req->target.len + 1);
}

/* Whether the filter refuses a request, by its URL if it is to. */
static bool
is_filtered(const struct conn *c)
{
	const struct filter *f = &k.conf->filter;
	const struct request *req = &c->setup->request;
	unsigned long line;

	if (f->file == NULL || !f->urls || !req->plain)
		return filter_refuses(f, req->host, req->port, &line);
	filter_url(req->host, req->port, c->exchange->head + req->path.at,
	    req->path.len, url);
	return filter_refuses_url(f, url, &line);
}

/* The filter refuses a target: says so in tinyproxy's words. */
static void
conn_filtered(struct conn *c)
{
	const struct filter *f = &k.conf->filter;
	const struct request *req = &c->setup->request;
	char subject[SUBJECT_SIZE], escaped[512];

	filter_subject(f, req->host, req->port, subject);
	if (f->urls && req->plain)
		log_escape(escaped, sizeof(escaped), url, strlen(url));
	log_line(LOG_LEVEL_NOTICE, "Proxying refused on filtered %s \"%s\"",
	    f->urls ? "url" : "domain",
	    f->urls && req->plain ? escaped : subject);
	conn_refuse(c, 403, "http_request_denied", "This target is filtered.");
}

/* Answers a request for StatHost, which is no target. */
static void
conn_statistics(struct conn *c)
{
	struct stats stats;
	struct reply reply = { .status = 200, .stats = &stats };

	log_line(LOG_LEVEL_NOTICE, "Request for the stathost.");
	stats_sum(&stats);
	conn_reply(c, &reply);
}

/* Decides what the rules can decide before the target is looked up. */
static void
conn_permit(struct conn *c)
{
	const struct request *req = &c->setup->request;

	if (stats_asked(&k.conf->stat_host, req)) {
		conn_statistics(c);
		return;
	}
	if (!req->plain && !acl_port(k.conf, req->port)) {
		log_line(LOG_LEVEL_INFO, "Refused CONNECT method on port %u",
		    (unsigned)req->port);
		conn_refuse(c, 403, "http_request_denied",
		    "CONNECT to this port is not allowed.");
		return;
	}
	if (is_filtered(c)) {
		conn_filtered(c);
		return;
	}
	if (req->plain && forward_ends_here(c->exchange)) {
		forward_here(c);
		return;
	}
	conn_route(c);
}

/* Who asks. */

static void
conn_unauthorized(struct conn *c)
{
	conn_refuse(c, 407, "http_request_denied",
	    "This proxy wants a user name and a password.");
}

/*
 * The credentials are wrong.  That is worth a line; but not that there are
 * none, since that is how the first request of most clients looks like.
 */
static void
conn_mistrust(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_INFO,
	    "Failed auth attempt (file descriptor: %d), ip %s",
	    c->end[CLIENT].fd, addr_text(&c->client, client));
	conn_unauthorized(c);
}

/* Whether the credentials are right could not be found out. */
static void
conn_unchecked(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_WARNING,
	    "Could not check the password of \"%s\" in time",
	    addr_text(&c->client, client));
	conn_refuse(c, 503, "proxy_internal_error",
	    "The proxy could not check the password in time.");
}

/* The desk has said whether the credentials are right. */
static void
conn_checked(struct conn *c, const struct answer *answer)
{
	if (auth_end(c, k.conf, answer)) {
		auth_forget(c);
		conn_permit(c);
	} else if (answer->error != 0) {
		conn_unchecked(c);
	} else {
		conn_mistrust(c);
	}
}

/* Judges the credentials, or asks those who can. */
static void
conn_check(struct conn *c)
{
	bool crowded;

	switch (auth_check(c, k.conf)) {
	case ACL_ALLOW:
		auth_forget(c);
		conn_permit(c);
		break;
	case ACL_DENY:
		conn_mistrust(c);
		break;
	case ACL_ASK:
		crowded = auth_crowded(c);
		conn_state(c, CONN_USER);
		conn_watch(c);
		if (!crowded)
			resolve_ask_user(c);
	}
}

/* Has the credentials judged, now or after the time that befits the client. */
static void
conn_attempt(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];

	switch (auth_delay(c, k.conf)) {
	case AUTH_NOW:
		conn_check(c);
		break;
	case AUTH_LATER:
		conn_state(c, CONN_USER);
		conn_watch(c);
		break;
	case AUTH_NEVER:
		log_line(LOG_LEVEL_INFO,
		    "Too many passwords of \"%s\" wait to be checked",
		    addr_text(&c->client, client));
		conn_refuse(c, 429, "http_request_denied",
		    "There were too many wrong passwords from your address.");
	}
}

/* A head shall not keep credentials. */
static void
credentials_wipe(const struct conn *c, char *head)
{
	const struct slice *s = &c->setup->request.credentials;

	secret_wipe(head + s->at, s->len);
}

/* Finds out who asks, where that matters. */
static void
conn_identify(struct conn *c, char *head)
{
	const struct request *req = &c->setup->request;
	const struct slice *s = &req->credentials;
	enum verdict verdict = ACL_ALLOW;

	if (auth_wanted(k.conf) && !req->has_credentials) {
		conn_unauthorized(c);
		return;
	}
	if (auth_wanted(k.conf))
		verdict = auth_begin(c, k.conf, head + s->at, s->len);
	credentials_wipe(c, head);
	switch (verdict) {
	case ACL_ALLOW:
		conn_permit(c);
		break;
	case ACL_DENY:
		conn_mistrust(c);
		break;
	case ACL_ASK:
		if (c->setup->credentials != NULL)
			conn_attempt(c);
		else
			conn_no_memory(c);
	}
}

/* Whether a request comes from this very proxy, by whatever way. */
static bool
is_loop(const struct conn *c, const char *head)
{
	return own_made(&c->client) || own_via(&c->setup->request, head);
}

static void
refuse_loop(struct conn *c, char *head)
{
	char client[ADDR_TEXT_SIZE];

	credentials_wipe(c, head);
	log_line(LOG_LEVEL_CONNECT,
	    "Prevented endless loop (file descriptor %d): %s",
	    c->end[CLIENT].fd, addr_text(&c->client, client));
	conn_refuse(c, 502, "proxy_loop_detected",
	    "The request has come back to the proxy that sent it.");
}

/*
 * Whether a client may stay that only might ask for more: not when half of the
 * places are taken, since all may be needed for those who do ask.
 */
static bool
has_room(void)
{
	const struct share *share = k.args->share;
	size_t nslots = atomic_load(&share->nslots);
	unsigned long total = 0;

	if (k.draining || k.count > k.args->max_conns / 2)
		return false;
	if (k.conf->max_clients == 0)
		return true;
	for (size_t i = 0; i < nslots && i < SLOTS_MAX; i++)
		total += atomic_load(&share->slots[i].clients);
	return total <= k.conf->max_clients / 2;
}

/* Keeps what is needed of a request later.  Returns 0, or -1 with ENOMEM. */
static int
request_keep(struct conn *c, const char *head, size_t len)
{
	const struct request *req = &c->setup->request;

	if (req->plain) {
		c->exchange = forward_new(req, head, len);
		if (c->exchange == NULL)
			return -1;
		c->exchange->keep = c->exchange->keep && has_room();
		return 0;
	}
	if (len > req->length &&
	    relay_keep(c, CLIENT, head + req->length, len - req->length) != 0)
		return -1;
	return k.conf->upstreams.n == 0
	    ? 0
	    : own_via_field(&c->setup->via, req, head);
}

/*
 * The head is complete: keeps what is needed of it later and what came behind
 * it, and finds out who asks.
 */
static void
conn_decide(struct conn *c, char *head, size_t len)
{
	stats_count(TALLY_REQUESTS);
	log_request(c, head);
	if (is_loop(c, head))
		refuse_loop(c, head);
	else if (request_keep(c, head, len) != 0)
		conn_no_memory(c);
	else
		conn_identify(c, head);
}

static void
conn_bad_request(struct conn *c, char *head, size_t len)
{
	static char line[REQUEST_LINE_MAX + 1];
	const struct request *req = &c->setup->request;
	struct reply reply = { .status = req->status,
		.error = "http_request_error",
		.detail = req->why,
		.request = req->line.len > 0 ? line : NULL };
	char client[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_NOTICE, "Refused request from \"%s\": %s",
	    addr_text(&c->client, client), req->why);
	snprintf(line, sizeof(line), "%.*s", (int)req->line.len,
	    head + req->line.at);
	secret_wipe(head, len);
	conn_reply(c, &reply);
}

/*
 * Remembers an incomplete head, and sees to it that there is room for more.
 * Most heads come in one piece and never get here.  There may be credentials
 * in it, so that no copy is left behind.
 */
static int
head_keep(struct setup *s, char *head, size_t len)
{
	size_t size = s->head_size == 0 ? HEAD_SIZE_MIN : s->head_size;
	char *grown;

	while (size <= len)
		size *= 2;
	if (size > sizeof(head_buffer))
		size = sizeof(head_buffer);
	if (size != s->head_size) {
		grown = malloc(size);
		if (grown == NULL)
			return -1;
		memcpy(grown, head, len);
		secret_wipe(head, len);
		free(s->head);
		s->head = grown;
		s->head_size = size;
	}
	s->head_len = len;
	return 0;
}

/* The request target as it was sent, for logs and pages. */
static int
target_keep(struct conn *c, const char *head)
{
	const struct request *req = &c->setup->request;

	c->target = malloc(req->target.len + 1);
	if (c->target == NULL)
		return -1;
	memcpy(c->target, head + req->target.at, req->target.len);
	c->target[req->target.len] = '\0';
	c->minor = head[req->line.at + req->line.len - 1];
	return 0;
}

static void
conn_head(struct conn *c, char *head, size_t len)
{
	struct setup *s = c->setup;
	enum parse_result result = parse_head(&s->request, head, len);

	if (result == PARSE_BAD) {
		conn_bad_request(c, head, len);
	} else if (result == PARSE_OK && target_keep(c, head) == 0) {
		conn_decide(c, head, len);
	} else if (result == PARSE_OK || head_keep(s, head, len) != 0) {
		conn_no_memory(c);
	} else {
		conn_watch(c);
	}
}

/* A client that was served before asks for more. */
static void
request_again(struct conn *c)
{
	c->recorded = false;
	c->began = loop_now();
	conn_state(c, CONN_REQUEST);
}

/* Reads what there is of a request head. */
static void
conn_request(struct conn *c)
{
	struct setup *s = c->setup;
	char *head;
	size_t size;
	ssize_t n;

	/* A client that waits between two requests has none. */
	if (s == NULL && setup_new(c) != 0) {
		conn_close(c, END_CLIENT_LEFT);
		return;
	}
	s = c->setup;
	head = s->head != NULL ? s->head : head_buffer;
	size = s->head != NULL ? s->head_size : sizeof(head_buffer);
	n = recv(c->end[CLIENT].fd, head + s->head_len, size - s->head_len, 0);
	if (n > 0 && c->recorded)
		request_again(c);
	if (n > 0)
		conn_head(c, head, s->head_len + (size_t)n);
	else if (n < 0 && (errno == EAGAIN || errno == EINTR))
		conn_watch(c);
	else if (n == 0 && s->head_len > 0)
		conn_refuse(c, 400, "http_request_error",
		    "The request head is incomplete.");
	else
		conn_close(c, END_CLIENT_LEFT);
}

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
		n = recv(c->end[CLIENT].fd, &byte, 1, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (gone || n < 0) {
		conn_close(c, END_CLIENT_LEFT);
		return;
	}
	c->setup->deaf = true;
	if (n == 0 && !relay_holds(c, CLIENT) && c->exchange == NULL) {
		c->setup->left_at = loop_now() + LEAVE_TIME;
		conn_state(c, c->state);
	}
	conn_watch(c);
}

/* Client rules. */

static void
conn_admit(struct conn *c)
{
	c->setup->deaf = false;
	c->setup->left_at = 0;
	conn_state(c, CONN_REQUEST);
	conn_request(c);
}

/* Refuses a client because of the rule that is next, or as none matches. */
static void
conn_deny(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];
	size_t rule = c->setup->rule;

	addr_text(&c->client, client);
	log_line(
	    LOG_LEVEL_NOTICE, "Unauthorized connection from \"%s\".", client);
	if (rule < k.conf->nrules)
		log_line(LOG_LEVEL_INFO, "Refused client %s: line %lu of %s",
		    client, k.conf->rules[rule].line, k.conf->file);
	else
		log_line(LOG_LEVEL_INFO, "Refused client %s: no rule matches",
		    client);
	conn_refuse(c, 403, "http_request_denied",
	    "This proxy does not serve your address.");
}

/*
 * The verdict of the rules for clients, from the one that is next; ACL_ASK when
 * the answer to one of them, the next then, is not known.
 */
static enum verdict
conn_verdict(struct conn *c)
{
	size_t *at = &c->setup->rule;
	const struct rule *rule;
	enum verdict verdict;
	bool matches;

	while ((verdict = acl_client(k.conf, &c->client, at)) == ACL_ASK) {
		rule = &k.conf->rules[*at];
		if (!cache_find_client(rule->name, &c->client, &matches))
			break;
		if (matches)
			return rule->allow ? ACL_ALLOW : ACL_DENY;
		(*at)++;
	}
	return verdict;
}

/* Goes on with the rules for clients. */
static void
conn_judge(struct conn *c)
{
	switch (conn_verdict(c)) {
	case ACL_ALLOW:
		conn_admit(c);
		break;
	case ACL_DENY:
		conn_deny(c);
		break;
	case ACL_ASK:
		conn_state(c, CONN_RULE);
		conn_watch(c);
		resolve_ask(
		    c, QUESTION_CLIENT, k.conf->rules[c->setup->rule].name);
	}
}

/* Events. */

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
		conn_request(c);
		break;
	case CONN_RESOLVE:
	case CONN_CONNECT:
		if (which >= ATTEMPT)
			conn_dialled(c,
			    race_event(c, k.conf, which, revents, loop_now()));
		else
			conn_early(c, revents);
		break;
	case CONN_PARENT:
		if (which == SERVER)
			parent_event(c);
		else
			conn_early(c, revents);
		break;
	case CONN_FORWARD:
		conn_busy(c);
		forward_goes_on(c, forward_ready(c, (enum side)which, revents));
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
	static const struct failure silence = { 0, 504, "http_response_timeout",
		"did not answer in time." };
	int64_t life = k.conf->tunnel_timeout * INT64_C(1000);

	if (c->setup != NULL && c->setup->left_at != 0 &&
	    loop_now() >= c->setup->left_at) {
		conn_close(c, END_CLIENT_LEFT);
		return;
	}
	switch (c->state) {
	case CONN_RULE:
		conn_deny(c);
		break;
	case CONN_REQUEST:
		if (c->recorded)
			conn_close(c, END_CLOSED);
		else
			conn_refuse(c, 408, "http_request_error",
			    "The request head did not come in time.");
		break;
	case CONN_USER:
		if (c->setup->list != NULL ||
		    loop_now() >= c->setup->credentials->until)
			conn_unchecked(c);
		else
			conn_attempt(c);
		break;
	case CONN_RESOLVE:
		conn_unresolved(c, EAI_AGAIN);
		break;
	case CONN_CONNECT:
		if (loop_now() >= reach_until(c))
			conn_unreached(c, ETIMEDOUT);
		else
			conn_dialled(c, race_start(c, k.conf, loop_now()));
		break;
	case CONN_PARENT:
		conn_failed(c, &silence, "get a tunnel to", "no answer");
		break;
	case CONN_FORWARD:
		forward_expire(c);
		break;
	case CONN_RELAY:
		if (loop_now() - c->active >= k.conf->timeout * INT64_C(1000))
			conn_close(c, END_IDLE);
		else if (life != 0 && loop_now() - c->since >= life)
			conn_close(c, END_LIFETIME);
		else
			conn_resume(c);
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

/* The limits for one client address. */

/* Says of which limits clients are over, once a minute for each of the two. */
static void
complain_of_host(enum limit limit, const struct addr *addr)
{
	int64_t *complained = &k.complained[limit];
	char client[ADDR_TEXT_SIZE];

	if (*complained != 0 && loop_now() - *complained < COMPLAIN_TIME)
		return;
	*complained = loop_now();
	if (limit == LIMIT_CLIENTS)
		log_line(LOG_LEVEL_WARNING,
		    "Too many connections from \"%s\": MaxClientsPerHost is "
		    "%u.",
		    addr_text(addr, client), k.conf->max_clients_per_host);
	else
		log_line(LOG_LEVEL_WARNING,
		    "Too many new connections from \"%s\": MaxRatePerHost is "
		    "%u.",
		    addr_text(addr, client), k.conf->max_rate_per_host);
}

/* Counts a new client, and says which limit it is over. */
static enum limit
limit_check(const struct addr *client, bool *counted)
{
	const struct conf *conf = k.conf;
	enum limit limit = LIMIT_NONE;

	*counted = false;
	if (conf->max_rate_per_host != 0 &&
	    quota_take(QUOTA_CONNECTIONS, client) > 0)
		limit = LIMIT_RATE;
	else if (conf->max_clients_per_host != 0 &&
	    !quota_enter(client, counted))
		limit = LIMIT_CLIENTS;
	if (limit != LIMIT_NONE)
		complain_of_host(limit, client);
	return limit;
}

/* Gets rid of a client for which even an answer is too much. */
static void
limit_drop(int fd, const struct addr *client)
{
	static const struct addr nowhere;
	const struct record record = { .client = client,
		.dialled = &nowhere,
		.reason = "connection_limit_reached" };

	stats_count(TALLY_REFUSED);
	log_access(&record);
	close(fd);
}

/*
 * Answers a client that is over a limit.  One that the rules deny whatever its
 * name is hears of that; nobody is looked up for it.
 */
static void
limit_refuse(struct conn *c)
{
	size_t rule = 0;

	if (acl_client(k.conf, &c->client, &rule) == ACL_DENY)
		conn_deny(c);
	else
		conn_refuse(c, 503, "connection_limit_reached",
		    "There are too many connections from your address.");
}

/* New clients. */

/* Sets what a listening socket does not hand down to those it accepts. */
static void
client_options(int fd)
{
	int on = 1;

	if (sys_accept_inherits())
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	socket_linger(fd, false);
}

/*
 * Begins a connection.  The limits come first, since they make a flood cheap;
 * of those above them, most get no answer, so that they do not hold places.
 */
static void
client_begin(int fd, const struct addr *client)
{
	bool counted;
	enum limit limit = limit_check(client, &counted);
	char text[ADDR_TEXT_SIZE];
	struct conn *c;

	if (limit != LIMIT_NONE && quota_take(QUOTA_REFUSALS, client) > 0) {
		limit_drop(fd, client);
		return;
	}
	c = conn_new(fd, client);
	if (c == NULL) {
		if (counted)
			quota_leave(client);
		close(fd);
		return;
	}
	c->counted = counted;
	if (log_wants(LOG_LEVEL_CONNECT))
		log_line(LOG_LEVEL_CONNECT, "Connect (file descriptor %d): %s",
		    fd, addr_text(client, text));
	if (limit != LIMIT_NONE)
		limit_refuse(c);
	else
		conn_judge(c);
}

/* Takes a client that was accepted; the descriptor is the connection's. */
void
conn_accepted(int fd, const struct sockaddr_storage *from)
{
	struct addr client;

	addr_from_sockaddr(&client, from);
	client_options(fd);
	client_begin(fd, &client);
}

/* Lets parked tunnels that woke go on. */
void
conn_wake_parked(void)
{
	struct conn *woken[WOKEN_MAX];
	size_t n = lot_woken(woken, WOKEN_MAX);

	for (size_t i = 0; i < n; i++) {
		conn_busy(woken[i]);
		conn_watch(woken[i]);
	}
}

static void
conn_park(struct conn *c)
{
	const int events[2] = { conn_events(c, CLIENT),
		conn_events(c, SERVER) };

	if (lot_park(c, events) != 0)
		return;
	if (loop_now() - c->active >= PARK_AFTER)
		relay_quiet(c);
	watch_remove(&c->end[CLIENT].slot);
	watch_remove(&c->end[SERVER].slot);
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
	return loop_now() - c->active >= PARK_AFTER ||
	    (lot_fd() >= 0 && k.turn - c->turn >= PARK_TURNS);
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
	    (loop_now() < k.park_at && k.turn - k.looked < PARK_TURNS))
		return;
	k.looked = k.turn;
	for (size_t i = watch_count(); i-- > 0;) {
		struct conn *c = watch_conn(i);

		if (c == NULL || !is_parkable(c))
			continue;
		if (is_quiet(c))
			conn_park(c);
		else
			busy = true;
	}
	k.park_at = busy ? loop_now() + PARK_AFTER / 2 : -1;
	if (!busy)
		pipe_rest();
}

/* When conn_park_quiet() has something to look for, or -1. */
int64_t
conn_park_at(void)
{
	return k.park_at;
}

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
