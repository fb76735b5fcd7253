/* SPDX-License-Identifier: ISC */
#ifndef RESOLVE_H
#define RESOLVE_H

#include <stdbool.h>

#include "question.h"

struct conn;
struct worker_args;

void resolve_init(const struct worker_args *);
void resolve_ask(struct conn *, enum question_kind, const char *name);
void resolve_ask_user(struct conn *);
bool resolve_joins(struct conn *);
bool resolve_ask_on(struct conn *);
void resolve_cancel(struct conn *);
bool resolve_waiting(enum desk);
void resolve_send(enum desk);
void resolve_receive(void);

#endif
