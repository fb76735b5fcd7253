/* SPDX-License-Identifier: ISC */
/* The steps in which bytes only go by: RELAY, FLUSH and LINGER. */
#ifndef CARRY_H
#define CARRY_H

#include "conn.h"
#include "tunnel.h"

enum conn_state carry_enter(struct conn *);
enum conn_state carry_event(struct conn *, enum side, short revents);
enum conn_state carry_expire(struct conn *);
enum conn_state carry_flush(struct conn *, short revents);
enum conn_state carry_linger(struct conn *);

#endif
