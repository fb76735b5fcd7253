/* SPDX-License-Identifier: ISC */
/* UserGroup: names for groups of users. */
#ifndef GROUP_H
#define GROUP_H

#include <stdbool.h>
#include <stddef.h>

/* One group; it owns what it points to. */
struct group {
	char *name; /* without the '@' of rules */
	char **users;
	size_t n;
	unsigned long line; /* of the first UserGroup with this name */
	struct group *next;
};

/* All groups, in the order of the file. */
struct groups {
	struct group *first, **last; /* last: NULL while there is none */
};

const char *group_add(
    struct groups *, unsigned long line, char *text, const char **at);
void group_index(struct groups *);
const struct group *group_find(const struct groups *, const char *name);
const char *group_near(const struct groups *, const char *name);
bool group_has(const struct group *, const char *user);
void group_free(struct groups *);

#endif
