/* SPDX-License-Identifier: ISC */
/* Limits for one client address, over all workers. */
#ifndef QUOTA_H
#define QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr;
struct share;

enum quota_kind {
	QUOTA_CONNECTIONS, /* new connections, for MaxRatePerHost */
	QUOTA_REFUSALS,    /* answers that refuse connections above that rate */
	QUOTA_FAILURES,    /* failed logins */
	QUOTA_WAITERS,     /* clients waiting after such failures, at once */
	QUOTA_CHECKS,      /* passwords being checked, at once */
	QUOTA_KINDS
};

int quota_init(struct share *);
void quota_begin(size_t slot, unsigned max_clients, unsigned max_rate);
bool quota_enter(const struct addr *client, bool *counted);
void quota_leave(const struct addr *client);
void quota_forget(size_t slot);
int64_t quota_wait(enum quota_kind, const struct addr *client);
int64_t quota_take(enum quota_kind, const struct addr *client);
void quota_charge(enum quota_kind, const struct addr *client, int n);

#endif
