/* SPDX-License-Identifier: ISC */
#ifndef STATS_H
#define STATS_H

#include <stdbool.h>
#include <stddef.h>

#include "share.h"

struct request;
struct stat_host;

void stats_init(struct share *, size_t slot);
void stats_count(enum tally);
void stats_count_error(const char *error);
void stats_sum(struct stats *);
bool stats_asked(const struct stat_host *, const struct request *);

#endif
