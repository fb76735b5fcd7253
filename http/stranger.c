/* SPDX-License-Identifier: ISC */
/*
 * Recognises other protocols by their first bytes, to tell an administrator
 * what came in place of a request.  Nothing is decided by it: what it looks at
 * was refused already.  Pure like parse.c; it looks at a few bytes only.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "stranger.h"

/* clang-format off */
#define PREFIX(text) (text), sizeof(text) - 1

static const struct opening {
	const char *bytes;
	size_t len;
	const char *why;
} openings[] = {
	{ PREFIX("\r\n\r\n\0\r\nQUIT\n"),
	    "This looks like the PROXY protocol: the proxy does not take it." },
	{ PREFIX("PROXY "),
	    "This looks like the PROXY protocol: the proxy does not take it." },
	{ PREFIX("PRI * HTTP/2"),
	    "This looks like HTTP/2: the proxy speaks HTTP/1.1." },
	{ PREFIX("SSH-"),
	    "This looks like SSH: the proxy speaks plain HTTP." },
	{ PREFIX("EHLO "),
	    "This looks like SMTP: the proxy speaks plain HTTP." },
	{ PREFIX("HELO "),
	    "This looks like SMTP: the proxy speaks plain HTTP." },
	{ PREFIX("NICK "),
	    "This looks like IRC: the proxy speaks plain HTTP." },
	{ PREFIX("CAP LS"),
	    "This looks like IRC: the proxy speaks plain HTTP." },
	{ PREFIX("\x13" "BitTorrent protocol"),
	    "This looks like BitTorrent: the proxy speaks plain HTTP." },
	{ PREFIX("\x03\0\0"),
	    "This looks like RDP: the proxy speaks plain HTTP." },
	{ PREFIX("\0\0\0\x08\x04\xd2\x16"),
	    "This looks like PostgreSQL: the proxy speaks plain HTTP." },
	{ PREFIX("\xff\xfb"),
	    "This looks like telnet: the proxy speaks plain HTTP." },
	{ PREFIX("\xff\xfd"),
	    "This looks like telnet: the proxy speaks plain HTTP." }
};
/* clang-format on */

/*
 * A record of a handshake, RFC 8446 5.1, of any version; or the hello of SSL 2
 * with a version after it, RFC 5246 E.2.
 */
static bool
is_tls(const unsigned char *b, size_t len)
{
	if (len >= 2 && b[0] == 0x16 && b[1] == 3)
		return true;
	return len >= 4 && (b[0] & 0x80) != 0 && b[2] == 1 && b[3] <= 3;
}

/* The version, and how many methods follow, RFC 1928 3. */
static bool
is_socks5(const unsigned char *b, size_t len)
{
	return len >= 2 && b[0] == 5 && b[1] > 0;
}

/* The version, and CONNECT or BIND. */
static bool
is_socks4(const unsigned char *b, size_t len)
{
	return len >= 2 && b[0] == 4 && (b[1] == 1 || b[1] == 2);
}

/*
 * Returns a sentence that says which protocol these first bytes of a client
 * look like, or NULL.
 */
const char *
stranger_why(const char *bytes, size_t len)
{
	const unsigned char *b = (const unsigned char *)bytes;

	for (size_t i = 0; i < sizeof(openings) / sizeof(*openings); i++)
		if (len >= openings[i].len &&
		    memcmp(bytes, openings[i].bytes, openings[i].len) == 0)
			return openings[i].why;
	if (is_tls(b, len))
		return "This looks like TLS: the proxy speaks plain HTTP.";
	if (is_socks5(b, len))
		return "This looks like SOCKS 5: the proxy speaks HTTP.";
	if (is_socks4(b, len))
		return "This looks like SOCKS 4: the proxy speaks HTTP.";
	return NULL;
}
