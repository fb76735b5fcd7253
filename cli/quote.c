/* SPDX-License-Identifier: ISC */
/*
 * Lines of the configuration and of the filter as they are written, to show to
 * an administrator, but never with a password.  Each call reads the file again,
 * so this is only for the command line and must never be called in a worker.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "conf.h"
#include "entry.h"
#include "filter.h"
#include "list.h"
#include "place.h"
#include "quote.h"
#include "reader.h"
#include "text.h"

/*
 * Reads the next line, without its end and a byte order mark, into the buffer
 * of getline(3).
 */
static bool
file_line(FILE *f, char **line, size_t *size)
{
	size_t mark;

	if (getline(line, size, f) <= 0)
		return false;
	mark = text_mark(*line);
	memmove(*line, *line + mark, strlen(*line + mark) + 1);
	(*line)[strcspn(*line, "\r\n")] = '\0';
	return true;
}

/*
 * Returns line n of the file, which the caller frees, or NULL.  Closes the
 * file.
 */
static char *
line_take(FILE *f, unsigned long n)
{
	char *line = NULL;
	size_t size = 0;
	bool found = f != NULL && n > 0;

	while (found && n-- > 0)
		found = file_line(f, &line, &size);
	if (f != NULL)
		fclose(f);
	if (found)
		return line;
	free(line);
	return NULL;
}

/* Appends to a text; a text that becomes too long ends in dots. */
static void
text_add(char text[QUOTE_SIZE], const char *more, size_t len)
{
	size_t at = strlen(text), room = QUOTE_SIZE - 1 - at;

	memcpy(text + at, more, len < room ? len : room);
	text[at + (len < room ? len : room)] = '\0';
	if (len > room)
		memcpy(text + QUOTE_SIZE - 4, "...", 4);
}

/* Appends the argument of an Upstream without its credentials. */
static void
upstream_add_hidden(char text[QUOTE_SIZE], const char *arg)
{
	size_t kind = strcspn(arg, " \t");
	const char *where = arg + kind + strspn(arg + kind, " \t");
	const char *host = where + strcspn(where, " \t\"");

	/* The path of a Unix socket may have an @ of its own. */
	if (*host == '"' && host > where && host[-1] != '@')
		host = where + strcspn(where, " \t");
	while (host > where && host[-1] != '@')
		host--;
	text_add(text, arg, (size_t)(where - arg));
	if (host > where)
		text_add(text, "***@", 4);
	text_add(text, host, strlen(host));
}

/*
 * Names the line with a number, as "line 7", or "line 7 of FILE" if that is not
 * the file that the configuration begins with.  The text stays until the next
 * call.
 */
const char *
quote_name(const struct places *places, unsigned long n)
{
	static char text[448];
	struct where at = place_of(places, n);

	snprintf(text, sizeof(text), "line %lu", at.line);
	if (at.file != place_of(places, 0).file)
		snprintf(
		    text, sizeof(text), "line %lu of %.400s", at.line, at.file);
	return text;
}

/*
 * Writes the line with a number to text, without passwords and cut to what
 * fits.  Returns false if the file no longer has a directive in that line.
 */
bool
quote_line(const struct places *places, unsigned long n, char text[QUOTE_SIZE])
{
	struct where at = place_of(places, n);
	/* Only the built-in configuration has no path. */
	FILE *f = conf_open(at.file[0] == '/' ? at.file : NULL);
	char *line = line_take(f, at.line), *arg;
	const char *directive = line != NULL ? reader_split(line, &arg) : NULL;

	text[0] = '\0';
	if (directive != NULL) {
		text_add(text, directive, strlen(directive));
		text_add(text, " ", 1);
		if (strcasecmp(directive, "BasicAuth") == 0)
			text_add(text, arg, strcspn(arg, " \t"));
		else if (strcasecmp(directive, "Upstream") == 0)
			upstream_add_hidden(text, arg);
		else
			text_add(text, arg, strlen(arg));
	}
	free(line);
	return directive != NULL;
}

/* Does the same for a line of a filter's file. */
bool
quote_pattern(const struct filter *f, unsigned long n, char text[QUOTE_SIZE])
{
	char *line = line_take(fopen(f->file, "r"), n);
	const char *pattern = line;
	bool found = line != NULL;

	text[0] = '\0';
	if (found) {
		pattern += strspn(line, " \t");
		text_add(text, pattern, strlen(pattern));
	}
	free(line);
	return found;
}

/* Whether an entry of a list is for a name, or for an address. */
static bool
entry_matches(const struct entry *e, const struct quote_wanted *wanted)
{
	unsigned covers = wanted->below ? ENTRY_SELF | ENTRY_BELOW : e->covers;
	const char *name = wanted->name;
	size_t len = name != NULL ? strlen(name) : 0, tail;

	if (e->name == NULL)
		return wanted->addr != NULL &&
		    addr_in_net(wanted->addr, e->block.net, e->block.bits);
	tail = strlen(e->name);
	if (len < tail || strcmp(name + len - tail, e->name) != 0)
		return false;
	if (len == tail)
		return (covers & ENTRY_SELF) != 0;
	return (covers & ENTRY_BELOW) != 0 && name[len - tail - 1] == '.';
}

/* Whether a line of a list, which is changed, has what is wanted. */
static bool
line_matches(char *text, const struct quote_wanted *wanted)
{
	struct entry_line line;
	const char *wrong;
	struct entry e;

	entry_begin(&line, text);
	while (entry_next(&line, &e, &wrong) == ENTRY_OK)
		if (entry_matches(&e, wanted))
			return true;
	return false;
}

/* Makes a line of any file fit for a terminal, without blanks at its end. */
static void
plain(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && strchr(" \t", text[len - 1]) != NULL)
		text[--len] = '\0';
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = *text == '\t' ? ' ' : '?';
}

/*
 * Writes the first line of a list's file that has what is wanted to text.
 * Returns its number, or 0: none has it any more.
 */
unsigned long
quote_entry(const struct list *list, const struct quote_wanted *wanted,
    char text[QUOTE_SIZE])
{
	FILE *f = fopen(list->path, "r");
	unsigned long n = 0;
	char *line = NULL;
	bool found = false;
	size_t size = 0;

	text[0] = '\0';
	while (f != NULL && !found && file_line(f, &line, &size)) {
		n++;
		text[0] = '\0';
		text_add(text, line, strlen(line));
		found = line_matches(line, wanted);
	}
	free(line);
	if (f != NULL)
		fclose(f);
	plain(text);
	return found ? n : 0;
}

/* Begins to go through a configuration.  Returns whether it can be read. */
static bool
look_begin(struct reader *r, const char *file)
{
	FILE *f = conf_open(file);

	*r = (struct reader){ .file = file != NULL ? file : "built-in" };
	return f != NULL && reader_begin(r, f) == 0;
}

static void
look_end(struct reader *r)
{
	reader_end(r);
	place_free(&r->places);
}

/*
 * Returns the number of the line, of those with a directive whose first
 * argument is word, or any if word is NULL, that is the nth of them; the last
 * one for 0.  Returns 0 if there is none.
 */
static unsigned long
find(struct reader *r, const char *directive, const char *word, size_t nth)
{
	unsigned long found = 0;
	char *keyword, *arg;
	size_t seen = 0;

	while ((nth == 0 || seen < nth) &&
	    (keyword = reader_look(r, &arg)) != NULL) {
		if (strcasecmp(keyword, directive) != 0)
			continue;
		arg[strcspn(arg, " \t")] = '\0';
		if (word == NULL || strcmp(arg, word) == 0) {
			found = r->line;
			seen++;
		}
	}
	return seen < nth ? 0 : found;
}

static unsigned long
find_in(const char *file, const char *directive, const char *word, size_t nth)
{
	unsigned long found = 0;
	struct reader r;

	if (look_begin(&r, file))
		found = find(&r, directive, word, nth);
	look_end(&r);
	return found;
}

/*
 * Returns the number of the last line of the configuration with a directive
 * whose first argument is word, or any if word is NULL; 0 if there is none.
 */
unsigned long
quote_find(const char *file, const char *directive, const char *word)
{
	return find_in(file, directive, word, 0);
}

/* Returns the number of the nth line with a directive, or of the last for 0. */
unsigned long
quote_nth(const char *file, const char *directive, size_t n)
{
	return find_in(file, directive, NULL, n);
}

/*
 * Prints "file:line: " for the nth line with a directive, or for the last if n
 * is 0; only "file: " if there is none.
 */
void
quote_place(FILE *out, const char *file, const char *directive, size_t n)
{
	struct where at = { file, 0 };
	struct reader r;

	if (look_begin(&r, file))
		at = place_of(&r.places, find(&r, directive, NULL, n));
	fprintf(out, "%s:", at.file);
	if (at.line != 0)
		fprintf(out, "%lu:", at.line);
	fputc(' ', out);
	look_end(&r);
}

/*
 * Returns the text in quotes of the last line with a directive, whether the
 * rest of the file is right or not.  The caller frees it; NULL: there is none.
 */
char *
quote_value(const char *file, const char *directive)
{
	char *found = NULL, *arg;
	const char *keyword;
	struct reader r;
	size_t len;

	if (!look_begin(&r, file)) {
		look_end(&r);
		return NULL;
	}
	while ((keyword = reader_look(&r, &arg)) != NULL) {
		len = strlen(arg);
		if (len < 3 || strcasecmp(keyword, directive) != 0 ||
		    arg[0] != '"' || arg[len - 1] != '"')
			continue;
		free(found);
		arg[len - 1] = '\0';
		found = strdup(arg + 1);
	}
	look_end(&r);
	return found;
}
