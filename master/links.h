/* SPDX-License-Identifier: ISC */
/* What the children of a generation reach each other by. */
#ifndef LINKS_H
#define LINKS_H

#include <stddef.h>
#include <stdint.h>

#include "baton.h"
#include "bounds.h"
#include "question.h"

struct share;

/* It owns the sockets and bells; those that are not open are -1. */
struct links {
	int queues[QUEUES][2];       /* questions go in at 0, out at 1 */
	int answers[WORKERS_MAX][2]; /* answers likewise */
	struct baton baton;
};

void links_init(struct links *, struct share *);
int links_open(struct links *);
int links_add(struct links *, size_t slot);
void links_keep_worker(struct links *, uint32_t worker);
void links_keep_desk(struct links *);
void links_keep_control(struct links *);
void links_close(struct links *);

#endif
