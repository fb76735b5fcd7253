/* SPDX-License-Identifier: ISC */
/* Matters: the questions that the desk has taken and not yet answered. */
#ifndef MATTER_H
#define MATTER_H

#include <stdint.h>

#include "question.h"

/* A question that has no answer yet, and those that are the same. */
struct matter {
	struct matter *same; /* owned */
	struct matter *next; /* in the same list */
	int64_t since;       /* ms: when it was asked last */
	struct question question;
};

void matter_init(const int *answers);
void matter_reply(const struct question *, struct answer *);
int matter_add(const struct question *);
const struct matter *matter_first(enum helper_kind);
struct matter *matter_take(enum helper_kind);
void matter_put_back(struct matter *);
void matter_close(struct matter *, struct answer *);
void matter_fail(struct matter *, int error);

#endif
