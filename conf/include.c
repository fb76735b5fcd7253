/* SPDX-License-Identifier: ISC */
/*
 * Include: which files stand in the place of a line, in which order, and that
 * no file includes itself.  Nothing here reads a line of them.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "include.h"
#include "safefile.h"
#include "secret.h"

enum {
	BUFFER_SIZE = 16384, /* bytes of a file that are read at once */
	DEPTH_MAX = 16,      /* files that include each other */
	FILES_MAX = 10000,   /* of one configuration */
	PATH_SIZE = 8192     /* bytes of a path or pattern, with its NUL */
};

static const char too_many[] =
    "a configuration may consist of at most 10000 files";

/* The file that is read now, or the next one to be opened; NULL: none. */
struct included *
include_at(const struct includes *in)
{
	return in->n == 0 ? NULL : &in->list[in->n - 1];
}

/* Adds a file that will be read before all others.  Returns 0 or -1. */
static int
push(struct includes *in, const struct included *file)
{
	struct included *grown = array_room(in->list, in->n, sizeof(*grown));

	if (grown == NULL)
		return -1;
	in->list = grown;
	grown[in->n] = *file;
	grown[in->n].path = strdup(file->path);
	if (grown[in->n].path == NULL)
		return -1;
	in->n++;
	in->total++;
	return 0;
}

/* Remembers which file it is, so that it is known again by another name. */
static void
identify(struct included *file)
{
	struct stat st;
	int fd = fileno(file->f);

	/* Passwords must not stay in what stdio frees. */
	file->buffer = malloc(BUFFER_SIZE);
	if (file->buffer != NULL)
		setvbuf(file->f, file->buffer, _IOFBF, BUFFER_SIZE);

	if (fd < 0 || fstat(fd, &st) != 0)
		return;
	file->dev = st.st_dev;
	file->ino = st.st_ino;
}

/*
 * Begins with a file that is open, which it owns then in any case.  Returns 0,
 * or -1 with errno.
 */
int
include_begin(struct includes *in, const char *path, FILE *f)
{
	char *copy = strdup(path);
	struct included first = { .path = copy, .f = f };
	int result = copy != NULL ? push(in, &first) : -1;

	free(copy);
	if (result == 0)
		identify(include_at(in));
	else
		fclose(f);
	return result;
}

/* Whether one of the files before the last one is the same. */
static bool
is_read_already(const struct includes *in)
{
	const struct included *last = include_at(in), *file = in->list;

	for (; file < last; file++)
		if (file->f != NULL && file->ino == last->ino &&
		    file->dev == last->dev)
			return true;
	return false;
}

/* Leaves out the files that wait for their turn. */
static void
forget_waiting(struct includes *in)
{
	size_t n = 0;

	for (size_t i = 0; i < in->n; i++) {
		if (in->list[i].f != NULL)
			in->list[n++] = in->list[i];
		else
			free(in->list[i].path);
	}
	in->n = n;
}

/*
 * Opens the file whose turn it is.  Returns NULL; or what is wrong, and
 * include_end() must follow.
 */
const char *
include_open(struct includes *in)
{
	struct included *file = include_at(in);

	file->f = safefile_read(file->path);
	if (file->f == NULL)
		return safefile_why();
	identify(file);
	if (!is_read_already(in))
		return NULL;
	in->circle = true;
	forget_waiting(in);
	return "the file includes itself";
}

/* The end of the file at hand: the next line is of the one before it. */
void
include_end(struct includes *in)
{
	struct included *file = include_at(in);

	if (file->f != NULL)
		fclose(file->f);
	if (file->buffer != NULL)
		secret_wipe(file->buffer, BUFFER_SIZE);
	free(file->buffer);
	free(file->path);
	if (--in->n == 0) {
		free(in->list);
		in->list = NULL;
	}
}

/* Appends text, with a backslash before what a pattern would take as its own. */
static void
literally(char pattern[PATH_SIZE], const char *text, size_t len)
{
	size_t at = strlen(pattern);

	for (size_t i = 0; i < len && at + 3 < PATH_SIZE; i++) {
		if (strchr("*?[]\\", text[i]) != NULL)
			pattern[at++] = '\\';
		pattern[at++] = text[i];
	}
	pattern[at] = '\0';
}

/*
 * Makes a path absolute: a relative one is below the directory of the file that
 * includes it.  Returns whether it fits.
 */
static bool
resolve(const struct includes *in, const char *path, bool is_pattern,
    char whole[PATH_SIZE])
{
	const char *file = include_at(in)->path, *slash = strrchr(file, '/');
	size_t dir =
	    slash == NULL || path[0] == '/' ? 0 : (size_t)(slash - file) + 1;

	if (2 * dir + strlen(path) + 1 > PATH_SIZE)
		return false;
	whole[0] = '\0';
	if (is_pattern)
		literally(whole, file, dir);
	else
		snprintf(whole, PATH_SIZE, "%.*s", (int)dir, file);
	strcat(whole, path);
	return true;
}

/* Why a directory of a pattern could not be read, or 0. */
static int unreadable;

/* Called by glob(): only a directory that is not there holds no file. */
static int
directory_failed(const char *path, int error)
{
	(void)path;
	if (error == ENOENT || error == ENOTDIR)
		return 0;
	unreadable = error;
	return 1;
}

static int
path_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds the files that match, so that the first one is read first. */
static const char *
push_all(struct includes *in, struct included *file, char **paths, size_t n)
{
	if (in->total + n > FILES_MAX)
		return too_many;
	qsort(paths, n, sizeof(*paths), path_compare);
	while (n-- > 0) {
		file->path = paths[n];
		if (push(in, file) != 0)
			return strerror(errno);
	}
	return NULL;
}

static const char *
push_matching(struct includes *in, struct included *file, const char *pattern)
{
	const char *wrong = NULL;
	glob_t found;
	int result;

	unreadable = 0;
	result = glob(pattern, GLOB_NOSORT, directory_failed, &found);
	if (result == 0)
		wrong = push_all(in, file, found.gl_pathv, found.gl_pathc);
	else if (result != GLOB_NOMATCH)
		wrong = strerror(unreadable != 0 ? unreadable : ENOMEM);
	if (result != GLOB_NOSPACE)
		globfree(&found);
	return wrong;
}

/*
 * Puts a file, or all that match a pattern with * ? or [, in the place of the
 * line of that number.  Returns NULL; or what is wrong.  After a circle it adds
 * nothing: the files of a pattern could include each other in countless orders.
 */
const char *
include_add(struct includes *in, const char *path, unsigned long from)
{
	struct included file = { .from = from,
		.depth = include_at(in)->depth + 1 };
	char whole[PATH_SIZE];
	bool is_pattern;

	if (in->circle)
		return NULL;
	if (file.depth > DEPTH_MAX)
		return "files may include each other at most 16 deep";
	if (!resolve(in, path, false, whole))
		return "the path is too long";
	/* A file with such a name is no pattern. */
	is_pattern = strpbrk(path, "*?[") != NULL && access(whole, F_OK) != 0;
	if (is_pattern) {
		resolve(in, path, true, whole);
		return push_matching(in, &file, whole);
	}
	file.path = whole;
	if (in->total >= FILES_MAX)
		return too_many;
	return push(in, &file) == 0 ? NULL : strerror(errno);
}
