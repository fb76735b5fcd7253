/* SPDX-License-Identifier: ISC */
/* A start that takes nothing over: what -t does of it. */
#ifndef TRIAL_H
#define TRIAL_H

#include <stddef.h>

struct gen;

enum {
	TRIAL_MAX = 90, /* findings: those of 64 Listen lines, and some */
	TRIAL_TEXT_SIZE = 900
};

/* Something that a start would meet. */
struct finding {
	const char *directive;
	size_t nth; /* which of its lines, from 1 on; 0: the last */
	int status; /* what the start would end with; 0: it would succeed */
	char text[TRIAL_TEXT_SIZE];
};

size_t trial_run(const struct gen *, struct finding found[TRIAL_MAX]);

#endif
