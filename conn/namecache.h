/* SPDX-License-Identifier: ISC */
/* The names and clients that a worker remembers for a short time. */
#ifndef NAMECACHE_H
#define NAMECACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr;

const struct addr *namecache_find(const char *name, size_t *naddrs);
void namecache_put(const char *name, const struct addr *, size_t naddrs);
void namecache_forget(const char *name);
bool namecache_find_client(
    const char *rule, const struct addr *client, bool *matches);
void namecache_put_client(
    const char *rule, const struct addr *client, bool matches);
void namecache_tidy(void);
int64_t namecache_tidy_at(void);

#endif
