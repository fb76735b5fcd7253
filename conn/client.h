/* SPDX-License-Identifier: ISC */
/* The steps of a client before its request: CONN_RULE. */
#ifndef CLIENT_H
#define CLIENT_H

#include "conn.h"

struct answer;
struct conf;
struct sockaddr_storage;

void client_init(const struct conf *);
struct conn *client_accepted(int fd, const struct sockaddr_storage *from);
enum conn_state client_begin(struct conn *);
enum conn_state client_answered(struct conn *, const struct answer *);
enum conn_state client_deny(struct conn *);
enum conn_state client_early(struct conn *, short revents);

#endif
