/* SPDX-License-Identifier: ISC */
/*
 * Opens files that adit writes, perhaps as root, and perhaps in a directory of
 * another user, who could put a link there that leads elsewhere.  A symbolic
 * link may be followed only in a directory that no other user can write to.
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
 * Returns whether a file found in another user's directory may be appended to.
 * It must belong to the owner of the directory, to us or to root, and must not
 * be a hard link to a file elsewhere.
 */
static bool
is_harmless(const struct stat *file, const struct stat *dir)
{
	return (file->st_nlink == 1 || !S_ISREG(file->st_mode)) &&
	    (file->st_uid == 0 || file->st_uid == geteuid() ||
		file->st_uid == dir->st_uid);
}

/* Opens the directory named by the first len bytes of name, relative to dir. */
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
 * Opens the directory of an absolute path and points *name to the last part of
 * the path, in the memory of path.  Returns a descriptor, or -1 with errno.
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

/* Opens name in dir for appending. */
static int
append_open(int dir, const char *name)
{
	int flags = O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, fd;
	struct stat st, dir_st;

	if (fstat(dir, &dir_st) != 0)
		return -1;
	if (!is_trusted(&dir_st))
		flags |= O_NOFOLLOW;
	/* We open a FIFO for reading too, so that it always has a reader. */
	fd = openat(dir, name, O_RDWR | flags, 0640);
	if (fd < 0 && errno == EACCES)
		fd = openat(dir, name, O_WRONLY | flags, 0640);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0) {
		if (is_trusted(&dir_st) || is_harmless(&st, &dir_st))
			return fd;
		errno = EPERM;
	}
	close_keeping_errno(fd);
	return -1;
}

/*
 * Opens the file with an absolute path for appending, creating it if needed; it
 * may be of any kind.  Returns a descriptor that does not block and that the
 * caller owns, or -1 with errno.
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
 * Creates a new file with an absolute path, replacing a regular file of that
 * name; never writes to an existing file.  Returns a descriptor that the caller
 * owns, or -1 with errno.
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
