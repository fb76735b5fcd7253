/* SPDX-License-Identifier: ISC */
/*
 * Files of lines: the configuration, in one file or several, and the user files
 * that it names.  Lines are taken whole or not at all, and what is said of one
 * has its place before it.  Include is the only directive that is known here.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf.h"
#include "include.h"
#include "log.h"
#include "login.h"
#include "pins.h"
#include "place.h"
#include "program.h"
#include "reader.h"
#include "safefile.h"
#include "secret.h"
#include "text.h"

enum {
	LINE_SIZE = 4096, /* bytes of a line, to begin with */
	TOLD_MAX = 10     /* errors of one file of names */
};

/* What a message of a level begins with, after its place. */
static const char *
level_text(enum log_level level)
{
	if (level == LOG_LEVEL_WARNING)
		return "warning: ";
	return level == LOG_LEVEL_NOTICE ? "notice: " : "";
}

/*
 * Tells something about the line and the directive at hand, as
 * "file:line: warning: directive: text".  An error makes the status that of a
 * configuration that is wrong.
 */
void
reader_say(struct reader *r, enum log_level level, const char *format, ...)
{
	struct where at = place_of(&r->places, r->line);
	char text[LOG_LINE_SIZE], place[32] = "";
	size_t n;
	va_list ap;

	if (level <= LOG_LEVEL_ERROR)
		r->status = STATUS_CONF;
	if (at.line != 0)
		snprintf(place, sizeof(place), "%lu:", at.line);
	snprintf(text, sizeof(text), "%.400s:%s %s%.64s%s",
	    at.file != NULL ? at.file : r->file, place, level_text(level),
	    r->keyword != NULL ? r->keyword : "",
	    r->keyword != NULL ? ": " : "");
	n = strlen(text);
	va_start(ap, format);
	vsnprintf(text + n, sizeof(text) - n, format, ap);
	va_end(ap);
	if (r->tell != NULL)
		r->tell(level, text);
}

static bool
has_control(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < 0x20 && line[i] != '\t') ||
		    line[i] == 0x7f)
			return true;
	return false;
}

/* Returns whether a file begins with the byte order mark of UTF-16. */
static bool
is_utf16(const char *line)
{
	return strncmp(line, "\xff\xfe", 2) == 0 ||
	    strncmp(line, "\xfe\xff", 2) == 0;
}

/*
 * Names another line for a message, as "line 7", or "line 7 of FILE" if it
 * stands in another file than the line at hand.  The text stays until the next
 * call.
 */
const char *
reader_line(const struct reader *r, unsigned long number)
{
	static char text[448];
	struct where other = place_of(&r->places, number);
	struct where at = place_of(&r->places, r->line);

	if (other.file == NULL || strcmp(other.file, at.file) == 0)
		snprintf(text, sizeof(text), "line %lu", other.line);
	else
		snprintf(text, sizeof(text), "line %lu of %.400s", other.line,
		    other.file);
	return text;
}

/* Files. */

/*
 * Begins with a file that is open, which is the reader's from now on.  Returns
 * 0, or -1 after a message.
 */
int
reader_begin(struct reader *r, FILE *f)
{
	if (place_file(&r->places, r->file) != 0)
		fclose(f);
	else if (include_begin(&r->includes, r->file, f) == 0)
		return 0;
	reader_say(r, LOG_LEVEL_ERROR, "%s", strerror(errno));
	return -1;
}

/* Makes an Include what the next message is about. */
static void
place_include(struct reader *r, const struct included *file)
{
	r->line = file->from;
	r->keyword = "Include";
}

/* Says what is wrong with a file that a line includes. */
static void
include_say(struct reader *r, const struct included *file, const char *why)
{
	place_include(r, file);
	reader_say(r, LOG_LEVEL_ERROR, "%.400s: %s", file->path, why);
	r->keyword = NULL;
}

/* Opens the file whose turn it is.  Returns NULL after a message. */
static struct included *
file_open(struct reader *r)
{
	const char *wrong = include_open(&r->includes);
	struct included *file = include_at(&r->includes);

	file->place = r->places.nfiles;
	if (wrong == NULL && place_file(&r->places, file->path) != 0)
		wrong = strerror(errno);
	if (wrong == NULL)
		return file;
	include_say(r, file, wrong);
	include_end(&r->includes);
	return NULL;
}

/* The file whose next line is read, or NULL: all have been read. */
static struct included *
file_at_hand(struct reader *r)
{
	struct included *file;

	while ((file = include_at(&r->includes)) != NULL)
		if (file->f != NULL || (file = file_open(r)) != NULL)
			return file;
	return NULL;
}

/*
 * Closes all files; nothing of them, which may be secret, stays in memory.  The
 * places of their lines stay, for messages.
 */
void
reader_end(struct reader *r)
{
	while (include_at(&r->includes) != NULL)
		include_end(&r->includes);
	r->line = 0;
	if (r->text != NULL)
		secret_wipe(r->text, r->size);
	free(r->text);
	r->text = NULL;
	r->size = 0;
}

/* Leaves the file at hand, of which nothing more can be read. */
static void
file_end(struct reader *r, struct included *file)
{
	r->line = 0;
	if (ferror(file->f) && file->from != 0)
		include_say(r, file, strerror(errno));
	else if (ferror(file->f))
		reader_say(r, LOG_LEVEL_ERROR, "%s", strerror(errno));
	include_end(&r->includes);
}

/* The length of the next line of all files, or -1 after the last one. */
static ssize_t
line_read(struct reader *r)
{
	struct included *file;
	ssize_t len;

	/* As long as hashes are, so that getline() leaves no copy of one. */
	if (r->text == NULL && (r->text = malloc(LINE_SIZE)) != NULL)
		r->size = LINE_SIZE;
	while ((file = file_at_hand(r)) != NULL) {
		len = getline(&r->text, &r->size, file->f);
		if (len > 0) {
			r->line =
			    place_add(&r->places, file->place, ++file->line);
			return len;
		}
		file_end(r, file);
	}
	return -1;
}

/* Whether the line at hand is the first one of its file. */
static bool
is_first(const struct reader *r)
{
	return include_at(&r->includes)->line == 1;
}

/*
 * The next line of the file, and of those that it includes, without its end,
 * which the caller may change; it stays until the next call.  Returns NULL
 * after the last one.  Lines with control characters are told of and left out,
 * and a byte order mark before the first line of a file is skipped.
 */
char *
reader_next(struct reader *r)
{
	ssize_t len;

	while ((len = line_read(r)) > 0) {
		if (r->text[len - 1] == '\n')
			r->text[--len] = '\0';
		if (len > 0 && r->text[len - 1] == '\r')
			r->text[--len] = '\0';
		if (is_first(r) && is_utf16(r->text)) {
			reader_say(r, LOG_LEVEL_ERROR,
			    "the file is in UTF-16; save it as UTF-8");
			file_end(r, include_at(&r->includes));
			continue;
		}
		if (!has_control(r->text, (size_t)len))
			return r->text + (is_first(r) ? text_mark(r->text) : 0);
		reader_say(r, LOG_LEVEL_ERROR,
		    "the line has a control character or a NUL byte; take it "
		    "out");
	}
	reader_end(r);
	return NULL;
}

/*
 * Takes the value of an Include, a quoted path, in the place of the line at
 * hand.  Returns NULL, or what is wrong.
 */
const char *
reader_include(struct reader *r, const char *arg)
{
	size_t len = strlen(arg);
	const char *wrong;
	char *path;

	if (len < 3 || arg[0] != '"' || strchr(arg + 1, '"') != arg + len - 1)
		return "the value must be a path or a pattern in double "
		       "quotes: \"/...\"";
	path = strdup(arg + 1);
	if (path == NULL)
		return strerror(errno);
	path[len - 2] = '\0';
	wrong = include_add(&r->includes, path, r->line);
	free(path);
	return wrong;
}

/* Takes the blanks around a line off; NULL: it is empty or a comment. */
static char *
trim(char *line)
{
	size_t len = strlen(line);

	while (len > 0 && strchr(" \t", line[len - 1]) != NULL)
		line[--len] = '\0';
	line += strspn(line, " \t");
	return *line == '\0' || *line == '#' ? NULL : line;
}

/*
 * Splits a line without its end, and changes it.  Returns its first word, the
 * directive, with *arg the rest without the blanks around it; or NULL: the
 * line is empty or a comment.
 */
char *
reader_split(char *line, char **arg)
{
	line = trim(line);
	if (line == NULL)
		return NULL;
	*arg = line + strcspn(line, " \t");
	if (**arg != '\0')
		*(*arg)++ = '\0';
	*arg += strspn(*arg, " \t");
	return line;
}

/*
 * The next directive with its argument, as reader_split() has them, for those
 * who only look: files are included, and what is wrong is left out.  Returns
 * NULL after the last one.
 */
char *
reader_look(struct reader *r, char **arg)
{
	char *line, *directive = NULL;

	while (directive == NULL && (line = reader_next(r)) != NULL)
		directive = reader_split(line, arg);
	if (directive != NULL && strcasecmp(directive, "Include") == 0)
		reader_include(r, *arg);
	return directive;
}

/* What only the whole user file shows; before it there were so many users. */
static void
users_check(struct reader *r, size_t before)
{
	struct logins *logins = &r->conf->logins;
	const struct login *first, *again = login_index(logins, &first);

	if (again != NULL) {
		r->line = again->line;
		reader_say(r, LOG_LEVEL_ERROR,
		    "the user is in line %lu of %.400s already; take one of "
		    "them out",
		    first->line, first->file);
	}
	r->line = logins->weak;
	if (logins->weak != 0)
		reader_say(r, LOG_LEVEL_WARNING,
		    "MD5 hashes ($1$) such as this one are weak; make others "
		    "with openssl passwd -6");
	r->line = 0;
	if (logins->n == before && r->status == 0)
		reader_say(r, LOG_LEVEL_WARNING,
		    "the file has no user, so nobody can log in by it");
}

/* Quotes around a user would have to be sent by the client, too. */
static void
quotes_check(struct reader *r, const char *line)
{
	if (line[0] == '"' || line[0] == '\'')
		reader_say(r, LOG_LEVEL_WARNING,
		    "the quotes are a part of the user; if that is not meant, "
		    "take them out");
}

/* The lines of a user file: empty, a comment, or "user:hash". */
static void
users_take(struct reader *r)
{
	struct logins *logins = &r->conf->logins;
	const char *wrong = login_begin(logins, r->file);
	char *line;

	if (wrong != NULL) {
		reader_say(r, LOG_LEVEL_ERROR, "%s", wrong);
		return;
	}
	while ((line = reader_next(r)) != NULL) {
		line = trim(line);
		if (line == NULL)
			continue;
		quotes_check(r, line);
		wrong = login_add(logins, r->line, line);
		if (wrong != NULL)
			reader_say(r, LOG_LEVEL_ERROR, "%s", wrong);
	}
}

/* Says why a file that the configuration names cannot be read. */
static int
named_fail(struct reader *r, const char *path)
{
	reader_say(r, LOG_LEVEL_ERROR, "%.400s: %s", path, safefile_why());
	return -1;
}

/*
 * Reads a user file into the configuration of a reader.  Its errors have their
 * place in that file.  Returns 0, or -1 after an error.
 */
int
reader_users(struct reader *r, const char *path)
{
	struct reader file = { .conf = r->conf, .file = path, .tell = r->tell };
	size_t before = r->conf->logins.n;
	FILE *f = safefile_read(path);

	if (f == NULL)
		return named_fail(r, path);
	if (reader_begin(&file, f) == 0)
		users_take(&file);
	reader_end(&file);
	users_check(&file, before);
	place_free(&file.places);
	if (file.status == 0)
		return 0;
	r->status = STATUS_CONF;
	return -1;
}

/*
 * Reads a HostsFile, the one of that number, into the configuration of a
 * reader.  Its errors have their place in that file.  Returns 0, or -1 after an
 * error.
 */
int
reader_pins(struct reader *r, const char *path, uint32_t number)
{
	struct reader file = { .file = path, .tell = r->tell };
	FILE *f = safefile_read(path);
	const char *wrong;
	unsigned told = 0;
	char *line;

	if (f == NULL)
		return named_fail(r, path);
	if (reader_begin(&file, f) != 0)
		told = TOLD_MAX;
	while (told < TOLD_MAX && (line = reader_next(&file)) != NULL) {
		wrong = pins_add(&r->conf->pins, number, file.line, line);
		if (wrong == NULL)
			continue;
		reader_say(&file, LOG_LEVEL_ERROR, "%s", wrong);
		told++;
	}
	reader_end(&file);
	place_free(&file.places);
	if (file.status == 0)
		return 0;
	r->status = STATUS_CONF;
	return -1;
}
