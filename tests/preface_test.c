/* SPDX-License-Identifier: ISC */
/* LINK: http/preface.c base/addr.c base/local.c */
/*
 * Reads PROXY headers from a table: whole, and cut at every byte, where it must
 * ask for more and read nothing past the end.  Headers that are written are read
 * as what they were made from.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define A4 "\306\063\144\007\300\000\002\001\x30\x39\x01\xbb"
#define A6                                                                     \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"                             \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x30\x39\x01\xbb"
#define MAPPED(a, b, c, d) "\0\0\0\0\0\0\0\0\0\0\xff\xff" a b c d
#define Z10 "\0\0\0\0\0\0\0\0\0\0"
#define Z70 Z10 Z10 Z10 Z10 Z10 Z10 Z10
#define AWS                                                                    \
	"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x54\x03\0\x04\xbc\xe5\x95\x1f"         \
	"\x04\0\x4a" Z70 "\0\0\0\0"

struct row {
	const char *want; /* the client, LOCAL, BAD or MORE */
	const char *bytes;
	size_t len;
};

#define ROW(want, bytes)                                                       \
	{                                                                      \
		want, bytes, sizeof(bytes) - 1                                 \
	}

static const struct row rows[] = {
	ROW("198.51.100.7:12345",
	    "PROXY TCP4 198.51.100.7 192.0.2.1 12345 443\r\n"),
	ROW("198.51.100.7:0", "PROXY TCP4 198.51.100.7 192.0.2.1 0 0\r\n"),
	ROW("[2001:db8::1]:65535",
	    "PROXY TCP6 2001:db8::1 2001:DB8::2 65535 443\r\n"),
	ROW("198.51.100.7:1",
	    "PROXY TCP6 ::ffff:198.51.100.7 ::ffff:192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY TCP6 ::ffff:127.0.0.1 ::ffff:192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY UNKNOWN\r\n"),
	ROW("BAD", "PROXY UNKNOWN 1.2.3.4 1.2.3.4 1 2\r\n"),
	ROW("BAD", "PROXY TCP4 127.0.0.1 192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY TCP4 127.255.0.1 192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY TCP4 0.0.0.0 192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY TCP4 169.254.1.1 192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY TCP4 224.0.0.1 192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY TCP4 255.255.255.255 192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY TCP6 ::1 2001:db8::2 1 2\r\n"),
	ROW("BAD", "PROXY TCP6 :: 2001:db8::2 1 2\r\n"),
	ROW("BAD", "PROXY TCP6 fe80::1 2001:db8::2 1 2\r\n"),
	ROW("BAD", "PROXY TCP6 ff02::1 2001:db8::2 1 2\r\n"),
	ROW("BAD", "PROXY TCP6 fe80::1%lo 2001:db8::2 1 2\r\n"),
	ROW("BAD", "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"),
	ROW("BAD", "PROXY TCP6 198.51.100.7 192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY TCP4 198.51.100.07 192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY TCP4 198.51.100.7 192.0.2.1 01 2\r\n"),
	ROW("BAD", "PROXY TCP4 198.51.100.7 192.0.2.1 1 65536\r\n"),
	ROW("BAD", "PROXY TCP4 198.51.100.7 192.0.2.1 -1 2\r\n"),
	ROW("BAD", "PROXY TCP4 198.51.100.7 192.0.2.1 1\r\n"),
	ROW("BAD", "PROXY TCP4 198.51.100.7 192.0.2.1 1 2 3\r\n"),
	ROW("BAD", "PROXY TCP4 198.51.100.7 192.0.2.1 1 2 \r\n"),
	ROW("BAD", "PROXY TCP4  198.51.100.7 192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY\tTCP4 198.51.100.7 192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY TCP4 198.51.100.7 192.0.2.1 1 2\n"),
	ROW("BAD", "PROXY TCP4 198.51.100.7 192.0.2.1 1 2\rX"),
	ROW("BAD", "PROXY TCP4 198.51.100.7\0 192.0.2.1 1 2\r\n"),
	ROW("BAD", "PROXY UDP4 198.51.100.7 192.0.2.1 1 2\r\n"),
	ROW("BAD", "proxy TCP4 198.51.100.7 192.0.2.1 1 2\r\n"),
	ROW("BAD", "GET / HTTP/1.1\r\n\r\n"),
	ROW("BAD", "\r\nPROXY TCP4 198.51.100.7 192.0.2.1 1 2\r\n"),
	ROW("BAD", "\r\n\r\n\0\r\nQUIT\r"), ROW("MORE", ""),
	ROW("MORE", "PROX"), ROW("198.51.100.7:12345", SIG "\x21\x11\0\x0c" A4),
	ROW("[2001:db8::1]:12345", SIG "\x21\x21\0\x24" A6),
	ROW("198.51.100.7:1",
	    SIG "\x21\x21\0\x24" MAPPED("\306", "\063", "\144", "\007")
		MAPPED("\300", "\000", "\002", "\001") "\0\1\0\2"),
	ROW("BAD",
	    SIG "\x21\x21\0\x24" MAPPED("\177", "\000", "\000", "\001")
		MAPPED("\300", "\000", "\002", "\001") "\0\1\0\2"),
	ROW("BAD",
	    SIG "\x21\x11\0\x0c\x7f\0\0\1\300\000\002\001\x30\x39\x01\xbb"),
	/* TLVs: two that fit, one too long, a rest that is none. */
	ROW("198.51.100.7:12345",
	    SIG "\x21\x11\0\x15" A4 "\x01\0\x02h2\xe0\0\x01x"),
	ROW("BAD", SIG "\x21\x11\0\x11" A4 "\x01\0\x03h2"),
	ROW("BAD", SIG "\x21\x11\0\x0e" A4 "\x01\0"),
	/* Lengths. */
	ROW("BAD", SIG "\x21\x11\0\0"), ROW("BAD", SIG "\x21\x11\0\x0b"),
	ROW("BAD", SIG "\x21\x21\0\x0c"), ROW("BAD", SIG "\x21\x21\0\x23"),
	ROW("BAD", SIG "\x21\x31\0\xd8"), ROW("BAD", SIG "\x21\x11\xff\xff"),
	ROW("BAD", SIG "\x20\x00\xff\xff"), ROW("BAD", SIG "\x20\x00\x08\x01"),
	/* Versions, commands, families. */
	ROW("BAD", SIG "\x11\x11\0\x0c"), ROW("BAD", SIG "\x31\x11\0\x0c"),
	ROW("BAD", SIG "\x22\x11\0\x0c"), ROW("BAD", SIG "\x2f"),
	ROW("BAD", SIG "\x21\x00\0\0"), ROW("BAD", SIG "\x21\x12\0\x0c"),
	ROW("BAD", SIG "\x21\x22\0\x24"), ROW("BAD", SIG "\x21\x10\0\x0c"),
	ROW("BAD", SIG "\x21\x41\0\x0c"),
	/* For the sender itself, whatever else stands there. */
	ROW("LOCAL", SIG "\x20\x00\0\0"), ROW("LOCAL", SIG "\x20\x11\0\x0c" A4),
	ROW("LOCAL",
	    SIG "\x20\x31\0\x03"
		"abc"),
	ROW("LOCAL", AWS)
};

static unsigned failed;

static void
fail(size_t i, size_t at, const char *what)
{
	printf("row %zu, %s, %zu bytes: %s\n", i, rows[i].want, at, what);
	failed++;
}

/* Reads bytes that end where memory does. */
static enum parse_result
feed(struct preface *p, const char *bytes, size_t len)
{
	char *copy = malloc(len + 1);
	enum parse_result result;

	if (copy == NULL)
		exit(2);
	memcpy(copy + 1, bytes, len);
	result = preface_parse(p, copy + 1, len);
	free(copy);
	return result;
}

static const char *
verdict(const struct preface *p, enum parse_result result)
{
	static char text[ADDR_TEXT_SIZE];

	return result == PARSE_MORE ? "MORE"
	    : result == PARSE_BAD   ? (p->why != NULL ? "BAD" : "no reason")
	    : p->local              ? "LOCAL"
				    : addr_text_port(&p->client, text);
}

static void
row_test(size_t i)
{
	const struct row *row = &rows[i];
	bool good = strcmp(row->want, "BAD") != 0;
	char more[4096];
	struct preface p;
	enum parse_result result;

	if (strcmp(verdict(&p, feed(&p, row->bytes, row->len)), row->want) != 0)
		fail(i, row->len, verdict(&p, feed(&p, row->bytes, row->len)));
	for (size_t len = 0; len < row->len; len++) {
		result = feed(&p, row->bytes, len);
		if (result == PARSE_OK || (good && result != PARSE_MORE))
			fail(i, len, verdict(&p, result));
	}
	if (!good || strcmp(row->want, "MORE") == 0)
		return;
	memcpy(more, row->bytes, row->len);
	memcpy(more + row->len, row->bytes, row->len);
	if (feed(&p, more, 2 * row->len) != PARSE_OK || p.length != row->len)
		fail(i, 2 * row->len, "what follows changes it");
}

static void
write_test(unsigned version, const char *from, const char *to)
{
	char bytes[PREFACE_WRITTEN_MAX];
	struct addr client, server;
	struct preface p;
	size_t len;

	if (addr_parse(&client, from) != 0 || addr_parse(&server, to) != 0)
		exit(2);
	client.port = 65535;
	server.port = 1;
	len = preface_write(bytes, version, &client, &server);
	if (feed(&p, bytes, len) == PARSE_OK && p.length == len &&
	    addr_same_ip(&p.client, &client) && p.client.port == 65535 &&
	    addr_same_ip(&p.server, &server) && p.server.port == 1)
		return;
	printf(
	    "version %u of %s and %s is read otherwise\n", version, from, to);
	failed++;
}

/* A line without an end is given up when it is too long. */
static void
long_test(void)
{
	char line[PREFACE_V1_MAX + 1] = "PROXY TCP4 ";
	struct preface p;

	memset(line + 11, '1', sizeof(line) - 11);
	if (feed(&p, line, PREFACE_V1_MAX - 1) != PARSE_MORE ||
	    feed(&p, line, PREFACE_V1_MAX) != PARSE_BAD ||
	    feed(&p, line, sizeof(line)) != PARSE_BAD) {
		puts("a long line is not given up");
		failed++;
	}
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		row_test(i);
	for (unsigned version = 1; version <= 2; version++) {
		write_test(version, "198.51.100.7", "192.0.2.1");
		write_test(version, "2001:db8::7", "2001:db8::1");
		write_test(version, "198.51.100.7", "2001:db8::1");
		write_test(version, "2001:db8:1111:2222:3333:4444:5555:6666",
		    "255.255.255.254");
	}
	long_test();
	printf("%u failed\n", failed);
	return failed == 0 ? 0 : 1;
}
