/* SPDX-License-Identifier: ISC */
/* The two sockets of a connection, and the bytes between them. */
#ifndef TUNNEL_H
#define TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pipe;

/* The sides of a connection.  From ATTEMPT on: attempts to reach the server. */
enum side { CLIENT, SERVER, ATTEMPT };

enum { TUNNEL_ALIGN = 16 /* bytes: the address of a tunnel is a multiple */ };

/*
 * One end of a connection.  fd and slot are -1 when not in use.  An end is
 * watched in the poll set, in the lot, or not at all.
 */
struct end {
	int fd;
	int slot;        /* in the poll set */
	uint32_t lot_at; /* in the lot, where that is polled too */
	short events;    /* for which it is watched, or -1 */
	bool enrolled;   /* it is in the lot */
	bool seen;       /* parking.c has seen it in the poll set before */
	bool hung_up;    /* poll() would report POLLHUP again and again */
	bool ended;      /* it has ended its data, which nobody has read yet */
	bool resets;     /* close() would reset it */
};

/* One direction of a tunnel, named after the side that the bytes come from. */
struct flow {
	/*
	 * Owned; NULL when not in use.  Bytes that the other side does not take
	 * yet are in memory or in a pipe, never in both.
	 */
	char *kept;
	struct pipe *pipe;
	uint32_t at, len; /* of kept */
	uint32_t size;    /* most bytes to read at once */
	bool spliced : 1; /* moved through a pipe, if one is free */
	bool eof : 1;     /* the source has sent an end of file */
	bool shut : 1;    /* the end of file was passed on */
	bool paced : 1;   /* the source may have to rest */
	uint16_t yielded; /* KiB moved since its last rest for others */
	uint64_t bytes;   /* received */
};

/*
 * Two sockets, and the bytes on their way between them.  Embedded as the first
 * member of a larger struct.  It owns what its flows keep.
 */
struct tunnel {
	_Alignas(TUNNEL_ALIGN) struct end end[2];
	struct flow flow[2];
	uint32_t rest[2]; /* us: before that a paced side is not read */
	int64_t active; /* ms: when bytes were last moved, or it was answered */
	int64_t deadline, alarm; /* ms: when due; when due by the heap */
	size_t heap_at;          /* index in the heap of deadlines, or 0 */
};

#endif
