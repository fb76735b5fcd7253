/* SPDX-License-Identifier: ISC */
/* The memory that all processes share: what they count together. */
#ifndef SHARE_H
#define SHARE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "log.h"
#include "tally.h"

enum {
	SHARE_VERSION = 2, /* add 1 where a field gets another meaning */
	HITS_MAX = 32,     /* rules whose refusals a worker tells apart */
	SLOTS_MAX = 1024,  /* workers, also those that drain */
	MADE_MAX = 4096    /* connections to servers that are remembered */
};

/* Sizes of the tables of quota.c. */
enum {
	QUOTA_WAYS = 8,        /* places in a set */
	QUOTA_SETS = 32768,    /* for what is counted */
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

/* What all processes count together; each slot has one writer. */
struct share {
	atomic_uint phase; /* enum share_phase; the master writes it */
	/* Connections that we make and that might come back to us: self.c. */
	atomic_llong made_until; /* ms: later there are none */
	_Atomic uint64_t made[MADE_MAX];
	struct log_rate full;      /* keeps "too many clients" rare */
	struct log_rate strangers; /* and refused PROXY headers */
	atomic_uint nslots;        /* those from this one on were never used */
	struct share_slot {
		_Alignas(64) atomic_uint clients;
		atomic_uint state; /* enum slot_state */
		atomic_uint hosts; /* words in counts, at most */
		atomic_uint spare[SPARES];
		atomic_uint yield; /* another worker asks it to make room */
		/* Which worker of a generation listens: baton.c. */
		_Alignas(64) atomic_uint baton;
		/* stats.c: these are kept when another worker gets the slot. */
		_Alignas(64) _Atomic uint64_t tally[TALLIES];
		_Atomic uint64_t count[COUNTS];
		_Atomic uint64_t refused[REFUSALS_MAX]; /* by enum refusal */
		_Atomic uint64_t span[SPANS][SPAN_STEPS + 1];
		_Atomic uint64_t span_ms[SPANS]; /* their sums */
		/* These are of the worker that has the slot now. */
		atomic_uint tunnels;
		atomic_uint beat; /* turns of its loop */
		struct share_hit hits[HITS_MAX];
		_Atomic uint64_t parents_down; /* a bit for each Upstream */
		_Atomic uint64_t serial; /* connections ever made: conn.c */
	} slots[SLOTS_MAX];
	_Alignas(64) atomic_ullong counts[QUOTA_SETS][QUOTA_WAYS];
	_Alignas(64) struct share_debt debts[QUOTA_DEBT_SETS][QUOTA_WAYS];
};

/* What a worker does, as far as others need to know. */
enum slot_state {
	SLOT_AWAY,  /* it takes no clients for now */
	SLOT_READY, /* it can listen, or does */
	SLOT_RESTS  /* it listens again when a client of any worker leaves */
};

uint64_t share_layout(void);
size_t share_slots(const struct share *);
unsigned long share_clients(const struct share *);

#endif
