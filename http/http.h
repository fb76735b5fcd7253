/* SPDX-License-Identifier: ISC */
/* The parts of HTTP messages that are passed on: fields, answers, content. */
#ifndef HTTP_H
#define HTTP_H

#include <sys/types.h>

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
	size_t head_len, scanned, first_field;
	int status;
	bool minor; /* HTTP/1.1, not HTTP/1.0 */
	bool chunked, has_length;
	uint64_t length;
	struct slice options[OPTIONS_MAX]; /* values of Connection */
	unsigned noptions;
	size_t options_size; /* bytes of all of them */
};

enum body_kind { BODY_LENGTH, BODY_CHUNKED, BODY_TO_END };

/* The state of content that is passed on. */
struct body {
	enum body_kind kind;
	bool done, strip;
	uint64_t left; /* bytes, of the content or of a chunk */
	int step;
	uint32_t line, digits, trailer; /* bytes so far */
	char name[64];                  /* of a trailer field */
};

bool http_field(const char *head, size_t len, size_t *at, struct http_field *);
bool http_is(const struct http_field *, const char *name);
bool http_lists(
    const char *list, size_t len, const char *token, size_t token_len);
enum parse_result http_answer(
    struct http_answer *, const char *head, size_t len);
void body_begin(struct body *, enum body_kind, uint64_t length, bool strip);
ssize_t body_take(struct body *, char *bytes, size_t len, size_t *used);

#endif
