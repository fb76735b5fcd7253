/* SPDX-License-Identifier: ISC */
/*
 * A configuration: it begins with the defaults, a file is read into it, and
 * the whole is checked.  All errors of a file are told, and only a file
 * without errors gives a configuration.  Nothing is changed once it is read.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/stat.h>

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "bounds.h"
#include "conf.h"
#include "directives.h"
#include "doubts.h"
#include "filter.h"
#include "group.h"
#include "list.h"
#include "lists.h"
#include "local.h"
#include "log.h"
#include "login.h"
#include "pins.h"
#include "place.h"
#include "program.h"
#include "reader.h"
#include "record.h"
#include "reverse.h"
#include "secret.h"
#include "sys.h"
#include "target.h"
#include "text.h"
#include "upstream.h"
#include "who.h"

/* Frees a configuration and all it owns; NULL is fine. */
void
conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	directives_free(conf);
	place_free(&conf->places);
	free(conf->file);
	free(conf);
}

/*
 * Wipes what only the workers need: the passwords of BasicAuth, and credentials
 * for parent proxies.  The hashes of AuthFile are forgotten by login_forget().
 */
void
conf_forget(struct conf *conf)
{
	for (size_t i = 0; i < conf->acl.nusers; i++)
		secret_wipe(conf->acl.users[i].password, CREDENTIAL_SIZE);
	upstream_forget(&conf->upstreams);
}

/* Whether passwords are to be checked that take long: not those of BasicAuth. */
bool
conf_has_logins(const struct conf *conf)
{
	return conf->logins.wanted || conf->auth_helper.n > 0;
}

/* Whether clients must say who they are. */
bool
conf_wants_users(const struct conf *conf)
{
	return conf->acl.nusers > 0 || conf_has_logins(conf);
}

/*
 * Returns the NoAuth for a client, which then needs no credentials; or NULL.
 */
const struct rule *
conf_exempts(const struct conf *conf, const struct addr *client)
{
	for (size_t i = 0; i < conf->nno_auth; i++)
		if (acl_rule_has(&conf->no_auth[i], client))
			return &conf->no_auth[i];
	return NULL;
}

/* Whether there is a user of this name, in BasicAuth or an AuthFile. */
bool
conf_has_user(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->acl.nusers; i++)
		if (strcmp(conf->acl.users[i].name, name) == 0)
			return true;
	return login_name(&conf->logins, name) != NULL;
}

/* The same, or an AuthHelper may know it, which knows any number of them. */
bool
conf_may_have_user(const struct conf *conf, const char *name)
{
	return conf->auth_helper.n > 0 || conf_has_user(conf, name);
}

/*
 * Returns the user whose name differs so little from another one that it was
 * probably meant, or NULL.
 */
const char *
conf_near_user(const struct conf *conf, const char *name)
{
	unsigned best = text_limit(name), d;
	size_t nusers = conf->acl.nusers;
	const char *near = NULL, *user;

	for (size_t i = 0; i < nusers + conf->logins.n; i++) {
		user = i < nusers ? conf->acl.users[i].name
				  : conf->logins.list[i - nusers].name;
		d = text_distance(name, user);
		if (d < best && d < strlen(user)) {
			best = d;
			near = user;
		}
	}
	return near;
}

/* What a configuration listens on by Listen and ListenProxy, or without them. */
static size_t
ordinary_listeners(const struct conf *conf, struct conf_listener *to)
{
	static const struct addr everywhere[] = {
		{ .ip = { [10] = 0xff, 0xff } }, { .ip = { 0 } }
	};
	bool named = conf->nlisten > 0, proxied;
	size_t n = named ? conf->nlisten : 2;

	for (size_t i = 0; i < n; i++) {
		proxied = conf->proxied >> i & 1;
		to[i] = (struct conf_listener){ .at = named ? conf->listen[i]
							    : everywhere[i],
			.inlet = proxied ? INLET_PREFACE : INLET_PROXY,
			.directive = proxied ? "ListenProxy"
			    : named          ? "Listen"
					     : "Port",
			.line = named ? conf->listen_lines[i]
				      : directives_line(conf, "Port") };
		if (to[i].at.port == 0 && to[i].at.local == 0)
			to[i].at.port = conf->port;
	}
	return n;
}

/*
 * What a configuration listens on: the addresses of Listen and ListenProxy, in
 * their order, or all of this machine without Listen; and the same addresses,
 * except those of ListenProxy and Unix sockets, with each TransparentPort.
 * Returns how many; those that are too many are left out.
 */
size_t
conf_listeners(const struct conf *conf, struct conf_listener to[LISTEN_MAX])
{
	size_t ordinary = ordinary_listeners(conf, to), n = ordinary;

	for (size_t i = 0; i < conf->ntransparent; i++)
		for (size_t j = 0; j < ordinary && n < LISTEN_MAX; j++) {
			const struct transparent *t = &conf->transparent[i];

			if (to[j].inlet != INLET_PROXY || to[j].at.local != 0)
				continue;
			to[n] = (struct conf_listener){ .at = to[j].at,
				.inlet = t->tls ? INLET_TLS : INLET_HTTP,
				.directive = "TransparentPort",
				.line = t->line };
			to[n++].at.port = t->port;
		}
	return n;
}

/*
 * Returns the directive of an access log, and which of its lines has it, from 1
 * on.
 */
const char *
conf_access(const struct conf *conf, size_t i, size_t *nth)
{
	bool decisions = conf->access[i].format == RECORD_DECISION;

	*nth = 0;
	for (size_t j = 0; j <= i; j++)
		*nth +=
		    (conf->access[j].format == RECORD_DECISION) == decisions;
	return decisions ? "DecisionLog" : "AccessLog";
}

/* Whether a Unix socket is one to listen on. */
bool
conf_has_socket(const struct conf *conf, uint16_t number)
{
	for (size_t i = 0; i < conf->nlisten; i++)
		if (conf->listen[i].local == number)
			return true;
	return false;
}

/* What only the whole file shows. */

/* Makes a line and its directive what the next message is about. */
static void
place(struct reader *r, unsigned long line, const char *directive)
{
	r->line = line;
	r->keyword = directive;
}

/* The same for the last line that gives a directive. */
static void
place_at(struct reader *r, const char *directive)
{
	place(r, directives_line(r->conf, directive), directive);
}

/* Returns whether some line gives a directive, right or wrong. */
static bool
is_given(const struct reader *r, const char *directive)
{
	return directives_line(r->conf, directive) != 0;
}

/* A rule for a user who does not exist would not do what it says. */
static void
user_check(struct reader *r, const char *name)
{
	const char *near;

	if (conf_may_have_user(r->conf, name) ||
	    (r->conf->peer_user && getpwnam(name) != NULL))
		return;
	near = conf_near_user(r->conf, name);
	if (near != NULL)
		reader_say(r, LOG_LEVEL_ERROR,
		    "there is no user \"%.60s\"; did you mean \"%.60s\"?", name,
		    near);
	else
		reader_say(r, LOG_LEVEL_ERROR,
		    "there is no user \"%.60s\"%s; add a BasicAuth or a line "
		    "in an AuthFile",
		    name,
		    r->conf->peer_user ? ", and none of this system" : "");
}

static void
group_check(struct reader *r, const char *name)
{
	const struct groups *groups = &r->conf->groups;
	const char *near;

	if (group_find(groups, name) != NULL)
		return;
	near = group_near(groups, name);
	if (near != NULL)
		reader_say(r, LOG_LEVEL_ERROR,
		    "there is no group \"@%.60s\"; did you mean \"@%.60s\"?",
		    name, near);
	else
		reader_say(r, LOG_LEVEL_ERROR,
		    "there is no group \"@%.60s\"; add a UserGroup %.60s with "
		    "its users",
		    name, name);
}

/* All users that a rule names. */
static void
users_check(struct reader *r, const struct target_rule *rule)
{
	const char *name = rule->who->users;

	place(r, rule->line, target_directive(rule));
	for (size_t i = 0; i < rule->who->nusers; i++) {
		if (name[0] != '@')
			user_check(r, name);
		name += strlen(name) + 1;
	}
}

/* All groups that a rule names. */
static void
groups_check(struct reader *r, const struct target_rule *rule)
{
	const char *name = rule->who->users;

	place(r, rule->line, target_directive(rule));
	for (size_t i = 0; i < rule->who->nusers; i++) {
		if (name[0] == '@')
			group_check(r, name + 1);
		name += strlen(name) + 1;
	}
}

/* The users of all groups. */
static void
members_check(struct reader *r)
{
	const struct group *group = r->conf->groups.first;

	for (; group != NULL; group = group->next) {
		place(r, group->line, "UserGroup");
		for (size_t i = 0; i < group->n; i++)
			user_check(r, group->users[i]);
	}
}

/* All rules of one line, and of equal ones after it, share one struct who. */
static void
targets_check(struct reader *r)
{
	const struct targets *t = &r->conf->acl.targets;
	const struct who *checked = NULL;

	for (size_t i = 0; i < t->n; i++)
		if (t->rules[i].who != checked) {
			checked = t->rules[i].who;
			if (checked == NULL)
				continue;
			groups_check(r, &t->rules[i]);
			if (!r->lacks_users)
				users_check(r, &t->rules[i]);
		}
	if (!r->lacks_users)
		members_check(r);
}

/*
 * Whether a path is that of a Unix socket and not of a list: some line listens
 * on it; or it is there, and a service manager may hand it over.
 */
static bool
is_socket(const struct conf *conf, const char *path)
{
	uint16_t number = local_find(path);
	struct stat st;

	return (number != 0 && conf_has_socket(conf, number)) ||
	    (stat(path, &st) == 0 && S_ISSOCK(st.st_mode));
}

static void
socket_fail(struct reader *r, const struct list *list)
{
	place(r, list->line, list->directive);
	reader_say(
	    r, LOG_LEVEL_ERROR, "%.400s: %s", list->path, strerror(errno));
}

/* An Allow, Deny or NoAuth. */
static void
rule_settle(struct reader *r, struct rule *rule)
{
	uint16_t number;

	if (rule->kind != RULE_LIST || !is_socket(r->conf, rule->list->path))
		return;
	number = local_hold(rule->list->path);
	if (number == 0) {
		socket_fail(r, rule->list);
		return;
	}
	list_drop(rule->list);
	rule->list = NULL;
	rule->kind = RULE_SOCKET;
	rule->socket = number;
}

/* For whom a rule for targets is. */
static void
who_settle(struct reader *r, struct who *who)
{
	for (size_t i = who->nlists; i-- > 0;)
		if (is_socket(r->conf, who->lists[i]->path) &&
		    who_socket(who, i) != 0)
			socket_fail(r, who->lists[i]);
}

/*
 * The path of a client is that of a list, unless some line listens on it, which
 * is known only now.
 */
static void
paths_settle(struct reader *r)
{
	struct conf *conf = r->conf;

	for (size_t i = 0; i < conf->acl.nrules; i++)
		rule_settle(r, &conf->acl.rules[i]);
	for (size_t i = 0; i < conf->nno_auth; i++)
		rule_settle(r, &conf->no_auth[i]);
	for (struct who *w = conf->acl.targets.whos; w != NULL; w = w->next)
		who_settle(r, w);
}

/* NoAuth is for nothing where nobody needs credentials. */
static void
exempt_check(struct reader *r)
{
	place_at(r, "NoAuth");
	if (r->conf->nno_auth > 0 && !conf_wants_users(r->conf) &&
	    !r->lacks_users)
		reader_say(r, LOG_LEVEL_WARNING,
		    "no effect, since no client needs credentials; add a "
		    "BasicAuth or an AuthFile");
}

/* A ReportTo is for learning, and must not be forgotten. */
static void
reports_check(struct reader *r)
{
	const struct targets *t = &r->conf->acl.targets;

	for (size_t i = 0; i < t->n; i++)
		if (t->rules[i].report) {
			place(r, t->rules[i].line, "ReportTo");
			reader_say(r, LOG_LEVEL_NOTICE,
			    "what this line matches is allowed and reported; "
			    "write an AllowTo for what is needed, and take "
			    "this line out");
			return;
		}
}

/* ReverseOnly refuses everything that no ReversePath is for. */
static void
reverse_check(struct reader *r)
{
	const struct reverse *reverse = &r->conf->reverse;

	place_at(r, "ReverseOnly");
	if (reverse->only && !is_given(r, "ReversePath"))
		reader_say(r, LOG_LEVEL_ERROR,
		    "there is no ReversePath, so every request would be "
		    "refused; add ReversePath \"/path/\" \"http://host/\"");
}

static void
ports_check(struct reader *r)
{
	place(r, 0, "Port");
	if (!is_given(r, "Port") && r->status == 0)
		reader_say(r, LOG_LEVEL_ERROR,
		    "missing; say where to listen, as in Port 8888");
	place(r, 0, "ConnectPort");
	if (!is_given(r, "ConnectPort") && r->status == 0)
		reader_say(r, LOG_LEVEL_WARNING,
		    "none given, so CONNECT to every port is allowed; add "
		    "ConnectPort 443");
}

/* A filter that is wrong has a status of its own if all else is right. */
static void
filter_tell(void *reader, enum log_level level, const char *text)
{
	struct reader *r = reader;
	bool alone = r->status != STATUS_CONF;

	reader_say(r, level, "%s", text);
	if (r->status != 0 && alone)
		r->status = STATUS_DATA;
}

/* The filter is read when all that is said of it is known. */
static void
filter_check(struct reader *r)
{
	struct filter *f = &r->conf->filter;

	place_at(r, "FilterCaseSensitive");
	if (f->case_sensitive && !f->urls)
		reader_say(r, LOG_LEVEL_NOTICE,
		    "no effect without FilterURLs yes, since hosts have no "
		    "upper and lower case");
	place_at(r, "Filter");
	if (f->file != NULL)
		filter_read(f, filter_tell, r);
	place_at(r, "FilterDefaultDeny");
	if (!is_given(r, "Filter") && f->default_deny)
		reader_say(r, LOG_LEVEL_ERROR,
		    "there is no Filter, so every request would be refused; "
		    "add Filter \"/...\"");
}

/* Whether a socket on one address leaves no room for one on the other. */
static bool
listen_clash(const struct addr *a, const struct addr *b)
{
	static const struct addr any4 = { .ip = { [10] = 0xff, 0xff } }, any6;
	const struct addr *any = addr_is4(a) ? &any4 : &any6;

	return addr_is4(a) == addr_is4(b) && a->port == b->port &&
	    ((addr_same_ip(a, b) && a->scope == b->scope) ||
		addr_same_ip(a, any) || addr_same_ip(b, any));
}

static void
clash_say(struct reader *r, const struct conf_listener *now,
    const struct conf_listener *before)
{
	char text[ADDR_TEXT_SIZE], other[ADDR_TEXT_SIZE];

	place(r, now->line, now->directive);
	if (inlet_is_transparent(now->inlet))
		reader_say(r, LOG_LEVEL_ERROR,
		    "port %u is taken: %s listens on %s; choose another port",
		    (unsigned)now->at.port, before->directive,
		    addr_text_port(&before->at, other));
	else
		reader_say(r, LOG_LEVEL_ERROR,
		    "%s is already covered by %s of an earlier line, "
		    "or covers it; take one of them out",
		    addr_text(&now->at, text), addr_text(&before->at, other));
}

/* The ports are known only at the end of the file. */
static void
listen_check_clashes(struct reader *r)
{
	struct conf_listener l[LISTEN_MAX];
	size_t n = conf_listeners(r->conf, l), j;
	unsigned long said = 0;

	for (size_t i = 0; i < n; i++) {
		for (j = 0; j < i && !listen_clash(&l[j].at, &l[i].at); j++)
			;
		if (j == i || l[i].line == said)
			continue;
		said = l[i].line;
		clash_say(r, &l[i], &l[j]);
	}
}

/* What clients of TransparentPort need. */
static void
transparent_check(struct reader *r)
{
	const struct conf *conf = r->conf;
	struct conf_listener l[LISTEN_MAX];
	size_t wanted = 0, ordinary = ordinary_listeners(conf, l);

	if (conf->ntransparent == 0)
		return;
	place(r, conf->transparent[conf->ntransparent - 1].line,
	    "TransparentPort");
	for (size_t i = 0; i < ordinary; i++)
		wanted += l[i].inlet == INLET_PROXY && l[i].at.local == 0;
	if (wanted == 0)
		reader_say(r, LOG_LEVEL_ERROR,
		    "there is no Listen with an address, so it is not known "
		    "where; add one");
	if (ordinary + wanted * conf->ntransparent > LISTEN_MAX)
		reader_say(r, LOG_LEVEL_ERROR,
		    "with each Listen these are more than %d sockets",
		    LISTEN_MAX);
	if (conf_wants_users(conf) && conf->nno_auth == 0)
		reader_say(r, LOG_LEVEL_WARNING,
		    "its clients cannot send a password, so all of them are "
		    "refused; add NoAuth for their addresses");
}

/* Whether PROXY headers come at an address: at a Unix socket its mode decides. */
static bool
has_proxied_address(const struct conf *conf)
{
	for (size_t i = 0; i < conf->nlisten; i++)
		if (conf->listen[i].local == 0 && (conf->proxied >> i & 1) != 0)
			return true;
	return false;
}

/* Who may send a PROXY header must be said: anybody could name any client. */
static void
senders_check(struct reader *r)
{
	unsigned long line = upstream_greet(&r->conf->upstreams);

	place_at(r, "ListenProxy");
	if (has_proxied_address(r->conf) && !is_given(r, "ProxyFrom"))
		reader_say(r, LOG_LEVEL_ERROR,
		    "there is no ProxyFrom, so every connection would be "
		    "refused; add ProxyFrom with the address of the load "
		    "balancer");
	place(r, line, "SendProxy");
	if (line != 0)
		reader_say(r, LOG_LEVEL_ERROR,
		    "no Upstream has this host and port; write them as they "
		    "are there");
}

/* Of a name with more addresses some would never be used. */
static void
pins_check(struct reader *r)
{
	struct pins *pins = &r->conf->pins;
	const struct pin *excess = pins_index(pins);
	struct reader file = { .tell = r->tell };

	if (excess == NULL)
		return;
	file.file = r->conf->hosts_files[excess->file];
	file.line = excess->line;
	reader_say(&file, LOG_LEVEL_ERROR,
	    "\"%.60s\" has more than %d addresses in all HostsFiles; take some "
	    "of them out",
	    pins_name(pins, excess), ADDRS_MAX);
	r->status = file.status;
}

/* Adit as its own parent would ask itself without end. */
static void
parents_check(struct reader *r)
{
	const struct upstreams *us = &r->conf->upstreams;

	for (size_t i = 0; i < us->n; i++) {
		place(r, us->list[i].line, "Upstream");
		if (us->list[i].addr.local != 0 &&
		    conf_has_socket(r->conf, us->list[i].addr.local))
			reader_say(r, LOG_LEVEL_ERROR,
			    "\"%s\" is a socket that a Listen of this file "
			    "makes",
			    us->list[i].host);
	}
}

static void
conf_check(struct reader *r)
{
	paths_settle(r);
	lists_read(r);
	group_index(&r->conf->groups);
	if (who_join(r->conf->acl.targets.whos, &r->conf->groups) != 0)
		reader_say(r, LOG_LEVEL_ERROR, "%s", strerror(errno));
	targets_check(r);
	exempt_check(r);
	pins_check(r);
	reports_check(r);
	reverse_check(r);
	listen_check_clashes(r);
	transparent_check(r);
	parents_check(r);
	senders_check(r);
	ports_check(r);
	filter_check(r);
	place(r, 0, NULL);
}

/* Reading one. */

/* A configuration of defaults for a reader; or NULL after a message. */
static struct conf *
conf_new(struct reader *r)
{
	r->conf = calloc(1, sizeof(*r->conf));
	if (r->conf != NULL)
		r->conf->file = strdup(r->file);
	if (r->conf != NULL && r->conf->file != NULL)
		directives_begin(r);
	else
		reader_say(r, LOG_LEVEL_ERROR, "%s", strerror(ENOMEM));
	if (r->status == 0)
		return r->conf;
	conf_free(r->conf);
	return NULL;
}

/* What requests need besides what the file says. */
static void
conf_finish(struct reader *r)
{
	struct logins *logins = &r->conf->logins;

	if (target_index(&r->conf->acl.targets) != 0 ||
	    sys_random(logins->key, sizeof(logins->key)) != 0)
		reader_say(r, LOG_LEVEL_ERROR, "%s", strerror(errno));
	else if (r->status == 0)
		doubts_file(r);
}

/* What is in the reader's file, which is closed; or NULL after messages. */
static struct conf *
conf_parse(struct reader *r, FILE *f)
{
	char *line;

	r->conf = reader_begin(r, f) == 0 ? conf_new(r) : NULL;
	if (r->conf != NULL)
		r->conf->lists = list_begin();
	while (r->conf != NULL && (line = reader_next(r)) != NULL)
		directives_take(r, line);
	if (r->conf != NULL) {
		conf_check(r);
		conf_finish(r);
	}
	reader_end(r);
	if (r->conf != NULL && r->status == 0) {
		r->conf->places = r->places;
		return r->conf;
	}
	conf_free(r->conf);
	place_free(&r->places);
	return NULL;
}

/*
 * Reads a configuration file.  Each error and notice is handed to tell, as
 * "file:line: directive: what is wrong".  Returns a configuration that the
 * caller frees with conf_free(), or NULL after one error or more; then *status
 * is what to exit with, unless status is NULL.
 */
struct conf *
conf_read(const char *file, void (*tell)(enum log_level, const char *text),
    int *status)
{
	struct reader r = { .file = file, .tell = tell };
	struct conf *conf = NULL;
	FILE *f = fopen(file, "r");

	if (f == NULL)
		reader_say(&r, LOG_LEVEL_ERROR, "%s", strerror(errno));
	else
		conf = conf_parse(&r, f);
	if (conf == NULL && status != NULL)
		*status = r.status;
	return conf;
}

/* The text of the built-in configuration, to be read like a file. */
static FILE *
builtin_open(void)
{
	static char text[] = "Port 8888\n"
			     "Listen 127.0.0.1\n"
			     "Allow 127.0.0.0/8\n"
			     "Allow ::1\n"
			     "ConnectPort 443\n"
			     "ConnectPort 563\n"
			     "User nobody\n";

	return fmemopen(text, strlen(text), "r");
}

/*
 * Opens what a configuration was read from, so that a line of it can be shown.
 * Returns NULL with errno if that is not there any more.
 */
FILE *
conf_open(const char *file)
{
	return file != NULL ? fopen(file, "r") : builtin_open();
}

/*
 * The configuration without a file: loopback alone, and the ports of TLS.
 * Returns it as conf_read() does, with file NULL; NULL with ENOMEM.
 */
struct conf *
conf_builtin(void)
{
	struct reader r = { .file = "built-in" };
	struct conf *conf;
	FILE *f = builtin_open();

	if (f == NULL)
		return NULL;
	conf = conf_parse(&r, f);
	if (conf != NULL) {
		free(conf->file);
		conf->file = NULL;
	}
	return conf;
}
