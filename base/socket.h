/* SPDX-License-Identifier: ISC */
/* Small calls for sockets. */
#ifndef SOCKET_H
#define SOCKET_H

#include <stdbool.h>

void socket_linger(int fd, bool gracefully);
bool socket_is_passing(int error);

#endif
