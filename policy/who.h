/* SPDX-License-Identifier: ISC */
#ifndef WHO_H
#define WHO_H

#include <stdbool.h>
#include <stddef.h>

struct addr;
struct block;

/*
 * For whom a rule for targets is, when it is not for everybody.  It owns what
 * it points to.
 */
struct who {
	char *users;      /* names, each with its NUL */
	size_t nusers;    /* 0: whatever the user */
	size_t users_len; /* bytes */
	struct block *clients;
	size_t nclients; /* 0: wherever the client is */
	struct who *next;
};

/* Who asks for a target. */
struct asker {
	const struct addr *client;
	const char *user; /* or NULL: somebody without credentials */
	bool named; /* the configuration itself leads to this very target */
};

const char *who_add(struct who **list, char *text, const char **at);
bool who_holds(const struct who *, const struct asker *);
void who_free(struct who *list);

#endif
