/* SPDX-License-Identifier: ISC */
/* The first bytes of a client, kept until they are whole. */
#ifndef HEAD_H
#define HEAD_H

#include <stdbool.h>
#include <stddef.h>

struct setup;

bool head_permits(const struct setup *, size_t len, size_t max);
int head_keep(struct setup *, char *head, size_t len, size_t max);
void head_drop(struct setup *);

#endif
