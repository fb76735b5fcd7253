/* SPDX-License-Identifier: ISC */
/*
 * What a client has sent of the head of a request, or of a TLS hello, until it
 * is whole.  Most come in one piece and are never kept.  The memory is counted
 * in store.c, and wiped, since a head may hold credentials.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "conn.h"
#include "head.h"
#include "secret.h"
#include "store.h"

enum { HEAD_SIZE_MIN = 1024 /* bytes first allocated to keep a head */ };

/* How much memory len bytes take, with room for more; at most max. */
static size_t
head_room(const struct setup *s, size_t len, size_t max)
{
	size_t size = s->head_size == 0 ? HEAD_SIZE_MIN : s->head_size;

	while (size <= len)
		size *= 2;
	return size < max ? size : max;
}

/* Whether so many bytes may be kept, of which there are less than max. */
bool
head_permits(const struct setup *s, size_t len, size_t max)
{
	size_t size = head_room(s, len, max);

	return size <= s->head_size || store_permits(size);
}

/* Wipes and frees the bytes that a setup keeps, if it does. */
void
head_drop(struct setup *s)
{
	if (s->head != NULL)
		secret_wipe(s->head, s->head_len);
	store_free(s->head, s->head_size);
	s->head = NULL;
	s->head_len = s->head_size = 0;
}

/*
 * Keeps bytes in place of those that are kept, with room for more, up to max.
 * They may be where they are kept already; any other copy is wiped.  Returns 0,
 * or -1 with ENOMEM.
 */
int
head_keep(struct setup *s, char *head, size_t len, size_t max)
{
	size_t size = head_room(s, len, max);
	char *grown;

	if (size != s->head_size) {
		grown = store_new(size);
		if (grown == NULL)
			return -1;
		memcpy(grown, head, len);
		secret_wipe(head, len);
		head_drop(s);
		s->head = grown;
		s->head_size = size;
	} else if (head != s->head) {
		memcpy(s->head, head, len);
		secret_wipe(head, len);
	}
	s->head_len = len;
	return 0;
}
