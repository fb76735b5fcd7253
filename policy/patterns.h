/* SPDX-License-Identifier: ISC */
/* The patterns of a filter: which of them matches first. */
#ifndef PATTERNS_H
#define PATTERNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "automaton.h"
#include "suffix.h"
#include "pattern.h"

struct spelling;

enum { DOUBT_SIZE = 80 /* bytes of what may not be meant */ };

/* A pattern that refers back. */
struct backward {
	unsigned char *code; /* owned */
	size_t len;
	uint32_t line;
};

struct patterns {
	struct suffixes suffixes;   /* those that are plain up to the end */
	struct automaton automaton; /* the others, except */
	struct backward *backward;  /* owned: those that refer back */
	size_t n;
	struct pattern pattern;    /* while they are added: the last one, */
	struct spelling *spelling; /* owned: and how it is spelt */
};

const char *patterns_add(struct patterns *, enum filter_type, const char *text,
    bool folds, unsigned long line, char doubt[DOUBT_SIZE]);
int patterns_ready(struct patterns *);
void patterns_free(struct patterns *);
int patterns_match(
    const struct patterns *, const char *subject, unsigned long *line);

#endif
