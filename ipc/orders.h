/* SPDX-License-Identifier: ISC */
/* The messages between the master and its children. */
#ifndef ORDERS_H
#define ORDERS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "log.h"
#include "record.h"

/*
 * What the master tells a worker or the desk, and what a child tells the
 * master.
 */
enum order {
	ORDER_LISTEN,
	ORDER_LOOK,
	ORDER_LOGS,
	ORDER_DRAIN,
	ORDER_SESSIONS, /* with a socket to write them to: session.h */
	ORDER_CHANNEL   /* to the desk: with that of a worker */
};
enum note { NOTE_READY, NOTE_DRAINED, NOTE_HELPER, NOTE_SAYS };

enum { NOTE_TEXT_SIZE = 256 /* bytes of NOTE_SAYS, with its NUL */ };

struct order_message {
	enum order order;
	/* ORDER_LOGS: which descriptors come with it, and how to write. */
	bool log, syslog, journal;
	enum log_level level;
	enum log_time time;
	size_t naccess;
	enum record_format formats[RECORD_LOGS_MAX];
	/* ORDER_DRAIN: a bit for each listener that no other worker serves. */
	uint64_t abandoned;
	uint32_t worker; /* ORDER_CHANNEL: whose it is */
	/* ORDER_SESSIONS: what comes back ends some of them, as new rules say. */
	bool kill, judge;
};

_Static_assert(LISTEN_MAX <= 64, "each listener has a bit");

/*
 * What the control process wants of the master.  It may have been taken over, and
 * send any bytes.
 */
enum wish {
	/* With the descriptor of the peer, which the master answers. */
	WISH_RELOAD,
	WISH_REOPEN,
	WISH_DRAIN,
	WISH_STOP,
	WISH_UPGRADE,
	WISH_LEVEL,
	/* With a socket for the worker, and to kill with that descriptor. */
	WISH_SESSIONS
};

struct wish_message {
	enum wish wish;
	uint32_t slot;        /* WISH_SESSIONS: of the worker */
	uint8_t kill;         /* WISH_SESSIONS; no bool: it may be any byte */
	enum log_level level; /* WISH_LEVEL */
};

struct note_message {
	enum note note;
	/* NOTE_HELPER: which one has died, and its status of waitpid(). */
	pid_t pid;
	int status;
	char text[NOTE_TEXT_SIZE]; /* NOTE_SAYS: of an AuthHelper */
};

#endif
