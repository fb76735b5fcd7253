/* SPDX-License-Identifier: ISC */
/* The poll set of a worker, and the deadlines of its connections. */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tunnel;

int loop_init(size_t max_conns);
size_t watch_max(size_t max_conns);
int watch_add(int fd, short events, struct tunnel *, unsigned which, int *slot);
void watch_set(int slot, short events);
void watch_remove(int *slot);
size_t watch_count(void);
size_t watch_tunnels(void);
bool watch_grown(void);
int watch_poll(int timeout);
uint32_t watch_turn(void);
bool watch_is_quiet(int slot, uint32_t since);
short watch_take(size_t at, struct tunnel **, unsigned *which);
struct tunnel *watch_tunnel(size_t at, unsigned *which);
void deadline_set(struct tunnel *, int64_t when);
void deadline_clear(struct tunnel *);
struct tunnel *deadline_due(void);
int64_t deadline_next(void);

#endif
