/* SPDX-License-Identifier: ISC */
#ifndef CLIENT_H
#define CLIENT_H

#include <sys/socket.h>

struct answer;
struct conf;
struct conn;
struct sockaddr_storage;

void client_init(const struct conf *);
void client_accepted(int fd, const struct sockaddr_storage *from);
void client_named(struct conn *, const struct answer *);
void client_deny(struct conn *);

#endif
