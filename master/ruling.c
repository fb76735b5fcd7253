/* SPDX-License-Identifier: ISC */
/*
 * Judges an open tunnel by the rules of a newer generation, with the functions
 * that decide on a request.  It looks up no name: where a rule for clients
 * needs one, that rule and those after it are left out.  What a worker has
 * written of the tunnel may be forged, and is parsed as a client's request is.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "acl.h"
#include "bounds.h"
#include "conf.h"
#include "decision.h"
#include "directives.h"
#include "gen.h"
#include "log.h"
#include "login.h"
#include "parse.h"
#include "place.h"
#include "refusal.h"
#include "reverse.h"
#include "rule.h"
#include "ruling.h"
#include "session.h"
#include "target.h"

enum { CUT = 4 /* bytes that log_escape() may leave free when it cuts */ };

/* The tunnel's request, as a worker would have parsed it. */
struct plea {
	struct request request;
	struct decision decision;
	char target[SESSION_TARGET_SIZE];
	char user[CREDENTIAL_SIZE];
	char *head; /* of a plain request */
	bool cut;   /* the target may go on */
};

/* Returns the value of a digit of log_escape(), or -1. */
static int
digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

/* Undoes log_escape(); to has as much room as from. */
static void
unescape(char *to, const char *from)
{
	while (*from != '\0') {
		if (from[0] == '\\' && from[1] == 'x' && digit(from[2]) >= 0 &&
		    digit(from[3]) >= 0) {
			*to++ = (char)(digit(from[2]) << 4 | digit(from[3]));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

/* Whether a name looks so when a worker shows it, escaped and perhaps cut. */
static bool
is_shown(const char *name, const char *shown)
{
	char text[CREDENTIAL_SIZE];

	log_escape(text, sizeof(text), name, strlen(name));
	return strcmp(text, shown) == 0;
}

/* The user whose name was cut, or NULL: there is none any more. */
static const char *
user_cut(const struct gen *gen, const char *shown)
{
	const struct acl *acl = &gen->conf->acl;
	const struct logins *logins = &gen->conf->logins;

	for (size_t i = 0; i < acl->nusers; i++)
		if (is_shown(acl->users[i].name, shown))
			return acl->users[i].name;
	for (size_t i = 0; i < logins->n; i++)
		if (is_shown(logins->list[i].name, shown))
			return logins->list[i].name;
	return NULL;
}

/* CHECK_CLIENT. */
static enum refusal
client_rule(struct ruling *r, const struct gen *gen, const struct session *s)
{
	const struct acl *acl = &gen->conf->acl;
	size_t at = 0;

	if (acl_client(acl, &s->client, &at) != ACL_DENY)
		return REFUSE_NOTHING;
	r->line = at < acl->nrules ? acl->rules[at].line : 0;
	return REFUSE_CLIENT;
}

/* CHECK_USER: whether the user is there; the password is not known. */
static enum refusal
user_rule(struct plea *p, const struct gen *gen, const struct session *s)
{
	bool login = gen->conf->peer_user && s->client.local != 0;

	if (!login && !conf_wants_users(gen->conf))
		return REFUSE_NOTHING;
	if (s->user[0] == '\0' && conf_exempts(gen->conf, &s->client) != NULL)
		return REFUSE_NOTHING;
	unescape(p->user, s->user);
	if (login && s->user[0] != '\0') {
		p->decision.asker.user = p->user;
		return REFUSE_NOTHING;
	}
	if (strlen(s->user) >= sizeof(s->user) - 1 - CUT)
		p->decision.asker.user = user_cut(gen, s->user);
	else if (s->user[0] != '\0' && conf_may_have_user(gen->conf, p->user))
		p->decision.asker.user = p->user;
	return p->decision.asker.user != NULL ? REFUSE_NOTHING
					      : REFUSE_CREDENTIALS;
}

/* Parses a URL or a path as the target of a GET, and maps a path. */
static enum refusal
plain_parse(struct plea *p, const struct gen *gen)
{
	static char head[SESSION_TARGET_SIZE + 32];
	struct request *req = &p->request;
	size_t len = (size_t)snprintf(head, sizeof(head),
	    "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", p->target);

	p->head = head;
	req->takes_paths = reverse_takes_paths(&gen->conf->reverse);
	if (parse_head(req, head, len) != PARSE_OK)
		return REFUSE_MALFORMED;
	len = parse_cut(req, head, len);
	reverse_map(&gen->conf->reverse, req, &p->head, &len);
	p->decision.head = p->head;
	return REFUSE_NOTHING;
}

/* CHECK_HEAD: a target that no client can have asked for is refused. */
static enum refusal
target_parse(struct plea *p, const struct gen *gen, const struct session *s)
{
	unescape(p->target, s->target);
	p->cut = strlen(s->target) >= sizeof(s->target) - 1 - CUT;
	if (p->target[0] == '/' || strstr(p->target, "://") != NULL)
		return plain_parse(p, gen);
	return parse_authority(&p->request, p->target, strlen(p->target)) == 0
	    ? REFUSE_NOTHING
	    : REFUSE_MALFORMED;
}

/* The checks of a request for which nothing is looked up. */
static enum refusal
request_rules(struct plea *p)
{
	static const enum check checks[] = { CHECK_MAPPING, CHECK_PORT,
		CHECK_FILTER, CHECK_NAME };
	enum refusal refusal;

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		/* The filter must see the whole of a URL. */
		if (checks[i] == CHECK_FILTER && p->cut && p->request.plain)
			continue;
		refusal = decision_make(&p->decision, checks[i]);
		if (refusal != REFUSE_NOTHING)
			return refusal;
	}
	return REFUSE_NOTHING;
}

/* CHECK_PARENT or CHECK_ADDRESS, by the way that the tunnel has taken. */
static enum refusal
way_rule(struct plea *p, const struct session *s)
{
	const struct request *req = &p->request;
	struct decision *d = &p->decision;

	d->asker.named =
	    req->mapping != NULL && req->mapping->named && !s->parent;
	if (!s->parent)
		return decision_address(d, &s->dialled);
	return req->literal ? decision_address(d, &req->addr)
			    : decision_parent(d);
}

/* The line that has made a decision, or 0. */
static unsigned long
line_of(const struct decision *d, enum refusal refusal)
{
	switch (refusal) {
	case REFUSE_PORT:
		return directives_line(d->conf, "ConnectPort");
	case REFUSE_FILTERED:
		return d->line;
	case REFUSE_TARGET:
	case REFUSE_ADDRESS:
		return d->rule != NULL && !d->rule->allow ? d->rule->line : 0;
	default:
		return 0;
	}
}

/* All checks of the request, after that of the client. */
static enum refusal
plea_rules(struct plea *p, const struct gen *gen, const struct session *s)
{
	enum refusal refusal = user_rule(p, gen, s);

	if (refusal == REFUSE_NOTHING)
		refusal = target_parse(p, gen, s);
	if (refusal == REFUSE_NOTHING)
		refusal = request_rules(p);
	return refusal == REFUSE_NOTHING ? way_rule(p, s) : refusal;
}

/* Says where the line of a ruling stands, which was a number until now. */
static void
place_set(struct ruling *r, const struct gen *gen)
{
	struct where at = place_of(&gen->conf->places, r->line);

	if (r->refusal == REFUSE_FILTERED)
		at = (struct where){ gen->conf->filter.file, r->line };
	r->file = at.file;
	r->line = at.line;
}

/* Judges a tunnel by the rules of a generation. */
void
ruling_make(struct ruling *r, const struct gen *gen, const struct session *s)
{
	static struct plea p;

	memset(&p, 0, sizeof(p));
	p.decision = (struct decision){ .conf = gen->conf,
		.request = &p.request,
		.target = p.target,
		.asker = { .client = &s->client } };
	r->line = 0;
	r->refusal = client_rule(r, gen, s);
	if (r->refusal == REFUSE_NOTHING) {
		r->refusal = plea_rules(&p, gen, s);
		r->line = line_of(&p.decision, r->refusal);
	}
	place_set(r, gen);
}
