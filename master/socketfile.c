/* SPDX-License-Identifier: ISC */
/*
 * Listening sockets that are files: those of Listen, and ControlSocket.  A new
 * one gets its rights and listens before it gets its name, so that nobody ever
 * meets one that does not.  In its place there may be nothing, or a socket that
 * no process listens at any more; and only what was made here is removed.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "identity.h"
#include "local.h"
#include "safefile.h"
#include "socketfile.h"
#include "sys.h"

static char why[600];

/* In words, why the last call of a function here has failed. */
const char *
socketfile_why(void)
{
	return why;
}

static int
because(const char *what)
{
	snprintf(why, sizeof(why), "%s", what);
	return -1;
}

/* What errno means for a socket that is a file. */
static int
because_errno(void)
{
	switch (errno) {
	case EADDRINUSE:
		return because("another process listens there");
	case EEXIST:
		return because("there is a file that is no socket");
	case ENAMETOOLONG:
		snprintf(why, sizeof(why),
		    "the path of a socket has at most %d bytes",
		    LOCAL_SIZE - 1);
		return -1;
	case ENOSPC:
		snprintf(why, sizeof(why),
		    "there are %d Unix sockets in use already", LOCAL_MAX);
		return -1;
	default:
		return because(strerror(errno));
	}
}

static struct sockaddr_un
address_of(const char *path, const char *end)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s%s", path, end);
	return un;
}

/* Whether some process listens at a path. */
static bool
is_used(const struct sockaddr_un *un)
{
	const void *sa = un;
	int fd = sys_socket(AF_UNIX);
	bool used =
	    fd >= 0 && (connect(fd, sa, sizeof(*un)) == 0 || errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return used;
}

/*
 * Whether there is nothing at a path, or a socket that no process listens at.
 * Returns 0, or -1 with errno.
 */
static int
look(const struct sockaddr_un *un)
{
	struct stat st;

	if (lstat(un->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -1;
	errno = S_ISSOCK(st.st_mode) ? EADDRINUSE : EEXIST;
	return S_ISSOCK(st.st_mode) && !is_used(un) ? 0 : -1;
}

/* Finds out what names of a user and a group mean.  Returns 0 or -1. */
static int
rights_find(const struct local_rights *rights, uid_t *uid, gid_t *gid)
{
	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	if (rights->owner != NULL && identity_user(rights->owner, uid) != 0) {
		snprintf(why, sizeof(why),
		    "there is no user \"%.80s\" on this system", rights->owner);
		return -1;
	}
	if (rights->group != NULL && identity_group(rights->group, gid) != 0) {
		snprintf(why, sizeof(why),
		    "there is no group \"%.80s\" on this system",
		    rights->group);
		return -1;
	}
	return 0;
}

/* Gives a socket its rights.  Returns 0 or -1. */
static int
permit(const char *path, const struct local_rights *rights)
{
	uid_t uid;
	gid_t gid;

	if (rights_find(rights, &uid, &gid) != 0)
		return -1;
	if (chown(path, uid, gid) != 0) {
		snprintf(why, sizeof(why), "cannot give it its %s: %s",
		    rights->owner != NULL ? "owner and group" : "group",
		    strerror(errno));
		return -1;
	}
	return chmod(path, (mode_t)rights->mode) == 0 ? 0 : because_errno();
}

/* Binds a socket, lets it listen, and gives it its name at last. */
static int
bind_and_rename(int fd, struct local *l, const struct sockaddr_un *at,
    const struct local_rights *rights, int backlog)
{
	const void *sa = at;
	struct stat st, own;

	if (bind(fd, sa, sizeof(*at)) != 0)
		return because_errno();
	if (permit(at->sun_path, rights) != 0)
		return -1;
	if (listen(fd, backlog) != 0 || fstat(fd, &own) != 0 ||
	    lstat(at->sun_path, &st) != 0 || rename(at->sun_path, l->path) != 0)
		return because_errno();
	l->bound = true;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	l->socket = own.st_ino;
	return 0;
}

/* Makes a socket where nothing is in the way.  Returns it, or -1. */
static int
make(struct local *l, const struct local_rights *rights, int backlog)
{
	struct sockaddr_un at = address_of(l->path, LOCAL_SUFFIX);
	mode_t mask;
	int fd, result;

	/* What is left of a start that was killed. */
	if (look(&at) != 0 || (unlink(at.sun_path) != 0 && errno != ENOENT)) {
		because_errno();
		snprintf(why + strlen(why), sizeof(why) - strlen(why), " (%s)",
		    at.sun_path);
		return -1;
	}
	fd = sys_socket(AF_UNIX);
	if (fd < 0)
		return because_errno();
	mask = umask(0177);
	result = bind_and_rename(fd, l, &at, rights, backlog);
	umask(mask);
	if (result == 0)
		return fd;
	unlink(at.sun_path);
	close(fd);
	return -1;
}

/* Holds the number of a path.  Returns it, or 0: then socketfile_why(). */
uint16_t
socketfile_hold(const char *path)
{
	uint16_t name = local_hold(path);

	if (name == 0)
		because_errno();
	return name;
}

/*
 * Makes the listening socket of a path with a number.  Returns it, or -1; then
 * socketfile_why() says why.
 */
int
socketfile_open(uint16_t name, const struct local_rights *rights, int backlog)
{
	struct local *l = local_get(name);
	struct sockaddr_un un = address_of(l->path, "");

	if (safefile_directory(l->path) != 0)
		return because(safefile_why());
	return look(&un) == 0 ? make(l, rights, backlog) : because_errno();
}

/* Whether the file at a path is still the one that was made here. */
static bool
is_ours(const struct local *l)
{
	struct stat st;

	return l->bound && lstat(l->path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    st.st_dev == l->dev && st.st_ino == l->ino;
}

/*
 * Shares a listening socket with an older generation, and gives it the rights
 * that it has now; makes a new one if its file is gone or is another one.
 * Returns as socketfile_open() does.
 */
int
socketfile_share(
    uint16_t name, const struct local_rights *rights, int fd, int backlog)
{
	const struct local *l = local_get(name);
	struct stat st;
	int copy;

	if (!is_ours(l) || fstat(fd, &st) != 0 || st.st_ino != l->socket)
		return socketfile_open(name, rights, backlog);
	if (safefile_directory(l->path) != 0)
		return because(safefile_why());
	if (permit(l->path, rights) != 0)
		return -1;
	copy = dup(fd);
	return copy >= 0 ? copy : because_errno();
}

/*
 * Finds out whether a socket could be made, without making one.  Returns 0, or
 * -1 as socketfile_open() does; *used: some process listens there, which may be
 * the adit that runs.
 */
int
socketfile_check(
    const char *path, const struct local_rights *rights, bool *used)
{
	struct sockaddr_un un = address_of(path, "");
	uid_t uid;
	gid_t gid;

	*used = false;
	errno = ENAMETOOLONG;
	if (strlen(path) >= LOCAL_SIZE)
		return because_errno();
	if (safefile_directory(path) != 0)
		return because(safefile_why());
	if (rights_find(rights, &uid, &gid) != 0)
		return -1;
	if (look(&un) != 0) {
		*used = errno == EADDRINUSE;
		return *used ? 0 : because_errno();
	}
	if (safefile_create_check(path) != 0 && errno != EEXIST)
		return because(safefile_why());
	return 0;
}

/* Removes the file of a socket, unless it is another one now. */
void
socketfile_remove(uint16_t name)
{
	struct local *l = local_get(name);

	if (l != NULL && is_ours(l))
		unlink(l->path);
	if (l != NULL)
		l->bound = false;
}
