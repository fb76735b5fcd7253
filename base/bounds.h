/* SPDX-License-Identifier: ISC */
/* Limits that several rooms use, with their units. */
#ifndef BOUNDS_H
#define BOUNDS_H

enum {
	HOST_SIZE = 254,       /* bytes of a host name, with its NUL */
	ADDRS_MAX = 16,        /* addresses of one name that are used */
	LISTEN_MAX = 64,       /* listening sockets */
	WORKERS_MAX = 256,     /* workers of one configuration */
	CREDENTIAL_SIZE = 256, /* bytes of a user or password, with its NUL */
	LISTEN_BACKLOG = 4096, /* clients waiting to be accepted */
	PIPES_MAX = 32,        /* pipes of a worker, for what it relays */
	METHOD_SIZE = 16,      /* bytes of a method in a log, with its NUL */
	TOKEN_SIZE = 17        /* bytes of the token in Via, with its NUL */
};

#endif
