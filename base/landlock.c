/* SPDX-License-Identifier: ISC */
/*
 * Landlock, by its numbers, since the headers of a system may know less of it
 * than its kernel: a process gives up all rights to files by path that this
 * version of Landlock knows, the right to listen on a TCP port, and that to
 * reach processes outside by signals and abstract sockets.  What is open stays
 * open.  On other systems there is nothing of the kind.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "landlock.h"

#ifdef __linux__

/* The same for all processors but one, Alpha. */
enum {
	CREATE_RULESET = 444,
	ADD_RULE = 445,
	RESTRICT_SELF = 446,
	TELL_VERSION = 1, /* a flag of the first */
	RULE_NET_PORT = 2
};

/* Rights to files: bits of the first version, and those of later ones. */
enum {
	READ_FILE = 1 << 2,
	READ_DIR = 1 << 3,
	EXECUTE = 1 << 0,
	FS_FIRST = (1 << 13) - 1,
	FS_REFER = 1 << 13,      /* since version 2 */
	FS_TRUNCATE = 1 << 14,   /* 3 */
	FS_IOCTL_DEV = 1 << 15,  /* 5 */
	NET_BIND_TCP = 1 << 0,   /* 4 */
	SCOPE_ABSTRACT = 1 << 0, /* 6 */
	SCOPE_SIGNAL = 1 << 1
};

struct ruleset {
	uint64_t fs, net, scoped;
};

struct net_rule {
	uint64_t access, port;
};

/* The version that the kernel has, or 0. */
int
landlock_version(void)
{
	long version = syscall(CREATE_RULESET, NULL, (size_t)0, TELL_VERSION);

	return version > 0 ? (int)version : 0;
}

/* How much of a ruleset a version knows. */
static size_t
ruleset_size(int version)
{
	return version < 4 ? offsetof(struct ruleset, net)
	    : version < 6  ? offsetof(struct ruleset, scoped)
			   : sizeof(struct ruleset);
}

static struct ruleset
ruleset_make(int version, bool reads)
{
	struct ruleset r = { .fs = FS_FIRST };

	if (version >= 2)
		r.fs |= FS_REFER;
	if (version >= 3)
		r.fs |= FS_TRUNCATE;
	if (version >= 4)
		r.net = NET_BIND_TCP;
	if (version >= 5)
		r.fs |= FS_IOCTL_DEV;
	if (version >= 6)
		r.scoped = SCOPE_SIGNAL | SCOPE_ABSTRACT;
	if (reads) {
		r.fs &= ~(uint64_t)(READ_FILE | READ_DIR | EXECUTE);
		r.scoped &= ~(uint64_t)SCOPE_ABSTRACT;
	}
	return r;
}

/*
 * Gives the rights up for good; with reads all but those to read files and to
 * connect to abstract sockets, which modules of the C library for names need.
 * A port may still be chosen by the system, as Bind needs it.  Returns 0, or -1
 * with errno.
 */
int
landlock_enter(bool reads)
{
	int version = landlock_version(), fd, result;
	struct ruleset ruleset = ruleset_make(version, reads);
	struct net_rule any_port = { .access = NET_BIND_TCP, .port = 0 };

	if (version == 0) {
		errno = ENOSYS;
		return -1;
	}
	fd = (int)syscall(CREATE_RULESET, &ruleset, ruleset_size(version), 0);
	if (fd < 0)
		return -1;
	if (version >= 4)
		syscall(ADD_RULE, fd, RULE_NET_PORT, &any_port, 0);
	result = (int)syscall(RESTRICT_SELF, fd, 0);
	close(fd);
	return result;
}

#else

int
landlock_version(void)
{
	return 0;
}

int
landlock_enter(bool reads)
{
	(void)reads;
	errno = ENOSYS;
	return -1;
}

#endif
