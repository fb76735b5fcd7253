/* SPDX-License-Identifier: ISC */
#ifndef REACH_H
#define REACH_H

#include <stdbool.h>
#include <stdint.h>

#include "conn.h"

struct answer;
struct conf;

int reach_init(const struct conf *);
bool reach_under_way(enum conn_state);
int64_t reach_until(const struct conn *);
void reach_route(struct conn *);
void reach_answer(struct conn *, const struct answer *);
void reach_event(struct conn *, unsigned which, short revents);
void reach_expire(struct conn *);
void reach_failed(
    struct conn *, const struct failure *, const char *task, const char *why);

#endif
