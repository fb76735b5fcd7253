/* SPDX-License-Identifier: ISC */
/*
 * The way to a server: which way it is, the look-up of the name, the rules for
 * targets, the race of connects, and the parent proxy that may have to be asked
 * for the rest of the way.  The address that was judged is the address that is
 * dialled.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "addr.h"
#include "ask.h"
#include "bounds.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "forward.h"
#include "log.h"
#include "namecache.h"
#include "parent.h"
#include "parse.h"
#include "question.h"
#include "race.h"
#include "reach.h"
#include "relay.h"
#include "reply.h"
#include "reverse.h"
#include "rule.h"
#include "self.h"
#include "target.h"
#include "tunnel.h"
#include "upstream.h"
#include "who.h"

enum { KEEPALIVE_FROM = 3600 /* s of Timeout, which notices later */ };

static const struct conf *conf;

static bool parent_failed(
    struct conn *, const struct upstream *, const char *why);
static void parent_ask(struct conn *);

/* Forgets all parents' failures.  Returns 0, or -1 with errno. */
int
reach_init(const struct conf *new_conf)
{
	conf = new_conf;
	race_use(&(struct race_rules){ .bind = conf->bind,
	    .nbind = conf->nbind,
	    .bind_same = conf->bind_same,
	    .keepalive = conf->timeout >= KEEPALIVE_FROM });
	return upstream_init(&conf->upstreams);
}

/* The time there is. */

/* Whether a connection in this state is on its way to a server. */
bool
reach_under_way(enum conn_state state)
{
	return state == CONN_RESOLVE || state == CONN_CONNECT ||
	    state == CONN_PARENT;
}

/* When the time to get there is over, whoever is tried on the way. */
static int64_t
reach_end(const struct conn *c)
{
	int64_t since = reach_under_way(c->state) ? c->since : clock_now();

	return since + conf->connect_timeout * INT64_C(1000);
}

/* The same for who is tried now; a parent may have less than all. */
int64_t
reach_until(const struct conn *c)
{
	int64_t until = reach_end(c);

	return c->setup->give_up_at != 0 && c->setup->give_up_at < until
	    ? c->setup->give_up_at
	    : until;
}

/* Refusals and failures. */

/* Who is looked up and connected to. */
static const char *
reached_name(const struct conn *c)
{
	const struct upstream *u = c->setup->upstream;

	return u != NULL ? u->host : c->setup->request.host;
}

/*
 * The target, or the parent on the way to it, cannot be had.  Without another
 * parent to try that is the end: the log and the client are told.
 */
void
reach_failed(
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

	/* What a parent answers to a request may be the fault of a server. */
	if (parent && c->setup != NULL && parent_failed(c, u, why))
		return;
	snprintf(detail, sizeof(detail), "The %s %s",
	    parent ? "parent proxy" : "target", f->what);
	log_line(LOG_LEVEL_ERROR, "opensock: Could not %s %s: %s", task,
	    c->target, why);
	conn_reply(c, &reply);
}

/* No address can be connected to; the name may have others by now. */
static void
unreached(struct conn *c, int error)
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

	namecache_forget(reached_name(c));
	while (f->error != error && f->error != 0)
		f++;
	reach_failed(c, f, "establish a connection to", strerror(error));
}

static void
unresolved(struct conn *c, int error)
{
	static const struct failure
	    late = { 0, 504, "dns_timeout",
		    "has a name that could not be looked up in time." },
	    none = { 0, 502, "dns_error; rcode=\"NXDOMAIN\"",
		    "has a name that does not resolve." },
	    other = { 0, 502, "dns_error",
		    "has a name that does not resolve." };
	const struct failure *f = error == EAI_NONAME ? &none : &other;

	if (error == EAI_AGAIN && clock_now() - c->since >= LOOKUP_LATE)
		f = &late;
	reach_failed(c, f, "retrieve address info for", gai_strerror(error));
}

/* Says in the log which line of the configuration has refused a target. */
static void
log_refused(const struct conn *c, const char *what, unsigned long line)
{
	if (line != 0)
		log_line(LOG_LEVEL_NOTICE, "%s %s: line %lu of %s", what,
		    c->target, line, conf->file);
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

/* Looking up and connecting. */

static struct asker
conn_asker(const struct conn *c)
{
	const struct mapping *m = c->setup->request.mapping;

	return (struct asker){ .client = &c->client,
		.user = c->user,
		.named = c->setup->upstream == NULL && m != NULL && m->named };
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
	if (acl_target(&conf->acl, req->literal ? NULL : req->host, target,
		&asker, &rule))
		return !self_socket(target);
	if (rule != NULL && !rule->allow)
		*line = rule->line;
	return false;
}

static void
log_parent(const struct conn *c)
{
	const struct upstream *u = c->setup->upstream;

	log_line(LOG_LEVEL_CONNECT,
	    "Established connection to %s proxy \"%s\" using file descriptor "
	    "%d.",
	    u->kind == UPSTREAM_HTTP ? "upstream" : upstream_kind(u), u->host,
	    c->tunnel.end[SERVER].fd);
}

static void
dialled(struct conn *c, enum race_state state)
{
	if (state == RACE_LOST) {
		unreached(c, c->setup->race.error);
	} else if (state == RACE_RUNS) {
		conn_state(c, CONN_CONNECT);
		conn_watch(c);
	} else {
		c->server = c->setup->race.addrs[c->setup->race.winner];
		self_remember(c->tunnel.end[SERVER].fd, &c->server);
		if (c->setup->upstream != NULL)
			log_parent(c);
		if (c->setup->upstream != NULL &&
		    (c->exchange == NULL ||
			c->setup->upstream->kind != UPSTREAM_HTTP))
			parent_ask(c);
		else
			conn_establish(c);
	}
}

/*
 * Dials those of some addresses that may be dialled: just these.  A parent is
 * the administrator's choice, wherever it is.
 */
static void
reach_dial(struct conn *c, const struct addr *addrs, size_t n)
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
	dialled(c, race_start(&c->setup->race, &c->tunnel));
}

/* Begins to look up who is to be reached; some addresses need not be. */
static void
reach_begin(struct conn *c)
{
	const struct request *req = &c->setup->request;
	const struct upstream *u = c->setup->upstream;
	const struct addr *addrs = u != NULL ? &u->addr : &req->addr;
	size_t n = 1;

	if (u != NULL ? !u->literal : !req->literal)
		addrs = namecache_find(reached_name(c), &n);
	if (addrs != NULL) {
		reach_dial(c, addrs, n);
		return;
	}
	conn_state(c, CONN_RESOLVE);
	conn_watch(c);
	ask_question(c, QUESTION_NAME, reached_name(c));
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
	const struct upstreams *us = &conf->upstreams;
	struct setup *s = c->setup;
	const struct upstream *u = upstream_pick(us, &s->request, &s->tried);

	if (u == NULL)
		return false;
	s->upstream = NULL;
	if (u->kind == UPSTREAM_NONE)
		return true;
	s->upstream = u;
	s->give_up_at = clock_now() +
	    (reach_end(c) - clock_now()) /
		(1 + upstream_left(us, &s->request, s->tried));
	log_line(LOG_LEVEL_INFO, "Found upstream proxy %s %s:%u for %s",
	    upstream_kind(u), u->host, (unsigned)u->port, s->request.host);
	return true;
}

/* Lets go of a parent that is of no use.  Returns whether another is tried. */
static bool
parent_failed(struct conn *c, const struct upstream *u, const char *why)
{
	struct setup *s = c->setup;

	log_line(LOG_LEVEL_WARNING,
	    "Could not connect to upstream proxy. (%s %s:%u: %s)",
	    upstream_kind(u), u->host, (unsigned)u->port, why);
	upstream_dead(&conf->upstreams, u);
	if (clock_now() >= reach_end(c) || !parent_choose(c))
		return false;
	ask_cancel(c);
	race_end(&s->race);
	conn_server_close(c);
	reach_begin(c);
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

	upstream_alive(&conf->upstreams, c->setup->upstream);
	if (len > 0 && c->exchange != NULL)
		reach_failed(c, &early, "get an answer from", early.what);
	else if (len > 0 &&
	    relay_keep(&c->tunnel, SERVER, p->bytes + p->at, len) != 0)
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

	switch (parent_talk(p, c->tunnel.end[SERVER].fd)) {
	case PARENT_AGREED:
		parent_agreed(c);
		break;
	case PARENT_REFUSED:
		upstream_alive(&conf->upstreams, c->setup->upstream);
		log_line(LOG_LEVEL_NOTICE, "Upstream proxy %s refused %s: %s",
		    c->setup->upstream->host, c->target, p->error);
		conn_refuse(c, p->status, p->error, p->detail);
		break;
	case PARENT_BROKEN:
		failure = (struct failure){ 0, p->status, p->error, p->detail };
		reach_failed(c, &failure, "get a tunnel to", p->detail);
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

	return target_unresolved(&conf->acl.targets, req->host, req->port,
		   &asker, rule) == ACL_ALLOW &&
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
		reach_begin(c);
}

/* What others call. */

/*
 * Decides which way a target is reached.  A name that is denied whatever its
 * addresses are is not looked up.
 */
void
reach_route(struct conn *c)
{
	const struct request *req = &c->setup->request;
	struct asker asker = conn_asker(c);
	const struct target_rule *rule;

	if (!req->literal &&
	    target_name(&conf->acl.targets, req->host, req->port, &asker,
		&rule) == ACL_DENY) {
		refuse_name(c, rule != NULL ? rule->line : 0);
		return;
	}
	if (conf->upstreams.n > 0 && parent_choose(c) &&
	    c->setup->upstream != NULL) {
		parent_route(c);
		return;
	}
	if (conf->upstreams.n > 0)
		log_line(LOG_LEVEL_INFO, "No upstream proxy for %s", req->host);
	reach_begin(c);
}

/* Takes the answer to what a name resolves to. */
void
reach_answer(struct conn *c, const struct answer *answer)
{
	if (answer->error == 0 && answer->naddrs > 0)
		reach_dial(c, answer->addrs, answer->naddrs);
	else if (!ask_on(c))
		unresolved(c, answer->error);
}

/* Something happened at an attempt to connect, or at a parent. */
void
reach_event(struct conn *c, unsigned which, short revents)
{
	if (c->state == CONN_PARENT)
		parent_event(c);
	else
		dialled(
		    c, race_event(&c->setup->race, &c->tunnel, which, revents));
}

/* The time for a step on the way is over. */
void
reach_expire(struct conn *c)
{
	static const struct failure silence = { 0, 504, "http_response_timeout",
		"did not answer in time." };

	if (c->state == CONN_RESOLVE)
		unresolved(c, EAI_AGAIN);
	else if (c->state == CONN_PARENT)
		reach_failed(c, &silence, "get a tunnel to", "no answer");
	else if (clock_now() >= reach_until(c))
		unreached(c, ETIMEDOUT);
	else
		dialled(c, race_start(&c->setup->race, &c->tunnel));
}
