/* SPDX-License-Identifier: ISC */
/* Moves quiet connections from the poll set to the lot, and back. */
#ifndef PARKING_H
#define PARKING_H

#include <stdint.h>

struct tunnel;

void parking_busy(struct tunnel *);
void parking_leave(struct tunnel *);
void parking_wake(void);
void parking_look(void);
int64_t parking_look_at(void);

#endif
