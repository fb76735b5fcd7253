/* SPDX-License-Identifier: ISC */
/*
 * Files of lines: the configuration, and the user files that it names.  Lines
 * are taken whole or not at all, and what is said of one has its place before
 * it.  Nothing here knows a directive.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "log.h"
#include "login.h"
#include "pins.h"
#include "program.h"
#include "reader.h"
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
	char text[LOG_LINE_SIZE], place[32] = "";
	size_t n;
	va_list ap;

	if (level <= LOG_LEVEL_ERROR)
		r->status = STATUS_CONF;
	if (r->line != 0)
		snprintf(place, sizeof(place), "%lu:", r->line);
	snprintf(text, sizeof(text), "%.400s:%s %s%.64s%s", r->file, place,
	    level_text(level), r->keyword != NULL ? r->keyword : "",
	    r->keyword != NULL ? ": " : "");
	n = strlen(text);
	va_start(ap, format);
	vsnprintf(text + n, sizeof(text) - n, format, ap);
	va_end(ap);
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

/* The end of the file: nothing of it, which may be secret, stays in memory. */
static void
reader_end(struct reader *r)
{
	r->line = 0;
	if (ferror(r->f))
		reader_say(r, LOG_LEVEL_ERROR, "%s", strerror(errno));
	if (r->text != NULL)
		secret_wipe(r->text, r->size);
	free(r->text);
	r->text = NULL;
	r->size = 0;
}

/*
 * The next line of the file without its end, which the caller may change; it
 * stays until the next call.  Returns NULL after the last one.  Lines with
 * control characters are told of and left out, and a byte order mark before the
 * first line is skipped.
 */
char *
reader_next(struct reader *r)
{
	ssize_t len;

	/* As long as hashes are, so that getline() leaves no copy of one. */
	if (r->text == NULL && (r->text = malloc(LINE_SIZE)) != NULL)
		r->size = LINE_SIZE;
	while ((len = getline(&r->text, &r->size, r->f)) > 0) {
		r->line++;
		if (r->text[len - 1] == '\n')
			r->text[--len] = '\0';
		if (len > 0 && r->text[len - 1] == '\r')
			r->text[--len] = '\0';
		if (r->line == 1 && is_utf16(r->text)) {
			reader_say(r, LOG_LEVEL_ERROR,
			    "the file is in UTF-16; save it as UTF-8");
			break;
		}
		if (!has_control(r->text, (size_t)len))
			return r->text +
			    (r->line == 1 ? text_mark(r->text) : 0);
		reader_say(r, LOG_LEVEL_ERROR,
		    "the line has a control character or a NUL byte; take it "
		    "out");
	}
	reader_end(r);
	return NULL;
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

/*
 * Opens a file that the configuration names.  Returns NULL with errno; EINVAL: it is not a regular
 * file, but perhaps a FIFO, which could make us wait for ever.
 */
static FILE *
named_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), error = EINVAL;
	struct stat st;
	FILE *f = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) != 0)
		error = errno;
	else if (S_ISREG(st.st_mode) && (f = fdopen(fd, "r")) == NULL)
		error = errno;
	if (f == NULL)
		close(fd);
	errno = error;
	return f;
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
	reader_say(r, LOG_LEVEL_ERROR, "%.400s: %s", path,
	    errno == EINVAL ? "not a regular file" : strerror(errno));
	return -1;
}

/*
 * Reads a user file into the configuration of a reader.  Its errors have their
 * place in that file.  Returns 0, or -1 after an error.
 */
int
reader_users(struct reader *r, const char *path)
{
	static char buffer[16384];
	struct reader file = { .conf = r->conf,
		.file = path,
		.tell = r->tell,
		.f = named_open(path) };
	size_t before = r->conf->logins.n;

	if (file.f == NULL)
		return named_fail(r, path);
	setvbuf(file.f, buffer, _IOFBF, sizeof(buffer));
	users_take(&file);
	fclose(file.f);
	secret_wipe(buffer, sizeof(buffer));
	users_check(&file, before);
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
	struct reader file = {
		.file = path, .tell = r->tell, .f = named_open(path)
	};
	const char *wrong;
	unsigned told = 0;
	char *line;

	if (file.f == NULL)
		return named_fail(r, path);
	while (told < TOLD_MAX && (line = reader_next(&file)) != NULL) {
		wrong = pins_add(&r->conf->pins, number, file.line, line);
		if (wrong == NULL)
			continue;
		reader_say(&file, LOG_LEVEL_ERROR, "%s", wrong);
		told++;
	}
	free(file.text);
	fclose(file.f);
	if (file.status == 0)
		return 0;
	r->status = STATUS_CONF;
	return -1;
}
