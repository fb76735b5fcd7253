/* SPDX-License-Identifier: ISC */
/* Where a connection to a server leads that is kept for the next request. */
#ifndef KEPT_H
#define KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

struct request;
struct upstream;

/*
 * What a connection was made for.  A client has one of these at most, and
 * nobody else uses it.
 */
struct kept {
	const struct upstream *parent; /* that it leads to, or NULL */
	const char *user;              /* of the client, or NULL */
	struct addr server;            /* what was connected to */
	int64_t since;                 /* ms: when the last answer was over */
	uint32_t turn;                 /* of the loop, at that time */
	uint16_t port;                 /* of the target, with its host: */
	char host[];
};

struct kept *kept_new(const struct kept *, const char *host);
bool kept_leads(const struct kept *, const struct request *,
    const struct upstream *, const char *user);

#endif
