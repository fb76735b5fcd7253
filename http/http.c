/* SPDX-License-Identifier: ISC */
/*
 * HTTP messages that are passed on: the fields one by one, the head of an
 * answer, and where content ends, RFC 9112 6 and 7.  All input comes from
 * strangers and is read in the strictest way: a message that two readers could
 * understand differently must not be passed on.  Like parse.c, this file makes
 * no system calls.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "http.h"
#include "parse.h"

enum {
	CHUNK_DIGITS = 15,       /* hex digits of the size of a chunk */
	CHUNK_LINE_MAX = 1024,   /* bytes of the line with the size */
	TRAILER_MAX = 16 * 1024, /* bytes of all trailer fields */
	VERSION_LEN = 8          /* bytes of "HTTP/1.1" */
};

/* The states of the reader of chunked content. */
enum chunk_step {
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILER_NAME, /* or the empty line */
	TRAILER_VALUE,
	TRAILER_LF,
	TRAILER_END
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Reads the field that begins at *at, in a head whose lines end in CR LF, and
 * moves *at to the next one.  Returns false at the empty line, or if there is
 * no CR.
 */
bool
http_field(const char *head, size_t len, size_t *at, struct http_field *field)
{
	const char *line = head + *at;
	const char *end = memchr(line, '\r', len - *at), *colon;

	if (end == NULL || end == line)
		return false;
	*at += (size_t)(end - line) + 2;
	colon = memchr(line, ':', (size_t)(end - line));
	field->line = line;
	field->len = (size_t)(end - line);
	field->name_len = colon == NULL ? 0 : (size_t)(colon - line);
	field->value = colon == NULL ? end : colon + 1;
	while (field->value < end && is_blank(*field->value))
		field->value++;
	while (end > field->value && is_blank(end[-1]))
		end--;
	field->value_len = (size_t)(end - field->value);
	return true;
}

/* Returns whether a field has this name, in any case. */
bool
http_is(const struct http_field *f, const char *name)
{
	return f->name_len == strlen(name) &&
	    strncasecmp(f->line, name, f->name_len) == 0;
}

/* Returns whether a list, RFC 9110 5.6.1, contains a token, in any case. */
bool
http_lists(const char *list, size_t len, const char *token, size_t token_len)
{
	size_t at = 0;

	while (at < len) {
		size_t end = at, last;

		while (end < len && list[end] != ',')
			end++;
		for (last = end; last > at && is_blank(list[last - 1]); last--)
			;
		while (at < last && is_blank(list[at]))
			at++;
		if (last - at == token_len &&
		    strncasecmp(list + at, token, token_len) == 0)
			return true;
		at = end + 1;
	}
	return false;
}

/* The answer of a server. */

static enum parse_result
bad(struct http_answer *a, const char *why)
{
	a->why = why;
	return PARSE_BAD;
}

/*
 * status-line, RFC 9112 4: "HTTP/1.x" SP 3DIGIT, then nothing or SP and a
 * reason.
 */
static enum parse_result
status_line(struct http_answer *a, const char *line, size_t len)
{
	if (len < VERSION_LEN + 4 || memcmp(line, "HTTP/1.", 7) != 0 ||
	    line[7] < '0' || line[7] > '9' || line[8] != ' ')
		return bad(a, "sent a malformed status line.");
	a->minor = line[7] != '0';
	for (size_t i = VERSION_LEN + 1; i < VERSION_LEN + 4; i++) {
		if (line[i] < '0' || line[i] > '9')
			return bad(a, "sent a malformed status line.");
		a->status = a->status * 10 + line[i] - '0';
	}
	if (a->status < 100 || a->status > 599 ||
	    (len > VERSION_LEN + 4 && line[VERSION_LEN + 4] != ' '))
		return bad(a, "sent an invalid status.");
	a->first_field = len + 2;
	return PARSE_OK;
}

static enum parse_result
answer_length(struct http_answer *a, const struct http_field *f)
{
	uint64_t n = 0;

	if (a->has_length || f->value_len < 1 || f->value_len > 18)
		return bad(a, "sent a malformed Content-Length.");
	for (size_t i = 0; i < f->value_len; i++) {
		if (f->value[i] < '0' || f->value[i] > '9')
			return bad(a, "sent a malformed Content-Length.");
		n = n * 10 + (uint64_t)(f->value[i] - '0');
	}
	a->has_length = true;
	a->length = n;
	return PARSE_OK;
}

static enum parse_result
answer_field(struct http_answer *a, const struct http_field *f)
{
	if (!parse_is_token(f->line, f->name_len))
		return bad(a, "sent a malformed field.");
	if (http_is(f, "Content-Length"))
		return answer_length(a, f);
	if (http_is(f, "Transfer-Encoding")) {
		if (a->chunked || f->value_len != 7 ||
		    strncasecmp(f->value, "chunked", 7) != 0)
			return bad(a, "sent an unknown Transfer-Encoding.");
		a->chunked = true;
	}
	if (http_is(f, "Connection") || http_is(f, "Proxy-Connection")) {
		a->options_size += f->value_len;
		if (a->noptions == OPTIONS_MAX ||
		    a->options_size > OPTIONS_SIZE)
			return bad(a, "sent too many Connection fields.");
		a->options[a->noptions++] =
		    (struct slice){ (size_t)(f->value - a->head),
			    f->value_len };
	}
	return PARSE_OK;
}

/*
 * Returns the length of a head with its empty line, 0 if the head is
 * incomplete, or -1 at an invalid byte.
 */
static ssize_t
head_end(const char *head, size_t from, size_t len)
{
	for (size_t i = from; i < len; i++) {
		unsigned char c = (unsigned char)head[i];

		if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') ||
		    c == 0x7f ||
		    (c == '\n' && (i == 0 || head[i - 1] != '\r')) ||
		    (c != '\n' && i > 0 && head[i - 1] == '\r'))
			return -1;
		if (i >= 3 && memcmp(head + i - 3, "\r\n\r\n", 4) == 0)
			return (ssize_t)i + 1;
	}
	return 0;
}

/*
 * Reads the head of an answer.  The caller passes all of the head received so
 * far, with *a as the last call left it (all zero before the first).  Returns
 * PARSE_MORE; PARSE_OK; or PARSE_BAD with a->why, a phrase such as "sent ...".
 */
enum parse_result
http_answer(struct http_answer *a, const char *head, size_t len)
{
	ssize_t end = head_end(head, a->scanned, len);
	struct http_field f;
	enum parse_result result;
	size_t at;

	a->head = head;
	a->scanned = len;
	if (end < 0)
		return bad(a, "sent an invalid byte in a head.");
	if (end == 0)
		return len >= HEAD_MAX
		    ? bad(a, "sent a head that is too large.")
		    : PARSE_MORE;
	a->head_len = (size_t)end;
	result = status_line(
	    a, head, (size_t)((const char *)memchr(head, '\r', len) - head));
	at = a->first_field;
	while (result == PARSE_OK && http_field(head, a->head_len, &at, &f))
		result = answer_field(a, &f);
	if (result == PARSE_OK && a->chunked && (a->has_length || !a->minor))
		return bad(
		    a, "sent chunks with a Content-Length or in HTTP/1.0.");
	return result;
}

/* Content. */

/*
 * Begins to read content: length bytes, chunks, or all up to the end of the
 * connection.  strip: remove the chunk framing, for a recipient that does not
 * know it.
 */
void
body_begin(struct body *b, enum body_kind kind, uint64_t length, bool strip)
{
	*b = (struct body){ .kind = kind,
		.left = length,
		.step = CHUNK_SIZE,
		.strip = strip,
		.done = kind == BODY_LENGTH && length == 0 };
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads a byte of the line with the size of a chunk.  Returns 0 or -1. */
static int
size_byte(struct body *b, char c)
{
	int value = b->step == CHUNK_SIZE ? hex_value(c) : -1;

	if (++b->line > CHUNK_LINE_MAX)
		return -1;
	if (value >= 0) {
		b->left = b->left * 16 + (unsigned)value;
		return ++b->digits > CHUNK_DIGITS ? -1 : 0;
	}
	if (b->digits == 0)
		return -1;
	if (c == '\r') {
		b->step = CHUNK_LF;
		return 0;
	}
	if (b->step == CHUNK_SIZE && c != ';')
		return -1;
	b->step = CHUNK_EXTENSION;
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f ? -1 : 0;
}

/* Reads the LF that ends this line.  Returns 0 or -1. */
static int
size_end(struct body *b, char c)
{
	if (c != '\n')
		return -1;
	b->step = b->left == 0 ? TRAILER_NAME : CHUNK_DATA;
	b->digits = b->line = 0;
	return 0;
}

/*
 * Returns whether a field must not be a trailer, RFC 9110 6.5.1: a recipient
 * that merges trailers into the head would see another message.
 */
static bool
is_for_heads(const char *name, size_t len)
{
	static const char *const names[] = { "Content-Length",
		"Transfer-Encoding", "Host", "Connection", "Trailer", "TE",
		"Upgrade", "Content-Encoding", "Content-Type", "Content-Range",
		"Authorization", "Proxy-Authorization", "Proxy-Authenticate",
		"Cookie", "Set-Cookie", "Expect", "Max-Forwards", "Range",
		"Proxy-Connection", "Keep-Alive", "X-Tinyproxy" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (len == strlen(names[i]) &&
		    strncasecmp(name, names[i], len) == 0)
			return true;
	return false;
}

/*
 * Reads a byte of a trailer field, or of the empty line at the end.  Returns 0
 * or -1.
 */
static int
trailer_byte(struct body *b, char c)
{
	if (++b->trailer > TRAILER_MAX)
		return -1;
	if (b->step == TRAILER_VALUE) {
		if (c == '\r')
			b->step = TRAILER_LF;
		return c != '\r' &&
			(((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
		    ? -1
		    : 0;
	}
	if (c == '\r' && b->line == 0) {
		b->step = TRAILER_END;
		return 0;
	}
	if (c == ':') {
		if (b->line == 0 || is_for_heads(b->name, b->line))
			return -1;
		b->line = 0;
		b->step = TRAILER_VALUE;
		return 0;
	}
	if (b->line == sizeof(b->name) || !parse_is_token(&c, 1))
		return -1;
	b->name[b->line++] = c;
	return 0;
}

/* Reads a byte of chunked content that is not data.  Returns 0 or -1. */
static int
chunk_byte(struct body *b, char c)
{
	switch (b->step) {
	case CHUNK_SIZE:
	case CHUNK_EXTENSION:
		return size_byte(b, c);
	case CHUNK_LF:
		return size_end(b, c);
	case CHUNK_DATA_CR:
		b->step = CHUNK_DATA_LF;
		return c == '\r' ? 0 : -1;
	case CHUNK_DATA_LF:
		b->step = CHUNK_SIZE;
		return c == '\n' ? 0 : -1;
	case TRAILER_LF:
		b->step = TRAILER_NAME;
		return c == '\n' ? 0 : -1;
	case TRAILER_END:
		b->done = c == '\n';
		return b->done ? 0 : -1;
	default:
		return trailer_byte(b, c);
	}
}

/*
 * Reads chunked content and moves what is passed on to the front.  Chunk
 * extensions are hop-by-hop, RFC 9112 7.1.1, and are always dropped.
 */
static ssize_t
chunks_take(struct body *b, char *bytes, size_t len, size_t *used)
{
	size_t out = 0, i = 0, n;

	while (i < len && !b->done) {
		if (b->step != CHUNK_DATA) {
			if (chunk_byte(b, bytes[i]) != 0)
				return -1;
			if (!b->strip && b->step != CHUNK_EXTENSION)
				bytes[out++] = bytes[i];
			i++;
			continue;
		}
		n = b->left < len - i ? (size_t)b->left : len - i;
		memmove(bytes + out, bytes + i, n);
		out += n;
		i += n;
		b->left -= n;
		if (b->left == 0)
			b->step = CHUNK_DATA_CR;
	}
	*used = i;
	return (ssize_t)out;
}

/*
 * Reads the next bytes of content.  Stores in *used how many of them belong to
 * the content, and moves those to pass on to the front.  Returns how many to
 * pass on, or -1 if the chunks are malformed.  Sets b->done when the content is
 * complete.
 */
ssize_t
body_take(struct body *b, char *bytes, size_t len, size_t *used)
{
	if (b->done) {
		*used = 0;
		return 0;
	}
	if (b->kind == BODY_CHUNKED)
		return chunks_take(b, bytes, len, used);
	*used = len;
	if (b->kind == BODY_LENGTH) {
		if (len > b->left)
			*used = (size_t)b->left;
		b->left -= *used;
		b->done = b->left == 0;
	}
	return (ssize_t)*used;
}
