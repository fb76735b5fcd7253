/* SPDX-License-Identifier: ISC */
/*
 * Explains a decision before it is taken: goes with a request through what a
 * worker would do with it, in the same order, and says at each step which line
 * decides.  It judges nothing itself but asks what a connection asks, and it
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
#include "decision.h"
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
#include "refusal.h"
#include "reverse.h"
#include "rule.h"
#include "self.h"
#include "target.h"
#include "upstream.h"
#include "who.h"

enum { SHOWN_SIZE = 300 /* bytes of what the command line says */ };

/* The request, and what the command line says of it. */
static struct {
	const struct conf *conf;
	struct decision decision;
	struct request request;
	const char *user; /* as given */
	char *head;       /* of a plain request */
	bool answered;    /* nothing more is decided */
	char client[ADDR_TEXT_SIZE], target[SHOWN_SIZE]; /* to be shown */
} e;

/* What is said. */

/* The answer of a request that is refused; false, for callers to return. */
static bool
refuse(enum refusal refusal)
{
	const struct refusal_row *row = refusal_row(refusal);

	printf("answer: %d %s, %s\n", row->status, refusal_phrase(row->status),
	    row->type);
	return false;
}

/* An answer of this proxy that is no refusal: nothing more is decided. */
static bool
answer(enum refusal refusal, const char *what)
{
	int status = refusal_row(refusal)->status;

	printf("answer: %d %s, %s\n", status, refusal_phrase(status), what);
	e.answered = true;
	return true;
}

/* What a line of the configuration does, and the line. */
static void
say_line(const char *what, unsigned long line)
{
	char text[QUOTE_SIZE];
	bool found = quote_line(e.conf->file, line, text);

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
		    quote_find(e.conf->file, "RateLimit", NULL));
	printf("answer: %s %s ",
	    plain ? "the server's, by a connection" : "200, a tunnel", way);
	e.answered = true;
}

/* Names are asked for where a worker asks, one desk after the other. */
static void
ask(const struct question *q, struct answer *a)
{
	memset(a, 0, sizeof(*a));
	if (!hosts_answer(q, a))
		helper_answer(q, a);
}

/* The client. */

/* The limits come first; whether one is reached depends on other requests. */
static void
limits_say(void)
{
	if (e.conf->max_clients_per_host != 0)
		say_line("limit: unless the client is above",
		    quote_find(e.conf->file, "MaxClientsPerHost", NULL));
	if (e.conf->max_rate_per_host != 0)
		say_line("limit: unless the client is above",
		    quote_find(e.conf->file, "MaxRatePerHost", NULL));
}

/* The verdict of a rule with a name; ACL_ASK: the next one has it. */
static enum verdict
client_ask(const struct rule *rule)
{
	struct question q = { .kind = QUESTION_CLIENT,
		.client = *e.decision.asker.client };
	enum verdict verdict;
	struct answer a;

	strcpy(q.text, rule->name);
	ask(&q, &a);
	verdict = acl_answer(rule, a.matches, a.error != 0);
	if (!a.matches && a.error != 0)
		printf("client %s: the look-up for line %lu failed: %s\n",
		    e.client, rule->line, gai_strerror(a.error));
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
	while ((verdict = acl_client(
		    &e.conf->acl, e.decision.asker.client, &at)) == ACL_ASK &&
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
	return verdict == ACL_ALLOW || refuse(REFUSE_CLIENT);
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
		return refuse(REFUSE_LINE_SIZE);
	snprintf(head, sizeof(head), "GET %s HTTP/1.0\r\n\r\n", target);
	e.head = head;
	req->takes_paths = e.conf->reverse.n > 0;
	if (parse_head(req, head, len) == PARSE_OK) {
		reverse_map(&e.conf->reverse, req, &e.head, &len);
		e.decision.head = e.head;
		return true;
	}
	printf("target %s: %s\n", e.target, req->why);
	return refuse(req->refusal);
}

static bool
request_goes(const char *target)
{
	if (is_plain(target))
		return plain_goes(target);
	if (parse_authority(&e.request, target, strlen(target)) == 0)
		return true;
	printf("target %s: this is not host:port\n", e.target);
	return refuse(REFUSE_MALFORMED);
}

static bool
user_goes(void)
{
	const char *user = e.user;
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
		return refuse(REFUSE_CREDENTIALS);
	}
	e.decision.asker.user = user;
	line = quote_find(e.conf->file, "BasicAuth", user);
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
mapping_say(enum refusal refusal)
{
	const struct request *req = &e.request;

	if (e.decision.why == NULL && req->mapping != NULL)
		say_mapped();
	if (refusal == REFUSE_REDIRECTED) {
		char what[SHOWN_SIZE];

		snprintf(what, sizeof(what), "to %s", req->mapping->path);
		return answer(refusal, what);
	}
	if (refusal == REFUSE_NOTHING)
		return true;
	printf("target %s: ", e.target);
	if (req->origin) {
		printf("refused: %s\n", e.decision.why);
	} else {
		printf("no ReversePath is for a %s, ",
		    req->plain ? "URL" : "CONNECT");
		say_line("refused by",
		    quote_find(e.conf->file, "ReverseOnly", NULL));
	}
	return refuse(refusal);
}

/* No rule for targets sees the host of the statistics. */
static bool
statistics_say(enum refusal refusal)
{
	unsigned long line;

	if (refusal == REFUSE_NOTHING)
		return true;
	line = quote_find(e.conf->file, "StatHost", NULL);
	printf("target %s: ", e.target);
	if (line != 0)
		say_line("the host of the statistics by", line);
	else
		puts("the default host of the statistics: there is no "
		     "StatHost");
	return answer(refusal, "the statistics");
}

static bool
port_say(enum refusal refusal)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", (unsigned)e.request.port);
	printf("port %s: ", port);
	if (refusal != REFUSE_NOTHING) {
		puts("refused: no ConnectPort names it");
		return refuse(refusal);
	}
	if (e.request.plain)
		puts("allowed: ConnectPort is for CONNECT alone");
	else if (e.conf->acl.has_ports)
		say_line("allowed by",
		    quote_find(e.conf->file, "ConnectPort", port));
	else
		puts("allowed: there is no ConnectPort");
	return true;
}

static bool
filter_say(enum refusal refusal)
{
	const struct filter *f = &e.conf->filter;
	unsigned long line = e.decision.line;
	const char *verdict = refusal != REFUSE_NOTHING ? "refused" : "allowed";
	char text[QUOTE_SIZE];

	if (f->file == NULL) {
		puts("filter: there is none");
	} else if (line != 0) {
		quote_pattern(f, line, text);
		printf("filter: %s by line %lu of %s: %s\n", verdict, line,
		    f->file, text);
	} else {
		printf(
		    "filter: %s: no pattern of %s matches\n", verdict, f->file);
	}
	return refusal == REFUSE_NOTHING || refuse(refusal);
}

static bool
name_say(enum refusal refusal)
{
	const struct decision *d = &e.decision;

	if (e.request.literal)
		return true;
	printf("target %s: ", e.target);
	if (d->verdict == ACL_ASK)
		puts("its addresses decide");
	else
		say_target(d->verdict == ACL_ALLOW, d->rule);
	return refusal == REFUSE_NOTHING || refuse(refusal);
}

/* Addresses. */

/* Says so when an address is above the floors only since a line names it. */
static void
say_lifted(const struct addr *addr, const struct target_rule *rule)
{
	struct asker stranger = e.decision.asker;
	char text[ADDR_TEXT_SIZE];

	stranger.named = false;
	if (!e.decision.asker.named || acl_floor(addr, &stranger, rule) == NULL)
		return;
	printf("address %s: ", addr_text(addr, text));
	say_line("no floor, by", e.request.mapping->line);
}

/* Says why an address is refused, or by what it is allowed. */
static void
say_address(const struct addr *addr, bool allowed)
{
	const struct decision *d = &e.decision;
	const struct target_rule *rule = d->rule;
	bool denied = rule != NULL && !rule->allow;

	if (d->own)
		puts("refused by a floor: adit itself listens there");
	else if (denied && rule->kind == RULE_NET &&
	    !addr_in_net(addr, rule->net, rule->bits))
		say_line("refused, for the IPv4 address in it, by", rule->line);
	else if (!allowed && !denied &&
	    (rule != NULL || !e.conf->acl.targets.has_allow))
		printf("refused by a floor: %s\n",
		    acl_floor(addr, &d->asker, rule));
	else
		say_target(allowed, rule);
}

/* Whether an address, with its port, may be connected to. */
static bool
address_goes(const struct addr *addr)
{
	struct decision *d = &e.decision;
	bool allowed = decision_address(d, addr) == REFUSE_NOTHING;
	char text[ADDR_TEXT_SIZE];

	printf("address %s: ", addr_text(addr, text));
	say_address(addr, allowed);
	if (allowed)
		say_lifted(addr, d->rule);
	return allowed;
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
		return refuse(REFUSE_ADDRESS);
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
		return refuse(REFUSE_SLOW_LOOKUP);
	return refuse(error == EAI_NONAME ? REFUSE_NO_NAME : REFUSE_LOOKUP);
}

static bool
direct_goes(void)
{
	struct question q = { .kind = QUESTION_NAME };
	int64_t began = clock_ms();
	struct answer a;

	/* A parent is not what a mapping names. */
	e.decision.asker.named =
	    e.request.mapping != NULL && e.request.mapping->named;
	if (e.request.literal)
		return addresses_go(&e.request.addr, 1);
	strcpy(q.text, e.request.host);
	ask(&q, &a);
	if (a.error != 0 || a.naddrs == 0)
		return lookup_failed(a.error, clock_ms() - began);
	return addresses_go(a.addrs, a.naddrs);
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
	enum refusal refusal = decision_parent(&e.decision);
	bool allowed = e.decision.verdict == ACL_ALLOW;

	printf("target %s: looked up by the parent, ", e.target);
	if (allowed && refusal != REFUSE_NOTHING)
		puts("refused by a floor: names of loopback are for clients "
		     "on loopback");
	else
		say_target(allowed, e.decision.rule);
	return refusal == REFUSE_NOTHING || refuse(refusal);
}

static bool
parent_goes(const struct upstream *u, uint64_t tried)
{
	const struct upstream *first = parents_say(u, tried);

	if (e.request.literal && !address_goes(&e.request.addr))
		return refuse(REFUSE_ADDRESS);
	if (!e.request.literal && !parent_takes_name())
		return false;
	if (first == NULL)
		return refuse(REFUSE_NOT_LISTENING);
	say_way("through");
	printf(strchr(first->host, ':') == NULL ? "%s %s:%u\n" : "%s [%s]:%u\n",
	    upstream_kind(first), first->host, (unsigned)first->port);
	return true;
}

static bool
way_goes(void)
{
	const struct upstreams *us = &e.conf->upstreams;
	const struct upstream *u;
	uint64_t tried = 0;

	u = upstream_pick(us, &e.request, &tried);
	if (u != NULL && u->kind != UPSTREAM_NONE)
		return parent_goes(u, tried);
	if (u != NULL)
		say_line("upstream: no parent by", u->line);
	else
		puts(us->n > 0 ? "upstream: no line is for this target"
			       : "upstream: there is none");
	return true;
}

/* Says what comes of a check.  Returns false if the request is refused. */
static bool
check_goes(enum check check)
{
	struct decision *d = &e.decision;

	switch (check) {
	case CHECK_CLIENT:
		return client_goes();
	case CHECK_HEAD:
		return request_goes(d->target);
	case CHECK_USER:
		return user_goes();
	case CHECK_MAPPING:
		return mapping_say(decision_make(d, check));
	case CHECK_STATISTICS:
		return statistics_say(decision_make(d, check));
	case CHECK_PORT:
		return port_say(decision_make(d, check));
	case CHECK_FILTER:
		return filter_say(decision_make(d, check));
	case CHECK_NAME:
		return name_say(decision_make(d, check));
	case CHECK_PARENT:
		return way_goes();
	case CHECK_ADDRESS:
		return direct_goes();
	case CHECK_LOOP: /* nothing comes back from the command line */
	case CHECK_HOPS:
	case CHECKS:
		break;
	}
	return true;
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
	e.user = user;
	e.decision = (struct decision){ .conf = conf,
		.request = &e.request,
		.target = target,
		.asker = { .client = client } };
	addr_text(client, e.client);
	log_escape(e.target, sizeof(e.target), target, strlen(target));
	for (enum check check = 0; check < CHECKS && !e.answered; check++)
		if (!check_goes(check))
			return false;
	return true;
}
