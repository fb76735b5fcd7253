/* SPDX-License-Identifier: ISC */
/* The baton: which worker of a generation listens, and how to wake it. */
#ifndef BATON_H
#define BATON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "share.h"

enum { NOBODY = 0xffff /* no worker has this number */ };

/*
 * The workers of a generation, in the order in which they are used.  It owns
 * the bells; -1: not open here.
 */
struct baton {
	struct share *share;
	size_t busy;   /* workers that a small load is spread over */
	size_t places; /* connections that each worker may have */
	size_t nworkers;
	size_t slots[WORKERS_MAX]; /* of the workers, in the share */
	int bells[WORKERS_MAX][2]; /* heard at 0, rung at 1 */
};

void baton_init(struct baton *, struct share *);
void baton_plan(struct baton *, size_t busy, size_t places);
int baton_add(struct baton *, size_t slot);
void baton_adopt(struct baton *, size_t slot, bool same_share);
void baton_close(struct baton *);
void baton_keep(struct baton *, uint32_t me);
uint32_t baton_holder(const struct baton *);
void baton_give(const struct baton *, uint32_t worker);
void baton_pass(const struct baton *, uint32_t me, uint32_t to);
void baton_ring(const struct baton *, uint32_t worker);
bool baton_hear(const struct baton *, uint32_t me);
void baton_yield(const struct baton *, uint32_t worker);
void baton_spare(const struct baton *, uint32_t worker, enum spare, size_t n);
void baton_rapid(const struct baton *, uint32_t worker);
uint32_t baton_sparest(const struct baton *, uint32_t me);
enum slot_state baton_state(
    const struct baton *, uint32_t worker, enum slot_state);
enum slot_state baton_state_of(const struct baton *, uint32_t worker);
unsigned baton_load(const struct baton *, uint32_t worker);
unsigned baton_staying(const struct baton *, uint32_t worker);
void baton_forget(const struct baton *, uint32_t worker);
bool baton_uses(const struct baton *, uint32_t worker);
uint64_t baton_most(uint64_t load);
uint32_t baton_next(const struct baton *, uint32_t me, uint64_t *most);

#endif
