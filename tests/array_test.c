/* SPDX-License-Identifier: ISC */
/* LINK: base/array.c */
/* Fills an array one by one, and asks for more than there can be. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "../proxy.h"
#include "must.h"

enum { MANY = 5000 };

static bool
is_power_of_two(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* All elements stay, and the array moves only where it has to grow. */
static void
fill(void)
{
	size_t *array = NULL, *grown;

	for (size_t n = 0; n < MANY; n++) {
		grown = array_room(array, n, sizeof(*array));
		must(grown != NULL, "there is room");
		must(grown == array || n == 0 || is_power_of_two(n),
		    "it grows at powers of two alone");
		array = grown;
		array[n] = n;
	}
	for (size_t n = 0; n < MANY; n++)
		must(array[n] == n, "every element is kept");
	free(array);
}

/* A size that cannot be computed is refused, and nothing is lost. */
static void
overflow(void)
{
	size_t half = SIZE_MAX / 2 + 1, *array = malloc(sizeof(*array));

	must(array != NULL, "malloc");
	*array = 7;
	errno = 0;
	must(array_room(array, half, 1) == NULL && errno == ENOMEM,
	    "twice as many do not fit in a size_t");
	errno = 0;
	must(array_room(array, half / 8, 16) == NULL && errno == ENOMEM,
	    "so many bytes do not fit in a size_t");
	must(*array == 7, "the array is as it was");
	free(array);
}

int
main(void)
{
	fill();
	overflow();
	return 0;
}
