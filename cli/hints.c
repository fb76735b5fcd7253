/* SPDX-License-Identifier: ISC */
/*
 * What an administrator who comes from tinyproxy should know about a
 * configuration: which lines have another effect here than there, and what
 * might be added.  It is for -t only: it reads the file once more, prints what
 * the tables below say about its lines, and must never judge or change
 * anything.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "acl.h"
#include "conf.h"
#include "filter.h"
#include "hints.h"
#include "place.h"
#include "program.h"
#include "quote.h"
#include "reader.h"
#include "refusal.h"
#include "rule.h"
#include "upstream.h"

enum { MANY_CLIENTS = 1000 /* a MaxClients too large for a thread each */ };

/* A line of the file, with the argument of its directive. */
struct line {
	const struct conf *conf;
	unsigned long number;
	const char *arg;
};

/* A note on a directive, or on the whole file if directive is NULL. */
struct hint {
	const char *directive;
	bool (*applies)(const struct line *); /* NULL: always */
	const char *unless; /* not if this directive is given; or NULL */
	bool once;          /* only for the first such line */
	const char *text;
};

/* Which lines a note applies to. */

static bool
is_yes(const struct line *l)
{
	return strcasecmp(l->arg, "yes") == 0 || strcasecmp(l->arg, "on") == 0;
}

/* Returns the rule of an Allow or a Deny, or NULL. */
static const struct rule *
rule_of(const struct line *l)
{
	for (size_t i = 0; i < l->conf->acl.nrules; i++)
		if (l->conf->acl.rules[i].line == l->number)
			return &l->conf->acl.rules[i];
	return NULL;
}

static bool
has_name(const struct line *l)
{
	const struct rule *rule = rule_of(l);

	return rule != NULL && rule->kind == RULE_NAME;
}

static bool
has_suffix(const struct line *l)
{
	const struct rule *rule = rule_of(l);

	return rule != NULL && rule->kind == RULE_SUFFIX;
}

static bool
has_name_or_suffix(const struct line *l)
{
	return has_name(l) || has_suffix(l);
}

static bool
has_page(const struct conf *conf, int status)
{
	for (size_t i = 0; i < conf->pages.n; i++)
		if (conf->pages.list[i].status == status)
			return true;
	return false;
}

static bool
lacks_pages(const struct line *l)
{
	return strtol(l->arg, NULL, 10) == 500 &&
	    !(has_page(l->conf, 502) && has_page(l->conf, 504));
}

static bool
is_of_login(const struct line *l)
{
	return strtol(l->arg, NULL, 10) == 401;
}

static bool
has_http_parent(const struct line *l)
{
	const struct upstreams *us = &l->conf->upstreams;

	for (size_t i = 0; i < us->n; i++)
		if (us->list[i].kind == UPSTREAM_HTTP)
			return true;
	return false;
}

/* Only a parent can send a status for which adit has no phrase. */
static bool
is_never_sent(const struct line *l)
{
	int status = (int)strtol(l->arg, NULL, 10);
	const char *unknown = refusal_phrase(status < 500 ? 499 : 599);

	return !is_of_login(l) && !has_http_parent(l) &&
	    strcmp(refusal_phrase(status), unknown) == 0;
}

static bool
is_for_hosts(const struct line *l)
{
	return !l->conf->filter.urls;
}

static bool
is_for_urls(const struct line *l)
{
	return is_yes(l) && l->conf->filter.file != NULL;
}

static bool
has_lost_case(const struct line *l)
{
	const struct filter *f = &l->conf->filter;

	return f->file != NULL && f->type == FILTER_FNMATCH &&
	    !(f->urls && f->case_sensitive);
}

static bool
is_opened_as_root(const struct line *l)
{
	return l->conf->user != NULL && !l->conf->syslog;
}

static bool
is_small(const struct line *l)
{
	return l->conf->max_clients < MANY_CLIENTS;
}

static bool
is_under_another_name(const struct line *l)
{
	return is_yes(l) && strcmp(program, "tinyproxy") != 0;
}

/* Returns the parent of an Upstream, or NULL if the file has just changed. */
static const struct upstream *
upstream_of(const struct line *l)
{
	const struct upstreams *us = &l->conf->upstreams;
	size_t i = 0;

	while (i < us->n && us->list[i].line != l->number)
		i++;
	return i < us->n ? &us->list[i] : NULL;
}

static bool
has_capitals(const struct line *l)
{
	const struct upstream *u = upstream_of(l);
	const char *kind = u != NULL ? upstream_kind(u) : "";

	return strncmp(l->arg, kind, strlen(kind)) != 0;
}

static bool
is_for_plain_names(const struct line *l)
{
	const struct upstream *u = upstream_of(l);

	return u != NULL && u->site.name != NULL &&
	    strcmp(u->site.name, ".") == 0;
}

static bool
is_one_of_several(const struct line *l)
{
	const struct upstream *u = upstream_of(l);

	return u != NULL && upstream_has_substitute(&l->conf->upstreams, u);
}

/* With users of its own, neither program passes credentials on. */
static bool
lacks_credentials(const struct line *l)
{
	const struct upstream *u = upstream_of(l);

	return u != NULL && u->kind == UPSTREAM_HTTP && u->user == NULL &&
	    !conf_wants_users(l->conf);
}

static bool
names_via(const struct line *l)
{
	return !l->conf->disable_via;
}

static bool
is_yes_for_parents(const struct line *l)
{
	return is_yes(l) && has_http_parent(l);
}

/* When it matters that a directive is missing. */

static bool
listens_outside(const struct conf *conf)
{
	for (size_t i = 0; i < conf->nlisten; i++)
		if (!acl_is_loopback(&conf->listen[i], 128))
			return true;
	return conf->nlisten == 0;
}

/* Returns whether clients that are not on a loopback address are admitted. */
static bool
admits_strangers(const struct line *l)
{
	const struct conf *conf = l->conf;
	bool strangers = conf->acl.nrules == 0;

	for (size_t i = 0; i < conf->acl.nrules; i++) {
		const struct rule *rule = &conf->acl.rules[i];

		if (rule->allow &&
		    (rule->kind != RULE_NET ||
			!acl_is_loopback(&rule->net, rule->bits)))
			strangers = true;
	}
	return strangers && listens_outside(conf);
}

static bool
opens_networks(const struct line *l)
{
	return admits_strangers(l) && !l->conf->acl.targets.has_allow;
}

static bool
admits_everybody(const struct line *l)
{
	return l->conf->acl.nrules == 0 && !conf_wants_users(l->conf) &&
	    admits_strangers(l);
}

static bool
wants_credentials(const struct line *l)
{
	return conf_wants_users(l->conf);
}

static const char only_plain[] =
    "tinyproxy also adds it to a CONNECT for a parent; adit only to plain "
    "requests";

static const struct hint line_hints[] = {
	{ "AddHeader", has_http_parent, NULL, true, only_plain },
	{ "Allow", has_name, NULL, false,
	    "tinyproxy trusts any reverse name, and also matches the end of a "
	    "longer one, such as evilexample.com; adit trusts only a name that "
	    "leads back to the client, and matches whole labels" },
	{ "Allow", has_suffix, NULL, false,
	    "tinyproxy trusts any reverse name; adit only one that leads back "
	    "to the client" },
	{ "Anonymous", NULL, NULL, true,
	    "tinyproxy also passes Content-Length and Content-Type; adit "
	    "passes these, Expect, Upgrade, Via and what else a message needs" },
	{ "BasicAuth", NULL, NULL, true,
	    "tinyproxy takes only passwords in plain text; adit also takes "
	    "hashes, see AuthFile" },
	{ "Deny", has_name_or_suffix, NULL, false,
	    "tinyproxy trusts any reverse name, and serves a client that "
	    "cannot be looked up; adit trusts only a name that leads back to "
	    "the client, and refuses a client that cannot be looked up" },
	{ "ErrorFile", lacks_pages, NULL, false,
	    "tinyproxy answers 500 if a server cannot be reached; adit answers "
	    "502 or 504" },
	{ "ErrorFile", is_of_login, NULL, false,
	    "adit answers 407 where tinyproxy answers 401; this page must be "
	    "given for 407" },
	{ "ErrorFile", is_never_sent, NULL, false,
	    "adit never answers with this status" },
	{ "Filter", is_for_hosts, NULL, false,
	    "tinyproxy compares the host as the client wrote it; adit compares "
	    "it in lower case, without its last dot, and an address in "
	    "canonical form" },
	{ "FilterType", has_lost_case, NULL, false,
	    "with fnmatch, tinyproxy distinguishes upper and lower case in "
	    "hosts and URLs; adit does not" },
	{ "FilterURLs", is_for_urls, NULL, false,
	    "tinyproxy compares the URL as the client wrote it; adit compares "
	    "its normal form" },
	{ "LogFile", is_opened_as_root, NULL, false,
	    "tinyproxy opens it as its user, and uses syslog if it cannot; "
	    "adit opens it before it gives up root" },
	{ "MaxClients", is_small, NULL, false,
	    "tinyproxy has a thread for each client, and closes after each "
	    "request; adit keeps connections for the next request, and each "
	    "costs little, so a larger number makes sense" },
	{ "ReversePath", NULL, "ReverseOnly", true,
	    "tinyproxy sends a request that matches no ReversePath to the host "
	    "in Host; adit answers 400" },
	{ "StatHost", NULL, NULL, false,
	    "tinyproxy also shows the page if only Host has this name; adit "
	    "needs it in the URL, as in curl -x PROXY http://HOST/" },
	{ "Syslog", is_under_another_name, NULL, false,
	    "tinyproxy's lines have the name tinyproxy; adit's have adit, "
	    "unless it is installed as tinyproxy" },
	{ "Timeout", NULL, "ConnectTimeout", false,
	    "tinyproxy also waits this long for a request and for a "
	    "connection; adit waits HeaderTimeout and ConnectTimeout, by "
	    "default 30 seconds each" },
	{ "Upstream", has_capitals, NULL, false,
	    "tinyproxy ignores a line with a type in upper case; adit uses "
	    "it" },
	{ "Upstream", is_for_plain_names, NULL, false,
	    "tinyproxy uses this for no name at all; adit uses it for names "
	    "without a dot" },
	{ "Upstream", is_one_of_several, NULL, false,
	    "tinyproxy uses one parent for a site; adit tries the others when "
	    "that one fails" },
	{ "Upstream", lacks_credentials, NULL, false,
	    "tinyproxy passes the credentials of clients on to the parent; "
	    "adit does not, and a parent that asks for credentials needs "
	    "user:password@ here" },
	{ "User", NULL, "Group", false,
	    "without Group, tinyproxy keeps the groups of root; adit has only "
	    "the primary group of the user" },
	{ "ViaProxyName", names_via, NULL, false,
	    "tinyproxy writes NAME (tinyproxy) in Via; adit writes NAME-NUMBER "
	    "(adit), with another number after each start" },
	{ "XTinyproxy", is_yes_for_parents, NULL, false, only_plain },
};

/* Notes on a file that lacks the directive. */
static const struct hint file_hints[] = {
	{ NULL, NULL, "Transparent", true,
	    "tinyproxy takes a request without a URL, which a firewall may "
	    "have redirected here, and sends it to the host in Host "
	    "(transparent proxying); adit answers 400 without Transparent yes" },
	{ "AccessLog", NULL, "AccessLog", true,
	    "none given; add AccessLog \"/var/log/tinyproxy/access.log\" for "
	    "one line about each request" },
	{ "Allow", admits_everybody, "Allow", true,
	    "none given, so everybody is served, as by tinyproxy; add Allow "
	    "192.0.2.0/24 with your network" },
	{ "AllowTo", admits_strangers, "AllowTo", true,
	    "none given; tinyproxy connects everybody to loopback and "
	    "link-local addresses, adit only clients on loopback" },
	{ "BasicAuthRealm", wants_credentials, "BasicAuthRealm", true,
	    "none given; programs store passwords by realm, which is "
	    "\"Tinyproxy\" in tinyproxy and \"adit\" here; add BasicAuthRealm "
	    "\"Tinyproxy\"" },
	{ "DenyTo", opens_networks, "DenyTo", true,
	    "none given, so private networks can be reached, as through "
	    "tinyproxy; add DenyTo private" },
	{ "MaxClients", NULL, "MaxClients", true,
	    "none given; tinyproxy serves 100 clients at once, adit as many as "
	    "it has descriptors for" },
	{ "User", NULL, "User", true,
	    "none given; as root, tinyproxy runs anyway, adit does not start; "
	    "add User" }
};

enum {
	LINE_HINTS = sizeof(line_hints) / sizeof(*line_hints),
	FILE_HINTS = sizeof(file_hints) / sizeof(*file_hints)
};

static bool
applies(const struct hint *hint, const struct line *l)
{
	return (hint->unless == NULL ||
		   quote_find(l->conf->file, hint->unless, NULL) == 0) &&
	    (hint->applies == NULL || hint->applies(l));
}

/*
 * Prints a note about a line; *first is the line of the same note before, or 0.
 */
static void
line_say(const struct hint *hint, const struct line *l, unsigned long *first)
{
	struct where at = place_of(&l->conf->places, l->number);

	if (*first == 0)
		printf("%s:%lu: note: %s: %s\n", at.file, at.line,
		    hint->directive, hint->text);
	else if (!hint->once)
		printf("%s:%lu: note: %s: as in %s\n", at.file, at.line,
		    hint->directive, quote_name(&l->conf->places, *first));
	if (*first == 0)
		*first = l->number;
}

static void
lines_print(const struct conf *conf, FILE *f)
{
	unsigned long said[LINE_HINTS] = { 0 };
	struct reader r = { .file = conf->file };
	struct line l = { .conf = conf };
	char *directive, *arg;

	if (reader_begin(&r, f) != 0)
		return;
	while ((directive = reader_look(&r, &arg)) != NULL) {
		l.number = r.line;
		l.arg = arg;
		for (size_t i = 0; i < LINE_HINTS; i++)
			if (strcasecmp(directive, line_hints[i].directive) ==
				0 &&
			    applies(&line_hints[i], &l))
				line_say(&line_hints[i], &l, &said[i]);
	}
	reader_end(&r);
	place_free(&r.places);
}

static void
file_print(const struct conf *conf)
{
	const struct line l = { .conf = conf };

	for (size_t i = 0; i < FILE_HINTS; i++)
		if (applies(&file_hints[i], &l))
			printf("%s: note: %s%s%s\n", conf->file,
			    file_hints[i].directive != NULL
				? file_hints[i].directive
				: "",
			    file_hints[i].directive != NULL ? ": " : "",
			    file_hints[i].text);
}

/*
 * Prints the notes on a configuration that was written for tinyproxy, as the
 * path of the file or the name of this program shows; prints nothing for
 * others.
 */
void
hints_print(const struct conf *conf)
{
	FILE *f;

	if (conf->file == NULL ||
	    (strcmp(program, "tinyproxy") != 0 &&
		strstr(conf->file, "tinyproxy") == NULL))
		return;
	f = conf_open(conf->file);
	if (f == NULL)
		return;
	lines_print(conf, f);
	file_print(conf);
}
