/* SPDX-License-Identifier: ISC */
/* Matters: the questions that the desk has taken and not yet answered. */
#ifndef MATTER_H
#define MATTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "question.h"
#include "turns.h"

/*
 * The lines in which matters wait for a helper: about clients that no rule has
 * let in yet; names; passwords of clients that have sent right ones lately; and
 * all other passwords.
 */
enum desk_line {
	LINE_CLIENTS,
	LINE_NAMES,
	LINE_REGULARS,
	LINE_PASSWORDS,
	LINES
};

/* A question that has no answer yet, and those that are the same. */
struct matter {
	struct matter *same;          /* owned */
	struct matter *older, *newer; /* of all matters */
	struct matter *next;          /* with a helper: in the list of these */
	struct waiter waiter;         /* without one */
	struct turn *turn;            /* with one: of its client */
	enum desk_line line;
	int64_t since; /* ms: when it was asked last */
	struct question question;
};

struct desk_args;

int matter_init(const struct desk_args *);
struct addr matter_client(const struct question *);
void matter_sign(struct question *, uint32_t worker);
void matter_forget(uint32_t worker);
bool matter_wanted(const struct matter *);
void matter_reply(const struct question *, struct answer *);
int matter_add(const struct question *, enum desk_line);
size_t matter_taken(enum desk_line);
size_t matter_pooled(enum desk_line);
struct matter *matter_next(enum desk_line, size_t left, size_t room);
int matter_take(struct matter *);
void matter_close(struct matter *, struct answer *);
void matter_wipe_all(void);

#endif
