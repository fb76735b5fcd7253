/* SPDX-License-Identifier: ISC */
/*
 * Clients that take turns at something scarce, such as the helpers of the desk.
 * Whatever waits stands in a line of its client, and the clients take turns, so
 * that one with a thousand questions does not delay another with one.  A client
 * may have at most as much as is left: the first may take one half, the next a
 * third of the whole, and something is always left for one more.  Several of
 * these may be parts of a whole.  Nothing here knows what is scarce.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "secret.h"
#include "turns.h"

/* One client; it is forgotten when it has nothing and waits for nothing. */
struct turn {
	struct turn *same_hash;
	struct turn *next, *prev; /* in the ring, while something waits */
	struct addr client;
	size_t held;
	struct turn *whole; /* the same client there, if something is held */
	struct waiter *first, *last;
};

/* Prepares for clients.  The key decides which list each is in; it stays. */
void
turns_init(struct turns *t, const unsigned char *key)
{
	memset(t, 0, sizeof(*t));
	t->key = key;
}

static size_t
hash_of(const struct turns *t, const struct addr *client)
{
	return secret_digest(t->key, client->ip, sizeof(client->ip)).half[0] %
	    TURNS_HASH;
}

static struct turn *
turn_find(const struct turns *t, const struct addr *client)
{
	struct turn *turn = t->hash[hash_of(t, client)];

	while (turn != NULL &&
	    (!addr_same_ip(&turn->client, client) ||
		turn->client.scope != client->scope))
		turn = turn->same_hash;
	return turn;
}

/* Returns the client, which is known from now on, or NULL with ENOMEM. */
static struct turn *
turn_make(struct turns *t, const struct addr *client)
{
	struct turn *turn = turn_find(t, client), **at;

	if (turn != NULL)
		return turn;
	turn = calloc(1, sizeof(*turn));
	if (turn == NULL)
		return NULL;
	at = &t->hash[hash_of(t, client)];
	turn->client = *client;
	turn->same_hash = *at;
	*at = turn;
	return turn;
}

/* Forgets a client that has nothing and waits for nothing. */
static void
turn_tidy(struct turns *t, struct turn *turn)
{
	struct turn **at;

	if (turn->held > 0 || turn->first != NULL)
		return;
	at = &t->hash[hash_of(t, &turn->client)];
	while (*at != turn)
		at = &(*at)->same_hash;
	*at = turn->same_hash;
	free(turn);
}

/*
 * A client gets one more.  Returns what turn_give() needs when it has given it
 * back, or NULL with ENOMEM.
 */
struct turn *
turn_take(struct turns *t, const struct addr *client)
{
	struct turn *turn = turn_make(t, client);

	if (turn == NULL)
		return NULL;
	if (t->whole != NULL) {
		turn->whole = turn_take(t->whole, client);
		if (turn->whole == NULL) {
			turn_tidy(t, turn);
			return NULL;
		}
	}
	turn->held++;
	return turn;
}

/* A client has given one back. */
void
turn_give(struct turns *t, struct turn *turn)
{
	if (t->whole != NULL)
		turn_give(t->whole, turn->whole);
	turn->held--;
	turn_tidy(t, turn);
}

/* How many a client has. */
size_t
turns_held(const struct turns *t, const struct addr *client)
{
	const struct turn *turn = turn_find(t, client);

	return turn != NULL ? turn->held : 0;
}

/* Puts a client into the ring, as the last whose turn comes. */
static void
ring_add(struct turns *t, struct turn *turn)
{
	if (t->ring == NULL) {
		turn->next = turn->prev = t->ring = turn;
		return;
	}
	turn->next = t->ring;
	turn->prev = t->ring->prev;
	turn->prev->next = turn->next->prev = turn;
}

static void
ring_remove(struct turns *t, struct turn *turn)
{
	turn->prev->next = turn->next;
	turn->next->prev = turn->prev;
	if (t->ring == turn)
		t->ring = turn->next != turn ? turn->next : NULL;
}

/*
 * Lets something wait at the end of its client's line.  Returns 0, or -1 with
 * ENOMEM.
 */
int
turn_wait(struct turns *t, struct waiter *w, const struct addr *client)
{
	struct turn *turn = turn_make(t, client);

	if (turn == NULL)
		return -1;
	if (turn->first == NULL)
		ring_add(t, turn);
	w->turn = turn;
	w->next = NULL;
	w->prev = turn->last;
	*(w->prev != NULL ? &w->prev->next : &turn->first) = w;
	turn->last = w;
	return 0;
}

/* Takes something that waits out of its line. */
void
turn_leave(struct turns *t, struct waiter *w)
{
	struct turn *turn = w->turn;

	*(w->prev != NULL ? &w->prev->next : &turn->first) = w->next;
	*(w->next != NULL ? &w->next->prev : &turn->last) = w->prev;
	w->turn = NULL;
	if (turn->first == NULL)
		ring_remove(t, turn);
	turn_tidy(t, turn);
}

/*
 * Whether a client may have one more when there is room for so many.  In each
 * part it may have one at least, as long as there is one for each part: another
 * part may have taken its share in its name.
 */
static bool
turn_may(const struct turns *t, const struct turn *turn, size_t room)
{
	if (t->whole == NULL)
		return turn->held < room;
	return turns_held(t->whole, &turn->client) < room ||
	    (turn->held == 0 && room > t->parts);
}

/*
 * Returns what is to be served next when there is room for so many more, or
 * NULL: nothing waits, or only for clients that have their share.
 */
struct waiter *
turns_next(struct turns *t, size_t room)
{
	struct turn *turn = t->ring;

	if (turn == NULL)
		return NULL;
	do {
		if (turn_may(t, turn, room)) {
			t->ring = turn;
			return turn->first;
		}
		turn = turn->next;
	} while (turn != t->ring);
	return NULL;
}

/* Takes what turns_next() returned out of its line; another client is next. */
void
turn_served(struct turns *t, struct waiter *w)
{
	if (t->ring == w->turn)
		t->ring = w->turn->next;
	turn_leave(t, w);
}

/* Returns the first that waits for a client, or NULL. */
struct waiter *
turns_first(const struct turns *t, const struct addr *client)
{
	const struct turn *turn = turn_find(t, client);

	return turn != NULL ? turn->first : NULL;
}
