/* SPDX-License-Identifier: ISC */
/*
 * The memory that the master, the workers and the control process share: what
 * they count together, and who listens.
 */
#ifndef SHARE_H
#define SHARE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "log.h"
#include "tally.h"

enum {
	SHARE_VERSION = 3, /* add 1 where a field gets another meaning */
#if SIZE_MAX > UINT32_MAX
	SHARE_PAGE = 65536, /* bytes: what is protected is a multiple of it */
#else
	SHARE_PAGE = 16384,
#endif
	HITS_MAX = 32,    /* rules whose refusals a worker tells apart */
	SLOTS_MAX = 1024, /* workers, also those that drain */
	MADE_MAX = 4096   /* connections to servers that are remembered */
};

/*
 * Sizes of the tables of quota.c, of which only what is used takes memory.  Each
 * worker has a table for what is counted.
 */
enum {
	QUOTA_WAYS = 8, /* places in a set */
#if SIZE_MAX > UINT32_MAX
	QUOTA_SET_BITS = 13,
#else
	QUOTA_SET_BITS = 8,
#endif
	QUOTA_SETS = 1 << QUOTA_SET_BITS,
	QUOTA_DEBT_SETS = 8192 /* for debts */
};

/* Connections that can give way to others, in this order. */
enum spare {
	SPARE_HEAD, /* without a whole head */
	SPARE_IDLE, /* between two requests */
	SPARE_HALF, /* one side has ended */
	SPARES
};

/* What one client owes; see quota.c. */
struct share_debt {
	atomic_ullong key;
	atomic_llong paid; /* us: the time when nothing is owed any more */
};

struct stats {
	uint64_t open; /* connections now */
	uint64_t tally[TALLIES];
};

/* The phase of the whole proxy; health checks are answered by it. */
enum share_phase {
	PHASE_STARTING,
	PHASE_SERVING,
	PHASE_LEAVING, /* it still serves, until DrainDelay is over */
	PHASE_DRAINING
};

/* How often a rule has refused a request; see stats_rule(). */
struct share_hit {
	_Atomic uint64_t rule; /* enum refusal << 32 | line; 0: free */
	_Atomic uint64_t count;
};

/*
 * What all processes count together.  A worker can write to its own slot and to
 * what is for all of them, and no more; share_keep() sees to that.  So the parts
 * begin at multiples of SHARE_PAGE.
 */
struct share {
	/* The master writes these. */
	union {
		struct {
			atomic_uint phase;  /* enum share_phase */
			atomic_uint nslots; /* those from this on are new */
			/* Clients that a worker may have. */
			atomic_uint places[SLOTS_MAX];
		};
		char head[SHARE_PAGE];
	};
	/* A worker writes its own, and the master that of one that is gone. */
	struct share_slot {
		union {
			struct {
				atomic_uint clients;
				atomic_uint state; /* enum slot_state */
				atomic_uint hosts; /* words in counts */
				atomic_uint spare[SPARES];
				atomic_llong rapid_until; /* ms: baton.c */
				/*
				 * stats.c: these are kept when another worker
				 * gets the slot.
				 */
				_Alignas(64) _Atomic uint64_t tally[TALLIES];
				_Atomic uint64_t count[COUNTS];
				/* By enum refusal. */
				_Atomic uint64_t refused[REFUSALS_MAX];
				_Atomic uint64_t span[SPANS][SPAN_STEPS + 1];
				_Atomic uint64_t span_ms[SPANS]; /* sums */
				/* These are of the worker that has it now. */
				atomic_uint tunnels;
				atomic_uint beat; /* turns of its loop */
				struct share_hit hits[HITS_MAX];
				/* A bit for each Upstream. */
				_Atomic uint64_t parents_down;
				/* Connections ever made: conn.c. */
				_Atomic uint64_t serial;
			};
			char page[SHARE_PAGE];
		};
		atomic_ullong counts[QUOTA_SETS][QUOTA_WAYS];
	} slots[SLOTS_MAX];
	/* All workers write these. */
	struct share_common {
		struct share_turn {
			/* Which worker of a generation listens: baton.c. */
			_Alignas(64) atomic_uint baton;
			atomic_uint yield; /* others ask it to make room */
		} turns[SLOTS_MAX];
		/* What we connect to and may come back to us: self.c. */
		atomic_llong made_until; /* ms: later there are none */
		_Atomic uint64_t made[MADE_MAX];
		struct log_rate full;      /* keeps "too many clients" rare */
		struct log_rate strangers; /* and refused PROXY headers */
		struct share_debt debts[QUOTA_DEBT_SETS][QUOTA_WAYS];
	} common;
};

/* What a worker does, as far as others need to know. */
enum slot_state {
	SLOT_AWAY,  /* it takes no clients for now */
	SLOT_READY, /* it can listen, or does */
	SLOT_RESTS  /* it listens again when a client of any worker leaves */
};

struct share *share_new(void);
struct share *share_resume(int fd, uint64_t layout);
int share_descriptor(void);
int share_keep(struct share *, size_t slot);
void share_leave(struct share *);
uint64_t share_layout(void);
size_t share_slots(const struct share *);
unsigned share_slot_clients(const struct share *, size_t slot);
unsigned long share_clients(const struct share *);

#endif
