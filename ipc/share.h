/* SPDX-License-Identifier: ISC */
#ifndef SHARE_H
#define SHARE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "log.h"
#include "tally.h"

enum {
	SLOTS_MAX = 1024, /* workers, the draining ones too */
	MADE_MAX = 4096   /* connections of ours that are remembered */
};

/* Sizes of the tables of quota.c. */
enum {
	QUOTA_WAYS = 8,        /* places in a set */
	QUOTA_SETS = 32768,    /* for what is counted */
	QUOTA_DEBT_SETS = 8192 /* for debts */
};

/* What one address owes: quota.c */
struct share_debt {
	atomic_ullong key;
	atomic_llong paid; /* us: when it is paid */
};

struct stats {
	uint64_t open; /* connections now */
	uint64_t tally[TALLIES];
};

/* What all processes count together; each slot has one writer. */
struct share {
	char token[TOKEN_SIZE]; /* tells this proxy from all others */
	/* Connections of ours that might come back to us: own.c. */
	atomic_llong made_until; /* ms: there are none after this */
	_Atomic uint64_t made[MADE_MAX];
	struct log_rate full; /* keeps "too many clients" rare */
	atomic_uint nslots;   /* those from here on were never used */
	struct share_slot {
		_Alignas(64) atomic_uint clients;
		atomic_uint state; /* enum slot_state */
		atomic_uint hosts; /* words in counts, at most */
		/* Whoever has a generation's baton passes it on: baton.c */
		_Alignas(64) atomic_uint baton;
		_Alignas(64) _Atomic uint64_t tally[TALLIES]; /* stats.c */
	} slots[SLOTS_MAX];
	_Alignas(64) atomic_ullong counts[QUOTA_SETS][QUOTA_WAYS];
	_Alignas(64) struct share_debt debts[QUOTA_DEBT_SETS][QUOTA_WAYS];
};

/* What a worker does, as far as others have to know. */
enum slot_state {
	SLOT_AWAY,  /* it takes no clients for now */
	SLOT_READY, /* it can listen, or does */
	SLOT_RESTS  /* it listens again when anybody's client leaves */
};

size_t share_slots(const struct share *);
unsigned long share_clients(const struct share *);

#endif
