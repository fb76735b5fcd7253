/* SPDX-License-Identifier: ISC */
/*
 * The users of the files that AuthFile names, with their hashes: reads them
 * line by line, finds them by name, and checks a password with crypt(3).  A
 * check is as slow as the hash demands, so only helpers do it.  No hash and no
 * password may leave this file, least of all in a message.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "bounds.h"
#include "login.h"
#include "secret.h"
#include "sys.h"

enum {
	HASH_MAX = 384,                 /* bytes of a hash */
	LOGIN_BLOCK_SIZE = 1024 * 1024, /* bytes of hashes in a block */
	DES_LENGTH = 13,                /* bytes of a hash of the oldest kind */
	PROBES_MAX = 64                 /* checks while the files are read */
};

/* The characters of salts and hashes. */
#define LETTERS                                                                \
	"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/*
 * A block of hashes, and of the names of user files: all hashes can be wiped
 * without touching the users.
 */
struct login_block {
	struct login_block *next;
	size_t used;
	char text[LOGIN_BLOCK_SIZE];
};

/* Hashes that crypt() cannot check, or that are refused, by how they begin. */
static const struct refusal {
	const char *prefix, *why;
} refusals[] = {
	{ "$apr1$",
	    "htpasswd's MD5 ($apr1$) is not a hash of crypt(3); make one with "
	    "htpasswd -B" },
	{ "{",
	    "{SHA} and the like are not hashes of crypt(3); make one with "
	    "htpasswd -B" },
	{ "$3$",
	    "a hash without a salt ($3$) is too weak; make one with "
	    "openssl passwd -6" },
	{ "_", "a DES hash is too weak; make one with openssl passwd -6" },
	{ "!", "this is not a hash; to lock a user, take the line out" },
	{ "*", "this is not a hash; to lock a user, take the line out" },
};

/* Returns the part of a hash after its last '$'. */
static const char *
hash_tail(const char *hash)
{
	return strrchr(hash, '$') + 1;
}

/*
 * Returns how many bytes of a hash give its kind and cost: those before the
 * salt, which is between the last two '$'; but bcrypt has no '$' after its
 * salt.
 */
static size_t
hash_prefix(const char *hash)
{
	size_t len = (size_t)(hash_tail(hash) - hash) - 1;

	if (strncmp(hash, "$2", 2) == 0)
		return len;
	while (len > 0 && hash[len - 1] != '$')
		len--;
	return len;
}

/* Returns whether two hashes have the same kind, cost and length. */
static bool
hash_alike(const char *a, const char *b)
{
	size_t len = hash_prefix(a);

	return len == hash_prefix(b) && memcmp(a, b, len) == 0 &&
	    strlen(hash_tail(a)) == strlen(hash_tail(b));
}

/* Returns why a hash is refused on every system, or NULL. */
static const char *
hash_refused(const char *hash)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		if (strncmp(hash, refusals[i].prefix,
			strlen(refusals[i].prefix)) == 0)
			return refusals[i].why;
	if (strlen(hash) == DES_LENGTH && hash[strspn(hash, LETTERS)] == '\0')
		return "this looks like a DES hash, which is too weak; make "
		       "one with openssl passwd -6";
	if (hash[0] != '$' || strchr(hash + 1, '$') == NULL)
		return "this is not a hash but perhaps plain text; make one with "
		       "openssl passwd -6";
	if (strlen(hash) > HASH_MAX)
		return "the hash is too long";
	if (hash_tail(hash)[strspn(hash_tail(hash), LETTERS)] != '\0')
		return "the hash is damaged: there is something else than "
		       "letters, digits, . and / after the last $";
	return NULL;
}

/*
 * Returns NULL if crypt() supports a hash: it must make one that begins the
 * same and is as long.  Otherwise returns what is wrong.
 */
static const char *
hash_probe(const char *hash)
{
	const char *made = sys_crypt("", hash);

	if (made == NULL || made[0] == '*' ||
	    strncmp(made, hash, hash_prefix(hash)) != 0)
		return "crypt(3) of this system does not support this kind of "
		       "hash, or not these parameters";
	if (strlen(made) != strlen(hash) ||
	    strncmp(made, hash, (size_t)(hash_tail(hash) - hash)) != 0)
		return "the hash is damaged: others of its kind have another "
		       "length";
	return NULL;
}

static bool
kind_known(const struct logins *l, const char *hash)
{
	for (size_t i = 0; i < l->nkinds; i++)
		if (hash_alike(l->kinds[i], hash))
			return true;
	return false;
}

/*
 * Returns why a hash cannot be checked, or NULL.  A check is slow, so only the
 * first hash of each kind and cost is tried, and the others are compared with
 * it.
 */
static const char *
hash_wrong(struct logins *l, const char *hash)
{
	const char *wrong = hash_refused(hash);

	if (wrong != NULL || kind_known(l, hash))
		return wrong;
	if (l->nkinds == LOGIN_KINDS_MAX || l->probes == PROBES_MAX)
		return "too many kinds of hashes, or too many damaged ones";
	l->probes++;
	return hash_probe(hash);
}

/* Copies a text into the blocks.  Returns the copy, or NULL. */
static char *
block_add(struct logins *l, const char *text)
{
	struct login_block *b = l->blocks;
	size_t size = strlen(text) + 1;
	char *copy;

	if (b == NULL || sizeof(b->text) - b->used < size) {
		b = malloc(sizeof(*b));
		if (b == NULL)
			return NULL;
		b->next = l->blocks;
		b->used = 0;
		l->blocks = b;
	}
	copy = b->text + b->used;
	b->used += size;
	memcpy(copy, text, size);
	return copy;
}

static int
login_keep(
    struct logins *l, unsigned long line, const char *name, const char *hash)
{
	struct login *list = array_room(l->list, l->n, sizeof(*list)), *login;

	if (list == NULL)
		return -1;
	l->list = list;
	login = &list[l->n];
	*login = (struct login){ .hash = block_add(l, hash),
		.name = strdup(name),
		.file = l->file,
		.line = line,
		.order = l->n };
	if (login->hash == NULL || login->name == NULL) {
		free(login->name);
		return -1;
	}
	l->n++;
	if (!kind_known(l, hash))
		l->kinds[l->nkinds++] = login->hash;
	return 0;
}

/*
 * Begins to read a user file, whose name is copied.  Returns NULL, or why it
 * cannot be used.
 */
const char *
login_begin(struct logins *l, const char *file)
{
	if (!sys_has_crypt())
		return "this adit was built without crypt(3) and cannot check "
		       "hashes";
	l->weak = 0;
	l->file = block_add(l, file);
	return l->file != NULL ? NULL : strerror(ENOMEM);
}

/*
 * Adds the user of one line, "user:hash"; changes the text.  Returns NULL, or
 * what is wrong with the line, in words that contain no part of it.
 */
const char *
login_add(struct logins *l, unsigned long line, char *text)
{
	char *hash = strchr(text, ':');
	const char *wrong;

	if (hash == NULL)
		return "the line must be user:hash";
	*hash++ = '\0';
	if (text[0] == '\0')
		return "there is no user before the colon; write user:hash";
	if (strlen(text) >= CREDENTIAL_SIZE)
		return "a user may have at most 255 bytes";
	if (hash[0] == '\0')
		return "there is no hash after the colon; make one with "
		       "openssl passwd -6";
	if (strchr(hash, ':') != NULL)
		return "there is a second colon; write user:hash alone, since "
		       "other fields, such as the last day of an account, "
		       "would have no effect";
	/* They are the same, and not every system knows both. */
	if (strncmp(hash, "$2y$", 4) == 0)
		hash[2] = 'b';
	wrong = hash_wrong(l, hash);
	if (wrong != NULL)
		return wrong;
	if (strncmp(hash, "$1$", 3) == 0 && l->weak == 0)
		l->weak = line;
	return login_keep(l, line, text, hash) == 0 ? NULL : strerror(ENOMEM);
}

static int
login_compare(const void *a, const void *b)
{
	const struct login *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order != 0)
		return order;
	return x->order < y->order ? -1 : x->order > y->order;
}

/*
 * Sorts all users for login_find(); must be called at the end of each file.
 * Returns NULL; or the first user in the files that an earlier line has named
 * already, with that line's user in *before.
 */
const struct login *
login_index(struct logins *l, const struct login **before)
{
	const struct login *found = NULL;

	if (l->n > 1)
		qsort(l->list, l->n, sizeof(*l->list), login_compare);
	for (size_t i = 1; i < l->n; i++) {
		if (strcmp(l->list[i - 1].name, l->list[i].name) != 0 ||
		    (found != NULL && l->list[i].order > found->order))
			continue;
		found = &l->list[i];
		*before = &l->list[i - 1];
	}
	return found;
}

/* Returns the user with this name, or NULL. */
const struct login *
login_find(const struct logins *l, const char *name)
{
	size_t low = 0, high = l->n;
	int order;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		order = strcmp(name, l->list[middle].name);
		if (order == 0)
			return &l->list[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* Returns the configuration's own copy of the name of a user, or NULL. */
const char *
login_name(const struct logins *l, const char *name)
{
	const struct login *login = login_find(l, name);

	return login != NULL ? login->name : NULL;
}

/*
 * Checks a password, which takes as long as the user's hash demands.  For an
 * unknown name it takes as long as for some user, always the same one for that
 * name, so that the time does not reveal which users exist.  Returns whether
 * user and password are right; *failed tells that crypt() failed, perhaps for
 * lack of memory.
 */
bool
login_check(const struct logins *l, const char *name, const char *password,
    bool *failed)
{
	const struct login *login = login_find(l, name), *stand_in = login;
	struct digest digest = secret_digest(l->key, name, strlen(name));
	bool right = false;
	char *made;

	*failed = false;
	if (l->n == 0)
		return false;
	if (login == NULL)
		stand_in = &l->list[digest.half[0] % l->n];
	made = sys_crypt(password, stand_in->hash);
	*failed = made == NULL || made[0] == '*';
	if (!*failed) {
		right = strcmp(made, stand_in->hash) == 0;
		secret_wipe(made, strlen(made));
	}
	return login != NULL && right;
}

/*
 * Wipes and frees the hashes, in a process that need not know them.  Users can
 * still be looked up by name, but no password can be checked any more.
 */
void
login_forget(struct logins *l)
{
	struct login_block *next;

	for (; l->blocks != NULL; l->blocks = next) {
		next = l->blocks->next;
		secret_wipe(l->blocks->text, l->blocks->used);
		free(l->blocks);
	}
}

/* Frees all users and hashes. */
void
login_free(struct logins *l)
{
	login_forget(l);
	for (size_t i = 0; i < l->n; i++)
		free(l->list[i].name);
	free(l->list);
	l->list = NULL;
	l->n = 0;
}
