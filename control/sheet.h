/* SPDX-License-Identifier: ISC */
/* What is known of the whole proxy at one moment. */
#ifndef SHEET_H
#define SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board.h"
#include "refusal.h"
#include "tally.h"

struct control_args;

enum { SHEET_RULES = 64 /* that are shown */ };

/* How often a rule of the live generation has refused a request. */
struct sheet_rule {
	enum refusal refusal;
	uint32_t line;
	uint64_t count;
};

/* Sums over all workers, beside what the master shows. */
struct sheet {
	int64_t now; /* ms */
	struct board_view view;
	uint64_t clients, tunnels;
	uint64_t gen_clients[BOARD_GENS], gen_tunnels[BOARD_GENS];
	unsigned slot_clients[SLOTS_MAX], slot_tunnels[SLOTS_MAX];
	uint64_t workers_ready, workers_stopped, workers_dead;
	uint64_t tally[TALLIES], count[COUNTS], refused[REFUSALS_MAX];
	uint64_t span[SPANS][SPAN_STEPS + 1], span_ms[SPANS];
	uint64_t parents_down; /* for a worker that serves */
	size_t nrules;
	struct sheet_rule rules[SHEET_RULES]; /* the most frequent first */
	uint64_t limit; /* connections at once; 0: not known */
};

void sheet_take(struct sheet *, const struct control_args *);
const char *sheet_unready(const struct sheet *);
const char *sheet_worker(const struct sheet *, size_t slot);
uint64_t sheet_refusals(const struct sheet *);

#endif
