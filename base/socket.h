/* SPDX-License-Identifier: ISC */
/* Socket options and socket errors. */
#ifndef SOCKET_H
#define SOCKET_H

#include <stdbool.h>

void socket_linger(int fd, bool gracefully);
void socket_reset(int fd);
void socket_tune(int fd);
bool socket_is_passing(int error);
void socket_close(int *fd);

#endif
