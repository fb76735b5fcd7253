/* SPDX-License-Identifier: ISC */
/* The questions that a worker asks the desk for its connections. */
#ifndef ASK_H
#define ASK_H

#include <stdbool.h>

#include "question.h"

struct conn;
struct worker_args;

int ask_init(
    const struct worker_args *, const unsigned char *key, unsigned timeout);
void ask_question(struct conn *, enum question_kind, const char *name);
void ask_user(struct conn *);
bool ask_joins(struct conn *);
bool ask_pending(const struct conn *);
bool ask_on(struct conn *);
void ask_cancel(struct conn *);
bool ask_waiting(enum queue);
void ask_send(enum queue);
struct conn *ask_answered(enum helper_kind desk, const struct answer **);

#endif
