/* SPDX-License-Identifier: ISC */
/* The steps of a request: CONN_REQUEST, CONN_USER and CONN_IDLE. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stddef.h>

#include "conn.h"

struct answer;
struct conf;

void request_init(const struct conf *);
int request_keep(struct conn *, char *bytes, size_t len);
enum conn_state request_enter(struct conn *);
enum conn_state request_read(struct conn *);
enum conn_state request_answered(struct conn *, const struct answer *);
enum conn_state request_expire(struct conn *);

#endif
