/* SPDX-License-Identifier: ISC */
/* The records of a TLS handshake, as they come from one side. */
#ifndef FLIGHT_H
#define FLIGHT_H

#include <stdbool.h>
#include <stddef.h>

enum {
	FLIGHT_HEADER = 5, /* bytes of the header of a record */
	/* A ServerHello as far as its random, which tells a retry. */
	FLIGHT_START = 38,
	/* The most bytes of records that hold one ClientHello. */
	FLIGHT_HELD_MAX = 20 * 1024
};

enum flight_event {
	FLIGHT_MORE,  /* more must come */
	FLIGHT_HELLO, /* the client's hello is complete */
	FLIGHT_DONE,  /* the server's hello: what follows is encrypted */
	FLIGHT_BAD    /* this is not what comes in a TLS handshake */
};

/* What has come from one side.  All zero: nothing. */
struct flight {
	unsigned char header[FLIGHT_HEADER]; /* of the present record */
	unsigned char start[FLIGHT_START];   /* of the present message */
	size_t nheader;                      /* bytes of the header */
	size_t left;      /* bytes of the record that are still to come */
	size_t got, want; /* bytes of the message; want 0: not known yet */
	/*
	 * Client: bytes of records since the last whole message or other
	 * record, which must not go on before the message was judged.
	 */
	size_t held;
	unsigned hellos; /* whole ones: of a client, or retries of a server */
};

size_t flight_client(struct flight *, const unsigned char *bytes, size_t len,
    enum flight_event *);
enum flight_event flight_server(
    struct flight *, const unsigned char *bytes, size_t len);
bool flight_between(const struct flight *);
size_t flight_gather(
    unsigned char *message, const unsigned char *records, size_t len);

#endif
