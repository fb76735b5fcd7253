/* SPDX-License-Identifier: ISC */
/* What the hosts file says to a question. */
#ifndef HOSTS_H
#define HOSTS_H

#include <stdbool.h>

struct answer;
struct question;

bool hosts_answer(const struct question *, struct answer *);

#endif
