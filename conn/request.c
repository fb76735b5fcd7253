/* SPDX-License-Identifier: ISC */
/*
 * The steps of a request before its target is looked up: reads its head, which
 * may come in pieces; identifies the user; and makes all decisions that do not
 * need the addresses of the target.  Until then no name is looked up, and
 * nothing is passed on.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "aim.h"
#include "args.h"
#include "ask.h"
#include "auth.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "decision.h"
#include "directives.h"
#include "forward.h"
#include "front.h"
#include "head.h"
#include "inlet.h"
#include "log.h"
#include "parse.h"
#include "question.h"
#include "refusal.h"
#include "relay.h"
#include "reply.h"
#include "reverse.h"
#include "rewrite.h"
#include "rule.h"
#include "secret.h"
#include "self.h"
#include "share.h"
#include "stats.h"
#include "store.h"
#include "steps.h"
#include "stranger.h"
#include "tally.h"
#include "tunnel.h"
#include "via.h"

static const struct conf *conf;
static bool front_root;    /* "/" belongs to a ReversePath */
static uint32_t port_line; /* of the last ConnectPort, which refuses a port */
static char head_buffer[HEAD_MAX + 1]; /* at most so many are kept */

/* Must be called once, before the first request is read. */
void
request_init(const struct worker_args *args)
{
	conf = args->conf;
	front_root = false;
	for (size_t i = 0; i < conf->reverse.n; i++)
		front_root =
		    front_root || strcmp(conf->reverse.list[i].path, "/") == 0;
	port_line = (uint32_t)directives_line(conf, "ConnectPort");
}

/* Decisions. */

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
	    "Request (file descriptor %d): %.*s %s %.8s %s",
	    c->tunnel.end[CLIENT].fd,
	    (int)(req->method.len < 40 ? req->method.len : 40),
	    head + req->method.at, target,
	    head + req->target.at + req->target.len + 1, say_whom(c));
}

static enum conn_state
refuse_filtered(struct conn *c, const struct decision *d)
{
	char escaped[512];

	log_escape(escaped, sizeof(escaped), d->filtered, strlen(d->filtered));
	c->rule = (uint32_t)d->line;
	log_line(LOG_LEVEL_NOTICE, "Proxying refused on filtered %s \"%s\" %s",
	    conf->filter.urls ? "url" : "domain", escaped, say_whom(c));
	return conn_refuse(c, REFUSE_FILTERED);
}

/* Answers a request for StatHost with the page of statistics. */
static enum conn_state
show_statistics(struct conn *c)
{
	struct stats stats;
	struct reply reply = { .stats = &stats };

	log_line(LOG_LEVEL_NOTICE, "Request for the stathost. %s", say_whom(c));
	stats_sum(&stats);
	return conn_reply(c, REFUSE_STATISTICS, &reply);
}

/* Redirects a client to a path with the slash that was missing at its end. */
static enum conn_state
redirect(struct conn *c)
{
	struct reply reply = { .location = c->setup->request.mapping->path };

	return conn_reply(c, REFUSE_REDIRECTED, &reply);
}

/* Refuses a request because of its contents; the reply's detail says why. */
static enum conn_state
refuse_request(struct conn *c, enum refusal refusal, struct reply *reply)
{
	char client[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_NOTICE, "Refused request from \"%s\": %s %s",
	    addr_text_peer(&c->client, client), reply->detail,
	    say_descriptor(c));
	return conn_reply(c, refusal, reply);
}

/* Answers a request according to a decision that is not REFUSE_NOTHING. */
static enum conn_state
request_decided(struct conn *c, enum refusal refusal, const struct decision *d)
{
	switch (refusal) {
	case REFUSE_REDIRECTED:
		return redirect(c);
	case REFUSE_STATISTICS:
		return show_statistics(c);
	case REFUSE_FILTERED:
		return refuse_filtered(c, d);
	case REFUSE_PORT:
		c->rule = port_line;
		log_line(LOG_LEVEL_INFO, "Refused CONNECT method on port %u %s",
		    (unsigned)c->setup->request.port, say_whom(c));
		return conn_refuse(c, refusal);
	case REFUSE_TARGET:
		return reach_refuse(c, refusal, d);
	default:
		return refuse_request(
		    c, refusal, &(struct reply){ .detail = d->why });
	}
}

/* Makes the decisions that need no look-up of the target. */
static enum conn_state
request_permit(struct conn *c)
{
	struct decision d = { .conf = conf,
		.request = &c->setup->request,
		.head = c->exchange != NULL ? c->exchange->head : NULL,
		.target = c->target,
		.asker = { .client = &c->client, .user = c->user } };
	enum refusal refusal;

	for (enum check check = CHECK_MAPPING; check <= CHECK_NAME; check++) {
		refusal = decision_make(&d, check);
		if (refusal != REFUSE_NOTHING)
			return request_decided(c, refusal, &d);
		if (d.here)
			return CONN_FORWARD;
	}
	return CONN_RESOLVE;
}

/* The user. */

/*
 * The credentials are wrong, which is logged.  Missing ones are not: most
 * clients send their first request without any.
 */
static enum conn_state
user_mistrust(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_INFO,
	    "Failed auth attempt (file descriptor: %d), ip %s",
	    c->tunnel.end[CLIENT].fd, addr_text_peer(&c->client, client));
	return conn_refuse(c, REFUSE_CREDENTIALS);
}

/* The check of the credentials failed, or took too long. */
static enum conn_state
user_unchecked(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_WARNING, "Could not check the password of \"%s\" %s",
	    addr_text_peer(&c->client, client), say_descriptor(c));
	return conn_refuse(c, REFUSE_UNCHECKED);
}

/* Goes on after the credentials were judged, or refuses the client. */
static enum conn_state
user_judged(struct conn *c, bool right)
{
	if (!right)
		return user_mistrust(c);
	auth_forget(c);
	return request_permit(c);
}

/* Takes the desk's answer on the credentials. */
enum conn_state
request_answered(struct conn *c, const struct answer *answer)
{
	bool right = auth_end(c, answer);

	if (!right && answer->error != 0)
		return user_unchecked(c);
	return user_judged(c, right);
}

/* Judges the credentials, or asks the desk. */
static enum conn_state
user_check(struct conn *c)
{
	enum verdict verdict = auth_check(c);

	if (verdict != ACL_ASK)
		return user_judged(c, verdict == ACL_ALLOW);
	if (!auth_crowded(c))
		ask_user(c);
	return CONN_USER;
}

/* Begins to check the credentials, now or after a delay. */
static enum conn_state
user_attempt(struct conn *c)
{
	char client[ADDR_TEXT_SIZE];

	switch (auth_delay(c)) {
	case AUTH_NOW:
		return user_check(c);
	case AUTH_LATER:
		break;
	case AUTH_NEVER:
		log_line(LOG_LEVEL_INFO,
		    "Too many passwords of \"%s\" wait to be checked %s",
		    addr_text_peer(&c->client, client), say_descriptor(c));
		return conn_refuse(c, REFUSE_GUESSES);
	}
	return CONN_USER;
}

/* Overwrites the credentials in a head; the rest of it stays. */
static void
credentials_wipe(const struct conn *c, char *head)
{
	const struct slice *s = &c->setup->request.credentials;

	secret_wipe(head + s->at, s->len);
}

/* The client's name by PeerUser, or NULL. */
static const char *
login_of(const struct conn *c)
{
	return c->extra != NULL ? c->extra->login : NULL;
}

/*
 * Whether a client must say who it is.  One that need not, but does, is judged
 * by that, as all are; only the login name of PeerUser needs nothing more.
 */
static bool
user_wanted(const struct conn *c)
{
	return conf_wants_users(conf) && login_of(c) == NULL &&
	    (c->setup->request.has_credentials ||
		conf_exempts(conf, &c->client) == NULL);
}

/*
 * Goes on with a client that does not know that there is a proxy: it cannot be
 * asked who it is, and what it may have said of that is not for this proxy.
 */
static enum conn_state
request_anonymous(struct conn *c, char *head)
{
	credentials_wipe(c, head);
	return conf_wants_users(conf) && conf_exempts(conf, &c->client) == NULL
	    ? conn_refuse(c, REFUSE_ANONYMOUS)
	    : request_permit(c);
}

/* Identifies the user, if users are configured. */
static enum conn_state
request_identify(struct conn *c, char *head)
{
	const struct request *req = &c->setup->request;
	const struct slice *s = &req->credentials;
	bool wanted = user_wanted(c);
	enum verdict verdict = ACL_ALLOW;

	if (inlet_is_transparent(c->inlet))
		return request_anonymous(c, head);
	if (wanted && !req->has_credentials)
		return conn_refuse(c, REFUSE_CREDENTIALS);
	if (wanted)
		verdict = auth_begin(c, head + s->at, s->len);
	else
		c->user = login_of(c);
	credentials_wipe(c, head);
	if (verdict != ACL_ASK)
		return user_judged(c, verdict == ACL_ALLOW);
	if (c->setup->credentials == NULL)
		return conn_refuse(c, REFUSE_MEMORY);
	return user_attempt(c);
}

/* The head. */

/* Whether this proxy has sent the request, directly or through others. */
static bool
is_loop(const struct conn *c, const char *head)
{
	struct addr aim;

	if (self_made(conn_peer(c)) || via_is_loop(&c->setup->request, head))
		return true;
	if (!inlet_is_transparent(c->inlet))
		return false;
	aim = aim_of(c->tunnel.end[CLIENT].fd, c->inlet);
	return self_led_back(&c->client, &aim);
}

static enum conn_state
refuse_loop(struct conn *c, char *head, size_t len)
{
	const struct request *req = &c->setup->request;
	char client[ADDR_TEXT_SIZE];

	credentials_wipe(c, head);
	/* The page may show the method, which the exchange keeps. */
	if (req->plain)
		c->exchange = forward_new(req, head, len);
	log_line(LOG_LEVEL_CONNECT,
	    "Prevented endless loop (file descriptor %d): %s",
	    c->tunnel.end[CLIENT].fd, addr_text_peer(&c->client, client));
	return conn_refuse(c, REFUSE_LOOP);
}

/* A load balancer that speaks for itself may only look how this proxy is. */
static enum conn_state
refuse_sender(struct conn *c, char *head)
{
	credentials_wipe(c, head);
	log_line(LOG_LEVEL_NOTICE,
	    "Refused a request of the load balancer itself %s", say_whom(c));
	return conn_refuse(c, REFUSE_CLIENT);
}

/* Keeps what later states need of a request.  Returns 0, or -1 with ENOMEM. */
static int
parts_keep(struct conn *c, const char *head, size_t len)
{
	const struct request *req = &c->setup->request;

	if (req->plain) {
		c->exchange = forward_new(req, head, len);
		if (c->exchange == NULL)
			return -1;
		c->exchange->keep = c->exchange->keep && conn_has_room();
		c->exchange->client = &c->client;
		c->exchange->target = c->target;
		return 0;
	}
	if (len > req->length &&
	    relay_keep(
		&c->tunnel, CLIENT, head + req->length, len - req->length) != 0)
		return -1;
	return conf->upstreams.n == 0 ? 0
				      : via_field(&c->setup->via, req, head);
}

static enum conn_state
request_bad(struct conn *c, char *head, size_t len)
{
	static char line[REQUEST_LINE_MAX + 1];
	const struct request *req = &c->setup->request;
	const char *stranger = stranger_why(head, len);
	struct reply reply = { .detail = stranger != NULL ? stranger : req->why,
		.request = req->line.len > 0 ? line : NULL };

	snprintf(line, sizeof(line), "%.*s", (int)req->line.len,
	    head + req->line.at);
	secret_wipe(head, len);
	return refuse_request(c, req->refusal, &reply);
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
	log_line(LOG_LEVEL_CONNECT, "Rewriting URL: %s -> %s %s", from, to,
	    say_whom(c));
}

/* Keeps the request target without userinfo, for logs and pages. */
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
	if (req->plain)
		snprintf(c->method, sizeof(c->method), "%.*s",
		    (int)req->method.len, head + req->method.at);
	return 0;
}

/*
 * The target of a request for a path that follows its Host is that URL.  Returns
 * 0, or -1 with ENOMEM.
 */
static int
target_follow(struct conn *c, const char *head)
{
	const struct request *req = &c->setup->request;

	if (req->origin || req->mapping != NULL || c->target[0] != '/')
		return 0;
	free(c->target);
	return target_keep(c, head);
}

/* Finds the URL that a request for a path is for. */
static void
request_place(const struct conn *c, char **head, size_t *len)
{
	struct request *req = &c->setup->request;

	if (c->inlet == INLET_HTTP)
		reverse_follow(req,
		    aim_of(c->tunnel.end[CLIENT].fd, INLET_HTTP).port, head,
		    len);
	else
		reverse_map(&conf->reverse, req, head, len);
}

/*
 * Handles a complete head: maps its path, keeps what is needed later and what
 * was received after it, and identifies the user.
 */
static enum conn_state
request_decide(struct conn *c, char *head, size_t len)
{
	stats_count(TALLY_REQUESTS);
	stats_add(c->setup->request.plain ? COUNT_OTHERS : COUNT_CONNECTS, 1);
	log_request(c, head);
	if (c->local && !stats_asked(&conf->stat_host, &c->setup->request))
		return refuse_sender(c, head);
	request_place(c, &head, &len);
	if (target_follow(c, head) != 0)
		return conn_refuse(c, REFUSE_MEMORY);
	log_mapped(c, head);
	/* First: parts_keep() has room for no more Via than this lets pass. */
	if (is_loop(c, head))
		return refuse_loop(c, head, len);
	if (parts_keep(c, head, len) != 0)
		return conn_refuse(c, REFUSE_MEMORY);
	return request_identify(c, head);
}

/* Handles a whole head, of which no step needs more than was kept of it. */
static enum conn_state
request_whole(struct conn *c, char *head, size_t len)
{
	enum conn_state next;

	len = parse_cut(&c->setup->request, head, len);
	if (c->setup->request.plain && !store_permits(len))
		return conn_refuse(c, REFUSE_HEAD_SIZE);
	if (target_keep(c, head) != 0)
		return conn_refuse(c, REFUSE_MEMORY);
	next = request_decide(c, head, len);
	head_drop(c->setup);
	return next;
}

/* Answers a load balancer or supervisor that asks how this proxy is. */
static enum conn_state
show_health(struct conn *c, char *head, size_t len)
{
	static const struct document well = { "text/plain", "ok\n", 3 };
	static const struct document draining = { "text/plain", "draining\n",
		9 };
	struct reply reply = { .document =
				   conn_draining() ? &draining : &well };

	secret_wipe(head, len);
	c->recorded = c->said = true;
	return conn_reply(
	    c, conn_draining() ? REFUSE_DRAINING : REFUSE_HEALTH, &reply);
}

/* Answers with the PacFile, which clients read before they know a password. */
static enum conn_state
show_pac(struct conn *c, char *head, size_t len)
{
	struct document pac = {
		"application/x-ns-proxy-autoconfig; charset=utf-8",
		conf->pac.text, conf->pac.len
	};
	struct reply reply = { .document = &pac };

	say_connect(c);
	log_request(c, head);
	stats_count(TALLY_REQUESTS);
	secret_wipe(head, len);
	return c->local ? conn_refuse(c, REFUSE_CLIENT)
			: conn_reply(c, REFUSE_PAC, &reply);
}

/* What a whole head asks of this proxy itself. */
static enum front
front_of(const struct conn *c, const char *head)
{
	const struct front_paths paths = { .health = conf->health_path,
		.root = front_root,
		.pac = conf->pac.text != NULL };

	/* A path of another server means nothing here. */
	return inlet_is_transparent(c->inlet)
	    ? FRONT_NOTHING
	    : front_asked(&paths, &c->setup->request, head);
}

/*
 * Handles the request for a tunnel that a TLS hello stands for, in a buffer of
 * the caller's, with the first bytes of the tunnel.
 */
enum conn_state
request_tunnel(struct conn *c, char *head, size_t len)
{
	enum parse_result result = parse_head(&c->setup->request, head, len);

	say_connect(c);
	return result == PARSE_OK ? request_whole(c, head, len)
				  : request_bad(c, head, len);
}

/* Parses what was received of a head. */
static enum conn_state
request_head(struct conn *c, char *head, size_t len)
{
	struct setup *s = c->setup;
	enum parse_result result = parse_head(&s->request, head, len);

	c->recorded = false;
	if (result != PARSE_MORE)
		switch (front_of(c, head)) {
		case FRONT_HEALTH:
			return show_health(c, head, len);
		case FRONT_PAC:
			return show_pac(c, head, len);
		case FRONT_NOTHING:
			say_connect(c);
			break;
		}
	if (result == PARSE_BAD)
		return request_bad(c, head, len);
	if (result == PARSE_OK)
		return request_whole(c, head, len);
	if (!head_permits(s, len, sizeof(head_buffer)))
		return conn_refuse(c, REFUSE_HEAD_SIZE);
	if (head_keep(s, head, len, sizeof(head_buffer)) != 0)
		return conn_refuse(c, REFUSE_MEMORY);
	return CONN_REQUEST;
}

/*
 * Keeps the first bytes of the next request, received during the last one, for
 * CONN_REQUEST; wipes the caller's copy.  Returns 0, or -1 with ENOMEM.
 */
int
request_keep(struct conn *c, char *bytes, size_t len)
{
	return conn_setup_new(c) != 0
	    ? -1
	    : head_keep(c->setup, bytes, len, sizeof(head_buffer));
}

/* CONN_REQUEST begins: parses what was kept, or reads. */
enum conn_state
request_enter(struct conn *c)
{
	struct setup *s = c->setup;

	if (s->head_len == 0)
		return request_read(c);
	conn_request_begin(c);
	return request_head(c, s->head, s->head_len);
}

/* Nothing could be read from an idle client after all. */
static enum conn_state
request_still_idle(struct conn *c)
{
	conn_setup_free(c);
	return CONN_IDLE;
}

/*
 * Reads some of a request head.  In CONN_IDLE that is the beginning of the
 * client's next request.
 */
enum conn_state
request_read(struct conn *c)
{
	bool idle = c->state == CONN_IDLE;
	struct setup *s;
	char *head;
	size_t size;
	ssize_t n;

	if (idle && conn_setup_new(c) != 0)
		return conn_end(c, END_CLIENT_LEFT);
	s = c->setup;
	head = s->head != NULL ? s->head : head_buffer;
	size = s->head != NULL ? s->head_size : sizeof(head_buffer);
	n = recv(c->tunnel.end[CLIENT].fd, head + s->head_len,
	    size - s->head_len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return idle ? request_still_idle(c) : CONN_REQUEST;
	if (n == 0 && s->head_len > 0)
		return conn_refuse(c, REFUSE_INCOMPLETE);
	if (n <= 0)
		return conn_end(c, END_CLIENT_LEFT);
	if (idle) {
		conn_request_begin(c);
		c->began = clock_now();
	}
	return request_head(c, head, s->head_len + (size_t)n);
}

/* Handles a deadline of CONN_USER: begins the check, or gives it up. */
enum conn_state
request_expire(struct conn *c)
{
	if (ask_pending(c) || clock_now() >= c->setup->credentials->until)
		return user_unchecked(c);
	return user_attempt(c);
}
