/* SPDX-License-Identifier: ISC */
#ifndef PAGE_H
#define PAGE_H

#include <stddef.h>

#include "addr.h"

enum {
	TEMPLATE_MAX = 64 * 1024, /* bytes of the template of a page */
	VALUES_MAX = 64 * 1024,   /* bytes of all values in a page */
	PAGE_MAX = TEMPLATE_MAX + VALUES_MAX
};

/* A template of a page; it owns its text, which is NULL when there is none. */
struct page {
	char *text;
	size_t len;
};

/* One ErrorFile. */
struct error_page {
	int status;
	struct page page;
};

/* They, DefaultErrorFile and StatFile. */
struct pages {
	struct error_page *list; /* owned; each status once */
	size_t n;
	struct page error; /* of all other errors */
	struct page stat;
};

/* StatHost, whose page they are: a folded name, or an address. */
struct stat_host {
	char *name; /* owned */
	bool literal;
	struct addr addr;
};

/* What a {name} in a template stands for; NULL: it stays as it is. */
struct page_value {
	const char *name;
	const char *value;
};

int page_read(struct page *, const char *path);
void page_free(struct page *);
size_t page_fill(char out[PAGE_MAX], const char *text, size_t len,
    const struct page_value *values, size_t nvalues);

#endif
