/* SPDX-License-Identifier: ISC */
/*
 * Verdicts on clients, ports, targets and users: the client rules Allow and
 * Deny, the ConnectPorts, BasicAuth, and the floors, which refuse some
 * addresses even if a rule for targets allows them.  Pure like parse.c: nothing
 * here may look up a name.  Where a rule needs a look-up, the verdict says so,
 * and the caller comes back with the answer.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "acl.h"
#include "addr.h"
#include "bounds.h"
#include "list.h"
#include "name.h"
#include "rule.h"
#include "target.h"
#include "who.h"

/* Returns whether a rule without a name matches a client. */
bool
acl_rule_has(const struct rule *rule, const struct addr *client)
{
	if (rule->kind == RULE_SOCKET)
		return client->local == rule->socket;
	return rule->kind == RULE_LIST
	    ? list_has_addr(rule->list, client)
	    : addr_in_net(client, rule->net.ip, rule->bits);
}

/*
 * Judges a client at a Unix socket: by the rules for sockets, or without any by
 * nothing more, since the mode of the socket has let it connect.
 */
static enum verdict
judge_local(const struct acl *acl, const struct addr *client, size_t *rule)
{
	bool some = false;

	for (*rule = 0; *rule < acl->nrules; (*rule)++) {
		const struct rule *r = &acl->rules[*rule];

		if (acl_rule_has(r, client))
			return r->allow ? ACL_ALLOW : ACL_DENY;
		some = some || r->kind == RULE_SOCKET;
	}
	return some ? ACL_DENY : ACL_ALLOW;
}

/*
 * Judges a client by the rules from *rule on.  Returns the verdict of the first
 * rule that matches.  Returns ACL_ASK if rule *rule is for names: the caller
 * must look up the client's name, ask acl_answer(), and go on with the next
 * rule if that says so.  After ACL_DENY, *rule is the rule that denies, or the
 * number of rules if none matches.  Without rules every client is allowed; if
 * there are rules and none matches, the client is denied.
 */
enum verdict
acl_client(const struct acl *acl, const struct addr *client, size_t *rule)
{
	if (client->local != 0)
		return judge_local(acl, client, rule);
	for (; *rule < acl->nrules; (*rule)++) {
		const struct rule *r = &acl->rules[*rule];

		if (r->kind == RULE_NAME || r->kind == RULE_SUFFIX)
			return ACL_ASK;
		if (acl_rule_has(r, client))
			return r->allow ? ACL_ALLOW : ACL_DENY;
	}
	return acl->nrules == 0 ? ACL_ALLOW : ACL_DENY;
}

/*
 * Returns the verdict of a rule for names after the look-up; ACL_ASK: go on
 * with the next rule.  If the look-up failed, a Deny denies.
 */
enum verdict
acl_answer(const struct rule *rule, bool matches, bool failed)
{
	if (rule->allow)
		return matches ? ACL_ALLOW : ACL_ASK;
	return matches || failed ? ACL_DENY : ACL_ASK;
}

/* Returns whether a CONNECT to the port is allowed. */
bool
acl_port(const struct acl *acl, uint16_t port)
{
	return !acl->has_ports || (acl->ports[port / 8] >> port % 8 & 1) != 0;
}

/* clang-format off */
#define V4(a, b, c, d) { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }

/* Targets that are refused to every client. */
static const struct block never[] = {
	{ V4(0, 0, 0, 0), 96 + 8 },
	{ V4(224, 0, 0, 0), 96 + 4 },
	{ V4(255, 255, 255, 255), 128 },
	{ { 0 }, 128 },
	{ { 0xff }, 8 }
};

/* Targets for clients on this machine only, or with DistrustLoopback none. */
static const struct block local[] = {
	{ V4(127, 0, 0, 0), 96 + 8 },
	{ V4(169, 254, 0, 0), 96 + 16 },
	{ { [15] = 1 }, 128 },
	{ { 0xfe, 0x80 }, 10 }
};

/* The same, of RFC 3879. */
static const struct block site[] = {
	{ { 0xfe, 0xc0 }, 10 }
};

/* The same: where clouds give a machine its keys, without asking who it is. */
static const struct block metadata[] = {
	{ V4(169, 254, 169, 254), 128 }, /* nearly all of them */
	{ V4(169, 254, 170, 2), 128 },   /* Amazon, for containers */
	{ V4(169, 254, 170, 23), 128 },
	{ V4(169, 254, 42, 42), 128 },   /* Scaleway */
	{ V4(169, 254, 0, 23), 128 },    /* Tencent */
	{ V4(168, 63, 129, 16), 128 },   /* Azure */
	{ V4(100, 100, 100, 200), 128 }, /* Alibaba */
	{ V4(192, 0, 0, 192), 128 },     /* Oracle */
	{ { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54 }, 128 }, /* Amazon */
	{ { 0xfd, 0x00, 0x0e, 0xc2, [15] = 0x23 }, 128 },
	{ { 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, 0x54 }, 128 }, /* Google */
	{ { 0xfd, 0x00, 0x00, 0xc1, [12] = 0xa9, 0xfe, 0xa9, 0xfe },
	    128 }, /* Oracle */
	{ { 0xfd, 0x00, 0x00, 0x42, [15] = 0x42 }, 128 }, /* Scaleway */
	{ { 0xfd, 0x00, 0xa9, 0xfe, 0xa9, 0xfe, [15] = 1 },
	    128 }, /* Akamai */
	{ { 0xfe, 0x80, [12] = 0xa9, 0xfe, 0xa9, 0xfe }, 128 } /* OpenStack */
};

/* All blocks of one kind, and what the floor says of them. */
static const struct floor {
	const struct block *blocks;
	size_t n;
	const char *why;      /* to clients elsewhere */
	const char *distrust; /* with DistrustLoopback, to all */
} floors[] = {
	{ metadata, sizeof(metadata) / sizeof(*metadata),
	    "the metadata addresses of clouds are for clients on loopback",
	    "with DistrustLoopback the metadata addresses of clouds are "
	    "refused to everybody" },
	{ local, sizeof(local) / sizeof(*local),
	    "loopback and link-local addresses are for clients on loopback",
	    "with DistrustLoopback loopback and link-local addresses are "
	    "refused to everybody" },
	{ site, sizeof(site) / sizeof(*site),
	    "site-local addresses are for clients on loopback",
	    "with DistrustLoopback site-local addresses are refused to "
	    "everybody" }
};

/* Clients on this machine. */
static const struct block loopback[] = {
	{ V4(127, 0, 0, 0), 96 + 8 },
	{ { [15] = 1 }, 128 }
};

/* Where an IPv6 address of a transition mechanism contains an IPv4 address. */
static const struct embedding {
	struct block block;
	unsigned char at[4]; /* the places of its four bytes */
	unsigned char flip;  /* XORed with each byte */
} embeddings[] = {
	/* IPv4-compatible */
	{ { { 0 }, 96 }, { 12, 13, 14, 15 }, 0 },
	/* IPv4-translated, RFC 2765 */
	{ { { [8] = 0xff, 0xff }, 96 }, { 12, 13, 14, 15 }, 0 },
	/* NAT64, RFC 6052 */
	{ { { 0, 0x64, 0xff, 0x9b }, 96 }, { 12, 13, 14, 15 }, 0 },
	/* local NAT64, RFC 8215, in either of its likely lengths */
	{ { { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48 }, { 12, 13, 14, 15 }, 0 },
	{ { { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48 }, { 6, 7, 9, 10 }, 0 },
	/* 6to4 */
	{ { { 0x20, 0x02 }, 16 }, { 2, 3, 4, 5 }, 0 },
	/* Teredo: its server, and its client */
	{ { { 0x20, 0x01 }, 32 }, { 4, 5, 6, 7 }, 0 },
	{ { { 0x20, 0x01 }, 32 }, { 12, 13, 14, 15 }, 0xff }
};
/* clang-format on */

/* At most one of each kind, the one of ISATAP, and those of NAT64Prefix. */
enum {
	EMBEDDED_MAX = sizeof(embeddings) / sizeof(*embeddings) + 1 + NAT64_MAX
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define IN(a, blocks) addr_in_blocks(a, blocks, COUNT(blocks))

/*
 * Returns whether all addresses with the same first bits are loopback
 * addresses.
 */
bool
acl_is_loopback(const struct addr *a, unsigned bits)
{
	for (size_t i = 0; i < COUNT(loopback); i++)
		if (bits >= loopback[i].bits &&
		    addr_in_net(a, loopback[i].net, loopback[i].bits))
			return true;
	return false;
}

/*
 * Returns the floor that refuses an address, in words, or NULL; distrust: no
 * client is local.
 */
static const char *
floor_of(const struct addr *target, bool client_is_local, bool distrust)
{
	if (IN(target, never))
		return "unspecified, broadcast and multicast addresses are "
		       "refused to everybody";
	for (size_t i = 0; i < COUNT(floors) && !client_is_local; i++)
		if (addr_in_blocks(target, floors[i].blocks, floors[i].n))
			return distrust ? floors[i].distrust : floors[i].why;
	return NULL;
}

/*
 * Returns whether a client is on this machine.  Behind another program here,
 * such as stunnel, all clients seem to be; with DistrustLoopback none is.
 */
static bool
is_local_client(const struct acl *acl, const struct addr *client)
{
	return !acl->distrust_loopback && IN(client, loopback);
}

/*
 * Returns whether the client may have a name as target whose addresses a parent
 * looks up.  Names that mean the machine itself, by RFC 6761 6.3 or in common
 * hosts files, stand for loopback addresses, which are only for clients on
 * loopback.
 */
bool
acl_name(const struct acl *acl, const char *name, const struct addr *client)
{
	static const char *const names[] = { "localhost", "localhost4",
		"localhost6", "localdomain", "localdomain4", "localdomain6",
		"ip6-localhost", "ip6-loopback" };

	if (is_local_client(acl, client))
		return true;
	for (size_t i = 0; i < COUNT(names); i++)
		if (name_matches(names[i], name))
			return false;
	return true;
}

static bool
is_isatap(const struct addr *a)
{
	return (a->ip[8] & ~2) == 0 && a->ip[9] == 0 && a->ip[10] == 0x5e &&
	    a->ip[11] == 0xfe;
}

static void
embedded_take(struct addr *inner, const struct addr *a,
    const unsigned char at[4], unsigned char flip)
{
	unsigned char ip[4];

	for (int i = 0; i < 4; i++)
		ip[i] = a->ip[at[i]] ^ flip;
	addr_from4(inner, ip);
}

/*
 * Where an address of a NAT64 prefix has its IPv4 address, RFC 6052 2.2: right
 * after the prefix, but never in byte 8.  Returns NULL if no prefix has so many
 * bits.
 */
static const unsigned char *
nat64_at(unsigned bits)
{
	static const struct {
		unsigned bits;
		unsigned char at[4];
	} places[] = { { 32, { 4, 5, 6, 7 } }, { 40, { 5, 6, 7, 9 } },
		{ 48, { 6, 7, 9, 10 } }, { 56, { 7, 9, 10, 11 } },
		{ 64, { 9, 10, 11, 12 } }, { 96, { 12, 13, 14, 15 } } };

	for (size_t i = 0; i < COUNT(places); i++)
		if (places[i].bits == bits)
			return places[i].at;
	return NULL;
}

/*
 * Adds the block of a NAT64Prefix.  Returns NULL, or what is wrong with it.
 */
const char *
acl_nat64_add(struct acl *acl, const struct block *block)
{
	static const unsigned char mapped[16] = { [10] = 0xff, 0xff };

	if (nat64_at(block->bits) == NULL)
		return "the prefix must have 32, 40, 48, 56, 64 or 96 bits, as "
		       "in 2001:db8:64::/96";
	if (block->bits == 96 && memcmp(block->net, mapped, 12) == 0)
		return "the prefix must be of IPv6, as in 2001:db8:64::/96";
	if (block->net[8] != 0)
		return "bits 64 to 71 of the prefix must be zero (RFC 6052)";
	if (acl->nnat64 == NAT64_MAX)
		return "there may be at most 16 such lines";
	acl->nat64[acl->nnat64++] = *block;
	return NULL;
}

/* Stores the addresses that are behind the NAT64 of a NAT64Prefix. */
static size_t
embedded_nat64(
    const struct acl *acl, struct addr *inner, const struct addr *target)
{
	size_t n = 0;

	for (size_t i = 0; i < acl->nnat64; i++) {
		const struct block *b = &acl->nat64[i];

		if (addr_in_net(target, b->net, b->bits))
			embedded_take(
			    &inner[n++], target, nat64_at(b->bits), 0);
	}
	return n;
}

/*
 * Stores the IPv4 addresses that an IPv6 address contains, with its port.
 * Returns how many.
 */
static size_t
embedded_all(const struct acl *acl, struct addr inner[EMBEDDED_MAX],
    const struct addr *target)
{
	static const unsigned char last[4] = { 12, 13, 14, 15 };
	const struct embedding *e = embeddings;
	size_t n = 0;

	if (addr_is4(target) || IN(target, loopback))
		return 0;
	for (; e < embeddings + COUNT(embeddings); e++)
		if (addr_in_net(target, e->block.net, e->block.bits))
			embedded_take(&inner[n++], target, e->at, e->flip);
	if (is_isatap(target))
		embedded_take(&inner[n++], target, last, 0);
	n += embedded_nat64(acl, inner + n, target);
	for (size_t i = 0; i < n; i++)
		inner[i].port = target->port;
	return n;
}

/* Returns whether a block is within one of n blocks. */
static bool
is_within(
    const struct addr *net, unsigned bits, const struct block *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bits >= blocks[i].bits &&
		    addr_in_net(net, blocks[i].net, blocks[i].bits))
			return true;
	return false;
}

/* Returns whether a rule is only for addresses within one block of a floor. */
static bool
lifts_floor(const struct target_rule *rule)
{
	struct addr net = { .scope = 0 };
	bool lifts = false;

	if (rule == NULL || rule->kind != RULE_NET || rule->wholesale ||
	    rule->report)
		return false;
	memcpy(net.ip, rule->net, sizeof(net.ip));
	for (size_t i = 0; i < COUNT(floors) && !lifts; i++)
		lifts =
		    is_within(&net, rule->bits, floors[i].blocks, floors[i].n);
	return lifts;
}

/*
 * Returns the floor that refuses an address to the asker, in words, or NULL.
 * The rule is the one that allows the address, or NULL.
 */
const char *
acl_floor(const struct acl *acl, const struct addr *target,
    const struct asker *asker, const struct target_rule *rule)
{
	struct addr inner[EMBEDDED_MAX];
	size_t n = embedded_all(acl, inner, target);
	bool is_local = is_local_client(acl, asker->client);
	bool distrust = acl->distrust_loopback;
	const char *floor = floor_of(
	    target, is_local || asker->named || lifts_floor(rule), distrust);

	for (size_t i = 0; i < n && floor == NULL; i++)
		floor = floor_of(&inner[i], is_local, distrust);
	return floor;
}

/*
 * Returns whether the asker may have this address, with its port, for a target
 * asked for by name (or NULL).  The rules for targets decide, and after them
 * the floors.  The unspecified address, broadcast and multicast are refused to
 * everybody.  Loopback, link-local, site-local and the metadata addresses of
 * clouds are for clients on loopback, unless these are distrusted, and for
 * others only if an AllowTo for just these addresses or a ReversePath for just
 * this target lets them.  An IPv6 address that contains an IPv4 address is
 * denied if the IPv4 address is.  *rule becomes the rule that decided, or NULL.
 */
bool
acl_target(const struct acl *acl, const char *name, const struct addr *target,
    const struct asker *asker, const struct target_rule **rule)
{
	struct addr inner[EMBEDDED_MAX];
	size_t n = embedded_all(acl, inner, target);
	const struct target_rule *r;

	if (target_addr(&acl->targets, name, target, asker, rule) !=
		ACL_ALLOW ||
	    acl_floor(acl, target, asker, *rule) != NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (target_addr(&acl->targets, name, &inner[i], asker, &r) ==
			ACL_DENY &&
		    r != NULL && target_is_net(r, &inner[i])) {
			*rule = r;
			return false;
		}
	}
	return true;
}

/*
 * Returns 0 if two padded strings are equal, in a time that depends on neither.
 */
static unsigned
difference(const char a[CREDENTIAL_SIZE], const char b[CREDENTIAL_SIZE])
{
	unsigned d = 0;

	for (int i = 0; i < CREDENTIAL_SIZE; i++)
		d |= (unsigned)(a[i] ^ b[i]);
	return d;
}

/*
 * Returns the name of the user with this name and password, both padded with
 * NULs as by parse_basic(), or NULL.  The time depends only on the number of
 * users.
 */
const char *
acl_user(const struct acl *acl, const char name[CREDENTIAL_SIZE],
    const char password[CREDENTIAL_SIZE])
{
	const char *found = NULL;

	for (size_t i = 0; i < acl->nusers; i++) {
		const struct user *u = &acl->users[i];

		if ((difference(u->name, name) |
			difference(u->password, password)) == 0)
			found = u->name;
	}
	return found;
}
