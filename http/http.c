/* SPDX-License-Identifier: ISC */
/*
 * HTTP messages that are passed on: the fields one by one, the head of an
 * answer, and where content ends, RFC 9112 6 and 7.  All input comes from
 * strangers.  Requests are read in the strictest way.  Answers are read as
 * clients would read them, but their heads and chunks are always written again,
 * so that a message which two readers could understand differently is never
 * passed on.  Like parse.c, this file makes no system calls.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "fields.h"
#include "http.h"
#include "parse.h"

enum {
	CHUNK_DIGITS = 15,       /* hex digits of a size, without first zeros */
	CHUNK_LINE_MAX = 1024,   /* bytes of the line with the size */
	TRAILER_MAX = 16 * 1024, /* bytes of all trailer fields */
	VERSION_LEN = 8          /* bytes of "HTTP/1.1" */
};

/* The states of the reader of chunked content. */
enum chunk_step {
	CHUNK_SIZE,
	CHUNK_BLANK, /* after the size */
	CHUNK_EXTENSION,
	CHUNK_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILER_BEGIN, /* of a line, perhaps the empty one */
	TRAILER_NAME,
	TRAILER_BLANK, /* before the colon */
	TRAILER_VALUE,
	TRAILER_FOLD, /* the blanks at the beginning of a folded line */
	TRAILER_LF,
	TRAILER_END
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/*
 * Reads the field that begins at *at and moves *at to the next one.  A line
 * ends in LF, perhaps after a CR.  Blanks between name and colon belong to
 * neither.  Returns false at the empty line, or if there is no LF.
 */
bool
http_field(const char *head, size_t len, size_t *at, struct http_field *field)
{
	const char *line = head + *at;
	const char *end = memchr(line, '\n', len - *at), *colon;

	if (end == NULL)
		return false;
	*at += (size_t)(end - line) + 1;
	if (end > line && end[-1] == '\r')
		end--;
	if (end == line)
		return false;
	colon = memchr(line, ':', (size_t)(end - line));
	field->line = line;
	field->len = (size_t)(end - line);
	field->value = colon == NULL ? end : colon + 1;
	field->name_len = colon == NULL ? 0 : (size_t)(colon - line);
	while (field->name_len > 0 && is_blank(line[field->name_len - 1]))
		field->name_len--;
	while (field->value < end && is_blank(*field->value))
		field->value++;
	while (end > field->value && is_blank(end[-1]))
		end--;
	field->value_len = (size_t)(end - field->value);
	return true;
}

/* Returns whether a line of an answer is a field: whether it has a name. */
bool
http_is_field(const struct http_field *f)
{
	return parse_is_token(f->line, f->name_len);
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

/* Returns the number that three digits say, or 0. */
static int
three_digits(const char *s)
{
	int n = 0;

	for (int i = 0; i < 3; i++) {
		if (s[i] < '0' || s[i] > '9')
			return 0;
		n = n * 10 + s[i] - '0';
	}
	return n;
}

/*
 * Reads the version of an answer: "HTTP/1.x", or the "ICY" of Shoutcast.
 * Returns its length, or 0.
 */
static size_t
answer_version(struct http_answer *a, const char *line, size_t len)
{
	a->icy = len >= 3 && memcmp(line, "ICY", 3) == 0;
	if (a->icy)
		return 3;
	if (len < VERSION_LEN || memcmp(line, "HTTP/1.", 7) != 0 ||
	    line[7] < '0' || line[7] > '9')
		return 0;
	a->minor = line[7] != '0';
	return VERSION_LEN;
}

/*
 * Reads the status line, RFC 9112 4: version, SP, 3DIGIT, then nothing or SP
 * and a reason.  Several blanks are taken for a SP.
 */
static enum parse_result
status_line(struct http_answer *a, const char *head, size_t end)
{
	const char *line = head + a->begin;
	size_t len = end - a->begin, at = answer_version(a, line, len);
	size_t blank = at;

	if (at == 0)
		return bad(a, "sent a malformed status line.");
	while (at < len && is_blank(line[at]))
		at++;
	if (at == blank || len - at < 3 ||
	    (len - at > 3 && !is_blank(line[at + 3])))
		return bad(a, "sent a malformed status line.");
	a->status = three_digits(line + at);
	if (a->status < 100 || (a->icy && a->status < 200))
		return bad(a, "sent an invalid status.");
	for (at += 3; at < len && is_blank(line[at]); at++)
		;
	a->reason = (struct slice){ a->begin + at, len - at };
	return PARSE_OK;
}

/* Reads a list of lengths, RFC 9110 8.6, which must all be the same. */
static enum parse_result
answer_length(struct http_answer *a, const struct http_field *f)
{
	const char *s = f->value, *end = s + f->value_len;
	uint64_t n;
	int digits;

	do {
		while (s < end && is_blank(*s))
			s++;
		for (n = 0, digits = 0; s < end && *s >= '0' && *s <= '9';
		     s++) {
			n = n * 10 + (uint64_t)(*s - '0');
			if (++digits > 18)
				return bad(
				    a, "sent a malformed Content-Length.");
		}
		while (s < end && is_blank(*s))
			s++;
		if (digits == 0 || (s < end && *s != ','))
			return bad(a, "sent a malformed Content-Length.");
		if (a->has_length && a->length != n)
			return bad(a, "sent two different Content-Lengths.");
		a->odd = a->odd || a->has_length;
		a->has_length = true;
		a->length = n;
	} while (s++ < end);
	return PARSE_OK;
}

/*
 * Reads Transfer-Encoding, RFC 9112 6.1: chunked, which must come last; and
 * identity, which means nothing.
 */
static enum parse_result
answer_coding(struct http_answer *a, const struct http_field *f)
{
	size_t at = 0, end, last;

	for (; at < f->value_len; at = end + 1) {
		const char *s = f->value;

		for (end = at; end < f->value_len && s[end] != ','; end++)
			;
		for (last = end; last > at && is_blank(s[last - 1]); last--)
			;
		while (at < last && is_blank(s[at]))
			at++;
		if (last == at)
			continue;
		if (a->chunked)
			return bad(a, "sent chunks in another coding.");
		if (last - at == 7 && strncasecmp(s + at, "chunked", 7) == 0)
			a->chunked = true;
		else if (last - at != 8 ||
		    strncasecmp(s + at, "identity", 8) != 0)
			return bad(a, "sent an unknown Transfer-Encoding.");
		a->odd = a->odd || !a->chunked;
	}
	return PARSE_OK;
}

static enum parse_result
answer_options(struct http_answer *a, const struct http_field *f)
{
	a->options_size += f->value_len;
	a->named += parse_list_len(f->value, f->value_len);
	if (a->noptions >= OPTIONS_MAX || a->options_size > OPTIONS_SIZE ||
	    a->named > NAMED_MAX)
		return bad(a, "sent too many options of Connection.");
	a->options[a->noptions++] =
	    (struct slice){ (size_t)(f->value - a->head), f->value_len };
	return PARSE_OK;
}

static enum parse_result
answer_field(struct http_answer *a, const struct http_field *f)
{
	a->odd = a->odd || f->line[f->name_len] != ':';
	if (!http_is_field(f)) {
		a->nameless = true;
		return PARSE_OK;
	}
	if (http_is(f, "Content-Length"))
		return answer_length(a, f);
	if (http_is(f, "Transfer-Encoding"))
		return answer_coding(a, f);
	if (http_is(f, "Connection") || http_is(f, "Proxy-Connection"))
		return answer_options(a, f);
	return PARSE_OK;
}

/*
 * Reads the LF at i.  Returns PARSE_OK at the end of the head, after an empty
 * line.  Those before the status line are skipped.
 */
static enum parse_result
answer_line(struct http_answer *a, const char *head, size_t i)
{
	size_t at = a->line, end = i > at && head[i - 1] == '\r' ? i - 1 : i;

	a->line = i + 1;
	if (a->first_field == 0 && end == at) {
		a->begin = i + 1;
		return PARSE_MORE;
	}
	if (end == at)
		return PARSE_OK;
	if (a->first_field != 0)
		return PARSE_MORE;
	a->first_field = i + 1;
	return status_line(a, head, end) == PARSE_OK ? PARSE_MORE : PARSE_BAD;
}

/* Reads new bytes up to the end of the head.  Returns PARSE_OK at the end. */
static enum parse_result
answer_scan(struct http_answer *a, const char *head, size_t len)
{
	enum parse_result result = PARSE_MORE;

	while (a->scanned < len && result == PARSE_MORE) {
		size_t i = a->scanned;

		if (i > a->line && head[i - 1] == '\r' && head[i] != '\n')
			return bad(a, "sent a CR without LF in a head.");
		if (i == a->line && is_blank(head[i]))
			a->folded = true;
		i = parse_text_end(head, i, len);
		a->scanned = i < len ? i + 1 : len;
		if (i < len && head[i] == '\n')
			result = answer_line(a, head, i);
		else if (i < len && head[i] != '\r')
			return bad(a, "sent an invalid byte in a head.");
	}
	return result;
}

/*
 * Turns folded fields, RFC 9112 5.2, into lines of their own, in place; what
 * begins with a blank right after the status line is left out.  Stores the new
 * length.
 */
static void
answer_unfold(struct http_answer *a, char *head)
{
	size_t out = a->first_field, at = out, next;

	for (; at < a->head_len; at = next) {
		const char *lf = memchr(head + at, '\n', a->head_len - at);

		next = (size_t)(lf - head) + 1;
		if (is_blank(head[at])) {
			while (is_blank(head[at]))
				at++;
			if (out == a->first_field)
				continue;
			while (strchr(" \t\r\n", head[out - 1]) != NULL)
				out--;
			head[out++] = ' ';
		}
		memmove(head + out, head + at, next - at);
		out += next - at;
	}
	a->text_len = out;
}

/*
 * Reads the head of an answer.  The caller passes all of the head received so
 * far, with *a as the last call left it (all zero before the first); folded
 * fields in it are changed.  Returns PARSE_MORE; PARSE_OK; or PARSE_BAD with
 * a->why, a phrase such as "sent ...".
 */
enum parse_result
http_answer(struct http_answer *a, char *head, size_t len)
{
	enum parse_result result = answer_scan(a, head, len);
	struct http_field f;
	size_t at;

	if (result == PARSE_MORE && len >= HEAD_MAX)
		return bad(a, "sent a head that is too large.");
	if (result != PARSE_OK)
		return result;
	a->head = head;
	a->head_len = a->text_len = a->scanned;
	if (a->folded)
		answer_unfold(a, head);
	at = a->first_field;
	while (result == PARSE_OK && http_field(head, a->text_len, &at, &f))
		result = answer_field(a, &f);
	a->odd = a->odd || a->folded || a->begin > 0 ||
	    (a->chunked && (a->has_length || !a->minor));
	/* RFC 9112 6.3: chunks count, whatever Content-Length says. */
	if (a->chunked || a->icy)
		a->has_length = false;
	return result;
}

/* Content. */

/* Chunks as they are passed on: those of the last call of body_take(). */
static char chunks[BODY_SIZE];
static size_t chunks_len;

static void
put(const char *bytes, size_t len)
{
	memcpy(chunks + chunks_len, bytes, len);
	chunks_len += len;
}

/*
 * Begins to read content: length bytes, chunks, or all up to the end of the
 * connection.  how is a sum of BODY_STRIP and BODY_LAX.
 */
void
body_begin(struct body *b, enum body_kind kind, uint64_t length, unsigned how)
{
	*b = (struct body){ .kind = kind,
		.left = length,
		.step = CHUNK_SIZE,
		.strip = (how & BODY_STRIP) != 0,
		.lax = (how & BODY_LAX) != 0,
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

/* What only lax readers understand has come.  Returns 0, or -1 if not lax. */
static int
only_lax(struct body *b)
{
	b->odd = true;
	return b->lax ? 0 : -1;
}

/* Writes the line with the size of a chunk, and goes on after it. */
static void
size_end(struct body *b)
{
	static const char digits[] = "0123456789abcdef";
	int shift = 0;

	b->step = b->left == 0 ? TRAILER_BEGIN : CHUNK_DATA;
	b->digits = b->line = 0;
	if (b->strip)
		return;
	while (b->left >> shift >= 16)
		shift += 4;
	for (; shift >= 0; shift -= 4)
		put(digits + (b->left >> shift & 15), 1);
	put("\r\n", 2);
}

/* Reads a digit of the size of a chunk; zeros before it count as one. */
static int
size_digit(struct body *b, unsigned value)
{
	if (b->digits == 1 && b->left == 0)
		b->digits = 0;
	b->left = b->left * 16 + value;
	return ++b->digits > CHUNK_DIGITS ? -1 : 0;
}

/*
 * Reads a byte of the line with the size of a chunk, RFC 9112 7.1.1: blanks may
 * follow the size.  Returns 0 or -1.
 */
static int
size_byte(struct body *b, char c)
{
	int value = b->step == CHUNK_SIZE ? hex_value(c) : -1;

	if (value >= 0)
		return size_digit(b, (unsigned)value);
	if (b->digits == 0 || ++b->line > CHUNK_LINE_MAX)
		return -1;
	if (c == '\r')
		b->step = CHUNK_LF;
	else if (c == '\n' && only_lax(b) == 0)
		size_end(b);
	else if (b->step == CHUNK_EXTENSION)
		return is_control(c) ? -1 : 0;
	else if (c == ';')
		b->step = CHUNK_EXTENSION;
	else if (is_blank(c))
		b->step = CHUNK_BLANK;
	else
		return -1;
	return 0;
}

/* Reads the end of the data of a chunk: CR LF, or LF if lax. */
static int
data_end(struct body *b, char c)
{
	if (c == '\r' && b->step == CHUNK_DATA_CR) {
		b->step = CHUNK_DATA_LF;
		return 0;
	}
	if (c != '\n' || (b->step == CHUNK_DATA_CR && only_lax(b) != 0))
		return -1;
	if (!b->strip)
		put("\r\n", 2);
	b->step = CHUNK_SIZE;
	return 0;
}

/* Ends the line of the trailer that is passed on. */
static void
trailer_flush(struct body *b)
{
	if (b->kept)
		put("\r\n", 2);
	b->kept = false;
}

/* Reads the colon after the name of a trailer. */
static int
trailer_colon(struct body *b)
{
	bool misplaced = b->line <= sizeof(b->name) &&
	    (field_traits(b->name, b->line) & FIELD_HEAD) != 0;

	if (!b->lax && (b->line == 0 || misplaced))
		return -1;
	b->kept = b->lax && !b->strip && b->line > 0 &&
	    b->line <= sizeof(b->name) && !misplaced;
	if (b->kept) {
		put(b->name, b->line);
		put(":", 1);
	}
	b->step = TRAILER_VALUE;
	return 0;
}

/* Reads a byte of the name of a trailer, or of the blanks after it. */
static int
trailer_name(struct body *b, char c)
{
	if (c == ':')
		return trailer_colon(b);
	if (b->step == TRAILER_NAME && parse_is_token(&c, 1)) {
		if (b->line < sizeof(b->name))
			b->name[b->line] = c;
		b->line++;
		return 0;
	}
	b->step = is_blank(c) ? TRAILER_BLANK : TRAILER_VALUE;
	return only_lax(b);
}

/* Reads the first byte of a line after the last chunk. */
static int
trailer_begin(struct body *b, char c)
{
	if (is_blank(c)) {
		if (b->kept)
			put(" ", 1);
		b->step = TRAILER_FOLD;
		return only_lax(b);
	}
	trailer_flush(b);
	b->line = 0;
	b->step = TRAILER_NAME;
	return trailer_name(b, c);
}

/* Ends the content after the empty line. */
static int
trailer_end(struct body *b)
{
	trailer_flush(b);
	if (!b->strip)
		put("\r\n", 2);
	b->done = true;
	return 0;
}

/* Reads the end of a line after the last chunk: its CR, or its LF if lax. */
static int
trailer_line(struct body *b, char c)
{
	bool empty = b->step == TRAILER_BEGIN;

	if ((c == '\n' || b->step == TRAILER_NAME ||
		b->step == TRAILER_BLANK) &&
	    only_lax(b) != 0)
		return -1;
	if (c == '\r')
		b->step = empty ? TRAILER_END : TRAILER_LF;
	else if (empty)
		return trailer_end(b);
	else
		b->step = TRAILER_BEGIN;
	return 0;
}

/*
 * Reads a byte of the trailer section, RFC 9112 7.1.2.  No trailer of a request
 * is passed on: a recipient might merge it into the head, whose fields are
 * judged.  Those of an answer are, except for fields of heads; if lax, lines
 * that are no fields are left out.  Returns 0 or -1.
 */
static int
trailer_byte(struct body *b, char c)
{
	if (++b->trailer > TRAILER_MAX)
		return -1;
	if (c == '\r' || c == '\n')
		return trailer_line(b, c);
	if (is_control(c))
		return -1;
	if (b->step == TRAILER_BEGIN)
		return trailer_begin(b, c);
	if (b->step == TRAILER_NAME || b->step == TRAILER_BLANK)
		return trailer_name(b, c);
	if (b->step == TRAILER_FOLD && is_blank(c))
		return 0;
	b->step = TRAILER_VALUE;
	if (b->kept)
		put(&c, 1);
	return 0;
}

/* Reads a byte of chunked content that is not data.  Returns 0 or -1. */
static int
chunk_byte(struct body *b, char c)
{
	switch (b->step) {
	case CHUNK_SIZE:
	case CHUNK_BLANK:
	case CHUNK_EXTENSION:
		return size_byte(b, c);
	case CHUNK_LF:
		if (c == '\n')
			size_end(b);
		return c == '\n' ? 0 : -1;
	case CHUNK_DATA_CR:
	case CHUNK_DATA_LF:
		return data_end(b, c);
	case TRAILER_LF:
		b->step = TRAILER_BEGIN;
		return c == '\n' ? 0 : -1;
	case TRAILER_END:
		return c == '\n' ? trailer_end(b) : -1;
	default:
		return trailer_byte(b, c);
	}
}

/* Reads data of a chunk, up to its end.  Returns how many bytes. */
static size_t
data_take(struct body *b, size_t len)
{
	size_t n = b->left < len ? (size_t)b->left : len;

	b->left -= n;
	if (b->left == 0)
		b->step = CHUNK_DATA_CR;
	return n;
}

/*
 * Reads chunked content.  Chunk extensions are hop-by-hop, RFC 9112 7.1.1, and
 * are always dropped.  Data alone is passed on from where it is.
 */
static int
chunks_take(
    struct body *b, const char *bytes, size_t len, struct body_part *part)
{
	size_t i = 0, n;

	*part = (struct body_part){ bytes, len, len };
	if (b->step == CHUNK_DATA && b->left > len) {
		data_take(b, len);
		return 0;
	}
	chunks_len = 0;
	while (i < len && !b->done) {
		if (b->step != CHUNK_DATA) {
			if (chunk_byte(b, bytes[i++]) != 0)
				return -1;
			continue;
		}
		n = data_take(b, len - i);
		put(bytes + i, n);
		i += n;
	}
	*part = (struct body_part){ chunks, chunks_len, i };
	return 0;
}

/*
 * Reads the next bytes of content, at most HEAD_MAX.  Stores in *part what to
 * pass on, which is valid until the next call, and how many of the bytes belong
 * to the content.  Returns 0, or -1 if the chunks are malformed.  Sets b->done
 * when the content is complete.
 */
int
body_take(struct body *b, const char *bytes, size_t len, struct body_part *part)
{
	*part = (struct body_part){ bytes, 0, 0 };
	if (b->done)
		return 0;
	if (b->kind == BODY_CHUNKED)
		return chunks_take(b, bytes, len, part);
	if (b->kind == BODY_LENGTH) {
		if (len > b->left)
			len = (size_t)b->left;
		b->left -= len;
		b->done = b->left == 0;
	}
	part->len = part->used = len;
	return 0;
}
