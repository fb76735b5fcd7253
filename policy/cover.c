/* SPDX-License-Identifier: ISC */
/*
 * Whether one rule matches everything that another one matches, so that the
 * other one has no effect after it.  The answer is yes only if that is sure for
 * all names and addresses, whatever name servers say.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "cover.h"
#include "name.h"
#include "rule.h"
#include "target.h"
#include "who.h"

/* Returns whether all names below one suffix are below another one. */
static bool
suffix_in(const char *other, const char *suffix)
{
	return strcasecmp(other, suffix) == 0 || name_matches(suffix, other);
}

/*
 * Returns whether a rule for clients matches all clients of another one.  A
 * rule with a name is also for the addresses of the name itself, so only the
 * same name covers it, or the block of all addresses.
 */
bool
cover_client(const struct rule *rule, const struct rule *other)
{
	if (rule->kind == RULE_SOCKET || other->kind == RULE_SOCKET)
		return rule->kind == other->kind &&
		    rule->socket == other->socket;
	if (rule->kind == RULE_NET && rule->bits == 0)
		return true;
	if (rule->kind == RULE_LIST)
		return other->kind == RULE_LIST && other->list == rule->list;
	if (rule->kind == RULE_NET)
		return other->kind == RULE_NET && rule->bits <= other->bits &&
		    addr_in_net(&other->net, rule->net.ip, rule->bits);
	if (other->kind == RULE_NAME)
		return rule->kind == RULE_NAME &&
		    strcasecmp(rule->name, other->name) == 0;
	if (other->kind != RULE_SUFFIX)
		return false;
	if (rule->kind == RULE_SUFFIX)
		return suffix_in(other->name, rule->name);
	return name_matches(rule->name, other->name + 1);
}

static bool
net_in(const struct target_rule *other, const struct target_rule *rule)
{
	struct addr net = { .scope = 0 };

	memcpy(net.ip, other->net, sizeof(net.ip));
	return rule->bits <= other->bits &&
	    addr_in_net(&net, rule->net, rule->bits);
}

/* Returns whether a rule is for all targets of another one. */
static bool
place_in(const struct target_rule *other, const struct target_rule *rule)
{
	if (rule->kind == RULE_ANY)
		return true;
	if (rule->kind == RULE_LIST)
		return other->kind == RULE_LIST && other->list == rule->list &&
		    (rule->below || !other->below);
	if (rule->kind == RULE_NET)
		return other->kind == RULE_NET && net_in(other, rule);
	if (rule->kind == RULE_NAME)
		return other->kind == RULE_NAME &&
		    strcmp(other->name, rule->name) == 0;
	if (other->kind == RULE_SUFFIX)
		return suffix_in(other->name, rule->name);
	return other->kind == RULE_NAME &&
	    name_matches(rule->name, other->name);
}

/* Returns whether a rule for targets matches all requests of another one. */
bool
cover_target(const struct target_rule *rule, const struct target_rule *other)
{
	return place_in(other, rule) && (!rule->tls || other->tls) &&
	    rule->port_min <= other->port_min &&
	    rule->port_max >= other->port_max &&
	    (rule->who == NULL ||
		(other->who != NULL && who_covers(rule->who, other->who)));
}

/*
 * Returns whether a rule is for all targets of another one and for more, and
 * matches some of the requests that the other one is for.
 */
bool
cover_partly(const struct target_rule *rule, const struct target_rule *other)
{
	return place_in(other, rule) && !place_in(rule, other) &&
	    rule->port_min <= other->port_max &&
	    rule->port_max >= other->port_min &&
	    (rule->who == NULL || other->who == NULL ||
		who_meets(rule->who, other->who));
}
