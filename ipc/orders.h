/* SPDX-License-Identifier: ISC */
#ifndef ORDERS_H
#define ORDERS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "bounds.h"
#include "log.h"

/* A message from the master to a child, and back. */
enum order { ORDER_LISTEN, ORDER_LOOK, ORDER_LOGS, ORDER_DRAIN };
enum note { NOTE_READY, NOTE_DRAINED, NOTE_HELPER };

struct order_message {
	enum order order;
	/* ORDER_LOGS: which descriptors are sent along, and the rest. */
	bool log, access, syslog;
	enum log_level level;
	/* ORDER_DRAIN: a bit for each listener that nobody else listens to. */
	uint64_t abandoned;
};

_Static_assert(LISTEN_MAX <= 64, "each listener has a bit");

struct note_message {
	enum note note;
	/* NOTE_HELPER: it has died; what waitpid() said. */
	pid_t pid;
	int status;
};

#endif
