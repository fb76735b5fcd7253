/* SPDX-License-Identifier: ISC */
/*
 * Opens files that adit writes, perhaps as root, and perhaps in a directory of
 * another user, who could put a link there that leads elsewhere.  A symbolic
 * link may be followed only in a directory that no other user can write to.
 * Also opens files that it reads as a whole.  Each refusal has a reason in
 * words.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compiler.h"
#include "safefile.h"
#include "sys.h"

enum {
	PATH_SIZE = 4096, /* bytes of a path, with its NUL */
	LINKS_MAX = 8,    /* links that lead to a standard descriptor */
	FIFOS_MAX = 16    /* that are kept open for reading */
};

static char why[512]; /* why the last call here has failed */

/* FIFOs that this process has open for reading, so that they have a reader. */
static struct fifo {
	int fd;
	dev_t dev;
	ino_t ino;
} fifos[FIFOS_MAX];
static size_t nfifos;

/* In words, why the last call of a function here has failed. */
const char *
safefile_why(void)
{
	return why;
}

static int because(int, const char *, ...) PRINTF_LIKE(2, 3);

/* Keeps the reason for a failure, and sets errno.  Returns -1. */
static int
because(int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	errno = error;
	return -1;
}

/* A system call has failed: the reason is errno. */
static int
because_errno(void)
{
	return because(errno, "%s", strerror(errno));
}

static void
close_keeping_errno(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
}

/*
 * Returns whether only root and our own user can have put a link into a
 * directory.
 */
static bool
is_trusted(const struct stat *dir)
{
	return (dir->st_uid == 0 || dir->st_uid == geteuid()) &&
	    (dir->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/*
 * Checks whether a file found in a directory where other users can write may
 * be appended to.  It must belong to the owner of the directory, to us, to root
 * or to the given user, and must not be a hard link to a file elsewhere.
 * Returns 0 or -1.
 */
static int
harmless_check(const struct stat *file, const struct stat *dir, uid_t user)
{
	if (S_ISREG(file->st_mode) && file->st_nlink != 1)
		return because(EPERM,
		    "it has a second name (a hard link), and other users can "
		    "write to its directory");
	if (file->st_uid != 0 && file->st_uid != geteuid() &&
	    file->st_uid != dir->st_uid && file->st_uid != user)
		return because(EPERM,
		    "it belongs to the user with number %ld, and other users "
		    "can write to its directory",
		    (long)file->st_uid);
	return 0;
}

/*
 * Opens the directory that the bytes from name to end name, relative to dir;
 * path is the whole path.  Returns a descriptor or -1.
 */
static int
part_open(int dir, const char *path, const char *name, size_t len)
{
	int so_far = (int)(name - path + (ptrdiff_t)len), fd;
	struct stat st, link;
	char part[256];

	if (len >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return because_errno();
	}
	memcpy(part, name, len);
	part[len] = '\0';
	if (fstat(dir, &st) != 0)
		return because_errno();
	fd = sys_open_dir(
	    dir, part, is_trusted(&st) ? SYS_DIR_FOLLOW : SYS_DIR_NOFOLLOW);
	if (fd >= 0)
		return fd;
	if (!is_trusted(&st) &&
	    fstatat(dir, part, &link, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(link.st_mode))
		return because(ELOOP,
		    "%.*s is a link where other users can write, and is not "
		    "followed",
		    so_far, path);
	return because(errno, "%.*s: %s", so_far, path, strerror(errno));
}

/*
 * Opens the directory of an absolute path and points *name to the last part of
 * the path, in the memory of path.  Returns a descriptor or -1.
 */
static int
path_open_dir(const char *path, const char **name)
{
	int at = sys_open_dir(AT_FDCWD, "/", SYS_DIR_FOLLOW), next;
	const char *part = path;

	if (at < 0)
		return because_errno();
	while (at >= 0) {
		size_t len;

		part += strspn(part, "/");
		len = strcspn(part, "/");
		if (part[len] == '\0')
			break;
		next = part_open(at, path, part, len);
		close_keeping_errno(at);
		part += len;
		at = next;
	}
	*name = part;
	return at;
}

/* Why a file could not be opened for appending: errno, or what it is. */
static int
because_of_file(int dir, const char *name, bool trusted)
{
	int error = errno;
	struct stat st;

	if (*name == '\0')
		return because(EISDIR, "it is a directory");
	if (!trusted && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return because(ELOOP,
		    "it is a link where other users can write, and is not "
		    "followed");
	if (fstatat(dir, name, &st, 0) == 0 && S_ISSOCK(st.st_mode))
		return because(error,
		    "it is a socket; for the system logger write Syslog yes");
	return because(error, "%s", strerror(error));
}

/* Forgets the FIFO that was opened first. */
static void
fifo_drop(void)
{
	close(fifos[0].fd);
	memmove(fifos, fifos + 1, --nfifos * sizeof(*fifos));
}

/* Takes care that this process has a FIFO open for reading. */
static void
fifo_keep(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, O_RDONLY | (flags & ~O_APPEND));
	struct stat st;
	size_t i = 0;

	if (fd < 0)
		return;
	if (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode)) {
		close(fd);
		return;
	}
	while (i < nfifos &&
	    (fifos[i].dev != st.st_dev || fifos[i].ino != st.st_ino))
		i++;
	if (i < nfifos) {
		close(fd);
		return;
	}
	if (nfifos == FIFOS_MAX)
		fifo_drop();
	fifos[nfifos++] = (struct fifo){ fd, st.st_dev, st.st_ino };
}

/*
 * Opens name in dir for writing alone, if it is there.  A FIFO is opened for
 * reading as well, apart: then it always has a reader, and lines stay in it
 * while the program that reads them is restarted.
 */
static int
existing_open(int dir, const char *name, int flags)
{
	int nofollow = flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
	int fd = openat(dir, name, O_WRONLY | flags);
	struct stat st;

	/* ENXIO: it may be a FIFO without a reader. */
	if ((fd < 0 && errno != ENXIO) ||
	    fstatat(dir, name, &st, nofollow) != 0 || !S_ISFIFO(st.st_mode))
		return fd;
	fifo_keep(dir, name, flags);
	return fd >= 0 ? fd : openat(dir, name, O_WRONLY | flags);
}

/*
 * Opens name in dir for appending.  Only a file that is not there is opened
 * with O_CREAT, which Linux may refuse for others in a directory like /tmp.  If
 * only a look is wanted, the directory is opened in place of such a file, after
 * it was seen that one could be created in it.
 */
static int
name_open(int dir, const char *name, int flags, bool look)
{
	int fd = existing_open(dir, name, flags);

	if (fd >= 0 || errno != ENOENT || *name == '\0')
		return fd;
	if (!look)
		return openat(dir, name, O_WRONLY | O_CREAT | flags, 0640);
	if (faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return -1;
	return dup(dir);
}

/* Opens name in dir for appending, if it is safe; or only looks. */
static int
append_open(int dir, const char *name, uid_t user, bool look)
{
	int flags = O_APPEND | O_NOCTTY | O_NONBLOCK, fd;
	struct stat st, dir_st;
	bool trusted;

	if (fstat(dir, &dir_st) != 0)
		return because_errno();
	trusted = is_trusted(&dir_st);
	if (!trusted)
		flags |= O_NOFOLLOW;
	fd = name_open(dir, name, flags, look);
	if (fd < 0)
		return because_of_file(dir, name, trusted);
	if (fstat(fd, &st) != 0)
		because_errno();
	else if (trusted || harmless_check(&st, &dir_st, user) == 0)
		return fd;
	close_keeping_errno(fd);
	return -1;
}

static int
path_append(const char *path, uid_t user, bool look)
{
	const char *name;
	int dir = path_open_dir(path, &name), fd;

	if (dir < 0)
		return -1;
	fd = append_open(dir, name, user, look);
	close_keeping_errno(dir);
	return fd;
}

/*
 * Opens the file with an absolute path for appending, creating it if needed; it
 * may be of any kind.  A file of this user is harmless wherever it is: the user
 * can write it anyhow.  Returns a descriptor that does not block and that the
 * caller owns, or -1 with errno.
 */
int
safefile_append(const char *path, uid_t user)
{
	return path_append(path, user, false);
}

/*
 * In a child, which must write to logs alone: closes the ends of FIFOs where what
 * other processes write could be read.
 */
void
safefile_leave(void)
{
	while (nfifos > 0)
		fifo_drop();
}

/*
 * Finds out whether safefile_append() would succeed, without creating a file.
 * Returns 0, or -1 with errno.
 */
int
safefile_append_check(const char *path, uid_t user)
{
	int fd = path_append(path, user, true);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/* Checks what is in the way of a new file: only a regular file may be. */
static int
replaced_check(int dir, const char *name)
{
	struct stat st;

	if (*name == '\0')
		return because(EISDIR, "it is a directory");
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : because_errno();
	if (S_ISDIR(st.st_mode))
		return because(EEXIST, "it is a directory");
	if (S_ISLNK(st.st_mode))
		return because(EEXIST, "it is a link, and is not replaced");
	if (!S_ISREG(st.st_mode))
		return because(EEXIST, "it is not a regular file");
	if (st.st_nlink != 1)
		return because(EEXIST,
		    "it has a second name (a hard link), and is not replaced");
	return 0;
}

/*
 * Creates a new file with an absolute path, replacing a regular file of that
 * name; never writes to an existing file.  Returns a descriptor that the caller
 * owns, or -1 with errno.
 */
int
safefile_create(const char *path)
{
	const char *name;
	int dir = path_open_dir(path, &name), fd = -1;

	if (dir < 0)
		return -1;
	if (replaced_check(dir, name) == 0) {
		unlinkat(dir, name, 0);
		fd = openat(
		    dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
		if (fd < 0)
			because_errno();
	}
	close_keeping_errno(dir);
	return fd;
}

/*
 * Finds out whether safefile_create() would succeed, and changes nothing.
 * Returns 0, or -1 with errno.
 */
int
safefile_create_check(const char *path)
{
	const char *name;
	int dir = path_open_dir(path, &name), result;

	if (dir < 0)
		return -1;
	result = replaced_check(dir, name);
	if (result == 0 && faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) != 0)
		result = because_errno();
	close_keeping_errno(dir);
	return result;
}

/*
 * Finds out whether only root and this user can put something else in the place
 * of a path.  Returns 0, or -1 with errno.
 */
int
safefile_directory(const char *path)
{
	const char *name;
	struct stat st;
	int dir = path_open_dir(path, &name), result = 0;

	if (dir < 0)
		return -1;
	if (fstat(dir, &st) != 0)
		result = because_errno();
	else if (!is_trusted(&st))
		result = because(EACCES,
		    "other users can write to its directory, and replace it");
	close_keeping_errno(dir);
	return result;
}

/* The descriptor that a path names by itself, or -1. */
static int
standard_named(const char *path)
{
	static const char *const names[] = { "/dev/stdin", "/dev/stdout",
		"/dev/stderr" };
	static const char *const dirs[] = { "/dev/fd/", "/proc/self/fd/" };

	for (int fd = 0; fd <= 2; fd++)
		if (strcmp(path, names[fd]) == 0)
			return fd;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		size_t len = strlen(dirs[i]);

		if (strncmp(path, dirs[i], len) == 0 && path[len] != '\0' &&
		    strspn(path + len, "0123456789") == strlen(path + len))
			return path[len + 1] == '\0' ? path[len] - '0'
						     : INT_MAX;
	}
	return -1;
}

/*
 * Replaces an absolute path by that which its link leads to.  Returns whether
 * it is a link, and may be followed.
 */
static bool
link_follow(char path[PATH_SIZE])
{
	const char *name;
	int dir = path_open_dir(path, &name);
	char target[PATH_SIZE];
	struct stat st;
	ssize_t n = -1;
	size_t at;

	if (dir < 0)
		return false;
	if (fstat(dir, &st) == 0 && is_trusted(&st))
		n = readlinkat(dir, name, target, sizeof(target) - 1);
	close(dir);
	if (n <= 0)
		return false;
	target[n] = '\0';
	at = target[0] == '/' ? 0 : (size_t)(name - path);
	if (at + (size_t)n >= PATH_SIZE)
		return false;
	memcpy(path + at, target, (size_t)n + 1);
	return true;
}

/*
 * Returns the descriptor of this process that an absolute path means, by its
 * name or by links that may be followed, or -1.  Where that is a socket it
 * cannot be opened by its path, and those after 2 are not the starter's any
 * more.
 */
int
safefile_standard(const char *path)
{
	char at[PATH_SIZE];
	int fd = -1;

	if (strlen(path) >= sizeof(at))
		return -1;
	strcpy(at, path);
	for (int i = 0; i < LINKS_MAX; i++)
		if ((fd = standard_named(at)) >= 0 || !link_follow(at))
			break;
	return fd;
}

/*
 * Removes the file with an absolute path if it is still the file that fd refers
 * to.  Returns 0, or -1 with errno.
 */
int
safefile_remove(const char *path, int fd)
{
	const char *name;
	int dir = path_open_dir(path, &name), result = 0;
	struct stat st, own;

	if (dir < 0)
		return -1;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstat(fd, &own) == 0 && st.st_dev == own.st_dev &&
	    st.st_ino == own.st_ino)
		result = unlinkat(dir, name, 0);
	close_keeping_errno(dir);
	return result;
}

/*
 * Opens a regular file to read it.  Another kind, such as a FIFO, could make us
 * wait for ever.  Returns a stream that the caller closes, or NULL with errno.
 */
FILE *
safefile_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	FILE *f = NULL;

	if (fd < 0) {
		because_errno();
		return NULL;
	}
	if (fstat(fd, &st) != 0)
		because_errno();
	else if (!S_ISREG(st.st_mode))
		because(EINVAL, "not a regular file");
	else if ((f = fdopen(fd, "r")) == NULL)
		because_errno();
	if (f == NULL)
		close_keeping_errno(fd);
	return f;
}
