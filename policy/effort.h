/* SPDX-License-Identifier: ISC */
/* How long one verdict may take. */
#ifndef EFFORT_H
#define EFFORT_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

enum {
	EFFORT_MAX = 20000,    /* us of the processor */
	EFFORT_CHECK = 1 << 14 /* steps until the clock is read again */
};

/* All zero: nothing has been done. */
struct effort {
	unsigned steps;
	int64_t until; /* us of clock_used(), or 0: it has not been read */
	bool over;     /* it took too long: the verdict is to refuse */
};

/* Counts a step.  Returns whether it was one too many. */
static inline bool
effort_step(struct effort *e)
{
	if (++e->steps % EFFORT_CHECK != 0)
		return e->over;
	if (e->until == 0)
		e->until = clock_used() + EFFORT_MAX;
	else if (clock_used() > e->until)
		e->over = true;
	return e->over;
}

#endif
