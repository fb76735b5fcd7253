/* SPDX-License-Identifier: ISC */
/* Reads lines of sessions, sorts them and prints them in columns. */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "table.h"

enum {
	FIELDS = 10,    /* of a line */
	SHORT_SIZE = 16 /* bytes of a number with its unit */
};

static const char *const orders[TABLE_ORDERS] = { "bytes", "age", "rate" };

/* The order that a word names, or -1. */
int
table_order(const char *word)
{
	for (int i = 0; i < TABLE_ORDERS; i++)
		if (strcmp(word, orders[i]) == 0)
			return i;
	return -1;
}

/* What cannot be shown on a terminal must not reach it. */
static void
make_printable(char *text)
{
	for (; *text != '\0'; text++)
		if ((*text < ' ' || *text > '~') && *text != '\t')
			*text = '?';
}

/* Cuts a line at its tabs.  Returns whether it has all fields. */
static int
fields_cut(char *line, char *fields[FIELDS])
{
	int n = 0;

	while (n < FIELDS) {
		fields[n++] = line;
		line += strcspn(line, "\t");
		if (*line == '\0')
			break;
		*line++ = '\0';
	}
	return n == FIELDS ? 0 : -1;
}

/* Adds the session of a line.  Returns 0, or -1: it is none, or no memory. */
int
table_add(struct table *t, const char *line)
{
	struct table_row *rows = array_room(t->rows, t->n, sizeof(*rows));
	char *f[FIELDS], *copy = strdup(line);

	if (rows != NULL)
		t->rows = rows;
	if (rows == NULL || copy == NULL) {
		free(copy);
		return -1;
	}
	make_printable(copy);
	if (fields_cut(copy, f) != 0) {
		free(copy);
		return -1;
	}
	rows[t->n++] = (struct table_row){ .id = f[0],
		.client = f[1],
		.user = f[2],
		.target = f[3],
		.dialled = f[4],
		.up = strtoull(f[5], NULL, 10),
		.down = strtoull(f[6], NULL, 10),
		.rate = strtoull(f[7], NULL, 10),
		.age = strtoull(f[8], NULL, 10),
		.idle = strtoull(f[9], NULL, 10) };
	return 0;
}

/* Puts the larger number first. */
static int
compare(uint64_t a, uint64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int
by_bytes(const void *a, const void *b)
{
	const struct table_row *x = a, *y = b;

	return compare(x->up + x->down, y->up + y->down);
}

static int
by_age(const void *a, const void *b)
{
	const struct table_row *x = a, *y = b;

	return compare(x->age, y->age);
}

static int
by_rate(const void *a, const void *b)
{
	const struct table_row *x = a, *y = b;

	return compare(x->rate, y->rate);
}

void
table_sort(struct table *t, enum table_order order)
{
	static int (*const by[TABLE_ORDERS])(
	    const void *, const void *) = { by_bytes, by_age, by_rate };

	if (t->n > 0)
		qsort(t->rows, t->n, sizeof(*t->rows), by[order]);
}

/* A number of bytes in five characters, as "1.2M". */
static const char *
bytes_text(uint64_t n, char text[SHORT_SIZE])
{
	static const char units[] = "BkMGT";
	double value = (double)n;
	int unit = 0;

	for (; value >= 999.5 && unit < 4; unit++)
		value /= 1000;
	snprintf(text, SHORT_SIZE,
	    unit == 0 || value >= 99.5 ? "%.0f%c" : "%.1f%c", value,
	    units[unit]);
	return text;
}

/* A time in ms, as "3m05s". */
static const char *
time_text(uint64_t ms, char text[SHORT_SIZE])
{
	unsigned long s = (unsigned long)(ms / 1000 % 100000000);

	if (s >= 86400)
		snprintf(
		    text, SHORT_SIZE, "%lud%02luh", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		snprintf(text, SHORT_SIZE, "%luh%02lum", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(text, SHORT_SIZE, "%lum%02lus", s / 60, s % 60);
	else
		snprintf(text, SHORT_SIZE, "%lus", s);
	return text;
}

static void
row_print(FILE *out, const struct table_row *r, unsigned columns)
{
	char up[SHORT_SIZE], down[SHORT_SIZE], rate[SHORT_SIZE],
	    age[SHORT_SIZE], idle[SHORT_SIZE], line[700];

	snprintf(line, sizeof(line),
	    "%-9s %-15s %-10s %6s %6s %6s %6s %6s %-32s %s", r->id, r->client,
	    r->user, bytes_text(r->up, up), bytes_text(r->down, down),
	    bytes_text(r->rate, rate), time_text(r->age, age),
	    time_text(r->idle, idle), r->target, r->dialled);
	fprintf(out, "%.*s\n", columns == 0 ? 699 : (int)columns, line);
}

/*
 * Prints the first rows, at most so many, cut to a number of columns; 0: not
 * cut.
 */
void
table_print(FILE *out, const struct table *t, size_t most, unsigned columns)
{
	char head[200];

	snprintf(head, sizeof(head),
	    "%-9s %-15s %-10s %6s %6s %6s %6s %6s %-32s %s", "ID", "CLIENT",
	    "USER", "UP", "DOWN", "RATE/s", "AGE", "IDLE", "TARGET", "ADDRESS");
	fprintf(out, "%.*s\n", columns == 0 ? 199 : (int)columns, head);
	for (size_t i = 0; i < t->n && i < most; i++)
		row_print(out, &t->rows[i], columns);
}

void
table_free(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->rows[i].id);
	free(t->rows);
	*t = (struct table){ .n = 0 };
}
