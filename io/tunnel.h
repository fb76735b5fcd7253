/* SPDX-License-Identifier: ISC */
#ifndef TUNNEL_H
#define TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

struct pipe;

/* The sides of a connection, and the attempts to reach the server. */
enum side { CLIENT, SERVER, ATTEMPT };

/* One end of a connection; fd and slot are -1 when there is none. */
struct end {
	int fd;
	int slot;      /* in the poll set */
	bool hung_up;  /* both directions have ended; poll() says so for ever */
	bool enrolled; /* known to the lot, parked or not */
};

/* One direction of a tunnel, named after the side that it comes from. */
struct flow {
	/* Owned, and NULL when there is none: what the other side would not
	 * take yet, in memory or in a pipe, never in both. */
	char *kept;
	struct pipe *pipe;
	uint32_t at, len; /* of kept */
	uint32_t size;    /* bytes to read at once */
	bool spliced;     /* not copied, if there is a pipe */
	bool eof;         /* the source has ended */
	bool shut;        /* and the other side was told */
	uint64_t bytes;   /* received */
};

/*
 * Two sockets and what goes between them.  Whoever has one has it as the first
 * member of something larger.  It owns what its flows keep.
 */
struct tunnel {
	struct end end[2];
	struct flow flow[2];
	uint32_t rest[2];        /* us, RateLimit: when a side is read again */
	uint32_t turn;           /* of the loop, when it was active last */
	bool parked;             /* in the lot, not in the poll set */
	int64_t deadline, alarm; /* ms: when due; when the heap has it */
	size_t heap_at;          /* its place among the deadlines, or 0 */
	size_t lot_at;           /* its place in a lot that has places */
};

#endif
