/* SPDX-License-Identifier: ISC */
/* The lot, which watches descriptors outside the poll set. */
#ifndef LOT_H
#define LOT_H

#include <stdbool.h>
#include <stddef.h>

#include "tunnel.h"

struct pollfd;

int lot_init(
    size_t set_size, struct end *(*find)(struct tunnel *, unsigned which));
int lot_fd(void);
int lot_own(int fd, int was, int events, unsigned which);
int lot_add(struct tunnel *, unsigned which, struct end *);
int lot_set(struct tunnel *, unsigned which, struct end *, short events);
void lot_leave(struct end *);
void lot_forget(struct end *);
int lot_poll(struct pollfd *set, size_t n, int timeout);
bool lot_next(struct tunnel **, unsigned *which, short *revents);

#endif
