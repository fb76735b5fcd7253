/* SPDX-License-Identifier: ISC */
/*
 * Groups of users, which rules for targets name as "@group": how a line is
 * read, and who is in a group.  Nothing here knows which users exist, and
 * nothing is allocated after the configuration has been read.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "group.h"
#include "text.h"

/* Returns the group of a name, a new one at the end; NULL: no memory. */
static struct group *
group_get(struct groups *groups, const char *name, unsigned long line)
{
	struct group *group = groups->first;

	while (group != NULL && strcmp(group->name, name) != 0)
		group = group->next;
	if (group != NULL)
		return group;
	group = calloc(1, sizeof(*group));
	if (group == NULL || (group->name = strdup(name)) == NULL) {
		free(group);
		return NULL;
	}
	group->line = line;
	*(groups->first == NULL ? &groups->first : groups->last) = group;
	groups->last = &group->next;
	return group;
}

/* Adds a user.  Returns NULL, or what is wrong. */
static const char *
user_add(struct group *group, const char *name)
{
	char **users;

	if (name[0] == '@')
		return "a group has users alone; name those of the other group";
	users = array_room(group->users, group->n, sizeof(*users));
	if (users == NULL)
		return strerror(ENOMEM);
	group->users = users;
	users[group->n] = strdup(name);
	if (users[group->n] == NULL)
		return strerror(ENOMEM);
	group->n++;
	return NULL;
}

/*
 * Adds the users of a UserGroup, "group user...", to what earlier lines have
 * for the group.  Changes the text, which must not be empty.  Returns NULL; or
 * what is wrong, with *at set to the word of the text that is wrong.
 */
const char *
group_add(
    struct groups *groups, unsigned long line, char *text, const char **at)
{
	char *name = text_word(&text), *user = text_word(&text);
	struct group *group;
	const char *wrong = NULL;

	*at = name;
	if (name[0] == '@')
		return "the name of the group is without @ here; only in a rule "
		       "it has one";
	if (user == NULL)
		return "the users of the group must follow: GROUP USER...";
	group = group_get(groups, name, line);
	if (group == NULL)
		return strerror(ENOMEM);
	for (; wrong == NULL && user != NULL; user = text_word(&text)) {
		*at = user;
		wrong = user_add(group, user);
	}
	return wrong;
}

static int
user_compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* Sorts all groups for group_has(); must be called once they are all read. */
void
group_index(struct groups *groups)
{
	for (struct group *g = groups->first; g != NULL; g = g->next)
		if (g->n > 0)
			qsort(g->users, g->n, sizeof(*g->users), user_compare);
}

/* Returns the group of a name, without '@', or NULL. */
const struct group *
group_find(const struct groups *groups, const char *name)
{
	const struct group *group = groups->first;

	while (group != NULL && strcmp(group->name, name) != 0)
		group = group->next;
	return group;
}

/* Returns the name of the group that was probably meant, or NULL. */
const char *
group_near(const struct groups *groups, const char *name)
{
	unsigned best = text_limit(name), d;
	const char *near = NULL;

	for (const struct group *g = groups->first; g != NULL; g = g->next) {
		d = text_distance(name, g->name);
		if (d < best && d < strlen(g->name)) {
			best = d;
			near = g->name;
		}
	}
	return near;
}

/* Returns whether a user is in a group. */
bool
group_has(const struct group *group, const char *user)
{
	return group->n > 0 &&
	    bsearch(&user, group->users, group->n, sizeof(*group->users),
		user_compare) != NULL;
}

/* Frees all groups. */
void
group_free(struct groups *groups)
{
	struct group *next;

	for (struct group *g = groups->first; g != NULL; g = next) {
		next = g->next;
		for (size_t i = 0; i < g->n; i++)
			free(g->users[i]);
		free(g->users);
		free(g->name);
		free(g);
	}
	*groups = (struct groups){ NULL, NULL };
}
