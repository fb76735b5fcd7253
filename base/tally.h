/* SPDX-License-Identifier: ISC */
/* What is counted, by each worker and in all; adit.conf(5) has the meanings. */
#ifndef TALLY_H
#define TALLY_H

enum tally {
	TALLY_REQUESTS,
	TALLY_BAD,
	TALLY_DENIED,
	TALLY_REFUSED,
	TALLY_PREFACES, /* not shown on the page of StatHost */
	TALLIES,
	TALLY_NONE = TALLIES /* counted nowhere */
};

/* What is counted for /metrics besides. */
enum count {
	COUNT_ACCEPTED, /* connections of clients */
	COUNT_CONNECTS, /* requests with CONNECT */
	COUNT_OTHERS,   /* other requests */
	COUNT_TUNNELS,  /* established */
	COUNT_LOOKUPS,  /* names looked up for a target or parent */
	COUNT_LOOKUPS_FAILED,
	COUNT_DIALS, /* servers and parents that were connected to */
	COUNT_DIALS_FAILED,
	COUNT_UP,         /* bytes read from clients */
	COUNT_DOWN,       /* and from servers */
	COUNT_LINES_LOST, /* of the logs */
	COUNT_REPORTED,   /* requests that only a ReportTo allows */
	COUNTS
};

/* Times that are counted by their length. */
enum span {
	SPAN_LOOKUP,  /* of a name */
	SPAN_CONNECT, /* to a server or parent */
	SPAN_TUNNEL,  /* the life of one */
	SPANS
};

enum {
	SPAN_STEPS = 12,  /* lengths told apart, besides all longer ones */
	REFUSALS_MAX = 80 /* reasons of refusals */
};

/* The longest time of each step, in ms. */
extern const long span_steps[SPANS][SPAN_STEPS];

#endif
