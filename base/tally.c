/* SPDX-License-Identifier: ISC */
/* How lengths of time are told apart where they are counted. */
#define _POSIX_C_SOURCE 200809L

#include "tally.h"

const long span_steps[SPANS][SPAN_STEPS] = { [SPAN_LOOKUP] = { 1, 2, 5, 10, 25,
						 50, 100, 250, 1000, 2500, 5000,
						 30000 },
	[SPAN_CONNECT] = { 1, 2, 5, 10, 25, 50, 100, 250, 1000, 2500, 5000,
	    30000 },
	[SPAN_TUNNEL] = { 10, 100, 500, 1000, 5000, 15000, 60000, 300000,
	    900000, 3600000, 14400000, 86400000 } };
