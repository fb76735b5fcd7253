/* SPDX-License-Identifier: ISC */
/* A connection as its worker shows it to others. */
#ifndef SESSION_H
#define SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "bounds.h"

enum {
	SESSION_TARGET_SIZE = HOST_SIZE + 16, /* bytes of host:port, with NUL */
	SESSIONS_BATCH = 24                   /* in one message */
};

/* What stands in a column of its own.  A worker may write any bytes: no bool. */
struct session {
	uint64_t serial; /* with the worker's slot it is an id */
	uint8_t tunnel;  /* established; else on the way, or plain HTTP */
	uint8_t parent;  /* dialled is that of a parent proxy */
	struct addr client;
	struct addr dialled; /* port 0: none yet */
	uint64_t up, down;   /* bytes */
	int64_t age, idle;   /* ms */
	char user[CREDENTIAL_SIZE];
	char target[SESSION_TARGET_SIZE]; /* printable */
};

/*
 * The worker writes batches of sessions, then a message of one byte.  What is
 * sent to it are serials of sessions to end, if the master allows that.
 */
struct session_end {
	uint64_t serial;
};

#endif
