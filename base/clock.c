/* SPDX-License-Identifier: ISC */
/*
 * The clock that is never set, and how long a process may sleep by it.  A turn
 * of a loop has one time, so that all that is done in it agrees.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <time.h>

#include "clock.h"

enum { SLEEP_MAX = 60000 /* ms */ };

static int64_t now; /* ms: of this turn */

/* Milliseconds of a clock that is never set. */
int64_t
clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Begins a turn of the loop: reads the clock once for all of it. */
void
clock_turn(void)
{
	now = clock_ms();
}

/* The time of this turn of the loop, in ms of clock_ms(). */
int64_t
clock_now(void)
{
	return now;
}

/* The earlier of two times, of which -1 is never. */
int64_t
clock_earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/*
 * How long poll() may sleep until a time, or -1: for ever.  A long sleep ends
 * after a minute all the same.
 */
int
clock_sleep(int64_t until, int64_t from)
{
	if (until < 0)
		return -1;
	if (until <= from)
		return 0;
	return until - from > SLEEP_MAX ? SLEEP_MAX : (int)(until - from);
}
