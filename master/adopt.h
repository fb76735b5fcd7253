/* SPDX-License-Identifier: ISC */
/* Generations that are handed over, and taken over. */
#ifndef ADOPT_H
#define ADOPT_H

#include <stdbool.h>
#include <stdint.h>

struct gen;
struct handover;
struct share;

void adopt_names(const struct handover *);
void adopt_names_drop(const struct handover *);
int adopt_describe(struct handover *, int64_t now);
struct gen *adopt_all(
    const struct handover *, struct share *, bool same_share, int64_t now);

#endif
