/* SPDX-License-Identifier: ISC */
/* Which connections wait in the parking lot. */
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
