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

#include "addr.h"
#include "args.h"
#include "ask.h"
#include "bounds.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "decision.h"
#include "log.h"
#include "namecache.h"
#include "parent.h"
#include "parse.h"
#include "question.h"
#include "race.h"
#include "refusal.h"
#include "relay.h"
#include "reply.h"
#include "reverse.h"
#include "rewrite.h"
#include "self.h"
#include "steps.h"
#include "tunnel.h"
#include "upstream.h"

enum { KEEPALIVE_FROM = 3600 /* s of Timeout, which notices later */ };

static const struct conf *conf;

/*
 * To be called once, before the first request; parents are taken for alive.
 * Returns 0, or -1 with errno.
 */
int
reach_init(const struct worker_args *args)
{
	conf = args->conf;
	race_use(&(struct race_rules){ .bind = conf->bind,
	    .nbind = conf->nbind,
	    .bind_same = conf->bind_same,
	    .keepalive = conf->timeout >= KEEPALIVE_FROM });
	return upstream_init(&conf->upstreams);
}

/* Refusals and failures. */

/* The name that is looked up, or the address, as text. */
static const char *
reached_name(const struct conn *c)
{
	const struct upstream *u = c->setup->upstream;

	return u != NULL ? u->host : c->setup->request.host;
}

/*
 * Chooses what is reached: the next parent, or the target itself.  Each parent
 * gets its share of the time, so that the others get theirs.  Returns whether
 * there is one.
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
	    (conn_reach_by(c) - clock_now()) /
		(1 + upstream_left(us, &s->request, s->tried));
	log_line(LOG_LEVEL_INFO, "Found upstream proxy %s %s:%u for %s",
	    upstream_kind(u), u->host, (unsigned)u->port, s->request.host);
	return true;
}

/* Gives up a parent that is of no use.  Returns whether another is tried. */
static bool
parent_gives_way(struct conn *c, const struct upstream *u, const char *why)
{
	log_line(LOG_LEVEL_WARNING,
	    "Could not connect to upstream proxy. (%s %s:%u: %s)",
	    upstream_kind(u), u->host, (unsigned)u->port, why);
	upstream_dead(&conf->upstreams, u);
	return clock_now() < conn_reach_by(c) && parent_choose(c);
}

static enum conn_state reach_begin(struct conn *);

/*
 * The target, or the parent on the way to it, cannot be had.  Without another
 * parent to try that is the end, and the log and the client are told.
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

/* No address can be connected to; the name may have others by now. */
static enum conn_state
unreached(struct conn *c, int error)
{
	static const struct {
		int error;
		enum refusal refusal;
	} refusals[] = { { ECONNREFUSED, REFUSE_NOT_LISTENING },
		{ ECONNRESET, REFUSE_NOT_LISTENING },
		{ ETIMEDOUT, REFUSE_SLOW_CONNECT },
		{ ENETUNREACH, REFUSE_NO_ROUTE },
		{ EHOSTUNREACH, REFUSE_NO_ROUTE },
		{ ENETDOWN, REFUSE_NO_ROUTE }, { EACCES, REFUSE_NO_ROUTE },
		{ EPERM, REFUSE_NO_ROUTE }, { EINVAL, REFUSE_NO_ROUTE },
		{ EADDRNOTAVAIL, REFUSE_NO_SOURCE },
		{ EAFNOSUPPORT, REFUSE_NO_SOURCE },
		{ EMFILE, REFUSE_DESCRIPTORS },
		{ ENFILE, REFUSE_DESCRIPTORS } };
	enum refusal refusal = REFUSE_CONNECT;

	namecache_forget(reached_name(c));
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		if (refusals[i].error == error)
			refusal = refusals[i].refusal;
	return reach_failed(
	    c, refusal, "establish a connection to", strerror(error));
}

static enum conn_state
unresolved(struct conn *c, int error)
{
	bool late = error == EAI_AGAIN && clock_now() - c->since >= LOOKUP_LATE;

	return reach_failed(c,
	    late                      ? REFUSE_SLOW_LOOKUP
		: error == EAI_NONAME ? REFUSE_NO_NAME
				      : REFUSE_LOOKUP,
	    "retrieve address info for", gai_strerror(error));
}

/*
 * Refuses a target, or all its addresses, because of the rule that has decided,
 * or because none allows it; the log says which line it was.
 */
enum conn_state
reach_refuse(struct conn *c, enum refusal refusal, const struct decision *d)
{
	const char *what =
	    refusal == REFUSE_ADDRESS ? "Refused address of" : "Refused target";

	if (d->rule != NULL && !d->rule->allow)
		log_line(LOG_LEVEL_NOTICE, "%s %s: line %lu of %s", what,
		    c->target, d->rule->line, conf->file);
	else
		log_line(LOG_LEVEL_NOTICE,
		    "%s %s: not a target for this client", what, c->target);
	return conn_refuse(c, refusal);
}

/* A decision on the request of a connection, by the way that is tried. */
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
 * Chooses those of some addresses that may be dialled: just these.  A parent is
 * the administrator's choice, wherever it is.
 */
static enum conn_state
reach_dial(struct conn *c, const struct addr *addrs, size_t n)
{
	const struct upstream *u = c->setup->upstream;
	struct decision d = reach_decision(c);
	struct addr allowed[ADDRS_MAX];
	size_t nallowed = 0;

	for (size_t i = 0; i < n; i++) {
		struct addr addr = addrs[i];

		addr.port = u != NULL ? u->port : c->setup->request.port;
		if (u != NULL || decision_address(&d, &addr) == REFUSE_NOTHING)
			allowed[nallowed++] = addr;
	}
	if (nallowed == 0)
		return reach_refuse(c, REFUSE_ADDRESS, &d);
	race_init(&c->setup->race, allowed, nallowed);
	return CONN_CONNECT;
}

/* Looks up what is to be reached; some addresses are known already. */
static enum conn_state
reach_begin(struct conn *c)
{
	const struct request *req = &c->setup->request;
	const struct upstream *u = c->setup->upstream;
	const struct addr *addrs = u != NULL ? &u->addr : &req->addr;
	size_t n = 1;

	if (u != NULL ? !u->literal : !req->literal)
		addrs = namecache_find(reached_name(c), &n);
	if (addrs != NULL)
		return reach_dial(c, addrs, n);
	ask_question(c, QUESTION_NAME, reached_name(c));
	return CONN_RESOLVE;
}

/*
 * CHECK_PARENT: whether a target may go to its parent.  Returns REFUSE_NOTHING,
 * or the refusal.
 */
static enum refusal
parent_permits(const struct conn *c, struct decision *d)
{
	const struct request *req = &c->setup->request;

	return req->literal ? decision_address(d, &req->addr)
			    : decision_parent(d);
}

/*
 * CONN_RESOLVE begins: decides which way a target is reached, unless a parent
 * was tried before, and looks up what is reached first.
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
		log_line(LOG_LEVEL_INFO, "No upstream proxy for %s",
		    s->request.host);
		return reach_begin(c);
	}
	d = reach_decision(c);
	refusal = parent_permits(c, &d);
	return refusal != REFUSE_NOTHING ? reach_refuse(c, refusal, &d)
					 : reach_begin(c);
}

/* Takes the answer to what a name resolves to. */
enum conn_state
reach_answered(struct conn *c, const struct answer *answer)
{
	if (answer->error == 0 && answer->naddrs > 0)
		return reach_dial(c, answer->addrs, answer->naddrs);
	return ask_on(c) ? CONN_RESOLVE : unresolved(c, answer->error);
}

/* The server, or the parent, is connected. */
static void
log_connected(const struct conn *c)
{
	const struct upstream *u = c->setup->upstream;
	int fd = c->tunnel.end[SERVER].fd;

	if (u == NULL)
		log_line(LOG_LEVEL_CONNECT,
		    "Established connection to host \"%s\" using file "
		    "descriptor %d.",
		    c->setup->request.host, fd);
	else
		log_line(LOG_LEVEL_CONNECT,
		    "Established connection to %s proxy \"%s\" using file "
		    "descriptor %d.",
		    u->kind == UPSTREAM_HTTP ? "upstream" : upstream_kind(u),
		    u->host, fd);
}

/* The way stands: what follows is the tunnel, or the request. */
static enum conn_state
reached(struct conn *c)
{
	return c->exchange != NULL ? CONN_FORWARD : CONN_RELAY;
}

/* Goes on with what has become of the race. */
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
		self_remember(c->tunnel.end[SERVER].fd, &c->server);
		log_connected(c);
		if (u == NULL)
			return reached(c);
		if (c->exchange == NULL || u->kind != UPSTREAM_HTTP)
			return CONN_PARENT;
		c->exchange->upstream = u;
		return CONN_FORWARD;
	}
	return CONN_CONNECT;
}

/* CONN_CONNECT begins: starts the race. */
enum conn_state
reach_connect(struct conn *c)
{
	return dialled(c, race_start(&c->setup->race, &c->tunnel));
}

/* Parents. */

/* The tunnel through a parent stands; what it sent after that is for us. */
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

/* A parent does not want this target; the client hears what it has said. */
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
	log_line(LOG_LEVEL_NOTICE, "Upstream proxy %s refused %s: %s%s",
	    c->setup->upstream->host, c->target, refusal_row(p->refusal)->type,
	    received);
	return conn_reply(c, p->refusal, &reply);
}

/* Goes on with what is said to a parent. */
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
	struct setup *s = c->setup;

	s->parent = malloc(sizeof(*s->parent));
	if (s->parent == NULL)
		return conn_refuse(c, REFUSE_MEMORY);
	parent_begin(
	    s->parent, s->upstream, &s->request, s->via != NULL ? s->via : "");
	return parent_event(c);
}

/* Something happened at an attempt to connect, or at a parent. */
enum conn_state
reach_event(struct conn *c, unsigned which, short revents)
{
	if (c->state == CONN_PARENT)
		return parent_event(c);
	return dialled(
	    c, race_event(&c->setup->race, &c->tunnel, which, revents));
}

/* The time for a step on the way is over. */
enum conn_state
reach_expire(struct conn *c)
{
	if (c->state == CONN_RESOLVE)
		return unresolved(c, EAI_AGAIN);
	if (c->state == CONN_PARENT)
		return reach_failed(
		    c, REFUSE_SILENCE, "get a tunnel to", "no answer");
	if (clock_now() >= conn_connect_by(c))
		return unreached(c, ETIMEDOUT);
	return reach_connect(c);
}
