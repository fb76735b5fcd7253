/* SPDX-License-Identifier: ISC */
/*
 * Near misses, for adit -t: the AllowTo that nearly matches a refused target,
 * and what was perhaps meant by an argument that is wrong.  Everything here is
 * printed as a hint; it judges nothing.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "acl.h"
#include "addr.h"
#include "bounds.h"
#include "list.h"
#include "name.h"
#include "near.h"
#include "parse.h"
#include "quote.h"
#include "rule.h"
#include "target.h"
#include "text.h"
#include "who.h"

enum {
	HINTS_MAX = 3, /* lines that are shown for one request */
	PORTS_SHOWN = 8
};

/* How a rule and a request differ. */
enum difference {
	DIFFERS_NOT = 0,
	DIFFERS_PORT = 1,
	DIFFERS_USER = 2,
	DIFFERS_CLIENT = 4,
	DIFFERS_BELOW = 8,     /* the host is below the name of the rule */
	DIFFERS_ITSELF = 16,   /* the rule is for names below the host */
	DIFFERS_SPELLING = 32, /* the names differ in a letter or two */
	DIFFERS_TUNNEL = 64,   /* the rule is for tunnels alone */
	DIFFERS_LIST = 128,    /* the list lacks "below" */
	DIFFERS_MUCH = 256
};

/* What of the words on the command line is wrong. */

/*
 * Returns what should be written in place of the client of a request: client,
 * user and target, as they were given.
 */
const char *
near_client(char *const request[3])
{
	const char *client = request[0];
	struct addr addr;

	if (addr_parse(&addr, request[1]) == 0 ||
	    addr_parse(&addr, request[2]) == 0)
		return "; the order is client, user, target";
	if (strchr(client, '/') != NULL && strstr(client, "://") == NULL)
		return "; write one address, not a block";
	if (client[0] == '[')
		return "; write the address without brackets and port";
	if (client[strspn(client, "0123456789.")] == ':' &&
	    strchr(client, '.') != NULL)
		return "; write the address without the port";
	if (strcmp(client, "-") == 0)
		return "; the client cannot be left out";
	return "; write the address that the request comes from, such as "
	       "192.0.2.7";
}

/* A target with a scheme that is not sent to a proxy as a URL. */
static void
scheme_hint(const char *target)
{
	const char *name = strstr(target, "://") + 3, *end;
	size_t len = strcspn(name, "/?#");
	bool has_port;

	for (size_t i = len; i-- > 0;)
		if (name[i] == '@') {
			name += i + 1;
			len -= i + 1;
			break;
		}
	end = memchr(name, ']', len);
	if (end == NULL)
		end = name;
	has_port = memchr(end, ':', len - (size_t)(end - name)) != NULL;
	if (strncasecmp(target, "https://", 8) == 0 ||
	    strncasecmp(target, "wss://", 6) == 0)
		printf("hint: for such a URL a client sends CONNECT: write "
		       "%.*s%s\n",
		    (int)len, name, has_port ? "" : ":443");
	else if (strncasecmp(target, "http://", 7) != 0)
		puts("hint: only http:// URLs are sent as they are; for "
		     "others write host:port");
}

/*
 * Prints what a target that is malformed may have meant; plain: it was read as
 * a URL.  It must have no control characters.
 */
void
near_form(const char *target, bool plain)
{
	size_t host = strcspn(target, ":/?@");

	if (strcmp(target, "-") == 0)
		puts("hint: the order is client, user, target");
	else if (plain && strstr(target, "://") != NULL)
		scheme_hint(target);
	else if (plain)
		puts("hint: a path needs a ReversePath; a URL begins with "
		     "http://");
	else if (strpbrk(target, "/?") != NULL)
		printf("hint: a URL begins with http://: write http://%s\n",
		    target);
	else if (target[host] == '\0' && host > 0)
		printf("hint: write %s:443 as for https, or http://%s/\n",
		    target, target);
	else
		puts("hint: write host:port, as in www.example.com:443 or "
		     "[2001:db8::1]:443, or an http:// URL");
}

/* Prints what an unknown user may have meant; near is a user, or NULL. */
void
near_user(const char *user, const char *near)
{
	if (strchr(user, ':') != NULL)
		puts("hint: write the user only, without the password");
	else if (near != NULL)
		printf("hint: there is a user \"%s\"\n", near);
}

/* Prints which ports would be allowed for a CONNECT. */
void
near_port(const struct acl *acl, const struct request *req)
{
	unsigned shown = 0;

	if (req->port == 80)
		printf("hint: this explains a CONNECT; for a plain request "
		       "write http://%s/\n",
		    req->host);
	for (unsigned port = 1; port <= 65535; port++) {
		if (!acl_port(acl, (uint16_t)port))
			continue;
		if (shown++ == PORTS_SHOWN)
			break;
		printf("%s%u", shown == 1 ? "hint: ConnectPort allows " : ", ",
		    port);
	}
	if (shown > 0)
		puts(shown > PORTS_SHOWN ? ", ..." : "");
}

/* Rules for targets. */

static unsigned
name_differs(const struct target_rule *rule, const char *host)
{
	if (rule->kind == RULE_SUFFIX) {
		if (name_matches(rule->name, host))
			return DIFFERS_NOT;
		return strcmp(rule->name + 1, host) == 0 ? DIFFERS_ITSELF
							 : DIFFERS_MUCH;
	}
	if (strcmp(rule->name, host) == 0)
		return DIFFERS_NOT;
	if (name_matches(rule->name, host))
		return DIFFERS_BELOW;
	return text_distance(rule->name, host) < text_limit(host)
	    ? DIFFERS_SPELLING
	    : DIFFERS_MUCH;
}

static unsigned
list_differs(const struct target_rule *rule, const char *host)
{
	if (list_has_name(rule->list, host, rule->below))
		return DIFFERS_NOT;
	return list_has_name(rule->list, host, true) ? DIFFERS_LIST
						     : DIFFERS_MUCH;
}

static unsigned
place_differs(const struct target_rule *rule, const struct request *req,
    const struct addr *addr)
{
	if (rule->kind == RULE_ANY)
		return DIFFERS_NOT;
	if (addr != NULL && target_is_net(rule, addr))
		return DIFFERS_NOT;
	if (rule->kind == RULE_LIST && !req->literal)
		return list_differs(rule, req->host);
	if (rule->kind == RULE_NET || rule->kind == RULE_LIST)
		return DIFFERS_MUCH;
	return req->literal ? DIFFERS_MUCH : name_differs(rule, req->host);
}

static unsigned
who_differs(const struct who *who, const struct asker *asker)
{
	struct who users, clients;

	if (who == NULL)
		return DIFFERS_NOT;
	users = clients = *who;
	users.nclients = users.nsockets = users.nlists = 0;
	clients.nusers = 0;
	return (who_holds(&users, asker) ? 0u : DIFFERS_USER) |
	    (who_holds(&clients, asker) ? 0u : DIFFERS_CLIENT);
}

static unsigned
rule_differs(const struct target_rule *rule, const struct request *req,
    const struct asker *asker, const struct addr *addr)
{
	unsigned port =
	    rule->port_min <= req->port && req->port <= rule->port_max
	    ? 0u
	    : DIFFERS_PORT;

	return place_differs(rule, req, addr) | port |
	    who_differs(rule->who, asker) |
	    (rule->tls && req->plain ? DIFFERS_TUNNEL : 0u);
}

/* Returns what a rule is for, in words, or NULL if it is not close. */
static const char *
difference_text(unsigned differs)
{
	switch (differs) {
	case DIFFERS_PORT:
		return "is for other ports";
	case DIFFERS_USER:
		return "is for other users";
	case DIFFERS_CLIENT:
		return "is for other clients";
	case DIFFERS_PORT | DIFFERS_USER:
		return "is for other ports and other users";
	case DIFFERS_PORT | DIFFERS_CLIENT:
		return "is for other ports and other clients";
	case DIFFERS_USER | DIFFERS_CLIENT:
		return "is for other users and other clients";
	case DIFFERS_BELOW:
		return "is for one name, not for names below it";
	case DIFFERS_ITSELF:
		return "is for names below this one, not for the name itself";
	case DIFFERS_SPELLING:
		return "is for a name that is spelt differently";
	case DIFFERS_TUNNEL:
		return "is for tunnels, since it asks for TLS";
	case DIFFERS_LIST:
		return "is for a list that matches only with below";
	case DIFFERS_NOT:
		return "would allow this, but it comes too late";
	default:
		return NULL;
	}
}

static void
line_hint(const struct places *places, unsigned long line, const char *what)
{
	char text[QUOTE_SIZE];

	quote_line(places, line, text);
	printf("hint: %s %s: %s\n", quote_name(places, line), what, text);
}

/*
 * Prints the lines of a configuration that nearly allow a refused target, with
 * one of its  * addresses, or NULL: none is known.  By is the rule that refuses it, or NULL:
 * none matches.
 */
void
near_target(const struct acl *acl, const struct places *places,
    const struct request *req, const struct asker *asker,
    const struct addr *addr, const struct target_rule *by)
{
	const struct targets *t = &acl->targets;
	unsigned long last = 0;
	unsigned n = 0;

	for (size_t i = 0; i < t->n && n < HINTS_MAX; i++) {
		const struct target_rule *rule = &t->rules[i];
		unsigned differs = rule_differs(rule, req, asker, addr);
		const char *what = difference_text(differs);

		if (!rule->allow || rule->line == last || what == NULL ||
		    (by != NULL && (differs != DIFFERS_NOT || rule < by)))
			continue;
		line_hint(places, rule->line, what);
		last = rule->line;
		n++;
	}
}
