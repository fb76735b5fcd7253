/* SPDX-License-Identifier: ISC */
/*
 * Reads the files of lists when all lines that name them are known, each once,
 * and says what is wrong in them; of many errors only the first ones.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "entry.h"
#include "list.h"
#include "lists.h"
#include "log.h"
#include "place.h"
#include "reader.h"
#include "safefile.h"

enum { ERRORS_TOLD = 10 /* errors of one file */ };

/* The errors of the file at hand, and where the first ones go. */
static struct {
	unsigned long errors;
	void (*tell)(enum log_level, const char *text);
} few;

static void
tell_few(enum log_level level, const char *text)
{
	if (level <= LOG_LEVEL_ERROR && ++few.errors > ERRORS_TOLD)
		return;
	if (few.tell != NULL)
		few.tell(level, text);
}

/* Blocks with bits set beyond their prefix, and the first one of them. */
struct masked {
	unsigned long n, line;
	struct block block;
};

/* Adds all that is in a line. */
static void
line_take(struct reader *r, struct list *list, char *text, struct masked *m)
{
	enum entry_result result;
	struct entry_line line;
	const char *wrong;
	struct entry e;

	entry_begin(&line, text);
	while ((result = entry_next(&line, &e, &wrong)) == ENTRY_OK) {
		if (list->addresses && e.name != NULL) {
			wrong = "clients in a list must be addresses or "
				"blocks; a name needs a line of its own in the "
				"configuration";
			result = ENTRY_WRONG;
			break;
		}
		if (list_add(list, &e) != 0) {
			wrong = strerror(errno);
			result = ENTRY_WRONG;
			break;
		}
		if (e.masked && m->n++ == 0) {
			m->line = r->line;
			m->block = e.block;
		}
	}
	if (result == ENTRY_WRONG)
		reader_say(r, LOG_LEVEL_ERROR, "%s", wrong);
}

/* Says once that bits beyond a prefix are ignored. */
static void
masked_say(struct reader *r, const struct masked *m)
{
	char net[ADDR_TEXT_SIZE], more[64] = "";

	if (m->n > 1)
		snprintf(more, sizeof(more), ", and so are %lu more like it",
		    m->n - 1);
	r->line = m->line;
	if (m->n > 0)
		reader_say(r, LOG_LEVEL_NOTICE,
		    "the block has bits set beyond its prefix and is taken as "
		    "%s%s",
		    addr_text_block(m->block.net, m->block.bits, net), more);
}

/* What only the whole list shows. */
static void
list_check(struct reader *r, const struct list *list, const struct masked *m)
{
	const char *example;
	size_t bare = list->exact ? list_bare(list, &example) : 0;

	r->line = 0;
	r->tell = few.tell;
	if (few.errors > ERRORS_TOLD)
		reader_say(r, LOG_LEVEL_ERROR, "%lu more lines are wrong",
		    few.errors - ERRORS_TOLD);
	masked_say(r, m);
	r->line = 0;
	if (bare > 0)
		reader_say(r, LOG_LEVEL_WARNING,
		    "%zu of the entries, such as .%.100s, cover only names "
		    "below that name, and not the name itself as in Squid; add "
		    "the names without the dot, or write below after the path "
		    "of the list",
		    bare, example);
	if (list->n == 0 && list->nblocks == 0 && r->status == 0)
		reader_say(r, LOG_LEVEL_NOTICE, "the list is empty");
}

static void
list_read(struct reader *file, struct list *list)
{
	struct masked m = { .n = 0 };
	char *text;

	while ((text = reader_next(file)) != NULL)
		line_take(file, list, text, &m);
	if (list_index(list) != 0)
		reader_say(file, LOG_LEVEL_ERROR, "%s", strerror(errno));
	list_check(file, list, &m);
}

/* Reads one list.  A file that is wrong makes the whole configuration wrong. */
static void
list_open(struct reader *r, struct list *list)
{
	struct reader file = {
		.conf = r->conf, .file = list->path, .tell = tell_few
	};
	FILE *f = safefile_read(list->path);

	list->read = true;
	r->line = list->line;
	r->keyword = list->directive;
	if (f == NULL) {
		reader_say(r, LOG_LEVEL_ERROR, "%.400s: %s%s", list->path,
		    safefile_why(),
		    list->addresses && access(list->path, F_OK) != 0
			? ", and no Listen has this path"
			: "");
		return;
	}
	few.errors = 0;
	few.tell = r->tell;
	if (reader_begin(&file, f) == 0)
		list_read(&file, list);
	reader_end(&file);
	place_free(&file.places);
	if (file.status != 0)
		r->status = file.status;
}

/* Reads all lists that the reader's configuration names. */
void
lists_read(struct reader *r)
{
	struct list *list;

	while ((list = list_unread()) != NULL)
		list_open(r, list);
	r->line = 0;
	r->keyword = NULL;
}
