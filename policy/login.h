/* SPDX-License-Identifier: ISC */
/* The users of all AuthFiles, and checks of their passwords. */
#ifndef LOGIN_H
#define LOGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "secret.h"

struct login_block;

/* One user of an AuthFile. */
struct login {
	char *name; /* owned */
	/* In the blocks, and freed with them. */
	const char *hash;
	const char *file;
	unsigned long line;
	size_t order; /* in which users were read */
};

enum { LOGIN_KINDS_MAX = 32 /* kinds of hashes, each with its cost */ };

/* The users of all AuthFiles, sorted by name. */
struct logins {
	bool wanted; /* there is an AuthFile, perhaps without users */
	/* Secret; new for each configuration; the key of all its digests. */
	unsigned char key[SECRET_KEY_SIZE];
	struct login *list;
	size_t n;
	struct login_block *blocks; /* NULL once forgotten */
	/* The state of reading the files. */
	const char *file;
	unsigned long weak; /* the first line with a hash of MD5, or 0 */
	const char *kinds[LOGIN_KINDS_MAX]; /* one hash of each kind */
	size_t nkinds, probes;
};

const char *login_begin(struct logins *, const char *file);
const char *login_add(struct logins *, unsigned long line, char *text);
const struct login *login_index(struct logins *, const struct login **before);
const struct login *login_find(const struct logins *, const char *name);
const char *login_name(const struct logins *, const char *name);
bool login_check(const struct logins *, const char *name, const char *password,
    bool *failed);
void login_forget(struct logins *);
void login_free(struct logins *);

#endif
