/* SPDX-License-Identifier: ISC */
/* The messages between the master and its children. */
#ifndef ORDERS_H
#define ORDERS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "bounds.h"
#include "log.h"

/* What the master tells a worker, and what a child tells the master. */
enum order { ORDER_LISTEN, ORDER_LOOK, ORDER_LOGS, ORDER_DRAIN };
enum note { NOTE_READY, NOTE_DRAINED, NOTE_HELPER };

struct order_message {
	enum order order;
	/* ORDER_LOGS: which descriptors come with it, and how to write. */
	bool log, access, syslog;
	enum log_level level;
	/* ORDER_DRAIN: a bit for each listener that no other worker serves. */
	uint64_t abandoned;
};

_Static_assert(LISTEN_MAX <= 64, "each listener has a bit");

struct note_message {
	enum note note;
	/* NOTE_HELPER: which one has died, and its status of waitpid(). */
	pid_t pid;
	int status;
};

#endif
