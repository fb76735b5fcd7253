/* SPDX-License-Identifier: ISC */
/* Sessions as a table of fixed columns. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum table_order { TABLE_BYTES, TABLE_AGE, TABLE_RATE, TABLE_ORDERS };

/* One session; the texts are one allocation, which begins at id. */
struct table_row {
	char *id, *client, *user, *target, *dialled;
	uint64_t up, down, rate, age, idle; /* bytes, bytes/s, ms */
};

/* It owns its rows. */
struct table {
	struct table_row *rows;
	size_t n;
};

int table_add(struct table *, const char *line);
void table_sort(struct table *, enum table_order);
void table_print(FILE *, const struct table *, size_t most, unsigned columns);
void table_free(struct table *);
int table_order(const char *word);

#endif
