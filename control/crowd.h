/* SPDX-License-Identifier: ISC */
/* The largest of all sessions, and what clients, users and targets have. */
#ifndef CROWD_H
#define CROWD_H

#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "gather.h"
#include "session.h"

enum {
	CROWD_TOP = 50,     /* sessions that are shown */
	CROWD_NAMES = 4096, /* clients, users or targets that are told apart */
	CROWD_SHOWN = 10    /* of them that are shown */
};

/* What the sessions of one client, user or target have together. */
struct crowd_sum {
	char name[SESSION_TARGET_SIZE];
	uint64_t sessions, bytes, rate; /* rate: bytes in a second */
};

/* One of the sessions that are shown. */
struct crowd_row {
	struct gathered of;
	uint64_t rate;
};

struct crowd_list {
	size_t n;
	uint64_t rest; /* sessions of those that had no place */
	uint16_t places[2 * CROWD_NAMES]; /* by hash: 1 + index, or 0 */
	struct crowd_sum sums[CROWD_NAMES];
};

/* All that a page shows of sessions. */
struct crowd {
	char sort; /* as in struct page_request */
	uint64_t sessions;
	size_t nrows;
	struct crowd_row rows[CROWD_TOP];
	struct crowd_list clients, users, targets;
};

int crowd_init(void);
void crowd_begin(struct crowd *, char sort);
void crowd_add(struct crowd *, const struct gathered *, int64_t now);
void crowd_sort(struct crowd *);
uint64_t crowd_rate(const struct gathered *, int64_t now);

#endif
