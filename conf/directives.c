/* SPDX-License-Identifier: ISC */
/*
 * The directives, in tinyproxy.conf's grammar.  One table names each of them
 * with what reads its value, what shows it again, and its default.  A value is
 * taken as it is written or refused: none is dropped, cut or corrected.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/stat.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "acl.h"
#include "addr.h"
#include "array.h"
#include "authhelper.h"
#include "bounds.h"
#include "conf.h"
#include "directives.h"
#include "doubts.h"
#include "fields.h"
#include "filter.h"
#include "group.h"
#include "list.h"
#include "local.h"
#include "log.h"
#include "login.h"
#include "name.h"
#include "page.h"
#include "parse.h"
#include "pins.h"
#include "place.h"
#include "reader.h"
#include "record.h"
#include "reverse.h"
#include "rewrite.h"
#include "rule.h"
#include "safefile.h"
#include "secret.h"
#include "target.h"
#include "text.h"
#include "upstream.h"
#include "who.h"

enum {
	SECONDS_MAX = 2147483,    /* s: milliseconds fit in 31 bits */
	ACCESS_INTERVAL_MIN = 10, /* s */
	NUMBER_MAX = 2147483647,  /* of what has no other bound */
	ADD_HEADER_MAX = 1000,    /* bytes of one AddHeader */
	ADD_HEADERS_MAX = 16,     /* of them */
	REALM_MAX = 120,          /* bytes */
	CONTACT_MAX = 200,        /* bytes */
	BECAUSE_MAX = 200,        /* bytes */
	DEFAULT_SIZE = 64         /* bytes of a default, with its NUL */
};

/*
 * A directive.  Take is handed the rest of the line without the blanks around
 * it, which is not empty and may be changed: it checks the value, stores it,
 * and returns 0; or says what is wrong and returns -1.  Show prints all lines
 * that mean what is in effect, or returns false when there is nothing.
 */
struct directive {
	const char *name;
	int (*take)(struct reader *, const struct directive *, char *arg);
	/* NULL: other directives show its effect. */
	bool (*show)(FILE *, const struct directive *, const struct conf *);
	/* Of its value in struct conf; not 0: only the last line counts. */
	size_t offset;
	const char *value; /* the default as it is written, or NULL */
	unsigned long min, max;
};

#define FAIL(r, ...) (reader_say(r, LOG_LEVEL_ERROR, __VA_ARGS__), -1)

/* Where a directive has its value, to be set. */
static void *
member(struct reader *r, const struct directive *d)
{
	return (char *)r->conf + d->offset;
}

/* Where a directive has its value, to be shown. */
static const void *
value_of(const struct conf *conf, const struct directive *d)
{
	return (const char *)conf + d->offset;
}

static int
set_string(struct reader *r, char **to, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return FAIL(r, "%s", strerror(errno));
	free(*to);
	*to = copy;
	return 0;
}

/* array_room() with a message. */
static void *
grow(struct reader *r, void *array, size_t n, size_t size)
{
	void *grown = array_room(array, n, size);

	if (grown == NULL)
		reader_say(r, LOG_LEVEL_ERROR, "%s", strerror(errno));
	return grown;
}

/* Adds a copy of a text to a list. */
static int
add_string(struct reader *r, char ***list, size_t *n, const char *text)
{
	char **grown = grow(r, *list, *n, sizeof(**list));

	if (grown == NULL)
		return -1;
	*list = grown;
	grown[*n] = NULL;
	return set_string(r, &grown[(*n)++], text);
}

/*
 * Prints a comment with the place of a line that stands in another file than
 * the first one.
 */
static void
show_place(FILE *out, const struct conf *conf, unsigned long line)
{
	struct where at = place_of(&conf->places, line);

	if (line != 0 && at.file != place_of(&conf->places, 0).file)
		fprintf(out, "# %s:%lu\n", at.file, at.line);
}

/* Numbers. */

/* Reads decimal digits without a sign and leading zeros, within bounds. */
static int
number(struct reader *r, const char *arg, const struct directive *d,
    unsigned long *n)
{
	size_t digits = strspn(arg, "0123456789"), zeros = strspn(arg, "0");

	if (digits == 0 || arg[digits] != '\0')
		return FAIL(r, "\"%.40s\" is not a number from %lu to %lu", arg,
		    d->min, d->max);
	if (zeros > 0 && digits > 1)
		return FAIL(r, "\"%.40s\" has leading zeros; write %.40s", arg,
		    zeros == digits ? "0" : arg + zeros);
	errno = 0;
	*n = strtoul(arg, NULL, 10);
	if (errno != 0 || *n < d->min || *n > d->max)
		return FAIL(r, "%.40s is out of range, %lu to %lu", arg, d->min,
		    d->max);
	return 0;
}

static int
take_number(struct reader *r, const struct directive *d, char *arg)
{
	unsigned long n;

	if (number(r, arg, d, &n) != 0)
		return -1;
	*(unsigned *)member(r, d) = (unsigned)n;
	return 0;
}

/* A number below its bounds stands for none at all. */
static bool
show_number(FILE *out, const struct directive *d, const struct conf *conf)
{
	unsigned n = *(const unsigned *)value_of(conf, d);

	if (n < d->min)
		return false;
	fprintf(out, "%s %u\n", d->name, n);
	return true;
}

static int
take_port(struct reader *r, const struct directive *d, char *arg)
{
	unsigned long n;

	if (number(r, arg, d, &n) != 0)
		return -1;
	*(uint16_t *)member(r, d) = (uint16_t)n;
	return 0;
}

static bool
show_port(FILE *out, const struct directive *d, const struct conf *conf)
{
	unsigned n = *(const uint16_t *)value_of(conf, d);

	fprintf(out, "%s %u\n", d->name, n);
	return true;
}

/* Timeout 0 gives a warning in tinyproxy too, and means its default. */
static int
take_timeout(struct reader *r, const struct directive *d, char *arg)
{
	if (take_number(r, d, arg) != 0)
		return -1;
	if (r->conf->timeout == 0) {
		reader_say(r, LOG_LEVEL_WARNING,
		    "0 means the default; write Timeout 600");
		r->conf->timeout = 600;
	}
	return 0;
}

/* A line more often than this would make a log of nothing else. */
static int
take_access_interval(struct reader *r, const struct directive *d, char *arg)
{
	unsigned *interval = member(r, d);

	if (take_number(r, d, arg) != 0)
		return -1;
	if (*interval > 0 && *interval < ACCESS_INTERVAL_MIN)
		return FAIL(r,
		    "%u is too short; write 0 for none, or %d or "
		    "more",
		    *interval, ACCESS_INTERVAL_MIN);
	return 0;
}

static int
take_workers(struct reader *r, const struct directive *d, char *arg)
{
	if (strcasecmp(arg, "auto") != 0)
		return take_number(r, d, arg);
	r->conf->workers = 0;
	return 0;
}

static bool
show_workers(FILE *out, const struct directive *d, const struct conf *conf)
{
	if (!show_number(out, d, conf))
		fprintf(out, "%s auto\n", d->name);
	return true;
}

/* The server numbers of old tinyproxys. */
static int
take_obsolete(struct reader *r, const struct directive *d, char *arg)
{
	unsigned long n;

	if (number(r, arg, d, &n) != 0)
		return -1;
	reader_say(r, LOG_LEVEL_WARNING, "obsolete, without effect");
	return 0;
}

static int
take_connect_port(struct reader *r, const struct directive *d, char *arg)
{
	struct acl *acl = &r->conf->acl;
	unsigned long n;

	if (number(r, arg, d, &n) != 0)
		return -1;
	acl->has_ports = true;
	if (n != 0)
		acl->ports[n / 8] |= (unsigned char)(1u << n % 8);
	return 0;
}

/* 0 is the one that allows no port. */
static bool
show_connect_ports(
    FILE *out, const struct directive *d, const struct conf *conf)
{
	bool any = false;

	for (unsigned n = 1; n <= 65535 && conf->acl.has_ports; n++)
		if (acl_port(&conf->acl, (uint16_t)n)) {
			fprintf(out, "%s %u\n", d->name, n);
			any = true;
		}
	if (!any && conf->acl.has_ports)
		fprintf(out, "%s 0\n", d->name);
	return conf->acl.has_ports;
}

/* Words. */

/* Words of other configurations, and what they mean here. */
static const struct {
	const char *word, *meant;
} synonyms[] = { { "true", "yes" }, { "1", "yes" }, { "y", "yes" },
	{ "enable", "yes" }, { "enabled", "yes" }, { "false", "no" },
	{ "0", "no" }, { "n", "no" }, { "none", "no" }, { "disable", "no" },
	{ "disabled", "no" }, { "debug", "info" }, { "all", "info" },
	{ "verbose", "info" }, { "trace", "info" }, { "alert", "critical" },
	{ "emerg", "critical" }, { "fatal", "critical" }, { "regex", "ere" },
	{ "pcre", "ere" }, { "extended", "ere" }, { "basic", "bre" },
	{ "glob", "fnmatch" }, { "wildcard", "fnmatch" } };

/* Returns the one of n words that another word probably stands for, or NULL. */
static const char *
word_meant(const char *word, const char *const *words, size_t n)
{
	const char *near = text_near(word, words, n);

	for (size_t i = 0; i < sizeof(synonyms) / sizeof(*synonyms); i++)
		for (size_t j = 0; j < n; j++)
			if (strcasecmp(word, synonyms[i].word) == 0 &&
			    strcmp(words[j], synonyms[i].meant) == 0)
				near = words[j];
	return near;
}

/* Says that a value is none of n words, and which was probably meant. */
static int
word_fail(struct reader *r, const char *arg, const char *const *words, size_t n)
{
	char list[128] = "", bare[32];
	const char *near;
	size_t len = strcspn(arg + (arg[0] == '"'), "\"");

	snprintf(bare, sizeof(bare), "%.*s", len < 31 ? (int)len : 31,
	    arg + (arg[0] == '"'));
	near = word_meant(bare, words, n);
	for (size_t i = 0; i < n; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
		    "%s%s",
		    i == 0          ? ""
			: i + 1 < n ? ", "
				    : " or ",
		    words[i]);
	if (near != NULL && arg[0] == '"' && strcasecmp(bare, near) == 0)
		return FAIL(r, "write %s without quotes", near);
	if (near != NULL)
		return FAIL(r, "\"%.40s\" is not %s; did you mean \"%s\"?",
		    bare, list, near);
	return FAIL(r, "\"%.40s\" is not %s", arg, list);
}

/* Returns the number of a word, or n after a message. */
static size_t
word_number(
    struct reader *r, const char *arg, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(arg, words[i]) == 0)
			return i;
	word_fail(r, arg, words, n);
	return n;
}

static int
boolean(struct reader *r, const char *arg, bool *b)
{
	static const char *const words[] = { "yes", "on", "no", "off" };
	size_t n = word_number(r, arg, words, 4);

	*b = n < 2;
	return n < 4 ? 0 : -1;
}

static int
take_bool(struct reader *r, const struct directive *d, char *arg)
{
	return boolean(r, arg, member(r, d));
}

static bool
show_bool(FILE *out, const struct directive *d, const struct conf *conf)
{
	bool b = *(const bool *)value_of(conf, d);

	fprintf(out, "%s %s\n", d->name, b ? "yes" : "no");
	return true;
}

/* ReloadTunnels. */
static const char *const tunnel_words[] = { "keep", "judge" };

static int
take_tunnels(struct reader *r, const struct directive *d, char *arg)
{
	size_t n = word_number(r, arg, tunnel_words, 2);

	*(bool *)member(r, d) = n == 1;
	return n < 2 ? 0 : -1;
}

static bool
show_tunnels(FILE *out, const struct directive *d, const struct conf *conf)
{
	fprintf(out, "%s %s\n", d->name, tunnel_words[conf->judge_tunnels]);
	return true;
}

static const char *const filter_types[] = {
	[FILTER_BRE] = "bre", [FILTER_ERE] = "ere", [FILTER_FNMATCH] = "fnmatch"
};

static int
take_filter_type(struct reader *r, const struct directive *d, char *arg)
{
	size_t n = sizeof(filter_types) / sizeof(*filter_types);
	size_t type = word_number(r, arg, filter_types, n);

	if (type == n)
		return -1;
	*(enum filter_type *)member(r, d) = (enum filter_type)type;
	return 0;
}

static bool
show_filter_type(FILE *out, const struct directive *d, const struct conf *conf)
{
	fprintf(out, "%s %s\n", d->name, filter_types[conf->filter.type]);
	return true;
}

static int
take_filter_extended(struct reader *r, const struct directive *d, char *arg)
{
	bool b;

	(void)d;
	if (boolean(r, arg, &b) != 0)
		return -1;
	if (b)
		r->conf->filter.type = FILTER_ERE;
	reader_say(r, LOG_LEVEL_WARNING, "deprecated; use FilterType ere");
	return 0;
}

static const char *const log_levels[] = { [LOG_LEVEL_CRITICAL] = "critical",
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_CONNECT] = "connect",
	[LOG_LEVEL_INFO] = "info" };

static int
take_log_level(struct reader *r, const struct directive *d, char *arg)
{
	size_t n = sizeof(log_levels) / sizeof(*log_levels);
	size_t level = word_number(r, arg, log_levels, n);

	if (level == n)
		return -1;
	*(enum log_level *)member(r, d) = (enum log_level)level;
	return 0;
}

static bool
show_log_level(FILE *out, const struct directive *d, const struct conf *conf)
{
	fprintf(out, "%s %s\n", d->name, log_levels[conf->loglevel]);
	return true;
}

static const char *const log_times[] = {
	[LOG_TIME_CLASSIC] = "classic", [LOG_TIME_RFC3339] = "rfc3339"
};

static int
take_log_time(struct reader *r, const struct directive *d, char *arg)
{
	size_t n = sizeof(log_times) / sizeof(*log_times);
	size_t form = word_number(r, arg, log_times, n);

	if (form == n)
		return -1;
	*(enum log_time *)member(r, d) = (enum log_time)form;
	return 0;
}

static bool
show_log_time(FILE *out, const struct directive *d, const struct conf *conf)
{
	fprintf(out, "%s %s\n", d->name, log_times[conf->log_time]);
	return true;
}

static bool
is_word(const char *arg)
{
	return *arg != '\0' &&
	    arg[strspn(arg,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789-._")] == '\0';
}

static int
take_word(struct reader *r, const struct directive *d, char *arg)
{
	if (!is_word(arg))
		return FAIL(r,
		    "the value must be one word of letters, digits, - . and "
		    "_, without quotes");
	return set_string(r, member(r, d), arg);
}

static bool
show_word(FILE *out, const struct directive *d, const struct conf *conf)
{
	const char *word = *(char *const *)value_of(conf, d);

	if (word != NULL)
		fprintf(out, "%s %s\n", d->name, word);
	return word != NULL;
}

/* Text in double quotes. */

/* Takes the quotes off; NULL when there are none, or nothing in them. */
static char *
unquote(char *arg)
{
	size_t len = strlen(arg);

	if (len < 3 || arg[0] != '"' || strchr(arg + 1, '"') != arg + len - 1)
		return NULL;
	arg[len - 1] = '\0';
	return arg + 1;
}

/* Takes the next quoted text off the front of *arg, or returns NULL. */
static char *
quoted_next(char **arg)
{
	char *text = *arg, *end;

	if (text[0] != '"' || text[1] == '"' ||
	    (end = strchr(text + 1, '"')) == NULL ||
	    (end[1] != '\0' && end[1] != ' ' && end[1] != '\t'))
		return NULL;
	*end++ = '\0';
	*arg = end + strspn(end, " \t");
	return text + 1;
}

static bool
show_string(FILE *out, const struct directive *d, const struct conf *conf)
{
	const char *text = *(char *const *)value_of(conf, d);

	if (text != NULL)
		fprintf(out, "%s \"%s\"\n", d->name, text);
	return text != NULL;
}

static bool
show_strings(FILE *out, const struct directive *d, char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s \"%s\"\n", d->name, list[i]);
	return n > 0;
}

static int
take_realm(struct reader *r, const struct directive *d, char *arg)
{
	char *text = unquote(arg);

	if (text == NULL)
		return FAIL(
		    r, "the value must be text in double quotes: \"...\"");
	if (strlen(text) > REALM_MAX)
		return FAIL(r,
		    "the text is too long; it may have at most %d bytes",
		    REALM_MAX);
	return set_string(r, member(r, d), text);
}

/* For whom the pages of errors send their readers. */
static int
take_contact(struct reader *r, const struct directive *d, char *arg)
{
	char *text = unquote(arg);

	if (text == NULL || strlen(text) > CONTACT_MAX)
		return FAIL(r,
		    "the value must be a name or a mail address in double "
		    "quotes, with at most %d bytes",
		    CONTACT_MAX);
	return set_string(r, member(r, d), text);
}

/* A path as it stands in a request. */
static int
take_health_path(struct reader *r, const struct directive *d, char *arg)
{
	char *text = unquote(arg);

	if (text == NULL || text[0] != '/' ||
	    text[strcspn(text, " \t?#")] != '\0')
		return FAIL(r,
		    "the value must be a path without blanks, ? and # in double "
		    "quotes, as in \"/healthz\"");
	return set_string(r, member(r, d), text);
}

/* What goes into a Via, a pseudonym: a token, RFC 9110 7.6.3. */
static int
take_via_name(struct reader *r, const struct directive *d, char *arg)
{
	char *text = unquote(arg);

	if (text == NULL || !is_word(text) || strlen(text) > REALM_MAX)
		return FAIL(r,
		    "the value must be one word of letters, digits, - . and "
		    "_ in double quotes, with at most %d bytes",
		    REALM_MAX);
	return set_string(r, member(r, d), text);
}

static int
take_stat_host(struct reader *r, const struct directive *d, char *arg)
{
	struct stat_host *host = &r->conf->stat_host;
	char *text = unquote(arg);

	(void)d;
	host->literal = text != NULL && addr_parse(&host->addr, text) == 0;
	if (text == NULL || (!host->literal && !name_fold(text)))
		return FAIL(r,
		    "the value must be a name or an address in double quotes, "
		    "without a port");
	return set_string(r, &host->name, text);
}

/* Takes the quotes off a path; NULL after a message. */
static char *
absolute(struct reader *r, char *arg)
{
	char *text = unquote(arg);

	if (text != NULL && text[0] == '/')
		return text;
	reader_say(r, LOG_LEVEL_ERROR,
	    "the value must be an absolute path in double quotes: \"/...\"");
	return NULL;
}

static int
take_path(struct reader *r, const struct directive *d, char *arg)
{
	char *text = absolute(r, arg);

	return text == NULL ? -1 : set_string(r, member(r, d), text);
}

/*
 * Takes the path off the front of a value, and leaves what follows it in *arg.
 * Returns NULL after a message.
 */
static char *
access_path(struct reader *r, char **arg)
{
	char *text = *arg, *path = quoted_next(arg);

	if (path != NULL && path[0] == '/')
		return path;
	if (text[0] == '"')
		reader_say(r, LOG_LEVEL_ERROR,
		    "the value must be an absolute path in double quotes, and "
		    "perhaps a format: \"/...\" json");
	else
		absolute(r, text);
	return NULL;
}

/* Whether two paths are one file, as far as can be told from them alone. */
static bool
same_path(const char *a, const char *b)
{
	int fd = safefile_standard(a);

	return strcmp(a, b) == 0 || (fd >= 0 && fd == safefile_standard(b));
}

/* How many lines there are of AccessLog, or of DecisionLog. */
static size_t
access_count(const struct conf *conf, bool decisions)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->naccess; i++)
		n += (conf->access[i].format == RECORD_DECISION) == decisions;
	return n;
}

/* Says why there cannot be such a log at this path. */
static int
access_fail(struct reader *r, const char *path, bool decisions)
{
	const struct conf *conf = r->conf;

	for (size_t i = 0; i < conf->naccess; i++)
		if (same_path(conf->access[i].path, path))
			return FAIL(r,
			    "\"%.400s\" is in %s already; each log "
			    "needs a file of its own",
			    path, reader_line(r, conf->access[i].line));
	if (access_count(conf, decisions) ==
	    (decisions ? DECISION_LOGS_MAX : ACCESS_LOGS_MAX))
		return FAIL(r, "there may be at most %d such lines",
		    decisions ? DECISION_LOGS_MAX : ACCESS_LOGS_MAX);
	return 0;
}

static int
access_add(struct reader *r, const char *path, enum record_format format)
{
	struct conf *conf = r->conf;
	struct access_path *at = &conf->access[conf->naccess];

	*at = (struct access_path){ NULL, format, r->line };
	if (set_string(r, &at->path, path) != 0)
		return -1;
	conf->naccess++;
	return 0;
}

static int
take_access_log(struct reader *r, const struct directive *d, char *arg)
{
	char *path = access_path(r, &arg);
	size_t format = RECORD_ADIT;

	(void)d;
	if (path == NULL || access_fail(r, path, false) != 0)
		return -1;
	if (*arg != '\0')
		format = word_number(r, arg, record_formats, RECORD_FORMATS);
	if (format == RECORD_FORMATS)
		return -1;
	return access_add(r, path, (enum record_format)format);
}

/* DecisionLog: a line for each verdict, beside the access logs. */
static int
take_decision_log(struct reader *r, const struct directive *d, char *arg)
{
	const char *path = absolute(r, arg);

	(void)d;
	if (path == NULL || access_fail(r, path, true) != 0)
		return -1;
	return access_add(r, path, RECORD_DECISION);
}

static bool
show_decision_log(FILE *out, const struct directive *d, const struct conf *conf)
{
	for (size_t i = 0; i < conf->naccess; i++)
		if (conf->access[i].format == RECORD_DECISION)
			fprintf(
			    out, "%s \"%s\"\n", d->name, conf->access[i].path);
	return access_count(conf, true) > 0;
}

/* The format is left out where an old adit has no other. */
static bool
show_access_logs(FILE *out, const struct directive *d, const struct conf *conf)
{
	for (size_t i = 0; i < conf->naccess; i++) {
		enum record_format format = conf->access[i].format;

		if (format == RECORD_DECISION)
			continue;
		fprintf(out, "%s \"%s\"%s%s\n", d->name, conf->access[i].path,
		    format != RECORD_ADIT ? " " : "",
		    format != RECORD_ADIT ? record_formats[format] : "");
	}
	return access_count(conf, false) > 0;
}

/*
 * Reads the template of a page.  Without it there is the page that is built
 * in, as in tinyproxy.
 */
static int
page_set(struct reader *r, struct page *page, const char *path)
{
	if (page_read(page, path) != 0) {
		reader_say(r, LOG_LEVEL_WARNING,
		    "%.400s: %s; the built-in page is used", path,
		    strerror(errno));
		page_free(page);
	}
	return set_string(r, &page->path, path);
}

/* DefaultErrorFile or StatFile. */
static int
take_page(struct reader *r, const struct directive *d, char *arg)
{
	const char *path = absolute(r, arg);

	return path == NULL ? -1 : page_set(r, member(r, d), path);
}

/* Unlike a page of errors, there is none that is built in. */
static int
take_pac(struct reader *r, const struct directive *d, char *arg)
{
	struct page *page = member(r, d);
	const char *path = absolute(r, arg);

	if (path == NULL)
		return -1;
	if (page_read(page, path) != 0)
		return FAIL(r, "%.400s: %s", path,
		    errno == EFBIG ? "it may have at most 65536 bytes"
				   : strerror(errno));
	return set_string(r, &page->path, path);
}

static bool
show_page(FILE *out, const struct directive *d, const struct conf *conf)
{
	const struct page *page = value_of(conf, d);

	if (page->path != NULL)
		fprintf(out, "%s \"%s\"\n", d->name, page->path);
	return page->path != NULL;
}

/* The page of a status, a new one at the end; NULL after a message. */
static struct error_page *
error_page_add(struct reader *r, unsigned long status)
{
	struct pages *pages = &r->conf->pages;
	struct error_page *list;

	for (size_t i = 0; i < pages->n; i++)
		if (pages->list[i].status == (int)status) {
			reader_say(r, LOG_LEVEL_WARNING,
			    "a line before has the page for %lu already; this "
			    "one has no effect",
			    status);
			return NULL;
		}
	list = grow(r, pages->list, pages->n, sizeof(*list));
	if (list == NULL)
		return NULL;
	pages->list = list;
	list[pages->n] = (struct error_page){ .status = (int)status };
	return &list[pages->n++];
}

static int
take_error_file(struct reader *r, const struct directive *d, char *arg)
{
	size_t digits = strcspn(arg, " \t");
	char *rest = arg + digits + strspn(arg + digits, " \t");
	struct error_page *page;
	const char *path;
	unsigned long status;

	arg[digits] = '\0';
	if (number(r, arg, d, &status) != 0)
		return -1;
	path = absolute(r, rest);
	if (path == NULL)
		return -1;
	page = error_page_add(r, status);
	return page == NULL ? -1 : page_set(r, &page->page, path);
}

static bool
show_error_files(FILE *out, const struct directive *d, const struct conf *conf)
{
	const struct pages *pages = &conf->pages;

	for (size_t i = 0; i < pages->n; i++)
		fprintf(out, "%s %d \"%s\"\n", d->name, pages->list[i].status,
		    pages->list[i].page.path);
	return pages->n > 0;
}

/* Addresses and clients. */

/* What should be written in place of something that is no address, or "". */
static const char *
address_meant(const char *arg)
{
	const char *colon = strrchr(arg, ':');

	if (strcmp(arg, "*") == 0 || strcasecmp(arg, "all") == 0 ||
	    strcasecmp(arg, "any") == 0)
		return "; for all addresses leave this line out";
	if (strcasecmp(arg, "localhost") == 0)
		return "; write 127.0.0.1, and ::1 in a line of its own";
	if (arg[0] == '"')
		return "; write it without quotes";
	if (arg[0] == '/')
		return "; write the path of a Unix socket in double quotes";
	if (colon != NULL && (strchr(arg, '.') != NULL || colon[-1] == ']'))
		return "; the port to listen on belongs to Port";
	if (arg[0] == '[')
		return "; write it without brackets";
	return "";
}

static int
address(struct reader *r, char *arg, struct addr *list, size_t *n, size_t max)
{
	if (*n == max)
		return FAIL(r, "there may be at most %zu such lines", max);
	if (addr_parse(&list[*n], arg) != 0)
		return FAIL(r, "\"%.60s\" is not an IPv4 or IPv6 address%s",
		    arg, address_meant(arg));
	(*n)++;
	return 0;
}

static bool
show_addresses(
    FILE *out, const struct directive *d, const struct addr *list, size_t n)
{
	char text[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s %s\n", d->name, addr_text(&list[i], text));
	return n > 0;
}

/* A mode as chmod(1) takes it, in octal.  Returns 0 or -1. */
static int
mode_parse(unsigned *mode, const char *text)
{
	size_t len = strspn(text, "01234567");

	if (text[len] != '\0' || len < 3 || len > 4 ||
	    strtoul(text, NULL, 8) > 0777)
		return -1;
	*mode = (unsigned)strtoul(text, NULL, 8);
	return 0;
}

/* Takes a word after the path of a socket, and its value. */
static int
right_take(struct reader *r, struct local_rights *rights, const char *word,
    const char *value)
{
	if (strcasecmp(word, "mode") == 0)
		return mode_parse(&rights->mode, value) == 0
		    ? 0
		    : FAIL(r, "\"%.40s\" is not a mode in octal, as 0660",
			  value);
	if (strcasecmp(word, "group") != 0 && strcasecmp(word, "owner") != 0)
		return FAIL(r,
		    "\"%.40s\" is not mode, group or owner, which may follow "
		    "the path",
		    word);
	if (!is_word(value))
		return FAIL(r, "a name must follow %s", word);
	return set_string(r,
	    strcasecmp(word, "group") == 0 ? &rights->group : &rights->owner,
	    value);
}

/* Takes the next word off a text; "" if there is none. */
static char *
word_next(char **text)
{
	char *word = *text;

	*text += strcspn(word, " \t");
	if (**text != '\0')
		*(*text)++ = '\0';
	*text += strspn(*text, " \t");
	return word;
}

/* The path of a Unix socket, and who may connect to it. */
static int
take_listen_path(struct reader *r, char *arg)
{
	struct conf *conf = r->conf;
	size_t at = conf->nlisten;
	const char *path = quoted_next(&arg);
	uint16_t number;

	if (at == LISTEN_MAX)
		return FAIL(
		    r, "there may be at most %d such lines", LISTEN_MAX);
	if (path == NULL || path[0] != '/' || path[strlen(path) - 1] == '/')
		return FAIL(r,
		    "in double quotes there must be the absolute path of a "
		    "socket; an address stands without quotes");
	if (strlen(path) >= LOCAL_SIZE)
		return FAIL(r, "the path of a socket has at most %d bytes",
		    LOCAL_SIZE - 1);
	number = local_hold(path);
	if (number == 0)
		return FAIL(r, "\"%.103s\": %s", path, strerror(errno));
	addr_from_local(&conf->listen[at], number, ADDR_NO_UID);
	conf->listen_rights[at].mode = 0660;
	conf->nlisten++;
	while (*arg != '\0') {
		const char *word = word_next(&arg);

		if (right_take(r, &conf->listen_rights[at], word,
			word_next(&arg)) != 0)
			return -1;
	}
	return 0;
}

/* An address, or the path of a Unix socket. */
static int
take_listen(struct reader *r, const struct directive *d, char *arg)
{
	struct conf *conf = r->conf;
	size_t at = conf->nlisten;

	(void)d;
	if (arg[0] == '"') {
		if (take_listen_path(r, arg) != 0)
			return -1;
	} else if (address(r, arg, conf->listen, &conf->nlisten, LISTEN_MAX) !=
	    0) {
		return -1;
	}
	conf->listen_lines[at] = r->line;
	return 0;
}

/* Prints a Unix socket and its rights. */
static void
show_local(FILE *out, uint16_t number, const struct local_rights *rights)
{
	fprintf(out, "\"%s\" mode 0%o", local_path(number), rights->mode);
	if (rights->group != NULL)
		fprintf(out, " group %s", rights->group);
	if (rights->owner != NULL)
		fprintf(out, " owner %s", rights->owner);
}

/* Prints the addresses to listen on with a PROXY header, or those without. */
static bool
listen_show(
    FILE *out, const struct directive *d, const struct conf *conf, bool proxied)
{
	char text[ADDR_TEXT_SIZE];
	bool any = false;

	for (size_t i = 0; i < conf->nlisten; i++) {
		const struct addr *at = &conf->listen[i];

		if ((conf->proxied >> i & 1) != proxied)
			continue;
		fprintf(out, "%s ", d->name);
		if (at->local != 0)
			show_local(out, at->local, &conf->listen_rights[i]);
		else
			fputs(addr_text(at, text), out);
		if (at->port != 0)
			fprintf(out, " %u", (unsigned)at->port);
		fputc('\n', out);
		any = true;
	}
	return any;
}

static bool
show_listen(FILE *out, const struct directive *d, const struct conf *conf)
{
	return listen_show(out, d, conf, false);
}

/*
 * An address, and a port where that is not the one of Port; or the path of a
 * Unix socket.
 */
static int
take_listen_proxy(struct reader *r, const struct directive *d, char *arg)
{
	struct conf *conf = r->conf;
	size_t len = strcspn(arg, " \t"), at = conf->nlisten;
	char *port = arg + len + strspn(arg + len, " \t");
	unsigned long n = 0;

	if (arg[0] != '"') {
		arg[len] = '\0';
		if (*port != '\0' && number(r, port, d, &n) != 0)
			return -1;
	}
	if (take_listen(r, d, arg) != 0)
		return -1;
	conf->listen[at].port = (uint16_t)n;
	conf->proxied |= UINT64_C(1) << at;
	return 0;
}

static bool
show_listen_proxy(FILE *out, const struct directive *d, const struct conf *conf)
{
	return listen_show(out, d, conf, true);
}

/* A port, and perhaps the word tls. */
static int
take_transparent(struct reader *r, const struct directive *d, char *arg)
{
	struct conf *conf = r->conf;
	struct transparent *t = &conf->transparent[conf->ntransparent];
	size_t len = strcspn(arg, " \t");
	char *word = arg + len + strspn(arg + len, " \t");
	unsigned long n;

	if (conf->ntransparent == TRANSPARENT_MAX)
		return FAIL(
		    r, "there may be at most %d such lines", TRANSPARENT_MAX);
	if (*word != '\0' && strcasecmp(word, "tls") != 0)
		return FAIL(r,
		    "\"%.40s\" is not tls, the only word that may follow the "
		    "port",
		    word);
	arg[len] = '\0';
	if (number(r, arg, d, &n) != 0)
		return -1;
	*t = (struct transparent){
		.port = (uint16_t)n, .tls = *word != '\0', .line = r->line
	};
	conf->ntransparent++;
	return 0;
}

static bool
show_transparent(FILE *out, const struct directive *d, const struct conf *conf)
{
	for (size_t i = 0; i < conf->ntransparent; i++)
		fprintf(out, "%s %u%s\n", d->name,
		    (unsigned)conf->transparent[i].port,
		    conf->transparent[i].tls ? " tls" : "");
	return conf->ntransparent > 0;
}

static int
take_proxy_from(struct reader *r, const struct directive *d, char *arg)
{
	struct conf *conf = r->conf;
	struct block *list =
	    grow(r, conf->proxy_from, conf->nproxy_from, sizeof(*list));

	(void)d;
	if (list == NULL)
		return -1;
	conf->proxy_from = list;
	list += conf->nproxy_from;
	if (addr_parse_block(list, arg) != 0)
		return FAIL(r,
		    "\"%.60s\" is not an address or a block (a.b.c.d/0 to /32, "
		    "or IPv6 with /0 to /128)",
		    arg);
	doubts_blocks(r, arg);
	addr_mask(list->net, list->bits);
	conf->nproxy_from++;
	if (strstr(arg, "/0") != NULL && list->bits <= 96)
		reader_say(r, LOG_LEVEL_WARNING,
		    "everybody may claim to be any client; name only the load "
		    "balancers");
	return 0;
}

static bool
show_proxy_from(FILE *out, const struct directive *d, const struct conf *conf)
{
	char net[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < conf->nproxy_from; i++)
		fprintf(out, "%s %s\n", d->name,
		    addr_text_block(conf->proxy_from[i].net,
			conf->proxy_from[i].bits, net));
	return conf->nproxy_from > 0;
}

static int
take_bind(struct reader *r, const struct directive *d, char *arg)
{
	(void)d;
	return address(r, arg, r->conf->bind, &r->conf->nbind, BIND_MAX);
}

static bool
show_bind(FILE *out, const struct directive *d, const struct conf *conf)
{
	return show_addresses(out, d, conf->bind, conf->nbind);
}

/* Reads the bits of one family in PerHostNetBlockSize. */
static int
block_bits(struct reader *r, const char *arg, unsigned max, unsigned *bits)
{
	const struct directive bounds = { .min = 1, .max = max };
	unsigned long n;

	if (number(r, arg, &bounds, &n) != 0)
		return -1;
	*bits = (unsigned)n;
	return 0;
}

/* Bits for IPv4, and after a colon those for IPv6, as sshd_config(5) has it. */
static int
take_block_size(struct reader *r, const struct directive *d, char *arg)
{
	struct netblock *block = member(r, d);
	char *bits6 = strchr(arg, ':');

	if (bits6 != NULL)
		*bits6++ = '\0';
	if (block_bits(r, arg, 32, &block->bits4) != 0)
		return -1;
	return bits6 == NULL ? 0 : block_bits(r, bits6, 128, &block->bits6);
}

static bool
show_block_size(FILE *out, const struct directive *d, const struct conf *conf)
{
	const struct netblock *block = value_of(conf, d);

	fprintf(out, "%s %u:%u\n", d->name, block->bits4, block->bits6);
	return true;
}

/*
 * The path of a list of clients; it may turn out to be that of a Unix socket,
 * whose clients they are then.
 */
static int
take_list(struct reader *r, struct rule *rule, char *arg)
{
	const char *path = list_path(&arg);

	if (path == NULL || *arg != '\0')
		return FAIL(r,
		    "the path of a list or of a Unix socket must be absolute, "
		    "in double quotes; an address or a name stands without "
		    "quotes");
	rule->list = list_use(path, r->line);
	if (rule->list == NULL)
		return FAIL(r, "%s", strerror(errno));
	rule->list->addresses = true;
	rule->kind = RULE_LIST;
	return 0;
}

/* An address or a block.  Returns whether it is one. */
static bool
take_net(struct reader *r, struct rule *rule, const char *arg)
{
	if (addr_parse_net(&rule->net, &rule->bits, arg) != 0)
		return false;
	doubts_blocks(r, arg);
	addr_mask(rule->net.ip, rule->bits);
	return true;
}

/* Allow or Deny. */
static int
take_rule(struct reader *r, const struct directive *d, char *arg)
{
	struct acl *acl = &r->conf->acl;
	struct rule *rules = grow(r, acl->rules, acl->nrules, sizeof(*rules));
	struct rule *rule;
	size_t len = strlen(arg);

	if (rules == NULL)
		return -1;
	acl->rules = rules;
	rule = &rules[acl->nrules++];
	*rule = (struct rule){
		.allow = d->name[0] == 'A', .line = r->line, .kind = RULE_NET
	};
	if (arg[0] == '"')
		return take_list(r, rule, arg);
	if (take_net(r, rule, arg))
		return 0;
	if (arg[len - 1] == '.')
		arg[--len] = '\0';
	rule->kind = arg[0] == '.' ? RULE_SUFFIX : RULE_NAME;
	if (!is_word(arg) || len >= HOST_SIZE || name_ends_in_number(arg))
		return FAIL(r,
		    "\"%.60s\" is not an address, a block (a.b.c.d/0 to /32, "
		    "or IPv6 with /0 to /128), a name or a .suffix%s",
		    arg, doubts_host(arg));
	doubts_word(r, arg, "write 0.0.0.0/0 and ::/0");
	return set_string(r, &rule->name, arg);
}

/* A client, as it is written. */
static void
show_client(FILE *out, const struct rule *rule)
{
	char net[ADDR_TEXT_SIZE];

	if (rule->kind == RULE_LIST)
		fprintf(out, "\"%s\"\n", rule->list->path);
	else if (rule->kind == RULE_SOCKET)
		fprintf(out, "\"%s\"\n", local_path(rule->socket));
	else
		fprintf(out, "%s\n",
		    rule->kind == RULE_NET
			? addr_text_net(&rule->net, rule->bits, net)
			: rule->name);
}

/* Both in one list, since their order decides. */
static bool
show_rules(FILE *out, const struct directive *d, const struct conf *conf)
{
	(void)d;
	for (size_t i = 0; i < conf->acl.nrules; i++) {
		const struct rule *rule = &conf->acl.rules[i];

		show_place(out, conf, rule->line);
		fputs(rule->allow ? "Allow " : "Deny ", out);
		show_client(out, rule);
	}
	return conf->acl.nrules > 0;
}

/* They are with Allow. */
static bool
show_deny(FILE *out, const struct directive *d, const struct conf *conf)
{
	(void)out;
	(void)d;
	return conf->acl.nrules > 0;
}

/* What stands in place of a password that is shown. */
static const char mask[] = "***";

/* User and password, or NULL after a message. */
static char *
basic_auth_split(struct reader *r, char *arg)
{
	size_t name = strcspn(arg, " \t");
	char *password = arg + name + strspn(arg + name, " \t");

	if (*password == '\0' || strpbrk(password, " \t") != NULL)
		reader_say(r, LOG_LEVEL_ERROR,
		    "the value must be two words, user and password");
	else if (memchr(arg, ':', name) != NULL ||
	    strchr(password, '@') != NULL)
		reader_say(r, LOG_LEVEL_ERROR,
		    "the user must not contain ':', and the password must not "
		    "contain '@'; an AuthFile has no such limit for passwords");
	else if (name >= CREDENTIAL_SIZE || strlen(password) >= CREDENTIAL_SIZE)
		reader_say(r, LOG_LEVEL_ERROR,
		    "user and password may have at most %d bytes each",
		    CREDENTIAL_SIZE - 1);
	else if (strcmp(password, mask) == 0)
		reader_say(r, LOG_LEVEL_ERROR,
		    "%s is what -T shows for a password; write the password "
		    "itself",
		    mask);
	else {
		arg[name] = '\0';
		return password;
	}
	return NULL;
}

static int
take_basic_auth(struct reader *r, const struct directive *d, char *arg)
{
	struct acl *acl = &r->conf->acl;
	char *password = basic_auth_split(r, arg);
	struct user *users;

	(void)d;
	if (password == NULL)
		return -1;
	users = grow(r, acl->users, acl->nusers, sizeof(*users));
	if (users == NULL)
		return -1;
	acl->users = users;
	users += acl->nusers;
	memset(users, 0, sizeof(*users));
	/* Apart, so that an array that grows leaves no copy of it. */
	users->password = calloc(1, CREDENTIAL_SIZE);
	if (users->password == NULL) {
		reader_say(r, LOG_LEVEL_ERROR, "%s", strerror(errno));
		return -1;
	}
	acl->nusers++;
	strcpy(users->name, arg);
	strcpy(users->password, password);
	users->line = r->line;
	doubts_quotes(r, arg, password);
	return 0;
}

static bool
show_users(FILE *out, const struct directive *d, const struct conf *conf)
{
	for (size_t i = 0; i < conf->acl.nusers; i++) {
		show_place(out, conf, conf->acl.users[i].line);
		fprintf(
		    out, "%s %s %s\n", d->name, conf->acl.users[i].name, mask);
	}
	return conf->acl.nusers > 0;
}

static int
take_auth_file(struct reader *r, const struct directive *d, char *arg)
{
	char *path = absolute(r, arg);

	(void)d;
	if (path == NULL)
		return -1;
	r->conf->logins.wanted = true;
	if (add_string(r, &r->conf->auth_files, &r->conf->nauth_files, path) !=
	    0)
		return -1;
	return reader_users(r, path);
}

/* The program must be there, or all passwords would be wrong. */
static int
program_check(struct reader *r, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return FAIL(r, "%.400s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0)
		return FAIL(r, "%.400s is not a program", path);
	return 0;
}

static int
take_auth_helper(struct reader *r, const struct directive *d, char *arg)
{
	struct authhelper *command = member(r, d);
	char *text = unquote(arg);
	const char *wrong;

	if (text == NULL)
		return FAIL(r,
		    "the value must be a command in double quotes, with single "
		    "quotes around a word that has blanks: \"/path -b "
		    "'ou=a b'\"");
	authhelper_free(command);
	wrong = authhelper_read(command, text);
	if (wrong != NULL)
		return FAIL(r, "%s", wrong);
	return program_check(r, command->words[0]);
}

static bool
show_auth_helper(FILE *out, const struct directive *d, const struct conf *conf)
{
	const struct authhelper *command = value_of(conf, d);

	if (command->n > 0)
		fprintf(out, "%s \"%s\"\n", d->name, command->text);
	return command->n > 0;
}

static bool
show_auth_files(FILE *out, const struct directive *d, const struct conf *conf)
{
	return show_strings(out, d, conf->auth_files, conf->nauth_files);
}

/* A group of users, and some of them. */
static int
take_group(struct reader *r, const struct directive *d, char *arg)
{
	const char *at, *wrong = group_add(&r->conf->groups, r->line, arg, &at);

	(void)d;
	return wrong == NULL ? 0 : FAIL(r, "\"%.60s\": %s", at, wrong);
}

static bool
show_groups(FILE *out, const struct directive *d, const struct conf *conf)
{
	const struct group *group = conf->groups.first;

	for (; group != NULL; group = group->next) {
		fprintf(out, "%s %s", d->name, group->name);
		for (size_t i = 0; i < group->n; i++)
			fprintf(out, " %s", group->users[i]);
		fputc('\n', out);
	}
	return conf->groups.first != NULL;
}

/* Clients that need no credentials. */
static int
take_no_auth(struct reader *r, const struct directive *d, char *arg)
{
	struct conf *conf = r->conf;
	struct rule *rule =
	    grow(r, conf->no_auth, conf->nno_auth, sizeof(*rule));

	(void)d;
	if (rule == NULL)
		return -1;
	conf->no_auth = rule;
	rule += conf->nno_auth;
	*rule = (struct rule){ .line = r->line, .kind = RULE_NET };
	if (arg[0] == '"' && take_list(r, rule, arg) != 0)
		return -1;
	if (rule->kind == RULE_NET && !take_net(r, rule, arg))
		return FAIL(r,
		    "\"%.60s\" is not an address or a block (a.b.c.d/0 to /32, "
		    "or IPv6 with /0 to /128)%s",
		    arg, doubts_host(arg));
	conf->nno_auth++;
	return 0;
}

static bool
show_no_auth(FILE *out, const struct directive *d, const struct conf *conf)
{
	for (size_t i = 0; i < conf->nno_auth; i++) {
		fprintf(out, "%s ", d->name);
		show_client(out, &conf->no_auth[i]);
	}
	return conf->nno_auth > 0;
}

static int
take_hosts_file(struct reader *r, const struct directive *d, char *arg)
{
	struct conf *conf = r->conf;
	uint32_t number = (uint32_t)conf->nhosts_files;
	char *path = absolute(r, arg);

	(void)d;
	if (path == NULL ||
	    add_string(r, &conf->hosts_files, &conf->nhosts_files, path) != 0)
		return -1;
	return reader_pins(r, path, number);
}

static bool
show_hosts_files(FILE *out, const struct directive *d, const struct conf *conf)
{
	return show_strings(out, d, conf->hosts_files, conf->nhosts_files);
}

/* Targets and parents. */

/* Whether a text is empty, too long, or has a control character. */
static bool
is_no_because(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return true;
	return len == 0 || len > BECAUSE_MAX;
}

/*
 * Takes the last words of a rule, because "TEXT", off its end, if it has them.
 * *because becomes a copy that the configuration owns.
 */
static int
because_take(struct reader *r, char *arg, const char **because)
{
	static const char word[] = "because";
	char *end = arg + strlen(arg) - 1, *text = end, *at;

	if (*end != '"')
		return 0;
	while (text > arg && *--text != '"')
		;
	for (at = text; at > arg && (at[-1] == ' ' || at[-1] == '\t'); at--)
		;
	if (at == text || at - arg < (ptrdiff_t)sizeof(word) ||
	    strncasecmp(at - strlen(word), word, strlen(word)) != 0)
		return 0;
	*end = '\0';
	at -= sizeof(word);
	if (*at != ' ' && *at != '\t')
		return 0;
	if (is_no_because(text + 1))
		return FAIL(r,
		    "after \"because\" a text of 1 to %d bytes without "
		    "control characters must stand in double quotes",
		    BECAUSE_MAX);
	while (at > arg && (at[-1] == ' ' || at[-1] == '\t'))
		at--;
	*at = '\0';
	if (add_string(r, &r->conf->becauses, &r->conf->nbecauses, text + 1) !=
	    0)
		return -1;
	*because = r->conf->becauses[r->conf->nbecauses - 1];
	return 0;
}

/* AllowTo, DenyTo or ReportTo. */
static int
take_target(struct reader *r, const struct directive *d, char *arg)
{
	bool allow = d->name[0] != 'D';
	struct targets *t = &r->conf->acl.targets;
	const char *at, *wrong;
	const char *because = NULL;
	size_t n = t->n;

	if (because_take(r, arg, &because) != 0)
		return -1;
	doubts_blocks(r, arg);
	doubts_port(r, arg);
	wrong = target_add(t, allow, r->line, arg, &at);
	if (wrong != NULL)
		return FAIL(r, "%s%.103s%s: %s%s", at[0] == '"' ? "" : "\"", at,
		    at[0] == '"' ? "" : "\"", wrong,
		    at != arg && at[0] == '"' ? "" : doubts_target(at));
	for (; n < t->n; n++) {
		t->rules[n].report = d->name[0] == 'R';
		t->rules[n].because = because;
	}
	if (t->rules[t->n - 1].kind == RULE_NAME && arg[strlen(arg) - 1] != '.')
		doubts_word(r, t->rules[t->n - 1].name, "write *");
	return 0;
}

/* A target and its ports; only an IPv6 address with ports has brackets. */
static void
show_target(FILE *out, const struct target_rule *rule)
{
	bool has_ports = rule->port_min != 0 || rule->port_max != 65535;
	const char *form = "%s", *target = rule->name;
	char net[ADDR_TEXT_SIZE];

	if (rule->kind == RULE_ANY)
		target = "*";
	else if (rule->wholesale)
		target = "private";
	else if (rule->kind == RULE_NET)
		target = addr_text_block(rule->net, rule->bits, net);
	else if (rule->kind == RULE_LIST)
		form = "\"%s\"", target = rule->list->path;
	else if (strcmp(target, "private") == 0)
		form = "%s."; /* which is a name, and not all those blocks */
	if (has_ports && rule->kind == RULE_NET && strchr(target, ':') != NULL)
		form = "[%s]";
	fprintf(out, form, target);
	if (has_ports)
		fprintf(out, ":%u", (unsigned)rule->port_min);
	if (rule->port_max != rule->port_min && has_ports)
		fprintf(out, "-%u", (unsigned)rule->port_max);
}

/* For whom a rule is. */
static void
show_who(FILE *out, const struct who *who)
{
	const char *name = who->users;
	char net[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < who->nusers; i++) {
		fprintf(out, "%s %s", i == 0 ? " user" : "", name);
		name += strlen(name) + 1;
	}
	for (size_t i = 0; i < who->nclients; i++)
		fprintf(out, "%s %s", i == 0 ? " client" : "",
		    addr_text_block(
			who->clients[i].net, who->clients[i].bits, net));
	for (size_t i = 0; i < who->nsockets; i++)
		fprintf(out, "%s \"%s\"",
		    i + who->nclients == 0 ? " client" : "",
		    local_path(who->sockets[i]));
	for (size_t i = 0; i < who->nlists; i++)
		fprintf(out, "%s \"%s\"",
		    i + who->nclients + who->nsockets == 0 ? " client" : "",
		    who->lists[i]->path);
}

/* Both in one list, since their order decides; "private" is many rules. */
static bool
show_targets(FILE *out, const struct directive *d, const struct conf *conf)
{
	const struct targets *t = &conf->acl.targets;

	(void)d;
	for (size_t i = 0; i < t->n; i++) {
		const struct target_rule *rule = &t->rules[i];

		if (i > 0 && rule->line == rule[-1].line)
			continue;
		show_place(out, conf, rule->line);
		fprintf(out, "%s ", target_directive(rule));
		show_target(out, rule);
		fputs(rule->below ? " below" : "", out);
		fputs(rule->tls ? " tls" : "", out);
		fputs(rule->noech ? " noech" : "", out);
		if (rule->who != NULL)
			show_who(out, rule->who);
		if (rule->because != NULL)
			fprintf(out, " because \"%s\"", rule->because);
		fputc('\n', out);
	}
	return t->n > 0;
}

/* They are with AllowTo. */
static bool
show_other_to(FILE *out, const struct directive *d, const struct conf *conf)
{
	(void)out;
	(void)d;
	return conf->acl.targets.n > 0;
}

/* The prefix of a NAT64. */
static int
take_nat64(struct reader *r, const struct directive *d, char *arg)
{
	struct block block;
	const char *wrong;

	(void)d;
	doubts_blocks(r, arg);
	if (!who_block(&block, arg))
		return FAIL(r,
		    "\"%.60s\" is not a prefix, as in 2001:db8:64::/96", arg);
	wrong = acl_nat64_add(&r->conf->acl, &block);
	return wrong == NULL ? 0 : FAIL(r, "%s", wrong);
}

static bool
show_nat64(FILE *out, const struct directive *d, const struct conf *conf)
{
	char text[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < conf->acl.nnat64; i++)
		fprintf(out, "%s %s\n", d->name,
		    addr_text_block(
			conf->acl.nat64[i].net, conf->acl.nat64[i].bits, text));
	return conf->acl.nnat64 > 0;
}

static int
take_upstream(struct reader *r, const struct directive *d, char *arg)
{
	struct upstreams *us = &r->conf->upstreams;
	const struct upstream *u;
	const char *wrong;

	(void)d;
	doubts_blocks(r, arg);
	wrong = upstream_add(us, r->line, arg);
	if (wrong != NULL)
		return FAIL(r, "%s", wrong);
	u = &us->list[us->n - 1];
	if (u->user != NULL)
		doubts_quotes(r, u->user, u->password);
	if (u->site.kind == RULE_NAME)
		doubts_word(r, u->site.name, "leave the site out");
	return 0;
}

/* Where a parent is. */
static void
show_parent(FILE *out, const struct upstream *u)
{
	fprintf(out,
	    u->addr.local != 0                 ? "\"%s\""
		: strchr(u->host, ':') != NULL ? "[%s]"
					       : "%s",
	    u->host);
	if (u->addr.local == 0)
		fprintf(out, ":%u", (unsigned)u->port);
}

static void
show_upstream(FILE *out, const struct upstream *u)
{
	const struct rule *site = &u->site;
	char net[ADDR_TEXT_SIZE];

	fprintf(out, " %s", upstream_kind(u));
	if (u->host != NULL) {
		fprintf(out, " %s%s", u->user != NULL ? mask : "",
		    u->user != NULL ? "@" : "");
		show_parent(out, u);
	}
	if (site->kind == RULE_LIST)
		fprintf(out, " \"%s\"%s", site->list->path,
		    site->below ? " below" : "");
	else if (site->kind != RULE_ANY)
		fprintf(out, " \"%s\"",
		    site->kind == RULE_NET
			? addr_text_net(&site->net, site->bits, net)
			: site->name);
}

static bool
show_upstreams(FILE *out, const struct directive *d, const struct conf *conf)
{
	for (size_t i = 0; i < conf->upstreams.n; i++) {
		show_place(out, conf, conf->upstreams.list[i].line);
		fputs(d->name, out);
		show_upstream(out, &conf->upstreams.list[i]);
		fputc('\n', out);
	}
	return conf->upstreams.n > 0;
}

/* The PROXY header for a parent. */
static int
take_send_proxy(struct reader *r, const struct directive *d, char *arg)
{
	const char *wrong =
	    upstream_greeting_add(&r->conf->upstreams, r->line, arg);

	(void)d;
	return wrong == NULL ? 0 : FAIL(r, "%s", wrong);
}

static bool
show_send_proxy(FILE *out, const struct directive *d, const struct conf *conf)
{
	const struct upstreams *us = &conf->upstreams;

	for (size_t i = 0; i < us->ngreetings; i++) {
		const struct upstream *to = &us->greetings[i];

		fprintf(out, "%s v%u ", d->name, to->preface);
		show_parent(out, to);
		fputc('\n', out);
	}
	return us->ngreetings > 0;
}

/* Plain HTTP. */

static int
take_anonymous(struct reader *r, const struct directive *d, char *arg)
{
	struct header_rules *headers = &r->conf->headers;
	char *name = quoted_next(&arg);

	(void)d;
	if (name == NULL || *arg != '\0' || !parse_is_token(name, strlen(name)))
		return FAIL(r,
		    "the value must be the name of a field in double quotes, "
		    "as in \"Accept\"");
	return add_string(r, &headers->passed, &headers->npassed, name);
}

static bool
show_anonymous(FILE *out, const struct directive *d, const struct conf *conf)
{
	return show_strings(
	    out, d, conf->headers.passed, conf->headers.npassed);
}

/* Whether a field can be added; says why not. */
static bool
header_allowed(struct reader *r, const char *name, const char *value)
{
	if (name == NULL || value == NULL ||
	    !parse_is_token(name, strlen(name)))
		reader_say(r, LOG_LEVEL_ERROR,
		    "the value must be the name of a field and what is in it, "
		    "each in double quotes, as in \"X-Name\" \"text\"");
	else if (strlen(name) + strlen(value) > ADD_HEADER_MAX)
		reader_say(r, LOG_LEVEL_ERROR,
		    "name and text may have at most %d bytes together",
		    ADD_HEADER_MAX);
	else if (r->conf->headers.nadded == ADD_HEADERS_MAX)
		reader_say(r, LOG_LEVEL_ERROR,
		    "there may be at most %d such lines", ADD_HEADERS_MAX);
	else if ((field_traits(name, strlen(name)) & FIELD_FIXED) != 0)
		reader_say(r, LOG_LEVEL_ERROR,
		    "%s says where a message goes or ends; it cannot be added",
		    name);
	else
		return true;
	return false;
}

static int
take_add_header(struct reader *r, const struct directive *d, char *arg)
{
	struct header_rules *headers = &r->conf->headers;
	char *name = quoted_next(&arg), *value = quoted_next(&arg);
	struct header_added *list;

	(void)d;
	if (!header_allowed(r, name, *arg == '\0' ? value : NULL))
		return -1;
	list = grow(r, headers->added, headers->nadded, sizeof(*list));
	if (list == NULL)
		return -1;
	headers->added = list;
	list += headers->nadded++;
	*list = (struct header_added){ NULL, NULL };
	if (set_string(r, &list->name, name) != 0)
		return -1;
	return set_string(r, &list->value, value);
}

static bool
show_added(FILE *out, const struct directive *d, const struct conf *conf)
{
	const struct header_rules *headers = &conf->headers;

	for (size_t i = 0; i < headers->nadded; i++)
		fprintf(out, "%s \"%s\" \"%s\"\n", d->name,
		    headers->added[i].name, headers->added[i].value);
	return headers->nadded > 0;
}

/* Reverse proxying. */

/* A path and a URL, or a URL alone for the path "/". */
static int
take_reverse_path(struct reader *r, const struct directive *d, char *arg)
{
	struct reverse *reverse = &r->conf->reverse;
	const char *path = quoted_next(&arg), *url = path, *wrong;
	const struct mapping *hidden;

	(void)d;
	if (*arg != '\0')
		url = quoted_next(&arg);
	else
		path = "/";
	if (url == NULL || *arg != '\0')
		return FAIL(r,
		    "the value must be a path and a URL, each in double "
		    "quotes, as in \"/path/\" \"http://host/\"");
	wrong = reverse_add(reverse, r->line, path, url);
	if (wrong != NULL)
		return FAIL(r, "%s", wrong);
	hidden = reverse_hidden(reverse);
	if (hidden != NULL)
		reader_say(r, LOG_LEVEL_WARNING,
		    "this line takes \"%.60s\" of %s too, since the "
		    "last match counts; put it before that line",
		    hidden->path, reader_line(r, hidden->line));
	return 0;
}

static bool
show_mappings(FILE *out, const struct directive *d, const struct conf *conf)
{
	const struct reverse *reverse = &conf->reverse;

	for (size_t i = 0; i < reverse->n; i++) {
		show_place(out, conf, reverse->list[i].line);
		fprintf(out, "%s \"%s\" \"%s\"\n", d->name,
		    reverse->list[i].path, reverse->list[i].url);
	}
	return reverse->n > 0;
}

static int
take_reverse_base(struct reader *r, const struct directive *d, char *arg)
{
	char *text = unquote(arg);
	const char *wrong;

	(void)d;
	if (text == NULL)
		return FAIL(r,
		    "the value must be a URL in double quotes, as in "
		    "\"http://host/\"");
	wrong = reverse_base(&r->conf->reverse, text);
	return wrong == NULL ? 0 : FAIL(r, "%s", wrong);
}

/* Other files. */

/* Include: the lines of other files, in the place of this one. */
static int
take_include(struct reader *r, const struct directive *d, char *arg)
{
	const char *wrong = reader_include(r, arg);

	(void)d;
	return wrong == NULL ? 0 : FAIL(r, "%s", wrong);
}

/* The control process. */

/* StatusListen: an address, and perhaps a port. */
static int
take_status_listen(struct reader *r, const struct directive *d, char *arg)
{
	struct conf_status *status = &r->conf->status;
	size_t len = strcspn(arg, " \t"), at = status->nlisten;
	char *port = arg + len + strspn(arg + len, " \t");
	unsigned long n = STATUS_PORT;

	if (*port != '\0' && number(r, port, d, &n) != 0)
		return -1;
	arg[len] = '\0';
	if (address(r, arg, status->listen, &status->nlisten, STATUS_MAX) != 0)
		return -1;
	status->listen[at].port = (uint16_t)n;
	status->lines[at] = r->line;
	for (size_t i = 0; i < at; i++)
		if (status->listen[i].port == n &&
		    addr_same_ip(&status->listen[i], &status->listen[at]))
			return FAIL(r, "%s has this address and port already",
			    reader_line(r, status->lines[i]));
	return 0;
}

static bool
show_status_listen(
    FILE *out, const struct directive *d, const struct conf *conf)
{
	const struct conf_status *status = &conf->status;
	char text[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < status->nlisten; i++)
		fprintf(out, "%s %s %u\n", d->name,
		    addr_text(&status->listen[i], text),
		    (unsigned)status->listen[i].port);
	return status->nlisten > 0;
}

/* StatusAllow: an address or a block. */
static int
take_status_allow(struct reader *r, const struct directive *d, char *arg)
{
	struct conf_status *status = &r->conf->status;
	struct block *allow =
	    grow(r, status->allow, status->nallow, sizeof(*allow));

	(void)d;
	if (allow == NULL)
		return -1;
	status->allow = allow;
	if (addr_parse_block(&allow[status->nallow], arg) != 0)
		return FAIL(r,
		    "\"%.60s\" is not an address or a block of addresses, as "
		    "10.0.0.0/8",
		    arg);
	status->nallow++;
	return 0;
}

static bool
show_status_allow(FILE *out, const struct directive *d, const struct conf *conf)
{
	char text[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < conf->status.nallow; i++)
		fprintf(out, "%s %s\n", d->name,
		    addr_text_block(conf->status.allow[i].net,
			conf->status.allow[i].bits, text));
	return conf->status.nallow > 0;
}

/* ControlMode: what chmod(1) takes, in octal. */
static int
take_control_mode(struct reader *r, const struct directive *d, char *arg)
{
	(void)d;
	if (mode_parse(&r->conf->status.mode, arg) != 0)
		return FAIL(
		    r, "\"%.40s\" is not a mode in octal, as 0660", arg);
	return 0;
}

static bool
show_control_mode(FILE *out, const struct directive *d, const struct conf *conf)
{
	fprintf(out, "%s 0%o\n", d->name, conf->status.mode);
	return true;
}

/* The table. */

#define AT(name) .offset = offsetof(struct conf, name)

/* clang-format off */
static const struct directive directives[] = {
	{ "AccessLog", take_access_log, show_access_logs, .value = NULL },
	{ "AccessLogInterval", take_access_interval, show_number,
	    AT(access_interval), .value = "0", .min = 0, .max = SECONDS_MAX },
	{ "AccessLogStart", take_bool, show_bool, AT(access_start),
	    .value = "no" },
	{ "AddHeader", take_add_header, show_added, .value = NULL },
	{ "Allow", take_rule, show_rules, .value = NULL },
	{ "AllowTo", take_target, show_targets, .value = NULL },
	{ "Anonymous", take_anonymous, show_anonymous, .value = NULL },
	{ "AuthFile", take_auth_file, show_auth_files, .value = NULL },
	{ "AuthHelper", take_auth_helper, show_auth_helper, AT(auth_helper) },
	{ "BasicAuth", take_basic_auth, show_users, .value = NULL },
	{ "BasicAuthRealm", take_realm, show_string, AT(realm),
	    .value = "\"adit\"" },
	{ "Bind", take_bind, show_bind, .value = NULL },
	{ "BindSame", take_bool, show_bool, AT(bind_same), .value = "no" },
	{ "Chroot", take_path, show_string, AT(chroot) },
	{ "ConnectPort", take_connect_port, show_connect_ports,
	    .min = 0, .max = 65535 },
	{ "ConnectTimeout", take_number, show_number, AT(connect_timeout),
	    .value = "30", .min = 1, .max = 86400 },
	{ "Contact", take_contact, show_string, AT(contact) },
	{ "ControlGroup", take_word, show_word, AT(status.group) },
	{ "ControlMode", take_control_mode, show_control_mode,
	    AT(status.mode), .value = "0660" },
	{ "ControlSocket", take_path, show_string, AT(status.socket) },
	{ "DecisionLog", take_decision_log, show_decision_log, .value = NULL },
	{ "DefaultErrorFile", take_page, show_page, AT(pages.error) },
	{ "Deny", take_rule, show_deny, .value = NULL },
	{ "DenyTo", take_target, show_other_to, .value = NULL },
	{ "DeskUser", take_word, show_word, AT(desk_user) },
	{ "DisableViaHeader", take_bool, show_bool, AT(disable_via),
	    .value = "no" },
	{ "DistrustLoopback", take_bool, show_bool, AT(acl.distrust_loopback),
	    .value = "no" },
	{ "DrainDelay", take_number, show_number, AT(drain_delay), .value = "0",
	    .min = 0, .max = 3600 },
	{ "DrainOnTerm", take_bool, show_bool, AT(drain_on_term),
	    .value = "no" },
	{ "DrainTimeout", take_number, show_number, AT(drain_timeout),
	    .value = "86400", .min = 0, .max = SECONDS_MAX },
	{ "ErrorFile", take_error_file, show_error_files,
	    .min = 100, .max = 599 },
	{ "Filter", take_path, show_string, AT(filter.file) },
	{ "FilterCaseSensitive", take_bool, show_bool,
	    AT(filter.case_sensitive), .value = "no" },
	{ "FilterDefaultDeny", take_bool, show_bool, AT(filter.default_deny),
	    .value = "no" },
	{ "FilterExtended", take_filter_extended, NULL, .value = NULL },
	{ "FilterType", take_filter_type, show_filter_type,
	    AT(filter.type), .value = "bre" },
	{ "FilterURLs", take_bool, show_bool, AT(filter.urls), .value = "no" },
	{ "FreeBind", take_bool, show_bool, AT(free_bind), .value = "no" },
	{ "Group", take_word, show_word, AT(group) },
	{ "HalfClosedTimeout", take_number, show_number,
	    AT(half_closed_timeout), .value = "60", .min = 1,
	    .max = SECONDS_MAX },
	{ "HealthPath", take_health_path, show_string, AT(health_path) },
	{ "HeaderTimeout", take_number, show_number, AT(header_timeout),
	    .value = "30", .min = 1, .max = 86400 },
	{ "HostsFile", take_hosts_file, show_hosts_files, .value = NULL },
	{ "Include", take_include, NULL, .value = NULL },
	{ "Listen", take_listen, show_listen, .value = NULL },
	{ "ListenProxy", take_listen_proxy, show_listen_proxy,
	    .min = 1, .max = 65535 },
	{ "LogFile", take_path, show_string, AT(logfile) },
	{ "LogLevel", take_log_level, show_log_level, AT(loglevel),
	    .value = "info" },
	{ "LogTime", take_log_time, show_log_time, AT(log_time),
	    .value = "classic" },
	{ "MaxClients", take_number, show_number, AT(max_clients),
	    .min = 1, .max = 1000000 },
	{ "MaxClientsPerHost", take_number, show_number,
	    AT(per_host.clients), .min = 1, .max = 1000000 },
	{ "MaxDraining", take_number, show_number, AT(max_draining),
	    .value = "0", .min = 0, .max = 1024 },
	{ "MaxRatePerHost", take_number, show_number, AT(per_host.rate),
	    .min = 1, .max = 100000 },
	{ "MaxRequestsPerChild", take_obsolete, NULL, .max = NUMBER_MAX },
	{ "MaxSpareServers", take_obsolete, NULL, .max = NUMBER_MAX },
	{ "MinSpareServers", take_obsolete, NULL, .max = NUMBER_MAX },
	{ "NAT64Prefix", take_nat64, show_nat64, .value = NULL },
	{ "NoAuth", take_no_auth, show_no_auth, .value = NULL },
	{ "PacFile", take_pac, show_page, AT(pac) },
	{ "PeerUser", take_bool, show_bool, AT(peer_user), .value = "no" },
	{ "PerHostNetBlockSize", take_block_size, show_block_size,
	    AT(per_host.block), .value = "32:64" },
	{ "PidFile", take_path, show_string, AT(pidfile) },
	{ "Port", take_port, show_port, AT(port), .min = 1, .max = 65535 },
	{ "ProxyFrom", take_proxy_from, show_proxy_from, .value = NULL },
	{ "RateLimit", take_number, show_number, AT(rate_limit),
	    .min = 1024, .max = 1000000000 },
	{ "ReloadTunnels", take_tunnels, show_tunnels, AT(judge_tunnels),
	    .value = "keep" },
	{ "ReportTo", take_target, show_other_to, .value = NULL },
	{ "ReverseBaseURL", take_reverse_base, show_string,
	    AT(reverse.base_url) },
	{ "ReverseMagic", take_bool, show_bool, AT(reverse.magic),
	    .value = "no" },
	{ "ReverseOnly", take_bool, show_bool, AT(reverse.only),
	    .value = "no" },
	{ "ReversePath", take_reverse_path, show_mappings, .value = NULL },
	{ "Sandbox", take_bool, show_bool, AT(sandbox), .value = "yes" },
	{ "SendProxy", take_send_proxy, show_send_proxy, .value = NULL },
	{ "StartServers", take_obsolete, NULL, .max = NUMBER_MAX },
	{ "StatFile", take_page, show_page, AT(pages.stat) },
	{ "StatHost", take_stat_host, show_string, AT(stat_host.name),
	    .value = "\"tinyproxy.stats\"" },
	{ "StatusAllow", take_status_allow, show_status_allow,
	    .value = NULL },
	{ "StatusDetails", take_bool, show_bool, AT(status.details),
	    .value = "yes" },
	{ "StatusListen", take_status_listen, show_status_listen,
	    .min = 1, .max = 65535 },
	{ "Syslog", take_bool, show_bool, AT(syslog), .value = "no" },
	{ "Timeout", take_timeout, show_number, AT(timeout),
	    .value = "600", .min = 0, .max = SECONDS_MAX },
	{ "Transparent", take_bool, show_bool, AT(reverse.by_host),
	    .value = "no" },
	{ "TransparentPort", take_transparent, show_transparent, .min = 1,
	    .max = 65535 },
	{ "TunnelTimeout", take_number, show_number, AT(tunnel_timeout),
	    .value = "0", .min = 0, .max = SECONDS_MAX },
	{ "Upstream", take_upstream, show_upstreams, .value = NULL },
	{ "User", take_word, show_word, AT(user) },
	{ "UserGroup", take_group, show_groups, .value = NULL },
	{ "ViaProxyName", take_via_name, show_string, AT(via_name),
	    .value = "\"adit\"" },
	{ "Workers", take_workers, show_workers, AT(workers),
	    .value = "auto", .min = 1, .max = WORKERS_MAX },
	{ "XTinyproxy", take_bool, show_bool, AT(headers.xtinyproxy),
	    .value = "no" }
};
/* clang-format on */

enum { DIRECTIVES = sizeof(directives) / sizeof(*directives) };
_Static_assert(
    sizeof(directives) / sizeof(*directives) <= (size_t)DIRECTIVES_MAX,
    "each has its place in the lines of a configuration");

static const struct directive *
directive_find(const char *keyword)
{
	for (size_t i = 0; i < DIRECTIVES; i++)
		if (strcasecmp(keyword, directives[i].name) == 0)
			return &directives[i];
	return NULL;
}

/* A misspelt directive. */

/* The directive that was probably meant, or NULL: none is close. */
static const struct directive *
directive_near(const char *keyword)
{
	unsigned best = text_limit(keyword), d;
	const struct directive *near = NULL;

	for (size_t i = 0; i < DIRECTIVES; i++) {
		d = text_distance(keyword, directives[i].name);
		if (d < best) {
			best = d;
			near = &directives[i];
		}
	}
	return near;
}

static void
unknown_say(struct reader *r)
{
	const struct directive *near = directive_near(r->keyword);

	if (near != NULL)
		reader_say(r, LOG_LEVEL_ERROR,
		    "unknown directive; did you mean \"%s\"?", near->name);
	else
		reader_say(r, LOG_LEVEL_ERROR,
		    "unknown directive; adit.conf(5) lists all of them");
}

/* All of them. */

/*
 * Returns the comment after a value, or NULL: it begins with a '#' after a
 * blank, and not within quotes.  The two words of BasicAuth may begin so, too.
 */
static const char *
comment_find(const struct directive *d, const char *arg)
{
	unsigned words = d->take == take_basic_auth ? 2 : 0;
	bool quoted = false;

	for (const char *at = arg; *at != '\0'; at++) {
		bool begins = at == arg || at[-1] == ' ' || at[-1] == '\t';

		if (begins && *at != ' ' && *at != '\t' && words > 0)
			words--;
		else if (begins && *at == '#' && !quoted)
			return at;
		if (*at == '"' && d->take != take_basic_auth)
			quoted = !quoted;
	}
	return NULL;
}

/* Takes the value of a directive, and notes in which line it was given. */
static void
value_take(struct reader *r, const struct directive *d, char *arg)
{
	unsigned long *line = &r->conf->lines[d - directives];
	const char *comment = comment_find(d, arg);

	r->keyword = d->name;
	if (comment != NULL)
		reader_say(r, LOG_LEVEL_ERROR,
		    "a comment must have a line of its own; move \"%.40s\" "
		    "there",
		    comment);
	else if (d->take(r, d, arg) != 0)
		r->lacks_users = r->lacks_users || d->take == take_basic_auth ||
		    d->take == take_auth_file || d->take == take_auth_helper;
	else if (d->offset != 0 && *line != 0)
		reader_say(r, LOG_LEVEL_WARNING,
		    "this line replaces %s; only the last %s counts",
		    reader_line(r, *line), d->name);
	list_label(d->name);
	*line = r->line;
	r->keyword = NULL;
}

/*
 * Returns the number of the last line that gives a directive, whether it is
 * right or wrong; 0 if there is none.
 */
unsigned long
directives_line(const struct conf *conf, const char *directive)
{
	const struct directive *d = directive_find(directive);

	return d != NULL ? conf->lines[d - directives] : 0;
}

static void
missing_say(struct reader *r, const struct directive *d)
{
	r->conf->lines[d - directives] = r->line;
	if (d->value != NULL)
		reader_say(r, LOG_LEVEL_ERROR,
		    "the value is missing; the default is %s", d->value);
	else
		reader_say(r, LOG_LEVEL_ERROR, "the value is missing");
}

/*
 * Gives the reader's configuration, which is all zero, the default of each
 * directive that has one.  For want of memory this fails with a message.
 */
void
directives_begin(struct reader *r)
{
	char text[DEFAULT_SIZE];

	for (size_t i = 0; i < DIRECTIVES; i++)
		if (directives[i].value != NULL) {
			snprintf(text, sizeof(text), "%s", directives[i].value);
			value_take(r, &directives[i], text);
		}
}

/* Takes a line without its end, which is changed, or says what is wrong. */
void
directives_take(struct reader *r, char *line)
{
	const struct directive *d;
	char *arg;

	r->keyword = reader_split(line, &arg);
	if (r->keyword == NULL)
		return;
	d = directive_find(r->keyword);
	if (d == NULL)
		unknown_say(r);
	else if (*arg != '\0')
		value_take(r, d, arg);
	else
		missing_say(r, d);
	r->keyword = NULL;
}

/*
 * Prints the configuration in effect, defaults included, as lines that mean
 * the same when they are read again, but with masks in place of passwords.
 * What has no value is a comment.  Returns 0, or -1 with errno.
 */
int
directives_print(const struct conf *conf, FILE *out)
{
	for (size_t i = 0; i < DIRECTIVES; i++) {
		const struct directive *d = &directives[i];

		if (d->offset != 0 && d->show != NULL)
			show_place(out, conf, conf->lines[i]);
		if (d->show != NULL && !d->show(out, d, conf))
			fprintf(out, "# %s is not set\n", d->name);
	}
	return fflush(out) != 0 || ferror(out) ? -1 : 0;
}

static void
strings_free(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

/* Frees rules for clients. */
static void
rules_free(struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(rules[i].name);
		if (rules[i].kind == RULE_LIST)
			list_drop(rules[i].list);
		if (rules[i].kind == RULE_SOCKET)
			local_drop(rules[i].socket);
	}
	free(rules);
}

static void
acl_free(struct acl *acl)
{
	rules_free(acl->rules, acl->nrules);
	target_free(&acl->targets);
	for (size_t i = 0; i < acl->nusers; i++) {
		secret_wipe(acl->users[i].password, CREDENTIAL_SIZE);
		free(acl->users[i].password);
	}
	free(acl->users);
}

static void
headers_free(struct header_rules *headers)
{
	strings_free(headers->passed, headers->npassed);
	for (size_t i = 0; i < headers->nadded; i++) {
		free(headers->added[i].name);
		free(headers->added[i].value);
	}
	free(headers->added);
}

static void
pages_free(struct pages *pages)
{
	for (size_t i = 0; i < pages->n; i++)
		page_free(&pages->list[i].page);
	free(pages->list);
	page_free(&pages->error);
	page_free(&pages->stat);
}

static void
listen_free(struct conf *conf)
{
	for (size_t i = 0; i < conf->nlisten; i++) {
		local_drop(conf->listen[i].local);
		free(conf->listen_rights[i].group);
		free(conf->listen_rights[i].owner);
	}
}

/* Frees what the values of directives own. */
void
directives_free(struct conf *conf)
{
	char *words[] = { conf->user, conf->group, conf->desk_user, conf->realm,
		conf->logfile, conf->pidfile, conf->chroot, conf->via_name,
		conf->stat_host.name, conf->status.socket, conf->status.group,
		conf->contact, conf->health_path };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		free(words[i]);
	listen_free(conf);
	free(conf->proxy_from);
	for (size_t i = 0; i < conf->naccess; i++)
		free(conf->access[i].path);
	acl_free(&conf->acl);
	strings_free(conf->becauses, conf->nbecauses);
	strings_free(conf->auth_files, conf->nauth_files);
	login_free(&conf->logins);
	authhelper_free(&conf->auth_helper);
	group_free(&conf->groups);
	rules_free(conf->no_auth, conf->nno_auth);
	strings_free(conf->hosts_files, conf->nhosts_files);
	pins_free(&conf->pins);
	upstream_free(&conf->upstreams);
	headers_free(&conf->headers);
	filter_free(&conf->filter);
	reverse_free(&conf->reverse);
	pages_free(&conf->pages);
	free(conf->status.allow);
	page_free(&conf->pac);
}
