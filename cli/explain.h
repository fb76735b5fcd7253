/* SPDX-License-Identifier: ISC */
/* What adit -t says about one request. */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include <stdbool.h>

struct addr;
struct conf;

bool explain(const struct conf *, const struct addr *client,
    const struct addr *sender, const char *user, const char *target);

#endif
