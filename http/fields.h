/* SPDX-License-Identifier: ISC */
/* The header fields that a proxy must treat specially. */
#ifndef FIELDS_H
#define FIELDS_H

#include <stddef.h>

/* The traits of a field; it may have several. */
enum {
	FIELD_HOP = 1,     /* hop-by-hop, or written by this proxy */
	FIELD_MADE = 2,    /* in requests: written by this proxy */
	FIELD_KEPT = 4,    /* Anonymous always lets it pass */
	FIELD_FIXED = 8,   /* AddHeader must not add it */
	FIELD_SECRET = 16, /* left out of the answer to TRACE */
	FIELD_HEAD = 32    /* no trailer, RFC 9110 6.5.1 */
};

unsigned field_traits(const char *name, size_t len);

#endif
