/* SPDX-License-Identifier: ISC */
/* LINK: http/http.c parse.c base/addr.c base/secret.c base/name.c http/refusal.c */
/*
 * An entry for libFuzzer.  A server sends any bytes.  Its head is read in the
 * same way in all pieces.  In content that is passed on in chunks, a reader
 * that follows the standard finds exactly the data that a client without chunks
 * gets.
 */
#define _GNU_SOURCE

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same bytes in a block of their own, so that reads past the end show. */
static char *
copy_of(const uint8_t *data, size_t len)
{
	char *copy = malloc(len + 1);

	assert(copy != NULL);
	memcpy(copy + 1, data, len);
	return copy;
}

static enum parse_result
answer_feed(struct http_answer *a, const uint8_t *data, size_t len)
{
	char *copy = copy_of(data, len);
	enum parse_result result = http_answer(a, copy + 1, len);
	struct http_field f;
	size_t at = a->first_field, fields = 0;

	assert(result != PARSE_BAD || a->why != NULL);
	if (result == PARSE_OK) {
		assert(a->head_len <= len && a->status >= 100);
		while (http_field(copy + 1, a->head_len, &at, &f)) {
			assert(parse_is_token(f.line, f.name_len));
			assert(f.value + f.value_len <= f.line + f.len);
			fields++;
		}
		assert(at + 2 == a->head_len && fields <= len / 4);
		assert(!a->chunked || !a->has_length);
	}
	free(copy);
	return result;
}

static void
answer_try(const uint8_t *data, size_t size, size_t cut)
{
	struct http_answer whole = { 0 }, parts = { 0 };
	enum parse_result result = answer_feed(&whole, data, size);
	enum parse_result in_parts = answer_feed(&parts, data, cut);

	if (in_parts == PARSE_MORE)
		in_parts = answer_feed(&parts, data, size);
	assert(result == in_parts);
	if (result != PARSE_OK)
		return;
	assert(whole.status == parts.status && whole.length == parts.length);
	assert(whole.head_len == parts.head_len);
	assert(whole.chunked == parts.chunked);
}

/* Passes on chunks in two parts.  Returns the number of bytes, or -1. */
static ssize_t
body_feed(struct body *b, bool strip, const uint8_t *data, size_t size,
    size_t cut, char *out)
{
	size_t at = 0, len = 0, used;
	ssize_t n;

	body_begin(b, BODY_CHUNKED, 0, strip);
	for (int part = 0; part < 2; part++) {
		size_t end = part == 0 ? cut : size;
		char *copy = copy_of(data + at, end - at);

		n = body_take(b, copy + 1, end - at, &used);
		if (n > 0)
			memcpy(out + len, copy + 1, (size_t)n);
		free(copy);
		if (n < 0)
			return -1;
		assert(used <= end - at && (b->done || used == end - at));
		len += (size_t)n;
		at = end;
	}
	return (ssize_t)len;
}

/*
 * Reads chunks in the plainest way: digits, CR LF, data, CR LF, and fields with
 * a colon after the last chunk.  Returns the length of the data, which it moves
 * to the front, or -1.
 */
static ssize_t
reference(char *s, size_t len)
{
	size_t at = 0, data = 0, size;
	char *line_end, *end;

	for (;;) {
		line_end = memmem(s + at, len - at, "\r\n", 2);
		if (line_end == NULL)
			return -1;
		size = strtoul(s + at, &end, 16);
		if (end != line_end || end == s + at)
			return -1;
		at = (size_t)(line_end + 2 - s);
		if (size == 0)
			break;
		if (len - at < size + 2 ||
		    memcmp(s + at + size, "\r\n", 2) != 0)
			return -1;
		memmove(s + data, s + at, size);
		data += size;
		at += size + 2;
	}
	for (;;) {
		line_end = memmem(s + at, len - at, "\r\n", 2);
		if (line_end == NULL)
			return -1;
		if (line_end == s + at)
			return at + 2 == len ? (ssize_t)data : -1;
		end = memchr(s + at, ':', (size_t)(line_end - s) - at);
		if (end == NULL ||
		    !parse_is_token(s + at, (size_t)(end - s) - at))
			return -1;
		at = (size_t)(line_end + 2 - s);
	}
}

static void
body_try(const uint8_t *data, size_t size, size_t cut)
{
	char *whole = malloc(size + 1), *parts = malloc(size + 1);
	char *bare = malloc(size + 1);
	struct body a, b, c;
	ssize_t n, m, k;

	assert(whole != NULL && parts != NULL && bare != NULL);
	n = body_feed(&a, false, data, size, 0, whole);
	m = body_feed(&b, false, data, size, cut, parts);
	k = body_feed(&c, true, data, size, cut, bare);
	assert(n == m && (n < 0) == (k < 0));
	if (n >= 0) {
		assert(memcmp(whole, parts, (size_t)n) == 0);
		assert(a.done == b.done && a.done == c.done);
	}
	if (n >= 0 && a.done) {
		whole[n] = '\0';
		assert(reference(whole, (size_t)n) == k);
		assert(memcmp(whole, bare, (size_t)k) == 0);
	}
	free(whole);
	free(parts);
	free(bare);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut = size == 0 ? 0 : data[size - 1] % size;

	answer_try(data, size, cut);
	body_try(data, size, cut);
	return 0;
}
