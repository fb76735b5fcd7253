/* SPDX-License-Identifier: ISC */
/*
 * The world around a part of adit in tests that play it: a clock that stands
 * still until the test moves it, a script in bytes, and what must be the same
 * before and after: memory and descriptors.
 */
#ifndef WORLD_H
#define WORLD_H

#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "must.h"

/* The clock, in place of base/clock.c. */

static int64_t now = 1000000; /* ms */

int64_t
clock_ms(void)
{
	return now;
}

int64_t
clock_now(void)
{
	return now;
}

int64_t
clock_used(void)
{
	return 0;
}

void
clock_turn(void)
{
}

/* The bytes of the script that are left. */
static const uint8_t *script;
static size_t script_len;

/* Its next byte; 0 when there is none. */
static inline unsigned
next(void)
{
	if (script_len == 0)
		return 0;
	script_len--;
	return *script++;
}

/* What must be the same afterwards. */

enum { FDS_MAX = 512 };

/* Tells which descriptors are open. */
static inline void
fds_find(bool open[FDS_MAX])
{
	static struct pollfd set[FDS_MAX];

	for (int i = 0; i < FDS_MAX; i++)
		set[i] = (struct pollfd){ .fd = i };
	must(poll(set, FDS_MAX, 0) >= 0, "poll");
	for (int i = 0; i < FDS_MAX; i++)
		open[i] = !(set[i].revents & POLLNVAL);
}

static bool fds_before[FDS_MAX];

/* Remembers which are open. */
static inline void
fds_keep(void)
{
	fds_find(fds_before);
}

/* The same must be open now. */
static inline void
fds_check(void)
{
	static bool open[FDS_MAX];

	fds_find(open);
	for (int i = 0; i < FDS_MAX; i++)
		must(fds_before[i] == open[i], "no descriptor is left");
}

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* How many bytes of memory are allocated, or 0 where nobody knows. */
static inline size_t
memory_used(void)
{
	return __sanitizer_get_current_allocated_bytes != NULL
	    ? __sanitizer_get_current_allocated_bytes()
	    : 0;
}

/*
 * No more may be allocated now.  The thread of libFuzzer that watches the memory
 * starts while the first input runs, and has some of its own for a moment.
 */
static inline void
memory_check(size_t before)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	for (int i = 0; i < 2000 && memory_used() > before; i++)
		nanosleep(&moment, NULL);
	must(memory_used() <= before, "no memory is left");
}

/* Sockets. */

static inline void
fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Closes it with a reset: so no port is held for a while. */
static inline void
fd_reset(int *fd)
{
	struct linger linger = { .l_onoff = 1 };

	if (*fd < 0)
		return;
	setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	fd_close(fd);
}

/*
 * Returns a socket on a free port of loopback, which listens unless backlog is
 * negative.
 */
static inline int
loopback(unsigned *port, int backlog)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	void *sa = &at;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && bind(fd, sa, len) == 0 &&
		(backlog < 0 || listen(fd, backlog) == 0) &&
		getsockname(fd, sa, &len) == 0,
	    "a socket on loopback");
	*port = ntohs(at.sin_port);
	return fd;
}

/* Files. */

/* Writes a file whole. */
static inline void
file_put(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "wb");

	must(f != NULL && fwrite(bytes, 1, len, f) == len && fclose(f) == 0,
	    path);
}

#endif
