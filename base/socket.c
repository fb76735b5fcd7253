/* SPDX-License-Identifier: ISC */
/*
 * Socket options and socket errors that several rooms use.  Nothing here reads
 * or writes.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <unistd.h>

#include "socket.h"

/*
 * Chooses what close() does: gracefully ends the connection after the unsent
 * data; otherwise drops that data and resets the connection.  The sockets of a
 * tunnel are set to reset while it lives, so that half an answer does not look
 * complete when a worker crashes.
 */
void
socket_linger(int fd, bool gracefully)
{
	struct linger linger = { .l_onoff = !gracefully, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/*
 * Closes a socket and resets its connection, whatever it has inherited from the
 * listening one, which other processes have too.
 */
void
socket_reset(int fd)
{
	socket_linger(fd, false);
	close(fd);
}

/*
 * Sets what a socket to a server needs where bytes flow both ways: small parts
 * do not wait for an ACK, and close() resets it.
 */
void
socket_tune(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	socket_linger(fd, false);
}

/* Returns whether an error of a socket call is temporary: try again later. */
bool
socket_is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR ||
	    error == ENOBUFS;
}

/* Closes a descriptor unless it is -1, which it is then. */
void
socket_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
