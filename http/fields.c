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
} fields[] = { { NAME("Authorization"), FIELD_SECRET },
	{ NAME("Connection"), FIELD_HOP | FIELD_FIXED },
	{ NAME("Content-Length"), FIELD_HOP | FIELD_FIXED },
	{ NAME("Content-Type"), FIELD_KEPT }, { NAME("Cookie"), FIELD_SECRET },
	{ NAME("Expect"), FIELD_KEPT },
	{ NAME("Host"), FIELD_MADE | FIELD_FIXED },
	{ NAME("Keep-Alive"), FIELD_HOP | FIELD_FIXED },
	{ NAME("Max-Forwards"), FIELD_MADE | FIELD_FIXED },
	{ NAME("Proxy-Authenticate"), FIELD_HOP | FIELD_FIXED },
	{ NAME("Proxy-Authentication-Info"), FIELD_HOP | FIELD_FIXED },
	{ NAME("Proxy-Authorization"), FIELD_HOP | FIELD_FIXED | FIELD_SECRET },
	{ NAME("Proxy-Connection"), FIELD_HOP | FIELD_FIXED },
	{ NAME("TE"), FIELD_HOP | FIELD_FIXED },
	{ NAME("Trailer"), FIELD_KEPT | FIELD_FIXED },
	{ NAME("Transfer-Encoding"), FIELD_HOP | FIELD_FIXED },
	{ NAME("Upgrade"), FIELD_HOP | FIELD_FIXED },
	{ NAME("Via"), FIELD_KEPT | FIELD_FIXED } };

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
