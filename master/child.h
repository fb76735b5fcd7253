/* SPDX-License-Identifier: ISC */
/* A child of the master: how it is started, and told what to do. */
#ifndef CHILD_H
#define CHILD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "question.h"

struct gen;
struct order_message;

/* A worker or a desk; pid and control are -1 while it does not run. */
struct child {
	pid_t pid;
	int control; /* the master's end */
	size_t slot; /* workers: in the share */
	bool ready, drained;
	bool outside; /* of its generation: the control process, or a judge */
	bool judges;
	bool stopped; /* by a signal, and not yet continued */
	unsigned restarts;
	int64_t due;                 /* ms: when it must have said so, or 0 */
	unsigned unsent;             /* a bit for each order that was lost */
	int64_t started, restart_at; /* ms; restart_at 0: no restart is due */
	int delay; /* ms until the next restart, if it dies soon again */
};

void child_private(int *fd);
bool child_is_desk(const struct gen *, const struct child *);
enum helper_kind child_desk(const struct gen *, const struct child *);
void child_close_status(struct gen *);
int child_start(struct gen *own, struct child *, struct gen *all, int64_t now);
int child_order(const struct child *, const struct order_message *,
    const int *fds, size_t nfds);
void child_hang_up(struct child *);
bool child_was(pid_t);

#endif
