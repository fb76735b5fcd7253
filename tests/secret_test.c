/* SPDX-License-Identifier: ISC */
/* LINK: base/secret.c policy/authcache.c base/memo.c */
/*
 * Compares digests with those of the reference implementation and of OpenSSL,
 * and tests which credentials are remembered.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

enum { MANY = 20000, LIFE = 60000, ROOM = 4096 };

/* The message is 00 01 02 ..., the key 00 to 0f. */
static const struct vector {
	size_t len;
	const char *digest;
} vectors[] = {
	{ 0, "a3817f04ba25a8e66df67214c7550293" },
	{ 1, "da87c1d86b99af44347659119b22fc45" },
	{ 7, "a1f1ebbed8dbc153c0b84aa61ff08239" },
	{ 8, "3b62a9ba6258f5610f83e264f31497b4" },
	{ 15, "5493e99933b0a8117e08ec0f97cfc3d9" },
	{ 63, "5150d1772f50834a503e069a973fbd7c" },
};

static unsigned char key[SECRET_KEY_SIZE];

static void
text_of(char text[33], const struct digest *digest)
{
	for (int i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x",
		    (unsigned)(digest->half[i / 8] >> 8 * (i % 8) & 0xff));
}

static void
test_vectors(void)
{
	unsigned char message[64];
	struct digest digest;
	char text[33];

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (unsigned char)i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		digest = secret_digest(key, message, vectors[i].len);
		text_of(text, &digest);
		must(strcmp(text, vectors[i].digest) == 0, vectors[i].digest);
	}
}

static void
test_wipe(void)
{
	char text[] = "secret!";

	secret_wipe(text, 6);
	must(memcmp(text, "\0\0\0\0\0\0!", 8) == 0, "just that is wiped");
}

static struct digest
digest_of(int n)
{
	return secret_digest(key, &n, sizeof(n));
}

static void
test_known(void)
{
	struct digest a = digest_of(1), b = digest_of(2);

	must(authcache_find(&a, 1) == NULL, "nobody is known at first");
	must(authcache_tidy_at() == -1, "there is nothing to tidy");
	authcache_put(&a, "alice", 1);
	must(
	    strcmp(authcache_find(&a, 1), "alice") == 0, "who is put is found");
	must(strcmp(authcache_find(&a, LIFE), "alice") == 0, "for a while");
	must(authcache_find(&a, LIFE + 1) == NULL, "and then no more");
	must(authcache_find(&b, 1) == NULL, "others are not found");
	b = a;
	b.half[1] ^= 1;
	must(authcache_find(&b, 1) == NULL, "all of a digest counts");
	must(authcache_tidy_at() == LIFE + 1, "it is tidied then");
	authcache_tidy(LIFE + 1);
	must(authcache_find(&a, 1) == NULL, "and is really gone");
	must(authcache_tidy_at() == -1, "there is nothing left to tidy");
}

static void
test_many(void)
{
	struct digest digest;
	int known = 0;

	for (int i = 0; i < MANY; i++) {
		digest = digest_of(i);
		authcache_put(&digest, "somebody", i);
		must(authcache_find(&digest, i) != NULL, "the last is known");
	}
	for (int i = 0; i < MANY; i++) {
		digest = digest_of(i);
		known += authcache_find(&digest, MANY) != NULL;
	}
	must(known <= ROOM && known > ROOM * 9 / 10, "as many as fit");
	digest = digest_of(MANY - 1);
	authcache_put(&digest, "again", MANY);
	must(strcmp(authcache_find(&digest, MANY), "again") == 0, "put again");
	authcache_tidy(2 * LIFE + MANY);
	must(authcache_find(&digest, MANY) == NULL, "all are gone");
}

int
main(void)
{
	for (unsigned char i = 0; i < SECRET_KEY_SIZE; i++)
		key[i] = i;
	test_vectors();
	test_wipe();
	test_known();
	test_many();
	return 0;
}
