/* SPDX-License-Identifier: ISC */
/* What a TLS client says in the clear before the handshake is encrypted. */
#ifndef HELLO_H
#define HELLO_H

#include <stdbool.h>
#include <stddef.h>

enum {
	HELLO_MAX = 16384 /* bytes of a ClientHello, with its header of four */
};

/* A ClientHello.  The name points into the message. */
struct hello {
	const char *name; /* of its server_name, or NULL: it has none */
	size_t name_len;  /* bytes; not ended by a NUL */
	bool ech;         /* it may carry another name, encrypted */
	const char *why;  /* what is wrong with it */
};

bool hello_parse(struct hello *, const unsigned char *message, size_t len);

#endif
