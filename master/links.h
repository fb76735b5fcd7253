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
	size_t ndesks; /* one for each kind of helper, from the first on */
	/* The desks' ends, one for each worker. */
	int channels[HELPER_KINDS][WORKERS_MAX];
	/* The other ends, for the worker that is being started. */
	int fresh[HELPER_KINDS];
	struct baton baton;
};

void links_init(struct links *, struct share *);
int links_renew(struct links *, size_t worker);
void links_given(struct links *);
void links_keep_worker(struct links *, uint32_t worker);
void links_keep_desk(struct links *, enum helper_kind);
void links_keep_control(struct links *);
void links_close(struct links *);

#endif
