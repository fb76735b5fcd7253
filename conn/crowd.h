/* SPDX-License-Identifier: ISC */
/* Which connections give way when all places are taken. */
#ifndef CROWD_H
#define CROWD_H

#include <stddef.h>

struct conn;

enum { CROWD_MAX = 8 /* that give way at once */ };

int crowd_init(void);
size_t crowd_pick(struct conn *picked[CROWD_MAX]);

#endif
