/* SPDX-License-Identifier: ISC */
#ifndef HELPER_H
#define HELPER_H

struct answer;
struct logins;
struct question;

void helper_answer(const struct question *, struct answer *);
_Noreturn void helper_run(int desk, const struct logins *);

#endif
