/* SPDX-License-Identifier: ISC */
/* What is remembered for a while, by its digest. */
#ifndef MEMO_H
#define MEMO_H

#include <stddef.h>
#include <stdint.h>

#include "secret.h"

enum {
	MEMO_SETS = 1024, /* a digest may stand in one of these sets, */
	MEMO_WAYS = 4     /* which has this many places */
};

/* All zero: it remembers nothing. */
struct memo {
	struct memo_entry {
		struct digest digest;
		int64_t until;     /* ms: valid before this time */
		const char *value; /* NULL: the place is free */
	} sets[MEMO_SETS][MEMO_WAYS];
};

const char *memo_find(const struct memo *, const struct digest *, int64_t now);
void memo_put(
    struct memo *, const struct digest *, const char *value, int64_t until);
size_t memo_tidy(struct memo *, int64_t now);

#endif
