/* SPDX-License-Identifier: ISC */
/* Limits that several rooms must agree on, with their units. */
#ifndef BOUNDS_H
#define BOUNDS_H

enum {
	HOST_SIZE = 254,       /* bytes of a host name, with its NUL */
	ADDRS_MAX = 16,        /* addresses of one name that are tried */
	LISTEN_MAX = 64,       /* listening sockets */
	WORKERS_MAX = 256,     /* workers of one configuration */
	CREDENTIAL_SIZE = 256, /* bytes of user or password, with its NUL */
	LISTEN_BACKLOG = 4096, /* clients that wait to be accepted */
	TOKEN_SIZE = 17        /* bytes of what tells this proxy from others */
};

#endif
