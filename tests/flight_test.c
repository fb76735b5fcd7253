/* SPDX-License-Identifier: ISC */
/* LINK: tls/flight.c tls/hello.c */
/*
 * Hellos that are made here, whole, cut at every byte, and in records that are
 * cut at every byte: each must be read in the same way, and never past its end.
 * With arguments it prints a hello for the peer: a name ("-": none), and what
 * else is to be in it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"

/* Bytes that grow; lengths are put in afterwards. */
struct bytes {
	unsigned char at[40000];
	size_t len;
};

static unsigned failures;

#define CHECK(holds, what)                                                     \
	do {                                                                   \
		if (!(holds)) {                                                \
			printf("%s: %s\n", what, #holds);                      \
			failures++;                                            \
		}                                                              \
	} while (0)

static void
put(struct bytes *b, const void *from, size_t len)
{
	memcpy(b->at + b->len, from, len);
	b->len += len;
}

static void
number(struct bytes *b, size_t n, size_t size)
{
	for (size_t i = size; i-- > 0;)
		b->at[b->len++] = (unsigned char)(n >> 8 * i);
}

/* Puts the length of what follows a place into it. */
static void
length(struct bytes *b, size_t place, size_t size)
{
	size_t n = b->len - place - size;

	for (size_t i = 0; i < size; i++)
		b->at[place + i] = (unsigned char)(n >> 8 * (size - 1 - i));
}

static size_t
open_length(struct bytes *b, size_t size)
{
	number(b, 0, size);
	return b->len - size;
}

static void
extension(struct bytes *b, unsigned type, const char *data, size_t len)
{
	number(b, type, 2);
	number(b, len, 2);
	put(b, data, len);
}

static void
server_name(struct bytes *b, const char *name, size_t len, unsigned type)
{
	number(b, 0, 2);
	number(b, len + 5, 2);
	number(b, len + 3, 2);
	number(b, type, 1);
	number(b, len, 2);
	put(b, name, len);
}

/* What a hello has besides its name. */
static bool
has(const char *options, const char *word)
{
	return options != NULL && strstr(options, word) != NULL;
}

/* Other extensions, most of them wrong. */
static void
others_put(struct bytes *b, const char *options)
{
	if (has(options, "two"))
		extension(b, 0, "\0\x0a\0\0\2aa\0\0\2bb", 12);
	if (has(options, "empty"))
		extension(b, 0, "", 0);
	if (has(options, "noname"))
		extension(b, 0, "\0\3\0\0\0", 5);
	if (has(options, "list"))
		extension(b, 0, "\0\6\0\0\3abcd", 9);
	if (has(options, "ech"))
		extension(b, 0xfe0d, "\1\2\3", 3);
	if (has(options, "draft"))
		extension(b, 0xfe08, "\1\2\3", 3);
	if (has(options, "esni"))
		extension(b, 0xffce, "\1\2\3", 3);
	if (has(options, "again"))
		extension(b, 0x2a2a, "", 0);
	if (has(options, "half"))
		number(b, 0x1234, 2);
	if (has(options, "over")) {
		number(b, 0x1234, 2);
		number(b, 5, 2);
	}
}

/* A message: its options are words that the table uses. */
static void
hello_make(struct bytes *b, const char *name, size_t len, const char *options)
{
	size_t body, list;

	b->len = 0;
	number(b, has(options, "type") ? 2 : 1, 1);
	body = open_length(b, 3);
	number(b, has(options, "version") ? 0x0200 : 0x0303, 2);
	for (int i = 0; i < 32; i++)
		number(b, (size_t)i, 1);
	number(b, has(options, "session") ? 33 : 32, 1);
	for (int i = 0; i < (has(options, "session") ? 33 : 32); i++)
		number(b, (size_t)i, 1);
	number(b, has(options, "ciphers") ? 3 : 4, 2);
	number(b, 0x0a0a1301, has(options, "ciphers") ? 3 : 4);
	number(b, 0x0100, 2);
	if (has(options, "ssl3"))
		goto done;
	list = open_length(b, 2);
	extension(b, 0x2a2a, "", 0);
	if (has(options, "big"))
		for (unsigned i = 0; i < 15; i++) {
			static const char data[1024];

			extension(b, 0x7000 + i, data, sizeof(data));
		}
	if (name != NULL)
		server_name(b, name, len, has(options, "kind") ? 1 : 0);
	if (has(options, "twice"))
		server_name(b, name, len, 0);
	others_put(b, options);
	length(b, list, 2);
	if (has(options, "after"))
		number(b, 0, 1);
done:
	length(b, body, 3);
	if (has(options, "trailing"))
		number(b, 0, 1);
	if (has(options, "short"))
		b->len--;
}

/* Puts a message into records of at most so many bytes. */
static void
records_make(struct bytes *b, const struct bytes *message, size_t most)
{
	size_t n;

	for (size_t at = 0; at < message->len; at += n) {
		n = message->len - at < most ? message->len - at : most;
		number(b, 0x160301, 3);
		number(b, n, 2);
		put(b, message->at + at, n);
	}
}

/* Names, as hello_parse() must find them. */

#define NUL_NAME "good.test\0.evil.test"

static const struct {
	const char *name;
	size_t len;
	const char *options;
	const char *found; /* a name, "" for none, NULL: refused */
	bool ech;
} rows[] = {
	{ "good.test", 9, "", "good.test", false },
	{ "GOOD.Test", 9, "", "GOOD.Test", false },
	{ "good.test.", 10, "", "good.test.", false },
	{ "good.test", 9, "big", "good.test", false },
	{ "good.test", 9, "ech", "good.test", true },
	{ "good.test", 9, "draft", "good.test", true },
	{ "good.test", 9, "esni", "good.test", true },
	{ NUL_NAME, sizeof(NUL_NAME) - 1, "", NUL_NAME, false },
	{ "a\r\nb", 4, "", "a\r\nb", false },
	{ NULL, 0, "", "", false },
	{ NULL, 0, "ssl3", "", false },
	{ NULL, 0, "type", NULL, false },
	{ NULL, 0, "version", NULL, false },
	{ NULL, 0, "session", NULL, false },
	{ NULL, 0, "ciphers", NULL, false },
	{ NULL, 0, "empty", NULL, false },
	{ NULL, 0, "noname", NULL, false },
	{ NULL, 0, "two", NULL, false },
	{ NULL, 0, "list", NULL, false },
	{ "good.test", 9, "twice", NULL, false },
	{ "good.test", 9, "kind", NULL, false },
	{ "good.test", 9, "again", NULL, false },
	{ "good.test", 9, "half", NULL, false },
	{ "good.test", 9, "over", NULL, false },
	{ "good.test", 9, "after", NULL, false },
	{ "good.test", 9, "trailing", NULL, false },
	{ "good.test", 9, "short", NULL, false },
};

/* Reads a copy that ends where its memory ends. */
static bool
parse_copy(struct hello *h, const unsigned char *at, size_t len, char *name)
{
	unsigned char *copy = malloc(len > 0 ? len : 1);
	bool good;

	if (copy == NULL)
		abort();
	memcpy(copy, at, len);
	good = hello_parse(h, copy, len);
	if (h->name != NULL)
		memcpy(name, h->name, h->name_len);
	free(copy);
	return good;
}

static void
names_test(void)
{
	static struct bytes b;
	char name[65536];
	struct hello h;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *what = rows[i].options;
		bool good;

		hello_make(&b, rows[i].name, rows[i].len, what);
		good = parse_copy(&h, b.at, b.len, name);
		CHECK(good == (rows[i].found != NULL), what);
		CHECK(good || h.why[0] != '\0', what);
		if (!good || rows[i].found == NULL)
			continue;
		CHECK(h.ech == rows[i].ech, what);
		CHECK(h.name_len == rows[i].len, what);
		CHECK((h.name == NULL) == (rows[i].found[0] == '\0'), what);
		CHECK(h.name == NULL ||
			memcmp(name, rows[i].found, h.name_len) == 0,
		    what);
		for (size_t len = 0; len < b.len; len++)
			CHECK(!parse_copy(&h, b.at, len, name), "cut");
	}
}

/* Feeds bytes in pieces.  Returns how many hellos there were, or -1. */
static int
feed(struct flight *f, const unsigned char *bytes, size_t len, size_t piece)
{
	enum flight_event event;
	int hellos = 0;

	for (size_t at = 0, n; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		n = flight_client(f, bytes + at, n, &event);
		if (event == FLIGHT_BAD)
			return -1;
		if (event == FLIGHT_HELLO) {
			hellos++;
			f->held = 0;
		}
	}
	return hellos;
}

static int
feed_all(const struct bytes *b, size_t piece)
{
	struct flight f = { .nheader = 0 };

	return feed(&f, b->at, b->len, piece);
}

/* Each way to cut a hello into records and pieces. */
static void
pieces_test(void)
{
	static struct bytes message, b;
	static unsigned char again[HELLO_MAX];

	hello_make(&message, "good.test", 9, "");
	for (size_t most = 1; most <= message.len; most++) {
		b.len = 0;
		records_make(&b, &message, most);
		for (size_t piece = 1; piece < 12; piece++)
			CHECK(feed_all(&b, piece) == 1, "pieces");
		CHECK(feed_all(&b, b.len) == 1, "whole");
		CHECK(
		    flight_gather(again, b.at, b.len) == message.len, "again");
		CHECK(memcmp(again, message.at, message.len) == 0, "again");
		for (size_t len = 0; len < b.len; len++) {
			struct flight f = { .nheader = 0 };

			CHECK(feed(&f, b.at, len, 7) == 0, "cut");
			CHECK(f.held == len, "held");
		}
	}
}

/* What else may and may not come. */
static void
others_test(void)
{
	static const char change[] = "\x14\3\3\0\1\1";
	static const char early[] = "\x17\3\3\0\5abcde",
			  none[] = "\x17\3\3\0\0";
	static const char *const bad[] = { "SSH-2.0-x\r\n",
		"GET / HTTP/1.1\r\n", "\x80\x2e\1\3\1", "\x16\2\0\0\5",
		"\x15\3\1\0\2\2\0", change, early, "\x16\3\1\x40\1", "\0",
		"\xff" };
	static struct bytes message, b;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		b.len = 0;
		put(&b, bad[i], i == 8 ? 1 : i >= 2 && i <= 7 ? 5 : 1);
		CHECK(feed_all(&b, 1) == -1, "not TLS");
	}
	b.len = 0;
	put(&b, "\x16\3\1\0\0", 5);
	CHECK(feed_all(&b, 5) == -1, "an empty record");

	hello_make(&message, "good.test", 9, "");
	b.len = 0;
	records_make(&b, &message, 16384);
	put(&b, change, 6);
	put(&b, early, 10);
	put(&b, none, 5);
	for (size_t piece = 1; piece < b.len; piece++)
		CHECK(feed_all(&b, piece) == 1, "early data");
	records_make(&b, &message, 50);
	CHECK(feed_all(&b, 9) == 2, "a second hello");
	records_make(&b, &message, 50);
	CHECK(feed_all(&b, 9) == -1, "a third hello");

	b.len = 0;
	records_make(&b, &message, 50);
	b.len -= 5;
	put(&b, change, 6);
	CHECK(feed_all(&b, 9) == -1, "a record within a hello");
	hello_make(&message, "good.test", 9, "trailing");
	b.len = 0;
	records_make(&b, &message, 16384);
	CHECK(feed_all(&b, 9) == -1, "a byte after a hello");
	b.len = 0;
	put(&b, "\x16\3\1\0\4\1\0\x40\0", 9);
	CHECK(feed_all(&b, 9) == -1, "a hello that is too long");
}

static void
server_hello(struct bytes *b, bool again)
{
	static const unsigned char retry[] =
	    "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
	    "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";
	struct bytes message = { .len = 0 };
	size_t body;

	number(&message, 2, 1);
	body = open_length(&message, 3);
	number(&message, 0x0303, 2);
	put(&message, retry, 32);
	if (!again)
		message.at[message.len - 1] ^= 1;
	number(&message, 0x00130100, 4);
	length(&message, body, 3);
	records_make(b, &message, 16384);
}

/* Feeds bytes of a server in pieces, and returns the first other event. */
static enum flight_event
answer(const struct bytes *b, size_t piece)
{
	struct flight f = { .nheader = 0 };
	enum flight_event event = FLIGHT_MORE;

	for (size_t at = 0, n; at < b->len && event == FLIGHT_MORE; at += n) {
		n = b->len - at < piece ? b->len - at : piece;
		event = flight_server(&f, b->at + at, n);
	}
	return event;
}

static void
server_test(void)
{
	static struct bytes b;

	for (size_t piece = 1; piece < 60; piece++) {
		b.len = 0;
		server_hello(&b, false);
		CHECK(answer(&b, piece) == FLIGHT_DONE, "a hello");
		b.len = 0;
		server_hello(&b, true);
		put(&b, "\x14\3\3\0\1\1", 6);
		CHECK(answer(&b, piece) == FLIGHT_MORE, "a retry");
		server_hello(&b, false);
		CHECK(answer(&b, piece) == FLIGHT_DONE, "and a hello");
		b.len = 0;
		server_hello(&b, true);
		server_hello(&b, true);
		CHECK(answer(&b, piece) == FLIGHT_BAD, "two retries");
		b.len = 0;
		put(&b, "\x15\3\1\0\2\2\x28", 7);
		CHECK(answer(&b, piece) == FLIGHT_MORE, "an alert");
		b.len = 0;
		put(&b, "HTTP/1.1 400 \r\n", 15);
		CHECK(answer(&b, piece) == FLIGHT_BAD, "no TLS");
		b.len = 0;
		put(&b, "\x16\3\3\0\4\x0b\0\0\1", 9);
		CHECK(answer(&b, piece) == FLIGHT_BAD, "no hello");
		b.len = 0;
		put(&b, "\x16\3\3\0\4\2\0\0\1", 9);
		CHECK(answer(&b, piece) == FLIGHT_BAD, "a short one");
		b.len = 0;
		put(&b, "\x17\3\3\0\4aaaa", 9);
		CHECK(answer(&b, piece) == FLIGHT_BAD, "data");
	}
}

/* Prints records as a TEXT of the peer. */
static void
print(const char *name, const char *options)
{
	static struct bytes message, b;
	size_t len = strlen(name);

	if (has(options, "answer") || has(options, "retry")) {
		server_hello(&b, has(options, "retry"));
	} else {
		hello_make(&message, strcmp(name, "-") == 0 ? NULL : name, len,
		    options);
		records_make(&b, &message, has(options, "split") ? 7 : 16384);
	}
	for (size_t i = 0; i < b.len; i++)
		printf("\\x%02x", b.at[i]);
}

int
main(int argc, char **argv)
{
	if (argc > 1) {
		print(argv[1], argc > 2 ? argv[2] : "");
		return 0;
	}
	names_test();
	pieces_test();
	others_test();
	server_test();
	return failures == 0 ? 0 : 1;
}
