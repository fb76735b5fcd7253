/* SPDX-License-Identifier: ISC */
/* Patterns that refer back to what a group has matched. */
#ifndef BACKTRACK_H
#define BACKTRACK_H

#include <stdbool.h>
#include <stddef.h>

struct effort;

bool backtrack_matches(const unsigned char *code, size_t code_len,
    const char *subject, size_t len, struct effort *);

#endif
