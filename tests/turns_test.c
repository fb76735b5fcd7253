/* SPDX-License-Identifier: ISC */
/* LINK: ipc/turns.c base/addr.c base/local.c base/secret.c */
/*
 * Lets clients take turns at a few places, as the desk does, and checks who is
 * served when: nobody waits for another client that has more.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

enum { ROOM = 12, MANY = 1000 };

static const unsigned char key[SECRET_KEY_SIZE];
static struct turns turns;
static size_t taken;

static struct addr
client(unsigned n)
{
	const unsigned char ip[4] = { 10, 0, (unsigned char)(n >> 8),
		(unsigned char)n };
	struct addr a;

	addr_from4(&a, ip);
	return a;
}

static void
waits(struct waiter *w, unsigned n)
{
	struct addr a = client(n);

	w->owner = w;
	must(turn_wait(&turns, w, &a) == 0, "it waits");
}

/* Serves what is next.  Returns which of the array that was, or -1. */
static int
serve(const struct waiter *first, unsigned n, struct turn **turn)
{
	struct waiter *w = turns_next(&turns, ROOM - taken);
	struct addr a = client(n);

	if (w == NULL)
		return -1;
	*turn = turn_take(&turns, &a);
	turn_served(&turns, w);
	taken++;
	return (int)(w - first);
}

static void
gives(struct turn *turn)
{
	turn_give(&turns, turn);
	taken--;
}

/* One client gets half, and there is room for others at once. */
static void
try_shares(void)
{
	static struct waiter many[MANY];
	struct turn *held[ROOM], *other;
	struct waiter one = { .owner = NULL };
	struct addr a = client(1);
	int n = 0;

	for (int i = 0; i < MANY; i++)
		waits(&many[i], 1);
	while (serve(many, 1, &held[n]) == n)
		n++;
	must(n == ROOM / 2, "one client gets half");
	must(turns_held(&turns, &a) == ROOM / 2, "and that is counted");
	waits(&one, 2);
	must(serve(&one, 2, &other) == 0, "another is served at once");
	must(serve(many, 1, &held[n]) == -1, "the first has its share");
	gives(other);
	gives(held[--n]);
	must(serve(many, 1, &held[n]) == n + 1, "in the order of its line");
	n++;
	while (n > 0)
		gives(held[--n]);
	for (int i = ROOM / 2 + 1; i < MANY; i++)
		turn_leave(&turns, &many[i]);
	must(turns.ring == NULL, "nothing waits");
	for (int i = 0; i < TURNS_HASH; i++)
		must(turns.hash[i] == NULL, "and no client is known");
}

/* What waits is served client by client, also when one waits for more. */
static void
try_ring(void)
{
	struct waiter w[6] = { { .owner = NULL } };
	static const unsigned clients[] = { 1, 1, 1, 2, 2, 3 };
	static const int order[] = { 0, 3, 5, 1, 4, 2 };
	struct turn *held;

	for (int i = 0; i < 6; i++)
		waits(&w[i], clients[i]);
	for (int i = 0; i < 6; i++) {
		must(serve(w, clients[order[i]], &held) == order[i],
		    "client by client");
		gives(held);
	}
	must(turns.ring == NULL, "nothing waits");
}

/* Whatever is in the middle of the ring may leave. */
static void
try_leaving(void)
{
	struct waiter w[300] = { { .owner = NULL } };
	struct turn *held;

	for (unsigned i = 0; i < 300; i++)
		waits(&w[i], i);
	for (unsigned i = 0; i < 300; i += 2)
		turn_leave(&turns, &w[i]);
	for (int i = 1; i < 300; i += 2) {
		must(serve(w, (unsigned)i, &held) == i, "the rest is served");
		gives(held);
	}
	must(turns_next(&turns, ROOM) == NULL, "nothing waits");
}

/*
 * Two parts of a whole: a client has one share in both together, and something
 * in each even if the other has taken its share.
 */
static void
try_parts(void)
{
	enum { PARTS = 2, HALF = ROOM / 2 };
	struct turns part[PARTS];
	struct waiter w[PARTS] = { { .owner = NULL } };
	struct turn *held[HALF], *more;
	struct addr a = client(1);

	for (int i = 0; i < PARTS; i++) {
		turns_init(&part[i], key);
		part[i].whole = &turns;
		part[i].parts = PARTS;
		must(turn_wait(&part[i], &w[i], &a) == 0, "it waits");
	}
	for (int i = 0; i < HALF; i++) {
		must(turns_next(&part[0], ROOM - (size_t)i) != NULL,
		    "its share");
		held[i] = turn_take(&part[0], &a);
	}
	must(turns_next(&part[0], HALF) == NULL, "it has its share");
	must(turns_next(&part[1], PARTS) == NULL, "few are left");
	must(turns_next(&part[1], HALF) == &w[1], "the other part has nothing");
	more = turn_take(&part[1], &a);
	must(turns_next(&part[1], HALF - 1) == NULL, "it has something");
	must(turns_held(&turns, &a) == HALF + 1, "all is counted");
	turn_give(&part[1], more);
	for (int i = 0; i < HALF; i++)
		turn_give(&part[0], held[i]);
	for (int i = 0; i < PARTS; i++)
		turn_leave(&part[i], &w[i]);
	must(turns_held(&turns, &a) == 0, "nothing is left");
}

int
main(void)
{
	turns_init(&turns, key);
	try_shares();
	try_ring();
	try_leaving();
	try_parts();
	return 0;
}
