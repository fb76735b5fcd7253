/* SPDX-License-Identifier: ISC */
/*
 * Patterns that are a plain text up to the end of the subject: a name, or all
 * names below one.  Their hashes are taken from the end, so that one pass over
 * the subject finds them all, whatever their number.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "suffix.h"

/* FNV-1a, from the last byte to the first one. */
static uint64_t
hash_add(uint64_t hash, char c)
{
	return (hash ^ (unsigned char)c) * 1099511628211U;
}

static const uint64_t hash_none = 14695981039346656037U;

/* Returns what is compared of a hash; a whole text has another one. */
static uint32_t
hash_end(uint64_t hash, bool whole)
{
	return (uint32_t)(hash ^ hash >> 32) + whole;
}

static size_t
len_slot(size_t len)
{
	return len < SUFFIX_LENS ? len : SUFFIX_LENS - 1;
}

/* Keeps a text.  Returns where it is, or UINT32_MAX without memory. */
static uint32_t
text_keep(struct suffixes *e, const char *text, size_t len)
{
	size_t at = e->len, size = e->size == 0 ? 1024 : e->size;
	char *grown;

	while (size - e->len < len)
		size *= 2;
	if (size > UINT32_MAX)
		return UINT32_MAX;
	if (size != e->size) {
		grown = realloc(e->texts, size);
		if (grown == NULL)
			return UINT32_MAX;
		e->texts = grown;
		e->size = size;
	}
	memcpy(e->texts + at, text, len);
	e->len += len;
	return (uint32_t)at;
}

/*
 * Adds a text that is not empty, with the line that it stands in.  Returns 0,
 * or -1 without memory.
 */
int
suffix_add(
    struct suffixes *e, const char *text, size_t len, bool whole, uint32_t line)
{
	struct suffix *grown = array_room(e->list, e->n, sizeof(*grown));
	uint64_t hash = hash_none;
	uint32_t at;

	if (grown == NULL)
		return -1;
	e->list = grown;
	at = text_keep(e, text, len);
	if (at == UINT32_MAX)
		return -1;
	for (size_t i = len; i > 0; i--)
		hash = hash_add(hash, text[i - 1]);
	e->list[e->n++] = (struct suffix){ .text = at,
		.len = (uint32_t)len,
		.line = line,
		.hash = hash_end(hash, whole),
		.whole = whole };
	return 0;
}

static bool
is_text(const struct suffixes *e, const struct suffix *a, const char *text,
    size_t len, bool whole)
{
	return a->len == len && a->whole == whole &&
	    memcmp(e->texts + a->text, text, len) == 0;
}

/*
 * Returns the place in the table of a text with a hash, which is empty if the
 * text is not there.
 */
static uint32_t *
place_find(const struct suffixes *e, uint32_t hash, const char *text,
    size_t len, bool whole)
{
	size_t i = hash & e->mask;

	for (; e->table[i] != 0; i = (i + 1) & e->mask) {
		const struct suffix *a = &e->list[e->table[i] - 1];

		if (a->hash == hash && is_text(e, a, text, len, whole))
			break;
	}
	return &e->table[i];
}

static void
lens_add(struct suffixes *e, const struct suffix *a)
{
	size_t slot = len_slot(a->len);

	if (a->len > e->longest)
		e->longest = a->len;
	if (a->whole)
		e->whole[slot] = true;
	else if (e->texts[a->text] == '.')
		e->dotted[slot] = true;
	else
		e->any[slot] = true;
}

/* Makes the index, once all are added.  Returns 0, or -1 without memory. */
int
suffix_index(struct suffixes *e)
{
	size_t size = 2;
	uint32_t *place;

	while (size < e->n * 2)
		size *= 2;
	e->table = calloc(size, sizeof(*e->table));
	if (e->table == NULL)
		return -1;
	e->mask = size - 1;
	/* Of equal texts the first one counts. */
	for (size_t i = 0; i < e->n; i++) {
		const struct suffix *a = &e->list[i];

		place = place_find(
		    e, a->hash, e->texts + a->text, a->len, a->whole);
		if (*place != 0)
			continue;
		*place = (uint32_t)i + 1;
		lens_add(e, a);
	}
	return 0;
}

/* Frees what a struct suffixes owns. */
void
suffix_free(struct suffixes *e)
{
	free(e->list);
	free(e->texts);
	free(e->table);
	*e = (struct suffixes){ 0 };
}

/* Returns the line of a text, or another line if that is lower. */
static uint32_t
line_find(const struct suffixes *e, uint64_t hash, const char *text, size_t len,
    bool whole, uint32_t line)
{
	uint32_t n = *place_find(e, hash_end(hash, whole), text, len, whole);

	return n != 0 && e->list[n - 1].line < line ? e->list[n - 1].line
						    : line;
}

/*
 * Returns the lowest line of a text that the subject ends with or is, or the
 * given line if none of them is lower.
 */
uint32_t
suffix_find(
    const struct suffixes *e, const char *subject, size_t len, uint32_t line)
{
	uint64_t hash = hash_none;

	if (e->n == 0)
		return line;
	for (size_t got = 1; got <= len && got <= e->longest; got++) {
		const char *at = subject + len - got;
		size_t slot = len_slot(got);

		hash = hash_add(hash, *at);
		if (e->any[slot] || (*at == '.' && e->dotted[slot]))
			line = line_find(e, hash, at, got, false, line);
		if (got == len && e->whole[slot])
			line = line_find(e, hash, at, got, true, line);
	}
	return line;
}
