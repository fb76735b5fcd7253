/* SPDX-License-Identifier: ISC */
/* Pages written by the administrator: ErrorFile, DefaultErrorFile, StatFile. */
#ifndef PAGE_H
#define PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"

enum {
	TEMPLATE_MAX = 64 * 1024, /* bytes of the template of a page */
	VALUES_MAX = 64 * 1024,   /* bytes of all values in a page */
	PAGE_MAX = TEMPLATE_MAX + VALUES_MAX
};

/* The template of a page.  It owns what it points to. */
struct page {
	char *path; /* as it was given, or NULL: none was */
	char *text; /* or NULL: there is none */
	size_t len;
};

/* One ErrorFile. */
struct error_page {
	int status;
	struct page page;
};

/* All ErrorFiles, DefaultErrorFile and StatFile. */
struct pages {
	struct error_page *list; /* owned; each status once */
	size_t n;
	struct page error; /* of all other errors */
	struct page stat;
};

/* StatHost, the host of the statistics page: a folded name, or an address. */
struct stat_host {
	char *name; /* owned */
	bool literal;
	struct addr addr;
};

/*
 * What a {name} in a template stands for; if value is NULL, it stays as it is.
 */
struct page_value {
	const char *name;
	const char *value;
	bool own; /* the administrator's: UTF-8, and no URL */
};

int page_read(struct page *, const char *path);
void page_free(struct page *);
size_t page_fill(char out[PAGE_MAX], const char *text, size_t len,
    const struct page_value *values, size_t nvalues);

#endif
