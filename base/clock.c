/* SPDX-License-Identifier: ISC */
/*
 * The monotonic clock, and how long a process may sleep by it.  One turn of a
 * loop has one time, read once, so that everything done in the turn uses the
 * same time.  Nothing here reads the time of day.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <time.h>

#include "clock.h"

enum { SLEEP_MAX = 60000 /* ms */ };

static int64_t now; /* ms: the time of this turn */

/* Returns the time of the monotonic clock, in ms. */
int64_t
clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Begins a turn of the loop: reads the clock for clock_now(). */
void
clock_turn(void)
{
	now = clock_ms();
}

/*
 * Returns the time at which this turn of the loop began, in ms of clock_ms().
 */
int64_t
clock_now(void)
{
	return now;
}

/* Returns the earlier of two times, where -1 means never. */
int64_t
clock_earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/*
 * Returns the timeout for poll(), in ms, to sleep from one time until another;
 * -1, for ever, if until is -1.  No sleep is longer than a minute: the caller
 * must expect to wake early.
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
