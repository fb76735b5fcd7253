/* SPDX-License-Identifier: ISC */
/* LINK: http/http.c parse.c base/addr.c base/local.c base/secret.c base/name.c http/refusal.c http/fields.c */
/*
 * Feeds answers and content to their readers: whole, in two parts at every
 * position, and byte by byte; the result must be the same.  The bytes always
 * end at a page that cannot be read, so that a reader that reads too far dies.
 */
#define _DEFAULT_SOURCE

#include <sys/mman.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../proxy.h"

enum {
	SIZE = 256 * 1024, /* bytes of a message, at most */
	STRIDE = 499,      /* bytes between two positions in long messages */
	SHORT = 2048       /* bytes of one in which all are tried */
};

static char *guard; /* the first byte that cannot be read */
static unsigned passed, failed;

static void
fail(const char *text, const char *what, size_t at)
{
	printf("%s (at byte %zu): %.120s\n", what, at, text);
	failed++;
}

static void
guard_make(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, SIZE + page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + SIZE, page, PROT_NONE) != 0) {
		perror("mmap");
		exit(2);
	}
	guard = map + SIZE;
}

static char *
guard_put(const char *bytes, size_t len)
{
	memcpy(guard - len, bytes, len);
	return guard - len;
}

static size_t
next_position(size_t at, size_t len)
{
	return len <= SHORT || at + STRIDE >= len ? at + 1 : at + STRIDE;
}

/* Answers. */

struct answer_row {
	const char *text;
	int status;          /* 0: bad; -1: incomplete */
	const char *content; /* "-", "chunked" or a length */
	const char *fields;  /* the fields, if they are not as sent */
};

#define OK "HTTP/1.1 200 OK\r\n"

static const struct answer_row answers[] = {
	{ OK "\r\n", 200, "-", NULL },
	{ "HTTP/1.0 200 OK\r\n\r\n", 200, "-", NULL },
	{ "HTTP/1.1 200 \r\n\r\n", 200, "-", NULL },
	{ "HTTP/1.1 200\r\n\r\n", 200, "-", NULL },
	{ "HTTP/1.1 404 N\xc3\xb6t \"f\tound\"\r\n\r\n", 404, "-", NULL },
	{ "HTTP/1.9 100 Continue\r\n\r\n", 100, "-", NULL },
	{ "HTTP/1.1 599 x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 599, "-", NULL },
	{ OK "Content-Length: 0\r\n\r\n", 200, "0", NULL },
	{ OK "content-length:\t12 \r\n\r\nabc", 200, "12", NULL },
	{ OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, "chunked",
	    NULL },
	{ OK "transfer-encoding:CHUNKED\r\n\r\n", 200, "chunked", NULL },
	{ OK "Connection: a, b\r\nProxy-Connection: c\r\n\r\n", 200, "-",
	    NULL },
	{ OK "Set-Cookie: a\r\nSet-Cookie: b\r\nX:\r\nY: \r\n\r\n", 200, "-",
	    NULL },
	{ "", -1, "", NULL },
	{ "HTTP/1.1 2", -1, "", NULL },
	{ OK, -1, "", NULL },
	{ OK "A: b\r\n", -1, "", NULL },
	{ OK "A: b\r\n\r", -1, "", NULL },
	/* Odd, but it can be read in one way. */
	{ "HTTP/1.1  200\t OK \r\n\r\n", 200, "-", NULL },
	{ "HTTP/1.1\t200 OK\r\n\r\n", 200, "-", NULL },
	{ "HTTP/1.1 600 OK\r\n\r\n", 600, "-", NULL },
	{ "HTTP/1.1 999\r\n\r\n", 999, "-", NULL },
	{ "\r\nHTTP/1.1 200 OK\r\n\r\n", 200, "-", NULL },
	{ "\r\n\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n", 200, "-", "A: b|" },
	{ "ICY 200 OK\r\nicy-name: x\r\nContent-Length: 5\r\n\r\n", 200, "-",
	    NULL },
	{ "ICY 404 x\n\n", 404, "-", NULL },
	{ "HTTP/1.1 200 OK\n\n", 200, "-", NULL },
	{ "HTTP/1.1 200 OK\nA: b\nContent-Length: 5\n\nabcde", 200, "5",
	    "A: b|Content-Length: 5|" },
	{ OK "A: b\n\r\n", 200, "-", "A: b|" },
	{ OK "A: b\r\n\n", 200, "-", "A: b|" },
	{ OK "\n", 200, "-", "" },
	{ OK "A : b\r\nB \t :\r\n\r\n", 200, "-", "A: b|B: |" },
	{ OK "Content-Length : 5\r\n\r\n", 200, "5", NULL },
	{ OK "A: b\r\n c\r\n\r\n", 200, "-", "A: b c|" },
	{ OK "A: b \t\r\n \t c \r\n\td\r\nB: e\r\n\r\n", 200, "-",
	    "A: b c d|B: e|" },
	{ OK "A: b\n c\n\nx\n y", 200, "-", "A: b c|" },
	{ OK "A:\r\n b\r\n \r\n\r\n", 200, "-", "A: b|" },
	{ OK "Content-Length:\r\n 5\r\n\r\n", 200, "5", "Content-Length: 5|" },
	{ OK "Transfer-Encoding:\r\n identity,\r\n\tchunked\r\n\r\n", 200,
	    "chunked", "Transfer-Encoding: identity, chunked|" },
	{ OK "A: b\r\n\tContent-Length: 5\r\n\r\n", 200, "-",
	    "A: b Content-Length: 5|" },
	{ OK " A: b\r\n\tC: d\r\nE: f\r\n\r\n", 200, "-", "E: f|" },
	{ OK " Content-Length: 5\r\n\r\n", 200, "-", "" },
	{ OK "A\r\nB: c\r\n\r\n", 200, "-", "B: c|" },
	{ OK ": b\r\n c\r\nB: c\r\n\r\n", 200, "-", "B: c|" },
	{ OK " : b\r\nB: c\r\n\r\n", 200, "-", "B: c|" },
	{ OK "(A): b\r\n\r\n", 200, "-", "" },
	{ OK "A B: c\r\n\r\n", 200, "-", "" },
	{ OK "\xc3\xa4: b\r\n\r\n", 200, "-", "" },
	{ OK "Content Length: 5\r\n\r\n", 200, "-", "" },
	{ OK "HTTP/1.1 204 x\r\n\r\n", 200, "-", "" },
	{ OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 200, "5", NULL },
	{ OK "Content-Length: 5\r\nContent-Length: 005 , 5\r\n\r\n", 200, "5",
	    NULL },
	{ OK "Content-Length: 5,5\r\n\r\n", 200, "5", NULL },
	{ OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 200,
	    "chunked", NULL },
	{ OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 200,
	    "chunked", NULL },
	{ OK "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n", 200,
	    "5", NULL },
	{ OK "Transfer-Encoding: Identity\r\n\r\n", 200, "-", NULL },
	{ OK "Transfer-Encoding: \r\n\r\n", 200, "-", NULL },
	{ OK "Transfer-Encoding: identity, chunked\r\n\r\n", 200, "chunked",
	    NULL },
	{ OK "Transfer-Encoding: chunked,\r\n\r\n", 200, "chunked", NULL },
	{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200,
	    "chunked", NULL },
	/* No answer, or it can be read in two ways. */
	{ "HTTP/2 200\r\n\r\n", 0, "", NULL },
	{ "HTTP/2.0 200 OK\r\n\r\n", 0, "", NULL },
	{ "http/1.1 200 OK\r\n\r\n", 0, "", NULL },
	{ "HTTP/1.1 20 OK\r\n\r\n", 0, "", NULL },
	{ "HTTP/1.1 2000 OK\r\n\r\n", 0, "", NULL },
	{ "HTTP/1.1 200OK\r\n\r\n", 0, "", NULL },
	{ "HTTP/1.1200 OK\r\n\r\n", 0, "", NULL },
	{ "HTTP/1.1 099 OK\r\n\r\n", 0, "", NULL },
	{ "HTTP/1.1 +20 OK\r\n\r\n", 0, "", NULL },
	{ "HTTP/1.1 \r\n\r\n", 0, "", NULL },
	{ "HTTP/1.11 200 OK\r\n\r\n", 0, "", NULL },
	{ "HTTP/1. 200 OK\r\n\r\n", 0, "", NULL },
	{ " HTTP/1.1 200 OK\r\n\r\n", 0, "", NULL },
	{ "HTTP/1.1\r\n 200 OK\r\n\r\n", 0, "", NULL },
	{ "ICY200 OK\r\n\r\n", 0, "", NULL },
	{ "ICY 100 x\r\n\r\n", 0, "", NULL },
	{ "icy 200 OK\r\n\r\n", 0, "", NULL },
	{ "A: b\r\n\r\n", 0, "", NULL },
	{ "\r\nA: b\r\n", 0, "", NULL },
	{ "<html>\n", 0, "", NULL },
	{ "220 mail.example ESMTP\r\n", 0, "", NULL },
	{ "SSH-2.0-OpenSSH_9.2\r\n", 0, "", NULL },
	{ OK "A: b\r\r\n\r\n", 0, "", NULL },
	{ OK "A: b\rC: d\r\n\r\n", 0, "", NULL },
	{ OK "A: b\n\rC: d\n\n", 0, "", NULL },
	{ "\r\r\nHTTP/1.1 200 OK\r\n\r\n", 0, "", NULL },
	{ OK "A: b\x01\r\n\r\n", 0, "", NULL },
	{ OK "A: b\x7f\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: \r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: +5\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: -5\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: 0x5\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: 5 5\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: 5,\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: ,5\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: 5,6\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: 5\r\n 6\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: 9999999999999999999\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: 5\r\nContent-Length : 6\r\n\r\n", 0, "", NULL },
	{ OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
	     "Content-Length: 6\r\n\r\n",
	    0, "", NULL },
	{ OK "Transfer-Encoding: gzip, chunked\r\n\r\n", 0, "", NULL },
	{ OK "Transfer-Encoding: gzip\r\n\r\n", 0, "", NULL },
	{ OK "Transfer-Encoding: xchunked\r\n\r\n", 0, "", NULL },
	{ OK "Transfer-Encoding: chunked;a=b\r\n\r\n", 0, "", NULL },
	{ OK "Transfer-Encoding: chunked identity\r\n\r\n", 0, "", NULL },
	{ OK "Transfer-Encoding: chunked, identity\r\n\r\n", 0, "", NULL },
	{ OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", 0,
	    "", NULL },
	{ OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	    0, "", NULL },
	{ OK "Connection: 1\r\nConnection: 2\r\nConnection: 3\r\n"
	     "Connection: 4\r\nConnection: 5\r\nConnection: 6\r\n"
	     "Connection: 7\r\nConnection: 8\r\nConnection: 9\r\n\r\n",
	    0, "", NULL },
};

/* The result and its important parts, in a line. */
static const char *
answer_text(enum parse_result result, const struct http_answer *a, char out[80])
{
	char content[24] = "-";

	if (result == PARSE_MORE)
		return "incomplete";
	if (result == PARSE_BAD)
		return a->why != NULL ? "bad" : "bad, and no reason is given";
	if (a->has_length)
		snprintf(content, sizeof(content), "%llu",
		    (unsigned long long)a->length);
	snprintf(out, 80, "%d %s", a->status, a->chunked ? "chunked" : content);
	return out;
}

/* Compares the fields of an answer, each followed by a "|". */
static void
fields_compare(
    const struct http_answer *a, const char *text, const char *wanted)
{
	char out[256] = "";
	size_t at = a->first_field, n = 0;
	struct http_field f;

	while (http_field(a->head, a->text_len, &at, &f))
		if (http_is_field(&f))
			n += (size_t)snprintf(out + n, sizeof(out) - n,
			    "%.*s: %.*s|", (int)f.name_len, f.line,
			    (int)f.value_len, f.value);
	if (wanted != NULL && strcmp(out, wanted) != 0)
		fail(text, out, 0);
}

/* One call with the first len bytes. */
static enum parse_result
answer_feed(struct http_answer *a, const char *text, size_t len)
{
	enum parse_result result = http_answer(a, guard_put(text, len), len);

	if (result != PARSE_OK)
		return result;
	if (a->head_len > len || a->text_len > a->head_len ||
	    a->first_field > a->text_len || text[a->head_len - 1] != '\n' ||
	    a->reason.at + a->reason.len > a->first_field)
		fail(text, "the head does not end where it ends", len);
	for (unsigned i = 0; i < a->noptions; i++)
		if (a->options[i].at + a->options[i].len > a->head_len)
			fail(text, "an option is not in the head", len);
	return result;
}

static void
answer_test(
    const char *text, size_t len, const char *wanted, const char *fields)
{
	unsigned before = failed;
	char out[80];

	for (size_t cut = 0; cut <= len; cut = next_position(cut, len)) {
		struct http_answer a = { 0 };
		enum parse_result result = answer_feed(&a, text, cut);

		if (result == PARSE_MORE)
			result = answer_feed(&a, text, len);
		if (strcmp(answer_text(result, &a, out), wanted) != 0)
			fail(text, answer_text(result, &a, out), cut);
		if (result == PARSE_OK)
			fields_compare(&a, text, fields);
	}
	for (size_t step = 1; step <= 7; step += 6) {
		struct http_answer a = { 0 };
		enum parse_result result = PARSE_MORE;
		size_t at = 0;

		while (result == PARSE_MORE && at < len) {
			at = at + step < len ? at + step : len;
			result = answer_feed(&a, text, at);
		}
		if (strcmp(answer_text(result, &a, out), wanted) != 0)
			fail(text, answer_text(result, &a, out), at);
	}
	passed += failed == before;
}

static void
answer_rows(void)
{
	char wanted[80];

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		const struct answer_row *row = &answers[i];

		snprintf(
		    wanted, sizeof(wanted), "%d %s", row->status, row->content);
		answer_test(row->text, strlen(row->text),
		    row->status < 0        ? "incomplete"
			: row->status == 0 ? "bad"
					   : wanted,
		    row->fields);
	}
}

/* Connection may have 32 options, and not more. */
static void
answer_options(void)
{
	char text[1024];

	for (int names = 32; names <= 33; names++) {
		int n = snprintf(text, sizeof(text), OK "Connection: ");

		for (int i = 0; i < names; i++, n += 2)
			memcpy(text + n, "a,", 2);
		memcpy(text + n - 1, "\r\n\r\n", 4);
		answer_test(
		    text, (size_t)n + 3, names == 32 ? "200 -" : "bad", NULL);
	}
}

/* NUL bytes, and heads at their limit. */
static void
answer_sizes(void)
{
	static char text[HEAD_MAX + 16];
	const size_t begin = sizeof(OK "A: ") - 1;

	answer_test(OK "A: b\0c\r\n\r\n", sizeof(OK "A: b\0c\r\n\r\n") - 1,
	    "bad", NULL);
	memset(text, 'x', sizeof(text));
	memcpy(text, OK "A: ", begin);
	answer_test(text, HEAD_MAX - 1, "incomplete", NULL);
	answer_test(text, HEAD_MAX, "bad", NULL);
	memcpy(text + HEAD_MAX - 4, "\r\n\r\n", 4);
	answer_test(text, HEAD_MAX, "200 -", NULL);
}

/* Content. */

struct body_row {
	enum body_kind kind;
	uint64_t length;
	const char *text;
	const char *passed; /* what goes on; NULL: it is malformed */
	const char *data;   /* and with the chunks taken off */
	size_t rest;        /* bytes behind it */
	bool incomplete;
};

/* Content of requests, which is read strictly. */
static const struct body_row strict[] = {
	{ BODY_LENGTH, 0, "", "", "", 0, false },
	{ BODY_LENGTH, 0, "GET ", "", "", 4, false },
	{ BODY_LENGTH, 5, "abcde", "abcde", "abcde", 0, false },
	{ BODY_LENGTH, 5, "abcdefg", "abcde", "abcde", 2, false },
	{ BODY_LENGTH, 5, "abcd", "abcd", "abcd", 0, true },
	{ BODY_TO_END, 0, "abc\r\n0\r\n\r\n", "abc\r\n0\r\n\r\n",
	    "abc\r\n0\r\n\r\n", 0, true },
	{ BODY_CHUNKED, 0, "0\r\n\r\n", "0\r\n\r\n", "", 0, false },
	{ BODY_CHUNKED, 0, "0\r\n\r\nGET", "0\r\n\r\n", "", 3, false },
	{ BODY_CHUNKED, 0, "5\r\nabcde\r\n0\r\n\r\n", "5\r\nabcde\r\n0\r\n\r\n",
	    "abcde", 0, false },
	{ BODY_CHUNKED, 0, "5\r\na\r\nbc\r\n0\r\n\r\n",
	    "5\r\na\r\nbc\r\n0\r\n\r\n", "a\r\nbc", 0, false },
	/* Sizes are written in one form. */
	{ BODY_CHUNKED, 0, "1\r\na\r\n0A\r\n0123456789\r\n00\r\n\r\n",
	    "1\r\na\r\na\r\n0123456789\r\n0\r\n\r\n", "a0123456789", 0, false },
	{ BODY_CHUNKED, 0, "00000000000000a\r\n0123456789\r\n0\r\n\r\n",
	    "a\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0, false },
	{ BODY_CHUNKED, 0,
	    "00000000000000000010\r\n0123456789abcdef\r\n0\r\n\r\n",
	    "10\r\n0123456789abcdef\r\n0\r\n\r\n", "0123456789abcdef", 0,
	    false },
	{ BODY_CHUNKED, 0, "1 \r\na\r\n0 \t \r\n\r\n", "1\r\na\r\n0\r\n\r\n",
	    "a", 0, false },
	{ BODY_CHUNKED, 0, "1\t\r\na\r\n000000000000000000\r\n\r\n",
	    "1\r\na\r\n0\r\n\r\n", "a", 0, false },
	{ BODY_CHUNKED, 0, "1 ;a\r\na\r\n0\t ; a = b\r\n\r\n",
	    "1\r\na\r\n0\r\n\r\n", "a", 0, false },
	{ BODY_CHUNKED, 0, "1;a;b=\"c d\t\"\r\nx\r\n0 \r\n\r\n",
	    "1\r\nx\r\n0\r\n\r\n", "x", 0, false },
	{ BODY_CHUNKED, 0, "1;a;b=\"c d\t\"\r\nx\r\n0;\r\n\r\n",
	    "1\r\nx\r\n0\r\n\r\n", "x", 0, false },
	/* Trailers are not passed on. */
	{ BODY_CHUNKED, 0, "0\r\nA: b\r\nC:\r\n\r\nx", "0\r\n\r\n", "", 1,
	    false },
	{ BODY_CHUNKED, 0, "0\r\nETag: x\r\nVia: y\r\n\r\n", "0\r\n\r\n", "", 0,
	    false },
	{ BODY_CHUNKED, 0,
	    "0\r\nA23456789012345678901234567890123456789012345678901234567890"
	    "1234: x\r\nA2345678901234567890123456789012345678901234567890123"
	    "45678901234567890: x\r\n\r\n",
	    "0\r\n\r\n", "", 0, false },
	{ BODY_CHUNKED, 0, "", "", "", 0, true },
	{ BODY_CHUNKED, 0, "5", "", "", 0, true },
	{ BODY_CHUNKED, 0, "5\r\nabc", "5\r\nabc", "abc", 0, true },
	{ BODY_CHUNKED, 0, "1\r\na\r\n", "1\r\na\r\n", "a", 0, true },
	{ BODY_CHUNKED, 0, "0\r\n", "0\r\n", "", 0, true },
	{ BODY_CHUNKED, 0, "0\r\nA: b\r\n\r", "0\r\n", "", 0, true },
	{ BODY_CHUNKED, 0, "1;a\r\nx\r\n0;b=\"c;\r d\"\r\n\r\n", NULL, NULL, 0,
	    false },
	{ BODY_CHUNKED, 0, "\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "g\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "-1\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "+1\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0x1\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, " 1\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1 1\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1 a\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, " \r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1_0\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, ";a\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1 \na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\r\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1 \rx\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1;\n\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1;\x01\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\r\na\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\r\nab\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\r\na\r0", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\r\na0\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1000000000000000\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "001000000000000000\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "7fffffffffffffff\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "ffffffffffffffff\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "10000000000000001\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "fffffffffffffff\r\na", "fffffffffffffff\r\na", "a",
	    0, true },
	{ BODY_CHUNKED, 0, "0\r\n\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\n\r\r", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nA\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\n: b\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nA : b\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nA: b\r\n c: d\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\n A: b\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nA: b\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nA: b\rc\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nA: \x01\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nGET / HTTP/1.1\r\n\r\n", NULL, NULL, 0,
	    false },
	{ BODY_CHUNKED, 0, "0\r\nContent-Length: 5\r\n\r\n", NULL, NULL, 0,
	    false },
	{ BODY_CHUNKED, 0, "0\r\ntransfer-encoding: x\r\n\r\n", NULL, NULL, 0,
	    false },
	{ BODY_CHUNKED, 0, "0\r\nHost: x\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nConnection: x\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nAUTHORIZATION: x\r\n\r\n", NULL, NULL, 0,
	    false },
	{ BODY_CHUNKED, 0, "0\r\nCookie: x\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nExpect: x\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nMax-Forwards: 0\r\n\r\n", NULL, NULL, 0,
	    false },
	{ BODY_CHUNKED, 0, "0\r\nrange: x\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\r\nX-Tinyproxy: x\r\n\r\n", NULL, NULL, 0,
	    false },
};

/* Content of answers. */
static const struct body_row lax[] = {
	{ BODY_CHUNKED, 0, "5;a\r\nabcde\r\n0\r\n\r\nx",
	    "5\r\nabcde\r\n0\r\n\r\n", "abcde", 1, false },
	{ BODY_CHUNKED, 0, "005 ;a\nabcde\n1\r\n\n\n0 \n\nx",
	    "5\r\nabcde\r\n1\r\n\n\r\n0\r\n\r\n", "abcde\n", 1, false },
	{ BODY_CHUNKED, 0, "1;\na\r\n0\r\n\n", "1\r\na\r\n0\r\n\r\n", "a", 0,
	    false },
	{ BODY_CHUNKED, 0, "0\n\r\nx", "0\r\n\r\n", "", 1, false },
	{ BODY_CHUNKED, 0, "0\r\nA: b\r\nC:\r\n\r\nx",
	    "0\r\nA: b\r\nC:\r\n\r\n", "", 1, false },
	{ BODY_CHUNKED, 0, "0\nA: b\nC:d\n\nx", "0\r\nA: b\r\nC:d\r\n\r\n", "",
	    1, false },
	{ BODY_CHUNKED, 0, "0\r\nA \t: b\r\n\r\n", "0\r\nA: b\r\n\r\n", "", 0,
	    false },
	{ BODY_CHUNKED, 0, "0\r\nA: b\r\n \t c\r\n\td\r\nE: f\r\n\r\n",
	    "0\r\nA: b c d\r\nE: f\r\n\r\n", "", 0, false },
	{ BODY_CHUNKED, 0, "0\r\nA: b\n \n\n", "0\r\nA: b \r\n\r\n", "", 0,
	    false },
	{ BODY_CHUNKED, 0, "0\r\n A: b\r\nC: d\r\n\r\n", "0\r\nC: d\r\n\r\n",
	    "", 0, false },
	{ BODY_CHUNKED, 0,
	    "0\r\nA\r\n: b\r\n c: d\r\nE F: g\r\n(H): i\r\n J: k\r\nL: m\r\n\r\n",
	    "0\r\nL: m\r\n\r\n", "", 0, false },
	{ BODY_CHUNKED, 0,
	    "0\r\nContent-Length: 5\r\nA: b\r\nTransfer-Encoding: chunked\r\n "
	    "C: d\r\nConnection: x\r\nSET-COOKIE : y\r\ncontent-type:z\r\n\r\n",
	    "0\r\nA: b\r\n\r\n", "", 0, false },
	{ BODY_CHUNKED, 0,
	    "0\r\nA23456789012345678901234567890123456789012345678901234567890"
	    "1234: x\r\nA2345678901234567890123456789012345678901234567890123"
	    "4567890123456: y\r\nB: c\r\n\r\n",
	    "0\r\nA23456789012345678901234567890123456789012345678901234567890"
	    "1234: x\r\nB: c\r\n\r\n",
	    "", 0, false },
	{ BODY_CHUNKED, 0, "0\r\nGET / HTTP/1.1\r\n\r\n", "0\r\n\r\n", "", 0,
	    false },
	{ BODY_CHUNKED, 0, "0\nA: b\n", "0\r\nA: b", "", 0, true },
	{ BODY_CHUNKED, 0, "\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, " 1\na\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1 1\na\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "x\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\rx\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\r\nab\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\na\rb", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1;\x01\na\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\n\rx", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\nA: b\rc\n\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\nA\rb: c\n\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\nA\x01: c\n\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0\nA: \x7f\n\n", NULL, NULL, 0, false },
};

/* The result for content that was fed in parts. */
struct fed {
	char *out;
	size_t len, used;
	bool bad, done;
};

/* Feeds the bytes in parts that end at cut, and then in those of step. */
static void
body_feed(struct fed *fed, const struct body_row *row, unsigned how,
    const char *text, size_t len, size_t cut, size_t step)
{
	struct body b;

	body_begin(&b, row->kind, row->length, how);
	fed->len = fed->used = 0;
	fed->bad = false;
	for (size_t at = 0; at < len && !fed->bad; at = cut, cut += step) {
		struct body_part part;

		if (cut > len || cut < at)
			cut = len;
		fed->bad = body_take(&b, guard_put(text + at, cut - at),
			       cut - at, &part) != 0;
		if (fed->bad)
			break;
		if (part.used > cut - at || (part.used < cut - at && !b.done) ||
		    part.len > cut - at + (cut - at) / 2 + 128)
			fail(text, "bytes are lost, or too many", at);
		memcpy(fed->out + fed->len, part.bytes, part.len);
		fed->len += part.len;
		fed->used += part.used;
	}
	fed->done = b.done;
}

static void
body_compare(const struct body_row *row, unsigned how, const char *text,
    size_t len, const struct fed *fed, size_t cut)
{
	const char *wanted = how & BODY_STRIP ? row->data : row->passed;

	if (fed->bad != (wanted == NULL))
		fail(text, fed->bad ? "is malformed" : "is taken", cut);
	else if (wanted != NULL &&
	    (fed->len != strlen(wanted) ||
		memcmp(fed->out, wanted, fed->len) != 0))
		fail(text, "something else goes on", cut);
	else if (wanted != NULL && fed->done == row->incomplete)
		fail(text, fed->done ? "is complete" : "is incomplete", cut);
	else if (wanted != NULL && fed->used != len - row->rest)
		fail(text, "ends elsewhere", cut);
}

static void
body_test(const struct body_row *row, unsigned how)
{
	static char out[SIZE];
	struct fed fed = { .out = out };
	size_t len = strlen(row->text);
	unsigned before = failed;

	for (size_t cut = 1; cut <= len; cut++) {
		body_feed(&fed, row, how, row->text, len, cut, len);
		body_compare(row, how, row->text, len, &fed, cut);
	}
	for (size_t step = 1; step <= 3; step += 2) {
		body_feed(&fed, row, how, row->text, len, step, step);
		body_compare(row, how, row->text, len, &fed, step);
	}
	passed += failed == before;
}

/* Endless lines and trailers are refused at some length. */
static void
body_limits(const char *begin, const char *more, size_t most)
{
	static char out[SIZE], text[SIZE];
	const struct body_row row = { .kind = BODY_CHUNKED };
	struct fed fed = { .out = out };
	size_t len = strlen(begin);

	memcpy(text, begin, len);
	while (len < 2 * most) {
		memcpy(text + len, more, strlen(more));
		len += strlen(more);
	}
	body_feed(&fed, &row, 0, text, most / 2, most / 2, 1);
	if (fed.bad)
		fail(begin, "is refused too early", most / 2);
	body_feed(&fed, &row, BODY_LAX, text, len, len, 1);
	if (!fed.bad)
		fail(begin, "may go on and on", len);
	body_feed(&fed, &row, BODY_STRIP, text, len, 1, 1);
	if (!fed.bad)
		fail(begin, "may go on byte by byte", len);
	passed++;
}

/* Lists of tokens. */
static void
list_test(const char *list, const char *token, bool wanted)
{
	size_t len = strlen(list);

	if (http_lists(guard_put(list, len), len, token, strlen(token)) !=
	    wanted)
		fail(list, token, 0);
	else
		passed++;
}

int
main(void)
{
	guard_make();
	answer_rows();
	answer_options();
	answer_sizes();
	for (size_t i = 0; i < sizeof(strict) / sizeof(*strict); i++) {
		body_test(&strict[i], 0);
		body_test(&strict[i], BODY_STRIP);
	}
	for (size_t i = 0; i < sizeof(lax) / sizeof(*lax); i++) {
		body_test(&lax[i], BODY_LAX);
		body_test(&lax[i], BODY_LAX | BODY_STRIP);
	}
	body_limits("1;", "aaaaaaaa", 1024);
	body_limits("0\r\n", "A: aaaaaaaaaaa\r\n", 16 * 1024);
	body_limits("0\r\nA:", "aaaaaaaa", 16 * 1024);
	body_limits("0\r\n", "a", 16 * 1024);
	body_limits("1 ", " ", 1024);
	list_test("close", "close", true);
	list_test("keep-alive, CLOSE", "close", true);
	list_test("\t close \t,x", "close", true);
	list_test(",,close,", "close", true);
	list_test("closed", "close", false);
	list_test("clos", "close", false);
	list_test("close x", "close", false);
	list_test("\"close\"", "close", false);
	list_test("", "close", false);
	list_test(",", "close", false);
	printf("%u passed, %u failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}
