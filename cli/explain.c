/* SPDX-License-Identifier: ISC */
/*
 * Explains how a request would be decided: takes it through the checks of a
 * worker, in the same order, and prints for each one which line decides.  It
 * has no rules of its own: it calls the functions that the workers call.  It
 * makes no connection.  It blocks while it waits for name servers, so only
 * the command line may use it.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <netdb.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "addr.h"
#include "authhelper.h"
#include "bounds.h"
#include "clock.h"
#include "conf.h"
#include "decision.h"
#include "directives.h"
#include "explain.h"
#include "filter.h"
#include "helper.h"
#include "hosts.h"
#include "list.h"
#include "local.h"
#include "log.h"
#include "login.h"
#include "near.h"
#include "parse.h"
#include "place.h"
#include "pins.h"
#include "preface.h"
#include "question.h"
#include "quote.h"
#include "race.h"
#include "refusal.h"
#include "reverse.h"
#include "rule.h"
#include "self.h"
#include "sys.h"
#include "target.h"
#include "upstream.h"
#include "who.h"

enum { SHOWN_SIZE = 300 /* bytes of an argument, as it is printed */ };

/* The request, as the command line describes it. */
static struct {
	const struct conf *conf;
	struct decision decision;
	struct request request;
	const char *user;      /* as given */
	char *head;            /* of a plain request */
	bool answered;         /* the answer is printed: no check follows */
	bool transparent;      /* the client knows of no proxy */
	bool briefly;          /* one of many: only the outcome is wanted */
	const struct addr *at; /* instead of those of the name, or NULL */
	struct outcome outcome;
	char client[ADDR_TEXT_SIZE], target[SHOWN_SIZE]; /* to be printed */
} e;

/* Whether a target has the form that methods other than CONNECT use. */
static bool
is_plain(const char *target)
{
	return strpbrk(target, "\r\n") == NULL &&
	    (target[0] == '/' || strstr(target, "://") != NULL);
}

/* Output. */

/* Prints the answer to a refused request.  Returns false, for its callers. */
static bool
refuse(enum refusal refusal)
{
	const struct refusal_row *row = refusal_row(refusal);

	e.outcome.refusal = refusal;
	printf("answer: %s%d %s, %s\n",
	    e.transparent && !is_plain(e.decision.target)
		? "a TLS alert, in the logs "
		: "",
	    row->status, refusal_answer(refusal, row->status), row->type);
	return false;
}

/*
 * Prints an answer of this proxy that is not a refusal.  No check follows.
 * Returns true.
 */
static bool
answer(enum refusal refusal, const char *what)
{
	int status = refusal_row(refusal)->status;

	e.outcome.refusal = refusal;
	printf("answer: %d %s, %s\n", status, refusal_phrase(status), what);
	e.answered = true;
	return true;
}

/* Prints what a line of the configuration does, its number and its text. */
static void
say_line(const char *what, unsigned long line)
{
	char text[QUOTE_SIZE];
	bool found = !e.briefly && quote_line(&e.conf->places, line, text);

	if (e.conf->file == NULL)
		printf("%s the built-in %s\n", what, text);
	else
		printf("%s %s%s%s\n", what, quote_name(&e.conf->places, line),
		    found ? ": " : "", text);
}

/* Returns the number of the last line with a directive, if that is shown. */
static unsigned long
line_of(const char *directive, const char *word)
{
	return e.briefly ? 0 : quote_find(e.conf->file, directive, word);
}

/* Prints the line of a list that has a name or an address, or NULL for one. */
static void
say_entry(const struct list *list, const char *name, const struct addr *addr,
    bool below)
{
	struct quote_wanted wanted = { name, addr, below };
	char text[QUOTE_SIZE];
	unsigned long line = e.briefly ? 0 : quote_entry(list, &wanted, text);

	if (line != 0)
		printf("list %s: matched by line %lu: %s\n", list->path, line,
		    text);
}

/* Prints which line of the lists of clients has the client. */
static void
say_client(const struct who *who)
{
	for (size_t i = 0; i < who->nlists; i++)
		if (list_has_addr(who->lists[i], e.decision.asker.client))
			say_entry(who->lists[i], NULL, e.decision.asker.client,
			    false);
}

/* Prints which rule for targets decides; rule is NULL if none matches. */
static void
say_target(
    bool allowed, const struct target_rule *rule, const struct addr *addr)
{
	e.outcome.line = rule != NULL ? rule->line : 0;
	e.outcome.reported = rule != NULL && rule->report;
	if (rule != NULL)
		say_line(rule->report ? "allowed, but reported, by"
			: allowed     ? "allowed by"
				      : "refused by",
		    rule->line);
	if (rule != NULL && rule->kind == RULE_LIST)
		say_entry(rule->list, e.request.literal ? NULL : e.request.host,
		    addr, rule->below);
	if (rule != NULL && rule->who != NULL)
		say_client(rule->who);
	if (rule != NULL)
		return;
	if (!allowed)
		puts("refused: no AllowTo matches");
	else if (e.conf->acl.targets.n == 0)
		puts("allowed: no AllowTo and no DenyTo is configured");
	else
		puts("allowed: no DenyTo matches");
}

/* Refuses a target, with the lines that nearly allow it, unless by a floor. */
static bool
refuse_target(enum refusal refusal, const struct addr *addr)
{
	const struct decision *d = &e.decision;
	bool floor =
	    d->rule != NULL ? d->rule->allow : !e.conf->acl.targets.has_allow;

	if (!floor && !e.briefly)
		near_target(&e.conf->acl, &e.conf->places, &e.request,
		    &d->asker, addr, d->rule);
	return refuse(refusal);
}

/*
 * Begins the answer to a request that reaches a server.  The caller prints
 * the rest of the line: where the connection leads.
 */
static void
say_way(const char *way)
{
	bool plain = e.request.plain;

	if (e.conf->rate_limit != 0)
		say_line(plain ? "limit: the content is slowed down by"
			       : "limit: the tunnel is slowed down by",
		    line_of("RateLimit", NULL));
	printf("answer: %s %s ",
	    plain               ? "the server's, by a connection"
		: e.transparent ? "the server's, by a tunnel"
				: "200, a tunnel",
	    way);
	e.answered = true;
}

/*
 * Looks up a name in a worker's order: the hosts file, then name servers.  One
 * of many requests asks no name server.
 */
static void
ask(const struct question *q, struct answer *a)
{
	memset(a, 0, sizeof(*a));
	if (!hosts_answer(q, a) && !e.briefly)
		helper_answer(q, a);
}

/* The client. */

/*
 * Prints the limits, which are checked first.  They are not judged here, since
 * they depend on the other connections of the client.
 */
static void
limits_say(void)
{
	if (e.conf->per_host.clients != 0)
		say_line(
		    "limit: 503 if the client has more connections than allowed by",
		    line_of("MaxClientsPerHost", NULL));
	if (e.conf->per_host.rate != 0)
		say_line(
		    "limit: 503 if the client connects more often than allowed by",
		    line_of("MaxRatePerHost", NULL));
}

/* Returns the verdict of a rule with a name; ACL_ASK: it does not match. */
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
		printf("client %s: the look-up for %s failed: %s\n", e.client,
		    quote_name(&e.conf->places, rule->line),
		    gai_strerror(a.error));
	if (verdict == ACL_ASK) {
		printf("client %s: ", e.client);
		say_line("not matched by", rule->line);
	}
	return verdict;
}

/* Prints why a client that no rule matches is allowed. */
static void
say_unmatched(void)
{
	if (e.decision.asker.client->local == 0)
		puts("allowed: no Allow and no Deny is configured");
	else
		puts("allowed: for a Unix socket its mode decides, since no "
		     "Allow and no Deny names one");
}

static bool
client_goes(void)
{
	enum verdict verdict;
	size_t at = 0;

	limits_say();
	if (e.decision.asker.client->local != 0 &&
	    !conf_has_socket(e.conf, e.decision.asker.client->local))
		printf(
		    "client %s: no Listen has this socket, so only a service "
		    "manager may hand it over\n",
		    e.client);
	while ((verdict = acl_client(
		    &e.conf->acl, e.decision.asker.client, &at)) == ACL_ASK &&
	    (verdict = client_ask(&e.conf->acl.rules[at])) == ACL_ASK)
		at++;
	printf("client %s: ", e.client);
	e.outcome.line =
	    at < e.conf->acl.nrules ? e.conf->acl.rules[at].line : 0;
	if (at < e.conf->acl.nrules)
		say_line(verdict == ACL_ALLOW ? "allowed by" : "refused by",
		    e.conf->acl.rules[at].line);
	else if (verdict == ACL_ALLOW)
		say_unmatched();
	else
		puts("refused: no Allow matches");
	if (at < e.conf->acl.nrules && e.conf->acl.rules[at].kind == RULE_LIST)
		say_entry(e.conf->acl.rules[at].list, NULL,
		    e.decision.asker.client, false);
	return verdict == ACL_ALLOW || refuse(REFUSE_CLIENT);
}

/* The request. */

/* Parses a URL or a path as the target of a GET, and maps a path. */
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
	req->takes_paths =
	    !e.transparent && reverse_takes_paths(&e.conf->reverse);
	if (parse_head(req, head, len) == PARSE_OK) {
		len = parse_cut(req, head, len);
		if (!e.transparent)
			reverse_map(&e.conf->reverse, req, &e.head, &len);
		e.decision.head = e.head;
		return true;
	}
	printf("target %s: %s\n", e.target, req->why);
	near_form(e.target, true);
	return refuse(req->refusal);
}

static bool
request_goes(const char *target)
{
	if (is_plain(target))
		return plain_goes(target);
	if (parse_authority(&e.request, target, strlen(target)) == 0) {
		if (!e.transparent || !e.request.literal)
			return true;
		printf("target %s: refused: a TLS hello has no address for a "
		       "name\n",
		    e.target);
		return refuse(REFUSE_OTHER_NAME);
	}
	printf("target %s: this is not host:port\n", e.target);
	near_form(e.target, false);
	return refuse(REFUSE_MALFORMED);
}

/* Prints which NoAuth lets the client in without credentials, if any does. */
static bool
exempt_goes(void)
{
	const struct rule *exempt =
	    conf_exempts(e.conf, e.decision.asker.client);

	if (exempt != NULL)
		say_line("no credentials are required, by", exempt->line);
	return exempt != NULL;
}

/* An AuthHelper decides on a user, and is not asked here. */
static bool
helper_goes(const char *user)
{
	const char *name = who_spelling(e.conf->acl.targets.whos, user);

	e.decision.asker.user = name != NULL ? name : user;
	if (!authhelper_takes(user)) {
		puts("refused: no AuthHelper is asked for a name with such "
		     "blanks");
		return refuse(REFUSE_CREDENTIALS);
	}
	say_line("allowed with a password that is right for",
	    directives_line(e.conf, "AuthHelper"));
	return true;
}

/*
 * The user of a client at a Unix socket, with PeerUser: its login name.  Where
 * the client has no number, the user that is given is taken for that.
 */
static bool
peer_goes(void)
{
	uint32_t uid = addr_uid(e.decision.asker.client);
	const struct passwd *pw =
	    uid != ADDR_NO_UID ? getpwuid((uid_t)uid) : NULL;
	bool given = strcmp(e.user, "-") != 0;
	char shown[SHOWN_SIZE];

	if (uid == ADDR_NO_UID && given)
		e.decision.asker.user = e.user;
	else if (uid != sys_overflow_uid() && pw != NULL)
		e.decision.asker.user = pw->pw_name;
	if (e.decision.asker.user == NULL) {
		puts(uid == ADDR_NO_UID ? "user -: refused: the client needs a "
					  "number, as in PATH,uid=1000"
			: pw == NULL
			? "user -: refused: the number has no name here"
			: "user -: refused: that number stands for users of "
			  "other user namespaces");
		return refuse(REFUSE_PEER);
	}
	log_escape(shown, sizeof(shown), e.decision.asker.user,
	    strlen(e.decision.asker.user));
	printf("user %s: ", shown);
	say_line("the login name of the client, by", line_of("PeerUser", NULL));
	return true;
}

/* A client that knows of no proxy has no credentials for it. */
static bool
anonymous_goes(void)
{
	fputs("user: ", stdout);
	if (strcmp(e.user, "-") != 0)
		fputs("not seen at a TransparentPort; ", stdout);
	if (!conf_wants_users(e.conf)) {
		puts("no credentials are required");
		return true;
	}
	if (exempt_goes())
		return true;
	puts("refused: credentials are required, and the client cannot send "
	     "any");
	return refuse(REFUSE_ANONYMOUS);
}

static bool
user_goes(void)
{
	const char *user = e.user;
	char shown[SHOWN_SIZE];
	bool given = strcmp(user, "-") != 0;
	const struct login *login;
	unsigned long line;

	if (e.conf->peer_user && e.decision.asker.client->local != 0)
		return peer_goes();
	log_escape(shown, sizeof(shown), user, strlen(user));
	printf("user %s: ", shown);
	if (!conf_wants_users(e.conf)) {
		printf("no credentials are required%s\n",
		    given ? ", and no rule sees the name" : "");
		return true;
	}
	if (!given && exempt_goes())
		return true;
	if (given && !conf_has_user(e.conf, user) && e.conf->auth_helper.n > 0)
		return helper_goes(user);
	if (!given || !conf_has_user(e.conf, user)) {
		puts(given ? "refused: unknown user"
			   : "refused: credentials are required");
		if (!e.briefly)
			near_user(shown, conf_near_user(e.conf, user));
		return refuse(REFUSE_CREDENTIALS);
	}
	e.decision.asker.user = user;
	line = line_of("BasicAuth", user);
	login = login_find(&e.conf->logins, user);
	if (line != 0)
		say_line("allowed with the password of", line);
	else if (login != NULL)
		printf("allowed with the password of line %lu of %s\n",
		    login->line, login->file);
	return true;
}

/* Keeps the target to be printed, without userinfo and fragment. */
static void
target_keep(const char *target)
{
	const char *scheme = strstr(target, "://");
	const char *begin = scheme != NULL ? scheme + 3 : target, *host;
	char text[SHOWN_SIZE];

	host = begin + strcspn(begin, "/?#");
	while (host > begin && host[-1] != '@')
		host--;
	snprintf(text, sizeof(text), "%.*s%.*s", (int)(begin - target), target,
	    (int)strcspn(host, "#"), host);
	log_escape(e.target, sizeof(e.target), text, strlen(text));
}

/* Prints which line maps a path, and the URL that the later checks use. */
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
	printf("target %s: becomes %s\n", e.target, url);
}

/* Prints how a path is mapped, or what ReversePath or ReverseOnly refuses. */
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
		say_line("refused by", line_of("ReverseOnly", NULL));
	}
	return refuse(refusal);
}

/* A request for StatHost is answered before the rules for targets apply. */
static bool
statistics_say(enum refusal refusal)
{
	unsigned long line;

	if (refusal == REFUSE_NOTHING)
		return true;
	line = line_of("StatHost", NULL);
	printf("target %s: ", e.target);
	if (line != 0)
		say_line("the host of the statistics by", line);
	else
		puts("the default host of the statistics: no StatHost is "
		     "configured");
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
		if (!e.briefly)
			near_port(&e.conf->acl, &e.request);
		return refuse(refusal);
	}
	if (e.request.plain)
		puts("allowed: ConnectPort is for CONNECT alone");
	else if (e.conf->acl.has_ports)
		say_line("allowed by", line_of("ConnectPort", port));
	else
		puts("allowed: no ConnectPort is configured");
	return true;
}

static bool
filter_say(enum refusal refusal)
{
	const struct filter *f = &e.conf->filter;
	unsigned long line = e.decision.line;
	const char *verdict = refusal != REFUSE_NOTHING ? "refused" : "allowed";
	char text[QUOTE_SIZE];

	if (refusal != REFUSE_NOTHING) {
		e.outcome.file = line != 0 ? f->file : NULL;
		e.outcome.line = line;
	}
	if (f->file == NULL) {
		puts("filter: none is configured");
	} else if (line != 0 && !e.briefly) {
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
	/* With parents it is not known yet whether addresses are judged. */
	if (d->verdict == ACL_ASK)
		puts(e.conf->upstreams.n == 0 ? "decided by its addresses"
					      : "not decided by name");
	else
		say_target(d->verdict == ACL_ALLOW, d->rule, NULL);
	return refusal == REFUSE_NOTHING || refuse_target(refusal, NULL);
}

/* Addresses. */

/* Prints the ReversePath that exempts an address from the floors, if any. */
static void
say_lifted(const struct addr *addr, const struct target_rule *rule)
{
	struct asker stranger = e.decision.asker;
	char text[ADDR_TEXT_SIZE];

	stranger.named = false;
	if (!e.decision.asker.named ||
	    acl_floor(&e.conf->acl, addr, &stranger, rule) == NULL)
		return;
	printf("address %s: ", addr_text(addr, text));
	say_line("no floor, by", e.request.mapping->line);
}

/*
 * Prints what the tunnel must be by the rule that allows an address, unless that
 * was printed last.
 */
static void
say_duty(const struct target_rule *rule)
{
	static const struct target_rule *said;

	if (rule == NULL || !rule->tls || rule == said)
		return;
	said = rule;
	printf("tls: the tunnel must begin with a TLS handshake for %s%s%s\n",
	    e.request.literal ? "no name" : "the name ",
	    e.request.literal ? "" : e.request.host,
	    rule->noech ? ", without ECH" : "");
}

/*
 * Whether a rule that denies an address is for an IPv4 address inside it: it
 * matches neither the address nor the name.
 */
static bool
is_inside(const struct addr *addr, const struct target_rule *rule)
{
	const char *name = e.request.literal ? NULL : e.request.host;

	if (target_is_net(rule, addr))
		return false;
	return rule->kind == RULE_NET ||
	    (rule->kind == RULE_LIST &&
		(name == NULL ||
		    !list_has_name(rule->list, name, rule->below)));
}

/* Prints which rule or floor decides on an address. */
static void
say_address(const struct addr *addr, bool allowed)
{
	const struct decision *d = &e.decision;
	const struct target_rule *rule = d->rule;
	bool denied = rule != NULL && !rule->allow;

	e.outcome.line = denied ? rule->line : 0;
	e.outcome.reported = false;
	if (d->own)
		puts("refused by a floor: adit listens on this address");
	else if (denied && !allowed && is_inside(addr, rule))
		say_line(
		    "refused, for the IPv4 address inside it, by", rule->line);
	else if (d->floor != NULL)
		printf("refused by a floor: %s\n", d->floor);
	else
		say_target(allowed, rule, addr);
}

/* Prints and returns whether a request may go to an address and port. */
static bool
address_goes(const struct addr *addr)
{
	struct decision *d = &e.decision;
	bool allowed = decision_address(d, addr) == REFUSE_NOTHING;
	char text[ADDR_TEXT_SIZE];

	printf("address %s: ", addr_text(addr, text));
	say_address(addr, allowed);
	if (allowed) {
		say_lifted(addr, d->rule);
		say_duty(d->rule);
	}
	return allowed;
}

/* Judges each address, and prints those that would be tried, in order. */
static bool
addresses_go(const struct addr *addrs, size_t n)
{
	struct addr allowed[ADDRS_MAX];
	struct outcome outcome = { .refusal = REFUSE_NOTHING };
	size_t nallowed = 0;
	struct race race;
	char text[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < n; i++) {
		struct addr addr = addrs[i];

		addr.port = e.request.port;
		if (address_goes(&addr)) {
			if (nallowed == 0 || e.outcome.reported)
				outcome = e.outcome;
			allowed[nallowed++] = addr;
		}
	}
	if (nallowed == 0)
		return refuse_target(REFUSE_ADDRESS, &addrs[0]);
	e.outcome = outcome;
	race_init(&race, allowed, nallowed, 0);
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
	printf("name %s: the look-up failed: %s\n", e.request.host,
	    error != 0 ? gai_strerror(error) : "the name has no address");
	if (error == EAI_AGAIN && ms >= LOOKUP_LATE)
		return refuse(REFUSE_SLOW_LOOKUP);
	return refuse(error == EAI_NONAME ? REFUSE_NO_NAME : REFUSE_LOOKUP);
}

/*
 * One of many requests, with a name that the hosts file does not have: it is
 * judged as if its addresses were in no block of a rule.
 */
static bool
name_goes(void)
{
	enum refusal refusal = decision_parent(&e.decision);

	printf("target %s: ", e.target);
	say_target(e.decision.verdict == ACL_ALLOW, e.decision.rule, NULL);
	if (refusal != REFUSE_NOTHING)
		return refuse_target(refusal, NULL);
	say_way("to");
	puts(e.request.host);
	return true;
}

/* Prints which line of a HostsFile has the addresses of a name, if any has. */
static void
say_pinned(const char *name)
{
	size_t n;
	const struct pin *pin = hosts_pinned(name, &n);

	if (pin != NULL)
		printf("name %s: its %s line %lu of %s\n", name,
		    n == 1 ? "address is in" : "addresses begin in",
		    (unsigned long)pin->line, e.conf->hosts_files[pin->file]);
}

static bool
direct_goes(void)
{
	struct question q = { .kind = QUESTION_NAME };
	int64_t began = clock_ms();
	struct answer a;

	/* Set only here: the exemption is for direct connections. */
	e.decision.asker.named =
	    e.request.mapping != NULL && e.request.mapping->named;
	if (e.request.literal)
		return addresses_go(&e.request.addr, 1);
	if (e.at != NULL)
		return addresses_go(e.at, 1);
	strcpy(q.text, e.request.host);
	say_pinned(q.text);
	ask(&q, &a);
	if (e.briefly && a.naddrs == 0)
		return name_goes();
	if (a.error != 0 || a.naddrs == 0)
		return lookup_failed(a.error, clock_ms() - began);
	return addresses_go(a.addrs, a.naddrs);
}

/* The way there. */

/* Prints which line of a list of sites is for the target. */
static void
say_site(const struct rule *site)
{
	const struct request *req = &e.request;

	if (site->kind == RULE_LIST)
		say_entry(site->list, req->literal ? NULL : req->host,
		    req->literal ? &req->addr : NULL, site->below);
}

/* Prints the parents in order.  Returns the first with a port, or NULL. */
static const struct upstream *
parents_say(const struct upstream *u, uint64_t tried)
{
	const struct upstreams *us = &e.conf->upstreams;
	const struct upstream *first = NULL;
	const char *what = "upstream:";

	for (; u != NULL; u = upstream_pick(us, &e.request, &tried)) {
		say_line(what, u->line);
		say_site(&u->site);
		what = "upstream: if that fails,";
		if (u->port == 0 && u->addr.local == 0)
			puts("upstream: port 0 cannot be connected to");
		else if (first == NULL)
			first = u;
	}
	return first;
}

/* Prints and returns whether a name may be sent to a parent to look it up. */
static bool
parent_takes_name(void)
{
	enum refusal refusal = decision_parent(&e.decision);
	bool allowed = e.decision.verdict == ACL_ALLOW;

	printf("target %s: looked up by the parent, ", e.target);
	if (allowed && refusal != REFUSE_NOTHING)
		puts(e.conf->acl.distrust_loopback
			? "refused by a floor: with DistrustLoopback nobody "
			  "may use names of loopback"
			: "refused by a floor: only clients on loopback may "
			  "use names of loopback");
	else
		say_target(allowed, e.decision.rule, NULL);
	if (refusal == REFUSE_NOTHING)
		say_duty(e.decision.rule);
	return refusal == REFUSE_NOTHING || refuse_target(refusal, NULL);
}

static bool
parent_goes(const struct upstream *u, uint64_t tried)
{
	const struct upstream *first = parents_say(u, tried);

	if (e.request.literal && !address_goes(&e.request.addr))
		return refuse_target(REFUSE_ADDRESS, &e.request.addr);
	if (!e.request.literal && !parent_takes_name())
		return false;
	if (first == NULL)
		return refuse(REFUSE_NOT_LISTENING);
	say_way("through");
	if (first->addr.local != 0)
		printf("%s %s\n", upstream_kind(first), first->host);
	else
		printf(strchr(first->host, ':') == NULL ? "%s %s:%u\n"
							: "%s [%s]:%u\n",
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
	if (u != NULL) {
		say_line("upstream: no parent by", u->line);
		say_site(&u->site);
	} else
		puts(us->n > 0 ? "upstream: no line is for this target"
			       : "upstream: none is configured");
	return true;
}

/*
 * Prints whether a load balancer may name this client in a PROXY header.  Returns
 * false if the connection is reset.
 */
static bool
sender_goes(const struct addr *sender, const struct addr *client)
{
	const struct conf *conf = e.conf;
	char text[ADDR_TEXT_SIZE];
	size_t i = 0;

	printf("sender %s: ", addr_text_peer(sender, text));
	if (sender->local != 0) {
		puts("trusted: the mode of its socket decides");
		return true;
	}
	while (i < conf->nproxy_from &&
	    !addr_in_blocks(sender, &conf->proxy_from[i], 1))
		i++;
	if (i == conf->nproxy_from) {
		puts("refused: no ProxyFrom has its address");
	} else {
		say_line("trusted by",
		    e.briefly ? 0 : quote_nth(conf->file, "ProxyFrom", i + 1));
		if (preface_fits(client))
			return true;
		printf("client %s: refused: no client of a load balancer has "
		       "this address\n",
		    e.client);
	}
	puts("answer: none, the connection is reset");
	e.outcome.reset = true;
	return false;
}

/*
 * Prints which TransparentPort takes a client.  Returns false if there is none of
 * the kind that its target needs.
 */
static bool
inlet_goes(const char *target)
{
	bool tls = !is_plain(target);

	for (size_t i = 0; i < e.conf->ntransparent; i++)
		if (e.conf->transparent[i].tls == tls) {
			say_line("transparent: at the port of",
			    e.conf->transparent[i].line);
			return true;
		}
	printf("transparent: there is no TransparentPort %s tls\n"
	       "answer: none, the client reaches no port\n",
	    tls ? "with" : "without");
	e.outcome.reset = true;
	return false;
}

/* Prints the outcome of a check.  Returns false if the request is refused. */
static bool
check_goes(enum check check)
{
	struct decision *d = &e.decision;

	e.outcome = (struct outcome){ .refusal = REFUSE_NOTHING };
	switch (check) {
	case CHECK_CLIENT:
		return client_goes();
	case CHECK_HEAD:
		return request_goes(d->target);
	case CHECK_USER:
		return e.transparent ? anonymous_goes() : user_goes();
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
	case CHECK_LOOP: /* needs a real connection */
	case CHECK_HOPS:
	case CHECKS:
		break;
	}
	return true;
}

static bool
asked_goes(const struct asked *asked)
{
	e.user = asked->user;
	e.answered = false;
	e.transparent = asked->transparent;
	e.request = (struct request){ .literal = false };
	e.outcome = (struct outcome){ .refusal = REFUSE_NOTHING };
	e.decision = (struct decision){ .conf = e.conf,
		.request = &e.request,
		.target = asked->target,
		.asker = { .client = &asked->client } };
	addr_text_peer(&asked->client, e.client);
	target_keep(asked->target);
	if (asked->transparent && !inlet_goes(asked->target))
		return false;
	if (asked->sent && !sender_goes(&asked->sender, &asked->client))
		return false;
	for (enum check check = 0; check < CHECKS && !e.answered; check++)
		if (!check_goes(check))
			return false;
	return true;
}

/* Must be called before anything is explained; conf stays the caller's. */
void
explain_use(const struct conf *conf)
{
	static struct addr listening[LISTEN_MAX];
	struct conf_listener l[LISTEN_MAX];
	size_t n = conf_listeners(conf, l);

	for (size_t i = 0; i < n; i++)
		listening[i] = l[i].at;
	self_use(listening, n, NULL);
	hosts_use(&conf->pins);
	e.conf = conf;
}

/*
 * Reads one end: an address; or the path of a Unix socket,
 * perhaps after "unix:", and perhaps with ",uid=" and the number of a user.
 * Returns 0 or -1.
 */
static int
client_parse(struct addr *client, char *text)
{
	char *path = text + (strncmp(text, "unix:", 5) == 0 ? 5 : 0), *end;
	char *uid = strstr(text, ",uid=");
	unsigned long n = ADDR_NO_UID;

	if (path[0] != '/' && path[0] != '@')
		return addr_parse(client, text);
	if (uid != NULL) {
		*uid = '\0';
		uid += strlen(",uid=");
		errno = 0;
		n = strtoul(uid, &end, 10);
		if (uid[0] < '0' || uid[0] > '9' || *end != '\0' ||
		    errno != 0 || n >= ADDR_NO_UID)
			return -1;
	}
	addr_from_local(client, local_hold(path), (uint32_t)n);
	return client->local != 0 ? 0 : -1;
}

/*
 * Reads a client as it is written on the command line: its address, after a
 * load balancer CLIENT@SENDER.  Changes the text.  Returns NULL; or which part
 * is no address, "client" or "sender", with *text set to it.  Before a client of
 * a TransparentPort stands "transparent:".
 */
const char *
explain_client(struct asked *asked, char **text)
{
	static const char prefix[] = "transparent:";
	char *at;

	asked->transparent = strncmp(*text, prefix, strlen(prefix)) == 0;
	if (asked->transparent)
		*text += strlen(prefix);
	at = strchr(*text + (**text == '@'), '@');

	asked->sent = at != NULL && !asked->transparent;
	if (at != NULL)
		*at++ = '\0';
	if (client_parse(&asked->client, *text) != 0)
		return "client";
	if (!asked->sent || client_parse(&asked->sender, at) == 0)
		return NULL;
	*text = at;
	return "sender";
}

/*
 * Prints, check by check, how a request of a client would be decided, and what
 * the answer would be.  A target of the form host:port makes it a CONNECT, a
 * URL or a path a GET.  A user ("-": no credentials) is taken to have sent the
 * right password.  A transparent client sends a TLS hello or a GET with the port
 * of the target.  With a sender, a load balancer names the client in a PROXY
 * header.  Blocks while name servers are asked.  Returns false if the request
 * is refused.
 */
bool
explain(const struct asked *asked)
{
	return asked_goes(asked);
}

/*
 * Does the same for one of many requests, and returns the outcome; what is
 * printed is not meant to be read.  No name server is asked: a name that the
 * hosts file does not have, and for which there is no address in at (not
 * NULL), is judged as if no rule for blocks matched its addresses.
 */
struct outcome
explain_briefly(const struct asked *asked, const struct addr *at)
{
	const char *file = e.conf->file != NULL ? e.conf->file : "built-in";
	struct where at_line;

	e.briefly = true;
	e.at = at;
	asked_goes(asked);
	at_line = place_of(&e.conf->places, e.outcome.line);
	if (e.outcome.file == NULL && e.outcome.line != 0) {
		e.outcome.file = at_line.file;
		e.outcome.line = at_line.line;
	}
	if (e.outcome.file == NULL)
		e.outcome.file = file;
	return e.outcome;
}
