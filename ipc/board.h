/* SPDX-License-Identifier: ISC */
/* What the master shows the control process. */
#ifndef BOARD_H
#define BOARD_H

#include <sys/types.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "share.h"

enum {
	BOARD_GENS = 64,         /* generations that are shown */
	BOARD_TEXT_SIZE = 512,   /* bytes of a path or message */
	HISTORY_SIZE = 180,      /* samples that are remembered */
	HISTORY_STEP = 5 * 1000, /* ms between them */
};

/* What the proxy as a whole is about. */
enum board_phase {
	BOARD_STARTING,
	BOARD_RUNNING,
	BOARD_LEAVING, /* it still takes clients, and none should come */
	BOARD_DRAINING,
	BOARD_STOPPING
};

/* A generation; the times are in ms of the monotonic clock, or -1. */
struct board_gen {
	uint64_t number;
	bool draining;
	int64_t since;   /* when it began to serve, or to drain */
	int64_t kill_at; /* when it ends at the latest */
	uint32_t workers;
};

/* A worker, at the place of its slot in the share. */
struct board_worker {
	uint64_t gen; /* 0: there is none */
	uint32_t index;
	pid_t pid; /* -1: it is not running now */
	bool ready, stopped;
	unsigned restarts;
	int64_t started;
};

/* The result of the last reload. */
struct board_reload {
	uint64_t done, failed; /* how many of them */
	bool ok;
	int64_t at; /* s since the epoch, or 0: there was none */
	char error[BOARD_TEXT_SIZE];
};

/* What is shown, written by the master alone. */
struct board_view {
	enum board_phase phase;
	pid_t master;
	int64_t started, loaded; /* s since the epoch */
	uint64_t gen;            /* number of the live generation */
	char file[BOARD_TEXT_SIZE];
	uint64_t max_clients; /* connections that all workers may have */
	uint64_t per_worker;  /* and one of them */
	uint64_t workers_died, desks_died, helpers_died, controls_died;
	struct board_reload reload;
	size_t ngens;
	struct board_gen gens[BOARD_GENS];
	struct board_worker workers[SLOTS_MAX];
};

/* One sample of what was counted. */
struct history_sample {
	int64_t at; /* ms; 0: none */
	uint64_t clients, tunnels, requests, up, down, refused;
};

/*
 * Memory of the master and the control processes; no other process has it.
 * The history is written by the control process alone, and outlives it: the
 * next one must not trust it.
 */
struct board {
	union {
		struct {
			atomic_uint version; /* odd while the master writes */
			struct board_view view;
		};
		char shown[(sizeof(struct board_view) / SHARE_PAGE + 1) *
		    SHARE_PAGE];
	};
	size_t next; /* in the history */
	struct history_sample history[HISTORY_SIZE];
};

struct board *board_new(void);
struct board_view *board_begin(struct board *);
void board_end(struct board *);
int board_read(const struct board *, struct board_view *);
int board_keep(struct board *);
void board_unmap(struct board *);

#endif
