/* SPDX-License-Identifier: ISC */
/* What happens to connections: to be called by the loop of a worker. */
#ifndef LIFE_H
#define LIFE_H

#include "conn.h"

struct answer;
struct sockaddr_storage;
struct worker_args;

int life_init(const struct worker_args *);
void life_accepted(int fd, const struct sockaddr_storage *from);
void life_event(struct conn *, unsigned which, short revents);
void life_expire(struct conn *);
void life_answer(struct conn *, const struct answer *);
void life_drain(void);
void life_end_all(enum ending);

#endif
