/* SPDX-License-Identifier: ISC */
/* A rule of Allow or Deny, and the verdicts of rules. */
#ifndef RULE_H
#define RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

enum rule_kind {
	RULE_NET,
	RULE_NAME,
	RULE_SUFFIX,
	RULE_ANY,
	RULE_LIST,  /* whatever the list has */
	RULE_SOCKET /* the clients at a Unix socket */
};

struct list;

/* One Allow, Deny or NoAuth. */
struct rule {
	bool allow;
	enum rule_kind kind;
	struct addr net;   /* RULE_NET */
	unsigned bits;     /* RULE_NET: 0 to 128 */
	char *name;        /* other kinds; a suffix has its dot */
	struct list *list; /* RULE_LIST: used, see list_drop() */
	bool below;        /* RULE_LIST: names stand for those below, too */
	uint16_t socket;   /* RULE_SOCKET: its number, held */
	unsigned long line;
};

enum verdict { ACL_ALLOW, ACL_DENY, ACL_ASK };

#endif
