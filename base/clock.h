/* SPDX-License-Identifier: ISC */
/* The monotonic clock, and times as milliseconds of it. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);
void clock_turn(void);
int64_t clock_now(void);
int64_t clock_used(void);

enum { CLOCK_SLEEP_MAX = 60000 /* ms */ };

/* The earlier of two times, of which -1 is never. */
static inline int64_t
clock_earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/*
 * How long poll() may sleep from one time to another, in ms; -1, for ever, if
 * the other is -1.  A long sleep ends after a minute all the same.
 */
static inline int
clock_sleep(int64_t until, int64_t from)
{
	if (until < 0)
		return -1;
	if (until <= from)
		return 0;
	return until - from > CLOCK_SLEEP_MAX ? CLOCK_SLEEP_MAX
					      : (int)(until - from);
}

#endif
