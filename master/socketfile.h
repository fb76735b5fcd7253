/* SPDX-License-Identifier: ISC */
/* Listening sockets that are files. */
#ifndef SOCKETFILE_H
#define SOCKETFILE_H

#include <stdbool.h>
#include <stdint.h>

struct local_rights;

uint16_t socketfile_hold(const char *path);
int socketfile_open(uint16_t name, const struct local_rights *, int backlog);
int socketfile_share(
    uint16_t name, const struct local_rights *, int fd, int backlog);
int socketfile_check(const char *path, const struct local_rights *, bool *used);
void socketfile_remove(uint16_t name);
const char *socketfile_why(void);

#endif
