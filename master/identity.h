/* SPDX-License-Identifier: ISC */
/* User, Group, DeskUser and Chroot: what the children run as, and where. */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <sys/types.h>

#include <stdbool.h>

struct places;

/* What a configuration says of it; NULL and 0 where it says nothing. */
struct identity_names {
	const char *file;            /* of the configuration */
	const struct places *places; /* of the lines */
	const char *user, *group, *chroot, *desk_user;
	unsigned long user_line, group_line, chroot_line, desk_line;
};

struct identity {
	uid_t uid;
	gid_t gid;
	bool drop; /* the children change to uid and gid */
};

int identity_group(const char *name, gid_t *);
int identity_user(const char *name, uid_t *);
int identity_find(struct identity *, const struct identity_names *);
int identity_find_desk(struct identity *desk, const struct identity *workers,
    const struct identity_names *);
uid_t identity_uid(const struct identity *);
bool identity_reads(const struct identity *, const char *path);
int identity_try(const struct identity *, const char *root);
void identity_drop(const struct identity *);
void identity_assume(const struct identity *, const char *root);

#endif
