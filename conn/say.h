/* SPDX-License-Identifier: ISC */
/* What lines of logs say of a connection, besides what it knows itself. */
#ifndef SAY_H
#define SAY_H

#include <stddef.h>

#include "refusal.h"

struct addr;

/* Why a connection ends; adit(8) explains the words in the access log. */
enum ending {
	END_CLOSED,    /* by both sides; any other ending resets a tunnel */
	END_FORWARDED, /* the client has its answer */
	END_CLIENT_RESET,
	END_SERVER_RESET,
	END_CLIENT_LEFT,
	END_REFUSED,
	END_IDLE,
	END_GAVE_WAY, /* to another client, when all places were taken */
	END_LIFETIME,
	END_KILLED, /* by an administrator */
	END_JUDGED, /* refused by the rules of a reload */
	END_DRAINED,
	END_STOPPED
};

/* A verdict, for the DecisionLog. */
struct judged {
	enum refusal refusal;     /* or REFUSE_NOTHING */
	unsigned long rule;       /* the line that decides, or 0 */
	const char *because;      /* what it says for itself, or NULL */
	const struct addr *addrs; /* that were judged */
	size_t naddrs;
};

#endif
