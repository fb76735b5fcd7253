/* SPDX-License-Identifier: ISC */
/*
 * Decides which clients are served, from accept() until the request is read,
 * by the limits for their address and the rules for clients.  The address is
 * what the system says, or a load balancer in a PROXY header.  Nothing here looks
 * into what a client sends.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <netinet/in.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "acl.h"
#include "addr.h"
#include "args.h"
#include "ask.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "inlet.h"
#include "log.h"
#include "namecache.h"
#include "peeruser.h"
#include "place.h"
#include "preface.h"
#include "question.h"
#include "quota.h"
#include "refusal.h"
#include "relay.h"
#include "rule.h"
#include "sender.h"
#include "share.h"
#include "socket.h"
#include "stats.h"
#include "steps.h"
#include "store.h"
#include "sys.h"
#include "tally.h"
#include "tunnel.h"

enum { LEAVE_TIME = 200 /* ms from an early end of file to giving up */ };

/* The limits for one client address. */
enum limit { LIMIT_CLIENTS, LIMIT_RATE, LIMITS, LIMIT_NONE = LIMITS };

static const struct conf *conf;
static struct log_rate complaints[LIMITS];

/* Must be called once, before the first client is accepted. */
void
client_init(const struct worker_args *args)
{
	conf = args->conf;
	peeruser_init();
	sender_use(conf->proxy_from, conf->nproxy_from,
	    &args->share->common.strangers);
}

/* The rules. */

static enum conn_state
client_admit(struct conn *c)
{
	c->setup->deaf = false;
	c->setup->left_at = 0;
	return c->inlet == INLET_TLS ? CONN_NAME : CONN_REQUEST;
}

/*
 * Refuses a client because of the rule at setup->rule, or because no rule
 * matches if that is past the end.  Returns the state that follows.
 */
enum conn_state
client_deny(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];
	size_t rule = c->setup->rule;
	struct where at;

	say_connect(c);
	addr_text_peer(&c->client, client);
	log_line(
	    LOG_LEVEL_NOTICE, "Unauthorized connection from \"%s\".", client);
	if (rule < conf->acl.nrules)
		c->rule = (uint32_t)conf->acl.rules[rule].line;
	at = place_of(&conf->places, c->rule);
	if (c->rule != 0)
		log_line(LOG_LEVEL_INFO,
		    "Refused client %s: line %lu of %.400s %s", client, at.line,
		    at.file, say_descriptor(c));
	else
		log_line(LOG_LEVEL_INFO,
		    "Refused client %s: no rule matches %s", client,
		    say_descriptor(c));
	return conn_refuse(c, REFUSE_CLIENT);
}

/*
 * Returns the verdict of the rules for clients, beginning at setup->rule.
 * ACL_ASK: it depends on a name; setup->rule is that rule, and the desk must be
 * asked.
 */
static enum verdict
client_verdict(struct conn *c)
{
	size_t *at = &c->setup->rule;
	const struct rule *rule;
	enum verdict verdict;
	bool matches;

	while ((verdict = acl_client(&conf->acl, &c->client, at)) == ACL_ASK) {
		rule = &conf->acl.rules[*at];
		if (!namecache_find_client(rule->name, &c->client, &matches))
			break;
		if (matches)
			return rule->allow ? ACL_ALLOW : ACL_DENY;
		(*at)++;
	}
	return verdict;
}

/* Does what the rules for clients say. */
static enum conn_state
client_obey(struct conn *c, enum verdict verdict)
{
	switch (verdict) {
	case ACL_ALLOW:
		return client_admit(c);
	case ACL_DENY:
		return client_deny(c);
	case ACL_ASK:
		ask_question(
		    c, QUESTION_CLIENT, conf->acl.rules[c->setup->rule].name);
	}
	return CONN_RULE;
}

/* Takes the desk's answer on whether the client has the name in a rule. */
static enum conn_state
rule_answered(struct conn *c, const struct answer *answer)
{
	const struct rule *rule = &conf->acl.rules[c->setup->rule];
	enum verdict verdict;

	if (!answer->matches && ask_on(c))
		return CONN_RULE;
	verdict = acl_answer(rule, answer->matches, answer->error != 0);
	if (verdict == ACL_ASK) {
		c->setup->rule++;
		verdict = client_verdict(c);
	}
	return client_obey(c, verdict);
}

/*
 * Handles an event of a client while its input is not read: it belongs to the
 * tunnel, which is not there yet.  A reset means that the client has left.  An
 * end of file may mean that, too, or that the client has sent all it has and
 * waits for the answer.  If it has sent nothing for the tunnel, it is given
 * LEAVE_TIME: enough to reach a server that is up.
 */
enum conn_state
client_early(struct conn *c, short revents)
{
	bool gone = (revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
	ssize_t n = 1;
	char byte;

	if ((revents & POLLIN) && !c->setup->deaf)
		n = recv(c->tunnel.end[CLIENT].fd, &byte, 1, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return c->state;
	if (gone || n < 0)
		return conn_end(c, END_CLIENT_LEFT);
	c->setup->deaf = true;
	if (n == 0 && !relay_holds(&c->tunnel, CLIENT) && c->exchange == NULL)
		c->setup->left_at = clock_now() + LEAVE_TIME;
	return c->state;
}

/* The limits for one client address. */

/* Logs that a client exceeds a limit; the lines are limited, for each limit. */
static void
complain_of_host(enum limit limit, const struct addr *addr)
{
	struct log_rate *rate = &complaints[limit];
	char client[ADDR_TEXT_SIZE];

	addr_text_peer(addr, client);
	if (limit == LIMIT_CLIENTS)
		log_rarely(rate, LOG_LEVEL_WARNING,
		    "Too many connections from \"%s\": MaxClientsPerHost is "
		    "%u.",
		    client, conf->per_host.clients);
	else
		log_rarely(rate, LOG_LEVEL_WARNING,
		    "Too many new connections from \"%s\": MaxRatePerHost is "
		    "%u.",
		    client, conf->per_host.rate);
}

/* Counts a new client.  Returns the limit that it exceeds, or LIMIT_NONE. */
static enum limit
limit_check(const struct addr *client, bool *counted)
{
	enum limit limit = LIMIT_NONE;

	*counted = false;
	if (conf->per_host.rate != 0 &&
	    quota_take(QUOTA_CONNECTIONS, client) > 0)
		limit = LIMIT_RATE;
	else if (conf->per_host.clients != 0 && !quota_enter(client, counted))
		limit = LIMIT_CLIENTS;
	if (limit != LIMIT_NONE)
		complain_of_host(limit, client);
	return limit;
}

/* Closes the connection of a client without an answer, and records it. */
static void
limit_drop(int fd, const struct addr *client)
{
	stats_refused(REFUSE_LIMIT);
	say_dropped(client, REFUSE_LIMIT);
	socket_reset(fd);
}

/*
 * Answers a client that exceeds a limit.  If the rules deny it without a
 * look-up, it is told that instead.
 */
static enum conn_state
limit_refuse(struct conn *c)
{
	size_t rule = 0;

	if (acl_client(&conf->acl, &c->client, &rule) == ACL_DENY)
		return client_deny(c);
	return conn_refuse(c, REFUSE_LIMIT);
}

/* New clients. */

/* Sets the options that an accepted socket does not inherit everywhere. */
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
 * Takes a client that was accepted.  The limits are checked first, so that a
 * flood costs little; most clients above a limit are closed without an answer,
 * and take no connection.  Returns the connection, for client_begin(), or
 * NULL: the client was closed.  The descriptor is no longer the caller's.
 */
struct conn *
client_accepted(int fd, const struct addr *client, enum inlet inlet)
{
	enum limit limit;
	struct conn *c;
	bool counted;

	client_options(fd);
	stats_add(COUNT_ACCEPTED, 1);
	limit = limit_check(client, &counted);
	if (limit != LIMIT_NONE && quota_take(QUOTA_REFUSALS, client) > 0) {
		limit_drop(fd, client);
		return NULL;
	}
	c = conn_new(fd, client, inlet);
	if (c == NULL) {
		if (counted)
			quota_leave(client);
		socket_reset(fd);
		return NULL;
	}
	c->counted = counted;
	c->setup->limited = limit != LIMIT_NONE;
	if (conf->health_path == NULL || inlet_is_transparent(inlet))
		say_connect(c);
	return c;
}

/* PeerUser. */

/* Refuses a client at a Unix socket whose login name is not known. */
static enum conn_state
peer_refuse(struct conn *c, const char *why)
{
	say_connect(c);
	log_line(LOG_LEVEL_NOTICE, "PeerUser: %s %s", why, say_whom(c));
	return conn_refuse(c, REFUSE_PEER);
}

/* Goes on with a login name, or NULL. */
static enum conn_state
peer_named(struct conn *c, const char *name)
{
	if (name == NULL)
		return peer_refuse(
		    c, "the number of the user has no name here");
	if (conn_extra_new(c) != 0)
		return peer_refuse(c, strerror(errno));
	c->extra->login = name;
	return client_admit(c);
}

/* Finds out the login name of a client at a Unix socket. */
static enum conn_state
peer_identify(struct conn *c)
{
	uint32_t uid = addr_uid(&c->client);
	const char *name;

	if (peeruser_is_nobody(uid))
		return peer_refuse(c,
		    "the system does not say who it is: a user of another "
		    "user namespace");
	if (peeruser_find(uid, &name))
		return peer_named(c, name);
	snprintf(
	    c->setup->uid, sizeof(c->setup->uid), "%lu", (unsigned long)uid);
	ask_question(c, QUESTION_LOGIN, c->setup->uid);
	return CONN_RULE;
}

/* Takes the desk's answer on it. */
static enum conn_state
peer_answered(struct conn *c, const struct answer *answer)
{
	const char *name = peeruser_answered(addr_uid(&c->client), answer);

	return answer->error == 0
	    ? peer_named(c, name)
	    : peer_refuse(c, "the look-up of the user's name has failed");
}

/* An answer that CONN_RULE waits for has not come in time. */
enum conn_state
client_unanswered(struct conn *c)
{
	return c->setup->kind == QUESTION_LOGIN
	    ? peer_refuse(c, "the look-up of the user's name took too long")
	    : client_deny(c);
}

/* Decides whether a client whose address is known is served. */
static enum conn_state
client_judge(struct conn *c)
{
	if (c->setup->limited)
		return limit_refuse(c);
	if (conf->peer_user && c->client.local != 0)
		return peer_identify(c);
	return client_obey(c, client_verdict(c));
}

/* CONN_RULE: takes the desk's answer. */
enum conn_state
client_answered(struct conn *c, const struct answer *answer)
{
	return c->setup->kind == QUESTION_LOGIN ? peer_answered(c, answer)
						: rule_answered(c, answer);
}

/* The first step of a connection, in CONN_RULE: decides if it is served. */
enum conn_state
client_begin(struct conn *c)
{
	return c->proxied ? CONN_PREFACE : client_judge(c);
}

/* Clients of load balancers. */

static void
sender_drop(int fd, const struct addr *sender, const char *why)
{
	sender_complain(sender, why);
	close(fd);
}

/*
 * As client_accepted(), for a connection that must begin with a PROXY header.
 * Nothing is read of it if its sender is not trusted.  Until the header has come
 * the sender counts as the client, and the access log gets no line.
 */
struct conn *
client_proxied(int fd, const struct addr *sender)
{
	const char *why;
	struct conn *c;

	client_options(fd);
	why = sender_enter(sender);
	if (why != NULL) {
		sender_drop(fd, sender, why);
		return NULL;
	}
	c = conn_new(fd, sender, INLET_PREFACE);
	if (c == NULL) {
		sender_leave(sender);
		close(fd);
		return NULL;
	}
	c->extra->via = *sender;
	c->proxied = c->recorded = true;
	return c;
}

/* Goes on with a client that the header names, as if it had connected here. */
static enum conn_state
client_named(struct conn *c, const struct addr *client)
{
	enum limit limit;

	c->client = *client;
	c->began = clock_now();
	c->recorded = false;
	limit = limit_check(client, &c->counted);
	if (limit != LIMIT_NONE && quota_take(QUOTA_REFUSALS, client) > 0) {
		stats_count(refusal_row(REFUSE_LIMIT)->tally);
		c->refusal = REFUSE_LIMIT;
		return conn_end(c, END_REFUSED);
	}
	c->setup->limited = limit != LIMIT_NONE;
	if (conf->health_path == NULL)
		say_connect(c);
	return client_judge(c);
}

/*
 * Goes on with a sender that speaks for itself, to check if this proxy is well.
 * No rule for clients is for it.
 */
static enum conn_state
client_local(struct conn *c)
{
	c->local = true;
	return client_admit(c);
}

/* CONN_PREFACE: reads some of the header. */
enum conn_state
client_preface(struct conn *c)
{
	struct setup *s = c->setup;
	struct preface preface = { .length = 0 };
	enum sender_state state = sender_read(
	    c->tunnel.end[CLIENT].fd, &s->head, &s->head_len, &preface);

	s->head_size = s->head != NULL ? PREFACE_MAX : 0;
	switch (state) {
	case SENDER_TALKS:
		return CONN_PREFACE;
	case SENDER_LEFT:
		return conn_end(c, END_CLIENT_LEFT);
	case SENDER_WRONG:
		sender_complain(&c->extra->via, preface.why);
		return conn_end(c, END_REFUSED);
	case SENDER_READY:
		break;
	}
	store_free(s->head, s->head_size);
	s->head = NULL;
	s->head_len = s->head_size = 0;
	return preface.local ? client_local(c)
			     : client_named(c, &preface.client);
}

/* The header has not come in time, or not even a byte of it, which is silent. */
enum conn_state
client_faceless(struct conn *c)
{
	if (c->setup->head_len > 0)
		sender_complain(
		    &c->extra->via, "its PROXY header did not come in time");
	return conn_end(c, END_REFUSED);
}
