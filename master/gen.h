/* SPDX-License-Identifier: ISC */
/* A generation: a configuration with its sockets, logs and children. */
#ifndef GEN_H
#define GEN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "budget.h"
#include "child.h"
#include "identity.h"
#include "links.h"
#include "listen.h"
#include "local.h"
#include "log.h"

struct board;
struct conf;
struct pollfd;
struct share;

enum {
	CHILDREN_MAX = WORKERS_MAX + HELPER_KINDS, /* the desks too */
	STOP_TIME = 400 /* ms for children to leave, besides what they need */
};

enum gen_state { GEN_STARTING, GEN_LIVE, GEN_DRAINING, GEN_FAILED };

/* It owns all it points to, except next and share. */
struct gen {
	struct gen *next;
	unsigned long number; /* the first is 1 */
	enum gen_state state;
	bool adopted;      /* another program has started its children */
	bool stopped;      /* its children were told to end */
	int status;        /* GEN_FAILED: what to exit with */
	bool announced;    /* GEN_DRAINING: that its workers left the sockets */
	int64_t kill_at;   /* ms: when its children are killed, or -1 */
	struct conf *conf; /* NULL once another generation has replaced it */
	struct share *share;
	struct logs logs;
	struct identity identity; /* of all children except the desks */
	struct identity desks;
	struct listeners listeners;
	struct listeners status_at; /* StatusListen */
	int local;                  /* ControlSocket, or -1 */
	uint16_t local_at;          /* the number of its path */
	struct local_set locals;    /* that its processes may use */
	int64_t since;       /* ms: when it began to serve, or to drain */
	struct board *board; /* where the master shows it */
	struct links links;
	struct budget budget;
	uint64_t abandoned; /* GEN_DRAINING: as ORDER_DRAIN has it */
	int64_t resend_at;  /* ms: when lost orders are sent again, or -1 */
	int64_t look_at;    /* ms: when to look whether clients wait */
	bool waiting;       /* some did at the last look */
	struct child children[CHILDREN_MAX]; /* workers, then desks */
	size_t nworkers, nchildren;
};

/* Children that have ended and should not have, since the start. */
struct gen_deaths {
	uint64_t workers, desks, helpers;
};

struct gen *gen_new(struct conf *, struct share *);
int gen_identity(struct gen *);
int gen_listen(struct gen *, const struct gen *old);
int gen_start(struct gen *, int64_t now);
void gen_drain(struct gen *, const struct gen *successor, int64_t now);
void gen_continue(const struct gen *);
size_t gen_slot(struct share *);
void gen_expect_drained(struct gen *, int64_t now);
void gen_logs(struct gen *, const struct logs *);
void gen_resend(struct gen *, const struct logs *, int64_t now);
bool gen_late(struct gen *, int64_t now);
int64_t gen_due_next(const struct gen *);
void gen_stop(struct gen *, int64_t kill_at);
void gen_kill(struct gen *, int64_t now);
unsigned long gen_clients(const struct gen *);
int64_t gen_stop_time(const struct gen *);
void gen_restart(struct gen *, int64_t now);
int64_t gen_restart_next(const struct gen *);
size_t gen_watch(const struct gen *, struct pollfd *);
void gen_notes(struct gen *);
bool gen_has(struct gen *, pid_t);
bool gen_reap(struct gen *, pid_t, int status, int64_t now);
bool gen_ready(const struct gen *);
bool gen_drained(const struct gen *);
bool gen_over(const struct gen *);
bool gen_empty(const struct gen *);
struct gen *gen_first(void);
const struct gen_deaths *gen_deaths(void);
void gen_free(struct gen *);

#endif
