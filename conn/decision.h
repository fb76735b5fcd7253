/* SPDX-License-Identifier: ISC */
/* The order of decisions on a request, and each of them. */
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
 * What is decided on a request, in this order.  A worker and -t both walk it.
 * The first four are made where their facts are known; decision_make() makes
 * the next six; the last two depend on the way to the target.
 */
enum check {
	CHECK_CLIENT,     /* limits, Allow and Deny: client.c */
	CHECK_HEAD,       /* whether the head is well-formed: parse.c */
	CHECK_LOOP,       /* whether it has been here: self.c, via.c */
	CHECK_USER,       /* BasicAuth and AuthFile: auth.c */
	CHECK_MAPPING,    /* ReversePath and ReverseOnly */
	CHECK_STATISTICS, /* StatHost */
	CHECK_PORT,       /* ConnectPort */
	CHECK_FILTER,     /* Filter */
	CHECK_HOPS,       /* Max-Forwards */
	CHECK_NAME,       /* AllowTo and DenyTo, by name */
	CHECK_PARENT,     /* the same where a parent looks the name up */
	CHECK_ADDRESS,    /* AllowTo, DenyTo and floors, for each address */
	CHECKS
};

/* A request to be decided on, and what came of the last check. */
struct decision {
	const struct conf *conf;
	const struct request *request;
	const char *head;   /* of a plain request, or NULL */
	const char *target; /* as asked */
	struct asker asker;
	/* The outcome. */
	bool here;          /* CHECK_HOPS: this proxy answers it */
	const char *why;    /* a sentence in place of the refusal's, or NULL */
	unsigned long line; /* CHECK_FILTER: in the filter's file, or 0 */
	const char
	    *filtered; /* CHECK_FILTER: what the patterns were tried on */
	enum verdict verdict; /* CHECK_NAME: ACL_ASK: its addresses decide */
	const struct target_rule *rule; /* the one that decides, or NULL */
	bool own; /* CHECK_ADDRESS: this proxy listens there */
};

enum refusal decision_make(struct decision *, enum check);
enum refusal decision_parent(struct decision *);
enum refusal decision_address(struct decision *, const struct addr *);

#endif
