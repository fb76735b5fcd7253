/* SPDX-License-Identifier: ISC */
/* Moves connections that stay from the poll set to the lot. */
#ifndef PARKING_H
#define PARKING_H

#include <stdint.h>

struct end;
struct tunnel;

struct end *parking_end(struct tunnel *, unsigned which);
void parking_busy(struct tunnel *);
void parking_look(void);
int64_t parking_look_at(void);

#endif
