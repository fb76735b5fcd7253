/* SPDX-License-Identifier: ISC */
/* The memory of a worker for the heads that it keeps. */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	STORE_SHARE = 8192 /* bytes that each may have when it is full */
};

char *store_new(size_t size);
void store_free(char *, size_t size);
bool store_permits(size_t size);
bool store_has_large(void);

#endif
