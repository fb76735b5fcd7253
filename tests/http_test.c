/* SPDX-License-Identifier: ISC */
/* LINK: http/http.c parse.c base/addr.c base/secret.c base/name.c http/refusal.c */
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
};

#define OK "HTTP/1.1 200 OK\r\n"

static const struct answer_row answers[] = {
	{ OK "\r\n", 200, "-" },
	{ "HTTP/1.0 200 OK\r\n\r\n", 200, "-" },
	{ "HTTP/1.1 200 \r\n\r\n", 200, "-" },
	{ "HTTP/1.1 200\r\n\r\n", 200, "-" },
	{ "HTTP/1.1 404 N\xc3\xb6t \"f\tound\"\r\n\r\n", 404, "-" },
	{ "HTTP/1.9 100 Continue\r\n\r\n", 100, "-" },
	{ "HTTP/1.1 599 x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 599, "-" },
	{ OK "Content-Length: 0\r\n\r\n", 200, "0" },
	{ OK "content-length:\t12 \r\n\r\nabc", 200, "12" },
	{ OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, "chunked" },
	{ OK "transfer-encoding:CHUNKED\r\n\r\n", 200, "chunked" },
	{ OK "Connection: a, b\r\nProxy-Connection: c\r\n\r\n", 200, "-" },
	{ OK "Set-Cookie: a\r\nSet-Cookie: b\r\nX:\r\nY: \r\n\r\n", 200, "-" },
	{ "", -1, "" },
	{ "HTTP/1.1 2", -1, "" },
	{ OK, -1, "" },
	{ OK "A: b\r\n", -1, "" },
	{ OK "A: b\r\n\r", -1, "" },
	{ "HTTP/2 200\r\n\r\n", 0, "" },
	{ "HTTP/2.0 200 OK\r\n\r\n", 0, "" },
	{ "http/1.1 200 OK\r\n\r\n", 0, "" },
	{ "ICY 200 OK\r\n\r\n", 0, "" },
	{ "HTTP/1.1  200 OK\r\n\r\n", 0, "" },
	{ "HTTP/1.1\t200 OK\r\n\r\n", 0, "" },
	{ "HTTP/1.1 20 OK\r\n\r\n", 0, "" },
	{ "HTTP/1.1 2000 OK\r\n\r\n", 0, "" },
	{ "HTTP/1.1 200OK\r\n\r\n", 0, "" },
	{ "HTTP/1.1 099 OK\r\n\r\n", 0, "" },
	{ "HTTP/1.1 600 OK\r\n\r\n", 0, "" },
	{ "HTTP/1.1 +20 OK\r\n\r\n", 0, "" },
	{ "HTTP/1.11 200 OK\r\n\r\n", 0, "" },
	{ "HTTP/1. 200 OK\r\n\r\n", 0, "" },
	{ "\r\nHTTP/1.1 200 OK\r\n\r\n", 0, "" },
	{ "\r\n\r\n", 0, "" },
	{ "A: b\r\n\r\n", 0, "" },
	{ "<html>\n", 0, "" },
	{ "220 mail.example ESMTP\r\n\r\n", 0, "" },
	{ "HTTP/1.1 200 OK\n\n", 0, "" },
	{ OK "A: b\n\r\n", 0, "" },
	{ OK "A: b\r\r\n\r\n", 0, "" },
	{ OK "A: b\rC: d\r\n\r\n", 0, "" },
	{ OK "A: b\x01\r\n\r\n", 0, "" },
	{ OK "A: b\x7f\r\n\r\n", 0, "" },
	{ OK "A\r\n\r\n", 0, "" },
	{ OK ": b\r\n\r\n", 0, "" },
	{ OK "A : b\r\n\r\n", 0, "" },
	{ OK " A: b\r\n\r\n", 0, "" },
	{ OK "A: b\r\n c\r\n\r\n", 0, "" },
	{ OK "A: b\r\n\tContent-Length: 5\r\n\r\n", 0, "" },
	{ OK "(A): b\r\n\r\n", 0, "" },
	{ OK "\xc3\xa4: b\r\n\r\n", 0, "" },
	{ OK "Content-Length: \r\n\r\n", 0, "" },
	{ OK "Content-Length: +5\r\n\r\n", 0, "" },
	{ OK "Content-Length: -5\r\n\r\n", 0, "" },
	{ OK "Content-Length: 5,5\r\n\r\n", 0, "" },
	{ OK "Content-Length: 0x5\r\n\r\n", 0, "" },
	{ OK "Content-Length : 5\r\n\r\n", 0, "" },
	{ OK "Content-Length: 9999999999999999999\r\n\r\n", 0, "" },
	{ OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 0, "" },
	{ OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0, "" },
	{ OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 0, "" },
	{ OK "Transfer-Encoding: gzip, chunked\r\n\r\n", 0, "" },
	{ OK "Transfer-Encoding: chunked,\r\n\r\n", 0, "" },
	{ OK "Transfer-Encoding: identity\r\n\r\n", 0, "" },
	{ OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	    0, "" },
	{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0, "" },
	{ OK "Connection: 1\r\nConnection: 2\r\nConnection: 3\r\n"
	     "Connection: 4\r\nConnection: 5\r\nConnection: 6\r\n"
	     "Connection: 7\r\nConnection: 8\r\nConnection: 9\r\n\r\n",
	    0, "" },
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

/* One call with the first len bytes. */
static enum parse_result
answer_feed(struct http_answer *a, const char *text, size_t len)
{
	enum parse_result result = http_answer(a, guard_put(text, len), len);

	if (result != PARSE_OK)
		return result;
	if (a->head_len > len || a->first_field > a->head_len ||
	    memcmp(text + a->head_len - 4, "\r\n\r\n", 4) != 0)
		fail(text, "the head does not end where it ends", len);
	for (unsigned i = 0; i < a->noptions; i++)
		if (a->options[i].at + a->options[i].len > a->head_len)
			fail(text, "an option is not in the head", len);
	return result;
}

static void
answer_test(const char *text, size_t len, const char *wanted)
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
					   : wanted);
	}
}

/* Connection may name 256 fields, and not more. */
static void
answer_options(void)
{
	char text[1024];

	for (int names = 256; names <= 257; names++) {
		int n = snprintf(text, sizeof(text), OK "Connection: ");

		for (int i = 0; i < names; i++, n += 2)
			memcpy(text + n, "a,", 2);
		memcpy(text + n, "\r\n\r\n", 4);
		answer_test(
		    text, (size_t)n + 4, names == 256 ? "200 -" : "bad");
	}
}

/* NUL bytes, and heads at their limit. */
static void
answer_sizes(void)
{
	static char text[HEAD_MAX + 16];
	const size_t begin = sizeof(OK "A: ") - 1;

	answer_test(
	    OK "A: b\0c\r\n\r\n", sizeof(OK "A: b\0c\r\n\r\n") - 1, "bad");
	memset(text, 'x', sizeof(text));
	memcpy(text, OK "A: ", begin);
	answer_test(text, HEAD_MAX - 1, "incomplete");
	answer_test(text, HEAD_MAX, "bad");
	memcpy(text + HEAD_MAX - 4, "\r\n\r\n", 4);
	answer_test(text, HEAD_MAX, "200 -");
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

static const struct body_row bodies[] = {
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
	{ BODY_CHUNKED, 0, "1\r\na\r\n0A\r\n0123456789\r\n00\r\n\r\n",
	    "1\r\na\r\n0A\r\n0123456789\r\n00\r\n\r\n", "a0123456789", 0,
	    false },
	{ BODY_CHUNKED, 0, "00000000000000a\r\n0123456789\r\n0\r\n\r\n",
	    "00000000000000a\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0,
	    false },
	{ BODY_CHUNKED, 0, "1;a\r\nx\r\n0;b=\"c;\r d\"\r\n\r\n", NULL, NULL, 0,
	    false },
	{ BODY_CHUNKED, 0, "1;a;b=\"c d\t\"\r\nx\r\n0 \r\n\r\n", NULL, NULL, 0,
	    false },
	{ BODY_CHUNKED, 0, "1;a;b=\"c d\t\"\r\nx\r\n0;\r\n\r\n",
	    "1\r\nx\r\n0\r\n\r\n", "x", 0, false },
	{ BODY_CHUNKED, 0, "0\r\nA: b\r\nC:\r\n\r\nx",
	    "0\r\nA: b\r\nC:\r\n\r\n", "", 1, false },
	{ BODY_CHUNKED, 0, "", "", "", 0, true },
	{ BODY_CHUNKED, 0, "5", "5", "", 0, true },
	{ BODY_CHUNKED, 0, "5\r\nabc", "5\r\nabc", "abc", 0, true },
	{ BODY_CHUNKED, 0, "1\r\na\r\n", "1\r\na\r\n", "a", 0, true },
	{ BODY_CHUNKED, 0, "0\r\n", "0\r\n", "", 0, true },
	{ BODY_CHUNKED, 0, "0\r\nA: b\r\n\r", "0\r\nA: b\r\n\r", "", 0, true },
	{ BODY_CHUNKED, 0, "\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "g\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "-1\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "+1\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0x1\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, " 1\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1 \r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\t\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1 ;a\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1_0\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, ";a\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\r\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1;\n\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1;\x01\r\na\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\r\na\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\r\nab\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\r\na\r0", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "1\r\na0\r\n\r\n", NULL, NULL, 0, false },
	{ BODY_CHUNKED, 0, "0000000000000001\r\n", NULL, NULL, 0, false },
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
	{ BODY_CHUNKED, 0, "0\r\nA: b\n\r\n", NULL, NULL, 0, false },
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
	{ BODY_CHUNKED, 0, "0\r\nETag: x\r\n\r\n", "0\r\nETag: x\r\n\r\n", "",
	    0, false },
};

/* The result for content that was fed in parts. */
struct fed {
	char *out;
	size_t len, used;
	bool bad, done;
};

/* Feeds the bytes in parts that end at cut, and then in those of step. */
static void
body_feed(struct fed *fed, const struct body_row *row, bool strip,
    const char *text, size_t len, size_t cut, size_t step)
{
	struct body b;

	body_begin(&b, row->kind, row->length, strip);
	fed->len = fed->used = 0;
	fed->bad = false;
	for (size_t at = 0; at < len && !fed->bad; at = cut, cut += step) {
		char *bytes;
		size_t used = 0;
		ssize_t n;

		if (cut > len || cut < at)
			cut = len;
		bytes = guard_put(text + at, cut - at);
		n = body_take(&b, bytes, cut - at, &used);
		fed->bad = n < 0;
		if (fed->bad)
			break;
		if (used > cut - at || (size_t)n > used ||
		    (used < cut - at && !b.done))
			fail(text, "bytes are lost", at);
		memcpy(fed->out + fed->len, bytes, (size_t)n);
		fed->len += (size_t)n;
		fed->used += used;
	}
	fed->done = b.done;
}

static void
body_compare(const struct body_row *row, bool strip, const char *text,
    size_t len, const struct fed *fed, size_t cut)
{
	const char *wanted = strip ? row->data : row->passed;

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
body_test(const struct body_row *row, bool strip)
{
	static char out[SIZE];
	struct fed fed = { .out = out };
	size_t len = strlen(row->text);
	unsigned before = failed;

	for (size_t cut = 1; cut <= len; cut++) {
		body_feed(&fed, row, strip, row->text, len, cut, len);
		body_compare(row, strip, row->text, len, &fed, cut);
	}
	for (size_t step = 1; step <= 3; step += 2) {
		body_feed(&fed, row, strip, row->text, len, step, step);
		body_compare(row, strip, row->text, len, &fed, step);
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
	body_feed(&fed, &row, false, text, most / 2, most / 2, 1);
	if (fed.bad)
		fail(begin, "is refused too early", most / 2);
	body_feed(&fed, &row, false, text, len, len, 1);
	if (!fed.bad)
		fail(begin, "may go on and on", len);
	body_feed(&fed, &row, true, text, len, 1, 1);
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
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		body_test(&bodies[i], false);
		body_test(&bodies[i], true);
	}
	body_limits("1;", "aaaaaaaa", 1024);
	body_limits("0\r\n", "A: aaaaaaaaaaa\r\n", 16 * 1024);
	body_limits("0\r\nA:", "aaaaaaaa", 16 * 1024);
	body_limits("0\r\n", "a", 64);
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
