/* SPDX-License-Identifier: ISC */
/* Arrays that grow by one element at a time. */
#ifndef ARRAY_H
#define ARRAY_H

#include <stddef.h>

void *array_room(void *array, size_t n, size_t size);

#endif
