/* SPDX-License-Identifier: ISC */
/* The monotonic clock, and times as milliseconds of it. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);
void clock_turn(void);
int64_t clock_now(void);
int64_t clock_earlier(int64_t a, int64_t b);
int clock_sleep(int64_t until, int64_t from);

#endif
