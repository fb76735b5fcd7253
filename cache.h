/* SPDX-License-Identifier: ISC */
#ifndef CACHE_H
#define CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr;

const struct addr *cache_find(const char *name, size_t *naddrs);
void cache_put(const char *name, const struct addr *, size_t naddrs);
void cache_forget(const char *name);
bool cache_find_client(
    const char *rule, const struct addr *client, bool *matches);
void cache_put_client(
    const char *rule, const struct addr *client, bool matches);
void cache_tidy(void);
int64_t cache_tidy_at(void);

#endif
