/* SPDX-License-Identifier: ISC */
/* Lines of the configuration and the filter as they are written. */
#ifndef QUOTE_H
#define QUOTE_H

#include <stdbool.h>
#include <stddef.h>

struct filter;

enum { QUOTE_SIZE = 200 /* bytes of a line that is shown, with its NUL */ };

bool quote_line(const char *file, unsigned long line, char text[QUOTE_SIZE]);
bool quote_pattern(
    const struct filter *, unsigned long line, char text[QUOTE_SIZE]);
unsigned long quote_find(
    const char *file, const char *directive, const char *word);
char *quote_value(const char *file, const char *directive);
unsigned long quote_nth(const char *file, const char *directive, size_t n);

#endif
