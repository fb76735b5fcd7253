/* SPDX-License-Identifier: ISC */
/*
 * The memory of a worker for what it keeps of messages: incomplete heads of
 * requests, requests that wait for their server, heads of answers, and what
 * came after a request.  Each of them has a bound, but together they have one,
 * too: beyond STORE_MAX each may only have STORE_SHARE.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "store.h"

enum { STORE_MAX = 16 * 1024 * 1024 /* bytes */ };

static size_t total;  /* bytes */
static size_t nlarge; /* how many have more than STORE_SHARE */

static void
store_count(size_t size, int n)
{
	total += (size_t)n * size;
	if (size > STORE_SHARE)
		nlarge += (size_t)n;
}

/* Whether something may have so many bytes now. */
bool
store_permits(size_t size)
{
	return size <= STORE_SHARE || size + total <= STORE_MAX;
}

/* Whether there is too much, and something that has more than its share. */
bool
store_has_large(void)
{
	return total > STORE_MAX && nlarge > 0;
}

/* Returns so much memory, for store_free(), or NULL with ENOMEM. */
char *
store_new(size_t size)
{
	char *new = malloc(size);

	if (new != NULL)
		store_count(size, 1);
	return new;
}

/* Frees memory of that size, which holds no secret any more; NULL is fine. */
void
store_free(char *old, size_t size)
{
	if (old == NULL)
		return;
	free(old);
	store_count(size, -1);
}
