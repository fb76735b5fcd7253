/* SPDX-License-Identifier: ISC */
/* AllowTo, DenyTo and ReportTo: the rules for targets. */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rule.h"

struct addr;
struct asker;
struct who;

enum {
	NET_KINDS_MAX = 64 /* kinds of rules for blocks that are told apart */
};

/* One AllowTo, DenyTo or ReportTo, or one of the blocks of "private". */
struct target_rule {
	bool allow;
	bool report;    /* ReportTo: allowed, but reported */
	bool wholesale; /* one of the blocks of "private" */
	bool tls;       /* the tunnel must be TLS, for the name asked for */
	bool noech;     /* and must not hide another name */
	bool below;     /* RULE_LIST: names stand for those below, too */
	uint16_t port_min, port_max;
	enum rule_kind kind;
	unsigned bits;         /* RULE_NET: 0 to 128 */
	unsigned char net[16]; /* RULE_NET */
	char *name;            /* owned; RULE_SUFFIX: with its dot */
	struct list *list;     /* RULE_LIST: used, see list_drop() */
	const struct who *who; /* or NULL: for everybody */
	const char *because;   /* the configuration's, or NULL */
	unsigned long line;
	uint32_t next; /* next rule with the same key, or UINT32_MAX */
};

/* The rules for targets, in the order of the file, and their index. */
struct targets {
	struct target_rule *rules;
	size_t n;
	struct who *whos; /* owned: all that rules refer to */
	bool has_allow;
	bool has_tls;
	bool bits[129];     /* prefix lengths that occur */
	uint32_t any;       /* first RULE_ANY, or UINT32_MAX */
	uint32_t lists;     /* first RULE_LIST, or UINT32_MAX */
	uint32_t first_net; /* the first with blocks, or UINT32_MAX */
	/*
	 * The first with blocks of each combination of verdict, ports and who,
	 * and the first with blocks of a combination that found no room there, or
	 * UINT32_MAX.
	 */
	uint32_t net_kinds[NET_KINDS_MAX];
	size_t nnet_kinds;
	uint32_t other_net;
	uint32_t *table; /* the first rule of each key */
	size_t mask;     /* size of the table, minus one */
};

const char *target_directive(const struct target_rule *);
const char *target_add(struct targets *, bool allow, unsigned long line,
    char *text, const char **at);
int target_index(struct targets *);
void target_free(struct targets *);
enum verdict target_name(const struct targets *, const char *name,
    uint16_t port, const struct asker *, const struct target_rule **rule);
enum verdict target_unresolved(const struct targets *, const char *name,
    uint16_t port, const struct asker *, const struct target_rule **rule);
enum verdict target_addr(const struct targets *, const char *name,
    const struct addr *, const struct asker *, const struct target_rule **rule);
bool target_is_net(const struct target_rule *, const struct addr *);
const struct target_rule *target_covers(
    const struct targets *, size_t rule, bool partly);

#endif
