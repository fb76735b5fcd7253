/* SPDX-License-Identifier: ISC */
/* LINK: base/sys.c base/program.c */
/*
 * Closes sockets on which another process has sent descriptors whose close()
 * would wait for an hour.
 */
#define _GNU_SOURCE

#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "../proxy.h"
#include "must.h"

enum { CHANNEL_SIZE = 64, LONG = 3600, SOON = 10 /* s */ };

/* A TCP connection whose peer does not read: its close() waits. */
static int
burden(int *peer)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct linger wait = { 1, LONG };
	int at_port = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(at);
	static const char bytes[65536];

	must(bind(at_port, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		listen(at_port, 1) == 0 &&
		getsockname(at_port, (struct sockaddr *)&at, &len) == 0 &&
		connect(fd, (struct sockaddr *)&at, len) == 0,
	    "a connection");
	*peer = accept(at_port, NULL, NULL);
	close(at_port);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)) == 0,
	    "SO_LINGER");
	return fd;
}

/* After so many empty messages comes one with the burden. */
static void
test_drain(unsigned empty)
{
	int pair[2], peer, fd = burden(&peer);
	char message[CHANNEL_SIZE] = "";

	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "a channel");
	for (unsigned i = 0; i < empty; i++)
		must(send(pair[1], "", 0, 0) == 0, "an empty message");
	must(sys_send(pair[1], message, sizeof(message), &fd, 1) == 0,
	    "a message with a descriptor");
	close(fd);
	alarm(SOON);
	sys_drain(pair[0]);
	close(pair[0]);
	alarm(0);
	must(send(pair[1], "", 1, MSG_NOSIGNAL) < 0, "the channel is closed");
	close(pair[1]);
	close(peer);
}

int
main(void)
{
	test_drain(0);
	test_drain(8);
	return 0;
}
