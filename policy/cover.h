/* SPDX-License-Identifier: ISC */
/* Whether one rule matches everything that another one matches. */
#ifndef COVER_H
#define COVER_H

#include <stdbool.h>

struct rule;
struct target_rule;

bool cover_client(const struct rule *, const struct rule *other);
bool cover_target(const struct target_rule *, const struct target_rule *other);
bool cover_partly(const struct target_rule *, const struct target_rule *other);

#endif
