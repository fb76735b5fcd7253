/* SPDX-License-Identifier: ISC */
/*
 * From the first byte of a request to the decision what becomes of it: its
 * head is read, and kept when it comes in pieces; who asks is found out; and
 * whatever can be decided without the addresses of the target is decided.
 * Nothing of the target is looked up, and nothing is sent on, before that.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "addr.h"
#include "ask.h"
#include "auth.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "exchange.h"
#include "filter.h"
#include "forward.h"
#include "log.h"
#include "parse.h"
#include "question.h"
#include "reach.h"
#include "relay.h"
#include "reply.h"
#include "request.h"
#include "reverse.h"
#include "rule.h"
#include "secret.h"
#include "self.h"
#include "share.h"
#include "stats.h"
#include "tunnel.h"
#include "via.h"

enum { HEAD_SIZE_MIN = 1024 /* bytes for a head that comes in pieces */ };

static const struct conf *conf;
static char head_buffer[HEAD_MAX + 1];

/* To be called once, before the first request is read. */
void
request_init(const struct conf *new_conf)
{
	conf = new_conf;
}

/* What it asks for. */

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
	    "Request (file descriptor %d): %.*s %s %.8s",
	    c->tunnel.end[CLIENT].fd,
	    (int)(req->method.len < 40 ? req->method.len : 40),
	    head + req->method.at, target,
	    head + req->target.at + req->target.len + 1);
}

/* Whether the filter refuses a request; says so in tinyproxy's words then. */
static bool
request_filtered(struct conn *c)
{
	static char text[URL_SIZE];
	const struct filter *f = &conf->filter;
	const char *head = c->exchange != NULL ? c->exchange->head : NULL;
	unsigned long line;
	char escaped[512];

	if (!filter_refuses(f, &c->setup->request, head, text, &line))
		return false;
	log_escape(escaped, sizeof(escaped), text, strlen(text));
	log_line(LOG_LEVEL_NOTICE, "Proxying refused on filtered %s \"%s\"",
	    f->urls ? "url" : "domain", escaped);
	conn_refuse(c, 403, "http_request_denied", "This target is filtered.");
	return true;
}

/* Answers a request for StatHost, which is no target. */
static void
request_statistics(struct conn *c)
{
	struct stats stats;
	struct reply reply = { .status = 200, .stats = &stats };

	log_line(LOG_LEVEL_NOTICE, "Request for the stathost.");
	stats_sum(&stats);
	conn_reply(c, &reply);
}

/*
 * Answers a request that no ReversePath is for, that one makes too long, or
 * that needs only the "/" at the end of one.  Returns whether it has done so.
 */
static bool
request_unmapped(struct conn *c)
{
	const struct request *req = &c->setup->request;
	int status;
	const char *why =
	    reverse_refuses(&conf->reverse, req, c->target, &status);
	struct reply redirection = { .status = 301,
		.detail = "The path ends in a slash." };
	char client[ADDR_TEXT_SIZE];

	if (why != NULL) {
		log_line(LOG_LEVEL_NOTICE, "Refused request from \"%s\": %s",
		    addr_text(&c->client, client), why);
		conn_refuse(c, status, "http_request_error", why);
		return true;
	}
	if (!req->origin)
		return false;
	redirection.location = req->mapping->path;
	conn_reply(c, &redirection);
	return true;
}

/* Decides what the rules can decide before the target is looked up. */
static void
request_permit(struct conn *c)
{
	const struct request *req = &c->setup->request;

	if (request_unmapped(c))
		return;
	if (stats_asked(&conf->stat_host, req)) {
		request_statistics(c);
		return;
	}
	if (!req->plain && !acl_port(&conf->acl, req->port)) {
		log_line(LOG_LEVEL_INFO, "Refused CONNECT method on port %u",
		    (unsigned)req->port);
		conn_refuse(c, 403, "http_request_denied",
		    "CONNECT to this port is not allowed.");
		return;
	}
	if (request_filtered(c))
		return;
	if (req->plain && forward_ends_here(c->exchange)) {
		exchange_here(c);
		return;
	}
	reach_route(c);
}

/* Who asks. */

static void
user_unknown(struct conn *c)
{
	conn_refuse(c, 407, "http_request_denied",
	    "This proxy wants a user name and a password.");
}

/*
 * The credentials are wrong.  That is worth a line; but not that there are
 * none, since that is how the first request of most clients looks like.
 */
static void
user_mistrust(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_INFO,
	    "Failed auth attempt (file descriptor: %d), ip %s",
	    c->tunnel.end[CLIENT].fd, addr_text(&c->client, client));
	user_unknown(c);
}

/* Whether the credentials are right could not be found out. */
static void
user_unchecked(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_WARNING,
	    "Could not check the password of \"%s\" in time",
	    addr_text(&c->client, client));
	conn_refuse(c, 503, "proxy_internal_error",
	    "The proxy could not check the password in time.");
}

/* Goes on with who asks, or refuses him: the credentials are judged. */
static void
user_judged(struct conn *c, bool right)
{
	if (!right) {
		user_mistrust(c);
		return;
	}
	auth_forget(c);
	request_permit(c);
}

/* Takes what the desk says of the credentials. */
void
request_answer(struct conn *c, const struct answer *answer)
{
	bool right = auth_end(c, conf, answer);

	if (!right && answer->error != 0)
		user_unchecked(c);
	else
		user_judged(c, right);
}

/* Judges the credentials, or asks those who can. */
static void
user_check(struct conn *c)
{
	enum verdict verdict = auth_check(c, conf);
	bool crowded;

	if (verdict != ACL_ASK) {
		user_judged(c, verdict == ACL_ALLOW);
		return;
	}
	crowded = auth_crowded(c);
	conn_state(c, CONN_USER);
	conn_watch(c);
	if (!crowded)
		ask_user(c);
}

/* Has the credentials judged, now or after the time that befits the client. */
static void
user_attempt(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];

	switch (auth_delay(c, conf)) {
	case AUTH_NOW:
		user_check(c);
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
request_identify(struct conn *c, char *head)
{
	const struct request *req = &c->setup->request;
	const struct slice *s = &req->credentials;
	enum verdict verdict = ACL_ALLOW;

	if (conf_wants_users(conf) && !req->has_credentials) {
		user_unknown(c);
		return;
	}
	if (conf_wants_users(conf))
		verdict = auth_begin(c, conf, head + s->at, s->len);
	credentials_wipe(c, head);
	if (verdict != ACL_ASK)
		user_judged(c, verdict == ACL_ALLOW);
	else if (c->setup->credentials != NULL)
		user_attempt(c);
	else
		conn_no_memory(c);
}

/* The head. */

/* Whether a request comes from this very proxy, by whatever way. */
static bool
is_loop(const struct conn *c, const char *head)
{
	return self_made(&c->client) || via_is_loop(&c->setup->request, head);
}

static void
refuse_loop(struct conn *c, char *head, size_t len)
{
	const struct request *req = &c->setup->request;
	char client[ADDR_TEXT_SIZE];

	credentials_wipe(c, head);
	/* Pages have its method. */
	if (req->plain)
		c->exchange = forward_new(req, head, len);
	log_line(LOG_LEVEL_CONNECT,
	    "Prevented endless loop (file descriptor %d): %s",
	    c->tunnel.end[CLIENT].fd, addr_text(&c->client, client));
	conn_refuse(c, 502, "proxy_loop_detected",
	    "The request has come back to the proxy that sent it.");
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
		c->exchange->keep = c->exchange->keep && conn_has_room();
		return 0;
	}
	if (len > req->length &&
	    relay_keep(
		&c->tunnel, CLIENT, head + req->length, len - req->length) != 0)
		return -1;
	return conf->upstreams.n == 0 ? 0
				      : via_field(&c->setup->via, req, head);
}

static void
request_bad(struct conn *c, char *head, size_t len)
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

static void
log_mapped(const struct conn *c, const char *head)
{
	const struct request *req = &c->setup->request;
	char from[400], to[500];

	if (req->mapping == NULL || req->origin ||
	    !log_wants(LOG_LEVEL_CONNECT))
		return;
	log_escape(from, sizeof(from), c->target, strlen(c->target));
	log_escape(to, sizeof(to), head + req->target.at, req->target.len);
	log_line(LOG_LEVEL_CONNECT, "Rewriting URL: %s -> %s", from, to);
}

/*
 * The head is complete: keeps what is needed of it later and what came behind
 * it, and finds out who asks.
 */
static void
request_decide(struct conn *c, char *head, size_t len)
{
	stats_count(TALLY_REQUESTS);
	log_request(c, head);
	reverse_map(&conf->reverse, &c->setup->request, &head, &len);
	log_mapped(c, head);
	/* What is kept has room for no more Via than is_loop() lets pass. */
	if (is_loop(c, head))
		refuse_loop(c, head, len);
	else if (request_keep(c, head, len) != 0)
		conn_no_memory(c);
	else
		request_identify(c, head);
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
request_head(struct conn *c, char *head, size_t len)
{
	struct setup *s = c->setup;
	enum parse_result result = parse_head(&s->request, head, len);

	if (result == PARSE_BAD) {
		request_bad(c, head, len);
	} else if (result == PARSE_OK && target_keep(c, head) == 0) {
		request_decide(c, head, len);
	} else if (result == PARSE_OK || head_keep(s, head, len) != 0) {
		conn_no_memory(c);
	} else {
		conn_watch(c);
	}
}

/*
 * Begins with a request that came behind the last one.  Returns 0, or -1 with
 * ENOMEM.
 */
int
request_follow(struct conn *c, char *bytes, size_t len)
{
	if (conn_setup_new(c) != 0 || head_keep(c->setup, bytes, len) != 0)
		return -1;
	c->recorded = false;
	request_head(c, c->setup->head, len);
	return 0;
}

/* A client that was served before asks for more. */
static void
request_again(struct conn *c)
{
	c->recorded = false;
	c->began = clock_now();
	conn_state(c, CONN_REQUEST);
}

/* Reads what there is of a request head. */
void
request_read(struct conn *c)
{
	struct setup *s = c->setup;
	char *head;
	size_t size;
	ssize_t n;

	/* A client that waits between two requests has none. */
	if (s == NULL && conn_setup_new(c) != 0) {
		conn_close(c, END_CLIENT_LEFT);
		return;
	}
	s = c->setup;
	head = s->head != NULL ? s->head : head_buffer;
	size = s->head != NULL ? s->head_size : sizeof(head_buffer);
	n = recv(c->tunnel.end[CLIENT].fd, head + s->head_len,
	    size - s->head_len, 0);
	if (n > 0 && c->recorded)
		request_again(c);
	if (n > 0)
		request_head(c, head, s->head_len + (size_t)n);
	else if (n < 0 && (errno == EAGAIN || errno == EINTR))
		conn_watch(c);
	else if (n == 0 && s->head_len > 0)
		conn_refuse(c, 400, "http_request_error",
		    "The request head is incomplete.");
	else
		conn_close(c, END_CLIENT_LEFT);
}

/* The time for the head, or for the credentials, is over. */
void
request_expire(struct conn *c)
{
	if (c->state == CONN_REQUEST && c->recorded)
		conn_close(c, END_CLOSED);
	else if (c->state == CONN_REQUEST)
		conn_refuse(c, 408, "http_request_error",
		    "The request head did not come in time.");
	else if (c->setup->list != NULL ||
	    clock_now() >= c->setup->credentials->until)
		user_unchecked(c);
	else
		user_attempt(c);
}
