/* SPDX-License-Identifier: ISC */
/* A helper of the desk: it answers what can only be answered by blocking. */
#ifndef HELPER_H
#define HELPER_H

#include "question.h"

struct logins;

void helper_answer(const struct question *, struct answer *);
_Noreturn void helper_run(int desk, enum helper_kind, const struct logins *);

#endif
