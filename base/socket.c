/* SPDX-License-Identifier: ISC */
/* Small calls for sockets, and what their errors mean. */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <errno.h>
#include <stdbool.h>

#include "socket.h"

/*
 * Chooses what close() says to the peer: a reset, and what is not sent yet is
 * dropped; or, gracefully, that all has been said.  The sockets of a tunnel
 * are set to reset for as long as it lives: so the end of a process that
 * crashes does not make half an answer look complete.
 */
void
socket_linger(int fd, bool gracefully)
{
	struct linger linger = { .l_onoff = !gracefully, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* Whether a socket has failed only for now, so that it is to be tried again. */
bool
socket_is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR ||
	    error == ENOBUFS;
}
