/* SPDX-License-Identifier: ISC */
/* The names of fields that mean something to a proxy. */
#ifndef FIELDS_H
#define FIELDS_H

#include <stddef.h>

/* What a field is; one may be several of them. */
enum {
	FIELD_HOP = 1,    /* for one connection alone, or made again */
	FIELD_MADE = 2,   /* in requests this proxy writes its own */
	FIELD_KEPT = 4,   /* of the message itself: Anonymous lets it pass */
	FIELD_FIXED = 8,  /* AddHeader cannot add it */
	FIELD_SECRET = 16 /* not shown in an answer to TRACE */
};

unsigned field_traits(const char *name, size_t len);

#endif
