/* SPDX-License-Identifier: ISC */
/* Texts with which a subject ends, or which it is as a whole. */
#ifndef SUFFIX_H
#define SUFFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SUFFIX_LENS = 512 /* lengths that are told apart; from there on not */ };

/* A text, in the order in which they came. */
struct suffix {
	uint32_t text; /* where it is */
	uint32_t len;
	uint32_t line;
	uint32_t hash;
	bool whole; /* the subject must be this text */
};

/* All of them, and an index by their hashes. */
struct suffixes {
	struct suffix *list; /* owned */
	size_t n;
	char *texts; /* owned */
	size_t len, size;
	uint32_t *table; /* owned: numbers of suffixes, from 1; 0 is none */
	size_t mask;     /* places of the table, minus one */
	bool any[SUFFIX_LENS];    /* lengths of suffixes */
	bool dotted[SUFFIX_LENS]; /* of those that begin with a dot */
	bool whole[SUFFIX_LENS];
	size_t longest;
};

int suffix_add(
    struct suffixes *, const char *text, size_t len, bool whole, uint32_t line);
int suffix_index(struct suffixes *);
void suffix_free(struct suffixes *);
uint32_t suffix_find(
    const struct suffixes *, const char *subject, size_t len, uint32_t line);

#endif
