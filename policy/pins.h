/* SPDX-License-Identifier: ISC */
/* The names of all HostsFiles, each with its addresses. */
#ifndef PINS_H
#define PINS_H

#include <stddef.h>
#include <stdint.h>

#include "addr.h"

/* One name with one address. */
struct pin {
	uint32_t name; /* where it begins in the text of all names */
	uint32_t file; /* its place among the HostsFiles */
	uint32_t line;
	struct addr addr;
};

/* All of them; sorted by name once they are all read.  It owns its arrays. */
struct pins {
	struct pin *list;
	size_t n;
	char *text; /* names, each with its NUL */
	size_t len, size;
};

const char *pins_add(
    struct pins *, uint32_t file, unsigned long line, char *text);
const struct pin *pins_index(struct pins *);
const struct pin *pins_find(const struct pins *, const char *name, size_t *n);
const char *pins_name(const struct pins *, const struct pin *);
void pins_free(struct pins *);

#endif
