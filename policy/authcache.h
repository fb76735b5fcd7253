/* SPDX-License-Identifier: ISC */
/* Credentials that were found to be right a short while ago. */
#ifndef AUTHCACHE_H
#define AUTHCACHE_H

#include <stdint.h>

struct digest;

const char *authcache_find(const struct digest *, int64_t now);
void authcache_put(const struct digest *, const char *user, int64_t now);
void authcache_tidy(int64_t now);
int64_t authcache_tidy_at(void);

#endif
