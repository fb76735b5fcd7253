/* SPDX-License-Identifier: ISC */
/* Digests of secrets, and wiping memory. */
#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SECRET_KEY_SIZE = 16 /* bytes */ };

struct digest {
	uint64_t half[2];
};

struct digest secret_digest(
    const unsigned char key[SECRET_KEY_SIZE], const void *, size_t);
bool secret_same(const struct digest *, const struct digest *);
void secret_wipe(void *, size_t);

#endif
