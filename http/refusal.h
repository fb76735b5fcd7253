/* SPDX-License-Identifier: ISC */
/* The answers of this proxy itself, and the reason phrases. */
#ifndef REFUSAL_H
#define REFUSAL_H

#include <stdbool.h>

#include "tally.h"

/* Why this proxy answers a request itself. */
enum refusal {
	REFUSE_NOTHING, /* it does not */
	/* The client and its connections. */
	REFUSE_CLIENT,
	REFUSE_LIMIT,
	/* The head. */
	REFUSE_MALFORMED,
	REFUSE_LINE_SIZE,
	REFUSE_HEAD_SIZE,
	REFUSE_VERSION,
	REFUSE_CODING,
	REFUSE_INCOMPLETE,
	REFUSE_SLOW_HEAD,
	REFUSE_LOOP,
	/* Credentials. */
	REFUSE_CREDENTIALS,
	REFUSE_GUESSES,
	REFUSE_ANONYMOUS,
	REFUSE_UNCHECKED,
	REFUSE_PEER,
	/* The target. */
	REFUSE_UNMAPPED,
	REFUSE_REDIRECTED,
	REFUSE_STATISTICS,
	REFUSE_HEALTH,
	REFUSE_DRAINING,
	REFUSE_PAC,
	REFUSE_PORT,
	REFUSE_FILTERED,
	REFUSE_TARGET,
	REFUSE_ADDRESS,
	/* The way to the server. */
	REFUSE_NO_NAME,
	REFUSE_LOOKUP,
	REFUSE_SLOW_LOOKUP,
	REFUSE_NOT_LISTENING,
	REFUSE_SLOW_CONNECT,
	REFUSE_NO_ROUTE,
	REFUSE_NO_SOURCE,
	REFUSE_DESCRIPTORS,
	REFUSE_PORTS,
	REFUSE_CONNECT,
	/* The answer of a parent proxy. */
	REFUSE_PARENT_DENIES,
	REFUSE_PARENT_FAILS,
	REFUSE_PARENT_SLOW,
	REFUSE_PARENT_LOGIN,
	REFUSE_PARENT_MALFORMED,
	REFUSE_PARENT_EARLY,
	REFUSE_PARENT_CLOSED,
	REFUSE_SOCKS_REJECTED,
	REFUSE_SOCKS_FAILED,
	REFUSE_SOCKS_RULES,
	REFUSE_SOCKS_ROUTE,
	REFUSE_SOCKS_REFUSED,
	REFUSE_SOCKS_SLOW,
	REFUSE_SOCKS_COMMAND,
	REFUSE_SOCKS_ADDRESS,
	/* The exchange with a server. */
	REFUSE_SERVER,
	REFUSE_SILENCE,
	REFUSE_CONTENT,
	REFUSE_SLOW_CONTENT,
	/* A tunnel, after its 200. */
	REFUSE_NOT_TLS,
	REFUSE_OTHER_NAME,
	REFUSE_ECH,
	/* This proxy. */
	REFUSE_MEMORY,
	REFUSALS
};

struct refusal_row {
	int status;
	const char *reason;   /* a word that no other row has */
	const char *type;     /* RFC 9209 2.3, with parameters; or our own */
	const char *sentence; /* for the client; NULL for a page of numbers */
	bool of_target;       /* the subject, "The target", is left out */
	enum tally tally;     /* the counter, or TALLY_NONE */
};

const struct refusal_row *refusal_row(enum refusal);
const char *refusal_phrase(int status);
const char *refusal_answer(enum refusal, int status);
const char *refusal_verdict(enum refusal);

#endif
