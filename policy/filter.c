/* SPDX-License-Identifier: ISC */
/*
 * The filter: a file of patterns, each compiled once, when the configuration is
 * read, and the verdict on a target by its name or URL.  A verdict looks up no
 * name, uses no descriptor, and takes a bounded time of the processor; if a
 * pattern cannot be tried, the verdict is to refuse.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "array.h"
#include "clock.h"
#include "compiler.h"
#include "filter.h"
#include "log.h"
#include "parse.h"
#include "text.h"

enum {
	TOLD_MAX = 10, /* reported errors of a file, and warnings */
	SHOWN_MAX = 60 /* bytes of a pattern in a message */
};

/* What a verdict may cost. */
enum {
	TIME_MAX = 20000,  /* us of the processor */
	TIME_CHECK = 16,   /* expressions that are tried before it is read */
	GRAM = 3,          /* bytes of a gram: see grams_take() */
	GRAMS = 64 * 1024, /* bits */
	GRAMS_FROM = 64    /* bytes of a subject for which they are worth it */
};

/*
 * A pattern of any type.  Most regular expressions in such files are plain:
 * letters and dots, perhaps with an anchor.  These are not given to regcomp(),
 * which would take kilobytes for each and be ten times as slow.
 */
struct pattern {
	unsigned long line;
	regex_t *regex; /* owned, or NULL: text is used */
	char *text; /* owned: for fnmatch(), or plain, where '?' is any byte */
	size_t len; /* of a plain text */
	bool begin, end;       /* anchored there */
	struct pattern *exact; /* owned: the same with its case, or NULL */
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

/*
 * Makes a pattern plain, if it needs no regcomp() and means the same in both
 * syntaxes.  Returns whether it does.
 */
static bool
plain_make(struct pattern *p)
{
	char *to = p->text, *from = to;

	p->begin = *from == '^';
	for (from += p->begin; *from != '\0' && !p->end; from++) {
		if (*from == '.')
			*to++ = '?';
		else if (from[0] == '\\' && from[1] == '.')
			*to++ = *++from;
		else if (from[0] == '$' && from[1] == '\0')
			p->end = true;
		else if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-_:/"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
			     *from) != NULL)
			*to++ = *from;
		else
			return false;
	}
	*to = '\0';
	p->len = (size_t)(to - p->text);
	return true;
}

/* Compiles a regular expression.  Returns 0, or -1 after a message. */
static int
regex_make(struct source *s, struct pattern *p, const char *text, bool exact)
{
	int flags = REG_NOSUB | (exact ? 0 : REG_ICASE), error;
	char why[128];

	if (text[0] == '*')
		say(s, LOG_LEVEL_WARNING,
		    "pattern \"%.*s\": the first * matches only itself; "
		    "FilterType fnmatch is for such patterns",
		    SHOWN_MAX, text);
	if (s->filter->type == FILTER_ERE)
		flags |= REG_EXTENDED;
	p->regex = malloc(sizeof(*p->regex));
	if (p->regex == NULL) {
		say(s, LOG_LEVEL_ERROR, "%s", strerror(ENOMEM));
		return -1;
	}
	error = regcomp(p->regex, text, flags);
	if (error == 0)
		return 0;
	regerror(error, p->regex, why, sizeof(why));
	say(s, LOG_LEVEL_ERROR, "pattern \"%.*s\": %s", SHOWN_MAX, text, why);
	free(p->regex);
	p->regex = NULL;
	return -1;
}

/*
 * Prepares a pattern for fnmatch() that is compared with text in lower case,
 * where [:upper:] would never match.  Returns 0, or -1 after a message.
 */
static int
fnmatch_make(struct source *s, const struct pattern *p, const char *text)
{
	size_t len = strlen(text), backslashes = 0;
	char *upper = p->text;

	while (backslashes < len && text[len - 1 - backslashes] == '\\')
		backslashes++;
	if (backslashes % 2 != 0) {
		say(s, LOG_LEVEL_ERROR, "pattern \"%.*s\": Trailing backslash",
		    SHOWN_MAX, text);
		return -1;
	}
	while ((upper = strstr(upper, "[:upper:]")) != NULL)
		memcpy(upper, "[:lower:]", strlen("[:lower:]"));
	return 0;
}

/*
 * Compiles a pattern; exact: with regard to case.  Returns 0, or -1 after a
 * message.
 */
static int
pattern_make(struct source *s, struct pattern *p, const char *text, bool exact)
{
	p->line = s->line;
	p->text = strdup(text);
	if (p->text == NULL) {
		say(s, LOG_LEVEL_ERROR, "%s", strerror(ENOMEM));
		return -1;
	}
	if (s->filter->type == FILTER_FNMATCH && exact)
		return 0;
	if (!exact)
		fold(p->text);
	if (s->filter->type == FILTER_FNMATCH)
		return fnmatch_make(s, p, text);
	if (plain_make(p))
		return 0;
	free(p->text);
	p->text = NULL;
	return regex_make(s, p, text, exact);
}

static void
pattern_free(struct pattern *p)
{
	if (p->regex != NULL) {
		regfree(p->regex);
		free(p->regex);
	}
	free(p->text);
	if (p->exact != NULL)
		pattern_free(p->exact);
	free(p->exact);
}

/*
 * Adds the form of a pattern for URLs, if case matters there.  Returns 0 or -1.
 */
static int
exact_make(struct source *s, struct pattern *p, const char *text)
{
	if (!s->filter->urls || !s->filter->case_sensitive)
		return 0;
	p->exact = calloc(1, sizeof(*p->exact));
	if (p->exact == NULL) {
		say(s, LOG_LEVEL_ERROR, "%s", strerror(ENOMEM));
		return -1;
	}
	return pattern_make(s, p->exact, text, true);
}

static void
pattern_add(struct source *s, const char *text)
{
	struct filter *f = s->filter;
	struct pattern p = { 0 };
	struct pattern *grown = array_room(f->patterns, f->n, sizeof(*grown));

	if (grown == NULL) {
		say(s, LOG_LEVEL_ERROR, "%s", strerror(errno));
		return;
	}
	f->patterns = grown;
	if (pattern_make(s, &p, text, false) == 0 &&
	    exact_make(s, &p, text) == 0)
		f->patterns[f->n++] = p;
	else
		pattern_free(&p);
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
	return s.errors == 0 ? 0 : -1;
}

/* Frees what a struct filter owns. */
void
filter_free(struct filter *f)
{
	for (size_t i = 0; i < f->n; i++)
		pattern_free(&f->patterns[i]);
	free(f->patterns);
	free(f->file);
}

/* The verdict. */

static bool
plain_at(const char *text, const char *s)
{
	for (; *text != '\0'; text++, s++)
		if (*s == '\0' || (*text != *s && *text != '?'))
			return false;
	return true;
}

static bool
plain_matches(const struct pattern *p, const char *subject, size_t len)
{
	const char *last;

	if (p->len > len || (p->begin && p->end && p->len != len))
		return false;
	last = subject + len - p->len;
	if (p->begin || p->end)
		return plain_at(p->text, p->begin ? subject : last);
	for (; subject <= last; subject++)
		if (plain_at(p->text, subject))
			return true;
	return false;
}

/*
 * Which sequences of three bytes there are in the subject at hand, a bit for
 * each hash.  A plain pattern with one that is missing need not be searched for,
 * and that is nearly every one that does not match.
 */
static unsigned char grams[GRAMS / 8];
static bool grams_used;

static unsigned
gram_hash(const char *at)
{
	unsigned long a = (unsigned char)at[0], b = (unsigned char)at[1],
		      c = (unsigned char)at[2];

	return (unsigned)((a | b << 8 | c << 16) * 2654435761UL >> 12) % GRAMS;
}

/* Takes the grams of a subject; a short one is searched as it is. */
static void
grams_take(const char *subject, size_t len)
{
	grams_used = len >= GRAMS_FROM;
	if (!grams_used)
		return;
	memset(grams, 0, sizeof(grams));
	for (size_t i = 0; i + GRAM <= len; i++) {
		unsigned hash = gram_hash(subject + i);

		grams[hash / 8] |= (unsigned char)(1 << hash % 8);
	}
}

/* Whether the subject has the grams of a plain text, as far as they tell. */
static bool
grams_allow(const char *text, size_t len)
{
	unsigned hash;

	for (size_t i = 0; grams_used && i + GRAM <= len; i += GRAM) {
		if (memchr(text + i, '?', GRAM) != NULL)
			continue;
		hash = gram_hash(text + i);
		if (!(grams[hash / 8] >> hash % 8 & 1))
			return false;
	}
	return true;
}

enum match { MATCH_NO, MATCH_YES, MATCH_FAILED };

/* Whether a pattern has to be tried by a function of the library. */
static bool
is_expression(const struct pattern *p, enum filter_type type)
{
	return type == FILTER_FNMATCH || p->regex != NULL;
}

static enum match
pattern_try(const struct pattern *p, enum filter_type type, const char *subject,
    size_t len)
{
	int result;

	if (type == FILTER_FNMATCH) {
		result = fnmatch(p->text, subject, 0);
		return result == 0          ? MATCH_YES
		    : result == FNM_NOMATCH ? MATCH_NO
					    : MATCH_FAILED;
	}
	if (p->regex == NULL)
		return grams_allow(p->text, p->len) &&
		    plain_matches(p, subject, len);
	result = regexec(p->regex, subject, 0, NULL, 0);
	return result == 0          ? MATCH_YES
	    : result == REG_NOMATCH ? MATCH_NO
				    : MATCH_FAILED;
}

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

/* Whether the time of a verdict is over; the first call begins it, at 0. */
static bool
time_over(int64_t *until)
{
	if (*until != 0)
		return clock_used() > *until;
	*until = clock_used() + TIME_MAX;
	return false;
}

/*
 * Returns whether patterns refuse a subject, by their exact forms if exact.
 * Stores the line of the pattern that decides, if any.  A pattern that cannot
 * be tried refuses, and so does the one at which the time is over.
 */
static bool
judge(const struct filter *f, const char *subject, bool exact,
    unsigned long *line)
{
	enum match match = MATCH_NO;
	size_t len = strlen(subject);
	int64_t until = 0;
	unsigned tried = 0;

	grams_take(subject, len);
	for (size_t i = 0; i < f->n && match == MATCH_NO; i++) {
		const struct pattern *p = &f->patterns[i];

		match =
		    pattern_try(exact ? p->exact : p, f->type, subject, len);
		if (match == MATCH_NO && is_expression(p, f->type) &&
		    ++tried % TIME_CHECK == 0 && time_over(&until))
			match = MATCH_FAILED;
		if (match != MATCH_NO)
			*line = p->line;
	}
	return match == MATCH_FAILED || (match == MATCH_YES) != f->default_deny;
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
		return judge(f, url, true, line);
	snprintf(folded, sizeof(folded), "%s", url);
	fold(folded);
	return judge(f, folded, false, line);
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
	return judge(f, text, false, line);
}
