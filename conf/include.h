/* SPDX-License-Identifier: ISC */
/* Include: the files that a configuration consists of. */
#ifndef INCLUDE_H
#define INCLUDE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A file that is read, or waits for its turn. */
struct included {
	char *path;   /* owned */
	FILE *f;      /* owned; NULL: it is not open yet */
	char *buffer; /* owned: what f reads into, or NULL */
	dev_t dev;
	ino_t ino;
	unsigned depth;     /* 0: the first file */
	unsigned long from; /* number of the line that includes it */
	size_t place;       /* its number in struct places */
	unsigned long line; /* of its lines, how many have been read */
};

/* The files that are read, each included by the one before it. */
struct includes {
	struct included *list; /* owned; the last one is read now */
	size_t n;
	unsigned long total; /* that were added so far */
	bool circle;         /* a file includes itself: no more are added */
};

int include_begin(struct includes *, const char *path, FILE *);
const char *include_add(
    struct includes *, const char *path, unsigned long from);
const char *include_open(struct includes *);
struct included *include_at(const struct includes *);
void include_end(struct includes *);

#endif
