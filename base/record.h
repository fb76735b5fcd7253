/* SPDX-License-Identifier: ISC */
/* What an access log says of a connection, and the formats of its lines. */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct addr;

enum {
	RECORD_SIZE = 4096 /* bytes of a line of an access log, at most */
};

enum record_format {
	RECORD_ADIT,
	RECORD_SQUID,
	RECORD_COMMON,
	RECORD_COMBINED,
	RECORD_JSON,
	RECORD_FORMATS,
	RECORD_DECISION /* of DecisionLog, and of no AccessLog */
};

/*
 * When a line is written; only some formats have lines before the end, and the
 * DecisionLog has one for a verdict alone.
 */
enum record_event { RECORD_END, RECORD_START, RECORD_OPEN, RECORD_VERDICT };

/* A connection, or a request.  Text of a peer is as it was received. */
struct record {
	enum record_event event;
	const struct addr *client;
	const struct addr *via;  /* that has sent a PROXY header, or NULL */
	const char *user;        /* or NULL */
	const char *method;      /* or NULL: no request was read */
	const char *target;      /* as the client wrote it, or NULL */
	const char *server_name; /* in a TLS hello that was refused, or NULL */
	char minor;              /* of the HTTP version, a digit */
	const struct addr *dialled; /* port 0: nothing was connected to */
	const char *parent;         /* host of the parent proxy, or NULL */
	uint16_t parent_port;       /* 0: parent is the path of a socket */
	int status;                 /* 0: no answer was sent */
	bool denied;        /* a rule, a limit or the credentials refuse it */
	const char *ending; /* why it has ended, unless it was refused */
	const char *error;  /* RFC 9209, with parameters; NULL: not refused */
	const char *reason; /* of that error, or NULL */
	const char *rule_file;
	unsigned long rule;       /* the line of the rule that decides, or 0 */
	bool reported;            /* only a ReportTo allows it */
	const char *verdict;      /* RECORD_VERDICT: in a word */
	const char *because;      /* what the rule says for itself, or NULL */
	const struct addr *addrs; /* RECORD_VERDICT: that were judged */
	size_t naddrs;
	uint64_t up, down;    /* bytes since the begin */
	int64_t ms;           /* since the begin */
	int64_t dns, connect; /* ms; -1: there was none */
	size_t slot;
	uint64_t serial; /* 0: it has no id */
	unsigned long generation;
	unsigned worker;
};

extern const char *const record_formats[RECORD_FORMATS];

bool record_wanted(enum record_format, enum record_event);
size_t record_line(char line[RECORD_SIZE], enum record_format,
    const struct record *, const struct timespec *now);

#endif
