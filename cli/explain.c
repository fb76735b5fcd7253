/* SPDX-License-Identifier: ISC */
/*
 * Explains a decision before it is taken: goes with a request through what a
 * worker would do with it, in the same order, and says at each step which line
 * decides.  It judges nothing itself but asks whom a connection asks, and it
 * never connects to anybody.  It waits for name servers, so it is for the
 * command line alone.
 */
#define _POSIX_C_SOURCE 200809L

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "acl.h"
#include "addr.h"
#include "bounds.h"
#include "clock.h"
#include "conf.h"
#include "explain.h"
#include "filter.h"
#include "helper.h"
#include "hosts.h"
#include "log.h"
#include "login.h"
#include "parse.h"
#include "question.h"
#include "quote.h"
#include "race.h"
#include "reply.h"
#include "reverse.h"
#include "rule.h"
#include "self.h"
#include "stats.h"
#include "target.h"
#include "upstream.h"
#include "who.h"

enum {
	SHOWN_SIZE = 300, /* bytes of what the command line says */
	REFUSED = 403,
	UNAUTHORIZED = 407
};

/* The request, and who it comes from. */
static struct {
	const struct conf *conf;
	struct asker asker;
	struct request request;
	char *head; /* of a plain request */
	char client[ADDR_TEXT_SIZE], target[SHOWN_SIZE]; /* to be shown */
} e;

/* What is said. */

/* The answer of a request that is refused; false, for whoever says so. */
static bool
refuse(int status, const char *error)
{
	printf("answer: %d %s, %s\n", status, reply_reason(status), error);
	return false;
}

/* What a line of the configuration does, and the line. */
static void
say_line(const char *what, unsigned long line)
{
	char text[QUOTE_SIZE];
	bool found = quote_line(e.conf, line, text);

	if (e.conf->file == NULL)
		printf("%s the built-in %s\n", what, text);
	else
		printf(
		    "%s line %lu%s%s\n", what, line, found ? ": " : "", text);
}

/* By which rule for targets, if there is one. */
static void
say_target(bool allowed, const struct target_rule *rule)
{
	if (rule != NULL)
		say_line(allowed ? "allowed by" : "refused by", rule->line);
	else if (!allowed)
		puts("refused: no AllowTo matches");
	else if (e.conf->acl.targets.n == 0)
		puts("allowed: there is no AllowTo and no DenyTo");
	else
		puts("allowed: no DenyTo matches");
}

/* The answer of a request that gets to a server; the rest of it follows. */
static void
say_way(const char *way)
{
	bool plain = e.request.plain;

	if (e.conf->rate_limit != 0)
		say_line(plain ? "limit: the content is slowed down by"
			       : "limit: the tunnel is slowed down by",
		    quote_find(e.conf, "RateLimit", NULL));
	printf("answer: %s %s ",
	    plain ? "the server's, by a connection" : "200, a tunnel", way);
}

/* Names are asked for where a worker asks, one desk after the other. */
static void
ask(const struct question *q, struct answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	if (!hosts_answer(q, answer))
		helper_answer(q, answer);
}

/* The client. */

/* The limits come first; whether one is reached depends on other requests. */
static void
limits_say(void)
{
	if (e.conf->max_clients_per_host != 0)
		say_line("limit: unless the client is above",
		    quote_find(e.conf, "MaxClientsPerHost", NULL));
	if (e.conf->max_rate_per_host != 0)
		say_line("limit: unless the client is above",
		    quote_find(e.conf, "MaxRatePerHost", NULL));
}

/* The verdict of a rule with a name; ACL_ASK: the next one has it. */
static enum verdict
client_ask(const struct rule *rule)
{
	struct question q = { .kind = QUESTION_CLIENT,
		.client = *e.asker.client };
	enum verdict verdict;
	struct answer answer;

	strcpy(q.text, rule->name);
	ask(&q, &answer);
	verdict = acl_answer(rule, answer.matches, answer.error != 0);
	if (!answer.matches && answer.error != 0)
		printf("client %s: the look-up for line %lu failed: %s\n",
		    e.client, rule->line, gai_strerror(answer.error));
	if (verdict == ACL_ASK) {
		printf("client %s: ", e.client);
		say_line("not matched by", rule->line);
	}
	return verdict;
}

static bool
client_goes(void)
{
	enum verdict verdict;
	size_t at = 0;

	limits_say();
	while ((verdict = acl_client(&e.conf->acl, e.asker.client, &at)) ==
		ACL_ASK &&
	    (verdict = client_ask(&e.conf->acl.rules[at])) == ACL_ASK)
		at++;
	printf("client %s: ", e.client);
	if (at < e.conf->acl.nrules)
		say_line(verdict == ACL_ALLOW ? "allowed by" : "refused by",
		    e.conf->acl.rules[at].line);
	else
		puts(verdict == ACL_ALLOW
			? "allowed: there is no Allow and no Deny"
			: "refused: no Allow matches");
	return verdict == ACL_ALLOW || refuse(REFUSED, "http_request_denied");
}

/* The request. */

/* Whether a target is that of another method than CONNECT. */
static bool
is_plain(const char *target)
{
	return strpbrk(target, "\r\n") == NULL &&
	    (target[0] == '/' || strstr(target, "://") != NULL);
}

/* A URL, or a path, is read as in the head of a GET. */
static bool
plain_goes(const char *target)
{
	static char head[HEAD_MAX + 1];
	struct request *req = &e.request;
	size_t len = strlen(target) + sizeof("GET  HTTP/1.0\r\n\r\n") - 1;

	if (len >= sizeof(head))
		return refuse(414, "http_request_error");
	snprintf(head, sizeof(head), "GET %s HTTP/1.0\r\n\r\n", target);
	e.head = head;
	req->takes_paths = e.conf->reverse.n > 0;
	if (parse_head(req, head, len) == PARSE_OK) {
		reverse_map(&e.conf->reverse, req, &e.head, &len);
		return true;
	}
	printf("target %s: %s\n", e.target, req->why);
	return refuse(req->status, "http_request_error");
}

static bool
request_goes(const char *target)
{
	if (is_plain(target))
		return plain_goes(target);
	if (parse_authority(&e.request, target, strlen(target)) == 0)
		return true;
	printf("target %s: this is not host:port\n", e.target);
	return refuse(400, "http_request_error");
}

static bool
user_goes(const char *user)
{
	char shown[SHOWN_SIZE];
	bool given = strcmp(user, "-") != 0;
	const struct login *login;
	unsigned long line;

	log_escape(shown, sizeof(shown), user, strlen(user));
	printf("user %s: ", shown);
	if (!conf_wants_users(e.conf)) {
		printf("nobody is asked for credentials%s\n",
		    given ? ", and no rule sees the name" : "");
		return true;
	}
	if (!given || !conf_has_user(e.conf, user)) {
		puts(given ? "refused: there is no such user"
			   : "refused: credentials are wanted");
		return refuse(UNAUTHORIZED, "http_request_denied");
	}
	e.asker.user = user;
	line = quote_find(e.conf, "BasicAuth", user);
	login = login_find(&e.conf->logins, user);
	if (line != 0)
		say_line("with the right password by", line);
	else if (login != NULL)
		printf("with the right password by line %lu of %s\n",
		    login->line, login->file);
	return true;
}

/* By which line a path is mapped, and the URL that all else sees. */
static void
say_mapped(void)
{
	const struct request *req = &e.request;
	char url[SHOWN_SIZE];

	printf("target %s: ", e.target);
	say_line("mapped by", req->mapping->line);
	if (req->origin)
		return;
	log_escape(url, sizeof(url), e.head + req->target.at, req->target.len);
	printf("target %s: is now %s\n", e.target, url);
}

/* Paths are mapped; neither a CONNECT nor a URL ever is. */
static bool
reverse_goes(const char *target)
{
	const struct request *req = &e.request;
	int status;
	const char *why =
	    reverse_refuses(&e.conf->reverse, req, target, &status);

	if (why == NULL && req->mapping != NULL)
		say_mapped();
	if (why == NULL)
		return true;
	printf("target %s: ", e.target);
	if (req->origin) {
		printf("refused: %s\n", why);
	} else {
		printf("no ReversePath is for a %s, ",
		    req->plain ? "URL" : "CONNECT");
		say_line("refused by", quote_find(e.conf, "ReverseOnly", NULL));
	}
	return refuse(status, "http_request_error");
}

/* Whether the path of a mapping lacks its slash, and the client is told so. */
static bool
redirection_comes(void)
{
	if (e.request.origin)
		printf("answer: 301 %s, to %s\n", reply_reason(301),
		    e.request.mapping->path);
	return e.request.origin;
}

/* Whether the request is for the statistics, which no rule for targets sees. */
static bool
statistics_come(void)
{
	unsigned long line = quote_find(e.conf, "StatHost", NULL);

	if (!stats_asked(&e.conf->stat_host, &e.request))
		return false;
	printf("target %s: ", e.target);
	if (line != 0)
		say_line("the host of the statistics by", line);
	else
		puts("the default host of the statistics: there is no "
		     "StatHost");
	puts("answer: 200 OK, the statistics");
	return true;
}

static bool
port_goes(void)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", (unsigned)e.request.port);
	printf("port %s: ", port);
	if (e.request.plain) {
		puts("allowed: ConnectPort is for CONNECT alone");
		return true;
	}
	if (!acl_port(&e.conf->acl, e.request.port)) {
		puts("refused: no ConnectPort names it");
		return refuse(REFUSED, "http_request_denied");
	}
	if (e.conf->acl.has_ports)
		say_line("allowed by", quote_find(e.conf, "ConnectPort", port));
	else
		puts("allowed: there is no ConnectPort");
	return true;
}

static bool
filter_goes(void)
{
	const struct filter *f = &e.conf->filter;
	static char seen[URL_SIZE];
	const char *verdict;
	char text[QUOTE_SIZE];
	unsigned long line;
	bool refused = filter_refuses(f, &e.request, e.head, seen, &line);

	if (f->file == NULL) {
		puts("filter: there is none");
		return true;
	}
	verdict = refused ? "refused" : "allowed";
	if (line != 0) {
		quote_pattern(f, line, text);
		printf("filter: %s by line %lu of %s: %s\n", verdict, line,
		    f->file, text);
	} else {
		printf(
		    "filter: %s: no pattern of %s matches\n", verdict, f->file);
	}
	return !refused || refuse(REFUSED, "http_request_denied");
}

/* Addresses. */

/* Says so when an address is above the floors only since a line names it. */
static void
say_lifted(const struct addr *addr, const struct target_rule *rule)
{
	struct asker stranger = e.asker;
	char text[ADDR_TEXT_SIZE];

	stranger.named = false;
	if (!e.asker.named || acl_floor(addr, &stranger, rule) == NULL)
		return;
	printf("address %s: ", addr_text(addr, text));
	say_line("no floor, by", e.request.mapping->line);
}

/* Whether an address, with its port, may be connected to. */
static bool
address_goes(const struct addr *addr)
{
	const struct request *req = &e.request;
	const struct target_rule *rule;
	char text[ADDR_TEXT_SIZE];
	bool allowed = acl_target(&e.conf->acl, req->literal ? NULL : req->host,
	    addr, &e.asker, &rule);
	bool denied = rule != NULL && !rule->allow;
	bool own = allowed && self_socket(addr);

	printf("address %s: ", addr_text(addr, text));
	if (denied && rule->kind == RULE_NET &&
	    !addr_in_net(addr, rule->net, rule->bits))
		say_line("refused, for the IPv4 address in it, by", rule->line);
	else if (!allowed && !denied &&
	    (rule != NULL || !e.conf->acl.targets.has_allow))
		printf("refused by a floor: %s\n",
		    acl_floor(addr, &e.asker, rule));
	else if (own)
		puts("refused by a floor: adit itself listens there");
	else
		say_target(allowed, rule);
	if (allowed && !own)
		say_lifted(addr, rule);
	return allowed && !own;
}

/* Judges each address, and names those that a tunnel could lead to. */
static bool
addresses_go(const struct addr *addrs, size_t n)
{
	struct addr allowed[ADDRS_MAX];
	size_t nallowed = 0;
	struct race race;
	char text[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < n; i++) {
		struct addr addr = addrs[i];

		addr.port = e.request.port;
		if (address_goes(&addr))
			allowed[nallowed++] = addr;
	}
	if (nallowed == 0)
		return refuse(REFUSED, "destination_ip_prohibited");
	race_init(&race, allowed, nallowed);
	say_way("to");
	for (unsigned i = 0; i < race.naddrs; i++)
		printf("%s%s", i > 0 ? " or " : "",
		    addr_text_port(&race.addrs[i], text));
	putchar('\n');
	return true;
}

static bool
lookup_failed(int error, int64_t ms)
{
	printf("name %s: no address is found here: %s\n", e.request.host,
	    error != 0 ? gai_strerror(error) : "there is none");
	if (error == EAI_AGAIN && ms >= LOOKUP_LATE)
		return refuse(504, "dns_timeout");
	return refuse(502,
	    error == EAI_NONAME ? "dns_error; rcode=\"NXDOMAIN\""
				: "dns_error");
}

static bool
direct_goes(void)
{
	struct question q = { .kind = QUESTION_NAME };
	int64_t began = clock_ms();
	struct answer answer;

	/* A parent is not what a mapping names. */
	e.asker.named = e.request.mapping != NULL && e.request.mapping->named;
	if (e.request.literal)
		return addresses_go(&e.request.addr, 1);
	strcpy(q.text, e.request.host);
	ask(&q, &answer);
	if (answer.error != 0 || answer.naddrs == 0)
		return lookup_failed(answer.error, clock_ms() - began);
	return addresses_go(answer.addrs, answer.naddrs);
}

/* The way there. */

/* Names the parents in their order; returns the first that can be reached. */
static const struct upstream *
parents_say(const struct upstream *u, uint64_t tried)
{
	const struct upstreams *us = &e.conf->upstreams;
	const struct upstream *first = NULL;
	const char *what = "upstream:";

	for (; u != NULL; u = upstream_pick(us, &e.request, &tried)) {
		say_line(what, u->line);
		what = "upstream: if that is of no use,";
		if (u->port == 0)
			puts("upstream: port 0 is nowhere");
		else if (first == NULL)
			first = u;
	}
	return first;
}

/* Whether a name may go to a parent, which looks it up. */
static bool
parent_takes_name(void)
{
	const struct request *req = &e.request;
	const struct target_rule *rule;
	bool allowed = target_unresolved(&e.conf->acl.targets, req->host,
			   req->port, &e.asker, &rule) == ACL_ALLOW;

	printf("target %s: looked up by the parent, ", e.target);
	if (allowed && !acl_name(req->host, e.asker.client)) {
		puts("refused by a floor: names of loopback are for clients "
		     "on loopback");
		return refuse(REFUSED, "http_request_denied");
	}
	say_target(allowed, rule);
	return allowed || refuse(REFUSED, "http_request_denied");
}

static bool
parent_goes(const struct upstream *u, uint64_t tried)
{
	const struct upstream *first = parents_say(u, tried);

	if (e.request.literal && !address_goes(&e.request.addr))
		return refuse(REFUSED, "destination_ip_prohibited");
	if (!e.request.literal && !parent_takes_name())
		return false;
	if (first == NULL)
		return refuse(502, "connection_refused");
	say_way("through");
	printf(strchr(first->host, ':') == NULL ? "%s %s:%u\n" : "%s [%s]:%u\n",
	    upstream_kind(first), first->host, (unsigned)first->port);
	return true;
}

static bool
name_goes(void)
{
	const struct request *req = &e.request;
	const struct target_rule *rule;
	enum verdict verdict = target_name(
	    &e.conf->acl.targets, req->host, req->port, &e.asker, &rule);

	printf("target %s: ", e.target);
	if (verdict == ACL_ASK)
		puts("its addresses decide");
	else
		say_target(verdict == ACL_ALLOW, rule);
	return verdict != ACL_DENY || refuse(REFUSED, "http_request_denied");
}

static bool
route_goes(void)
{
	const struct upstreams *us = &e.conf->upstreams;
	const struct upstream *u;
	uint64_t tried = 0;

	if (!e.request.literal && !name_goes())
		return false;
	u = upstream_pick(us, &e.request, &tried);
	if (u != NULL && u->kind != UPSTREAM_NONE)
		return parent_goes(u, tried);
	if (u != NULL)
		say_line("upstream: no parent by", u->line);
	else
		puts(us->n > 0 ? "upstream: no line is for this target"
			       : "upstream: there is none");
	return direct_goes();
}

/*
 * Prints, step by step, what decides a request of a client, with a user's name
 * ("-" is none) and the right password: a CONNECT for the target host:port, or
 * a GET for a URL or a path; and what the answer would be.  Waits for name
 * servers.  Returns whether the request is not refused.
 */
bool
explain(const struct conf *conf, const struct addr *client, const char *user,
    const char *target)
{
	static struct addr listening[LISTEN_MAX];

	self_use(listening, conf_addresses(conf, listening), NULL);
	e.conf = conf;
	e.asker.client = client;
	addr_text(client, e.client);
	log_escape(e.target, sizeof(e.target), target, strlen(target));
	return client_goes() && request_goes(target) && user_goes(user) &&
	    reverse_goes(target) &&
	    (redirection_comes() || statistics_come() ||
		(port_goes() && filter_goes() && route_goes()));
}
