/* SPDX-License-Identifier: ISC */
#ifndef KNOWN_H
#define KNOWN_H

#include <stdint.h>

struct digest;

const char *known_find(const struct digest *, int64_t now);
void known_put(const struct digest *, const char *user, int64_t now);
void known_tidy(int64_t now);
int64_t known_tidy_at(void);

#endif
