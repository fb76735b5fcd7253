/* SPDX-License-Identifier: ISC */
/*
 * A library that is loaded before libc, and lets one call fail: which function,
 * at which call and in which processes is in a file that they share, whose name
 * is in FAULTS.  faulty.c writes it.  For glibc.
 */
#define _GNU_SOURCE

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "faults.h"

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static struct fault_order nothing, *order = &nothing;

static const int errors[] = {
#define ERROR(name, error) error,
	FAULTS(ERROR)
};

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("FAULTS");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *page;

	if (fd < 0)
		return;
	page =
	    mmap(NULL, FAULT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		return;
	order = page;
	order->loaded = 1;
}

static bool
concerns(int pid)
{
	for (size_t i = 0; i < FAULT_PIDS; i++)
		if (order->pids[i] == pid)
			return !order->others;
	return order->others;
}

static bool
fails(enum fault fault)
{
	if (!order->armed || order->fault != (int)fault || !concerns(getpid()))
		return false;
	if (atomic_fetch_add(&order->count, 1) + 1 != order->nth)
		return false;
	order->fired = getpid();
	errno = errors[fault];
	return true;
}

void *
malloc(size_t n)
{
	return fails(FAULT_malloc) ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return fails(FAULT_calloc) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *old, size_t n)
{
	return fails(FAULT_realloc) ? NULL : __libc_realloc(old, n);
}

/* What is below, and the symbol that is meant. */
#define REAL(name)                                                             \
	static __typeof__(name) *real;                                         \
	if (real == NULL)                                                      \
	real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define FAIL(type, name, parameters, arguments, bad)                           \
	type name parameters                                                   \
	{                                                                      \
		REAL(name);                                                    \
		return fails(FAULT_##name) ? bad : real arguments;             \
	}

FAIL(int, socket, (int a, int b, int c), (a, b, c), -1)
FAIL(int, connect, (int fd, const struct sockaddr *sa, socklen_t n),
    (fd, sa, n), -1)
FAIL(int, accept4, (int fd, struct sockaddr *sa, socklen_t *n, int flags),
    (fd, sa, n, flags), -1)
FAIL(int, pipe, (int p[2]), (p), -1)
FAIL(int, pipe2, (int p[2], int flags), (p, flags), -1)
FAIL(ssize_t, send, (int fd, const void *p, size_t n, int flags),
    (fd, p, n, flags), -1)
FAIL(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags),
    -1)
FAIL(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags),
    (fd, m, flags), -1)
FAIL(
    ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags), -1)
FAIL(int, poll, (struct pollfd * set, nfds_t n, int ms), (set, n, ms), -1)
FAIL(int, epoll_create1, (int flags), (flags), -1)
FAIL(int, epoll_ctl, (int lot, int what, int fd, struct epoll_event *e),
    (lot, what, fd, e), -1)
FAIL(int, epoll_wait, (int lot, struct epoll_event *e, int n, int ms),
    (lot, e, n, ms), -1)
FAIL(ssize_t, splice,
    (int from, off_t *a, int to, off_t *b, size_t n, unsigned flags),
    (from, a, to, b, n, flags), -1)
FAIL(int, setsockopt, (int fd, int level, int name, const void *p, socklen_t n),
    (fd, level, name, p, n), -1)
FAIL(int, getsockopt, (int fd, int level, int name, void *p, socklen_t *n),
    (fd, level, name, p, n), -1)
FAIL(int, getsockname, (int fd, struct sockaddr *sa, socklen_t *n), (fd, sa, n),
    -1)
FAIL(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), -1)
FAIL(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), -1)
FAIL(pid_t, fork, (void), (), -1)
FAIL(int, fstat, (int fd, struct stat *st), (fd, st), -1)
FAIL(void *, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t at),
    (p, n, prot, flags, fd, at), MAP_FAILED)
FAIL(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1)
FAIL(int, socketpair, (int a, int b, int c, int p[2]), (a, b, c, p), -1)
FAIL(int, eventfd, (unsigned n, int flags), (n, flags), -1)
FAIL(int, dup, (int fd), (fd), -1)
FAIL(int, bind, (int fd, const struct sockaddr *sa, socklen_t n), (fd, sa, n),
    -1)
FAIL(int, listen, (int fd, int n), (fd, n), -1)

/* Those with an argument that may be missing. */
#define OPTIONAL(last, type)                                                   \
	va_list ap;                                                            \
	type extra;                                                            \
	va_start(ap, last);                                                    \
	extra = va_arg(ap, type);                                              \
	va_end(ap)

int
open(const char *path, int flags, ...)
{
	REAL(open);
	OPTIONAL(flags, int);
	return fails(FAULT_open) ? -1 : real(path, flags, extra);
}

int
openat(int dir, const char *path, int flags, ...)
{
	REAL(openat);
	OPTIONAL(flags, int);
	return fails(FAULT_openat) ? -1 : real(dir, path, flags, extra);
}

int
fcntl(int fd, int command, ...)
{
	REAL(fcntl);
	OPTIONAL(command, void *);
	return fails(FAULT_fcntl) ? -1 : real(fd, command, extra);
}
