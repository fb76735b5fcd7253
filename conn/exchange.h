/* SPDX-License-Identifier: ISC */
/* The steps of plain HTTP: CONN_FORWARD. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "conn.h"
#include "tunnel.h"

struct upstreams;

void exchange_init(const struct upstreams *);
enum conn_state exchange_enter(struct conn *);
enum conn_state exchange_event(struct conn *, enum side, short revents);
enum conn_state exchange_expire(struct conn *);

#endif
