/* SPDX-License-Identifier: ISC */
/*
 * Opening files perhaps as root, and perhaps in directories that belong to
 * somebody else, who could put a link there that leads elsewhere.  Links are
 * followed only out of directories that nobody else can write to.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "safefile.h"
#include "sys.h"

/* Whether nobody but root and we could have put a link into a directory. */
static bool
is_trusted(const struct stat *dir)
{
	return (dir->st_uid == 0 || dir->st_uid == geteuid()) &&
	    (dir->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/*
 * Whether a file may be appended to that was found in somebody else's
 * directory: it must be the directory's owner's, or ours, or root's, and have
 * no second name elsewhere.
 */
static bool
is_harmless(const struct stat *file, const struct stat *dir)
{
	return (file->st_nlink == 1 || !S_ISREG(file->st_mode)) &&
	    (file->st_uid == 0 || file->st_uid == geteuid() ||
		file->st_uid == dir->st_uid);
}

/* Opens the directory that has the first len bytes of name in dir. */
static int
part_open(int dir, const char *name, size_t len)
{
	char part[256];
	struct stat st;

	if (len >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(part, name, len);
	part[len] = '\0';
	if (fstat(dir, &st) != 0)
		return -1;
	return sys_open_dir(
	    dir, part, is_trusted(&st) ? SYS_DIR_FOLLOW : SYS_DIR_NOFOLLOW);
}

static void
close_keeping_errno(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
}

/*
 * Opens the directory of an absolute path, and points *name to the rest of the
 * path, its last part.  Returns a descriptor or -1 with errno.
 */
static int
path_open_dir(const char *path, const char **name)
{
	int at = sys_open_dir(AT_FDCWD, "/", SYS_DIR_FOLLOW), next;

	while (at >= 0) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (path[len] == '\0')
			break;
		next = part_open(at, path, len);
		close_keeping_errno(at);
		path += len;
		at = next;
	}
	*name = path;
	return at;
}

/* Opens name in dir to append to. */
static int
append_open(int dir, const char *name)
{
	int flags = O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, fd;
	struct stat st, dir_st;

	if (fstat(dir, &dir_st) != 0)
		return -1;
	if (!is_trusted(&dir_st))
		flags |= O_NOFOLLOW;
	/* A FIFO that is read here too cannot lose its last reader. */
	fd = openat(dir, name, O_RDWR | flags, 0640);
	if (fd < 0 && errno == EACCES)
		fd = openat(dir, name, O_WRONLY | flags, 0640);
	if (fd < 0 || fstat(fd, &st) != 0)
		return -1;
	if (!is_trusted(&dir_st) && !is_harmless(&st, &dir_st)) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

/*
 * Opens the file of an absolute path to append to it, whatever kind of file it
 * is.  Returns a descriptor that does not block, or -1 with errno.
 */
int
safefile_append(const char *path)
{
	const char *name;
	int dir = path_open_dir(path, &name), fd;

	if (dir < 0)
		return -1;
	fd = append_open(dir, name);
	close_keeping_errno(dir);
	return fd;
}

/*
 * Makes a new file of an absolute path, in place of a regular file that may be
 * there; what is there is never written to.  Returns a descriptor or -1 with
 * errno.
 */
int
safefile_create(const char *path)
{
	const char *name;
	int dir = path_open_dir(path, &name), fd;
	struct stat st;

	if (dir < 0)
		return -1;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_nlink == 1)
		unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
	close_keeping_errno(dir);
	return fd;
}

/* Removes the file of an absolute path, if it is still the one that fd is. */
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
