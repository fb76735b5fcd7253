/* SPDX-License-Identifier: ISC */
/*
 * Reads a ClientHello, RFC 8446 4.1.2 and RFC 5246 7.4.1.2, as far as the name of
 * the server goes.  Programs differ in how they read a malformed one, and a
 * server must never find another name in it than this does; so whatever could be
 * read in two ways is refused: a list that does not fill its place, an extension
 * or a name that comes twice, and bytes that are left over.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "hello.h"

enum {
	CLIENT_HELLO = 1,
	RANDOM_SIZE = 32,
	SESSION_MAX = 32,
	EXTENSIONS = 65536, /* types of them */
	SERVER_NAME = 0,    /* RFC 6066 3 */
	HOST_NAME = 0,      /* the only type of name */
	NAME_MAX_LEN = 255  /* bytes */
};

/* The rest of a part of the message. */
struct rest {
	const unsigned char *at;
	size_t len;
};

/*
 * Takes a number of so many bytes, in network order.  Returns whether there were
 * that many.
 */
static bool
number_take(struct rest *r, size_t size, size_t *number)
{
	if (r->len < size)
		return false;
	*number = 0;
	for (size_t i = 0; i < size; i++)
		*number = *number << 8 | r->at[i];
	r->at += size;
	r->len -= size;
	return true;
}

/* Takes so many bytes.  Returns whether there were that many. */
static bool
bytes_take(struct rest *r, size_t len, struct rest *taken)
{
	if (r->len < len)
		return false;
	*taken = (struct rest){ r->at, len };
	r->at += len;
	r->len -= len;
	return true;
}

/*
 * Takes a vector, RFC 8446 3.4: its length in so many bytes, and its bytes.
 * Returns whether it is whole.
 */
static bool
vector_take(struct rest *r, size_t size, struct rest *taken)
{
	size_t len;

	return number_take(r, size, &len) && bytes_take(r, len, taken);
}

/* Notes that something is wrong.  Returns false. */
static bool
wrong(struct hello *h, const char *why)
{
	h->why = why;
	return false;
}

/* Takes what comes before the extensions. */
static bool
front_take(struct rest *r)
{
	struct rest random, session, ciphers, compressions;
	size_t version;

	return number_take(r, 2, &version) && version >> 8 == 3 &&
	    bytes_take(r, RANDOM_SIZE, &random) &&
	    vector_take(r, 1, &session) && session.len <= SESSION_MAX &&
	    vector_take(r, 2, &ciphers) && ciphers.len >= 2 &&
	    ciphers.len % 2 == 0 && vector_take(r, 1, &compressions) &&
	    compressions.len >= 1;
}

/* Reads a server_name: a list of one host name. */
static bool
name_read(struct hello *h, struct rest data)
{
	struct rest list, name;
	size_t type;

	if (!vector_take(&data, 2, &list) || data.len > 0 ||
	    !number_take(&list, 1, &type) || !vector_take(&list, 2, &name))
		return wrong(h, "its server_name is malformed");
	if (list.len > 0 || type != HOST_NAME)
		return wrong(h, "its server_name has not just one host name");
	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return wrong(h,
		    "the name in its server_name has no or too "
		    "many bytes");
	h->name = (const char *)name.at;
	h->name_len = name.len;
	return true;
}

/*
 * Whether an extension can hide another ClientHello or name: that of RFC 9849,
 * those of its drafts, and encrypted_server_name.
 */
static bool
is_ech(size_t type)
{
	return (type >= 0xfe08 && type <= 0xfe0d) || type == 0xffce;
}

/* Reads the extensions, each of which may come once, RFC 8446 4.2. */
static bool
extensions_read(struct hello *h, struct rest list)
{
	unsigned char seen[EXTENSIONS / 8];
	struct rest data;
	size_t type;

	memset(seen, 0, sizeof(seen));
	while (list.len > 0) {
		if (!number_take(&list, 2, &type) ||
		    !vector_take(&list, 2, &data))
			return wrong(h, "its extensions are malformed");
		if (seen[type / 8] & 1 << type % 8)
			return wrong(h, "an extension comes twice");
		seen[type / 8] |= (unsigned char)(1 << type % 8);
		h->ech = h->ech || is_ech(type);
		if (type == SERVER_NAME && !name_read(h, data))
			return false;
	}
	return true;
}

/*
 * Reads a whole message of the handshake.  Returns whether it is a ClientHello
 * that all servers read in the same way; if not, why says what is wrong, and
 * ech and the name are those found before that.
 */
bool
hello_parse(struct hello *h, const unsigned char *message, size_t len)
{
	struct rest r = { message, len }, body, extensions;
	size_t type;

	*h = (struct hello){ .why = "" };
	if (!number_take(&r, 1, &type) || type != CLIENT_HELLO ||
	    !vector_take(&r, 3, &body) || r.len > 0 || !front_take(&body))
		return wrong(h, "it is malformed");
	if (body.len == 0)
		return true;
	if (!vector_take(&body, 2, &extensions) || body.len > 0)
		return wrong(h, "its extensions do not end where it ends");
	return extensions_read(h, extensions);
}
