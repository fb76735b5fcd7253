/* SPDX-License-Identifier: ISC */
/*
 * For the drivers of tests that end at the first thing that is not so.
 */
#ifndef MUST_H
#define MUST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline void
must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "not so: %s\n", what);
	exit(1);
}
#endif
