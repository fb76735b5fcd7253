/* SPDX-License-Identifier: ISC */
/* What a call must fail: shared by faults.c, inside adit, and faulty.c. */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdatomic.h>

/* Functions, and the error with which each fails. */
#define FAULTS(X)                                                              \
	X(malloc, ENOMEM)                                                      \
	X(calloc, ENOMEM)                                                      \
	X(realloc, ENOMEM)                                                     \
	X(socket, EMFILE)                                                      \
	X(connect, ENETUNREACH)                                                \
	X(accept4, EMFILE)                                                     \
	X(pipe, EMFILE)                                                        \
	X(pipe2, EMFILE)                                                       \
	X(send, ENOBUFS)                                                       \
	X(recv, ENOMEM)                                                        \
	X(sendmsg, ENOBUFS)                                                    \
	X(recvmsg, EAGAIN)                                                     \
	X(poll, ENOMEM)                                                        \
	X(epoll_create1, EMFILE)                                               \
	X(epoll_ctl, ENOSPC)                                                   \
	X(epoll_wait, EINTR)                                                   \
	X(splice, ENOMEM)                                                      \
	X(setsockopt, ENOBUFS)                                                 \
	X(getsockopt, ENOBUFS)                                                 \
	X(getsockname, ENOBUFS)                                                \
	X(fcntl, EPERM)                                                        \
	X(read, EINTR)                                                         \
	X(write, ENOSPC)                                                       \
	X(fork, EAGAIN)                                                        \
	X(open, EMFILE)                                                        \
	X(openat, EMFILE)                                                      \
	X(fstat, EIO)                                                          \
	X(mmap, ENOMEM)                                                        \
	X(memfd_create, EMFILE)                                                \
	X(socketpair, EMFILE)                                                  \
	X(eventfd, EMFILE)                                                     \
	X(dup, EMFILE)                                                         \
	X(bind, EADDRINUSE)                                                    \
	X(listen, EADDRINUSE)

#define FAULT_NAME(name, error) FAULT_##name,
enum fault { FAULTS(FAULT_NAME) FAULT_KINDS };

enum {
	FAULT_PIDS = 16,  /* processes that can be named */
	FAULT_PAGE = 4096 /* bytes of the file that all share */
};

/* While armed, the call number nth of the function fails, once. */
struct fault_order {
	_Atomic int armed, fault, nth;
	_Atomic int others; /* in all processes except those; or in those */
	_Atomic int pids[FAULT_PIDS];
	_Atomic int count; /* calls until now */
	_Atomic int fired; /* the process in which one has failed, or 0 */
	_Atomic int loaded;
};

#endif
