/* SPDX-License-Identifier: ISC */
/*
 * The rules for targets, AllowTo and DenyTo: how one is written, an index that
 * makes a hundred thousand of them as fast as ten, and the verdict on a name
 * and an address.  Nothing here may look up a name, and nothing is allocated
 * after target_index().
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "array.h"
#include "bounds.h"
#include "cover.h"
#include "list.h"
#include "name.h"
#include "rule.h"
#include "target.h"
#include "who.h"

/* clang-format off */
#define V4(a, b, c, d, bits) \
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }, 96 + (bits) }

/*
 * What "private" stands for: the special-purpose blocks of RFC 6890 and of the
 * IANA registries that it began, multicast, and 168.63.129.16, where Azure has
 * its metadata: other clouds have theirs in these blocks.  64:ff9b::/96 is not
 * among them, because every IPv4 address can be reached through it; the IPv4
 * address inside decides.
 */
static const struct block private[] = {
	V4(0, 0, 0, 0, 8), V4(10, 0, 0, 0, 8), V4(100, 64, 0, 0, 10),
	V4(127, 0, 0, 0, 8), V4(169, 254, 0, 0, 16), V4(172, 16, 0, 0, 12),
	V4(168, 63, 129, 16, 32),
	V4(192, 0, 0, 0, 24), V4(192, 0, 2, 0, 24), V4(192, 31, 196, 0, 24),
	V4(192, 52, 193, 0, 24), V4(192, 88, 99, 0, 24),
	V4(192, 168, 0, 0, 16), V4(192, 175, 48, 0, 24),
	V4(198, 18, 0, 0, 15), V4(198, 51, 100, 0, 24),
	V4(203, 0, 113, 0, 24), V4(224, 0, 0, 0, 4), V4(240, 0, 0, 0, 4),
	{ { 0 }, 96 },                                   /* ::/96 */
	{ { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48 },           /* 64:ff9b:1::/48 */
	{ { 0x01, 0 }, 64 },                             /* 100::/64 */
	{ { 0x01, 0, 0, 0, 0, 0, 0, 1 }, 64 },           /* 100:0:0:1::/64 */
	{ { 0x20, 0x01 }, 23 },                          /* 2001::/23 */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },              /* 2001:db8::/32 */
	{ { 0x20, 0x02 }, 16 },                          /* 2002::/16 */
	{ { 0x26, 0x20, 0, 0x4f, 0x80, 0 }, 48 },        /* 2620:4f:8000::/48 */
	{ { 0x3f, 0xff }, 20 },                          /* 3fff::/20 */
	{ { 0x5f, 0 }, 16 },                             /* 5f00::/16 */
	{ { 0xfc }, 7 }, { { 0xfe, 0x80 }, 10 },
	{ { 0xfe, 0xc0 }, 10 }, { { 0xff }, 8 }
};
/* clang-format on */

#define NONE UINT32_MAX

enum {
	TARGET_SIZE = HOST_SIZE + 16, /* bytes of a target with its ports */
	COMPARED_MAX = 256 /* rules for one target that are compared */
};

/* Hashes run from the end of a key to its beginning. */
static uint32_t
hash_byte(uint32_t hash, unsigned char byte)
{
	return (hash ^ byte) * 16777619u;
}

static uint32_t
hash_name(const char *name)
{
	uint32_t hash = 2166136261u;

	for (size_t i = strlen(name); i-- > 0;)
		hash = hash_byte(hash, (unsigned char)name[i]);
	return hash;
}

static uint32_t
hash_net(const unsigned char net[16], unsigned bits)
{
	uint32_t hash = hash_byte(2166136261u, (unsigned char)bits);

	for (size_t i = 16; i-- > 0;)
		hash = hash_byte(hash, net[i]);
	return hash;
}

static uint32_t
hash_rule(const struct target_rule *r)
{
	if (r->kind == RULE_NET)
		return hash_net(r->net, r->bits);
	return hash_name(r->name);
}

static bool
same_key(const struct target_rule *a, const struct target_rule *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == RULE_NET)
		return a->bits == b->bits && memcmp(a->net, b->net, 16) == 0;
	return strcmp(a->name, b->name) == 0;
}

/* Returns the index of a key in the table, or the free index for it. */
static size_t
place_of(const struct targets *t, const struct target_rule *key, uint32_t hash)
{
	size_t at = (hash ^ hash >> 15) & t->mask;

	while (t->table[at] != NONE && !same_key(&t->rules[t->table[at]], key))
		at = (at + 1) & t->mask;
	return at;
}

static bool
same_net_kind(const struct target_rule *a, const struct target_rule *b)
{
	return a->allow == b->allow && a->port_min == b->port_min &&
	    a->port_max == b->port_max && a->who == b->who && a->tls == b->tls;
}

static bool
net_kind_known(const struct targets *t, const struct target_rule *rule)
{
	for (size_t i = 0; i < t->nnet_kinds; i++)
		if (same_net_kind(&t->rules[t->net_kinds[i]], rule))
			return true;
	return false;
}

/* Returns whether a rule is for addresses, whatever their names are. */
static bool
has_blocks(const struct target_rule *rule)
{
	return rule->kind == RULE_NET ||
	    (rule->kind == RULE_LIST && rule->list->nblocks > 0);
}

/* Finds the first rule of each kind among the rules for blocks. */
static void
net_kinds_index(struct targets *t)
{
	t->nnet_kinds = 0;
	t->other_net = NONE;
	for (size_t i = 0; i < t->n; i++) {
		if (!has_blocks(&t->rules[i]) ||
		    net_kind_known(t, &t->rules[i]))
			continue;
		if (t->nnet_kinds == NET_KINDS_MAX) {
			t->other_net = (uint32_t)i;
			break;
		}
		t->net_kinds[t->nnet_kinds++] = (uint32_t)i;
	}
}

/* Returns where the chain begins that a rule belongs to. */
static uint32_t *
chain_of(struct targets *t, const struct target_rule *rule)
{
	if (rule->kind == RULE_ANY)
		return &t->any;
	if (rule->kind == RULE_LIST)
		return &t->lists;
	return &t->table[place_of(t, rule, hash_rule(rule))];
}

/*
 * Makes the index, once all rules are added and their lists have been read.
 * Rules with the same key form a chain in the order of the file.  Returns 0, or -1 with ENOMEM.
 */
int
target_index(struct targets *t)
{
	size_t size = 16;

	while (size < 2 * t->n)
		size *= 2;
	t->table = malloc(size * sizeof(*t->table));
	if (t->table == NULL)
		return -1;
	memset(t->table, 0xff, size * sizeof(*t->table));
	t->mask = size - 1;
	t->any = t->lists = t->first_net = NONE;
	for (size_t i = t->n; i-- > 0;) {
		struct target_rule *r = &t->rules[i];
		uint32_t *head = chain_of(t, r);

		r->next = *head;
		*head = (uint32_t)i;
		if (has_blocks(r))
			t->first_net = (uint32_t)i;
		if (r->kind == RULE_NET)
			t->bits[r->bits] = true;
		t->has_allow = t->has_allow || r->allow;
		t->has_tls = t->has_tls || r->tls;
	}
	net_kinds_index(t);
	return 0;
}

/* Returns the name of the directive of a rule. */
const char *
target_directive(const struct target_rule *rule)
{
	return rule->report ? "ReportTo" : rule->allow ? "AllowTo" : "DenyTo";
}

/* Frees what a struct targets owns. */
void
target_free(struct targets *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->rules[i].name);
		if (t->rules[i].kind == RULE_LIST)
			list_drop(t->rules[i].list);
	}
	free(t->rules);
	free(t->table);
	who_free(t->whos);
}

/* Adds one rule, and its name, which it owns then.  Returns 0 or ENOMEM. */
static const char *
rule_add(struct targets *t, const struct target_rule *rule)
{
	struct target_rule *grown = NULL;

	/* The index counts rules in 32 bits. */
	if (t->n < NONE / 2)
		grown = array_room(t->rules, t->n, sizeof(*grown));
	if (grown == NULL) {
		free(rule->name);
		return strerror(ENOMEM);
	}
	t->rules = grown;
	t->rules[t->n++] = *rule;
	return NULL;
}

static const char *
add_private(struct targets *t, struct target_rule *rule)
{
	const char *error = NULL;

	rule->kind = RULE_NET;
	rule->wholesale = true;
	for (size_t i = 0;
	     error == NULL && i < sizeof(private) / sizeof(*private); i++) {
		memcpy(rule->net, private[i].net, 16);
		rule->bits = private[i].bits;
		error = rule_add(t, rule);
	}
	return error;
}

static const char *
add_net(struct targets *t, struct target_rule *rule, const char *text)
{
	struct block block;

	if (!who_block(&block, text))
		return "not an address, a block, a name, a .suffix, private or "
		       "*";
	rule->kind = RULE_NET;
	rule->bits = block.bits;
	memcpy(rule->net, block.net, 16);
	return rule_add(t, rule);
}

static const char *
add_name(struct targets *t, struct target_rule *rule, char *name)
{
	if (strpbrk(name, "/:") != NULL || !name_fold(name))
		return add_net(t, rule, name);
	rule->kind = name[0] == '.' ? RULE_SUFFIX : RULE_NAME;
	rule->name = strdup(name);
	return rule->name == NULL ? strerror(ENOMEM) : rule_add(t, rule);
}

static bool
port_parse(const char *text, size_t len, uint16_t *port)
{
	unsigned long n = 0;

	if (len == 0 || len > 5 || text[0] == '0')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (unsigned long)(text[i] - '0');
	}
	*port = (uint16_t)n;
	return n <= 65535;
}

/* "443" or "1024-65535". */
static bool
ports_parse(const char *text, struct target_rule *rule)
{
	size_t len = strcspn(text, "-");

	if (!port_parse(text, len, &rule->port_min))
		return false;
	rule->port_max = rule->port_min;
	if (text[len] == '\0')
		return true;
	text += len + 1;
	return port_parse(text, strlen(text), &rule->port_max) &&
	    rule->port_min <= rule->port_max;
}

/*
 * Cuts off the ports: what follows the only colon, or a bracket and a colon.
 * Returns where the host begins, or NULL if the ports or brackets are
 * malformed.
 */
static char *
ports_cut(char *text, struct target_rule *rule)
{
	char *ports = NULL, *end;

	rule->port_min = 0;
	rule->port_max = 65535;
	if (text[0] == '[') {
		end = strchr(text, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return NULL;
		ports = end[1] == ':' ? end + 2 : NULL;
		*end = '\0';
		text++;
	} else if ((end = strchr(text, ':')) != NULL &&
	    strchr(end + 1, ':') == NULL) {
		ports = end + 1;
		*end = '\0';
	}
	return ports != NULL && !ports_parse(ports, rule) ? NULL : text;
}

/* Adds a rule for what is in a file.  The text begins with its path, quoted. */
static const char *
add_list(struct targets *t, struct target_rule *rule, char *text)
{
	const char *path = list_path(&text), *error;

	rule->port_min = 0;
	rule->port_max = 65535;
	if (path == NULL)
		return "the path of a list must be absolute, in double quotes";
	if (*text != '\0' && (*text != ':' || !ports_parse(text + 1, rule)))
		return "only ports may follow the path of a list, as in "
		       "\"/path\":443";
	rule->kind = RULE_LIST;
	rule->list = list_use(path, rule->line);
	if (rule->list == NULL)
		return strerror(ENOMEM);
	rule->list->exact = rule->list->exact || !rule->below;
	error = rule_add(t, rule);
	if (error != NULL)
		list_drop(rule->list);
	return error;
}

/* Adds the rule or rules for one target.  Returns NULL, or what is wrong. */
static const char *
add_target(struct targets *t, struct target_rule *rule, char *text)
{
	text = ports_cut(text, rule);
	if (text == NULL)
		return "ports must be one number, as in example.com:443, or "
		       "two, as in example.com:1024-65535, each from 1 to "
		       "65535; an IPv6 address with ports needs brackets, as "
		       "in [2001:db8::1]:443";
	if (strcmp(text, "*") == 0) {
		rule->kind = RULE_ANY;
		return rule_add(t, rule);
	}
	if (strcasecmp(text, "private") == 0)
		return add_private(t, rule);
	return add_name(t, rule, text);
}

/*
 * Takes the words "tls" and "noech" out of those after a target, and leaves
 * blanks in their place.  The first word after "user" is a name.  Returns NULL;
 * or what is wrong, with *at set to the word that is.
 */
static const char *
duties_take(struct target_rule *rule, char *text, const char **at)
{
	bool name = false;

	for (char *word = text; *(word += strspn(word, " \t")) != '\0';) {
		size_t len = strcspn(word, " \t");
		bool tls = len == 3 && strncasecmp(word, "tls", len) == 0;
		bool noech = len == 5 && strncasecmp(word, "noech", len) == 0;

		*at = word;
		if (!name && (tls || noech)) {
			if (!rule->allow)
				return "only an AllowTo can ask for TLS";
			rule->tls = rule->tls || tls;
			rule->noech = rule->noech || noech;
			memset(word, ' ', len);
		}
		name = len == 4 && strncasecmp(word, "user", len) == 0 && !name;
		word += len;
	}
	if (rule->noech && !rule->tls)
		return *at = "noech", "it is for a rule with tls";
	return NULL;
}

/*
 * Returns the length of the first word of a text, which may be a quoted path
 * with what follows it.
 */
static size_t
target_length(const char *text)
{
	const char *end = text[0] == '"' ? strchr(text + 1, '"') : NULL;
	size_t quoted = end != NULL ? (size_t)(end - text) : 0;

	return quoted + strcspn(text + quoted, " \t");
}

/* Takes "below", which may follow the path of a list.  Returns what follows. */
static char *
below_take(struct target_rule *rule, const char *target, char *text)
{
	size_t len = strcspn(text, " \t");

	if (target[0] != '"' || len != 5 || strncasecmp(text, "below", 5) != 0)
		return text;
	rule->below = true;
	return text + len + strspn(text + len, " \t");
}

/*
 * Adds the rule of an AllowTo or DenyTo: a target, what a tunnel to it must be,
 * and for whom the rule is.
 * Changes the text.  Returns NULL; or what is wrong, with *at set to the word
 * of the text that is wrong.
 */
const char *
target_add(struct targets *t, bool allow, unsigned long line, char *text,
    const char **at)
{
	struct target_rule rule = { .allow = allow, .line = line };
	size_t len = target_length(text);
	char *who = text + len + strspn(text + len, " \t");
	char target[TARGET_SIZE];
	const char *wrong;

	text[len] = '\0';
	who = below_take(&rule, text, who);
	wrong = duties_take(&rule, who, at);
	if (wrong != NULL)
		return wrong;
	who += strspn(who, " \t");
	who = below_take(&rule, text, who);
	if (*who != '\0') {
		wrong = who_add(&t->whos, line, who, at);
		if (wrong != NULL)
			return wrong;
		rule.who = t->whos;
	}
	*at = text;
	if (text[0] == '"')
		return add_list(t, &rule, text);
	if (len >= sizeof(target))
		return "no name or address is as long as this";
	memcpy(target, text, len + 1);
	return add_target(t, &rule, target);
}

/* What decides, besides the target, whether a rule matches. */
struct query {
	uint16_t port;
	const struct asker *asker;
};

/*
 * Returns whether a rule is for the port and for the asker.  One that asks for
 * TLS is for tunnels.
 */
static bool
rule_holds(const struct target_rule *rule, const struct query *q)
{
	return rule->port_min <= q->port && q->port <= rule->port_max &&
	    !(rule->tls && q->asker->plain) &&
	    (rule->who == NULL || who_holds(rule->who, q->asker));
}

/*
 * Returns the first rule of a chain that holds, if it comes before best; or
 * best.
 */
static uint32_t
chain_first(
    const struct targets *t, uint32_t at, const struct query *q, uint32_t best)
{
	for (; at < best; at = t->rules[at].next)
		if (rule_holds(&t->rules[at], q))
			return at;
	return best;
}

static uint32_t
find(const struct targets *t, const struct target_rule *key, uint32_t hash,
    const struct query *q, uint32_t best)
{
	return chain_first(t, t->table[place_of(t, key, hash)], q, best);
}

/*
 * Returns the first rule before best that holds and whose list has the name or,
 * if that is NULL, the address; or best.
 */
static uint32_t
list_first(const struct targets *t, const char *name, const struct addr *a,
    const struct query *q, uint32_t best)
{
	for (uint32_t at = t->lists; at < best; at = t->rules[at].next) {
		const struct target_rule *rule = &t->rules[at];

		if (rule_holds(rule, q) &&
		    (name != NULL ? list_has_name(rule->list, name, rule->below)
				  : list_has_addr(rule->list, a)))
			return at;
	}
	return best;
}

/* Returns the first rule that matches the name, or any target. */
static uint32_t
name_first(const struct targets *t, const char *name, const struct query *q)
{
	uint32_t hash = 2166136261u, best = chain_first(t, t->any, q, NONE);
	char copy[HOST_SIZE];
	size_t len = name == NULL ? 0 : strlen(name);
	struct target_rule key = { .kind = RULE_SUFFIX };

	if (len == 0 || len >= sizeof(copy))
		return best;
	best = list_first(t, name, NULL, q, best);
	memcpy(copy, name, len + 1);
	for (size_t i = len; i-- > 0;) {
		hash = hash_byte(hash, (unsigned char)copy[i]);
		key.name = copy + i;
		if (copy[i] == '.')
			best = find(t, &key, hash, q, best);
	}
	key.kind = RULE_NAME;
	return find(t, &key, hash, q, best);
}

/* Returns the first rule before best that matches an address, or best. */
static uint32_t
addr_first(const struct targets *t, const struct addr *a, const struct query *q,
    uint32_t best)
{
	struct target_rule key = { .kind = RULE_NET };

	if (t->first_net >= best)
		return best;
	best = list_first(t, NULL, a, q, best);
	memcpy(key.net, a->ip, 16);
	for (key.bits = 129; key.bits-- > 0;) {
		if (!t->bits[key.bits])
			continue;
		addr_mask(key.net, key.bits);
		best = find(t, &key, hash_net(key.net, key.bits), q, best);
	}
	return best;
}

static enum verdict
verdict_of(
    const struct targets *t, uint32_t at, const struct target_rule **rule)
{
	*rule = at == NONE ? NULL : &t->rules[at];
	if (at == NONE)
		return t->has_allow ? ACL_DENY : ACL_ALLOW;
	return t->rules[at].allow ? ACL_ALLOW : ACL_DENY;
}

/*
 * Returns whether some address could match a rule that comes before the first
 * rule for the name and says the opposite.  It may return true for too many
 * rules, but never false for too many.
 */
static bool
address_matters(const struct targets *t, const struct query *q,
    enum verdict verdict, uint32_t first)
{
	for (size_t i = 0; i < t->nnet_kinds && t->net_kinds[i] < first; i++) {
		const struct target_rule *r = &t->rules[t->net_kinds[i]];

		if (r->allow != (verdict == ACL_ALLOW) && rule_holds(r, q))
			return true;
	}
	return t->other_net < first;
}

/*
 * Returns the verdict on a target before its addresses are known; the name is
 * folded, or NULL.  Returns ACL_ASK if it depends on the addresses.  *rule
 * becomes the rule that decides, or NULL.
 */
enum verdict
target_name(const struct targets *t, const char *name, uint16_t port,
    const struct asker *asker, const struct target_rule **rule)
{
	struct query q = { .port = port, .asker = asker };
	uint32_t first = name_first(t, name, &q);
	enum verdict verdict = verdict_of(t, first, rule);

	if (!address_matters(t, &q, verdict, first))
		return verdict;
	*rule = NULL;
	return ACL_ASK;
}

/*
 * Returns the verdict on a target whose addresses this proxy will never know,
 * because a parent looks them up: that of the first rule in the file that
 * matches the name.
 */
enum verdict
target_unresolved(const struct targets *t, const char *name, uint16_t port,
    const struct asker *asker, const struct target_rule **rule)
{
	struct query q = { .port = port, .asker = asker };

	return verdict_of(t, name_first(t, name, &q), rule);
}

/*
 * Returns the verdict on one address of a target, with its port: that of the
 * first rule in the file that matches the name or the address.
 */
enum verdict
target_addr(const struct targets *t, const char *name, const struct addr *a,
    const struct asker *asker, const struct target_rule **rule)
{
	struct query q = { .port = a->port, .asker = asker };
	uint32_t first = name_first(t, name, &q);

	return verdict_of(t, addr_first(t, a, &q, first), rule);
}

/* Returns whether a rule matches an address whatever its name is. */
bool
target_is_net(const struct target_rule *rule, const struct addr *a)
{
	if (rule->kind == RULE_NET)
		return addr_in_net(a, rule->net, rule->bits);
	return rule->kind == RULE_LIST && list_has_addr(rule->list, a);
}

/*
 * Returns the first of some rules of a chain that comes before a rule and
 * covers it: the whole of it, or a part of it and the opposite verdict.
 */
static uint32_t
chain_covers(const struct targets *t, uint32_t at, size_t rule, bool partly)
{
	const struct target_rule *r = &t->rules[rule];

	for (int i = 0; at < rule && i < COMPARED_MAX; i++) {
		const struct target_rule *before = &t->rules[at];

		if (before->line != r->line &&
		    (partly ? before->allow && cover_partly(before, r)
			    : cover_target(before, r)))
			return at;
		at = before->next;
	}
	return NONE;
}

/* The first rule for a key that covers a rule, if it comes before best. */
static uint32_t
key_covers(const struct targets *t, const struct target_rule *key, size_t rule,
    bool partly, uint32_t best)
{
	uint32_t at = chain_covers(
	    t, t->table[place_of(t, key, hash_rule(key))], rule, partly);

	return at < best ? at : best;
}

static uint32_t
names_cover(const struct targets *t, size_t rule, bool partly, uint32_t best)
{
	struct target_rule key = t->rules[rule];

	best = key_covers(t, &key, rule, partly, best);
	key.kind = RULE_SUFFIX;
	while ((key.name = strchr(key.name + 1, '.')) != NULL)
		best = key_covers(t, &key, rule, partly, best);
	return best;
}

static uint32_t
nets_cover(const struct targets *t, size_t rule, bool partly, uint32_t best)
{
	struct target_rule key = t->rules[rule];

	for (key.bits++; key.bits-- > 0;) {
		addr_mask(key.net, key.bits);
		if (t->bits[key.bits])
			best = key_covers(t, &key, rule, partly, best);
	}
	return best;
}

/* The first rule for the same list that covers a rule, if it is before best. */
static uint32_t
list_covers(const struct targets *t, size_t rule, bool partly, uint32_t best)
{
	uint32_t at = chain_covers(t, t->lists, rule, partly);

	return at < best ? at : best;
}

/*
 * Returns a rule of an earlier line that surely matches all that rule i
 * matches; with partly, an AllowTo that is for more targets and matches a part
 * of it.  Returns NULL if none is found among the first rules for each target.
 */
const struct target_rule *
target_covers(const struct targets *t, size_t i, bool partly)
{
	uint32_t best = chain_covers(t, t->any, i, partly);

	if (t->rules[i].kind == RULE_LIST)
		best = list_covers(t, i, partly, best);
	else if (t->rules[i].kind == RULE_NET)
		best = nets_cover(t, i, partly, best);
	else if (t->rules[i].kind != RULE_ANY)
		best = names_cover(t, i, partly, best);
	return best == NONE ? NULL : &t->rules[best];
}
