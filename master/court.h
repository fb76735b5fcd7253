/* SPDX-License-Identifier: ISC */
/* ReloadTunnels: the judge is started, served and bounded. */
#ifndef COURT_H
#define COURT_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gen;
struct pollfd;

void court_init(void);
void court_begin(struct gen *, int64_t now);
bool court_end(void);
size_t court_watch(struct pollfd *);
void court_serve(int64_t now);
bool court_reap(pid_t, int status);
void court_check(int64_t now);
int64_t court_next(void);

#endif
