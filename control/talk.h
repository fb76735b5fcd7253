/* SPDX-License-Identifier: ISC */
/* The commands at the control socket. */
#ifndef TALK_H
#define TALK_H

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"
#include "bounds.h"
#include "log.h"
#include "session.h"

enum command {
	COMMAND_STATUS,
	COMMAND_READY,
	COMMAND_SESSIONS,
	COMMAND_KILL,
	COMMAND_RELOAD,
	COMMAND_REOPEN,
	COMMAND_DRAIN,
	COMMAND_STOP,
	COMMAND_UPGRADE,
	COMMAND_LOG
};

enum talk_filter {
	FILTER_ALL,
	FILTER_ID,
	FILTER_CLIENT,
	FILTER_USER,
	FILTER_TARGET
};

/* One command, checked. */
struct talk {
	enum command command;
	bool json;
	enum log_level level; /* COMMAND_LOG */
	enum talk_filter filter;
	uint32_t slot;                  /* FILTER_ID */
	uint64_t serial;                /* FILTER_ID */
	struct block client;            /* FILTER_CLIENT, unless: */
	uint16_t socket;                /* number of a Unix socket, or 0 */
	char text[SESSION_TARGET_SIZE]; /* of a user or target */
};

const char *talk_parse(struct talk *, char *line);
bool talk_matches(const struct talk *, const struct session *, uint32_t slot);

#endif
