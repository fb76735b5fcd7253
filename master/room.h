/* SPDX-License-Identifier: ISC */
/* Room for a new generation, when the places for workers run out. */
#ifndef ROOM_H
#define ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gen;

bool room_lacks(int error);
bool room_is_short(const struct gen *live);
void room_limit(unsigned most, int64_t now);
bool room_make(size_t children, int error, int64_t now);

#endif
