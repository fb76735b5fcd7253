/* SPDX-License-Identifier: ISC */
/* The events of connections, for the loop of a worker. */
#ifndef LIFE_H
#define LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "conn.h"
#include "inlet.h"
#include "question.h"

struct addr;
struct tunnel;
struct worker_args;

int life_init(const struct worker_args *);
void life_accepted(int fd, const struct addr *from, enum inlet);
void life_event(struct tunnel *, unsigned which, short revents);
void life_expire(struct tunnel *);
void life_answers(enum helper_kind desk);
void life_drain(void);
bool life_make_room(void);
void life_tidy(void);
bool life_kill(uint64_t serial, enum ending);
void life_end_all(enum ending);

#endif
