/* SPDX-License-Identifier: ISC */
/* The parts of HTTP messages that are passed on: fields, answers, content. */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"

/* A field of a head; it points into the head. */
struct http_field {
	const char *line, *value;
	size_t len, name_len, value_len;
};

/* The head of an answer. */
struct http_answer {
	const char *why; /* PARSE_BAD: what is wrong, "sent ..." */
	const char *head;
	size_t head_len; /* bytes received of it, with what precedes it */
	size_t text_len; /* bytes of it after folded fields became lines */
	size_t begin, first_field;
	struct slice reason; /* what follows the status; may be empty */
	int status;
	bool minor; /* HTTP/1.1, not HTTP/1.0 */
	bool icy;   /* "ICY 200 OK": content up to the end follows */
	bool chunked, has_length;
	bool nameless; /* with lines that are no fields; see http_is_field() */
	bool odd;      /* others might see its end elsewhere */
	uint64_t length;
	struct slice options[OPTIONS_MAX]; /* values of Connection */
	unsigned noptions;
	size_t options_size; /* bytes of all of them */
	unsigned named;      /* options in all of them */
	/* What the reader keeps from one call to the next. */
	size_t scanned; /* bytes that have been read */
	size_t line;    /* where the last line begins */
	bool folded;    /* a line begins with a blank */
};

enum body_kind { BODY_LENGTH, BODY_CHUNKED, BODY_TO_END };

/* How content is read and passed on. */
enum {
	BODY_STRIP = 1, /* without chunks, for a recipient that has none */
	BODY_LAX = 2    /* of an answer: lines may end in LF, and so on */
};

/* The most bytes that HEAD_MAX bytes of content may become. */
enum { BODY_SIZE = HEAD_MAX + HEAD_MAX / 2 + 128 };

/* The state of content that is passed on. */
struct body {
	enum body_kind kind;
	bool done, strip, lax;
	bool odd;      /* in chunks that only lax readers understand */
	bool kept;     /* a trailer is passed on; its line has no end yet */
	uint64_t left; /* bytes, of the content or of a chunk */
	int step;
	uint32_t line, digits, trailer; /* bytes so far */
	char name[64];                  /* of a trailer field */
};

/* A part of content: what to pass on, and how much of the input that was. */
struct body_part {
	const char *bytes;
	size_t len, used;
};

bool http_field(const char *head, size_t len, size_t *at, struct http_field *);
bool http_is(const struct http_field *, const char *name);
bool http_is_field(const struct http_field *);
bool http_lists(
    const char *list, size_t len, const char *token, size_t token_len);
enum parse_result http_answer(struct http_answer *, char *head, size_t len);
void body_begin(struct body *, enum body_kind, uint64_t length, unsigned how);
int body_take(struct body *, const char *bytes, size_t len, struct body_part *);

#endif
