/* SPDX-License-Identifier: ISC */
/* Many patterns as one automaton. */
#ifndef AUTOMATON_H
#define AUTOMATON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine;

/* The code of a pattern that has been added. */
struct strand {
	size_t at;
	uint32_t len;
	uint32_t line;
};

/*
 * The patterns.  Only the machine changes once the automaton is built, so that
 * processes share all else.
 */
struct automaton {
	struct strand *strands; /* owned, until the automaton is built */
	size_t n;
	unsigned char *code; /* owned: of all strands, then of the whole */
	size_t len, size;
	bool floats;             /* a match may begin anywhere */
	bool knows_words;        /* some patterns ask where words begin */
	uint32_t line;           /* the lowest line */
	struct machine *machine; /* owned */
};

int automaton_add(
    struct automaton *, const unsigned char *code, size_t len, uint32_t line);
int automaton_build(struct automaton *);
void automaton_free(struct automaton *);

#endif
