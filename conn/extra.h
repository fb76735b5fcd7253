/* SPDX-License-Identifier: ISC */
/* What few connections have, so that all others need no memory for it. */
#ifndef EXTRA_H
#define EXTRA_H

#include "addr.h"

struct extra {
	struct addr via;   /* the load balancer's address */
	const char *login; /* of the client, by PeerUser, or NULL */
	char *offered;     /* owned: the name in a refused TLS hello, or NULL */
};

#endif
