/* SPDX-License-Identifier: ISC */
/*
 * Arrays that grow by one element at a time.  Their number of elements alone
 * says how much room they have, so nobody keeps a capacity beside it.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "array.h"

/*
 * Makes room for one more element of size bytes after the n of an array, which
 * is NULL when n is 0.  An array that has grown in this way alone is full when
 * n is 0 or a power of two: it is reallocated then, to twice as many.  Returns
 * the array; or NULL with ENOMEM, and the old one is as it was.
 */
void *
array_room(void *array, size_t n, size_t size)
{
	size_t room = n == 0 ? 1 : 2 * n;
	void *grown = NULL;

	if ((n & (n - 1)) != 0)
		return array;
	if (n <= SIZE_MAX / 2 && room <= SIZE_MAX / size)
		grown = realloc(array, room * size);
	if (grown == NULL)
		errno = ENOMEM;
	return grown;
}
