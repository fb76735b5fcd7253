/* SPDX-License-Identifier: ISC */
/*
 * Takes the records of a TLS handshake apart, as they come, in pieces of any
 * size: those of a client, to find each ClientHello, and those of a server, to
 * find the ServerHello after which all is encrypted.  A ServerHello may also ask
 * for a second ClientHello, RFC 8446 4.1.4, and a server may then go by the name
 * in that one.  Each byte is looked at once, and nothing is kept of it.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "flight.h"
#include "hello.h"

enum {
	RECORD_CHANGE = 20, /* change_cipher_spec, which says nothing */
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23, /* early data of a client, encrypted */
	RECORD_MAX = 16384,
	RECORD_MORE = 256, /* that encrypting may add */
	MESSAGE_HEADER = 4,
	CLIENT_HELLO = 1,
	SERVER_HELLO = 2,
	HELLOS_MAX = 2, /* of a client; a server asks for a second one once */
	RANDOM_AT = 6   /* in a ServerHello */
};

/* The random of a ServerHello that asks for another hello, RFC 8446 4.1.3. */
static const unsigned char retry[] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61,
	0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
	0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33,
	0x9c };

static bool
is_handshake(const struct flight *f)
{
	return f->header[0] == RECORD_HANDSHAKE;
}

/*
 * Whether what has come of a record's header can belong to a handshake.  The
 * first messages of both sides are hellos, and a message is not interrupted by
 * other records.  Only early data may be empty, or as long as encrypted data.
 */
static bool
header_holds(const struct flight *f)
{
	unsigned type = f->header[0];
	size_t len = (size_t)f->header[3] << 8 | f->header[4];
	bool data = type == RECORD_DATA;

	if (type < RECORD_CHANGE || type > RECORD_DATA ||
	    (f->got > 0 && type != RECORD_HANDSHAKE))
		return false;
	if (f->nheader > 1 && f->header[1] != 3)
		return false;
	return f->nheader < FLIGHT_HEADER ||
	    (data ? len <= RECORD_MAX + RECORD_MORE
		  : len > 0 && len <= RECORD_MAX);
}

/* Takes bytes of a header.  Returns how many. */
static size_t
header_take(struct flight *f, const unsigned char *bytes, size_t len)
{
	size_t n = FLIGHT_HEADER - f->nheader;

	n = n < len ? n : len;
	memcpy(f->header + f->nheader, bytes, n);
	f->nheader += n;
	f->held += n;
	if (f->nheader < FLIGHT_HEADER)
		return n;
	f->left = (size_t)f->header[3] << 8 | f->header[4];
	if (!is_handshake(f))
		f->held = 0;
	return n;
}

/* Takes bytes of a header, as many as *n says at most.  Returns whether it holds. */
static bool
header_read(struct flight *f, const unsigned char *bytes, size_t *n)
{
	*n = header_take(f, bytes, *n);
	if (!header_holds(f))
		return false;
	if (f->nheader == FLIGHT_HEADER && f->left == 0)
		f->nheader = 0;
	return true;
}

/* Takes bytes of a record that is part of no message. */
static void
body_skip(struct flight *f, size_t n)
{
	f->left -= n;
	if (f->left == 0)
		f->nheader = 0;
}

/*
 * Takes bytes of a message, of which the first ones are kept.  Returns whether
 * its type and length are those of a hello.
 */
static bool
message_take(struct flight *f, const unsigned char *bytes, size_t n,
    unsigned type, size_t min)
{
	size_t room = f->got < FLIGHT_START ? FLIGHT_START - f->got : 0;

	memcpy(f->start + (FLIGHT_START - room), bytes, n < room ? n : room);
	f->got += n;
	f->held += n;
	body_skip(f, n);
	if (f->start[0] != type)
		return false;
	if (f->got < MESSAGE_HEADER)
		return true;
	f->want = MESSAGE_HEADER +
	    ((size_t)f->start[1] << 16 | (size_t)f->start[2] << 8 |
		f->start[3]);
	return f->want >= min && f->want <= HELLO_MAX;
}

/*
 * Takes bytes of a client, up to the end of a hello.  Returns how many, and with
 * FLIGHT_HELLO, that the hello is in the last f->held bytes that were taken in
 * all; the caller then sets that to 0.  A hello must end where its record ends.
 */
size_t
flight_client(struct flight *f, const unsigned char *bytes, size_t len,
    enum flight_event *event)
{
	size_t at = 0, n;

	*event = FLIGHT_MORE;
	while (at < len && *event == FLIGHT_MORE) {
		if (f->nheader < FLIGHT_HEADER) {
			n = len - at;
			if (!header_read(f, bytes + at, &n) ||
			    (f->hellos == 0 && !is_handshake(f)))
				*event = FLIGHT_BAD;
			at += n;
			continue;
		}
		n = f->left < len - at ? f->left : len - at;
		if (!is_handshake(f))
			body_skip(f, n);
		else if (!message_take(f, bytes + at, n, CLIENT_HELLO, 0) ||
		    (f->want != 0 && f->got > f->want) ||
		    (f->got == f->want && f->left > 0) ||
		    f->hellos == HELLOS_MAX || f->held > FLIGHT_HELD_MAX)
			*event = FLIGHT_BAD;
		else if (f->got == f->want)
			*event = FLIGHT_HELLO;
		at += n;
	}
	if (*event == FLIGHT_HELLO) {
		f->got = f->want = 0;
		f->hellos++;
	}
	return at;
}

/*
 * Takes bytes of a message of a server, up to its end.  Returns FLIGHT_DONE for
 * a ServerHello, and goes on after one that asks for a second hello.
 */
static enum flight_event
server_message(struct flight *f, const unsigned char *bytes, size_t *n)
{
	size_t most =
	    f->got < FLIGHT_START ? FLIGHT_START - f->got : f->want - f->got;

	*n = *n < most ? *n : most;
	if (!message_take(f, bytes, *n, SERVER_HELLO, FLIGHT_START))
		return FLIGHT_BAD;
	if (f->got >= FLIGHT_START &&
	    memcmp(f->start + RANDOM_AT, retry, sizeof(retry)) != 0)
		return FLIGHT_DONE;
	if (f->want == 0 || f->got < f->want)
		return FLIGHT_MORE;
	f->got = f->want = 0;
	return ++f->hellos < HELLOS_MAX ? FLIGHT_MORE : FLIGHT_BAD;
}

/*
 * Takes bytes of a server that has got a hello.  Returns FLIGHT_DONE as soon as
 * its own hello is among them: nobody needs to look at what follows.
 */
enum flight_event
flight_server(struct flight *f, const unsigned char *bytes, size_t len)
{
	enum flight_event event = FLIGHT_MORE;
	size_t n;

	for (size_t at = 0; at < len && event == FLIGHT_MORE; at += n) {
		if (f->nheader < FLIGHT_HEADER) {
			n = len - at;
			if (!header_read(f, bytes + at, &n) ||
			    f->header[0] == RECORD_DATA)
				event = FLIGHT_BAD;
			continue;
		}
		n = f->left < len - at ? f->left : len - at;
		if (is_handshake(f))
			event = server_message(f, bytes + at, &n);
		else
			body_skip(f, n);
	}
	return event;
}

/*
 * Whether the stream is between two records, so that one of this proxy may come
 * next.
 */
bool
flight_between(const struct flight *f)
{
	return f->nheader == 0;
}

/*
 * Puts together the message that whole records hold, which flight_client() has
 * taken.  The message must have room for HELLO_MAX bytes.  Returns its length.
 */
size_t
flight_gather(unsigned char *message, const unsigned char *records, size_t len)
{
	size_t got = 0, n;

	for (size_t at = 0; at + FLIGHT_HEADER <= len; at += n) {
		n = (size_t)records[at + 3] << 8 | records[at + 4];
		at += FLIGHT_HEADER;
		if (n > len - at || n > HELLO_MAX - got)
			break;
		memcpy(message + got, records + at, n);
		got += n;
	}
	return got;
}
