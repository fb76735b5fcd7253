/* SPDX-License-Identifier: ISC */
/* The directives of the configuration file, all in one table. */
#ifndef DIRECTIVES_H
#define DIRECTIVES_H

#include <stdio.h>

struct conf;
struct reader;

void directives_begin(struct reader *);
void directives_take(struct reader *, char *line);
unsigned long directives_line(const struct conf *, const char *directive);
int directives_print(const struct conf *, FILE *);
void directives_free(struct conf *);

#endif
