/* SPDX-License-Identifier: ISC */
/* Whether the rules of a generation would let a tunnel begin now. */
#ifndef RULING_H
#define RULING_H

#include "refusal.h"

struct gen;
struct session;

/* The refusal, and the line that refuses, or 0: none allows it. */
struct ruling {
	enum refusal refusal;
	unsigned long line;
	const char *file; /* of that line */
};

void ruling_make(struct ruling *, const struct gen *, const struct session *);

#endif
