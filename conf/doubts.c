/* SPDX-License-Identifier: ISC */
/*
 * What a configuration says and probably does not mean: lines without effect,
 * or with another one than they seem to have.  All this gives warnings, never
 * errors, and changes nothing.  And what was perhaps meant by a word that is an
 * error.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "acl.h"
#include "addr.h"
#include "conf.h"
#include "cover.h"
#include "doubts.h"
#include "list.h"
#include "log.h"
#include "login.h"
#include "reader.h"
#include "rule.h"
#include "target.h"
#include "text.h"
#include "upstream.h"

enum {
	TOLD_MAX = 10,       /* warnings of one kind */
	COMPARED_MAX = 1024, /* rules for clients that each is compared with */
	GROUP_MIN = 2        /* digits of a group that looks like a port */
};

#define WARN(r, ...) reader_say(r, LOG_LEVEL_WARNING, __VA_ARGS__)

/* Words. */

static bool
is_one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(word, words[i]) == 0)
			return true;
	return false;
}

#define ONE_OF(word, list) is_one_of(word, list, sizeof(list) / sizeof(*(list)))

static const char *const words_all[] = { "all", "any", "everybody", "everyone",
	"anybody", "anyone", "everything", "world", "anywhere" };
static const char *const words_none[] = { "none", "nobody", "no-one", "noone",
	"nothing", "nowhere" };

/* Warns of a host name that is probably a word of another configuration. */
void
doubts_word(struct reader *r, const char *name, const char *everything)
{
	static const char *const words[] = { "private" };

	if (ONE_OF(name, words_all))
		WARN(r,
		    "\"%.20s\" is taken as the name of a host; for all of them "
		    "%s",
		    name, everything);
	else if (ONE_OF(name, words_none))
		WARN(r,
		    "\"%.20s\" is taken as the name of a host; if no host is "
		    "meant, take this line out",
		    name);
	else if (strcasecmp(name, "private") == 0)
		WARN(r,
		    "\"%.20s\" is taken as the name of a host; only AllowTo "
		    "and DenyTo know private: write blocks such as 10.0.0.0/8",
		    name);
	else if (strchr(name, '.') == NULL && text_near(name, words, 1) != NULL)
		WARN(r,
		    "\"%.20s\" is taken as the name of a host; did you mean "
		    "\"private\"?",
		    name);
}

/*
 * Returns what should be written in place of something that is no host, to be
 * appended to a message; or "".
 */
const char *
doubts_host(const char *word)
{
	const char *slash = strchr(word, '/');

	if (word[0] == '"' || word[0] == '\'')
		return "; write it without quotes";
	if (strncasecmp(word, "from ", 5) == 0)
		return "; write it without \"from\"";
	if (strpbrk(word, " \t,") != NULL)
		return "; write one line for each of them";
	if (strncmp(word, "*.", 2) == 0)
		return "; for all names below a name write .name, without the "
		       "*";
	if (strcmp(word, "*") == 0)
		return "; for all clients write 0.0.0.0/0 and ::/0";
	if (strstr(word, "://") != NULL)
		return "; write the host only, not a URL";
	if (word[0] == '[')
		return "; write the IPv6 address without brackets";
	if (slash != NULL && strchr(slash, '.') != NULL)
		return "; write the mask as a number of bits, as in "
		       "10.0.0.0/8";
	if (strchr(word, ':') != NULL && strchr(word, '.') != NULL)
		return "; write it without a port";
	return "";
}

/* The same for a word of an AllowTo or DenyTo. */
const char *
doubts_target(const char *word)
{
	static const char *const keywords[] = { "user", "client" };
	const char *colon = strrchr(word, ':'), *near;

	if (word[0] == '"' || word[0] == '\'')
		return "; write it without quotes";
	if (strncmp(word, "*.", 2) == 0)
		return "; for all names below a name write .name, without the "
		       "*";
	if (strstr(word, "://") != NULL)
		return "; write host:port, not a URL";
	if (strchr(word, ',') != NULL)
		return "; write one line for each of them";
	if (colon != NULL && strcmp(colon, ":*") == 0)
		return "; for all ports leave :* out";
	if (colon != NULL && colon[1] != '\0' &&
	    strspn(colon + 1, "abcdefghijklmnopqrstuvwxyz") ==
		strlen(colon + 1))
		return "; write a port as a number, such as 443 for https";
	near = text_near(word, keywords, 2);
	if (near == NULL || strcasecmp(word, near) == 0)
		return "";
	return near[0] == 'u' ? "; did you mean \"user\"?"
			      : "; did you mean \"client\"?";
}

static bool
has_quote(const char *word)
{
	size_t len = strlen(word);

	return len > 0 &&
	    (strchr("\"'", word[0]) != NULL ||
		strchr("\"'", word[len - 1]) != NULL);
}

/* Warns of quotes that have become a part of credentials. */
void
doubts_quotes(struct reader *r, const char *user, const char *password)
{
	bool both = has_quote(user) && has_quote(password);

	if (has_quote(user) || has_quote(password))
		WARN(r,
		    "the quotes are a part of the %s; if that is not meant, "
		    "take them out",
		    both                  ? "user and of the password"
			: has_quote(user) ? "user"
					  : "password");
}

/* Addresses. */

/* Warns of one block, "address/bits", with bits set beyond its prefix. */
static void
block_doubt(struct reader *r, const char *text, size_t len)
{
	char copy[ADDR_TEXT_SIZE], net[ADDR_TEXT_SIZE];
	struct block block;

	if (len >= sizeof(copy))
		return;
	memcpy(copy, text, len);
	copy[len] = '\0';
	errno = 0;
	if (addr_parse_block(&block, copy) == 0 || errno != EDOM)
		return;
	addr_text_block(block.net, block.bits, net);
	WARN(r,
	    "%s has bits set beyond the prefix and is taken as %s; write that, "
	    "or only the address",
	    copy, net);
}

/* Warns of all such blocks among the words of a line. */
void
doubts_blocks(struct reader *r, const char *arg)
{
	static const char address[] = "0123456789abcdefABCDEF:.";
	const char *slash = arg, *from, *end;

	while ((slash = strchr(slash, '/')) != NULL) {
		for (from = slash; from > arg; from--)
			if (strchr(address, from[-1]) == NULL)
				break;
		end = slash + 1 + strspn(slash + 1, "0123456789");
		block_doubt(r, from, (size_t)(end - from));
		slash = end;
	}
}

/*
 * Warns of an IPv6 address whose last group may have been meant as a port:
 * what comes before it is an address, too.
 */
void
doubts_port(struct reader *r, const char *arg)
{
	size_t len = strcspn(arg, " \t");
	char copy[ADDR_TEXT_SIZE], *port;
	struct addr addr;

	if (len >= sizeof(copy))
		return;
	memcpy(copy, arg, len);
	copy[len] = '\0';
	port = strrchr(copy, ':');
	if (port == NULL || addr_parse(&addr, copy) != 0 || addr_is4(&addr))
		return;
	*port++ = '\0';
	if (strlen(port) < GROUP_MIN || port[0] == '0' ||
	    port[strspn(port, "0123456789")] != '\0' ||
	    addr_parse(&addr, copy) != 0)
		return;
	WARN(r,
	    "%s:%s is taken as an IPv6 address with all its ports; write "
	    "[%s]:%s if %s is the port, or [%s:%s] if not",
	    copy, port, copy, port, port, copy, port);
}

/* The file as a whole. */

static void
place(struct reader *r, unsigned long line, const char *directive)
{
	r->line = line;
	r->keyword = directive;
}

/* Says how many warnings of a kind were left out. */
static void
rest_say(struct reader *r, unsigned long n)
{
	place(r, 0, NULL);
	if (n > TOLD_MAX)
		WARN(r, "%lu more lines are of no effect in the same way",
		    n - TOLD_MAX);
}

/* Warns that the line at hand has no effect because of an earlier one. */
static void
hidden_say(struct reader *r, bool opposite, const char *directive,
    unsigned long line, const char *what)
{
	if (opposite)
		WARN(r,
		    "no effect, since %s in %s comes first and matches "
		    "all these %s; put this line before it",
		    directive, reader_line(r, line), what);
	else
		WARN(r, "no effect, since %s matches all these %s already",
		    reader_line(r, line), what);
}

/* Returns the first rule that covers rule i, or NULL. */
static const struct rule *
client_hider(const struct acl *acl, size_t i)
{
	for (size_t j = 0; j < i && j < COMPARED_MAX; j++)
		if (cover_client(&acl->rules[j], &acl->rules[i]))
			return &acl->rules[j];
	return NULL;
}

/* "::/0" and "0.0.0.0/0" together are a usual way to write "all". */
static bool
is_usual(const struct rule *rule, const struct rule *hider)
{
	return rule->allow == hider->allow && rule->kind == RULE_NET &&
	    rule->bits == 96 && addr_is4(&rule->net) && hider->bits == 0;
}

static void
clients_doubt(struct reader *r)
{
	const struct acl *acl = &r->conf->acl;
	unsigned long n = 0;

	for (size_t i = 1; i < acl->nrules; i++) {
		const struct rule *rule = &acl->rules[i];
		const struct rule *hider = client_hider(acl, i);

		if (hider == NULL || is_usual(rule, hider) || n++ >= TOLD_MAX)
			continue;
		place(r, rule->line, rule->allow ? "Allow" : "Deny");
		hidden_say(r, rule->allow != hider->allow,
		    hider->allow ? "Allow" : "Deny", hider->line, "clients");
	}
	rest_say(r, n);
}

/* Returns how many rules, from rule i on, one line has made. */
static size_t
line_rules(const struct targets *t, size_t i)
{
	size_t n = 1;

	while (i + n < t->n && t->rules[i + n].line == t->rules[i].line)
		n++;
	return n;
}

/*
 * Returns a rule that comes before those of a line and covers them all, wholly
 * or partly; or NULL.
 */
static const struct target_rule *
line_hider(const struct targets *t, size_t i, size_t n, bool partly)
{
	const struct target_rule *first = NULL, *hider;

	for (size_t at = i; at < i + n; at++) {
		hider = target_covers(t, at, false);
		if (hider == NULL && partly)
			hider = target_covers(t, at, true);
		if (hider == NULL)
			return NULL;
		if (first == NULL || hider < first)
			first = hider;
	}
	return first;
}

/* Returns the number of the first rule after the last AllowTo with effect. */
static size_t
after_allows(const struct targets *t)
{
	size_t i = t->n;

	while (i > 0 &&
	    (!t->rules[i - 1].allow || target_covers(t, i - 1, false) != NULL))
		i--;
	return i;
}

/*
 * Warns of a line for targets that an earlier one hides, unless enough has been
 * told; returns whether there is one.  A line after the last AllowTo refuses
 * only what is refused anyway, so it has no effect even if it is hidden in part.
 */
static bool
target_doubt(struct reader *r, size_t i, size_t n, bool last, bool told)
{
	const struct targets *t = &r->conf->acl.targets;
	const struct target_rule *rule = &t->rules[i], *hider, *part;

	hider = line_hider(t, i, n, false);
	part = hider == NULL && last ? line_hider(t, i, n, true) : NULL;
	if ((hider == NULL && part == NULL) || !told)
		return hider != NULL || part != NULL;
	place(r, rule->line, target_directive(rule));
	if (hider != NULL)
		hidden_say(r,
		    rule->allow != hider->allow ||
			rule->report != hider->report,
		    target_directive(hider), hider->line, "targets");
	else
		WARN(r,
		    "no effect, since AllowTo in %s comes first where "
		    "both match, and without this line the rest is refused "
		    "too; put this line before it",
		    reader_line(r, part->line));
	return true;
}

static void
targets_doubt(struct reader *r)
{
	const struct targets *t = &r->conf->acl.targets;
	size_t last = t->has_allow ? after_allows(t) : t->n;
	unsigned long told = 0;

	for (size_t i = 0, n; i < t->n; i += n) {
		n = line_rules(t, i);
		if (target_doubt(r, i, n, i >= last, told < TOLD_MAX))
			told++;
	}
	rest_say(r, told);
}

/* Returns the first parent that looks up names, or NULL. */
static const struct upstream *
parent_of_names(const struct upstreams *us)
{
	for (size_t i = 0; i < us->n; i++)
		if (us->list[i].kind != UPSTREAM_NONE &&
		    us->list[i].site.kind != RULE_NET)
			return &us->list[i];
	return NULL;
}

/* Returns whether a rule is for names. */
static bool
has_names(const struct target_rule *rule)
{
	return rule->kind != RULE_NET &&
	    (rule->kind != RULE_LIST || rule->list->n > 0);
}

/* Returns whether a rule is for addresses alone. */
static bool
is_for_addresses(const struct target_rule *rule)
{
	return rule->kind == RULE_NET ||
	    (rule->kind == RULE_LIST && rule->list->nblocks > 0 &&
		rule->list->n == 0);
}

/* Returns whether the rules may allow a name whose addresses are unknown. */
static bool
allows_names(const struct targets *t)
{
	bool any = !t->has_allow;

	for (size_t i = 0; i < t->n; i++)
		if (t->rules[i].allow && has_names(&t->rules[i]))
			any = true;
	return any;
}

/* Warns of a DenyTo with addresses that nobody compares names with. */
static void
parents_doubt(struct reader *r)
{
	const struct targets *t = &r->conf->acl.targets;
	const struct upstream *u = parent_of_names(&r->conf->upstreams);
	size_t i = 0;

	while (
	    i < t->n && (t->rules[i].allow || !is_for_addresses(&t->rules[i])))
		i++;
	if (u == NULL || i == t->n || !allows_names(t))
		return;
	place(r, t->rules[i].line, "DenyTo");
	WARN(r,
	    "no effect on names that go to the parent of %s: the parent "
	    "looks them up, so adit does not know their addresses; let the "
	    "parent refuse these addresses",
	    reader_line(r, u->line));
}

/* Returns the first BasicAuth with the name of user i, or NULL. */
static const struct user *
user_before(const struct acl *acl, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(acl->users[j].name, acl->users[i].name) == 0)
			return &acl->users[j];
	return NULL;
}

/* Warns of a user that is there twice: each of the passwords is right. */
static void
user_doubt(struct reader *r, size_t i)
{
	const struct user *user = &r->conf->acl.users[i];
	const struct user *before = user_before(&r->conf->acl, i);
	const struct login *login = login_find(&r->conf->logins, user->name);

	place(r, user->line, "BasicAuth");
	if (before != NULL)
		WARN(r,
		    "user \"%.60s\" is in %s already; the passwords of "
		    "both lines are accepted",
		    user->name, reader_line(r, before->line));
	else if (login != NULL)
		WARN(r,
		    "user \"%.60s\" is in line %lu of %.200s too; the "
		    "passwords of both lines are accepted",
		    user->name, login->line, login->file);
}

/*
 * Warns of what only the whole file shows; the index of the rules for targets
 * must have been made.
 */
void
doubts_file(struct reader *r)
{
	clients_doubt(r);
	targets_doubt(r);
	parents_doubt(r);
	for (size_t i = 0; i < r->conf->acl.nusers; i++)
		user_doubt(r, i);
	place(r, 0, NULL);
}
