/* SPDX-License-Identifier: ISC */
/* LINK: tls/flight.c tls/hello.c */
/*
 * An entry for libFuzzer.  Any bytes of a client are taken in the same way in
 * one piece and byte by byte; what is held is never more than may be; and each
 * hello is read within its message.  The same bytes are taken as a server's.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
judge(const uint8_t *records, size_t len)
{
	static unsigned char message[HELLO_MAX];
	size_t n = flight_gather(message, records, len);
	unsigned char *copy = malloc(n + 1);
	struct hello h;

	assert(copy != NULL && n <= HELLO_MAX);
	memcpy(copy, message, n);
	if (hello_parse(&h, copy, n) && h.name != NULL) {
		assert(h.name_len > 0);
		assert((const unsigned char *)h.name > copy);
		assert((const unsigned char *)h.name + h.name_len <= copy + n);
	}
	free(copy);
}

/* Returns how many bytes are taken until the stream is bad, or all. */
static size_t
feed(const uint8_t *data, size_t size, size_t piece, unsigned *hellos)
{
	struct flight f = { .nheader = 0 };
	enum flight_event event;
	size_t at = 0, n;

	*hellos = 0;
	while (at < size) {
		n = size - at < piece ? size - at : piece;
		at += flight_client(&f, data + at, n, &event);
		if (event == FLIGHT_BAD)
			return SIZE_MAX;
		assert(
		    f.held <= at && f.held <= FLIGHT_HELD_MAX + FLIGHT_HEADER);
		if (event != FLIGHT_HELLO)
			continue;
		judge(data + at - f.held, f.held);
		f.held = 0;
		++*hellos;
	}
	return at;
}

static enum flight_event
answer(const uint8_t *data, size_t size, size_t piece)
{
	struct flight f = { .nheader = 0 };
	enum flight_event event = FLIGHT_MORE;

	for (size_t at = 0, n; at < size && event == FLIGHT_MORE; at += n) {
		n = size - at < piece ? size - at : piece;
		event = flight_server(&f, data + at, n);
	}
	return event;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned whole, single;

	assert(feed(data, size, size, &whole) == feed(data, size, 1, &single));
	assert(whole == single);
	assert(answer(data, size, size) == answer(data, size, 1));
	judge(data, size);
	return 0;
}
