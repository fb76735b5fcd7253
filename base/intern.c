/* SPDX-License-Identifier: ISC */
/*
 * Keeps one copy of each text for the life of a process, such as the names of
 * users that no configuration has.  It grows with every other text, so only
 * such as were checked may be kept.
 */
#define _POSIX_C_SOURCE 200809L

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "intern.h"

enum { CHAINS = 4096 };

struct kept {
	struct kept *next;
	char text[];
};

static struct kept *chains[CHAINS];

/* Returns the kept copy of a text, or NULL with ENOMEM. */
const char *
intern(const char *text)
{
	uint32_t hash = 2166136261u;
	size_t size = strlen(text) + 1;
	struct kept **chain, *kept;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	chain = &chains[(hash ^ hash >> 16) % CHAINS];
	for (kept = *chain; kept != NULL; kept = kept->next)
		if (strcmp(kept->text, text) == 0)
			return kept->text;
	kept = malloc(sizeof(*kept) + size);
	if (kept == NULL)
		return NULL;
	memcpy(kept->text, text, size);
	kept->next = *chain;
	*chain = kept;
	return kept->text;
}
