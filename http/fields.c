/* SPDX-License-Identifier: ISC */
/*
 * A table of the header fields that a proxy must treat specially, and of how.
 * All code that drops fields, keeps them or refuses to add them must use this
 * table, and have no list of its own.
 */
#define _POSIX_C_SOURCE 200809L

#include <stddef.h>
#include <strings.h>

#include "fields.h"

#define NAME(text) text, sizeof(text) - 1

static const struct {
	const char *name;
	size_t len;
	unsigned traits;
} fields[] = { { NAME("Authorization"), FIELD_SECRET | FIELD_HEAD },
	{ NAME("Connection"), FIELD_HOP | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Content-Encoding"), FIELD_HEAD },
	{ NAME("Content-Length"), FIELD_HOP | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Content-Range"), FIELD_HEAD },
	{ NAME("Content-Type"), FIELD_KEPT | FIELD_HEAD },
	{ NAME("Cookie"), FIELD_SECRET | FIELD_HEAD },
	{ NAME("Expect"), FIELD_KEPT | FIELD_HEAD },
	{ NAME("Host"), FIELD_MADE | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Keep-Alive"), FIELD_HOP | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Max-Forwards"), FIELD_MADE | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Proxy-Authenticate"), FIELD_HOP | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Proxy-Authentication-Info"),
	    FIELD_HOP | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Proxy-Authorization"),
	    FIELD_HOP | FIELD_FIXED | FIELD_SECRET | FIELD_HEAD },
	{ NAME("Proxy-Connection"), FIELD_HOP | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Range"), FIELD_HEAD }, { NAME("Set-Cookie"), FIELD_HEAD },
	{ NAME("TE"), FIELD_HOP | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Trailer"), FIELD_MADE | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Transfer-Encoding"), FIELD_HOP | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Upgrade"), FIELD_HOP | FIELD_FIXED | FIELD_HEAD },
	{ NAME("Via"), FIELD_KEPT | FIELD_FIXED },
	{ NAME("X-Tinyproxy"), FIELD_HEAD } };

/*
 * Returns the traits of a field, 0 if it has none.  The name need not end in a
 * NUL, and its case does not matter.
 */
unsigned
field_traits(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (fields[i].len == len &&
		    strncasecmp(fields[i].name, name, len) == 0)
			return fields[i].traits;
	return 0;
}
