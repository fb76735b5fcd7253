/* SPDX-License-Identifier: ISC */
/*
 * The filter: a file of patterns, read with the configuration, and the verdict
 * on a target by its name or URL.  A verdict looks up no name, uses no
 * descriptor, and takes a bounded time of the processor; if that is not enough,
 * the verdict is to refuse.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "compiler.h"
#include "filter.h"
#include "log.h"
#include "parse.h"
#include "pattern.h"
#include "patterns.h"
#include "text.h"

enum {
	TOLD_MAX = 10, /* reported errors of a file, and warnings */
	SHOWN_MAX = 60 /* bytes of a pattern in a message */
};

/* The state of reading a file. */
struct source {
	struct filter *filter;
	unsigned long line;
	unsigned errors, warnings;
	void (*tell)(void *teller, enum log_level, const char *text);
	void *teller;
};

static void say(struct source *, enum log_level, const char *, ...)
    PRINTF_LIKE(3, 4);

static void
say(struct source *s, enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_SIZE / 2], place[32] = "";
	size_t n;
	va_list ap;

	if ((level <= LOG_LEVEL_ERROR ? s->errors++ : s->warnings++) >=
	    TOLD_MAX)
		return;
	if (s->line != 0)
		snprintf(place, sizeof(place), ":%lu", s->line);
	snprintf(text, sizeof(text), "%.250s%s: ", s->filter->file, place);
	n = strlen(text);
	va_start(ap, format);
	vsnprintf(text + n, sizeof(text) - n, format, ap);
	va_end(ap);
	s->tell(s->teller, level, text);
}

/* Patterns. */

static void
fold(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text + ('a' - 'A'));
}

static void
pattern_add(struct source *s, const char *text)
{
	struct filter *f = s->filter;
	char doubt[DOUBT_SIZE];
	const char *why;

	if (f->type != FILTER_FNMATCH && text[0] == '*')
		say(s, LOG_LEVEL_WARNING,
		    "pattern \"%.*s\": the first * matches only itself; "
		    "FilterType fnmatch is for such patterns",
		    SHOWN_MAX, text);
	why = patterns_add(&f->folded, f->type, text, true, s->line, doubt);
	if (why == NULL && f->urls && f->case_sensitive)
		why = patterns_add(
		    &f->exact, f->type, text, false, s->line, doubt);
	if (why != NULL)
		say(s, LOG_LEVEL_ERROR, "pattern \"%.*s\": %s", SHOWN_MAX, text,
		    why);
	else if (doubt[0] != '\0')
		say(s, LOG_LEVEL_WARNING, "pattern \"%.*s\": %s", SHOWN_MAX,
		    text, doubt);
}

/* The file. */

/*
 * Returns whether a pattern has only bytes that names and addresses can have.
 */
static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= 0x20 || *text >= 0x7f)
			return false;
	return true;
}

/*
 * Reads one line without its end: blanks, then a pattern up to the next blank
 * or unescaped '#'.  The rest is ignored.
 */
static void
line_read(struct source *s, char *line)
{
	char *end, *rest;

	line += strspn(line, " \t");
	end = line + strcspn(line, " \t#");
	while (*end == '#' && end > line && end[-1] == '\\')
		end += 1 + strcspn(end + 1, " \t#");
	rest = end + strspn(end, " \t");
	if (end > line && *rest != '#' && *rest != '\0')
		say(s, LOG_LEVEL_WARNING,
		    "the pattern ends at the blank; the rest of the line is "
		    "ignored");
	*end = '\0';
	if (!is_ascii(line))
		say(s, LOG_LEVEL_ERROR,
		    "a control character or a byte outside ASCII matches "
		    "nothing; write such names as xn--...");
	else if (end > line)
		pattern_add(s, line);
}

static void
lines_read(struct source *s, FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while (s->errors < TOLD_MAX && (len = getline(&line, &size, f)) > 0) {
		s->line++;
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		if (len > 0 && line[len - 1] == '\r')
			line[--len] = '\0';
		if (memchr(line, '\0', (size_t)len) != NULL)
			say(s, LOG_LEVEL_ERROR, "the line has a NUL byte");
		else
			line_read(
			    s, line + (s->line == 1 ? text_mark(line) : 0));
	}
	s->line = 0;
	if (ferror(f))
		say(s, LOG_LEVEL_ERROR, "%s", strerror(errno));
	free(line);
}

/* Opens the file if it is a regular one; others could block. */
static FILE *
file_open(struct source *s)
{
	int fd = open(s->filter->file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	FILE *f;

	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		say(s, LOG_LEVEL_ERROR, "this is not a regular file");
		close(fd);
		return NULL;
	}
	f = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (f == NULL) {
		say(s, LOG_LEVEL_ERROR, "%s", strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return f;
}

/*
 * Reads the file of a filter whose other members are set, and compiles its
 * patterns.  Calls tell(teller, ...) for each error and warning, with
 * "file:line: what is wrong".  Returns 0, or -1 after an error.
 */
int
filter_read(struct filter *filter,
    void (*tell)(void *teller, enum log_level, const char *text), void *teller)
{
	struct source s = { .filter = filter, .tell = tell, .teller = teller };
	FILE *f = file_open(&s);

	if (f == NULL)
		return -1;
	lines_read(&s, f);
	fclose(f);
	if (patterns_ready(&filter->folded) != 0 ||
	    patterns_ready(&filter->exact) != 0)
		say(&s, LOG_LEVEL_ERROR, "%s", strerror(ENOMEM));
	return s.errors == 0 ? 0 : -1;
}

/* Frees what a struct filter owns. */
void
filter_free(struct filter *f)
{
	patterns_free(&f->folded);
	patterns_free(&f->exact);
	free(f->file);
}

/* The verdict. */

/*
 * Writes what patterns are compared with for a target: the host as parsed, an
 * address in canonical form; with FilterURLs "host:port", with an IPv6 address
 * in brackets.
 */
static void
target_write(
    const struct filter *f, const struct request *req, char text[URL_SIZE])
{
	const char *form = "%s", *host = req->host;
	char ip[ADDR_TEXT_SIZE];
	struct addr addr;

	/* A dotted quad is canonical already. */
	if (strchr(host, ':') != NULL && addr_parse(&addr, host) == 0)
		host = addr_text(&addr, ip);
	if (f->urls)
		form = strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u";
	snprintf(text, URL_SIZE, form, host, (unsigned)req->port);
}

/*
 * Returns whether patterns refuse a subject.  Stores the line of the pattern
 * that decides, if any.  When it takes too long, the verdict is to refuse.
 */
static bool
judge(const struct filter *f, const struct patterns *patterns,
    const char *subject, unsigned long *line)
{
	bool over = patterns_match(patterns, subject, line) != 0;

	return over || (*line != 0) != f->default_deny;
}

/* URLs. */

static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~", c) != NULL);
}

static int
hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;

	return at == NULL || c < '0' ? -1 : (int)(at - digits);
}

/*
 * Copies a path and query with its percent-encoding normalised: decoded where
 * possible, otherwise in capital letters, RFC 3986 6.2.2.  Returns the length.
 */
static size_t
path_copy(char *out, const char *path, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned c = (unsigned char)path[i];
		bool escaped = c == '%' && len - i > 2 &&
		    hex_value(path[i + 1]) >= 0 && hex_value(path[i + 2]) >= 0;

		if (escaped) {
			c = (unsigned)(hex_value(path[i + 1]) * 16 +
			    hex_value(path[i + 2]));
			i += 2;
		}
		if (c >= 0x80 || (escaped && !is_unreserved((char)c)))
			n += (size_t)snprintf(out + n, 4, "%%%02X", c);
		else
			out[n++] = (char)c;
	}
	return n;
}

/*
 * Removes dot segments from a path in place, RFC 3986 5.2.4.  Returns the
 * length.
 */
static size_t
path_walk(char *path, size_t len)
{
	size_t from = 0, to = 0, end;

	while (from < len && path[from] != '?') {
		for (end = from + 1;
		     end < len && path[end] != '/' && path[end] != '?'; end++)
			;
		if (end - from == 3 && memcmp(path + from, "/..", 3) == 0)
			while (to > 0 && path[--to] != '/')
				;
		else if (end - from != 2 || memcmp(path + from, "/.", 2) != 0) {
			memmove(path + to, path + from, end - from);
			to += end - from;
			from = end;
			continue;
		}
		if (end == len || path[end] == '?')
			path[to++] = '/';
		from = end;
	}
	memmove(path + to, path + from, len - from);
	return to + len - from;
}

/*
 * Writes the URL of a request in the one normal form that patterns are compared
 * with.
 */
static void
url_write(const struct request *req, const char *head, char text[URL_SIZE])
{
	const char *host = req->host, *path = head + req->path.at;
	size_t len = req->path.len;
	char ip[ADDR_TEXT_SIZE], *at;
	struct addr addr;

	if (strchr(host, ':') != NULL && addr_parse(&addr, host) == 0)
		host = addr_text(&addr, ip);
	at = text +
	    snprintf(text, URL_SIZE,
		strchr(host, ':') != NULL ? "http://[%s]" : "http://%s", host);
	if (req->port != 80)
		at += snprintf(at, 8, ":%u", (unsigned)req->port);
	if (len == 0 || path[0] != '/')
		*at++ = '/';
	/* The slash is there already when a query has no path before it. */
	if (len > 0 && path[0] == '/')
		at += path_walk(at, path_copy(at, path, len));
	else
		at += path_copy(at, path, len);
	*at = '\0';
}

/* Returns whether the filter refuses a URL, whose case may matter. */
static bool
judge_url(const struct filter *f, const char *url, unsigned long *line)
{
	static char folded[URL_SIZE];

	if (f->case_sensitive)
		return judge(f, &f->exact, url, line);
	snprintf(folded, sizeof(folded), "%s", url);
	fold(folded);
	return judge(f, &f->folded, folded, line);
}

/*
 * Returns whether the filter refuses a request: by its target, or with
 * FilterURLs by its URL if it has one.  head is the head of the request.  If
 * there is a filter, text becomes what the patterns were compared with.  *line
 * becomes the line of the pattern that decides, in the filter's file, or 0 if
 * none matches or there is no filter.
 */
bool
filter_refuses(const struct filter *f, const struct request *req,
    const char *head, char text[URL_SIZE], unsigned long *line)
{
	*line = 0;
	if (f->file == NULL)
		return false;
	if (f->urls && req->plain) {
		url_write(req, head, text);
		return judge_url(f, text, line);
	}
	target_write(f, req, text);
	return judge(f, &f->folded, text, line);
}
