/* SPDX-License-Identifier: ISC */
/* LINK: parse.c base/addr.c base/local.c base/secret.c base/name.c http/refusal.c */
/*
 * Feeds the rows of parse.tab to the parser: whole, in two parts at every
 * position, and byte by byte.  The bytes always end at a page that cannot be
 * read, so that a parser that reads too far dies.
 */
#define _DEFAULT_SOURCE

#include <sys/mman.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../proxy.h"
#include "parse_check.h"

enum {
	TEXT_SIZE = 1 << 18, /* bytes of a row, and of what it stands for */
	SHORT_HEAD = 2048,   /* bytes up to which every position is tried */
	STRIDE = 997,        /* bytes between two positions in longer heads */
	WORD_SIZE = 4096     /* bytes of a word in a verdict */
};

struct row {
	const char *file;
	unsigned number;
	char *kind, *verdict, *text;
	unsigned char *bytes; /* the head */
	size_t len;
};

static unsigned char *guard; /* the first byte that cannot be read */
static unsigned passed, failed;

static void
die(const char *what)
{
	perror(what);
	exit(2);
}

static void
row_fail(const struct row *row, const char *what, size_t at)
{
	printf("%s:%u: %s (at byte %zu): %s\t%s\t%.200s\n", row->file,
	    row->number, what, at, row->kind, row->verdict, row->text);
	failed++;
}

static void
guard_make(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *map = mmap(NULL, TEXT_SIZE + page,
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		die("mmap");
	guard = map + TEXT_SIZE;
	if (mprotect(guard, page, PROT_NONE) != 0)
		die("mprotect");
}

/* Copies the bytes to the place right before the guard page. */
static const char *
guard_put(const void *bytes, size_t len)
{
	memcpy(guard - len, bytes, len);
	return (const char *)(guard - len);
}

static unsigned
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = strchr(digits, c | 0x20);

	if (c == '\0' || found == NULL) {
		fprintf(stderr, "bad \\x\n");
		exit(2);
	}
	return (unsigned)(found - digits);
}

/* Reads one escape after its backslash; returns what follows it. */
static const char *
unescape_one(const char *text, unsigned char *byte)
{
	switch (*text) {
	case 'r':
		*byte = '\r';
		return text + 1;
	case 'n':
		*byte = '\n';
		return text + 1;
	case 't':
		*byte = '\t';
		return text + 1;
	case '0':
		*byte = '\0';
		return text + 1;
	case 'x':
		*byte = (unsigned char)(hex_digit(text[1]) * 16 +
		    hex_digit(text[2]));
		return text + 3;
	default:
		*byte = (unsigned char)*text;
		return text + 1;
	}
}

/* Turns the escapes in [text, end) into bytes; returns their number. */
static size_t
unescape(const char *text, const char *end, unsigned char *out)
{
	size_t len = 0;

	while (text < end) {
		if (text[0] == '\\' && text[1] == '{') {
			char *star;
			unsigned long n = strtoul(text + 2, &star, 10);
			const char *close = strchr(star, '}');
			size_t part = unescape(star + 1, close, out + len);

			for (unsigned long i = 1; i < n; i++)
				memcpy(out + len + i * part, out + len, part);
			len += n * part;
			text = close + 1;
		} else if (text[0] == '\\') {
			text = unescape_one(text + 1, out + len++);
		} else {
			out[len++] = (unsigned char)*text++;
		}
	}
	return len;
}

/* One call of the parser with the first len bytes of a row. */
static enum parse_result
feed(struct request *request, const struct row *row, size_t len)
{
	enum parse_result result =
	    parse_head(request, guard_put(row->bytes, len), len);
	const char *wrong = check_request(request, result, len);

	if (wrong != NULL)
		row_fail(row, wrong, len);
	return result;
}

static bool
same_answer(const struct row *row, const struct request *want,
    enum parse_result result, const struct request *got,
    enum parse_result got_result, size_t at)
{
	if (result != got_result ||
	    (result == PARSE_BAD && want->refusal != got->refusal) ||
	    (result == PARSE_OK && !same_request(want, got))) {
		row_fail(row, "another answer when it comes in parts", at);
		return false;
	}
	return true;
}

static size_t
next_position(const struct row *row, size_t at)
{
	if (row->len <= SHORT_HEAD || at < 64 || at + 8 >= row->len)
		return at + 1;
	return at + STRIDE < row->len - 8 ? at + STRIDE : row->len - 8;
}

/* Two parts: the first may not say OK before the head is complete. */
static void
feed_split(
    const struct row *row, const struct request *want, enum parse_result result)
{
	for (size_t at = 0; at < row->len; at = next_position(row, at)) {
		struct request request = { 0 };
		enum parse_result first = feed(&request, row, at);

		if (first == PARSE_OK && result == PARSE_OK &&
		    at < want->length)
			row_fail(row, "OK before the head is complete", at);
		if (first == PARSE_MORE)
			first = feed(&request, row, row->len);
		if (!same_answer(row, want, result, &request, first, at))
			return;
	}
}

static void
feed_bytes(
    const struct row *row, const struct request *want, enum parse_result result)
{
	struct request request = { 0 };
	enum parse_result got = PARSE_MORE;
	size_t at = 0;

	while (got == PARSE_MORE && at < row->len) {
		at = row->len <= SHORT_HEAD ? at + 1 : next_position(row, at);
		if (at > row->len)
			at = row->len;
		got = feed(&request, row, at);
	}
	same_answer(row, want, result, &request, got, at);
	if (result == PARSE_OK && row->len <= SHORT_HEAD && at != want->length)
		row_fail(row, "not OK at the last byte of the head", at);
}

/* Bytes after a complete head do not change the answer. */
static void
feed_early(const struct row *row, const struct request *want)
{
	static const char early[] =
	    "\x16\x03\x01\nCONNECT other.example:1 HTTP/1.1\r\n\r\n";
	struct row longer = *row;
	struct request request = { 0 };

	longer.len = row->len + sizeof(early) - 1;
	longer.bytes = malloc(longer.len);
	if (longer.bytes == NULL)
		die("malloc");
	memcpy(longer.bytes, row->bytes, row->len);
	memcpy(longer.bytes + row->len, early, sizeof(early) - 1);
	if (feed(&request, &longer, longer.len) != PARSE_OK ||
	    !same_request(want, &request))
		row_fail(row, "early data changes the answer", row->len);
	free(longer.bytes);
}

/* Without userinfo and fragment it is the same request. */
static void
cut_test(const struct row *row, const struct request *want)
{
	char *copy = malloc(row->len);
	const char *wrong;

	if (copy == NULL)
		die("malloc");
	memcpy(copy, row->bytes, row->len);
	wrong = check_cut(want, copy, row->len);
	if (wrong != NULL)
		row_fail(row, wrong, row->len);
	free(copy);
}

static bool
slice_is(const struct row *row, struct slice part, size_t from, size_t to)
{
	if (part.len == to - from &&
	    memcmp(row->bytes + part.at, row->bytes + from, part.len) == 0)
		return true;
	row_fail(row, "a slice is not what was sent", part.at);
	return false;
}

/* The request line and the target are as they were sent. */
static void
check_line(const struct row *row, const struct request *request)
{
	const unsigned char *bytes = row->bytes;
	size_t from = 0, to, space, second;

	while (bytes[from] == '\r' || bytes[from] == '\n')
		from++;
	for (to = from; bytes[to] != '\r' && bytes[to] != '\n'; to++)
		;
	for (space = from; bytes[space] != ' '; space++)
		;
	for (second = space + 1; bytes[second] != ' '; second++)
		;
	if (slice_is(row, request->line, from, to))
		slice_is(row, request->target, space + 1, second);
}

/* The credentials are the value of the field, without the blanks around it. */
static void
check_credentials(const struct row *row, const struct request *request)
{
	static const char name[] = "\nproxy-authorization:";
	size_t from = 0, to;

	while (from + sizeof(name) - 1 <= row->len &&
	    strncasecmp(
		(const char *)row->bytes + from, name, sizeof(name) - 1) != 0)
		from++;
	if (from + sizeof(name) - 1 > row->len) {
		if (request->credentials.len != 0 || request->has_credentials)
			row_fail(row, "credentials that nobody sent", 0);
		return;
	}
	from += sizeof(name) - 1;
	for (to = from; strchr("\r\n", row->bytes[to]) == NULL; to++)
		;
	while (from < to && strchr(" \t", row->bytes[from]) != NULL)
		from++;
	while (to > from && strchr(" \t", row->bytes[to - 1]) != NULL)
		to--;
	slice_is(row, request->credentials, from, to);
}

/* The path is the third word of a verdict; "-" means none. */
static bool
path_is(const struct row *row, const struct request *request, const char *word)
{
	static unsigned char path[WORD_SIZE];
	size_t len = strcmp(word, "-") == 0
	    ? 0
	    : unescape(word, word + strlen(word), path);

	return request->plain && request->path.len == len &&
	    memcmp(row->bytes + request->path.at, path, len) == 0;
}

/* The kind of content is the fourth: a length, chunked, or "-". */
static bool
content_is(const struct request *request, const char *word)
{
	char text[32] = "-";

	if (request->has_length)
		snprintf(text, sizeof(text), "%llu",
		    (unsigned long long)request->content);
	else if (request->chunked)
		strcpy(text, "chunked");
	return strcmp(text, word) == 0;
}

/*
 * The verdict is "OK host port", followed by path and content for other methods
 * than CONNECT; a host that is an address is compared as an address.
 */
static bool
host_is(const struct row *row, const struct request *request)
{
	const char *verdict = row->verdict;
	static char path[WORD_SIZE];
	char host[300], content[32] = "-";
	unsigned port;
	struct addr addr;
	int words;

	if (strcmp(verdict, "OK") == 0)
		return true;
	words = sscanf(
	    verdict, "OK %299s %u %4095s %31s", host, &port, path, content);
	if (words < 2 || (words == 2) == request->plain)
		return false;
	if (request->plain &&
	    (!path_is(row, request, path) || !content_is(request, content)))
		return false;
	if (request->port != port)
		return false;
	if (addr_parse(&addr, host) == 0)
		return request->literal && addr_same_ip(&addr, &request->addr);
	if (host[0] == '*') /* "*253": a name of 253 bytes */
		return strlen(request->host) == strtoul(host + 1, NULL, 10);
	return !request->literal && strcmp(host, request->host) == 0;
}

static bool
status_is(int status, const char *verdict)
{
	while (*verdict != '\0') {
		char *end;

		if (strtol(verdict, &end, 10) == status)
			return true;
		verdict = *end == '/' ? end + 1 : "";
	}
	return false;
}

static void
verdict_check(const struct row *row, const struct request *request,
    enum parse_result result)
{
	char text[80];

	switch (result) {
	case PARSE_OK:
		if (strncmp(row->verdict, "OK", 2) == 0 &&
		    host_is(row, request))
			return;
		snprintf(text, sizeof(text), "OK %.50s %u%s", request->host,
		    (unsigned)request->port, request->plain ? " ..." : "");
		break;
	case PARSE_MORE:
		if (strcmp(row->verdict, "MORE") == 0)
			return;
		snprintf(text, sizeof(text), "MORE");
		break;
	default:
		if (status_is(
			refusal_row(request->refusal)->status, row->verdict))
			return;
		snprintf(text, sizeof(text), "BAD %d",
		    refusal_row(request->refusal)->status);
	}
	row_fail(row, text, row->len);
}

static void
head_test(const struct row *row)
{
	struct request request = { 0 };
	enum parse_result result = feed(&request, row, row->len);

	if (strcmp(row->verdict, "ANY") != 0)
		verdict_check(row, &request, result);
	if (result == PARSE_OK) {
		check_line(row, &request);
		check_credentials(row, &request);
		cut_test(row, &request);
		if (request.length == row->len && row->len < SHORT_HEAD)
			feed_early(row, &request);
	}
	feed_split(row, &request, result);
	feed_bytes(row, &request, result);
}

/* The verdict is "OK user password", where "-" means empty, or BAD. */
static void
basic_test(const struct row *row)
{
	static char user[CREDENTIAL_SIZE], password[CREDENTIAL_SIZE];
	unsigned char want[2][WORD_SIZE] = { { 0 } };
	char word[2][WORD_SIZE];
	int result;

	memset(user, 'x', sizeof(user));
	memset(password, 'x', sizeof(password));
	result = parse_basic(
	    guard_put(row->bytes, row->len), row->len, user, password);
	if (result == 0 &&
	    (memchr(user, '\0', sizeof(user)) == NULL ||
		memchr(password, '\0', sizeof(password)) == NULL))
		row_fail(row, "credentials without an end", 0);
	if (strcmp(row->verdict, "ANY") == 0)
		return;
	if ((result == 0) != (strncmp(row->verdict, "OK", 2) == 0)) {
		row_fail(row, result == 0 ? "taken" : "refused", 0);
		return;
	}
	if (sscanf(row->verdict, "OK %4095s %4095s", word[0], word[1]) != 2)
		return;
	for (int i = 0; i < 2; i++) {
		if (strcmp(word[i], "-") != 0)
			unescape(word[i], word[i] + strlen(word[i]), want[i]);
	}
	if (strcmp(user, (char *)want[0]) != 0 ||
	    strcmp(password, (char *)want[1]) != 0)
		row_fail(row, "other credentials", 0);
}

static void
row_build(struct row *row, const char *before, const char *after)
{
	size_t len = strlen(before);

	memcpy(row->bytes, before, len);
	len += unescape(
	    row->text, row->text + strlen(row->text), row->bytes + len);
	memcpy(row->bytes + len, after, strlen(after));
	row->len = len + strlen(after);
}

static void
row_test(struct row *row)
{
	unsigned before = failed;

	if (strcmp(row->kind, "head") == 0)
		row_build(row, "", "");
	else if (strcmp(row->kind, "target") == 0)
		row_build(row, "CONNECT ", " HTTP/1.1\r\n\r\n");
	else if (strcmp(row->kind, "field") == 0)
		row_build(
		    row, "CONNECT h.example:443 HTTP/1.1\r\n", "\r\n\r\n");
	else if (strcmp(row->kind, "url") == 0)
		row_build(row, "GET ", " HTTP/1.1\r\nHost: x\r\n\r\n");
	else if (strcmp(row->kind, "plain") == 0)
		row_build(
		    row, "POST http://h/ HTTP/1.1\r\nHost: h\r\n", "\r\n\r\n");
	else if (strcmp(row->kind, "basic") == 0)
		row_build(row, "", "");
	else
		row_fail(row, "no such kind of row", 0);
	if (failed == before && strcmp(row->kind, "basic") == 0)
		basic_test(row);
	else if (failed == before)
		head_test(row);
	passed += failed == before;
}

int
main(int argc, char *argv[])
{
	static char line[TEXT_SIZE];
	static unsigned char bytes[TEXT_SIZE];
	struct row row = { .file = argv[argc - 1], .bytes = bytes };
	FILE *table = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (table == NULL)
		die("usage: parse_test table");
	guard_make();
	while (fgets(line, sizeof(line), table) != NULL) {
		row.number++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		row.kind = line;
		row.verdict = line + strcspn(line, "\t");
		if (*row.verdict != '\0')
			*row.verdict++ = '\0';
		row.text = row.verdict + strcspn(row.verdict, "\t");
		if (*row.text != '\0')
			*row.text++ = '\0';
		row_test(&row);
	}
	fclose(table);
	printf("%u passed, %u failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}
