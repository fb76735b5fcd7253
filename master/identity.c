/* SPDX-License-Identifier: ISC */
/*
 * What the children run as: the users and the group that a configuration names
 * are looked up once, by the master, and each child changes to its own and gives
 * up root for good.  The master itself keeps its rights.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "identity.h"
#include "log.h"
#include "place.h"
#include "program.h"
#include "sandbox.h"
#include "sys.h"

static const gid_t NO_GROUP = (gid_t)-1;

static int
number_of(const char *name, unsigned long *n)
{
	char *end;

	if (name[strspn(name, "0123456789")] != '\0')
		return -1;
	errno = 0;
	*n = strtoul(name, &end, 10);
	return errno != 0 || *n > INT32_MAX ? -1 : 0;
}

/* Looks up a group by its name or number.  Returns 0, or -1: there is none. */
int
identity_group(const char *name, gid_t *gid)
{
	const struct group *gr = getgrnam(name);
	unsigned long n;

	if (gr != NULL)
		*gid = gr->gr_gid;
	else if (number_of(name, &n) == 0)
		*gid = (gid_t)n;
	else
		return -1;
	return 0;
}

/* The group stays as it is for a number that no user has. */
static int
user_find(const char *name, uid_t *uid, gid_t *gid)
{
	const struct passwd *pw = getpwnam(name);
	unsigned long n;

	if (pw == NULL && number_of(name, &n) == 0) {
		pw = getpwuid((uid_t)n);
		*uid = (uid_t)n;
	} else if (pw == NULL) {
		return -1;
	}
	if (pw != NULL) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
	}
	return 0;
}

/* Finds the number of a user, who may be given by it.  Returns 0 or -1. */
int
identity_user(const char *name, uid_t *uid)
{
	gid_t gid;

	return user_find(name, uid, &gid);
}

/* Sets errno if not. */
static bool
is_directory(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode);
}

static int
chroot_check(const struct identity_names *names)
{
	struct where at = place_of(names->places, names->chroot_line);

	if (names->chroot == NULL)
		return 0;
	if (!is_directory(names->chroot)) {
		log_line(LOG_LEVEL_ERROR, "%s:%lu: Chroot: %s: %s", at.file,
		    at.line, names->chroot, strerror(errno));
		return STATUS_CONF;
	}
	if (geteuid() != 0) {
		log_line(LOG_LEVEL_ERROR,
		    "%s:%lu: Chroot: only root can do that; take this line "
		    "out, or start adit as root",
		    at.file, at.line);
		return STATUS_CONF;
	}
	return 0;
}

/* Looks up User and Group, for a master that runs as root. */
static int
identity_look_up(struct identity *id, const struct identity_names *names)
{
	struct where user_at = place_of(names->places, names->user_line);
	struct where group_at = place_of(names->places, names->group_line);
	const char *user = names->user, *group = names->group;

	id->gid = NO_GROUP;
	if (user_find(user, &id->uid, &id->gid) != 0) {
		log_line(LOG_LEVEL_ERROR,
		    "%s:%lu: User: there is no user \"%s\" on this system",
		    user_at.file, user_at.line, user);
		return STATUS_NOUSER;
	}
	if (id->gid == NO_GROUP && group == NULL) {
		log_line(LOG_LEVEL_ERROR,
		    "%s:%lu: User: user %s has no group of its own; add Group",
		    user_at.file, user_at.line, user);
		return STATUS_NOUSER;
	}
	if (group != NULL && identity_group(group, &id->gid) != 0) {
		log_line(LOG_LEVEL_ERROR,
		    "%s:%lu: Group: there is no group \"%s\" on this system",
		    group_at.file, group_at.line, group);
		return STATUS_NOUSER;
	}
	id->drop = true;
	return 0;
}

/*
 * Finds out what the children are to run as.  Only root can change that, and
 * then the configuration must name a user, as the built-in one names nobody.
 * Returns 0, or an exit status after an error message in the log.
 */
int
identity_find(struct identity *id, const struct identity_names *names)
{
	const char *user = names->user;
	int status = chroot_check(names);

	*id = (struct identity){ .drop = false };
	if (status != 0 || geteuid() != 0)
		return status;
	if (user == NULL) {
		log_line(LOG_LEVEL_ERROR,
		    "%s: User: missing; workers do not run as root unless "
		    "the file says User root",
		    names->file);
		return STATUS_CONF;
	}
	return identity_look_up(id, names);
}

/* Says that DeskUser cannot be obeyed.  Returns a status. */
static int
desk_refuse(const struct identity_names *names, int status, const char *why)
{
	struct where at = place_of(names->places, names->desk_line);

	log_line(LOG_LEVEL_ERROR, "%s:%lu: DeskUser: %s %s", at.file, at.line,
	    names->desk_user, why);
	return status;
}

/* Looks up DeskUser, for a master that runs as root. */
static int
desk_look_up(struct identity *id, const struct identity *workers,
    const struct identity_names *names)
{
	id->drop = true;
	id->gid = NO_GROUP;
	if (user_find(names->desk_user, &id->uid, &id->gid) != 0)
		return desk_refuse(
		    names, STATUS_NOUSER, "is no user on this system");
	if (id->uid == 0)
		return desk_refuse(names, STATUS_CONF,
		    "has all rights; name a user who has none");
	if (id->uid == workers->uid)
		return desk_refuse(names, STATUS_CONF,
		    "is the user of the workers; name another, or take this "
		    "line out");
	if (id->gid == NO_GROUP)
		id->gid = workers->gid;
	return 0;
}

/*
 * Finds out what the desks and their helpers are to run as: DeskUser, or what
 * the workers do.  Returns as identity_find() does.
 */
int
identity_find_desk(struct identity *desk, const struct identity *workers,
    const struct identity_names *names)
{
	struct where at = place_of(names->places, names->desk_line);

	*desk = *workers;
	if (names->desk_user == NULL)
		return 0;
	if (geteuid() == 0)
		return desk_look_up(desk, workers, names);
	log_line(LOG_LEVEL_WARNING,
	    "%s:%lu: warning: DeskUser: no effect, since only root can change "
	    "the user",
	    at.file, at.line);
	return 0;
}

/* The user that the workers run as. */
uid_t
identity_uid(const struct identity *id)
{
	return id->drop ? id->uid : geteuid();
}

/*
 * Ends a child with a message, on standard error too: a command that waits for
 * the outcome of the start may show it there.
 */
static _Noreturn void
identity_fail(int status, const char *what)
{
	int error = errno;

	log_line(LOG_LEVEL_CRITICAL, "%s: %s", what, strerror(error));
	fprintf(stderr, "%s: %s: %s\n", program, what, strerror(error));
	_exit(status);
}

/*
 * In a child: gives up the rights of root.  It may still start a program that
 * runs as the owner of its file.  If that fails, the child ends.
 */
void
identity_drop(const struct identity *id)
{
	if (id->drop && sys_drop(id->uid, id->gid) != 0)
		identity_fail(STATUS_NOPERM, "cannot change to User and Group");
	sys_give_up();
	sandbox_hide();
}

/*
 * In a child: makes root (or NULL) the root directory, and gives up the rights
 * of root for good.  If that fails, the child ends.
 */
void
identity_assume(const struct identity *id, const char *root)
{
	if (root != NULL && sys_chroot(root) != 0)
		identity_fail(STATUS_SYSTEM, "Chroot");
	sys_bound();
	identity_drop(id);
	sys_confine();
}

/* In a child: what identity_assume() does, without messages. */
static int
identity_change(const struct identity *id, const char *root)
{
	if (root != NULL && sys_chroot(root) != 0)
		return STATUS_SYSTEM;
	return id->drop && sys_drop(id->uid, id->gid) != 0 ? STATUS_NOPERM : 0;
}

/* Waits for a child that ends at once; returns its status. */
static int
identity_told(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return STATUS_SYSTEM;
	return WEXITSTATUS(status);
}

/*
 * Finds out, in a process that ends at once, whether identity_assume() would
 * succeed.  Returns 0, or the status that a child would end with.
 */
int
identity_try(const struct identity *id, const char *root)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(identity_change(id, root));
	return identity_told(pid);
}

/* Finds out, in such a process, whether the user of a child can read a file. */
bool
identity_reads(const struct identity *id, const char *path)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(identity_change(id, NULL) != 0 ||
		    open(path, O_RDONLY | O_NONBLOCK) < 0);
	return identity_told(pid) == 0;
}
