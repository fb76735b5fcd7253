/* SPDX-License-Identifier: ISC */
/*
 * For whom a rule for targets is: users, some by the names of their groups,
 * blocks of client addresses, or both.
 * Nothing here knows the rules or which users exist, and nothing is allocated
 * after the configuration has been read.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "array.h"
#include "group.h"
#include "list.h"
#include "local.h"
#include "text.h"
#include "who.h"

/* What the next words after a target are. */
enum who_part { WHO_NOTHING, WHO_USERS, WHO_CLIENTS };

static const char *
user_add(struct who *who, const char *name)
{
	size_t len = strlen(name) + 1;
	char *users;

	if (strcmp(name, "@") == 0)
		return "the name of a group must follow the @";
	users = realloc(who->users, who->users_len + len);
	if (users == NULL)
		return strerror(ENOMEM);
	memcpy(users + who->users_len, name, len);
	who->users = users;
	who->users_len += len;
	who->nusers++;
	if (name[0] == '@')
		who->ngroups++;
	return NULL;
}

/*
 * Reads a block of addresses, without bits that are set beyond its prefix.
 * Returns whether the text is one.
 */
bool
who_block(struct block *block, const char *text)
{
	return addr_parse_block(block, text) == 0 || errno == EDOM;
}

/* Adds a Unix socket.  Returns 0, or -1 with errno. */
static int
socket_add(struct who *who, const char *path)
{
	uint16_t *sockets =
	    array_room(who->sockets, who->nsockets, sizeof(*sockets));

	if (sockets == NULL)
		return -1;
	who->sockets = sockets;
	sockets[who->nsockets] = local_hold(path);
	if (sockets[who->nsockets] == 0)
		return -1;
	who->nsockets++;
	return 0;
}

/* Adds a list of clients.  Returns 0, or -1 with errno. */
static int
list_add_to(struct who *who, const char *path, unsigned long line)
{
	struct list **lists =
	    array_room(who->lists, who->nlists, sizeof(*lists));

	if (lists == NULL)
		return -1;
	who->lists = lists;
	lists[who->nlists] = list_use(path, line);
	if (lists[who->nlists] == NULL)
		return -1;
	lists[who->nlists++]->addresses = true;
	return 0;
}

/* Adds a path in quotes.  One that begins with an '@' can only be a socket. */
static const char *
path_add(struct who *who, char *text, unsigned long line)
{
	size_t len = strlen(text);
	int result;

	if (len < 3 || text[len - 1] != '"' ||
	    (text[1] != '/' && text[1] != '@'))
		return "in double quotes there must be the absolute path of a "
		       "Unix socket or of a list";
	text[len - 1] = '\0';
	result = text[1] == '@' ? socket_add(who, text + 1)
				: list_add_to(who, text + 1, line);
	text[len - 1] = '"';
	return result == 0 ? NULL : strerror(errno);
}

/*
 * Makes list i the Unix socket that its path is of.  Returns 0, or -1 with
 * errno: it stays a list.
 */
int
who_socket(struct who *who, size_t i)
{
	if (socket_add(who, who->lists[i]->path) != 0)
		return -1;
	list_drop(who->lists[i]);
	who->lists[i] = who->lists[--who->nlists];
	return 0;
}

static const char *
client_add(struct who *who, char *text, unsigned long line)
{
	struct block *clients;

	if (text[0] == '"')
		return path_add(who, text, line);
	clients = array_room(who->clients, who->nclients, sizeof(*clients));
	if (clients == NULL)
		return strerror(ENOMEM);
	who->clients = clients;
	if (!who_block(&clients[who->nclients], text))
		return strcasecmp(text, "user") == 0
		    ? "the users must come before the clients: user NAME... "
		      "client ADDRESS..."
		    : "not an address or block of clients, as in "
		      "192.0.2.0/24";
	who->nclients++;
	return NULL;
}

/* Whether a rule is for clients of some kind only. */
static bool
has_clients(const struct who *who)
{
	return who->nclients + who->nsockets + who->nlists > 0;
}

/* Takes the next word off the text, or NULL; in quotes there may be blanks. */
static char *
word_take(char **text)
{
	char *word = *text + strspn(*text, " \t"), *rest;

	if (word[0] != '"' || (rest = strchr(word + 1, '"')) == NULL)
		return text_word(text);
	rest += 1 + strcspn(rest + 1, " \t");
	*text = rest;
	if (*rest != '\0')
		*(*text)++ = '\0';
	return word;
}

/*
 * Adds a word.  The first one after "user" is always a name, even if it is
 * "client".
 */
static const char *
word_add(struct who *who, enum who_part *part, char *word, unsigned long line)
{
	if (*part == WHO_NOTHING && strcasecmp(word, "user") == 0)
		*part = WHO_USERS;
	else if ((*part == WHO_NOTHING || who->nusers > 0) &&
	    *part != WHO_CLIENTS && strcasecmp(word, "client") == 0)
		*part = WHO_CLIENTS;
	else if (*part == WHO_USERS)
		return user_add(who, word);
	else if (*part == WHO_CLIENTS)
		return client_add(who, word, line);
	else
		return "nothing may follow the target but user NAME... and "
		       "then client ADDRESS[/BITS]...";
	return NULL;
}

static const char *
who_read(struct who *who, unsigned long line, char *text, const char **at)
{
	enum who_part part = WHO_NOTHING;
	const char *wrong = NULL;
	char *word;

	while (wrong == NULL && (word = word_take(&text)) != NULL) {
		*at = word;
		wrong = word_add(who, &part, word, line);
	}
	if (wrong == NULL && part == WHO_USERS && who->nusers == 0)
		return "the name of a user must follow";
	if (wrong == NULL && part == WHO_CLIENTS && !has_clients(who))
		return "the address of a client must follow";
	return wrong;
}

static bool
who_same(const struct who *a, const struct who *b)
{
	return a->users_len == b->users_len && a->nclients == b->nclients &&
	    a->nsockets == b->nsockets && a->nlists == b->nlists &&
	    (a->nusers == 0 || memcmp(a->users, b->users, a->users_len) == 0) &&
	    (a->nclients == 0 ||
		memcmp(a->clients, b->clients,
		    a->nclients * sizeof(*a->clients)) == 0) &&
	    (a->nsockets == 0 ||
		memcmp(a->sockets, b->sockets,
		    a->nsockets * sizeof(*a->sockets)) == 0) &&
	    (a->nlists == 0 ||
		memcmp(a->lists, b->lists, a->nlists * sizeof(*a->lists)) == 0);
}

/*
 * Reads "user NAME..." or "client ADDRESS[/BITS]...", where "PATH" of a Unix
 * socket or a list may stand for an address too, or both in this order,
 * and puts the result in front of the list, unless the first element is the
 * same.  Changes the text, which must not be empty.  Returns NULL; or what is
 * wrong, with *at set to the word of the text that is wrong.
 */
const char *
who_add(struct who **list, unsigned long line, char *text, const char **at)
{
	struct who *who = calloc(1, sizeof(*who));
	const char *wrong;

	*at = text;
	if (who == NULL)
		return strerror(ENOMEM);
	wrong = who_read(who, line, text, at);
	if (wrong != NULL || (*list != NULL && who_same(who, *list))) {
		who_free(who);
		return wrong;
	}
	who->next = *list;
	*list = who;
	return NULL;
}

/*
 * Finds the groups that the rules of a list name.  One that does not exist has
 * no users.  The groups stay the caller's, and must have been sorted.  Returns
 * 0, or -1 with ENOMEM.
 */
int
who_join(struct who *list, const struct groups *groups)
{
	for (struct who *who = list; who != NULL; who = who->next) {
		const char *name = who->users;
		size_t at = 0;

		if (who->ngroups == 0)
			continue;
		who->groups = calloc(who->ngroups, sizeof(*who->groups));
		if (who->groups == NULL)
			return -1;
		for (size_t i = 0; i < who->nusers; i++) {
			if (name[0] == '@')
				who->groups[at++] =
				    group_find(groups, name + 1);
			name += strlen(name) + 1;
		}
	}
	return 0;
}

static bool
in_groups(const struct who *who, const char *user)
{
	for (size_t i = 0; who->groups != NULL && i < who->ngroups; i++)
		if (who->groups[i] != NULL && group_has(who->groups[i], user))
			return true;
	return false;
}

static bool
has_user(const struct who *who, const char *user)
{
	const char *name = who->users;

	if (user == NULL)
		return false;
	for (size_t i = 0; i < who->nusers; i++) {
		if (name[0] != '@' && strcmp(name, user) == 0)
			return true;
		name += strlen(name) + 1;
	}
	return in_groups(who, user);
}

static bool
has_socket(const struct who *who, uint16_t number)
{
	for (size_t i = 0; i < who->nsockets; i++)
		if (who->sockets[i] == number)
			return true;
	return false;
}

static bool
in_lists(const struct who *who, const struct addr *client)
{
	for (size_t i = 0; i < who->nlists; i++)
		if (list_has_addr(who->lists[i], client))
			return true;
	return false;
}

static bool
has_client(const struct who *who, const struct addr *client)
{
	return client->local != 0
	    ? has_socket(who, client->local)
	    : addr_in_blocks(client, who->clients, who->nclients) ||
		in_lists(who, client);
}

/*
 * Returns whether a rule is for the asker: the user must be one of the users,
 * if there are any, and the client one of the clients, if there are any.
 */
bool
who_holds(const struct who *who, const struct asker *asker)
{
	return (who->nusers == 0 || has_user(who, asker->user)) &&
	    (!has_clients(who) || has_client(who, asker->client));
}

/* Returns the user of a rule or of its groups with this name, or NULL. */
static const char *
spelling_in(const struct who *who, const char *user,
    int compare(const char *, const char *))
{
	const char *name = who->users;

	for (size_t i = 0; i < who->nusers; i++) {
		if (name[0] != '@' && compare(name, user) == 0)
			return name;
		name += strlen(name) + 1;
	}
	for (size_t i = 0; who->groups != NULL && i < who->ngroups; i++)
		for (size_t j = 0;
		     who->groups[i] != NULL && j < who->groups[i]->n; j++)
			if (compare(who->groups[i]->users[j], user) == 0)
				return who->groups[i]->users[j];
	return NULL;
}

/*
 * Returns how the rules of a list spell a user, if need be in other cases of
 * letters; or NULL if none names it.
 */
const char *
who_spelling(const struct who *list, const char *user)
{
	const char *name = NULL;

	for (const struct who *w = list; w != NULL && name == NULL; w = w->next)
		name = spelling_in(w, user, strcmp);
	for (const struct who *w = list; w != NULL && name == NULL; w = w->next)
		name = spelling_in(w, user, strcasecmp);
	return name;
}

/* Returns whether all users of a group are users of a rule, or some. */
static bool
group_in(const struct group *group, const struct who *who, bool all)
{
	size_t found = 0;

	for (size_t i = 0; i < group->n; i++)
		if (has_user(who, group->users[i]))
			found++;
	return all ? found == group->n : found > 0;
}

/* Returns whether all users of one rule are users of another one, or some. */
static bool
users_in(const struct who *other, const struct who *who, bool all)
{
	const char *name = other->users;
	size_t found = 0, at = 0;

	for (size_t i = 0; i < other->nusers; i++) {
		const struct group *group = NULL;

		if (name[0] == '@' && other->groups != NULL)
			group = other->groups[at++];
		if (group != NULL ? group_in(group, who, all)
				  : has_user(who, name))
			found++;
		name += strlen(name) + 1;
	}
	return all ? found == other->nusers : found > 0;
}

static bool
block_in(const struct block *other, const struct who *who)
{
	struct addr net = { .scope = 0 };

	memcpy(net.ip, other->net, sizeof(net.ip));
	for (size_t i = 0; i < who->nclients; i++)
		if (who->clients[i].bits <= other->bits &&
		    addr_in_net(
			&net, who->clients[i].net, who->clients[i].bits))
			return true;
	return false;
}

static bool
has_list(const struct who *who, const struct list *list)
{
	for (size_t i = 0; i < who->nlists; i++)
		if (who->lists[i] == list)
			return true;
	return false;
}

/*
 * Counts the clients of one rule that are clients of another one.  A list is
 * one of them, and only the same list has all that it has.
 */
static size_t
clients_in(const struct who *other, const struct who *who)
{
	size_t n = 0;

	for (size_t i = 0; i < other->nsockets; i++)
		if (has_socket(who, other->sockets[i]))
			n++;
	for (size_t i = 0; i < other->nclients; i++)
		if (block_in(&other->clients[i], who))
			n++;
	for (size_t i = 0; i < other->nlists; i++)
		if (has_list(who, other->lists[i]))
			n++;
	return n;
}

/* Returns whether a rule is for all clients and users of another one. */
bool
who_covers(const struct who *who, const struct who *other)
{
	return (who->nusers == 0 ||
		   (other->nusers > 0 && users_in(other, who, true))) &&
	    (!has_clients(who) ||
		(has_clients(other) &&
		    clients_in(other, who) ==
			other->nclients + other->nsockets + other->nlists));
}

/* Returns whether two rules have some clients and users in common. */
bool
who_meets(const struct who *who, const struct who *other)
{
	return (who->nusers == 0 || other->nusers == 0 ||
		   users_in(other, who, false)) &&
	    (!has_clients(who) || !has_clients(other) ||
		clients_in(other, who) > 0 || clients_in(who, other) > 0);
}

/* Frees a list and all it owns. */
void
who_free(struct who *list)
{
	while (list != NULL) {
		struct who *next = list->next;

		free(list->users);
		free(list->groups);
		free(list->clients);
		for (size_t i = 0; i < list->nsockets; i++)
			local_drop(list->sockets[i]);
		free(list->sockets);
		for (size_t i = 0; i < list->nlists; i++)
			list_drop(list->lists[i]);
		free(list->lists);
		free(list);
		list = next;
	}
}
