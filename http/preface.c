/* SPDX-License-Identifier: ISC */
/*
 * The PROXY protocol, versions 1 and 2 (haproxy's doc/proxy-protocol.txt): reads
 * the header that stands before all else on a connection of a load balancer,
 * and writes one for a parent.  Pure like parse.c.  The header is read in the
 * strictest way, and its length is bounded: its writer decides which
 * rules hold.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "parse.h"
#include "preface.h"

enum {
	SIGNATURE_LEN = 12, /* bytes that version 2 begins with */
	FIXED_LEN = 16,     /* bytes of it before the addresses */
	ADDRESSES4 = 12,    /* bytes of two IPv4 addresses and ports */
	ADDRESSES6 = 36,    /* the same for IPv6 */
	TLV_LEN = 3,        /* bytes of a type and a length */
	WORDS = 6,          /* of version 1 */
	WORD_SIZE = 48      /* bytes of one, with its NUL */
};

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
static const char begin1[] = "PROXY ";

/* clang-format off */
#define V4(a, b, c, d) { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }

/*
 * Addresses that no client of a load balancer has.  Clients on loopback have
 * rights that others lack, and must be on this machine.
 */
static const struct block unfit[] = {
	{ V4(0, 0, 0, 0), 96 + 8 },
	{ V4(127, 0, 0, 0), 96 + 8 },
	{ V4(169, 254, 0, 0), 96 + 16 },
	{ V4(224, 0, 0, 0), 96 + 4 },
	{ V4(255, 255, 255, 255), 128 },
	{ { 0 }, 128 },
	{ { [15] = 1 }, 128 },
	{ { 0xfe, 0x80 }, 10 },
	{ { 0xff }, 8 }
};
/* clang-format on */

/* Whether a client that a header names may have this address. */
bool
preface_fits(const struct addr *client)
{
	return !addr_in_blocks(client, unfit, sizeof(unfit) / sizeof(*unfit));
}

static enum parse_result
bad(struct preface *p, const char *why)
{
	p->why = why;
	return PARSE_BAD;
}

/* Ends a header that is whole, if its client can be one. */
static enum parse_result
whole(struct preface *p, size_t length)
{
	if (!p->local && !preface_fits(&p->client))
		return bad(
		    p, "its PROXY header names a client that cannot be one");
	p->length = length;
	return PARSE_OK;
}

/* Version 1. */

/* Reads an address of one family, in its usual form and without a zone. */
static bool
address_read(struct addr *a, const char *word, bool is4)
{
	const char *bytes = is4 ? "0123456789." : "0123456789abcdefABCDEF:.";

	return word[strspn(word, bytes)] == '\0' &&
	    (is4 || strchr(word, ':') != NULL) && addr_parse(a, word) == 0;
}

/* Reads a port: decimal digits without leading zeros. */
static bool
port_read(uint16_t *port, const char *word)
{
	size_t len = strlen(word);
	unsigned long n = 0;

	if (len < 1 || len > 5 || (word[0] == '0' && len > 1) ||
	    word[strspn(word, "0123456789")] != '\0')
		return false;
	for (; *word != '\0'; word++)
		n = n * 10 + (unsigned long)(*word - '0');
	*port = (uint16_t)n;
	return n <= UINT16_MAX;
}

/* Splits a line at single blanks.  Returns how many words it has. */
static size_t
words_split(char words[WORDS][WORD_SIZE], const char *line, size_t len)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && line[i] != ' ')
			continue;
		if (n == WORDS || i - at >= WORD_SIZE || i == at)
			return 0;
		memcpy(words[n], line + at, i - at);
		words[n++][i - at] = '\0';
		at = i + 1;
	}
	return n;
}

/* Reads a line of version 1, without its CR LF. */
static enum parse_result
line_read(struct preface *p, const char *line, size_t len)
{
	char words[WORDS][WORD_SIZE];
	bool is4;

	if (len >= 13 && memcmp(line, "PROXY UNKNOWN", 13) == 0)
		return bad(p, "its PROXY header says UNKNOWN");
	if (words_split(words, line, len) != WORDS)
		return bad(p, "its PROXY header is malformed");
	is4 = strcmp(words[1], "TCP4") == 0;
	if (!is4 && strcmp(words[1], "TCP6") != 0)
		return bad(p, "its PROXY header is not for TCP4 or TCP6");
	if (!address_read(&p->client, words[2], is4) ||
	    !address_read(&p->server, words[3], is4) ||
	    !port_read(&p->client.port, words[4]) ||
	    !port_read(&p->server.port, words[5]))
		return bad(
		    p, "its PROXY header has a malformed address or port");
	return whole(p, len + 2);
}

/* Finds the CR LF; no other control character may come before it. */
static enum parse_result
parse_v1(struct preface *p, const char *bytes, size_t len)
{
	for (size_t i = sizeof(begin1) - 1; i < len; i++) {
		if (i >= PREFACE_V1_MAX)
			return bad(p, "its PROXY header is too long");
		if (bytes[i] == '\n' && bytes[i - 1] == '\r')
			return line_read(p, bytes, i - 1);
		if ((bytes[i] < ' ' && bytes[i] != '\r') || bytes[i] > '~' ||
		    bytes[i - 1] == '\r')
			return bad(p, "its PROXY header is malformed");
	}
	return len < PREFACE_V1_MAX ? PARSE_MORE
				    : bad(p, "its PROXY header is too long");
}

/* Version 2. */

static uint16_t
number_read(const unsigned char *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Whether the types, lengths and values after the addresses end with them. */
static bool
tlvs_fit(const unsigned char *at, size_t len)
{
	while (len >= TLV_LEN) {
		size_t size = TLV_LEN + (size_t)number_read(at + 1);

		if (size > len)
			return false;
		at += size;
		len -= size;
	}
	return len == 0;
}

/* Reads two addresses of 4 or 16 bytes, and their ports. */
static void
addresses_read(struct preface *p, const unsigned char *at, bool is4)
{
	size_t size = is4 ? 4 : 16;

	memset(&p->client, 0, sizeof(p->client));
	memset(&p->server, 0, sizeof(p->server));
	if (is4) {
		addr_from4(&p->client, at);
		addr_from4(&p->server, at + size);
	} else {
		memcpy(p->client.ip, at, size);
		memcpy(p->server.ip, at + size, size);
	}
	p->client.port = number_read(at + 2 * size);
	p->server.port = number_read(at + 2 * size + 2);
}

/* Reads what follows the fixed part, size bytes. */
static enum parse_result
block_read(struct preface *p, const unsigned char *h, size_t size)
{
	const unsigned char *at = h + FIXED_LEN;
	bool is4 = h[13] == 0x11;
	size_t addresses = is4 ? ADDRESSES4 : ADDRESSES6;

	p->local = (h[12] & 0x0f) == 0;
	if (p->local)
		return whole(p, FIXED_LEN + size);
	addresses_read(p, at, is4);
	if (!tlvs_fit(at + addresses, size - addresses))
		return bad(p, "its PROXY header ends within a field");
	return whole(p, FIXED_LEN + size);
}

/* Judges what is there of the fixed part; len is at most its length. */
static enum parse_result
fixed_check(struct preface *p, const unsigned char *h, size_t len)
{
	size_t size;
	bool local;

	if (len <= SIGNATURE_LEN)
		return PARSE_MORE;
	local = (h[12] & 0x0f) == 0;
	if (h[12] >> 4 != 2 || (h[12] & 0x0f) > 1)
		return bad(
		    p, "its PROXY header has an unknown version or command");
	if (len > 13 && !local && h[13] != 0x11 && h[13] != 0x21)
		return bad(
		    p, "its PROXY header names no client with a TCP address");
	if (len < FIXED_LEN)
		return PARSE_MORE;
	size = number_read(h + 14);
	if (FIXED_LEN + size > PREFACE_MAX)
		return bad(p, "its PROXY header is too long");
	if (!local && size < (h[13] == 0x11 ? ADDRESSES4 : ADDRESSES6))
		return bad(p, "its PROXY header is shorter than its addresses");
	return PARSE_MORE;
}

static enum parse_result
parse_v2(struct preface *p, const char *bytes, size_t len)
{
	unsigned char h[FIXED_LEN];
	size_t fixed = len < FIXED_LEN ? len : FIXED_LEN, size;
	const void *all = bytes;

	memcpy(h, bytes, fixed);
	if (fixed_check(p, h, fixed) == PARSE_BAD)
		return PARSE_BAD;
	if (len < FIXED_LEN)
		return PARSE_MORE;
	size = number_read(h + 14);
	return len < FIXED_LEN + size ? PARSE_MORE : block_read(p, all, size);
}

/* Whether bytes may be the beginning of a text. */
static bool
begins(const char *bytes, size_t len, const char *text, size_t text_len)
{
	return memcmp(bytes, text, len < text_len ? len : text_len) == 0;
}

/*
 * Reads the header of a connection.  The caller hands in all it has received so
 * far, from the first byte on.  Returns PARSE_MORE while the header is
 * incomplete, PARSE_OK with what it says, or PARSE_BAD with what is wrong.
 */
enum parse_result
preface_parse(struct preface *p, const char *bytes, size_t len)
{
	*p = (struct preface){ .length = 0 };
	if (len == 0)
		return PARSE_MORE;
	if (begins(bytes, len, signature, SIGNATURE_LEN))
		return parse_v2(p, bytes, len);
	if (!begins(bytes, len, begin1, sizeof(begin1) - 1))
		return bad(p, "its PROXY header is missing");
	return parse_v1(p, bytes, len);
}

/* Writing one. */

/* Writes an address; in IPv6, one of IPv4 has the form that is mapped. */
static const char *
address_write(char text[ADDR_TEXT_SIZE], const struct addr *a, bool is4)
{
	struct addr bare = *a;
	char text4[ADDR_TEXT_SIZE];

	bare.scope = 0;
	if (is4 || !addr_is4(a))
		return addr_text(&bare, text);
	snprintf(text, ADDR_TEXT_SIZE, "::ffff:%.20s", addr_text(&bare, text4));
	return text;
}

static size_t
write_v1(
    char *out, const struct addr *client, const struct addr *server, bool is4)
{
	char from[ADDR_TEXT_SIZE], to[ADDR_TEXT_SIZE];

	return (size_t)snprintf(out, PREFACE_WRITTEN_MAX,
	    "PROXY %s %.45s %.45s %u %u\r\n", is4 ? "TCP4" : "TCP6",
	    address_write(from, client, is4), address_write(to, server, is4),
	    (unsigned)client->port, (unsigned)server->port);
}

static size_t
write_v2(
    char *out, const struct addr *client, const struct addr *server, bool is4)
{
	size_t skipped = is4 ? 12 : 0, size = 16 - skipped, at = FIXED_LEN;

	memcpy(out, signature, SIGNATURE_LEN);
	out[12] = 0x21;
	out[13] = is4 ? 0x11 : 0x21;
	out[14] = 0;
	out[15] = is4 ? ADDRESSES4 : ADDRESSES6;
	memcpy(out + at, client->ip + skipped, size);
	memcpy(out + at + size, server->ip + skipped, size);
	at += 2 * size;
	out[at++] = (char)(client->port >> 8);
	out[at++] = (char)(client->port & 0xff);
	out[at++] = (char)(server->port >> 8);
	out[at++] = (char)(server->port & 0xff);
	return at;
}

/* Writes one that names nobody. */
static size_t
write_nobody(char *out, unsigned version)
{
	static const char v1[] = "PROXY UNKNOWN\r\n";

	if (version == 1) {
		memcpy(out, v1, sizeof(v1) - 1);
		return sizeof(v1) - 1;
	}
	memcpy(out, signature, SIGNATURE_LEN);
	memcpy(out + SIGNATURE_LEN, "\x20\0\0\0", 4);
	return FIXED_LEN;
}

/*
 * Writes a header of version 1 or 2 that names a client, and what it has
 * connected to.  If the two have different families, both are written as IPv6.
 * A client at a Unix socket has no address: then it is "UNKNOWN" or "LOCAL".
 * Returns the length.
 */
size_t
preface_write(char out[PREFACE_WRITTEN_MAX], unsigned version,
    const struct addr *client, const struct addr *server)
{
	bool is4 = addr_is4(client) && addr_is4(server);

	if (client->local != 0)
		return write_nobody(out, version);
	return version == 1 ? write_v1(out, client, server, is4)
			    : write_v2(out, client, server, is4);
}
