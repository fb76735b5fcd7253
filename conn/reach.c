/* SPDX-License-Identifier: ISC */
/*
 * The way to a server: the choice between a direct connection and a parent, the
 * look-up of the name, the rules for targets, the race of connects, and the
 * talk with a parent proxy.  Only addresses that were judged are connected to;
 * the name is not looked up again in between.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "args.h"
#include "ask.h"
#include "bounds.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "decision.h"
#include "forward.h"
#include "inlet.h"
#include "kept.h"
#include "log.h"
#include "loop.h"
#include "namecache.h"
#include "parent.h"
#include "parse.h"
#include "place.h"
#include "preface.h"
#include "question.h"
#include "race.h"
#include "refusal.h"
#include "relay.h"
#include "reply.h"
#include "reverse.h"
#include "rewrite.h"
#include "self.h"
#include "socket.h"
#include "stats.h"
#include "steps.h"
#include "tally.h"
#include "target.h"
#include "tunnel.h"
#include "upstream.h"

enum {
	KEEPALIVE_FROM = 3600, /* s: with a shorter Timeout, none is needed */
	KEPT_SURE = 2000 /* ms that servers keep an idle connection at least */
};

static const struct conf *conf;

/*
 * Must be called once, before the first request.  All parents count as working
 * at first.  Returns 0, or -1 with ENOMEM.
 */
int
reach_init(const struct worker_args *args)
{
	conf = args->conf;
	race_use(&(struct race_rules){ .bind = conf->bind,
	    .nbind = conf->nbind,
	    .bind_same = conf->bind_same,
	    .extras = args->max_attempts,
	    .keepalive = conf->timeout >= KEEPALIVE_FROM });
	return upstream_init(&conf->upstreams);
}

/* Refusals and failures. */

/* Returns the host to connect to: that of the parent or of the target. */
static const char *
reached_name(const struct conn *c)
{
	const struct upstream *u = c->setup->upstream;

	return u != NULL ? u->host : c->setup->request.host;
}

/*
 * Chooses the next way: a parent, or none for a direct connection if that is
 * what the line says.  Each parent gets an equal part of the time that is
 * left.  Returns false if no line is left to try.
 */
static bool
parent_choose(struct conn *c)
{
	const struct upstreams *us = &conf->upstreams;
	struct setup *s = c->setup;
	const struct upstream *u = upstream_pick(us, &s->request, &s->tried);
	char parent[UPSTREAM_TEXT_SIZE];

	if (u == NULL)
		return false;
	s->upstream = NULL;
	if (u->kind == UPSTREAM_NONE)
		return true;
	s->upstream = u;
	s->give_up_at = clock_now() +
	    (conn_reach_by(c) - clock_now()) /
		(1 + upstream_left(us, &s->request, s->tried));
	log_line(LOG_LEVEL_INFO, "Found upstream proxy %s %s for %s %s",
	    upstream_kind(u), upstream_text(u, parent), s->request.host,
	    say_whom(c));
	return true;
}

/* Gives up a parent that failed.  Returns whether another one is tried. */
static bool
parent_gives_way(struct conn *c, const struct upstream *u, const char *why)
{
	char parent[UPSTREAM_TEXT_SIZE];

	log_line(LOG_LEVEL_WARNING,
	    "Could not connect to upstream proxy. (%s %s: %s) %s",
	    upstream_kind(u), upstream_text(u, parent), why, say_whom(c));
	upstream_dead(&conf->upstreams, u);
	return clock_now() < conn_reach_by(c) && parent_choose(c);
}

static enum conn_state reach_begin(struct conn *);

/*
 * Handles the failure of the target or parent.  Tries the next parent; if none
 * is left, logs the failure and answers the client.
 */
static enum conn_state
reach_failed(
    struct conn *c, enum refusal refusal, const char *task, const char *why)
{
	const struct upstream *u = c->setup->upstream;
	struct reply reply = { .why = why };

	if (c->state == CONN_PARENT)
		reply.received = c->setup->parent->received;
	if (u == NULL || !parent_gives_way(c, u, why))
		return conn_fail(c, u, refusal, task, &reply);
	if (c->state != CONN_RESOLVE)
		return CONN_RESOLVE;
	ask_cancel(c);
	return reach_begin(c);
}

/* Counts a look-up that has ended. */
static void
lookup_count(const struct conn *c, bool failed)
{
	stats_add(COUNT_LOOKUPS, 1);
	stats_add(COUNT_LOOKUPS_FAILED, failed);
	stats_took(SPAN_LOOKUP, clock_now() - c->entered);
}

/* Counts an attempt to reach a server or parent that has ended. */
static void
dial_count(const struct conn *c, bool failed)
{
	stats_add(COUNT_DIALS, 1);
	stats_add(COUNT_DIALS_FAILED, failed);
	if (!failed)
		stats_took(SPAN_CONNECT, clock_now() - c->entered);
}

/*
 * Whether the Unix socket of a parent cannot be connected to: it is not there,
 * is none, or its mode does not let this user.
 */
static bool
is_local_failure(const struct conn *c, int error)
{
	const struct upstream *u = c->setup->upstream;

	return u != NULL && u->addr.local != 0 && error != ETIMEDOUT &&
	    error != EMFILE && error != ENFILE;
}

/* No address could be connected to: forgets them, the name may get others. */
static enum conn_state
unreached(struct conn *c, int error)
{
	static const struct {
		int error;
		enum refusal refusal;
	} refusals[] = { { ECONNREFUSED, REFUSE_NOT_LISTENING },
		{ ECONNRESET, REFUSE_NOT_LISTENING },
		/* A FIN and then a reset, before we looked. */
		{ EPIPE, REFUSE_NOT_LISTENING },
		{ ECONNABORTED, REFUSE_NOT_LISTENING },
		{ ETIMEDOUT, REFUSE_SLOW_CONNECT },
		{ ENETUNREACH, REFUSE_NO_ROUTE },
		{ EHOSTUNREACH, REFUSE_NO_ROUTE },
		{ ENETDOWN, REFUSE_NO_ROUTE }, { ENOPROTOOPT, REFUSE_NO_ROUTE },
		{ EACCES, REFUSE_NO_ROUTE }, { EPERM, REFUSE_NO_ROUTE },
		{ EINVAL, REFUSE_NO_ROUTE },
		{ EADDRNOTAVAIL, REFUSE_NO_SOURCE },
		{ EAFNOSUPPORT, REFUSE_NO_SOURCE },
		{ EADDRINUSE, REFUSE_PORTS }, { EAGAIN, REFUSE_PORTS },
		{ EMFILE, REFUSE_DESCRIPTORS },
		{ ENFILE, REFUSE_DESCRIPTORS } };
	enum refusal refusal = REFUSE_CONNECT;

	dial_count(c, true);
	namecache_forget(reached_name(c));
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		if (refusals[i].error == error)
			refusal = refusals[i].refusal;
	if (is_local_failure(c, error))
		refusal = REFUSE_NOT_LISTENING;
	return reach_failed(
	    c, refusal, "establish a connection to", strerror(error));
}

static enum conn_state
unresolved(struct conn *c, int error, bool late)
{
	lookup_count(c, true);
	return reach_failed(c,
	    late                      ? REFUSE_SLOW_LOOKUP
		: error == EAI_NONAME ? REFUSE_NO_NAME
				      : REFUSE_LOOKUP,
	    "retrieve address info for", gai_strerror(error));
}

/*
 * Refuses a target, or all its addresses, and logs the line of the rule that
 * denies it, or that none allows it.  Returns the state that follows.
 */
enum conn_state
reach_refuse(struct conn *c, enum refusal refusal, const struct decision *d)
{
	const char *what =
	    refusal == REFUSE_ADDRESS ? "Refused address of" : "Refused target";
	struct reply reply = { .addrs = d->addrs, .naddrs = d->naddrs };

	if (d->rule != NULL && !d->rule->allow) {
		c->rule = (uint32_t)d->rule->line;
		c->because = d->rule->because;
	}
	if (c->rule != 0)
		log_line(LOG_LEVEL_NOTICE, "%s %s: %s%s%s %s", what,
		    say_target(c), say_line(c->rule),
		    c->because != NULL ? ": " : "",
		    c->because != NULL ? c->because : "", say_whom(c));
	else
		log_line(LOG_LEVEL_NOTICE, "%s %s: %s %s", what, say_target(c),
		    d->floor != NULL ? d->floor
				     : "not a target for this client",
		    say_whom(c));
	return conn_reply(c, refusal, &reply);
}

/* Logs and counts that only a ReportTo allows a request. */
static void
reach_report(struct conn *c, const struct target_rule *rule)
{
	c->reported = (uint32_t)rule->line;
	stats_add(COUNT_REPORTED, 1);
	stats_rule(REFUSE_NOTHING, c->reported);
	log_line(LOG_LEVEL_NOTICE, "Reported target %s: %s %s", say_target(c),
	    say_line(rule->line), say_whom(c));
}

/*
 * A request is allowed, by the rule of the decision if there is one.  This is
 * recorded once, even if several parents are tried.
 */
static void
reach_permit(struct conn *c, const struct decision *d)
{
	const struct target_rule *rule = d->rule;

	if (rule != NULL && rule->report && c->reported == 0)
		reach_report(c, rule);
	if (c->judged)
		return;
	c->judged = true;
	say_verdict(c,
	    &(struct judged){ .rule = rule != NULL ? rule->line : 0,
		.because = rule != NULL ? rule->because : NULL,
		.addrs = d->addrs,
		.naddrs = d->naddrs });
}

/* Makes a decision for the request of a connection and the way chosen. */
static struct decision
reach_decision(const struct conn *c)
{
	const struct request *req = &c->setup->request;
	bool named = req->mapping != NULL && req->mapping->named;

	return (struct decision){ .conf = conf,
		.request = req,
		.asker = { .client = &c->client,
		    .user = c->user,
		    .named = named && c->setup->upstream == NULL } };
}

/* Looking up and connecting. */

/*
 * Judges the addresses, and begins to connect to those that are allowed.  The
 * addresses of a parent are all allowed: the administrator has configured it.
 */
static enum conn_state
reach_dial(struct conn *c, const struct addr *addrs, size_t n)
{
	const struct upstream *u = c->setup->upstream;
	struct decision d = reach_decision(c);
	const struct target_rule *rule = NULL;
	struct addr allowed[ADDRS_MAX];
	size_t nallowed = 0;

	d.addrs = addrs;
	d.naddrs = n;
	for (size_t i = 0; i < n; i++) {
		struct addr addr = addrs[i];

		addr.port = u != NULL ? u->port : c->setup->request.port;
		if (u == NULL && decision_address(&d, &addr) != REFUSE_NOTHING)
			continue;
		if (nallowed == 0 || (d.rule != NULL && d.rule->report))
			rule = d.rule;
		allowed[nallowed++] = addr;
	}
	if (nallowed == 0)
		return reach_refuse(c, REFUSE_ADDRESS, &d);
	d.rule = rule;
	if (u == NULL)
		reach_permit(c, &d);
	race_init(&c->setup->race, allowed, nallowed, conn_connect_by(c));
	return CONN_CONNECT;
}

/* Whether nothing has come from a kept server, nor its end. */
static bool
kept_is_quiet(const struct conn *c)
{
	const struct end *server = &c->tunnel.end[SERVER];
	char byte;

	if (watch_is_quiet(server->slot, c->kept->turn))
		return true;
	return recv(server->fd, &byte, 1, MSG_PEEK) < 0 &&
	    socket_is_passing(errno);
}

/*
 * Whether a request may use a kept server.  One that can be sent only once must
 * not meet a server that is about to close, as most do after 5 s and more.
 */
static bool
may_use_kept(const struct conn *c)
{
	const struct exchange *e = c->exchange;

	return e != NULL && !e->upgrade &&
	    (forward_is_safe(e) || clock_now() - c->kept->since < KEPT_SURE);
}

/*
 * Whether the server that is kept can get this request.  Its address is judged
 * again, as another rule may be meant for this request.
 */
static bool
kept_serves(const struct conn *c, struct decision *d)
{
	const struct upstream *u = c->setup->upstream;

	return may_use_kept(c) && kept_leads(c->kept, d->request, u, c->user) &&
	    kept_is_quiet(c) &&
	    (u != NULL ||
		decision_address(d, &c->kept->server) == REFUSE_NOTHING);
}

/*
 * Uses the server that is kept, or closes it.  Returns whether the request can
 * be sent there.
 */
static bool
kept_use(struct conn *c)
{
	const struct upstream *u = c->setup->upstream;
	struct decision d = reach_decision(c);

	if (!kept_serves(c, &d)) {
		conn_server_close(c);
		return false;
	}
	d.addrs = &c->kept->server;
	d.naddrs = 1;
	if (u == NULL)
		reach_permit(c, &d);
	else if (u->kind == UPSTREAM_HTTP)
		c->exchange->upstream = u;
	c->server = c->kept->server;
	c->parent = u;
	c->exchange->reused = true;
	return true;
}

/*
 * Looks up the host to connect to, unless its addresses are known, or a
 * connection to it is kept.
 */
static enum conn_state
reach_begin(struct conn *c)
{
	const struct request *req = &c->setup->request;
	const struct upstream *u = c->setup->upstream;
	const struct addr *addrs = u != NULL ? &u->addr : &req->addr;
	size_t n = 1;

	if (c->kept != NULL && kept_use(c))
		return CONN_FORWARD;
	if (u != NULL ? !u->literal : !req->literal)
		addrs = namecache_find(reached_name(c), &n);
	if (addrs != NULL)
		return reach_dial(c, addrs, n);
	if (c->lookup_ms < 0)
		c->lookup_ms = 0;
	ask_question(c, QUESTION_NAME, reached_name(c));
	return CONN_RESOLVE;
}

/*
 * CHECK_PARENT: whether a parent may be asked for this target.  Returns
 * REFUSE_NOTHING, or the refusal.
 */
static enum refusal
parent_permits(const struct conn *c, struct decision *d)
{
	const struct request *req = &c->setup->request;

	return req->literal ? decision_address(d, &req->addr)
			    : decision_parent(d);
}

/*
 * CONN_RESOLVE begins: chooses the way to the target, unless that was done
 * before, and looks up the host to connect to.
 */
enum conn_state
reach_resolve(struct conn *c)
{
	struct setup *s = c->setup;
	struct decision d;
	enum refusal refusal;

	if (conf->upstreams.n == 0 || s->tried != 0)
		return reach_begin(c);
	if (!parent_choose(c) || s->upstream == NULL) {
		log_line(LOG_LEVEL_INFO, "No upstream proxy for %s %s",
		    s->request.host, say_whom(c));
		return reach_begin(c);
	}
	d = reach_decision(c);
	refusal = parent_permits(c, &d);
	d.addrs = &s->request.addr;
	d.naddrs = s->request.literal;
	if (refusal != REFUSE_NOTHING)
		return reach_refuse(c, refusal, &d);
	reach_permit(c, &d);
	return reach_begin(c);
}

/* Takes the desk's answer with the addresses of a name. */
enum conn_state
reach_answered(struct conn *c, const struct answer *answer)
{
	if (answer->error == 0 && answer->naddrs > 0) {
		lookup_count(c, false);
		return reach_dial(c, answer->addrs, answer->naddrs);
	}
	return ask_on(c) ? CONN_RESOLVE
			 : unresolved(c, answer->error, answer->late);
}

/* Logs that the server or parent is connected. */
static void
log_connected(const struct conn *c)
{
	const struct upstream *u = c->setup->upstream;
	int fd = c->tunnel.end[SERVER].fd;

	if (u == NULL)
		log_line(LOG_LEVEL_CONNECT,
		    "Established connection to host \"%s\" using file "
		    "descriptor %d. %s",
		    c->setup->request.host, fd, say_whom(c));
	else
		log_line(LOG_LEVEL_CONNECT,
		    "Established connection to %s proxy \"%s\" using file "
		    "descriptor %d. %s",
		    u->kind == UPSTREAM_HTTP ? "upstream" : upstream_kind(u),
		    u->host, fd, say_whom(c));
}

/*
 * Writes the PROXY header for a parent that wants one: it names the client, and
 * the address that this has connected to.  Returns the length; 0: none.
 */
static size_t
header_write(const struct conn *c, char header[PREFACE_WRITTEN_MAX])
{
	const struct upstream *u = c->setup->upstream;
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);
	struct addr here;
	void *sa = &ss;

	if (u->preface == 0)
		return 0;
	if (getsockname(c->tunnel.end[CLIENT].fd, sa, &len) == 0 &&
	    ss.ss_family != AF_UNIX)
		addr_from_sockaddr(&here, &ss);
	else
		here = c->client;
	return preface_write(header, u->preface, &c->client, &here);
}

/* Sends it before a plain request.  Returns 0, or -1 with errno. */
static int
header_send(const struct conn *c)
{
	char header[PREFACE_WRITTEN_MAX];
	size_t len = header_write(c, header);
	ssize_t n;

	if (len == 0)
		return 0;
	/* A socket that was just connected has room for it. */
	n = send(c->tunnel.end[SERVER].fd, header, len, MSG_NOSIGNAL);
	if (n >= 0 && n < (ssize_t)len)
		errno = EPIPE;
	return n == (ssize_t)len ? 0 : -1;
}

/*
 * Returns the rule that allows what was connected to, if the tunnel must be TLS
 * by it, or NULL.
 */
static const struct target_rule *
reach_duty(const struct conn *c)
{
	struct decision d;

	if (!conf->acl.targets.has_tls)
		return NULL;
	d = reach_decision(c);
	if (c->parent != NULL)
		parent_permits(c, &d);
	else
		decision_address(&d, &c->server);
	return d.rule != NULL && d.rule->tls ? d.rule : NULL;
}

/* The server is reached.  Returns the state that follows. */
static enum conn_state
reached(struct conn *c)
{
	if (c->exchange != NULL)
		return CONN_FORWARD;
	c->setup->duty = reach_duty(c);
	/* The name that a transparent client goes by must stay the same. */
	return c->setup->duty != NULL || c->inlet == INLET_TLS ? CONN_HELLO
							       : CONN_RELAY;
}

/*
 * Prepares the socket to a server for a tunnel or a parent.  A plain request
 * mostly goes out in one piece and needs nothing of that; see exchange.c.
 */
static void
server_tune(struct conn *c)
{
	struct end *server = &c->tunnel.end[SERVER];

	if (c->exchange != NULL && c->setup->upstream == NULL)
		return;
	socket_tune(server->fd);
	server->resets = true;
}

/* Goes on after the outcome of a call for the race. */
static enum conn_state
dialled(struct conn *c, enum race_state state)
{
	const struct upstream *u = c->setup->upstream;
	const struct race *race = &c->setup->race;

	switch (state) {
	case RACE_RUNS:
		break;
	case RACE_LOST:
		return unreached(c, race->error);
	case RACE_WON:
		c->server = race->addrs[race->winner];
		dial_count(c, false);
		c->parent = u;
		server_tune(c);
		self_remember(c->tunnel.end[SERVER].fd, &c->server);
		log_connected(c);
		if (u == NULL)
			return reached(c);
		if (c->exchange == NULL || u->kind != UPSTREAM_HTTP)
			return CONN_PARENT;
		if (header_send(c) != 0)
			return unreached(c, errno);
		c->exchange->upstream = u;
		return CONN_FORWARD;
	}
	return CONN_CONNECT;
}

/* CONN_CONNECT begins: starts the race, or its next attempt. */
enum conn_state
reach_connect(struct conn *c)
{
	return dialled(c, race_start(&c->setup->race, &c->tunnel));
}

/* Parents. */

/* The tunnel through a parent is established; keeps data received with that. */
static enum conn_state
parent_agreed(struct conn *c)
{
	const struct parent *p = c->setup->parent;
	size_t len = p->len - p->at;

	upstream_alive(&conf->upstreams, c->setup->upstream);
	if (len > 0 && c->exchange != NULL)
		return reach_failed(c, REFUSE_PARENT_EARLY,
		    "get an answer from",
		    refusal_row(REFUSE_PARENT_EARLY)->sentence);
	if (len > 0 &&
	    relay_keep(&c->tunnel, SERVER, p->bytes + p->at, len) != 0)
		return conn_refuse(c, REFUSE_MEMORY);
	return reached(c);
}

/* A parent refuses this target: answers with the status it has sent. */
static enum conn_state
parent_refused(struct conn *c)
{
	const struct parent *p = c->setup->parent;
	struct reply reply = { .status = p->received, .received = p->received };
	char received[32] = "";

	upstream_alive(&conf->upstreams, c->setup->upstream);
	if (p->received != 0)
		snprintf(received, sizeof(received), "; received-status=%d",
		    p->received);
	log_line(LOG_LEVEL_NOTICE, "Upstream proxy %.200s refused %s: %s%s %s",
	    c->setup->upstream->host, say_target(c),
	    refusal_row(p->refusal)->type, received, say_whom(c));
	return conn_reply(c, p->refusal, &reply);
}

/* Goes on with the talk with a parent. */
static enum conn_state
parent_event(struct conn *c)
{
	struct parent *p = c->setup->parent;

	switch (parent_talk(p, c->tunnel.end[SERVER].fd)) {
	case PARENT_SENDS:
	case PARENT_READS:
		break;
	case PARENT_AGREED:
		return parent_agreed(c);
	case PARENT_REFUSED:
		return parent_refused(c);
	case PARENT_BROKEN:
		return reach_failed(c, p->refusal, "get a tunnel to",
		    refusal_row(p->refusal)->sentence);
	}
	return CONN_PARENT;
}

/* CONN_PARENT begins: asks the parent for the tunnel. */
enum conn_state
reach_parent(struct conn *c)
{
	char header[PREFACE_WRITTEN_MAX];
	struct setup *s = c->setup;

	s->parent = malloc(sizeof(*s->parent));
	if (s->parent == NULL)
		return conn_refuse(c, REFUSE_MEMORY);
	parent_begin(
	    s->parent, s->upstream, &s->request, s->via != NULL ? s->via : "");
	parent_preface(s->parent, header, header_write(c, header));
	return parent_event(c);
}

/* Handles an event at an attempt to connect, or at a parent. */
enum conn_state
reach_event(struct conn *c, unsigned which, short revents)
{
	if (c->state == CONN_PARENT)
		return parent_event(c);
	return dialled(
	    c, race_event(&c->setup->race, &c->tunnel, which, revents));
}

/* Handles a deadline on the way to a server. */
enum conn_state
reach_expire(struct conn *c)
{
	if (c->state == CONN_RESOLVE)
		return unresolved(c, EAI_AGAIN, true);
	if (c->state == CONN_PARENT)
		return reach_failed(
		    c, REFUSE_SILENCE, "get a tunnel to", "no answer");
	if (clock_now() >= conn_connect_by(c))
		return unreached(c, ETIMEDOUT);
	return reach_connect(c);
}
