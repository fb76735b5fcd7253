/* SPDX-License-Identifier: ISC */
/* Lists of names and addresses, in files that rules name. */
#ifndef LIST_H
#define LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

struct entry;

/* A block, as small as it can be. */
struct list_block {
	unsigned char net[16];
	unsigned char bits;
};

/*
 * What is in one file.  All rules of a configuration that name the file share
 * it; list_use() and list_drop() count them.  Once it is read nothing in it is
 * changed.  Its memory is shared by the master and all its children.
 */
struct list {
	char *path; /* owned */
	unsigned users;
	unsigned long conf;    /* the configuration, see list_begin() */
	unsigned long line;    /* the first that names it */
	const char *directive; /* of that line */
	bool addresses; /* for clients: names would have to be looked up */
	bool exact;     /* a rule takes .name as it stands, without "below" */
	bool read;
	/* The names, each with its NUL. */
	char *names; /* owned */
	size_t size, room;
	uint32_t *starts;    /* where in names each place's begins; owned */
	unsigned char *tags; /* of each place, or 0: it is free; after starts */
	size_t mask;         /* places, minus one */
	size_t n;            /* names */
	/* The blocks, in order; none is within another one. */
	struct list_block *blocks; /* owned */
	size_t nblocks, blocks_room;
	struct list *next; /* of those that are in use */
};

unsigned long list_begin(void);
void list_keep(unsigned long conf);
struct list *list_use(const char *path, unsigned long line);
void list_drop(struct list *);
void list_label(const char *directive);
struct list *list_unread(void);
int list_add(struct list *, const struct entry *);
int list_index(struct list *);
bool list_has_name(const struct list *, const char *name, bool below);
bool list_has_addr(const struct list *, const struct addr *);
size_t list_bare(const struct list *, const char **example);
char *list_path(char **text);

#endif
