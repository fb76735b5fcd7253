/* SPDX-License-Identifier: ISC */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "tunnel.h"

struct conf;
struct conn;

void exchange_init(const struct conf *);
void exchange_start(struct conn *);
void exchange_here(struct conn *);
void exchange_event(struct conn *, enum side, short revents);
void exchange_expire(struct conn *);

#endif
