/* SPDX-License-Identifier: ISC */
#ifndef HOSTS_H
#define HOSTS_H

#include <stdbool.h>

struct answer;
struct question;

bool hosts_answer(const struct question *, struct answer *);

#endif
