/* SPDX-License-Identifier: ISC */
/*
 * What somebody who comes from tinyproxy should know of his configuration:
 * which lines have another effect here than there, and what he might want to
 * add.  It is for -t alone: it reads the file once more, says what the tables
 * below have for its lines, and must never judge or change anything.
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
#include "program.h"
#include "quote.h"
#include "refusal.h"
#include "rule.h"
#include "upstream.h"

enum { MANY_CLIENTS = 1000 /* a MaxClients that nobody means for threads */ };

/* A line of the file, with what stands behind its directive. */
struct line {
	const struct conf *conf;
	unsigned long number;
	const char *arg;
};

/* What can be said of a directive, or of none if its name is NULL. */
struct hint {
	const char *directive;
	bool (*applies)(const struct line *); /* NULL: it always does */
	const char *unless; /* a directive that does away with it, or NULL */
	bool once;          /* for the first such line alone */
	const char *text;
};

/* To which lines a note applies. */

static bool
is_yes(const struct line *l)
{
	return strcasecmp(l->arg, "yes") == 0 || strcasecmp(l->arg, "on") == 0;
}

/* The rule of an Allow or a Deny, or NULL. */
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

/* A status without a phrase comes from a parent, if from anybody. */
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

/* The parent of an Upstream, or NULL if the file has just changed. */
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

/* A proxy that has users of its own keeps their credentials in both. */
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

/* When it matters that something is missing. */

static bool
listens_outside(const struct conf *conf)
{
	for (size_t i = 0; i < conf->nlisten; i++)
		if (!acl_is_loopback(&conf->listen[i], 128))
			return true;
	return conf->nlisten == 0;
}

/* Whether clients may come that are not on a loopback address. */
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
    "tinyproxy adds it to a CONNECT for a parent as well; adit to plain "
    "requests alone";

static const struct hint line_hints[] = {
	{ "AddHeader", has_http_parent, NULL, true, only_plain },
	{ "Allow", has_name, NULL, false,
	    "tinyproxy believes any reverse name, and matches the end of longer "
	    "ones, as in evilexample.com; adit believes one that leads back to "
	    "the client, and matches whole labels" },
	{ "Allow", has_suffix, NULL, false,
	    "tinyproxy believes any reverse name; adit one that leads back to "
	    "the client" },
	{ "Anonymous", NULL, NULL, true,
	    "tinyproxy lets Content-Length and Content-Type pass besides; adit "
	    "also Expect, Upgrade, Via and what else a message needs" },
	{ "BasicAuth", NULL, NULL, true,
	    "tinyproxy knows passwords in plain text alone; adit takes hashes "
	    "too, see AuthFile" },
	{ "Deny", has_name_or_suffix, NULL, false,
	    "tinyproxy believes any reverse name, and serves who cannot be "
	    "looked up; adit believes one that leads back to the client, and "
	    "refuses who cannot be looked up" },
	{ "ErrorFile", lacks_pages, NULL, false,
	    "tinyproxy answers 500 if a server cannot be reached; adit 502 or "
	    "504" },
	{ "ErrorFile", is_of_login, NULL, false,
	    "adit answers 407 wherever tinyproxy answers 401; this page has "
	    "to be given for 407" },
	{ "ErrorFile", is_never_sent, NULL, false,
	    "adit never answers with this status" },
	{ "Filter", is_for_hosts, NULL, false,
	    "tinyproxy compares the host as the client has written it; adit in "
	    "lower case, without a last dot, and an address in one form" },
	{ "FilterType", has_lost_case, NULL, false,
	    "tinyproxy minds the case of hosts and URLs with fnmatch; adit "
	    "does not" },
	{ "FilterURLs", is_for_urls, NULL, false,
	    "tinyproxy compares the URL as the client has written it; adit "
	    "one form of the many that it can be written in" },
	{ "LogFile", is_opened_as_root, NULL, false,
	    "tinyproxy opens it as its user, and turns to syslog if it may "
	    "not; adit opens it before it gives up root" },
	{ "MaxClients", is_small, NULL, false,
	    "tinyproxy has a thread for each, and closes after each request; "
	    "adit keeps connections for the next one, and each costs it "
	    "little, so that a larger number is worth while" },
	{ "ReversePath", NULL, "ReverseOnly", true,
	    "tinyproxy sends a path that no ReversePath is for where Host "
	    "says; adit answers 400" },
	{ "StatHost", NULL, NULL, false,
	    "tinyproxy also shows the page to who names this in Host alone; "
	    "adit wants it in the URL, as in curl -x PROXY http://HOST/" },
	{ "Syslog", is_under_another_name, NULL, false,
	    "tinyproxy's lines have the name tinyproxy; adit's have adit, "
	    "unless it is installed under the other name" },
	{ "Timeout", NULL, "ConnectTimeout", false,
	    "tinyproxy waits so long for a request and for a connection, too; "
	    "adit as long as HeaderTimeout and ConnectTimeout say, by default "
	    "30 seconds" },
	{ "Upstream", has_capitals, NULL, false,
	    "tinyproxy drops a line with a type in upper case; adit heeds it" },
	{ "Upstream", is_for_plain_names, NULL, false,
	    "tinyproxy uses this for no name at all; adit for names without a "
	    "dot" },
	{ "Upstream", is_one_of_several, NULL, false,
	    "tinyproxy uses one parent for a site; adit tries the others when "
	    "that is of no use" },
	{ "Upstream", lacks_credentials, NULL, false,
	    "tinyproxy passes the credentials of clients on to the parent; "
	    "adit does not, and if that wants some they have to stand here, as "
	    "user:password@" },
	{ "User", NULL, "Group", false,
	    "tinyproxy keeps the groups of root without Group; adit has the "
	    "primary group of the user alone" },
	{ "ViaProxyName", names_via, NULL, false,
	    "tinyproxy says NAME (tinyproxy) in Via; adit NAME-NUMBER (adit), "
	    "with another number after each start" },
	{ "XTinyproxy", is_yes_for_parents, NULL, false, only_plain },
};

/* What can be said of a file without a line for the directive. */
static const struct hint file_hints[] = {
	{ NULL, NULL, NULL, true,
	    "tinyproxy takes a request without a URL, which a firewall may "
	    "have redirected here, to where its Host says (transparent "
	    "proxying); adit answers 400" },
	{ "AccessLog", NULL, "AccessLog", true,
	    "none given; add AccessLog \"/var/log/tinyproxy/access.log\" for "
	    "one line about each request" },
	{ "Allow", admits_everybody, "Allow", true,
	    "none given, so that everybody is served, as by tinyproxy; add "
	    "Allow 192.0.2.0/24 with a network of yours" },
	{ "AllowTo", admits_strangers, "AllowTo", true,
	    "none given; tinyproxy connects everybody to loopback and "
	    "link-local addresses, adit nobody but clients on loopback" },
	{ "BasicAuthRealm", wants_credentials, "BasicAuthRealm", true,
	    "none given; programs keep passwords by it, and it is \"Tinyproxy\" "
	    "in tinyproxy, \"adit\" here; add BasicAuthRealm \"Tinyproxy\"" },
	{ "DenyTo", opens_networks, "DenyTo", true,
	    "none given, so that private networks can be reached, as through "
	    "tinyproxy; add DenyTo private" },
	{ "MaxClients", NULL, "MaxClients", true,
	    "none given; tinyproxy serves 100 at once, adit as many as it has "
	    "descriptors for" },
	{ "User", NULL, "User", true,
	    "none given; as root tinyproxy runs all the same, adit does not "
	    "start; add User" }
};

enum {
	LINE_HINTS = sizeof(line_hints) / sizeof(*line_hints),
	FILE_HINTS = sizeof(file_hints) / sizeof(*file_hints)
};

static bool
applies(const struct hint *hint, const struct line *l)
{
	return (hint->unless == NULL ||
		   quote_find(l->conf, hint->unless, NULL) == 0) &&
	    (hint->applies == NULL || hint->applies(l));
}

/* Says a note about a line; first is where it was said before, or 0. */
static void
line_say(const struct hint *hint, const struct line *l, unsigned long *first)
{
	if (*first == 0)
		printf("%s:%lu: note: %s: %s\n", l->conf->file, l->number,
		    hint->directive, hint->text);
	else if (!hint->once)
		printf("%s:%lu: note: %s: as in line %lu\n", l->conf->file,
		    l->number, hint->directive, *first);
	if (*first == 0)
		*first = l->number;
}

static void
lines_print(const struct conf *conf, FILE *f)
{
	unsigned long said[LINE_HINTS] = { 0 };
	struct line l = { .conf = conf };
	char *text = NULL, *directive, *arg;
	size_t size = 0;

	while (getline(&text, &size, f) > 0) {
		l.number++;
		text[strcspn(text, "\r\n")] = '\0';
		directive = conf_split(text, &arg);
		l.arg = arg;
		for (size_t i = 0; directive != NULL && i < LINE_HINTS; i++)
			if (strcasecmp(directive, line_hints[i].directive) ==
				0 &&
			    applies(&line_hints[i], &l))
				line_say(&line_hints[i], &l, &said[i]);
	}
	free(text);
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
 * Prints the notes on a configuration that was tinyproxy's, which shows in the
 * path of the file or in what this program is called; on others none.
 */
void
hints_print(const struct conf *conf)
{
	FILE *f;

	if (conf->file == NULL ||
	    (strcmp(program, "tinyproxy") != 0 &&
		strstr(conf->file, "tinyproxy") == NULL))
		return;
	f = conf_open(conf);
	if (f == NULL)
		return;
	lines_print(conf, f);
	fclose(f);
	file_print(conf);
}
