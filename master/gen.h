/* SPDX-License-Identifier: ISC */
#ifndef GEN_H
#define GEN_H

#include <sys/types.h>

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "baton.h"
#include "bounds.h"
#include "log.h"
#include "question.h"

struct conf;
struct pollfd;
struct share;

enum {
	CHILDREN_MAX = WORKERS_MAX + 1 /* the desk too */
};

enum gen_state { GEN_STARTING, GEN_LIVE, GEN_DRAINING, GEN_FAILED };

/* A worker or the desk; pid and control are -1 while there is none. */
struct child {
	pid_t pid;
	int control; /* the master's end */
	size_t slot; /* workers: in the share */
	bool ready, drained;
	int64_t started, restart_at; /* ms; restart_at 0: no restart is due */
	int delay;                   /* ms to wait if it dies soon again */
};

/*
 * A configuration with its sockets, logs and children. It owns all of them.
 */
struct gen {
	struct gen *next;
	enum gen_state state;
	bool stopped;    /* its children were told to end */
	int status;      /* GEN_FAILED: what to exit with */
	bool announced;  /* GEN_DRAINING: that its workers left the sockets */
	int64_t kill_at; /* GEN_DRAINING: ms, the end of patience */
	struct conf *conf;
	struct logs logs;
	uid_t uid;
	gid_t gid;
	bool drop; /* the children change to uid and gid */
	int listeners[LISTEN_MAX];
	struct addr listening[LISTEN_MAX];
	size_t nlisteners;
	bool given; /* by the service manager, whatever Port and Listen say */
	size_t max_conns, max_pipes; /* of one worker */
	int queues[QUEUES][2];       /* questions go in at 0, out at 1 */
	int answers[WORKERS_MAX][2]; /* answers likewise */
	struct baton baton;
	int64_t look_at; /* ms: when to look whether clients wait */
	bool waiting;    /* some did at the last look */
	struct child children[CHILDREN_MAX]; /* workers, then the desk */
	size_t nworkers, nchildren;
};

struct gen *gen_new(struct conf *, struct share *);
int gen_identity(struct gen *);
int gen_listen(struct gen *, struct gen *old);
int gen_start(struct gen *, int64_t now);
void gen_drain(struct gen *, const struct gen *successor, int64_t now);
void gen_accept(struct gen *);
void gen_logs(const struct gen *, const struct logs *);
void gen_stop(struct gen *, bool kill_all);
void gen_restart(struct gen *, int64_t now);
int64_t gen_restart_next(const struct gen *);
size_t gen_watch(const struct gen *, struct pollfd *);
void gen_notes(struct gen *);
bool gen_reap(struct gen *, pid_t, int status, int64_t now);
bool gen_ready(const struct gen *);
bool gen_drained(const struct gen *);
bool gen_over(const struct gen *);
bool gen_empty(const struct gen *);
struct gen *gen_first(void);
void gen_free(struct gen *);
void gen_private(int *fd);

#endif
