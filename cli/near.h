/* SPDX-License-Identifier: ISC */
/* Near misses: what a refused request, or a wrong argument, was close to. */
#ifndef NEAR_H
#define NEAR_H

#include <stdbool.h>

struct acl;
struct addr;
struct asker;
struct places;
struct request;
struct target_rule;

const char *near_client(char *const request[3]);
void near_form(const char *target, bool plain);
void near_user(const char *user, const char *near);
void near_port(const struct acl *, const struct request *);
void near_target(const struct acl *, const struct places *,
    const struct request *, const struct asker *, const struct addr *,
    const struct target_rule *);

#endif
