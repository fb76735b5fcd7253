/* SPDX-License-Identifier: ISC */
/* For whom a rule for targets is. */
#ifndef WHO_H
#define WHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr;
struct block;
struct group;
struct groups;
struct list;

/* For whom a rule is that is not for everybody.  It owns what it points to. */
struct who {
	char *users;      /* names, each with its NUL; a group has an '@' */
	size_t nusers;    /* 0: any user, or none */
	size_t users_len; /* bytes */
	/* For each '@' in users, once who_join() was called; or NULL. */
	const struct group **groups;
	size_t ngroups;
	struct block *clients;
	size_t nclients;
	uint16_t *sockets; /* numbers of Unix sockets, which are clients too */
	size_t nsockets;
	/*
	 * Lists of clients, used, see list_drop().  Each path is one at first,
	 * until who_socket() says that it is a socket.
	 */
	struct list **lists;
	size_t nlists; /* 0, as nclients and nsockets: any client */
	struct who *next;
};

/* The client, and perhaps the user, that asks for a target. */
struct asker {
	const struct addr *client;
	const char *user; /* or NULL: no credentials */
	bool named;       /* a ReversePath names this very target */
	bool plain;       /* it asks for no tunnel */
};

const char *who_add(
    struct who **list, unsigned long line, char *text, const char **at);
int who_socket(struct who *, size_t i);
int who_join(struct who *list, const struct groups *);
bool who_block(struct block *, const char *text);
bool who_holds(const struct who *, const struct asker *);
const char *who_spelling(const struct who *list, const char *user);
bool who_covers(const struct who *, const struct who *other);
bool who_meets(const struct who *, const struct who *other);
void who_free(struct who *list);

#endif
