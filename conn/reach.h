/* SPDX-License-Identifier: ISC */
/* The steps to a server: CONN_RESOLVE, CONN_CONNECT and CONN_PARENT. */
#ifndef REACH_H
#define REACH_H

#include "conn.h"
#include "refusal.h"

struct answer;
struct conf;
struct decision;

int reach_init(const struct conf *);
enum conn_state reach_resolve(struct conn *);
enum conn_state reach_connect(struct conn *);
enum conn_state reach_parent(struct conn *);
enum conn_state reach_answered(struct conn *, const struct answer *);
enum conn_state reach_event(struct conn *, unsigned which, short revents);
enum conn_state reach_expire(struct conn *);
enum conn_state reach_refuse(
    struct conn *, enum refusal, const struct decision *);

#endif
