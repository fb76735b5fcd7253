/* SPDX-License-Identifier: ISC */
/* The lines of several files that are read as one. */
#ifndef PLACE_H
#define PLACE_H

#include <stddef.h>

/* Where a line stands. */
struct where {
	const char *file;   /* NULL: nowhere */
	unsigned long line; /* 0: the file as a whole */
};

/* Lines of one file that follow each other. */
struct place_part {
	unsigned long number; /* of the first one */
	unsigned long line;   /* of the first one, in its file */
	size_t file;
};

/*
 * The files, and where the lines of each stand in the order of reading.  All
 * zero: there are none.  Without another file, the numbers are those of the
 * first file's lines.
 */
struct places {
	char **files; /* owned */
	size_t nfiles;
	struct place_part *parts; /* owned */
	size_t nparts;
	unsigned long n; /* lines */
};

int place_file(struct places *, const char *file);
unsigned long place_add(struct places *, size_t file, unsigned long line);
struct where place_of(const struct places *, unsigned long number);
void place_free(struct places *);

#endif
