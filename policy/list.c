/* SPDX-License-Identifier: ISC */
/*
 * Lists: the names and blocks of a file, packed so that a million of them fit
 * into some 30 MB and a look takes less than a microsecond.  A name is looked
 * for by each of its ends that begin after a dot, so the length of the list
 * does not matter.  Nothing here reads a file, and nothing is allocated after
 * list_index().
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "entry.h"
#include "list.h"
#include "sys.h"

enum {
	ROOM = 65536, /* bytes of names or blocks, to begin with */
	DOTTED = 4,   /* beside ENTRY_SELF and ENTRY_BELOW, in a tag */
	COVERS = ENTRY_SELF | ENTRY_BELOW,
	FLAGS = COVERS | DOTTED
};

/* All that some configuration uses. */
static struct list *lists;

static unsigned long last; /* number of the last configuration */

/* Begins with the lists of a configuration.  Returns its number. */
unsigned long
list_begin(void)
{
	return ++last;
}

/* Frees what is in a list. */
static void
empty(struct list *list)
{
	if (list->names != NULL)
		sys_unshare(list->names, list->room);
	if (list->starts != NULL)
		sys_unshare(list->starts,
		    (list->mask + 1) * (sizeof(*list->starts) + 1));
	if (list->blocks != NULL)
		sys_unshare(list->blocks, list->blocks_room);
	list->names = NULL;
	list->starts = NULL;
	list->tags = NULL;
	list->blocks = NULL;
	list->n = list->nblocks = 0;
}

/*
 * Takes the lists of all other configurations out of this process, which must
 * not use these any more: their memory would live as long as the process.
 */
void
list_keep(unsigned long conf)
{
	for (struct list *list = lists; list != NULL; list = list->next)
		if (list->conf != conf)
			empty(list);
}

/*
 * Returns the list of a file, which is read later: the same one for all lines
 * of a configuration.  Returns NULL with ENOMEM.
 */
struct list *
list_use(const char *path, unsigned long line)
{
	struct list *list = lists;

	while (list != NULL &&
	    (list->conf != last || strcmp(list->path, path) != 0))
		list = list->next;
	if (list == NULL) {
		list = calloc(1, sizeof(*list));
		if (list == NULL || (list->path = strdup(path)) == NULL) {
			free(list);
			return NULL;
		}
		list->conf = last;
		list->line = line;
		list->next = lists;
		lists = list;
	}
	list->users++;
	return list;
}

/* One rule less uses a list: without any it is freed. */
void
list_drop(struct list *list)
{
	struct list **at = &lists;

	if (--list->users > 0)
		return;
	while (*at != list)
		at = &(*at)->next;
	*at = list->next;
	empty(list);
	free(list->path);
	free(list);
}

/* Says which directive has named the lists that are new. */
void
list_label(const char *directive)
{
	for (struct list *list = lists; list != NULL; list = list->next)
		if (list->directive == NULL)
			list->directive = directive;
}

/* Returns the first of the lists in the file that is not read, or NULL. */
struct list *
list_unread(void)
{
	struct list *first = NULL;

	for (struct list *list = lists; list != NULL; list = list->next)
		if (!list->read)
			first = list;
	return first;
}

/* Takes a quoted path off the front of a text.  Returns NULL: it is none. */
char *
list_path(char **text)
{
	char *path = *text, *end;

	if (path[0] != '"' || path[1] != '/' ||
	    (end = strchr(path + 1, '"')) == NULL)
		return NULL;
	*end = '\0';
	*text = end + 1;
	return path + 1;
}

/* Adding. */

/*
 * Makes room for more bytes after the used ones.  Returns the memory, the old
 * one if that has room; or NULL with errno.  It is no memory of malloc(), which
 * might keep it after it is freed, and that would be inherited.
 */
static void *
grow(void *old, size_t used, size_t more, size_t *room)
{
	size_t wanted = *room == 0 ? ROOM : *room;
	void *grown;

	while (used + more > wanted)
		wanted *= 2;
	if (wanted == *room)
		return old;
	grown = sys_share(wanted);
	if (grown == NULL)
		return NULL;
	if (old != NULL) {
		memcpy(grown, old, used);
		sys_unshare(old, *room);
	}
	*room = wanted;
	return grown;
}

static int
name_add(struct list *list, const struct entry *e)
{
	size_t len = strlen(e->name) + 1;
	char *names;

	/* Places have 32 bits. */
	if (list->size > UINT32_MAX / 2) {
		errno = EFBIG;
		return -1;
	}
	names = grow(list->names, list->size, len + 1, &list->room);
	if (names == NULL)
		return -1;
	list->names = names;
	names[list->size++] =
	    (char)(e->covers | (e->dotted ? (unsigned)DOTTED : 0));
	memcpy(names + list->size, e->name, len);
	list->size += len;
	list->n++;
	return 0;
}

static int
block_add(struct list *list, const struct block *block)
{
	struct list_block *grown = grow(list->blocks,
	    list->nblocks * sizeof(*grown), sizeof(*grown), &list->blocks_room);

	if (grown == NULL)
		return -1;
	list->blocks = grown;
	grown += list->nblocks++;
	memcpy(grown->net, block->net, sizeof(grown->net));
	grown->bits = (unsigned char)block->bits;
	return 0;
}

/* Adds a name or a block.  Returns 0, or -1 with errno. */
int
list_add(struct list *list, const struct entry *e)
{
	return e->name != NULL ? name_add(list, e) : block_add(list, &e->block);
}

/* The index. */

/* Hashes run from the end of a name to its beginning. */
static uint32_t
hash_byte(uint32_t hash, char byte)
{
	return (hash ^ (unsigned char)byte) * 16777619u;
}

/* Spreads a hash over all its bits. */
static uint32_t
hash_mix(uint32_t hash)
{
	hash = (hash ^ hash >> 15) * 0x2c1b3c6du;
	return hash ^ hash >> 12;
}

enum { HASH_BEGIN = 0x4c957f2d };

/* A tag without its flags: some bits that most names do not share. */
static unsigned char
tag_of(uint32_t mixed)
{
	return (unsigned char)(mixed >> 24 & ~(unsigned)FLAGS);
}

/* Returns the place of a name, or the free one where it belongs. */
static size_t
place_of(const struct list *list, const char *name, uint32_t hash)
{
	uint32_t mixed = hash_mix(hash);
	size_t at = mixed & list->mask;

	while (list->tags[at] != 0 &&
	    ((list->tags[at] & ~(unsigned)FLAGS) != tag_of(mixed) ||
		strcmp(list->names + list->starts[at], name) != 0))
		at = (at + 1) & list->mask;
	return at;
}

/* Puts the name that begins at start into its place, once. */
static void
name_index(struct list *list, size_t start)
{
	const char *name = list->names + start;
	unsigned char flags = (unsigned char)name[-1];
	uint32_t hash = HASH_BEGIN;
	size_t at;

	for (size_t i = strlen(name); i-- > 0;)
		hash = hash_byte(hash, name[i]);
	at = place_of(list, name, hash);
	list->starts[at] = (uint32_t)start;
	list->tags[at] |= tag_of(hash_mix(hash)) | flags;
}

static int
names_index(struct list *list)
{
	size_t places = 16;

	if (list->n == 0)
		return 0;
	while (places / 4 * 3 < list->n)
		places *= 2;
	list->starts = sys_share(places * (sizeof(*list->starts) + 1));
	if (list->starts == NULL)
		return -1;
	list->tags = (unsigned char *)(list->starts + places);
	list->mask = places - 1;
	for (size_t at = 0; at < list->size;
	     at += strlen(list->names + at + 1) + 2)
		name_index(list, at + 1);
	return 0;
}

static int
block_compare(const void *a, const void *b)
{
	const struct list_block *x = a, *y = b;
	int order = memcmp(x->net, y->net, sizeof(x->net));

	return order != 0 ? order : x->bits - y->bits;
}

/* Whether an address is in a block. */
static bool
block_has(const struct list_block *block, const unsigned char ip[16])
{
	struct addr addr = { .scope = 0 };

	memcpy(addr.ip, ip, sizeof(addr.ip));
	return addr_in_net(&addr, block->net, block->bits);
}

static bool
is_sorted(const struct list_block *b, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (block_compare(&b[i - 1], &b[i]) > 0)
			return false;
	return true;
}

/* Sorts the blocks, and leaves out those within others. */
static void
blocks_index(struct list *list)
{
	struct list_block *b = list->blocks;
	size_t n = 0;

	if (!is_sorted(b, list->nblocks))
		qsort(b, list->nblocks, sizeof(*b), block_compare);
	for (size_t i = 0; i < list->nblocks; i++)
		if (n == 0 || !block_has(&b[n - 1], b[i].net))
			b[n++] = b[i];
	list->nblocks = n;
}

/* Makes the index, once all is added.  Returns 0, or -1 with ENOMEM. */
int
list_index(struct list *list)
{
	list->read = true;
	blocks_index(list);
	return names_index(list);
}

/* Which names the entry for a name covers: flags, or 0 if there is none. */
static unsigned
covers(const struct list *list, const char *name, uint32_t hash)
{
	return list->tags[place_of(list, name, hash)] & COVERS;
}

/*
 * Returns whether a list covers a name, which is folded.  With below each entry
 * stands for the name itself and all names below it.
 */
bool
list_has_name(const struct list *list, const char *name, bool below)
{
	unsigned itself = below ? COVERS : ENTRY_SELF;
	unsigned above = below ? COVERS : ENTRY_BELOW;
	uint32_t hash = HASH_BEGIN;

	if (list->tags == NULL)
		return false;
	for (size_t i = strlen(name); i-- > 0;) {
		if (name[i] == '.' &&
		    (covers(list, name + i + 1, hash) & above) != 0)
			return true;
		hash = hash_byte(hash, name[i]);
	}
	return (covers(list, name, hash) & itself) != 0;
}

/* Returns whether an address is in a block of a list. */
bool
list_has_addr(const struct list *list, const struct addr *addr)
{
	size_t low = 0, high = list->nblocks, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (memcmp(list->blocks[middle].net, addr->ip,
			sizeof(addr->ip)) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 &&
	    addr_in_net(
		addr, list->blocks[low - 1].net, list->blocks[low - 1].bits);
}

/*
 * Returns how many names are written only as .name, and do not cover the name
 * itself as they would in Squid; *example becomes one of them.
 */
size_t
list_bare(const struct list *list, const char **example)
{
	size_t n = 0, first = SIZE_MAX;

	for (size_t at = 0; list->tags != NULL && at <= list->mask; at++) {
		if ((list->tags[at] & (DOTTED | ENTRY_SELF)) != DOTTED)
			continue;
		n++;
		if (list->starts[at] < first)
			first = list->starts[at];
	}
	if (n > 0)
		*example = list->names + first;
	return n;
}
