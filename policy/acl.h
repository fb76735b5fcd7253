/* SPDX-License-Identifier: ISC */
#ifndef ACL_H
#define ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "rule.h"

struct addr;
struct asker;
struct conf;
struct target_rule;

/* One BasicAuth; both are padded with NULs for acl_user(). */
struct user {
	char name[CREDENTIAL_SIZE];
	char password[CREDENTIAL_SIZE];
};

enum verdict acl_client(
    const struct conf *, const struct addr *client, size_t *rule);
enum verdict acl_answer(const struct rule *, bool matches, bool failed);
bool acl_port(const struct conf *, uint16_t port);
bool acl_name(const char *name, const struct addr *client);
bool acl_is_loopback(const struct addr *, unsigned bits);
bool acl_target(const struct conf *, const char *name,
    const struct addr *target, const struct asker *,
    const struct target_rule **rule);
const char *acl_floor(const struct addr *target, const struct asker *,
    const struct target_rule *rule);
const char *acl_user(const struct conf *, const char name[CREDENTIAL_SIZE],
    const char password[CREDENTIAL_SIZE]);

#endif
