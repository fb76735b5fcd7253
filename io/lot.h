/* SPDX-License-Identifier: ISC */
/* The parking lot, where quiet tunnels wait outside the poll set. */
#ifndef LOT_H
#define LOT_H

#include <poll.h>
#include <stddef.h>

struct pollfd;
struct tunnel;

enum {
	WOKEN_MAX = 64 /* parked tunnels woken at once */
};

int lot_init(size_t max_conns, size_t set_size);
int lot_fd(void);
int lot_park(struct tunnel *, const int events[2]);
void lot_leave(struct tunnel *);
int lot_poll(struct pollfd *set, size_t n, int timeout);
size_t lot_woken(struct tunnel **woken, size_t max);

#endif
