/* SPDX-License-Identifier: ISC */
/* What the workers count. */
#ifndef STATS_H
#define STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "refusal.h"
#include "tally.h"

struct request;
struct share;
struct stat_host;
struct stats;

void stats_init(struct share *, size_t slot);
void stats_count(enum tally);
void stats_add(enum count, uint64_t n);
void stats_refused(enum refusal);
void stats_rule(enum refusal, uint32_t line);
void stats_took(enum span, int64_t ms);
void stats_tunnels(int change);
void stats_turn(uint64_t parents_down);
void stats_sum(struct stats *);
bool stats_asked(const struct stat_host *, const struct request *);

#endif
