/* SPDX-License-Identifier: ISC */
/*
 * The parent proxies: how an Upstream is written, which parents a target goes
 * through and in which order they are tried, and which of them failed recently.
 * Nothing here talks to a parent (see parent.c) or looks up a name.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "array.h"
#include "bounds.h"
#include "clock.h"
#include "list.h"
#include "local.h"
#include "name.h"
#include "parse.h"
#include "rule.h"
#include "secret.h"
#include "text.h"
#include "upstream.h"

enum {
	DEAD_TIME = 20000, /* ms that a dead parent is left out */
	TRIED_MAX = 64     /* parents of one site that are tried */
};

/* When each parent may be tried again, in ms; each process has its own list. */
static int64_t *dead_until;

static const char *const kinds[] = { [UPSTREAM_NONE] = "none",
	[UPSTREAM_HTTP] = "http",
	[UPSTREAM_SOCKS4] = "socks4",
	[UPSTREAM_SOCKS5] = "socks5" };

static const char out_of_memory[] = "out of memory";

/* Takes the next word off the front of *text; returns "" if there is none. */
static char *
word_next(char **text)
{
	char *word = *text + strspn(*text, " \t");
	size_t len = strcspn(word, " \t");

	*text = word + len;
	if (**text != '\0')
		*(*text)++ = '\0';
	*text += strspn(*text, " \t");
	return word;
}

/*
 * Takes a parent off the front of *text: a word, or one that ends in a path in
 * quotes.
 */
static char *
parent_next(char **text)
{
	char *parent = *text, *quote = parent + strcspn(parent, "\" \t");
	char *end = *quote == '"' ? strchr(quote + 1, '"') : NULL;

	if (end == NULL || (quote > parent && quote[-1] != '@') ||
	    strchr(" \t", end[1]) == NULL)
		return word_next(text);
	*text = end + 1;
	if (**text != '\0')
		*(*text)++ = '\0';
	*text += strspn(*text, " \t");
	return parent;
}

/* Returns what is wrong with the kind of a parent, and what was meant. */
static const char *
kind_wrong(const char *word)
{
	static char wrong[80];
	const char *near = strcasecmp(word, "direct") == 0
	    ? "none"
	    : text_near(word, kinds, sizeof(kinds) / sizeof(*kinds));

	snprintf(wrong, sizeof(wrong),
	    "the first word must be http, socks4, socks5 or none%s%s%s",
	    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
	    near != NULL ? "\"?" : "");
	return wrong;
}

static bool
kind_parse(const char *word, enum upstream_kind *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcasecmp(word, kinds[i]) == 0) {
			*kind = (enum upstream_kind)i;
			return true;
		}
	return false;
}

/* The @ after user:password, or NULL; a path in quotes may have others. */
static char *
credentials_end(char *text)
{
	char *quote = strstr(text, "@\"");

	if (text[0] == '"')
		return NULL;
	return quote != NULL && text[strlen(text) - 1] == '"'
	    ? quote
	    : strrchr(text, '@');
}

/*
 * Takes user:password off, if it stands before an @.  Returns NULL, or what is
 * wrong.
 */
static const char *
credentials_parse(struct upstream *u, char **text)
{
	char *colon = strchr(*text, ':'), *at = credentials_end(*text);

	if (at == NULL)
		return NULL;
	if (colon == NULL || colon > at || colon == *text)
		return "credentials must be user:password@ before the host";
	*at = *colon = '\0';
	if (colon - *text >= CREDENTIAL_SIZE ||
	    at - colon - 1 >= CREDENTIAL_SIZE)
		return "user and password may have at most 255 bytes each";
	u->user = strdup(*text);
	u->password = strdup(colon + 1);
	*text = at + 1;
	return u->user == NULL || u->password == NULL ? out_of_memory : NULL;
}

/* Reads the path of a Unix socket, in quotes. */
static const char *
path_parse(struct upstream *u, char *text)
{
	size_t len = strlen(text);
	uint16_t number;

	if (len < 3 || text[len - 1] != '"' || text[1] != '/')
		return "in double quotes there must be the absolute path of the "
		       "parent's Unix socket; host:port stands without quotes";
	if (len - 2 >= LOCAL_SIZE)
		return "the path of a Unix socket has at most 103 bytes";
	text[len - 1] = '\0';
	number = local_hold(text + 1);
	addr_from_local(&u->addr, number, ADDR_NO_UID);
	u->literal = true;
	u->host = strdup(text + 1);
	return u->host == NULL || number == 0 ? out_of_memory : NULL;
}

/*
 * Reads the host and port of the parent.  Files written for tinyproxy use port
 * 0 for a parent that does not exist: no connection to it can succeed.
 */
static const char *
where_parse(struct upstream *u, char *text)
{
	struct request where = { .literal = false };
	size_t len = strlen(text);
	bool nowhere = len > 2 && strcmp(text + len - 2, ":0") == 0;

	if (text[0] == '"')
		return path_parse(u, text);
	if (nowhere)
		text[len - 1] = '1';
	if (parse_authority(&where, text, len) != 0)
		return text[0] == '/'
		    ? "the path of a Unix socket must be in double quotes"
		    : "the parent must be [user:password@]host:port, or the "
		      "path of a Unix socket in double quotes";
	u->literal = where.literal;
	u->addr = where.addr;
	u->port = nowhere ? 0 : where.port;
	u->host = strdup(where.host);
	return u->host == NULL ? out_of_memory : NULL;
}

/* Reads "a.b.c.d/e.f.g.h" as a.b.c.d/bits. */
static bool
dotted_mask(struct rule *site, char *text)
{
	char *slash = strchr(text, '/');
	struct addr mask;
	unsigned bits = 0;

	if (slash == NULL || addr_parse(&mask, slash + 1) != 0 ||
	    !addr_is4(&mask))
		return false;
	while (bits < 32 && (mask.ip[12 + bits / 8] >> (7 - bits % 8) & 1) != 0)
		bits++;
	for (unsigned i = bits; i < 32; i++)
		if ((mask.ip[12 + i / 8] >> (7 - i % 8) & 1) != 0)
			return false;
	*slash = '\0';
	site->bits = 96 + bits;
	return addr_parse(&site->net, text) == 0 && addr_is4(&site->net);
}

/* Reads the site: a name, .suffix, "." (names without a dot), or addresses. */
static const char *
site_parse(struct rule *site, char *text)
{
	site->kind = RULE_NET;
	if (addr_parse_net(&site->net, &site->bits, text) == 0 ||
	    dotted_mask(site, text))
		return NULL;
	site->kind = text[0] == '.' ? RULE_SUFFIX : RULE_NAME;
	if (strcmp(text, ".") != 0 && !name_fold(text))
		return "the site must be a name, a .suffix, \".\", an address or a "
		       "block";
	site->name = strdup(text);
	return site->name == NULL ? out_of_memory : NULL;
}

/* Reads the path of a list of sites, and perhaps "below". */
static const char *
list_parse(struct rule *site, char *text, unsigned long line)
{
	const char *path = list_path(&text);

	if (path != NULL)
		text += strspn(text, " \t");
	site->below = path != NULL && strcasecmp(text, "below") == 0;
	if (path == NULL || (*text != '\0' && !site->below))
		return "only the word below may follow the path of a list";
	site->list = list_use(path, line);
	if (site->list == NULL)
		return out_of_memory;
	site->list->exact = site->list->exact || !site->below;
	site->kind = RULE_LIST;
	return NULL;
}

static const char *
quoted_site(struct rule *site, char *text, unsigned long line)
{
	size_t len = strlen(text);

	if (strncmp(text, "\"/", 2) == 0)
		return list_parse(site, text, line);

	if (len < 3 || text[0] != '"' ||
	    strchr(text + 1, '"') != text + len - 1)
		return "the site must be in double quotes: \"...\"";
	text[len - 1] = '\0';
	return site_parse(site, text + 1);
}

/* Wipes the credentials for a parent proxy, if there are any. */
static void
credentials_wipe(struct upstream *u)
{
	if (u->user != NULL)
		secret_wipe(u->user, strlen(u->user));
	if (u->password != NULL)
		secret_wipe(u->password, strlen(u->password));
}

static void
upstream_clear(struct upstream *u)
{
	credentials_wipe(u);
	local_drop(u->addr.local);
	free(u->host);
	free(u->user);
	free(u->password);
	free(u->site.name);
	if (u->site.kind == RULE_LIST)
		list_drop(u->site.list);
}

static const char *
upstream_parse(struct upstream *u, char *text)
{
	const char *kind = word_next(&text), *wrong;
	char *where;

	if (!kind_parse(kind, &u->kind))
		return kind_wrong(kind);
	u->site.kind = RULE_ANY;
	if (u->kind == UPSTREAM_NONE)
		return quoted_site(&u->site, text, u->line);
	where = parent_next(&text);
	wrong = credentials_parse(u, &where);
	if (wrong == NULL)
		wrong = where_parse(u, where);
	if (wrong == NULL && *text != '\0')
		wrong = quoted_site(&u->site, text, u->line);
	return wrong;
}

/*
 * Adds an Upstream; changes the text.  Returns NULL, or what is wrong, in words
 * that never contain the credentials.
 */
const char *
upstream_add(struct upstreams *us, unsigned long line, char *text)
{
	struct upstream u = { .line = line }, *grown;
	const char *wrong = upstream_parse(&u, text);

	grown = array_room(us->list, us->n, sizeof(*grown));
	if (grown != NULL)
		us->list = grown;
	else if (wrong == NULL)
		wrong = out_of_memory;
	if (wrong == NULL)
		us->list[us->n++] = u;
	else
		upstream_clear(&u);
	return wrong;
}

/* Reads a SendProxy: "v1" or "v2", and the host and port of a parent. */
static const char *
greeting_parse(struct upstream *u, char *text)
{
	const char *version = word_next(&text);
	char *where = parent_next(&text);

	if (strcasecmp(version, "v1") != 0 && strcasecmp(version, "v2") != 0)
		return "the first word must be v1 or v2, the version of the "
		       "PROXY header";
	u->preface = version[1] == '1' ? 1 : 2;
	if (*where == '\0' || *text != '\0' ||
	    (where[0] != '"' && strchr(where, '@') != NULL))
		return "the value must be v1 or v2 and the host:port of an "
		       "Upstream, or its path in double quotes";
	return where_parse(u, where);
}

/*
 * Adds a SendProxy; changes the text.  Returns NULL, or what is wrong.  It has
 * no effect before upstream_greet().
 */
const char *
upstream_greeting_add(struct upstreams *us, unsigned long line, char *text)
{
	struct upstream u = { .line = line }, *grown;
	const char *wrong = greeting_parse(&u, text);

	grown = array_room(us->greetings, us->ngreetings, sizeof(*grown));
	if (grown != NULL)
		us->greetings = grown;
	else if (wrong == NULL)
		wrong = out_of_memory;
	if (wrong == NULL)
		us->greetings[us->ngreetings++] = u;
	else
		upstream_clear(&u);
	return wrong;
}

/* Gives a SendProxy to all parents with its host and port, if there are any. */
static bool
greeting_give(struct upstreams *us, const struct upstream *greeting)
{
	bool given = false;

	for (size_t i = 0; i < us->n; i++) {
		struct upstream *u = &us->list[i];

		if (u->host == NULL || strcmp(u->host, greeting->host) != 0 ||
		    u->port != greeting->port)
			continue;
		u->preface = greeting->preface;
		given = true;
	}
	return given;
}

/*
 * Gives each SendProxy to its parents, when all of them are known.  Returns 0,
 * or the line of one that is for none.
 */
unsigned long
upstream_greet(struct upstreams *us)
{
	for (size_t i = 0; i < us->ngreetings; i++)
		if (!greeting_give(us, &us->greetings[i]))
			return us->greetings[i].line;
	return 0;
}

static void
upstreams_clear(struct upstream *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		upstream_clear(&list[i]);
	free(list);
}

/* Wipes all credentials for parent proxies, in a process that asks none. */
void
upstream_forget(struct upstreams *us)
{
	for (size_t i = 0; i < us->n; i++)
		credentials_wipe(&us->list[i]);
}

/* Frees what a struct upstreams owns. */
void
upstream_free(struct upstreams *us)
{
	upstreams_clear(us->list, us->n);
	upstreams_clear(us->greetings, us->ngreetings);
}

static bool
site_matches(const struct rule *site, const struct request *req)
{
	size_t host = strlen(req->host), len;

	if (site->kind == RULE_LIST)
		return req->literal
		    ? list_has_addr(site->list, &req->addr)
		    : list_has_name(site->list, req->host, site->below);
	if (site->kind == RULE_NET)
		return req->literal &&
		    addr_in_net(&req->addr, site->net.ip, site->bits);
	if (site->kind == RULE_ANY || req->literal)
		return false;
	if (strcmp(site->name, ".") == 0)
		return strchr(req->host, '.') == NULL;
	len = strlen(site->name);
	if (site->kind == RULE_NAME)
		return strcmp(site->name, req->host) == 0;
	return host > len && strcmp(req->host + host - len, site->name) == 0;
}

static bool
same_site(const struct rule *a, const struct rule *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == RULE_NET)
		return a->bits == b->bits && addr_same_ip(&a->net, &b->net);
	if (a->kind == RULE_LIST)
		return a->list == b->list && a->below == b->below;
	return a->kind == RULE_ANY || strcmp(a->name, b->name) == 0;
}

/*
 * Returns the first choice for a target, the same as tinyproxy's: the last line
 * whose site matches, or else the first line without a site, or NULL.
 */
static const struct upstream *
first_choice(const struct upstreams *us, const struct request *req)
{
	for (size_t i = us->n; i-- > 0;)
		if (site_matches(&us->list[i].site, req))
			return &us->list[i];
	for (size_t i = 0; i < us->n; i++)
		if (us->list[i].site.kind == RULE_ANY)
			return &us->list[i];
	return NULL;
}

/*
 * Returns the choice after one: the next line for the same site, in the
 * direction in which the first was found.  A line with "none" ends the search,
 * because a request meant for a parent must never go out directly.
 */
static const struct upstream *
next_choice(const struct upstreams *us, const struct upstream *u)
{
	bool down = u->site.kind != RULE_ANY;
	size_t i = (size_t)(u - us->list);

	if (u->kind == UPSTREAM_NONE)
		return NULL;
	while (down ? i-- > 0 : ++i < us->n)
		if (same_site(&us->list[i].site, &u->site))
			return us->list[i].kind == UPSTREAM_NONE ? NULL
								 : &us->list[i];
	return NULL;
}

/*
 * Returns whether another parent is tried for the same targets, before or after
 * this one.
 */
bool
upstream_has_substitute(const struct upstreams *us, const struct upstream *u)
{
	bool before = false;

	for (size_t i = 0; i < us->n; i++)
		if (next_choice(us, &us->list[i]) == u)
			before = true;
	return before || next_choice(us, u) != NULL;
}

/*
 * Must be called in a worker before upstream_pick().  Returns 0, or -1 with
 * errno.
 */
int
upstream_init(const struct upstreams *us)
{
	free(dead_until);
	dead_until = NULL;
	if (us->n == 0)
		return 0;
	dead_until = calloc(us->n, sizeof(*dead_until));
	return dead_until == NULL ? -1 : 0;
}

/* Notes that a parent failed: for DEAD_TIME, others are tried before it. */
void
upstream_dead(const struct upstreams *us, const struct upstream *u)
{
	dead_until[u - us->list] = clock_now() + DEAD_TIME;
}

/* Notes that a parent works. */
void
upstream_alive(const struct upstreams *us, const struct upstream *u)
{
	dead_until[u - us->list] = 0;
}

static bool
is_dead(const struct upstreams *us, const struct upstream *u)
{
	return dead_until != NULL && clock_now() < dead_until[u - us->list];
}

/* Returns a bit for each parent, which is set while it is left out as dead. */
uint64_t
upstream_down(const struct upstreams *us)
{
	uint64_t down = 0;

	for (size_t i = 0; i < us->n && i < 64; i++)
		if (is_dead(us, &us->list[i]))
			down |= UINT64_C(1) << i;
	return down;
}

/*
 * Returns the next Upstream to try for a target and marks it in *tried, which
 * is 0 before the first call; or NULL if none is left.  Dead parents come last.
 */
const struct upstream *
upstream_pick(
    const struct upstreams *us, const struct request *req, uint64_t *tried)
{
	const struct upstream *u;
	int i;

	for (int dead = 0; dead <= 1; dead++)
		for (u = first_choice(us, req), i = 0;
		     u != NULL && i < TRIED_MAX; u = next_choice(us, u), i++) {
			if ((*tried >> i & 1) != 0 || (!dead && is_dead(us, u)))
				continue;
			*tried |= UINT64_C(1) << i;
			return u;
		}
	return NULL;
}

/* Returns how many parents are left to try for a target. */
unsigned
upstream_left(
    const struct upstreams *us, const struct request *req, uint64_t tried)
{
	unsigned n = 0;

	while (upstream_pick(us, req, &tried) != NULL)
		n++;
	return n;
}

/* Whether one of the parents is at a Unix socket. */
bool
upstream_is_local(const struct upstreams *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->list[i].addr.local != 0)
			return true;
	return false;
}

/* Returns the name of the kind of a parent, as in the file and in the log. */
const char *
upstream_kind(const struct upstream *u)
{
	return kinds[u->kind];
}

/* Writes host:port of a parent, or the path of its socket.  Returns text. */
const char *
upstream_text(const struct upstream *u, char text[UPSTREAM_TEXT_SIZE])
{
	if (u->addr.local != 0)
		snprintf(text, UPSTREAM_TEXT_SIZE, "%s", u->host);
	else
		snprintf(text, UPSTREAM_TEXT_SIZE, "%s:%u", u->host,
		    (unsigned)u->port);
	return text;
}
