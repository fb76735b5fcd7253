/* SPDX-License-Identifier: ISC */
/*
 * The only file that goes beyond POSIX, except for the sandbox.  Each function
 * either exists on every Unix under the same name, or has a portable way beside
 * the quick one, chosen when it is compiled.  Nothing here may know about connections.
 */
#define _GNU_SOURCE
#define _DEFAULT_SOURCE

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#ifdef __APPLE__
#include <sys/random.h>
#endif
#ifdef __linux__
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "program.h"
#include "sys.h"

/* On Linux, a system without <crypt.h> has no crypt(). */
#if defined(__linux__) && defined(__has_include)
#if !__has_include(<crypt.h>)
#define NO_CRYPT
#endif
#endif

/* Since Linux 6.16, with this number wherever SO_SNDBUF is 7. */
#if defined(__linux__) && !defined(SO_PASSRIGHTS) && SO_SNDBUF == 7
#define SO_PASSRIGHTS 83
#endif

#ifndef _PATH_LOG
#define _PATH_LOG "/dev/log"
#endif

#if !defined(__GLIBC__) || __GLIBC__ > 2 ||                                    \
    (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 25)
#define HAS_GETENTROPY
#endif

#if defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) ||     \
    defined(__DragonFly__)
#define HAS_SETPROCTITLE
#endif

enum {
	SENT_FDS_MAX = 6,   /* descriptors in one message */
	TITLE_SIZE = 1024,  /* bytes of what ps shows of this process */
	TITLE_ROOM_MIN = 32 /* bytes: "tinyproxy: worker 255, draining" */
};

#ifndef SOCK_NONBLOCK
static int
make_nonblocking(int fd)
{
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}
#endif

/* Closes all descriptors from first on that were inherited from the starter. */
void
sys_close_from(int first)
{
#if defined(__GLIBC__) &&                                                      \
	(__GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 34)) ||        \
    defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__)
	closefrom(first);
#else
	long limit = sysconf(_SC_OPEN_MAX);

	if (limit < 0 || limit > 65536)
		limit = 65536;
	for (int fd = first; fd < limit; fd++)
		close(fd);
#endif
}

/*
 * Accepts a connection.  Returns a socket that does not block and that the
 * caller owns, and its peer in *from; or -1 with errno.
 */
int
sys_accept(int listener, struct sockaddr_storage *from)
{
	socklen_t len = sizeof(*from);
	void *sa = from;

	memset(from, 0, sizeof(*from));
#ifdef SOCK_NONBLOCK
	return accept4(listener, sa, &len, SOCK_NONBLOCK);
#else
	return make_nonblocking(accept(listener, sa, &len));
#endif
}

/* Returns a stream socket that does not block, or -1 with errno. */
int
sys_socket(int family)
{
#ifdef SOCK_NONBLOCK
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
#else
	return make_nonblocking(socket(family, SOCK_STREAM, 0));
#endif
}

/*
 * Returns whether accepted sockets inherit TCP_NODELAY, SO_KEEPALIVE and
 * SO_LINGER from the listening socket.
 */
bool
sys_accept_inherits(void)
{
#ifdef __linux__
	return true;
#else
	return false;
#endif
}

/*
 * Returns whether getnameinfo() distinguishes a look-up that failed from an
 * address without a name.
 */
bool
sys_tells_failures(void)
{
#ifdef __GLIBC__
	return true;
#else
	return false;
#endif
}

/*
 * Turns deferred accepting on or off, where the system has it: a connection is
 * then accepted when the client has sent something, or after about a second.  A
 * client of this proxy always speaks first, so its request can be read as soon
 * as it is accepted.
 */
void
sys_accept_late(int listener, bool on)
{
#ifdef TCP_DEFER_ACCEPT
	int seconds = on;

	setsockopt(
	    listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
#else
	(void)listener;
	(void)on;
#endif
}

/*
 * Makes a later bind() choose an address only and leave the local port to
 * connect(), so that connections to different servers may share a local port.
 */
void
sys_bind_late(int fd)
{
#ifdef IP_BIND_ADDRESS_NO_PORT
	int on = 1;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
#else
	(void)fd;
#endif
}

/*
 * Allows (on) or forbids (off) other sockets to be bound to the same port.
 * Without it a reload cannot go from all addresses to one, or back.  Returns 0,
 * or -1 with errno.
 */
int
sys_reuseport(int fd, bool on)
{
#ifdef SO_REUSEPORT
	int value = on;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof(value));
#else
	(void)fd;
	(void)on;
	return 0;
#endif
}

enum {
	PROBE_AFTER =
	    10,          /* s of silence until a peer is asked if it is there */
	PROBE_EVERY = 5, /* s between two questions */
	PROBES = 3       /* without an answer, and it counts as dead */
};

/* Lets the kernel notice soon that the peer of a connection is dead. */
void
sys_probe(int fd)
{
#if defined(TCP_KEEPIDLE) && defined(TCP_KEEPINTVL) && defined(TCP_KEEPCNT)
	int on = 1, after = PROBE_AFTER, every = PROBE_EVERY, probes = PROBES;

	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &after, sizeof(after));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
#else
	(void)fd;
#endif
}

/* The event of poll(2) that a peer has ended its data, or 0: there is none. */
short
sys_poll_end(void)
{
#ifdef __linux__
	return POLLRDHUP;
#else
	return 0;
#endif
}

/*
 * Makes a later bind() accept an address that no interface has yet.  Returns 0,
 * or -1 with errno: EOPNOTSUPP where the system has nothing of the kind, EPERM
 * where only root may do it.
 */
int
sys_bind_free(int fd, int family)
{
	int on = 1;

#if defined(IPV6_FREEBIND)
	if (family == AF_INET6)
		return setsockopt(
		    fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
#elif defined(IPV6_BINDANY)
	if (family == AF_INET6)
		return setsockopt(
		    fd, IPPROTO_IPV6, IPV6_BINDANY, &on, sizeof(on));
#endif
	(void)family;
#if defined(IP_FREEBIND)
	return setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
#elif defined(IP_BINDANY)
	return setsockopt(fd, IPPROTO_IP, IP_BINDANY, &on, sizeof(on));
#elif defined(SO_BINDANY)
	return setsockopt(fd, SOL_SOCKET, SO_BINDANY, &on, sizeof(on));
#else
	(void)fd;
	(void)on;
	errno = EOPNOTSUPP;
	return -1;
#endif
}

/*
 * Returns how many bytes of a socket are unsent or not acknowledged by its
 * peer; 0 where the system does not tell.
 */
int
sys_unsent(int fd)
{
	int n = 0;

#if defined(__linux__)
	if (ioctl(fd, TIOCOUTQ, &n) != 0)
		return 0;
#elif defined(FIONWRITE)
	if (ioctl(fd, FIONWRITE, &n) != 0)
		return 0;
#elif defined(SO_NWRITE)
	socklen_t len = sizeof(n);

	if (getsockopt(fd, SOL_SOCKET, SO_NWRITE, &n, &len) != 0)
		return 0;
#else
	(void)fd;
#endif
	return n;
}

/*
 * Opens a pipe for sys_splice() that can hold about size bytes: read end in
 * fds[0], write end in fds[1], neither of which blocks.  Returns 0, or -1 with
 * errno: ENOSYS where the system has no splice(), EPERM when this user gets
 * only tiny pipes.
 */
int
sys_pipe(int fds[2], int size)
{
#ifdef __linux__
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
		return -1;
	if (fcntl(fds[1], F_SETPIPE_SZ, size) >= 0 ||
	    fcntl(fds[1], F_GETPIPE_SZ) >= 65536)
		return 0;
	close(fds[0]);
	close(fds[1]);
	errno = EPERM;
#else
	(void)fds;
	(void)size;
	errno = ENOSYS;
#endif
	return -1;
}

/*
 * Moves up to len bytes from a socket into a pipe, or from a pipe to a socket,
 * without copying them.  Returns how many, 0 at end of file, or -1 with errno.
 * The caller must ignore SIGPIPE.
 */
ssize_t
sys_splice(int from, int to, size_t len)
{
#ifdef __linux__
	return splice(
	    from, NULL, to, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
#else
	(void)from;
	(void)to;
	(void)len;
	errno = ENOSYS;
	return -1;
#endif
}

/*
 * Returns whether a descriptor is a file, for which write() never waits.  On
 * Linux it is asked by a call that takes no path, as fstat() of some C libraries
 * does: a filter of calls cannot tell that from one for any file.
 */
bool
sys_is_file(int fd)
{
#ifdef __linux__
	return lseek(fd, 0, SEEK_CUR) >= 0;
#else
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
#endif
}

/* Whether the process has supplementary groups besides gid. */
static bool
has_groups(gid_t gid)
{
	gid_t groups[2];
	int n = getgroups(0, NULL);

	return n > 1 ||
	    (n == 1 && (getgroups(2, groups) != 1 || groups[0] != gid));
}

/*
 * Gives up root for good: drops all supplementary groups, sets the group, then
 * the user.  Root without capabilities, as in some containers, may not even set
 * what it is already: then what is so is left alone, and groups that cannot be
 * dropped stay if user and group stay.  Returns 0, or -1 with errno if any of
 * that failed.
 */
int
sys_drop(uid_t uid, gid_t gid)
{
	bool same_group = getgid() == gid && getegid() == gid;
	bool same_user = getuid() == uid && geteuid() == uid;

	if (setgroups(0, NULL) != 0 &&
	    (errno != EPERM || (has_groups(gid) && !(same_group && same_user))))
		return -1;
	if (!same_group && setgid(gid) != 0)
		return -1;
	if (!same_user && setuid(uid) != 0)
		return -1;
	if (uid != 0 && setuid(0) == 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

/*
 * Makes sure that no program which this process becomes gets capabilities by
 * its file.  Only root can do that, so it comes before sys_drop().
 */
void
sys_bound(void)
{
#if defined(__linux__) && defined(PR_CAPBSET_DROP)
	for (unsigned long i = 0; prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0; i++)
		;
#endif
}

/*
 * Gives up all capabilities, for which libc has no function.  A process that an
 * ordinary user has started may have been given some.
 */
void
sys_give_up(void)
{
#if defined(__linux__) && defined(SYS_capset)
	struct {
		uint32_t version;
		int pid;
	} header = { 0x20080522, 0 }; /* _LINUX_CAPABILITY_VERSION_3 */
	uint32_t none[2][3] = { { 0 } };

#ifdef PR_CAP_AMBIENT
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
#endif
	syscall(SYS_capset, &header, none);
#endif
}

/*
 * Makes sure that this process and the programs which it starts never have more
 * rights than its user, where the system can do that.
 */
void
sys_confine(void)
{
#ifdef PR_SET_NO_NEW_PRIVS
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#endif
	sys_give_up();
}

/*
 * Makes dir the root and the working directory.  Returns 0, or -1 with errno.
 */
int
sys_chroot(const char *dir)
{
	return chroot(dir) == 0 ? chdir("/") : -1;
}

/*
 * Returns a socket for syslogd, connected if syslogd is running, or -1 with
 * errno.  syslog(3) is not used because it blocks when syslogd does not read.
 */
int
sys_syslog_open(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (fd >= 0)
		sys_syslog_connect(fd);
	return fd;
}

/* Connects the socket to the running syslogd.  Returns 0, or -1 with errno. */
int
sys_syslog_connect(int fd)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX,
		.sun_path = _PATH_LOG };
	const void *sa = &un;

	return connect(fd, sa, sizeof(un));
}

/*
 * Sends a line, without waiting.  Returns 0, or -1 with errno; EAGAIN: the peer
 * is not reading.
 */
int
sys_tell(int fd, const char *line, size_t len)
{
	return send(fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/*
 * Returns zeroed memory that is shared with all children, or NULL with errno.
 */
void *
sys_share(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Takes such memory out of this process; others keep it. */
void
sys_unshare(void *p, size_t size)
{
	munmap(p, size);
}

/*
 * Finds out where a client wanted to go before a firewall on this machine sent
 * it here: iptables or nftables REDIRECT.  Other ways of interception leave that
 * to getsockname().  Returns 0, or -1 with errno: it is not known.
 */
int
sys_aim(int fd, struct sockaddr_storage *to)
{
#ifdef __linux__
	enum { ORIGINAL_DST = 80 }; /* SO_ORIGINAL_DST, and that of IPv6 */
	socklen_t len = sizeof(*to);

	return getsockopt(fd, IPPROTO_IP, ORIGINAL_DST, to, &len) == 0
	    ? 0
	    : getsockopt(fd, IPPROTO_IPV6, ORIGINAL_DST, to, &len);
#else
	(void)fd;
	(void)to;
	errno = ENOPROTOOPT;
	return -1;
#endif
}

/*
 * Finds out who has connected a local socket: the user, and the process, or -1
 * where the system does not tell that.  Returns 0, or -1 with errno.
 */
int
sys_peer(int fd, uid_t *uid, pid_t *pid)
{
#ifdef __linux__
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
		return -1;
	*uid = who.uid;
	/* One of another namespace has no number here. */
	*pid = who.pid > 0 ? who.pid : -1;
	return 0;
#else
	gid_t gid;

	*pid = -1;
	return getpeereid(fd, uid, &gid);
#endif
}

/*
 * The number that stands for users of other user namespaces, or (uid_t)-1 where
 * there are none.
 */
uid_t
sys_overflow_uid(void)
{
#ifdef __linux__
	FILE *f = fopen("/proc/sys/kernel/overflowuid", "r");
	unsigned long uid = 65534;

	if (f != NULL) {
		if (fscanf(f, "%lu", &uid) != 1)
			uid = 65534;
		fclose(f);
	}
	return (uid_t)uid;
#else
	return (uid_t)-1;
#endif
}

/*
 * Returns a descriptor of so many zero bytes that no file system shows, which
 * exec() closes; or -1 with errno.
 */
int
sys_memory(size_t size)
{
#if defined(__linux__) && defined(MFD_CLOEXEC)
	int fd = memfd_create(program, MFD_CLOEXEC);
#else
	char path[] = "/tmp/adit.XXXXXXXXXX";
	int fd = mkstemp(path);

	if (fd >= 0) {
		unlink(path);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
#endif
	if (fd >= 0 && ftruncate(fd, (off_t)size) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * Returns the memory of such a descriptor, shared with all children and with
 * what this process becomes by exec(), or NULL with errno.
 */
void *
sys_share_map(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/*
 * Protects a part of shared memory, which has that descriptor or none (-1), from
 * being written to by this process.  Where the system opens a descriptor again,
 * nothing can undo that.  What is not whole pages is left as it is.  Returns 0,
 * or -1 with errno.
 */
int
sys_share_protect(int fd, void *memory, size_t offset, size_t size)
{
	char *at = (char *)memory + offset;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char path[40];
	void *p = MAP_FAILED;

	if (size == 0 || offset % page != 0 || size % page != 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = fd < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		p = mmap(at, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
		    (off_t)offset);
		close(fd);
	}
	return p != MAP_FAILED ? 0 : mprotect(at, size, PROT_READ);
}

/* Fills shared memory, whole pages, with zeros, and frees it where it can. */
void
sys_share_clear(void *memory, size_t size)
{
#ifdef __linux__
	enum { REMOVE = 9 }; /* MADV_REMOVE */

	if (madvise(memory, size, REMOVE) == 0)
		return;
#endif
	memset(memory, 0, size);
}

/* Lets exec() close all descriptors from first on. */
void
sys_close_on_exec(int first)
{
	DIR *dir = opendir("/dev/fd");
	const struct dirent *entry;
	long limit = sysconf(_SC_OPEN_MAX);

	if (dir == NULL) {
		if (limit < 0 || limit > 65536)
			limit = 65536;
		for (int fd = first; fd < limit; fd++)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		char *end;
		long fd = strtol(entry->d_name, &end, 10);

		if (*end == '\0' && fd >= first)
			fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	}
	closedir(dir);
}

/* Fills memory with up to 256 random bytes.  Returns 0, or -1 with errno. */
int
sys_random(void *to, size_t len)
{
	int fd, error;
	ssize_t n;

#ifdef HAS_GETENTROPY
	/* This works without /dev, but an old kernel may lack it. */
	if (getentropy(to, len) == 0)
		return 0;
#endif
	fd = open("/dev/urandom", O_RDONLY);
	if (fd < 0)
		return -1;
	n = read(fd, to, len);
	error = n < 0 ? errno : EIO;
	close(fd);
	errno = error;
	return n == (ssize_t)len ? 0 : -1;
}

/* Returns whether this program was built with crypt(3). */
bool
sys_has_crypt(void)
{
#ifdef NO_CRYPT
	return false;
#else
	return true;
#endif
}

/*
 * Calls crypt(3), which not all systems declare for POSIX alone.  Returns the
 * hash, which the next call overwrites.  If the system does not know the
 * setting or has no memory, returns NULL or a text that begins with '*'.
 */
char *
sys_crypt(const char *password, const char *setting)
{
#ifdef NO_CRYPT
	(void)password;
	(void)setting;
	errno = ENOSYS;
	return NULL;
#else
	return crypt(password, setting);
#endif
}

/*
 * Opens a bell between processes, heard at bell[0] and rung at bell[1], neither
 * of which blocks.  Both are one descriptor where the system has something
 * smaller than a pipe.  Returns 0, or -1 with errno.
 */
int
sys_bell(int bell[2])
{
#ifdef __linux__
	bell[0] = bell[1] = eventfd(0, EFD_NONBLOCK);
	return bell[0] < 0 ? -1 : 0;
#else
	if (pipe(bell) != 0) {
		bell[0] = bell[1] = -1;
		return -1;
	}
	for (int i = 0; i < 2; i++)
		if (fcntl(bell[i], F_SETFL, O_NONBLOCK) != 0)
			return -1;
	return 0;
#endif
}

/* Rings a bell.  EAGAIN needs no handling: a full bell is already ringing. */
void
sys_bell_ring(int fd)
{
	const uint64_t one = 1;
	ssize_t n;

	do
		n = write(fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

/* Reads all that was rung, so that a bell is silent again. */
void
sys_bell_hear(int fd)
{
	uint64_t rung[8];

	while (read(fd, rung, sizeof(rung)) == sizeof(rung))
		;
}

/* Returns the number of processors, at least 1. */
unsigned
sys_processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned)n;
}

/*
 * Makes the system kill this process when its parent ends, where the system can
 * do that.  It is for processes that may hang in a library call.  Without it
 * they notice the end of the parent too, but later.
 */
void
sys_die_with_parent(void)
{
#ifdef PR_SET_PDEATHSIG
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
#endif
}

#ifdef __linux__
/* The arguments and the environment in one piece, as the kernel put them. */
static struct {
	char *text;
	size_t size; /* 0: nothing can be written there */
} title;

/* The end of the strings that follow each other in memory from a place on. */
static char *
strings_end(char *from, char **strings)
{
	if (from == NULL || strings == NULL)
		return from;
	for (; *strings == from; strings++)
		from += strlen(from) + 1;
	return from;
}

/* Copies the environment to memory of its own.  Returns 0 or -1. */
static int
environ_move(void)
{
	size_t n = 0, size = 0, at = 0;
	char **copy, *text; /* all strings, one after the other */

	for (; environ != NULL && environ[n] != NULL; n++)
		size += strlen(environ[n]) + 1;
	if (n == 0)
		return 0;
	copy = calloc(n + 1, sizeof(*copy));
	text = malloc(size);
	if (copy == NULL || text == NULL) {
		free(copy);
		free(text);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		copy[i] = strcpy(text + at, environ[i]);
		at += strlen(environ[i]) + 1;
	}
	environ = copy;
	return 0;
}
#endif

/*
 * Makes room for titles.  Must come first in main(), before getopt() changes
 * the order of argv.  On Linux a title is written over the arguments and over
 * the environment, which is copied to another place for that; so argv must not
 * be used after the first title.  Where even a short title would not fit, there
 * are none.
 */
void
sys_title_init(int argc, char **argv)
{
#ifdef __linux__
	char *end = strings_end(argv[0], argv), *name = strdup(program);

	end = strings_end(end, environ);
	if (argc == 0 || end - argv[0] < TITLE_ROOM_MIN || name == NULL ||
	    environ_move() != 0) {
		free(name);
		return;
	}
	title.text = argv[0];
	title.size = (size_t)(end - argv[0]);
	/* The C library took these from argv[0], for its messages. */
	program_invocation_name = program_invocation_short_name = name;
#else
	(void)argc;
	(void)argv;
#endif
}

/*
 * Sets what ps shows as the command of this process: the program's name, a
 * colon and this text, cut where there is no more room.  On Linux the short
 * name, in /proc/PID/comm, stays that of the program in all processes: pgrep,
 * killall and init scripts look for it.
 */
void
sys_title(const char *format, ...)
{
#if defined(__linux__) || defined(HAS_SETPROCTITLE)
	char text[TITLE_SIZE];
	va_list ap;
	int n = snprintf(text, sizeof(text), "%s: ", program);

	va_start(ap, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, ap);
	va_end(ap);
#endif
#if defined(HAS_SETPROCTITLE)
	setproctitle("-%s", text);
#elif defined(__linux__)
	/* The rest of the room is filled with NULs, and one is always left. */
	if (title.size > 0)
		strncpy(title.text, text, title.size - 1);
	if (title.size > 0)
		title.text[title.size - 1] = '\0';
#else
	(void)format;
#endif
}

/*
 * Opens a directory for openat(), where possible without read permission.
 * SYS_DIR_NOFOLLOW fails on a symbolic link.  Returns a descriptor, or -1 with
 * errno.
 */
int
sys_open_dir(int at, const char *name, enum sys_dir how)
{
	int flags = O_DIRECTORY | (how == SYS_DIR_NOFOLLOW ? O_NOFOLLOW : 0);

#if defined(O_PATH)
	flags |= O_PATH;
#elif defined(O_SEARCH)
	flags |= O_SEARCH;
#else
	flags |= O_RDONLY;
#endif
	return openat(at, name, flags);
}

/* Whether two answers of stat(2) are of one file with the same content. */
bool
sys_unchanged(const struct stat *a, const struct stat *b)
{
#ifdef __APPLE__
	const struct timespec *at = &a->st_mtimespec, *bt = &b->st_mtimespec;
#else
	const struct timespec *at = &a->st_mtim, *bt = &b->st_mtim;
#endif

	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size && at->tv_sec == bt->tv_sec &&
	    at->tv_nsec == bt->tv_nsec;
}

/* Finds out how large the terminal of standard output is; 24 x 80 if unknown. */
void
sys_window(unsigned *rows, unsigned *columns)
{
	*rows = 24;
	*columns = 80;
#ifdef TIOCGWINSZ
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 &&
	    size.ws_col > 0) {
		*rows = size.ws_row;
		*columns = size.ws_col;
	}
#endif
}

/* An aligned buffer for the control message that carries descriptors. */
union ancillary {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int) * SENT_FDS_MAX)];
};

/*
 * Sends one message over a SOCK_SEQPACKET socket, with copies of nfds (0 to 5)
 * descriptors.  Never waits.  Returns 0, or -1 with errno.
 */
int
sys_send(int fd, const void *message, size_t len, const int *fds, size_t nfds)
{
	/*
	 * The union drops const without a copy: the message stays unchanged,
	 * and a copy of a secret would have to be wiped.
	 */
	union {
		const void *from;
		void *to;
	} unchanged = { message };
	struct iovec iov = { unchanged.to, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union ancillary control;
	struct cmsghdr *header;

	if (nfds > SENT_FDS_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (nfds > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * nfds);
		header = CMSG_FIRSTHDR(&msg);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(header), fds, sizeof(int) * nfds);
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

/*
 * Makes sure that no descriptors come through this socket, where the system can
 * do that: who has sent one can make it so that the close() of it waits.
 */
void
sys_refuse_descriptors(int fd)
{
#if defined(__linux__) && defined(SO_PASSRIGHTS)
	int no = 0;

	setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
#else
	(void)fd;
#endif
}

/*
 * Closes a descriptor that another process has sent, without waiting until its
 * data are, whatever that has set.
 */
void
sys_close_sent(int fd)
{
	struct linger no = { .l_onoff = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &no, sizeof(no));
	close(fd);
}

/*
 * Receives one message without waiting.  The caller owns the first nfds of the
 * descriptors that come with one of the whole size; all others are closed.
 * Unused entries of fds become -1.  Returns the length, 0 when the other end is
 * closed, or -1 with errno (EAGAIN: no message).
 */
ssize_t
sys_receive(int fd, void *message, size_t size, int *fds, size_t nfds)
{
	/* cppcheck-suppress ctuuninitvar; it is filled here */
	struct iovec iov = { message, size };
	union ancillary control;
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *header;
	size_t got;
	ssize_t n;

	for (size_t i = 0; i < nfds; i++)
		fds[i] = -1;
	n = recvmsg(fd, &msg, MSG_DONTWAIT);
	if (n < 0)
		return -1;
	header = CMSG_FIRSTHDR(&msg);
	if (header == NULL || header->cmsg_level != SOL_SOCKET ||
	    header->cmsg_type != SCM_RIGHTS)
		return n;
	got = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < got; i++) {
		int sent;

		memcpy(&sent, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
		if (i < nfds && (size_t)n == size)
			fds[i] = sent;
		else
			sys_close_sent(sent);
	}
	return n;
}

/*
 * Ends a socket for messages that is about to be closed, and closes descriptors
 * that are on their way: with the socket, their close() might wait.
 */
void
sys_drain(int fd)
{
	enum { QUEUED_MAX = 4096 /* more than the system keeps */ };
	char byte;

	shutdown(fd, SHUT_RDWR);
	/* An empty message looks like the end. */
	for (int i = 0; i < QUEUED_MAX; i++)
		if (sys_receive(fd, &byte, sizeof(byte), NULL, 0) < 0)
			return;
}
