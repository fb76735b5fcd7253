/* SPDX-License-Identifier: ISC */
/* The rules for clients, targets, ports and users. */
#ifndef ACL_H
#define ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "rule.h"
#include "target.h"

struct addr;
struct asker;

enum { NAT64_MAX = 16 /* lines of NAT64Prefix */ };

/* One BasicAuth; both strings are padded with NULs for acl_user(). */
struct user {
	char name[CREDENTIAL_SIZE];
	char *password; /* owned: CREDENTIAL_SIZE bytes, padded with NULs */
	unsigned long line;
};

/* All these rules.  It owns what it points to. */
struct acl {
	struct rule *rules; /* Allow and Deny, in the order of the file */
	size_t nrules;
	struct targets targets;
	struct user *users; /* BasicAuth */
	size_t nusers;
	bool has_ports;         /* there is a ConnectPort */
	bool distrust_loopback; /* clients on loopback are like all others */
	unsigned char ports[65536 / 8];
	struct block nat64[NAT64_MAX]; /* NAT64Prefix */
	size_t nnat64;
};

bool acl_rule_has(const struct rule *, const struct addr *);
enum verdict acl_client(
    const struct acl *, const struct addr *client, size_t *rule);
enum verdict acl_answer(const struct rule *, bool matches, bool failed);
const char *acl_nat64_add(struct acl *, const struct block *);
bool acl_port(const struct acl *, uint16_t port);
bool acl_name(const struct acl *, const char *name, const struct addr *client);
bool acl_is_loopback(const struct addr *, unsigned bits);
bool acl_target(const struct acl *, const char *name, const struct addr *target,
    const struct asker *, const struct target_rule **rule);
const char *acl_floor(const struct acl *, const struct addr *target,
    const struct asker *, const struct target_rule *rule);
const char *acl_user(const struct acl *, const char name[CREDENTIAL_SIZE],
    const char password[CREDENTIAL_SIZE]);

#endif
