/* SPDX-License-Identifier: ISC */
/*
 * A connection's life: its states, what it waits for in each, its deadlines,
 * and its end, from the moment it is accepted to its line in the access log.
 * Nothing that a peer does ends the worker; it ends that peer's connection.
 * Nothing here blocks.
 *
 *     RULE -> REQUEST -> RESOLVE -> CONNECT -> RELAY -> FLUSH
 *                  any but the last two -> LINGER
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy.h"

enum {
	HEAD_SIZE_MIN = 1024 /* bytes for a head that comes in pieces */
};

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
} k;

static char head_buffer[HEAD_MAX + 1];

static void conn_close(struct conn *, enum ending);
static void conn_dialled(struct conn *, enum race_state);
static void conn_judge(struct conn *);
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
	k.conns = calloc(args->max_conns, sizeof(*k.conns));
	return k.conns == NULL ? -1 : 0;
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

/* The addresses of connections. */

/*
 * Whether an address and port are a listening socket of this proxy.  When it
 * listens everywhere, an address of this machine is one that a socket can be
 * bound to.
 */
static bool
is_own_socket(const struct addr *target)
{
	static const struct addr any4 = { .ip = { [10] = 0xff, 0xff } };
	static const struct addr any6;
	struct sockaddr_storage ss;
	struct addr addr = *target;
	const void *sa = &ss;
	bool wild = false, own;
	int fd;

	for (size_t i = 0; i < k.args->nlisteners; i++) {
		const struct addr *at = &k.args->listening[i];

		if (at->port != target->port)
			continue;
		if (addr_same_ip(at, target))
			return true;
		wild =
		    wild || addr_same_ip(at, &any4) || addr_same_ip(at, &any6);
	}
	if (!wild)
		return false;
	addr.port = 0;
	addr_to_sockaddr(&addr, &ss);
	fd = socket(ss.ss_family, SOCK_DGRAM, 0);
	own = fd < 0 || bind(fd, sa, addr_to_sockaddr(&addr, &ss)) == 0;
	if (fd >= 0)
		close(fd);
	return own;
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
	const struct target_rule *rule;

	*line = 0;
	if (acl_target(k.conf, req->literal ? NULL : req->host, target,
		&c->client, &rule))
		return !is_own_socket(target);
	if (rule != NULL && !rule->allow)
		*line = rule->line;
	return false;
}

/* Connections and their descriptors. */

static struct conn *
conn_new(int fd, const struct sockaddr_storage *from)
{
	struct conn *c = k.free;

	if (c != NULL)
		k.free = c->next_free;
	else
		c = &k.conns[k.used++];
	memset(c, 0, sizeof(*c));
	c->setup = calloc(1, sizeof(*c->setup));
	if (c->setup == NULL) {
		c->next_free = k.free;
		k.free = c;
		return NULL;
	}
	k.unsettled++;
	c->end[CLIENT] = (struct end){ .fd = fd, .slot = -1 };
	c->end[SERVER] = (struct end){ .fd = -1, .slot = -1 };
	c->began = loop_now();
	addr_from_sockaddr(&c->client, from);
	k.count++;
	return c;
}

/* What an end of a connection is watched for: -1, it is not. */
static int
conn_events(const struct conn *c, enum side side)
{
	if (c->end[side].fd < 0)
		return -1;
	if (c->state == CONN_RELAY) {
		short events = relay_events(c, side);

		return events == 0 && c->end[side].hung_up ? -1 : events;
	}
	if (c->state == CONN_FLUSH && side == c->lost)
		return -1;
	if (c->state == CONN_FLUSH)
		return relay_holds(c, c->lost) ? POLLOUT
		    : c->end[side].hung_up     ? -1
					       : 0;
	if (side == SERVER)
		return -1;
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
	free(c->setup->head);
	free(c->setup);
	c->setup = NULL;
	k.unsettled--;
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

	/* The look-up and the connect have one time between them. */
	if (state != c->state &&
	    !(c->state == CONN_RESOLVE && state == CONN_CONNECT))
		c->since = loop_now();
	c->state = state;
	switch (state) {
	case CONN_REQUEST:
		when = c->began + conf->header_timeout * INT64_C(1000);
		break;
	case CONN_CONNECT:
		when = c->since + conf->connect_timeout * INT64_C(1000);
		if (c->setup->race.next_at < when)
			when = c->setup->race.next_at;
		break;
	case CONN_RELAY:
		when = c->active + conf->timeout * INT64_C(1000);
		if (conf->tunnel_timeout != 0 &&
		    c->since + conf->tunnel_timeout * INT64_C(1000) < when)
			when = c->since + conf->tunnel_timeout * INT64_C(1000);
		break;
	case CONN_FLUSH:
		/* No event tells of it; the looks become rarer. */
		when = loop_now() + FLUSH_CHECK + (loop_now() - c->since) / 2;
		break;
	case CONN_LINGER:
		when = c->since + LINGER_TIME;
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
		[END_CLIENT_RESET] = "client_reset",
		[END_SERVER_RESET] = "server_reset",
		[END_CLIENT_LEFT] = "client_left",
		[END_IDLE] = "idle",
		[END_LIFETIME] = "lifetime",
		[END_DRAINED] = "drained",
		[END_STOPPED] = "stopped" };
	struct record record = {
		.client = &c->client,
		.user = c->user != NULL ? c->user->name : NULL,
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

/*
 * Ends a connection, frees all it owns and writes its record.  A tunnel that
 * did not end by itself is reset on both sides, so that what was cut off does
 * not look complete to anybody.
 */
static void
conn_close(struct conn *c, enum ending ending)
{
	bool tunnel = c->state == CONN_RELAY || c->state == CONN_FLUSH;
	bool reset = tunnel && ending != END_CLOSED;

	conn_record(c, ending);
	if (tunnel)
		log_line(LOG_LEVEL_INFO,
		    "Closed connection between local client (fd:%d) and "
		    "remote client (fd:%d)",
		    c->end[CLIENT].fd, c->end[SERVER].fd);
	lot_leave(c);
	setup_free(c);
	relay_free(c);
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

/* Refusing. */

/*
 * Answers with an error, and lets the client read it: RFC 9112 9.6.  What the
 * client has sent behind its request goes nowhere, RFC 9931.
 */
static void
conn_refuse(struct conn *c, int status, const char *error, const char *detail)
{
	char reply[REPLY_SIZE];
	size_t len =
	    reply_make(reply, status, error, detail, c->target, k.conf->realm);

	c->status = status;
	c->error = error;
	setup_free(c);
	relay_free(c);
	if (send(c->end[CLIENT].fd, reply, len, MSG_NOSIGNAL) != (ssize_t)len ||
	    shutdown(c->end[CLIENT].fd, SHUT_WR) != 0) {
		conn_close(c, END_REFUSED);
		return;
	}
	conn_state(c, CONN_LINGER);
	conn_watch(c);
}

static void
conn_no_memory(struct conn *c)
{
	conn_refuse(
	    c, 500, "proxy_internal_error", "The proxy has no memory left.");
}

/* Throws away what a refused client still sends, until it closes. */
static void
conn_linger(struct conn *c)
{
	ssize_t n =
	    recv(c->end[CLIENT].fd, head_buffer, sizeof(head_buffer), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		conn_close(c, END_REFUSED);
}

/* Says in the log, and to the client, that the target cannot be had. */
static void
refuse_target(struct conn *c, int status, const char *error, const char *what,
    const char *why, const char *detail)
{
	log_line(LOG_LEVEL_ERROR, "opensock: Could not %s %s: %s", what,
	    c->target, why);
	conn_refuse(c, status, error, detail);
}

/* No address of the target can be had; it may have others by now. */
static void
refuse_race(struct conn *c, int error)
{
	static const struct failure {
		int error, status;
		const char *type, *detail;
	} failures[] = { { ECONNREFUSED, 502, "connection_refused",
			     "The target refused the connection." },
		{ ECONNRESET, 502, "connection_refused",
		    "The target refused the connection." },
		{ ETIMEDOUT, 504, "connection_timeout",
		    "The target did not answer in time." },
		{ ENETUNREACH, 502, "destination_ip_unroutable",
		    "There is no route to the target." },
		{ EHOSTUNREACH, 502, "destination_ip_unroutable",
		    "There is no route to the target." },
		{ ENETDOWN, 502, "destination_ip_unroutable",
		    "There is no route to the target." },
		{ EACCES, 502, "destination_ip_unroutable",
		    "There is no route to the target." },
		{ EPERM, 502, "destination_ip_unroutable",
		    "There is no route to the target." },
		{ EINVAL, 502, "destination_ip_unroutable",
		    "There is no route to the target." },
		{ EADDRNOTAVAIL, 502, "destination_ip_unroutable",
		    "There is no way to the target from here." },
		{ EAFNOSUPPORT, 502, "destination_ip_unroutable",
		    "There is no way to the target from here." },
		{ EMFILE, 503, "connection_limit_reached",
		    "The proxy has no descriptor left." },
		{ ENFILE, 503, "connection_limit_reached",
		    "The proxy has no descriptor left." },
		{ 0, 500, "proxy_internal_error",
		    "The proxy could not connect." } };
	const struct failure *f = failures;

	cache_forget(c->setup->request.host);
	while (f->error != error && f->error != 0)
		f++;
	refuse_target(c, f->status, f->type, "establish a connection to",
	    strerror(error), f->detail);
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
	if (state == RELAY_DONE)
		conn_close(c, END_CLOSED);
	else if (state == RELAY_LOST)
		conn_lost(c, lost);
	else
		conn_watch(c);
}

/* The server is connected: says so, and hands over what came early. */
static void
conn_establish(struct conn *c)
{
	enum side lost = CLIENT;

	log_line(LOG_LEVEL_CONNECT,
	    "Established connection to host \"%s\" using file descriptor %d.",
	    c->setup->request.host, c->end[SERVER].fd);
	c->status = 200;
	c->flow[CLIENT].bytes = c->flow[CLIENT].len;
	setup_free(c);
	conn_busy(c);
	conn_state(c, CONN_RELAY);
	if (send(c->end[CLIENT].fd, reply_established, reply_established_len,
		MSG_NOSIGNAL) != (ssize_t)reply_established_len)
		conn_close(c, END_CLIENT_RESET);
	else
		conn_relayed(c, relay_flush(c, CLIENT, &lost), lost);
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
	if (state == RACE_WON) {
		conn_establish(c);
	} else if (state == RACE_LOST) {
		refuse_race(c, c->setup->race.error);
	} else {
		conn_state(c, CONN_CONNECT);
		conn_watch(c);
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

/* Dials those of some addresses that may be dialled: just these. */
static void
conn_dial(struct conn *c, const struct addr *addrs, size_t n)
{
	struct addr allowed[ADDRS_MAX];
	size_t nallowed = 0;
	unsigned long line = 0;

	for (size_t i = 0; i < n; i++) {
		struct addr addr = addrs[i];

		addr.port = c->setup->request.port;
		if (target_allowed(c, &addr, &line))
			allowed[nallowed++] = addr;
	}
	if (nallowed == 0) {
		log_refused(c, "Refused address of", line);
		conn_refuse(c, 403, "destination_ip_prohibited",
		    "The address of the target is not allowed.");
		return;
	}
	race_init(&c->setup->race, allowed, nallowed);
	conn_dialled(c, race_start(c, k.conf, loop_now()));
}

/*
 * Begins to look the target up.  A name that is denied whatever its addresses
 * are is not looked up, and some addresses need not be.
 */
static void
conn_resolve(struct conn *c)
{
	const struct request *req = &c->setup->request;
	const struct target_rule *rule;
	const struct addr *addrs = &req->addr;
	size_t n = 1;

	if (!req->literal) {
		if (target_name(&k.conf->targets, req->host, req->port,
			&rule) == ACL_DENY) {
			log_refused(
			    c, "Refused target", rule != NULL ? rule->line : 0);
			conn_refuse(c, 403, "http_request_denied",
			    "This target is not allowed.");
			return;
		}
		addrs = cache_find(req->host, &n);
	}
	if (addrs != NULL) {
		conn_dial(c, addrs, n);
		return;
	}
	conn_state(c, CONN_RESOLVE);
	conn_watch(c);
	resolve_ask(c, QUESTION_NAME, req->host);
}

static void
conn_unresolved(struct conn *c, int error)
{
	bool late = error == EAI_AGAIN && loop_now() - c->since >= 1000;

	if (late)
		refuse_target(c, 504, "dns_timeout",
		    "retrieve address info for", gai_strerror(error),
		    "The name of the target could not be looked up in time.");
	else
		refuse_target(c, 502,
		    error == EAI_NONAME ? "dns_error; rcode=\"NXDOMAIN\""
					: "dns_error",
		    "retrieve address info for", gai_strerror(error),
		    "The name of the target does not resolve.");
}

/* Takes the answer to what a connection has asked. */
void
conn_answer(struct conn *c, const struct answer *answer)
{
	const struct rule *rule;

	if (c->state == CONN_RESOLVE) {
		if (answer->error == 0 && answer->naddrs > 0)
			conn_dial(c, answer->addrs, answer->naddrs);
		else if (!resolve_ask_on(c))
			conn_unresolved(c, answer->error);
		return;
	}
	if (!answer->matches && resolve_ask_on(c))
		return;
	/* A Deny that nobody can judge denies. */
	rule = &k.conf->rules[c->setup->rule++];
	if (answer->matches && rule->allow)
		conn_admit(c);
	else if (answer->matches || (answer->error != 0 && !rule->allow))
		conn_deny(c);
	else
		conn_judge(c);
}

/* The request. */

/* Whether the client has proved to be one of the users. */
static bool
credentials_hold(struct conn *c, const char *head)
{
	const struct slice *s = &c->setup->request.credentials;
	char user[CREDENTIAL_SIZE], password[CREDENTIAL_SIZE];

	if (k.conf->nusers == 0)
		return true;
	if (parse_basic(head + s->at, s->len, user, password) == 0)
		c->user = acl_user(k.conf, user, password);
	return c->user != NULL;
}

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
	    "Request (file descriptor %d): CONNECT %s %.8s", c->end[CLIENT].fd,
	    target, head + req->target.at + req->target.len + 1);
}

/* Decides what the rules can decide before the target is looked up. */
static void
conn_permit(struct conn *c)
{
	const struct request *req = &c->setup->request;

	if (!acl_port(k.conf, req->port)) {
		log_line(LOG_LEVEL_INFO, "Refused CONNECT method on port %u",
		    (unsigned)req->port);
		conn_refuse(c, 403, "http_request_denied",
		    "CONNECT to this port is not allowed.");
		return;
	}
	conn_resolve(c);
}

static void
conn_unauthorized(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_INFO,
	    "Failed auth attempt (file descriptor: %d), ip %s",
	    c->end[CLIENT].fd, addr_text(&c->client, client));
	conn_refuse(c, 407, "http_request_denied",
	    "This proxy wants a user name and a password.");
}

/* The head is complete: keeps what came behind it, and finds out who asks. */
static void
conn_decide(struct conn *c, const char *head, size_t len)
{
	const struct request *req = &c->setup->request;

	log_request(c, head);
	if (len > req->length &&
	    relay_keep(c, CLIENT, head + req->length, len - req->length) != 0)
		conn_no_memory(c);
	else if (credentials_hold(c, head))
		conn_permit(c);
	else
		conn_unauthorized(c);
}

static void
conn_bad_request(struct conn *c)
{
	const struct request *req = &c->setup->request;
	char client[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_NOTICE, "Refused request from \"%s\": %s",
	    addr_text(&c->client, client), req->why);
	conn_refuse(c, req->status, "http_request_error", req->why);
}

/*
 * Remembers an incomplete head, and sees to it that there is room for more.
 * Most heads come in one piece and never get here.
 */
static int
head_keep(struct setup *s, const char *head, size_t len)
{
	size_t size = s->head_size == 0 ? HEAD_SIZE_MIN : s->head_size;
	char *grown;

	while (size <= len)
		size *= 2;
	if (size > sizeof(head_buffer))
		size = sizeof(head_buffer);
	if (size != s->head_size) {
		grown = realloc(s->head, size);
		if (grown == NULL)
			return -1;
		if (s->head == NULL)
			memcpy(grown, head, len);
		s->head = grown;
		s->head_size = size;
	}
	s->head_len = len;
	return 0;
}

/* The request target as it was sent, for the logs. */
static int
target_keep(struct conn *c, const char *head)
{
	const struct request *req = &c->setup->request;

	c->target = malloc(req->target.len + 1);
	if (c->target == NULL)
		return -1;
	memcpy(c->target, head + req->target.at, req->target.len);
	c->target[req->target.len] = '\0';
	return 0;
}

static void
conn_head(struct conn *c, const char *head, size_t len)
{
	struct setup *s = c->setup;
	enum parse_result result = parse_head(&s->request, head, len);

	if (result == PARSE_BAD)
		conn_bad_request(c);
	else if (result == PARSE_OK && target_keep(c, head) == 0)
		conn_decide(c, head, len);
	else if (result == PARSE_OK || head_keep(s, head, len) != 0)
		conn_no_memory(c);
	else
		conn_watch(c);
}

/* Reads what there is of a request head. */
static void
conn_request(struct conn *c)
{
	struct setup *s = c->setup;
	char *head = s->head != NULL ? s->head : head_buffer;
	size_t size = s->head != NULL ? s->head_size : sizeof(head_buffer);
	ssize_t n;

	n = recv(c->end[CLIENT].fd, head + s->head_len, size - s->head_len, 0);
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
	if (n == 0 && !relay_holds(c, CLIENT)) {
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

static void
conn_deny(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_NOTICE, "Unauthorized connection from \"%s\".",
	    addr_text(&c->client, client));
	conn_refuse(c, 403, "http_request_denied",
	    "This proxy does not serve your address.");
}

/* Goes on with the rules for clients, from the one that is next. */
static void
conn_judge(struct conn *c)
{
	switch (acl_client(k.conf, &c->client, &c->setup->rule)) {
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
		conn_refuse(c, 408, "http_request_error",
		    "The request head did not come in time.");
		break;
	case CONN_RESOLVE:
		conn_unresolved(c, EAI_AGAIN);
		break;
	case CONN_CONNECT:
		if (loop_now() - c->since >=
		    k.conf->connect_timeout * INT64_C(1000))
			refuse_race(c, ETIMEDOUT);
		else
			conn_dialled(c, race_start(c, k.conf, loop_now()));
		break;
	case CONN_RELAY:
		if (loop_now() - c->active >= k.conf->timeout * INT64_C(1000))
			conn_close(c, END_IDLE);
		else if (life != 0 && loop_now() - c->since >= life)
			conn_close(c, END_LIFETIME);
		else
			conn_state(c, CONN_RELAY);
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

/* Takes a client that was accepted; the descriptor is the connection's. */
void
conn_accepted(int fd, const struct sockaddr_storage *from)
{
	struct conn *c = conn_new(fd, from);
	char client[ADDR_TEXT_SIZE];
	int on = 1;

	if (c == NULL) {
		close(fd);
		return;
	}
	if (!sys_accept_inherits()) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		socket_linger(fd, false);
	}
	if (log_wants(LOG_LEVEL_CONNECT))
		log_line(LOG_LEVEL_CONNECT, "Connect (file descriptor %d): %s",
		    fd, addr_text(&c->client, client));
	conn_judge(c);
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

		if (c == NULL || c->state != CONN_RELAY)
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

/* Ends all connections. */
void
conn_close_all(enum ending ending)
{
	for (size_t i = 0; i < k.used; i++)
		if (k.conns[i].state != CONN_FREE)
			conn_close(&k.conns[i], ending);
}
