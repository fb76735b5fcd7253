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

/* Returns the processor time that this process has used, in us. */
int64_t
clock_used(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
