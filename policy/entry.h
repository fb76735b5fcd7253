/* SPDX-License-Identifier: ISC */
/* One line of a list: the names and addresses in it. */
#ifndef ENTRY_H
#define ENTRY_H

#include <stdbool.h>

#include "addr.h"

/* Which names an entry covers. */
enum { ENTRY_SELF = 1, ENTRY_BELOW = 2 };

/* A name, or a block of addresses. */
struct entry {
	const char *name; /* folded, without a dot in front; NULL: a block */
	unsigned covers;  /* of a name */
	bool dotted;      /* written as .name, which Squid takes for both */
	struct block block;
	bool masked; /* the block had bits set beyond its prefix */
};

/* A line, and how much of it has been taken. */
struct entry_line {
	char *rest;
	char *address; /* of a line of a hosts file, or NULL */
};

enum entry_result { ENTRY_OK, ENTRY_END, ENTRY_WRONG };

void entry_begin(struct entry_line *, char *text);
enum entry_result entry_next(
    struct entry_line *, struct entry *, const char **wrong);

#endif
