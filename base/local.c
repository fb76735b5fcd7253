/* SPDX-License-Identifier: ISC */
/*
 * The paths of Unix sockets.  An address has only room for a number, so the
 * paths that a configuration names are numbered here, in the master.  Its
 * children inherit the table, and a number keeps its path as long as any
 * generation may use it: so processes of all generations mean the same by it.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "local.h"

static struct local table[LOCAL_MAX]; /* that of number 1 is the first */
static size_t used;                   /* those beyond it are free */

/* Returns what a number stands for, or NULL. */
struct local *
local_get(uint16_t number)
{
	if (number == 0 || number > used || table[number - 1].holders == 0)
		return NULL;
	return &table[number - 1];
}

/* Returns the path of a number, or "?". */
const char *
local_path(uint16_t number)
{
	const struct local *l = local_get(number);

	return l != NULL ? l->path : "?";
}

/* Returns the number of a path, or 0: it has none. */
uint16_t
local_find(const char *path)
{
	for (size_t i = 0; i < used; i++)
		if (table[i].holders > 0 && strcmp(table[i].path, path) == 0)
			return (uint16_t)(i + 1);
	return 0;
}

/* Copies a path; bytes that would garble a line become question marks. */
static void
path_copy(char to[LOCAL_SIZE], const char *path)
{
	size_t i = 0;

	for (; path[i] != '\0'; i++)
		to[i] = (unsigned char)path[i] < 0x20 || path[i] == 0x7f ||
			path[i] == '"'
		    ? '?'
		    : path[i];
	to[i] = '\0';
}

/* Returns the first number that is free, or 0. */
static uint16_t
number_free(void)
{
	size_t i = 0;

	while (i < used && table[i].holders > 0)
		i++;
	return i < LOCAL_MAX ? (uint16_t)(i + 1) : 0;
}

/*
 * Returns the number of a path, which it keeps until local_drop() was called as
 * often as this; or 0 with errno: ENAMETOOLONG, or ENOSPC: LOCAL_MAX others
 * are in use.
 */
uint16_t
local_hold(const char *path)
{
	uint16_t number = local_find(path);
	struct local *l;

	if (number == 0 && strlen(path) >= LOCAL_SIZE) {
		errno = ENAMETOOLONG;
		return 0;
	}
	if (number == 0 && (number = number_free()) == 0) {
		errno = ENOSPC;
		return 0;
	}
	l = &table[number - 1];
	if (number > used)
		used = number;
	if (l->holders++ == 0) {
		*l = (struct local){ .holders = 1 };
		path_copy(l->path, path);
	}
	return number;
}

/* Ends one of the holds on a number; 0 is fine. */
void
local_drop(uint16_t number)
{
	struct local *l = local_get(number);

	if (l != NULL)
		l->holders--;
}

/* Holds all numbers that are in use, for a set that holds none. */
void
local_hold_all(struct local_set *set)
{
	for (size_t i = 0; i < used; i++)
		if (table[i].holders > 0) {
			table[i].holders++;
			set->bits[i / 64] |= UINT64_C(1) << i % 64;
		}
}

/* Ends the holds of a set. */
void
local_drop_all(struct local_set *set)
{
	for (size_t i = 0; i < LOCAL_MAX; i++)
		if (set->bits[i / 64] >> i % 64 & 1)
			table[i].holders--;
	*set = (struct local_set){ .bits = { 0 } };
}

/*
 * Gives a free number a path, as the program had it whose place this one takes.
 * It is held once.  Returns 0, or -1: the number is not free.
 */
int
local_put(uint16_t number, const struct local *l)
{
	if (number == 0 || number > LOCAL_MAX || local_get(number) != NULL ||
	    local_find(l->path) != 0)
		return -1;
	if (number > used)
		used = number;
	table[number - 1] = *l;
	table[number - 1].holders = 1;
	return 0;
}
