/* SPDX-License-Identifier: ISC */
/* The decisions on a request, and their order. */
#ifndef DECISION_H
#define DECISION_H

#include <stdbool.h>

#include "refusal.h"
#include "rule.h"
#include "who.h"

struct addr;
struct conf;
struct request;
struct target_rule;

/*
 * The checks of a request, in their order, for workers and for -t alike.  The
 * first four are made in the files named here; decision_make() makes the next
 * six; the last two depend on the way to the target.
 */
enum check {
	CHECK_CLIENT,     /* limits, Allow and Deny: client.c */
	CHECK_HEAD,       /* whether the head is well-formed: parse.c */
	CHECK_LOOP,       /* whether this proxy has sent it: self.c, via.c */
	CHECK_USER,       /* BasicAuth and AuthFile: auth.c */
	CHECK_MAPPING,    /* ReversePath and ReverseOnly */
	CHECK_STATISTICS, /* StatHost */
	CHECK_PORT,       /* ConnectPort */
	CHECK_FILTER,     /* Filter */
	CHECK_HOPS,       /* Max-Forwards */
	CHECK_NAME,       /* AllowTo and DenyTo, by name */
	CHECK_PARENT,     /* the same if a parent looks the name up */
	CHECK_ADDRESS,    /* AllowTo, DenyTo and floors, for an address */
	CHECKS
};

/* A request to decide on, and the outcome of the last check. */
struct decision {
	const struct conf *conf;
	const struct request *request;
	const char *head;   /* of a plain request, or NULL */
	const char *target; /* as asked */
	struct asker asker;
	/* The outcome. */
	bool here;            /* CHECK_HOPS: this proxy answers it */
	const char *why;      /* replaces the refusal's sentence, or NULL */
	unsigned long line;   /* CHECK_FILTER: in the filter's file, or 0 */
	const char *filtered; /* CHECK_FILTER: the text that was matched */
	enum verdict verdict; /* by name; ACL_ASK: not decided by name */
	const struct target_rule *rule; /* the one that decides, or NULL */
	const char *floor; /* CHECK_ADDRESS: the one that refuses, or NULL */
	const struct addr *addrs; /* that were judged, for the log */
	size_t naddrs;
	bool own; /* CHECK_ADDRESS: this proxy listens on the address */
};

enum refusal decision_make(struct decision *, enum check);
enum refusal decision_parent(struct decision *);
enum refusal decision_address(struct decision *, const struct addr *);

#endif
