/* SPDX-License-Identifier: ISC */
/*
 * Numbers for the lines of a configuration that stands in several files: they
 * are counted in the order in which they are read, as if all were one file, so
 * that one number says which of two lines comes first and where each stands.
 */
#define _POSIX_C_SOURCE 200809L

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "place.h"

/* Adds a file: its number is nfiles before.  Returns 0, or -1 with ENOMEM. */
int
place_file(struct places *p, const char *file)
{
	char **grown = array_room(p->files, p->nfiles, sizeof(*grown));

	if (grown == NULL)
		return -1;
	p->files = grown;
	grown[p->nfiles] = strdup(file);
	if (grown[p->nfiles] == NULL)
		return -1;
	p->nfiles++;
	return 0;
}

/* Whether a line comes right after the last one, in the same file. */
static int
continues(const struct places *p, size_t file, unsigned long line)
{
	const struct place_part *last;

	if (p->nparts == 0)
		return 0;
	last = &p->parts[p->nparts - 1];
	return last->file == file && line - last->line == p->n - last->number;
}

/* Adds the next line.  Returns its number, or 0 with ENOMEM. */
unsigned long
place_add(struct places *p, size_t file, unsigned long line)
{
	struct place_part *grown;

	p->n++;
	if (continues(p, file, line))
		return p->n;
	grown = array_room(p->parts, p->nparts, sizeof(*grown));
	if (grown == NULL) {
		p->n--;
		return 0;
	}
	p->parts = grown;
	grown[p->nparts++] = (struct place_part){ p->n, line, file };
	return p->n;
}

/* Returns where a line stands; 0 stands for the first file as a whole. */
struct where
place_of(const struct places *p, unsigned long number)
{
	size_t low = 0, high = p->nparts, middle;
	const struct place_part *part;

	if (p->nfiles == 0)
		return (struct where){ NULL, number };
	if (number == 0 || p->nparts == 0)
		return (struct where){ p->files[0], number };
	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (p->parts[middle].number <= number)
			low = middle;
		else
			high = middle;
	}
	part = &p->parts[low];
	return (struct where){ p->files[part->file],
		part->line + (number - part->number) };
}

/* Frees what it owns. */
void
place_free(struct places *p)
{
	for (size_t i = 0; i < p->nfiles; i++)
		free(p->files[i]);
	free(p->files);
	free(p->parts);
	memset(p, 0, sizeof(*p));
}
