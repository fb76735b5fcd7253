/* SPDX-License-Identifier: ISC */
/* LINK: http/http.c parse.c base/addr.c base/local.c base/secret.c base/name.c http/refusal.c http/fields.c */
/*
 * An entry for libFuzzer.  A server sends any bytes.  Its head is read in the
 * same way in all pieces, and means the same when it is written again in the plainest
 * form.  In content that is passed on in chunks, a reader
 * that follows the standard finds exactly the data that a client without chunks
 * gets.
 */
#define _GNU_SOURCE

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
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

/*
 * Writes the head again in the plainest form: it must be read as the same
 * answer, which now has no oddities.
 */
static void
answer_again(const struct http_answer *a)
{
	size_t at = a->first_field, len, n;
	char *plain = malloc(2 * a->text_len + 64);
	struct http_answer again = { 0 };
	struct http_field f;

	assert(plain != NULL);
	n = (size_t)sprintf(plain, "%s %d \r\n",
	    a->icy         ? "ICY"
		: a->minor ? "HTTP/1.1"
			   : "HTTP/1.0",
	    a->status);
	while (http_field(a->head, a->text_len, &at, &f)) {
		if (!http_is_field(&f))
			continue;
		memcpy(plain + n, f.line, f.name_len);
		n += f.name_len;
		plain[n++] = ':';
		memcpy(plain + n, f.value, f.value_len);
		n += f.value_len;
		plain[n++] = '\r';
		plain[n++] = '\n';
	}
	plain[n++] = '\r';
	plain[n++] = '\n';
	len = n;
	assert(http_answer(&again, plain, len) == PARSE_OK);
	assert(again.head_len == len && again.text_len == len);
	assert(again.status == a->status && again.chunked == a->chunked);
	assert(again.has_length == a->has_length);
	assert(!a->has_length || again.length == a->length);
	assert(again.noptions == a->noptions && again.named == a->named);
	assert(!again.folded && !again.nameless);
	free(plain);
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
		while (http_field(copy + 1, a->text_len, &at, &f)) {
			assert(
			    a->nameless || parse_is_token(f.line, f.name_len));
			assert(f.value + f.value_len <= f.line + f.len);
			assert(f.line[0] != ' ' && f.line[0] != '\t');
			fields++;
		}
		assert(at == a->text_len && fields <= len / 2);
		assert(!a->chunked || !a->has_length);
		answer_again(a);
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
body_feed(struct body *b, unsigned how, const uint8_t *data, size_t size,
    size_t cut, char *out)
{
	size_t at = 0, len = 0;

	body_begin(b, BODY_CHUNKED, 0, how);
	for (int i = 0; i < 2; i++) {
		size_t end = i == 0 ? cut : size;
		char *copy = copy_of(data + at, end - at);
		struct body_part part;
		int result = body_take(b, copy + 1, end - at, &part);

		if (result == 0) {
			memcpy(out + len, part.bytes, part.len);
			len += part.len;
			assert(part.used <= end - at &&
			    (b->done || part.used == end - at));
		}
		free(copy);
		if (result != 0)
			return -1;
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
reference(char *s, size_t len, bool has_trailers)
{
	size_t at = 0, data = 0, size;
	char *line_end, *end;

	for (;;) {
		line_end = memmem(s + at, len - at, "\r\n", 2);
		if (line_end == NULL)
			return -1;
		size = strtoul(s + at, &end, 16);
		if (end != line_end || end == s + at ||
		    (s[at] == '0' && end > s + at + 1) ||
		    parse_is_token(s + at, (size_t)(end - s) - at) == false)
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
		if (!has_trailers || end == NULL ||
		    !parse_is_token(s + at, (size_t)(end - s) - at))
			return -1;
		at = (size_t)(line_end + 2 - s);
	}
}

/* how is that of answers, BODY_LAX, or that of requests, 0. */
static void
body_try(const uint8_t *data, size_t size, size_t cut, unsigned how)
{
	char *whole = malloc(2 * size + 256), *parts = malloc(2 * size + 256);
	char *bare = malloc(2 * size + 256);
	struct body a, b, c;
	ssize_t n, m, k;

	assert(whole != NULL && parts != NULL && bare != NULL);
	n = body_feed(&a, how, data, size, 0, whole);
	m = body_feed(&b, how, data, size, cut, parts);
	k = body_feed(&c, how | BODY_STRIP, data, size, cut, bare);
	assert(n == m && (n < 0) == (k < 0));
	if (n >= 0) {
		assert(memcmp(whole, parts, (size_t)n) == 0);
		assert(a.done == b.done && a.done == c.done);
	}
	if (n >= 0 && a.done) {
		whole[n] = '\0';
		assert(reference(whole, (size_t)n, how != 0) == k);
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
	body_try(data, size, cut, 0);
	body_try(data, size, cut, BODY_LAX);
	return 0;
}
