/* SPDX-License-Identifier: ISC */
/*
 * Remembers values by a digest, each for a while, in a table of a fixed size.
 * Of what does not fit, that is forgotten which would be so first.  The digests
 * must have a secret key: without it, nobody can aim at the place of another.
 */
#define _POSIX_C_SOURCE 200809L

#include <stddef.h>
#include <stdint.h>

#include "memo.h"
#include "secret.h"

/* Returns the value of a digest, as memo_put() got it, or NULL. */
const char *
memo_find(const struct memo *memo, const struct digest *digest, int64_t now)
{
	const struct memo_entry *set = memo->sets[digest->half[0] % MEMO_SETS];

	for (int i = 0; i < MEMO_WAYS; i++)
		if (set[i].value != NULL && now < set[i].until &&
		    secret_same(&set[i].digest, digest))
			return set[i].value;
	return NULL;
}

/*
 * Remembers a value until that time, in ms.  It is not copied, must stay valid,
 * and is not NULL.
 */
void
memo_put(struct memo *memo, const struct digest *digest, const char *value,
    int64_t until)
{
	struct memo_entry *set = memo->sets[digest->half[0] % MEMO_SETS];
	struct memo_entry *place = set;

	for (int i = 0; i < MEMO_WAYS; i++) {
		if (set[i].value != NULL &&
		    secret_same(&set[i].digest, digest)) {
			place = &set[i];
			break;
		}
		if (set[i].value == NULL ||
		    (place->value != NULL && set[i].until < place->until))
			place = &set[i];
	}
	*place = (struct memo_entry){ *digest, until, value };
}

/* Wipes what is over.  Returns how many values are left. */
size_t
memo_tidy(struct memo *memo, int64_t now)
{
	size_t left = 0;

	for (size_t i = 0; i < MEMO_SETS * MEMO_WAYS; i++) {
		struct memo_entry *e =
		    &memo->sets[i / MEMO_WAYS][i % MEMO_WAYS];

		if (e->value != NULL && now >= e->until)
			secret_wipe(e, sizeof(*e));
		left += e->value != NULL;
	}
	return left;
}
