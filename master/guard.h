/* SPDX-License-Identifier: ISC */
/* The master's watch over the baton: that a worker listens which can. */
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct gen;

void guard_begin(const struct gen *);
void guard_worker_ready(const struct gen *);
void guard_worker_doubt(const struct gen *, uint32_t worker);
void guard_worker_gone(const struct gen *, uint32_t worker);
bool guard_look(struct gen *, int64_t now);
int64_t guard_look_next(const struct gen *);

#endif
