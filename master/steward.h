/* SPDX-License-Identifier: ISC */
/* The control process, its sockets, and what it asks of the master. */
#ifndef STEWARD_H
#define STEWARD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board.h"
#include "orders.h"

struct conf_status;
struct gen;
struct pollfd;

int steward_init(void);
void steward_own(struct gen *);
int steward_open(struct gen *, const struct gen *old);
const char *steward_check(const struct conf_status *, bool *used);
void steward_use(struct gen *, int64_t now);
pid_t steward_pass(void);
void steward_inherit(pid_t, int64_t now);
void steward_restart(int64_t now);
int64_t steward_restart_next(void);
size_t steward_watch(struct pollfd *);
bool steward_wish(struct wish_message *, int *client);
bool steward_reap(pid_t, int status, int64_t now);
void steward_drop(const struct gen *);
void steward_forget(const struct gen *);

/* The peers that wait for a reload; see steward_keep(). */
void steward_keep(int client);
void steward_begin(void);
void steward_done(int status, const char *text);
void steward_reply(int client, int status, const char *text);

/* What is shown. */
void steward_show(enum board_phase, const struct gen *live);
void steward_reloaded(bool ok, const char *error);

#endif
