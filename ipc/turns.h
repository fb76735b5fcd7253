/* SPDX-License-Identifier: ISC */
/* Clients that take turns at something scarce. */
#ifndef TURNS_H
#define TURNS_H

#include <stddef.h>

#include "addr.h"

enum { TURNS_HASH = 256 /* lists of clients */ };

struct turn;

/* Something that waits for its client's turn; part of what does wait. */
struct waiter {
	void *owner;
	struct turn *turn; /* NULL: it does not wait */
	struct waiter *next, *prev;
};

/*
 * All clients that have something or wait for it.  Where these are a part, what
 * a client has is counted in the whole too, and its share is one of the whole.
 */
struct turns {
	const unsigned char *key;
	struct turn *hash[TURNS_HASH]; /* owned */
	struct turn *ring;   /* the one whose turn it is, or NULL: none waits */
	struct turns *whole; /* or NULL */
	size_t parts;        /* of the whole */
};

void turns_init(struct turns *, const unsigned char *key);
struct turn *turn_take(struct turns *, const struct addr *client);
void turn_give(struct turns *, struct turn *);
size_t turns_held(const struct turns *, const struct addr *client);
int turn_wait(struct turns *, struct waiter *, const struct addr *client);
void turn_leave(struct turns *, struct waiter *);
struct waiter *turns_next(struct turns *, size_t room);
void turn_served(struct turns *, struct waiter *);
struct waiter *turns_first(const struct turns *, const struct addr *client);

#endif
