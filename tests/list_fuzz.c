/* SPDX-License-Identifier: ISC */
/* LINK: base/addr.c base/local.c base/array.c base/name.c base/sys.c policy/entry.c policy/list.c */
/*
 * An entry for libFuzzer.  Any lines are read as a list: what is taken from
 * them is in the list afterwards, and nothing is read past their end.
 */
#define _POSIX_C_SOURCE 200809L

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"

/* Of base/sys.c's messages. */
const char program[] = "adit";

enum { TAKEN = 64 /* entries that are looked for again */ };

static struct entry taken[TAKEN];
static char names[TAKEN][HOST_SIZE];
static size_t n;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
line_take(struct list *list, char *text)
{
	enum entry_result result;
	struct entry_line line;
	const char *wrong = NULL;
	struct entry e;

	entry_begin(&line, text);
	while ((result = entry_next(&line, &e, &wrong)) == ENTRY_OK) {
		assert(list_add(list, &e) == 0);
		if (n == TAKEN)
			continue;
		taken[n] = e;
		if (e.name != NULL) {
			assert(strlen(e.name) < HOST_SIZE && e.covers != 0);
			strcpy(names[n], e.name);
			taken[n].name = names[n];
		}
		n++;
	}
	assert(result == ENTRY_END || wrong != NULL);
}

static void
entry_check(const struct list *list, const struct entry *e)
{
	struct addr addr = { .scope = 0 };
	char below[HOST_SIZE + 2];

	if (e->name == NULL) {
		memcpy(addr.ip, e->block.net, sizeof(addr.ip));
		assert(list_has_addr(list, &addr));
		return;
	}
	assert((e->covers & ENTRY_SELF) == 0 ||
	    list_has_name(list, e->name, false));
	assert(list_has_name(list, e->name, true));
	strcpy(below, "a.");
	strcat(below, e->name);
	assert((e->covers & ENTRY_BELOW) == 0 ||
	    list_has_name(list, below, false));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct list *list = list_use("/list", 1);
	char *text = malloc(size + 1), *line, *end;

	assert(text != NULL && list != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	n = 0;
	for (line = text; line != NULL; line = end) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end++ = '\0';
		line_take(list, line);
	}
	assert(list_index(list) == 0);
	for (size_t i = 0; i < n; i++)
		entry_check(list, &taken[i]);
	list_drop(list);
	free(text);
	return 0;
}
