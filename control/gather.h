/* SPDX-License-Identifier: ISC */
/* The sessions of all workers, asked for and read piece by piece. */
#ifndef GATHER_H
#define GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

struct control_args;
struct pollfd;
struct sheet;

enum {
	GATHER_AT_ONCE = 4, /* workers that are asked at the same time */
	GATHER_TIME = 2000, /* ms for a worker to go on */
	GATHER_TEXT = 48    /* bytes of an id, with its NUL */
};

/* A session, with what its worker does not know or must not say. */
struct gathered {
	struct session session;
	uint32_t slot;
	uint64_t gen;
	uint32_t worker;
	size_t source; /* for gather_kill() */
};

void gather_begin(
    const struct control_args *, const struct sheet *, const int *asker);
size_t gather_watch(struct pollfd *);
bool gather_next(struct gathered *);
void gather_kill(const struct gathered *);
bool gather_over(int64_t now);
size_t gather_missed(void);
void gather_end(void);

#endif
