/* SPDX-License-Identifier: ISC */
/* Limits for one client, over all workers. */
#ifndef QUOTA_H
#define QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "secret.h"

struct digest;
struct share;

enum quota_kind {
	QUOTA_CONNECTIONS, /* new connections, for MaxRatePerHost */
	QUOTA_REFUSALS,    /* answers that refuse connections above that rate */
	QUOTA_FAILURES,    /* failed logins */
	QUOTA_WAITERS,     /* passwords waiting after such failures, at once */
	/* The same two, for the network that the client is a part of. */
	QUOTA_NET_FAILURES,
	QUOTA_NET_WAITERS,
	QUOTA_CHECKS, /* passwords being checked, at once */
	QUOTA_KINDS
};

/* What a worker goes by. */
struct quota_limits {
	unsigned clients;      /* connections at once; 0: no limit */
	unsigned rate;         /* new ones per second; 0: no limit */
	struct netblock block; /* what is one client */
};

int quota_init(struct share *);
void quota_key(unsigned char key[SECRET_KEY_SIZE]);
void quota_resume(struct share *, const unsigned char key[SECRET_KEY_SIZE]);
void quota_begin(size_t slot, const struct quota_limits *);
struct addr quota_client(const struct addr *);
bool quota_enter(const struct addr *client, bool *counted);
void quota_leave(const struct addr *client);
void quota_forget(size_t slot);
int64_t quota_wait(enum quota_kind, const struct addr *client);
int64_t quota_take(enum quota_kind, const struct addr *client);
void quota_charge(enum quota_kind, const struct addr *client, int n);
int64_t quota_meet(
    const struct addr *client, const struct digest *, int64_t delay);

#endif
