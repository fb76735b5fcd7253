/* SPDX-License-Identifier: ISC */
/*
 * Sums up sessions while they come, in memory of a fixed size: however many
 * there are, only the largest are kept, and what has no place of its own is
 * counted with the rest.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "crowd.h"
#include "gather.h"
#include "secret.h"
#include "session.h"
#include "sys.h"

enum {
	MEMORY_SIZE = 16384, /* sessions whose bytes are remembered */
	RATE_TIME = 500      /* ms from which on a rate means something */
};

static unsigned char key[SECRET_KEY_SIZE]; /* nobody can choose its hashes */

/* What a session had when it was last seen. */
static struct {
	uint64_t serial;
	uint32_t slot;
	int64_t at; /* ms; 0: nothing is remembered */
	uint64_t bytes, rate;
} memory[MEMORY_SIZE];

static void
list_begin(struct crowd_list *list)
{
	list->n = 0;
	list->rest = 0;
	memset(list->places, 0, sizeof(list->places));
}

/* Empties it. */
void
crowd_begin(struct crowd *c, char sort)
{
	c->sort = sort;
	c->sessions = 0;
	c->nrows = 0;
	list_begin(&c->clients);
	list_begin(&c->users);
	list_begin(&c->targets);
}

static uint64_t
bytes_of(const struct session *s)
{
	return s->up + s->down;
}

/* Must be called once.  Returns 0, or -1 with errno. */
int
crowd_init(void)
{
	return sys_random(key, sizeof(key));
}

/*
 * How many bytes a session moves in a second: since it was last seen, or since
 * it began.
 */
uint64_t
crowd_rate(const struct gathered *g, int64_t now)
{
	const struct session *s = &g->session;
	size_t i = (size_t)(s->serial * 31 + g->slot) % MEMORY_SIZE;
	uint64_t bytes = bytes_of(s), rate;
	bool known = memory[i].at != 0 && memory[i].serial == s->serial &&
	    memory[i].slot == g->slot && memory[i].bytes <= bytes;

	if (known && now - memory[i].at < RATE_TIME)
		return memory[i].rate;
	if (known)
		rate = (bytes - memory[i].bytes) * 1000 /
		    (uint64_t)(now - memory[i].at);
	else
		rate = bytes * 1000 / (uint64_t)(s->age > 1000 ? s->age : 1000);
	memory[i].serial = s->serial;
	memory[i].slot = g->slot;
	memory[i].at = now;
	memory[i].bytes = bytes;
	memory[i].rate = rate;
	return rate;
}

/* Finds the sum of a name, or NULL: all places are taken. */
static struct crowd_sum *
sum_find(struct crowd_list *list, const char *name)
{
	size_t at =
	    secret_digest(key, name, strlen(name)).half[0] % (2 * CROWD_NAMES);
	struct crowd_sum *sum;

	for (; list->places[at] != 0; at = (at + 1) % (2 * CROWD_NAMES)) {
		sum = &list->sums[list->places[at] - 1];
		if (strcmp(sum->name, name) == 0)
			return sum;
	}
	if (list->n == CROWD_NAMES)
		return NULL;
	sum = &list->sums[list->n++];
	list->places[at] = (uint16_t)list->n;
	memset(sum, 0, sizeof(*sum));
	snprintf(sum->name, sizeof(sum->name), "%s", name);
	return sum;
}

static void
sum_add(
    struct crowd_list *list, const char *name, uint64_t bytes, uint64_t rate)
{
	struct crowd_sum *sum = sum_find(list, name);

	if (sum == NULL) {
		list->rest++;
		return;
	}
	sum->sessions++;
	sum->bytes += bytes;
	sum->rate += rate;
}

/* Compares two numbers so that the larger comes first. */
static int
larger_first(uint64_t a, uint64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static uint64_t
key_of(const struct crowd_row *row, char sort)
{
	if (sort == 'a')
		return (uint64_t)row->of.session.age;
	return sort == 'r' ? row->rate : bytes_of(&row->of.session);
}

/* Keeps a session if it is one of the largest. */
static void
row_add(struct crowd *c, const struct gathered *g, uint64_t rate)
{
	struct crowd_row row = { *g, rate };
	size_t at = c->nrows;

	if (at == CROWD_TOP &&
	    key_of(&c->rows[at - 1], c->sort) >= key_of(&row, c->sort))
		return;
	if (at < CROWD_TOP)
		c->nrows++;
	else
		at--;
	for (; at > 0 &&
	     key_of(&c->rows[at - 1], c->sort) < key_of(&row, c->sort);
	     at--)
		c->rows[at] = c->rows[at - 1];
	c->rows[at] = row;
}

/* Adds one session. */
void
crowd_add(struct crowd *c, const struct gathered *g, int64_t now)
{
	const struct session *s = &g->session;
	uint64_t bytes = bytes_of(s), rate = crowd_rate(g, now);
	char client[ADDR_TEXT_SIZE];

	c->sessions++;
	row_add(c, g, rate);
	sum_add(&c->clients, addr_text_peer(&s->client, client), bytes, rate);
	if (s->user[0] != '\0')
		sum_add(&c->users, s->user, bytes, rate);
	if (s->target[0] != '\0')
		sum_add(&c->targets, s->target, bytes, rate);
}

static int
sum_compare(const void *a, const void *b)
{
	const struct crowd_sum *x = a, *y = b;

	if (x->rate != y->rate)
		return larger_first(x->rate, y->rate);
	if (x->bytes != y->bytes)
		return larger_first(x->bytes, y->bytes);
	if (x->sessions != y->sessions)
		return larger_first(x->sessions, y->sessions);
	return strcmp(x->name, y->name);
}

static void
list_sort(struct crowd_list *list)
{
	qsort(list->sums, list->n, sizeof(*list->sums), sum_compare);
}

/* Puts the busiest clients, users and targets first. */
void
crowd_sort(struct crowd *c)
{
	list_sort(&c->clients);
	list_sort(&c->users);
	list_sort(&c->targets);
}
