/* SPDX-License-Identifier: ISC */
/* Lines of the configuration and the filter as they are written. */
#ifndef QUOTE_H
#define QUOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct addr;
struct filter;
struct list;
struct places;

enum { QUOTE_SIZE = 200 /* bytes of a line that is shown, with its NUL */ };

/* What a line of a list is looked for by. */
struct quote_wanted {
	const char *name;        /* or NULL */
	const struct addr *addr; /* or NULL */
	bool below;
};

const char *quote_name(const struct places *, unsigned long line);
bool quote_line(
    const struct places *, unsigned long line, char text[QUOTE_SIZE]);
unsigned long quote_entry(
    const struct list *, const struct quote_wanted *, char text[QUOTE_SIZE]);
bool quote_pattern(
    const struct filter *, unsigned long line, char text[QUOTE_SIZE]);
unsigned long quote_find(
    const char *file, const char *directive, const char *word);
char *quote_value(const char *file, const char *directive);
unsigned long quote_nth(const char *file, const char *directive, size_t n);
void quote_place(FILE *, const char *file, const char *directive, size_t n);

#endif
