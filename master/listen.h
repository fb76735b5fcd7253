/* SPDX-License-Identifier: ISC */
/* The listening sockets of a generation. */
#ifndef LISTEN_H
#define LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "bounds.h"
#include "inlet.h"

struct places;
struct local_rights;

/* It owns the sockets. */
struct listeners {
	size_t n;
	int fds[LISTEN_MAX];
	struct addr at[LISTEN_MAX];    /* what they are bound to */
	enum inlet inlets[LISTEN_MAX]; /* what comes first there */
	bool given; /* by the service manager, whatever Port and Listen say */
};

/* What a configuration says of them. */
struct listen_wish {
	const struct addr *at;
	size_t n;
	bool any_family; /* no Listen: the system may lack a family */
	bool free_bind;  /* FreeBind: an address may not be there yet */
	const enum inlet *inlets; /* one for each, or NULL: INLET_PROXY */
	const struct local_rights *rights; /* one for each Unix socket */
	bool senders;                      /* there is a ProxyFrom */
	/* For messages: */
	const char *directives[LISTEN_MAX]; /* one for each address */
	const struct places *places;
	unsigned long lines[LISTEN_MAX]; /* one for each address */
};

int listen_open(struct listeners *, const struct listen_wish *,
    const struct listeners *old);
int listen_share(struct listeners *, const struct listen_wish *,
    const struct listeners *old);
int listen_check(const struct addr *, bool free_bind);
bool listen_has(const struct listeners *, const struct addr *);
bool listen_waits(const struct listeners *, bool *broken);
void listen_close(struct listeners *);

#endif
