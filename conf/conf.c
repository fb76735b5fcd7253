/* SPDX-License-Identifier: ISC */
/*
 * The configuration file, in tinyproxy.conf's grammar, to a struct conf.  One
 * table names every directive with the kind of its argument and where it
 * goes.  A file is read whole into a new struct, all its errors are told, and
 * only a file without errors gives a configuration: nothing is ever dropped,
 * clipped or changed in place.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "acl.h"
#include "addr.h"
#include "array.h"
#include "bounds.h"
#include "compiler.h"
#include "conf.h"
#include "fields.h"
#include "filter.h"
#include "log.h"
#include "login.h"
#include "name.h"
#include "page.h"
#include "parse.h"
#include "program.h"
#include "reverse.h"
#include "rewrite.h"
#include "rule.h"
#include "secret.h"
#include "sys.h"
#include "target.h"
#include "upstream.h"
#include "who.h"

enum {
	SECONDS_MAX = 2147483, /* s: milliseconds fit in 31 bits */
	ADD_HEADER_MAX = 1000, /* bytes of one AddHeader */
	ADD_HEADERS_MAX = 16,  /* of them */
	REALM_MAX = 120,       /* bytes */
	LINE_SIZE = 4096       /* bytes of a line, to begin with */
};

/* What the reader knows while it goes through a file. */
struct reader {
	struct conf *conf;
	const char *file;
	unsigned long line;
	const char *keyword; /* of the line at hand, or NULL */
	int status;          /* to exit with; 0 while nothing is wrong */
	void (*say)(enum log_level, const char *text);
};

/*
 * What a take_ function does with its argument, which is the rest of the line
 * without the blanks around it: check it, store it at offset in the struct
 * conf, return 0; or say what is wrong and return -1.
 */
struct directive {
	const char *name;
	int (*take)(struct reader *, const struct directive *, char *arg);
	size_t offset;
	unsigned long min, max;
};

static void say(struct reader *, enum log_level, const char *, ...)
    PRINTF_LIKE(3, 4);

static void
say(struct reader *r, enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_SIZE], place[32] = "";
	size_t n;
	va_list ap;

	if (level <= LOG_LEVEL_ERROR)
		r->status = STATUS_CONF;
	if (r->line != 0)
		snprintf(place, sizeof(place), "%lu:", r->line);
	snprintf(text, sizeof(text), "%.400s:%s %s%.64s%s", r->file, place,
	    level == LOG_LEVEL_WARNING      ? "warning: "
		: level == LOG_LEVEL_NOTICE ? "notice: "
					    : "",
	    r->keyword != NULL ? r->keyword : "",
	    r->keyword != NULL ? ": " : "");
	n = strlen(text);
	va_start(ap, format);
	vsnprintf(text + n, sizeof(text) - n, format, ap);
	va_end(ap);
	r->say(level, text);
}

#define FAIL(r, ...) (say(r, LOG_LEVEL_ERROR, __VA_ARGS__), -1)

static void *
member(struct reader *r, const struct directive *d)
{
	return (char *)r->conf + d->offset;
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

/* Makes room for one more at the end of an array. */
static void *
grow(struct reader *r, void *array, size_t n, size_t size)
{
	void *grown = array_room(array, n, size);

	if (grown == NULL)
		say(r, LOG_LEVEL_ERROR, "%s", strerror(errno));
	return grown;
}

/* Decimal digits alone, within bounds. */
static int
number(struct reader *r, const char *arg, unsigned long min, unsigned long max,
    unsigned long *n)
{
	size_t digits = strspn(arg, "0123456789");

	if (digits == 0 || arg[digits] != '\0')
		return FAIL(r, "\"%.40s\" is not a number", arg);
	if (arg[0] == '0' && digits > 1)
		return FAIL(r, "a number has no leading zero: \"%.40s\"", arg);
	errno = 0;
	*n = strtoul(arg, NULL, 10);
	if (errno != 0 || *n < min || *n > max)
		return FAIL(
		    r, "%.40s is out of range, %lu to %lu", arg, min, max);
	return 0;
}

static int
take_number(struct reader *r, const struct directive *d, char *arg)
{
	unsigned long n;

	if (number(r, arg, d->min, d->max, &n) != 0)
		return -1;
	*(unsigned *)member(r, d) = (unsigned)n;
	return 0;
}

static int
take_port(struct reader *r, const struct directive *d, char *arg)
{
	unsigned long n;

	if (number(r, arg, d->min, d->max, &n) != 0)
		return -1;
	*(uint16_t *)member(r, d) = (uint16_t)n;
	return 0;
}

/* Timeout 0 is what tinyproxy warns of and takes for its default. */
static int
take_timeout(struct reader *r, const struct directive *d, char *arg)
{
	if (take_number(r, d, arg) != 0)
		return -1;
	if (r->conf->timeout == 0) {
		say(r, LOG_LEVEL_WARNING, "0 means the default, 600");
		r->conf->timeout = 600;
	}
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

static int
boolean(struct reader *r, const char *arg, bool *b)
{
	bool yes = strcasecmp(arg, "yes") == 0 || strcasecmp(arg, "on") == 0;

	if (!yes && strcasecmp(arg, "no") != 0 && strcasecmp(arg, "off") != 0)
		return FAIL(r, "\"%.40s\" is not yes, on, no or off", arg);
	*b = yes;
	return 0;
}

static int
take_bool(struct reader *r, const struct directive *d, char *arg)
{
	return boolean(r, arg, member(r, d));
}

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

static int
take_string(struct reader *r, const struct directive *d, char *arg)
{
	char *text = unquote(arg);

	if (text == NULL)
		return FAIL(r,
		    "the value must stand in double quotes, and "
		    "not be empty: \"...\"");
	return set_string(r, member(r, d), text);
}

static int
take_realm(struct reader *r, const struct directive *d, char *arg)
{
	if (strlen(arg) > REALM_MAX + 2)
		return FAIL(r, "the value has %d bytes at most", REALM_MAX);
	return take_string(r, d, arg);
}

/* Takes the quotes off a path; NULL when it is none. */
static char *
absolute(struct reader *r, char *arg)
{
	char *text = unquote(arg);

	if (text != NULL && text[0] == '/')
		return text;
	say(r, LOG_LEVEL_ERROR,
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
 * Reads the template of a page.  Without it there is a page of our own, as in
 * tinyproxy.
 */
static void
page_set(struct reader *r, struct page *page, const char *path)
{
	if (page_read(page, path) == 0)
		return;
	say(r, LOG_LEVEL_WARNING, "%.400s: %s; the built-in page stands for it",
	    path, strerror(errno));
	page_free(page);
}

/* DefaultErrorFile or StatFile. */
static int
take_page(struct reader *r, const struct directive *d, char *arg)
{
	const char *path = absolute(r, arg);

	if (path == NULL)
		return -1;
	page_set(r, member(r, d), path);
	return 0;
}

static int
take_error_file(struct reader *r, const struct directive *d, char *arg)
{
	struct pages *pages = &r->conf->pages;
	size_t digits = strcspn(arg, " \t");
	char *rest = arg + digits + strspn(arg + digits, " \t");
	const char *path;
	struct error_page *list;
	unsigned long status;

	arg[digits] = '\0';
	if (number(r, arg, d->min, d->max, &status) != 0)
		return -1;
	path = absolute(r, rest);
	if (path == NULL)
		return -1;
	for (size_t i = 0; i < pages->n; i++)
		if (pages->list[i].status == (int)status) {
			say(r, LOG_LEVEL_WARNING,
			    "there is one for %lu already, which counts",
			    status);
			return 0;
		}
	list = grow(r, pages->list, pages->n, sizeof(*list));
	if (list == NULL)
		return -1;
	pages->list = list;
	list[pages->n] = (struct error_page){ .status = (int)status };
	page_set(r, &list[pages->n++].page, path);
	return 0;
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
		    "the value must be one word of letters, "
		    "digits, - . and _, without quotes");
	return set_string(r, member(r, d), arg);
}

static int
address(struct reader *r, char *arg, struct addr *list, size_t *n, size_t max)
{
	if (*n == max)
		return FAIL(r, "there are more than %zu of them", max);
	if (addr_parse(&list[*n], arg) != 0)
		return FAIL(r, "\"%.60s\" is not an IPv4 or IPv6 address", arg);
	(*n)++;
	return 0;
}

static int
take_listen(struct reader *r, const struct directive *d, char *arg)
{
	(void)d;
	return address(r, arg, r->conf->listen, &r->conf->nlisten, LISTEN_MAX);
}

static int
take_bind(struct reader *r, const struct directive *d, char *arg)
{
	(void)d;
	return address(r, arg, r->conf->bind, &r->conf->nbind, BIND_MAX);
}

static int
rule_add(struct reader *r, char *arg, bool allow)
{
	struct rule *rules =
	    grow(r, r->conf->acl.rules, r->conf->acl.nrules, sizeof(*rules));
	struct rule *rule;
	size_t len = strlen(arg);

	if (rules == NULL)
		return -1;
	r->conf->acl.rules = rules;
	rule = &rules[r->conf->acl.nrules++];
	memset(rule, 0, sizeof(*rule));
	rule->allow = allow;
	rule->line = r->line;
	rule->kind = RULE_NET;
	if (addr_parse_net(&rule->net, &rule->bits, arg) == 0)
		return 0;
	if (arg[len - 1] == '.')
		arg[--len] = '\0';
	rule->kind = arg[0] == '.' ? RULE_SUFFIX : RULE_NAME;
	if (!is_word(arg) || len >= HOST_SIZE || name_ends_in_number(arg))
		return FAIL(r,
		    "\"%.60s\" is no address, block a.b.c.d/0 to 32 or "
		    "IPv6/0 to 128, name or .suffix",
		    arg);
	return set_string(r, &rule->name, arg);
}

static int
take_allow(struct reader *r, const struct directive *d, char *arg)
{
	(void)d;
	return rule_add(r, arg, true);
}

static int
take_deny(struct reader *r, const struct directive *d, char *arg)
{
	(void)d;
	return rule_add(r, arg, false);
}

/* AllowTo or DenyTo. */
static int
take_target(struct reader *r, const struct directive *d, char *arg)
{
	bool allow = d->name[0] == 'A';
	const char *at, *wrong;

	wrong = target_add(&r->conf->acl.targets, allow, r->line, arg, &at);
	return wrong == NULL ? 0 : FAIL(r, "\"%.60s\": %s", at, wrong);
}

static int
take_upstream(struct reader *r, const struct directive *d, char *arg)
{
	const char *wrong = upstream_add(&r->conf->upstreams, r->line, arg);

	(void)d;
	return wrong == NULL ? 0 : FAIL(r, "%s", wrong);
}

/* What goes into a Via, a pseudonym: a token, RFC 9110 7.6.3. */
static int
take_via_name(struct reader *r, const struct directive *d, char *arg)
{
	char *text = unquote(arg);

	if (text == NULL || !is_word(text) || strlen(text) > REALM_MAX)
		return FAIL(r,
		    "the value must be a word of letters, digits, - . and _ "
		    "in double quotes, of %d bytes at most",
		    REALM_MAX);
	return set_string(r, member(r, d), text);
}

static int
take_filter(struct reader *r, const struct directive *d, char *arg)
{
	r->conf->filter.line = r->line;
	return take_path(r, d, arg);
}

static int
take_filter_type(struct reader *r, const struct directive *d, char *arg)
{
	static const char *const words[] = { [FILTER_BRE] = "bre",
		[FILTER_ERE] = "ere",
		[FILTER_FNMATCH] = "fnmatch" };

	(void)d;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(arg, words[i]) == 0) {
			r->conf->filter.type = (enum filter_type)i;
			return 0;
		}
	return FAIL(r, "\"%.40s\" is not bre, ere or fnmatch", arg);
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
	say(r, LOG_LEVEL_WARNING, "deprecated; use FilterType ere");
	return 0;
}

static int
take_filter_case(struct reader *r, const struct directive *d, char *arg)
{
	r->conf->filter.case_line = r->line;
	return take_bool(r, d, arg);
}

static int
take_default_deny(struct reader *r, const struct directive *d, char *arg)
{
	r->conf->filter.deny_line = r->line;
	return take_bool(r, d, arg);
}

static int
take_reverse_only(struct reader *r, const struct directive *d, char *arg)
{
	r->conf->reverse.only_line = r->line;
	return take_bool(r, d, arg);
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

static int
take_connect_port(struct reader *r, const struct directive *d, char *arg)
{
	unsigned long n;

	if (number(r, arg, d->min, d->max, &n) != 0)
		return -1;
	r->conf->acl.has_ports = true;
	if (n != 0)
		r->conf->acl.ports[n / 8] |= (unsigned char)(1u << n % 8);
	return 0;
}

static int
take_log_level(struct reader *r, const struct directive *d, char *arg)
{
	static const char *const words[] = { "critical", "error", "warning",
		"notice", "connect", "info" };

	(void)d;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(arg, words[i]) == 0) {
			r->conf->loglevel = (enum log_level)i;
			return 0;
		}
	return FAIL(r,
	    "\"%.40s\" is not critical, error, warning, notice, "
	    "connect or info",
	    arg);
}

static int
take_basic_auth(struct reader *r, const struct directive *d, char *arg)
{
	size_t name = strcspn(arg, " \t");
	char *password = arg + name + strspn(arg + name, " \t");
	struct user *users, *user;

	(void)d;
	if (*password == '\0' || strpbrk(password, " \t") != NULL)
		return FAIL(r, "there must be two words, user and password");
	if (memchr(arg, ':', name) != NULL || strchr(password, '@') != NULL)
		return FAIL(r, "a user has no ':' and a password no '@'");
	if (name >= CREDENTIAL_SIZE || strlen(password) >= CREDENTIAL_SIZE)
		return FAIL(r, "user and password have %d bytes at most",
		    CREDENTIAL_SIZE - 1);
	users =
	    grow(r, r->conf->acl.users, r->conf->acl.nusers, sizeof(*users));
	if (users == NULL)
		return -1;
	r->conf->acl.users = users;
	user = &users[r->conf->acl.nusers++];
	memset(user, 0, sizeof(*user));
	memcpy(user->name, arg, name);
	strcpy(user->password, password);
	return 0;
}

static int
take_obsolete(struct reader *r, const struct directive *d, char *arg)
{
	unsigned long n;

	if (number(r, arg, d->min, d->max, &n) != 0)
		return -1;
	say(r, LOG_LEVEL_WARNING, "obsolete, without effect");
	return 0;
}

/* Takes the next quoted string off the front of *arg, or returns NULL. */
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

static int
take_anonymous(struct reader *r, const struct directive *d, char *arg)
{
	struct conf *conf = r->conf;
	char **list, *name = quoted_next(&arg);

	(void)d;
	if (name == NULL || *arg != '\0' || !parse_is_token(name, strlen(name)))
		return FAIL(r,
		    "the value must be the name of a field in double quotes");
	list =
	    grow(r, conf->headers.passed, conf->headers.npassed, sizeof(*list));
	if (list == NULL)
		return -1;
	conf->headers.passed = list;
	list[conf->headers.npassed] = NULL;
	return set_string(r, &list[conf->headers.npassed++], name);
}

static int
take_add_header(struct reader *r, const struct directive *d, char *arg)
{
	struct conf *conf = r->conf;
	char *name = quoted_next(&arg), *value = quoted_next(&arg);
	struct header_added *list, *added;

	(void)d;
	if (name == NULL || value == NULL || *arg != '\0' ||
	    !parse_is_token(name, strlen(name)) ||
	    strlen(name) + strlen(value) > ADD_HEADER_MAX ||
	    conf->headers.nadded == ADD_HEADERS_MAX)
		return FAIL(r,
		    "the value must be the name of a field and what is in it, "
		    "each in double quotes, %d bytes at most; %d times at most",
		    ADD_HEADER_MAX, ADD_HEADERS_MAX);
	if ((field_traits(name, strlen(name)) & FIELD_FIXED) != 0)
		return FAIL(r,
		    "%s says where a message goes or ends; it cannot be added",
		    name);
	list =
	    grow(r, conf->headers.added, conf->headers.nadded, sizeof(*list));
	if (list == NULL)
		return -1;
	conf->headers.added = list;
	added = &list[conf->headers.nadded++];
	*added = (struct header_added){ NULL, NULL };
	return set_string(r, &added->name, name) != 0
	    ? -1
	    : set_string(r, &added->value, value);
}

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
		say(r, LOG_LEVEL_WARNING,
		    "this one is for \"%.60s\" in line %lu too, since the last "
		    "that matches counts; put it before that line",
		    hidden->path, hidden->line);
	return 0;
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

/* Hands on line for line until the end of the file; each is taken whole. */
static void
file_parse(struct reader *r, FILE *f, void (*take)(struct reader *, char *))
{
	/* Long enough that what was read of a hash is not moved elsewhere. */
	size_t size = LINE_SIZE;
	char *line = malloc(size);
	ssize_t len;

	if (line == NULL)
		size = 0;
	while ((len = getline(&line, &size, f)) > 0) {
		r->line++;
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		if (len > 0 && line[len - 1] == '\r')
			line[--len] = '\0';
		if (has_control(line, (size_t)len))
			say(r, LOG_LEVEL_ERROR,
			    "there is a control character or NUL byte");
		else
			take(r, line);
	}
	r->line = 0;
	if (ferror(f))
		say(r, LOG_LEVEL_ERROR, "%s", strerror(errno));
	if (line != NULL)
		secret_wipe(line, size);
	free(line);
}

/* One line of a user file: blank, a comment, or "user:hash". */
static void
login_line(struct reader *r, char *line)
{
	const char *wrong;
	size_t len = strlen(line);

	while (len > 0 && strchr(" \t", line[len - 1]) != NULL)
		line[--len] = '\0';
	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#')
		return;
	wrong = login_add(&r->conf->logins, r->line, line);
	if (wrong != NULL)
		say(r, LOG_LEVEL_ERROR, "%s", wrong);
}

/* What only the whole user file shows. */
static void
logins_check(struct reader *r, size_t before)
{
	struct logins *logins = &r->conf->logins;
	const struct login *first, *again = login_index(logins, &first);

	if (again != NULL) {
		r->line = again->line;
		say(r, LOG_LEVEL_ERROR,
		    "the user is in line %lu of %.400s already", first->line,
		    first->file);
	}
	r->line = logins->weak;
	if (logins->weak != 0)
		say(r, LOG_LEVEL_WARNING,
		    "MD5 hashes ($1$), such as this, are weak; make others "
		    "with openssl passwd -6");
	r->line = 0;
	if (logins->n == before && r->status == 0)
		say(r, LOG_LEVEL_WARNING, "there is no user in it");
}

/*
 * Opens a user file.  Returns NULL with errno; EINVAL: it is something else
 * than a file, such as a FIFO, for which nobody shall wait.
 */
static FILE *
logins_open(const char *path)
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

static int
take_auth_file(struct reader *r, const struct directive *d, char *arg)
{
	static char buffer[16384];
	struct logins *logins = &r->conf->logins;
	struct reader file = { .conf = r->conf, .say = r->say };
	size_t before = logins->n;
	char *path = absolute(r, arg);
	const char *wrong;
	FILE *f;

	(void)d;
	file.file = path;
	if (path == NULL)
		return -1;
	logins->wanted = true;
	f = logins_open(path);
	if (f == NULL)
		return FAIL(r, "%.400s: %s", path,
		    errno == EINVAL ? "it is no regular file"
				    : strerror(errno));
	setvbuf(f, buffer, _IOFBF, sizeof(buffer));
	wrong = login_begin(logins, path);
	if (wrong != NULL)
		say(&file, LOG_LEVEL_ERROR, "%s", wrong);
	else
		file_parse(&file, f, login_line);
	fclose(f);
	secret_wipe(buffer, sizeof(buffer));
	logins_check(&file, before);
	if (file.status == 0)
		return 0;
	r->status = STATUS_CONF;
	return -1;
}

#define AT(name) offsetof(struct conf, name)

/* clang-format off */
static const struct directive directives[] = {
	{ "AccessLog", take_path, AT(accesslog), 0, 0 },
	{ "AddHeader", take_add_header, 0, 0, 0 },
	{ "Allow", take_allow, 0, 0, 0 },
	{ "AllowTo", take_target, 0, 0, 0 },
	{ "Anonymous", take_anonymous, 0, 0, 0 },
	{ "AuthFile", take_auth_file, 0, 0, 0 },
	{ "BasicAuth", take_basic_auth, 0, 0, 0 },
	{ "BasicAuthRealm", take_realm, AT(realm), 0, 0 },
	{ "Bind", take_bind, 0, 0, 0 },
	{ "BindSame", take_bool, AT(bind_same), 0, 0 },
	{ "Chroot", take_path, AT(chroot), 0, 0 },
	{ "ConnectPort", take_connect_port, 0, 0, 65535 },
	{ "ConnectTimeout", take_number, AT(connect_timeout), 1, 86400 },
	{ "DefaultErrorFile", take_page, AT(pages.error), 0, 0 },
	{ "Deny", take_deny, 0, 0, 0 },
	{ "DenyTo", take_target, 0, 0, 0 },
	{ "DisableViaHeader", take_bool, AT(disable_via), 0, 0 },
	{ "DrainTimeout", take_number, AT(drain_timeout), 0, SECONDS_MAX },
	{ "ErrorFile", take_error_file, 0, 100, 599 },
	{ "Filter", take_filter, AT(filter.file), 0, 0 },
	{ "FilterCaseSensitive", take_filter_case, AT(filter.case_sensitive), 0, 0 },
	{ "FilterDefaultDeny", take_default_deny, AT(filter.default_deny), 0, 0 },
	{ "FilterExtended", take_filter_extended, 0, 0, 0 },
	{ "FilterType", take_filter_type, 0, 0, 0 },
	{ "FilterURLs", take_bool, AT(filter.urls), 0, 0 },
	{ "Group", take_word, AT(group), 0, 0 },
	{ "HeaderTimeout", take_number, AT(header_timeout), 1, 86400 },
	{ "Listen", take_listen, 0, 0, 0 },
	{ "LogFile", take_path, AT(logfile), 0, 0 },
	{ "LogLevel", take_log_level, 0, 0, 0 },
	{ "MaxClients", take_number, AT(max_clients), 1, 1000000 },
	{ "MaxClientsPerHost", take_number, AT(max_clients_per_host), 1, 1000000 },
	{ "MaxRatePerHost", take_number, AT(max_rate_per_host), 1, 100000 },
	{ "MaxRequestsPerChild", take_obsolete, 0, 0, ULONG_MAX },
	{ "MaxSpareServers", take_obsolete, 0, 0, ULONG_MAX },
	{ "MinSpareServers", take_obsolete, 0, 0, ULONG_MAX },
	{ "PidFile", take_path, AT(pidfile), 0, 0 },
	{ "Port", take_port, AT(port), 1, 65535 },
	{ "RateLimit", take_number, AT(rate_limit), 1024, 1000000000 },
	{ "ReverseBaseURL", take_reverse_base, 0, 0, 0 },
	{ "ReverseMagic", take_bool, AT(reverse.magic), 0, 0 },
	{ "ReverseOnly", take_reverse_only, AT(reverse.only), 0, 0 },
	{ "ReversePath", take_reverse_path, 0, 0, 0 },
	{ "StartServers", take_obsolete, 0, 0, ULONG_MAX },
	{ "StatFile", take_page, AT(pages.stat), 0, 0 },
	{ "StatHost", take_stat_host, 0, 0, 0 },
	{ "Syslog", take_bool, AT(syslog), 0, 0 },
	{ "Timeout", take_timeout, AT(timeout), 0, SECONDS_MAX },
	{ "TunnelTimeout", take_number, AT(tunnel_timeout), 0, SECONDS_MAX },
	{ "Upstream", take_upstream, 0, 0, 0 },
	{ "User", take_word, AT(user), 0, 0 },
	{ "ViaProxyName", take_via_name, AT(via_name), 0, 0 },
	{ "Workers", take_workers, AT(workers), 1, WORKERS_MAX },
	{ "XTinyproxy", take_bool, AT(headers.xtinyproxy), 0, 0 }
};
/* clang-format on */

static const struct directive *
directive_find(const char *keyword)
{
	for (size_t i = 0; i < sizeof(directives) / sizeof(*directives); i++)
		if (strcasecmp(keyword, directives[i].name) == 0)
			return &directives[i];
	return NULL;
}

/*
 * Splits a line without its end, and changes it.  Returns the directive, with
 * *arg what stands behind it without the blanks around; or NULL: the line is
 * blank or a comment.
 */
char *
conf_split(char *line, char **arg)
{
	size_t len = strlen(line);

	while (len > 0 && strchr(" \t", line[len - 1]) != NULL)
		line[--len] = '\0';
	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#')
		return NULL;
	*arg = line + strcspn(line, " \t");
	if (**arg != '\0')
		*(*arg)++ = '\0';
	*arg += strspn(*arg, " \t");
	return line;
}

/* One line without its end: blank, a comment, or a directive. */
static void
line_parse(struct reader *r, char *line)
{
	const struct directive *d;
	char *arg;

	r->keyword = conf_split(line, &arg);
	if (r->keyword == NULL)
		return;
	d = directive_find(r->keyword);
	if (d == NULL)
		say(r, LOG_LEVEL_ERROR, "there is no such directive");
	else if (*arg == '\0')
		say(r, LOG_LEVEL_ERROR, "the value is missing");
	else {
		r->keyword = d->name;
		d->take(r, d, arg);
	}
	r->keyword = NULL;
}

/* A host has no case, and a filter that had could be passed by it. */
static void
case_check(struct reader *r)
{
	struct filter *f = &r->conf->filter;

	if (!f->case_sensitive || f->urls)
		return;
	r->line = f->case_line;
	r->keyword = "FilterCaseSensitive";
	say(r, LOG_LEVEL_NOTICE,
	    "without effect: the case of hosts never counts");
}

/* What is wrong with a filter has a status of its own if all else is right. */
static void
filter_tell(void *reader, enum log_level level, const char *text)
{
	struct reader *r = reader;
	bool alone = r->status != STATUS_CONF;

	say(r, level, "%s", text);
	if (r->status != 0 && alone)
		r->status = STATUS_DATA;
}

/* The filter, when all that is said of it is known. */
static void
filter_check(struct reader *r)
{
	struct filter *f = &r->conf->filter;

	case_check(r);
	if (f->file != NULL) {
		r->line = f->line;
		r->keyword = "Filter";
		filter_read(f, filter_tell, r);
	} else if (f->default_deny) {
		r->line = f->deny_line;
		r->keyword = "FilterDefaultDeny";
		say(r, LOG_LEVEL_ERROR,
		    "there is no Filter that could allow anything; add Filter "
		    "\"/...\"");
	}
	r->line = 0;
	r->keyword = NULL;
}

/* What a ReversePath is missing for. */
static void
reverse_check(struct reader *r)
{
	const struct reverse *reverse = &r->conf->reverse;

	if (!reverse->only || reverse->n > 0)
		return;
	r->line = reverse->only_line;
	r->keyword = "ReverseOnly";
	say(r, LOG_LEVEL_ERROR,
	    "there is no ReversePath that anything could be asked for by; add "
	    "ReversePath \"/path/\" \"http://host/\"");
	r->line = 0;
	r->keyword = NULL;
}

/* Whether clients must say who they are. */
bool
conf_wants_users(const struct conf *conf)
{
	return conf->acl.nusers > 0 || conf->logins.wanted;
}

/*
 * The addresses that a configuration listens on, with its port: all of this
 * machine when it names none.  Returns how many.
 */
size_t
conf_addresses(const struct conf *conf, struct addr at[LISTEN_MAX])
{
	static const struct addr everywhere[] = {
		{ .ip = { [10] = 0xff, 0xff } }, { .ip = { 0 } }
	};
	size_t n = conf->nlisten > 0 ? conf->nlisten : 2;

	memcpy(
	    at, conf->nlisten > 0 ? conf->listen : everywhere, n * sizeof(*at));
	for (size_t i = 0; i < n; i++)
		at[i].port = conf->port;
	return n;
}

/* Whether there is such a user, whatever his password is. */
bool
conf_has_user(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->acl.nusers; i++)
		if (strcmp(conf->acl.users[i].name, name) == 0)
			return true;
	return login_name(&conf->logins, name) != NULL;
}

/* A rule for a user that there is not would never match. */
static void
users_check(struct reader *r, const struct target_rule *rule)
{
	const char *name = rule->who->users;

	for (size_t i = 0; i < rule->who->nusers; i++) {
		r->line = rule->line;
		r->keyword = rule->allow ? "AllowTo" : "DenyTo";
		if (!conf_has_user(r->conf, name))
			say(r, LOG_LEVEL_ERROR,
			    "there is no user \"%.60s\"; BasicAuth or a "
			    "line in an AuthFile adds one",
			    name);
		name += strlen(name) + 1;
	}
	r->keyword = NULL;
	r->line = 0;
}

static void
targets_check(struct reader *r)
{
	const struct targets *t = &r->conf->acl.targets;
	const struct who *checked = NULL;

	for (size_t i = 0; i < t->n; i++)
		if (t->rules[i].who != checked) {
			checked = t->rules[i].who;
			if (checked != NULL)
				users_check(r, &t->rules[i]);
		}
}

/* What only the whole file shows. */
static void
file_check(struct reader *r)
{
	targets_check(r);
	reverse_check(r);
	if (r->conf->port == 0 && r->status == 0)
		say(r, LOG_LEVEL_ERROR,
		    "Port: missing; say where to listen, as in Port 8888");
	if (!r->conf->acl.has_ports)
		say(r, LOG_LEVEL_WARNING,
		    "ConnectPort: none given, so that CONNECT to every port "
		    "is allowed; add ConnectPort 443");
	filter_check(r);
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

/* Frees a configuration and all it owns; NULL is fine. */
void
conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	for (size_t i = 0; i < conf->acl.nrules; i++)
		free(conf->acl.rules[i].name);
	free(conf->acl.rules);
	target_free(&conf->acl.targets);
	upstream_free(&conf->upstreams);
	for (size_t i = 0; i < conf->headers.npassed; i++)
		free(conf->headers.passed[i]);
	free(conf->headers.passed);
	for (size_t i = 0; i < conf->headers.nadded; i++) {
		free(conf->headers.added[i].name);
		free(conf->headers.added[i].value);
	}
	free(conf->headers.added);
	free(conf->via_name);
	filter_free(&conf->filter);
	reverse_free(&conf->reverse);
	pages_free(&conf->pages);
	free(conf->stat_host.name);
	if (conf->acl.users != NULL)
		secret_wipe(conf->acl.users,
		    conf->acl.nusers * sizeof(*conf->acl.users));
	free(conf->acl.users);
	login_free(&conf->logins);
	free(conf->file);
	free(conf->user);
	free(conf->group);
	free(conf->realm);
	free(conf->logfile);
	free(conf->accesslog);
	free(conf->pidfile);
	free(conf->chroot);
	free(conf);
}

/* A configuration with nothing but the defaults, or NULL with ENOMEM. */
static struct conf *
conf_new(void)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (conf == NULL)
		return NULL;
	conf->realm = strdup("adit");
	conf->stat_host.name = strdup("tinyproxy.stats");
	conf->loglevel = LOG_LEVEL_INFO;
	conf->timeout = 600;
	conf->header_timeout = conf->connect_timeout = 30;
	conf->drain_timeout = 86400;
	if (conf->realm == NULL || conf->stat_host.name == NULL) {
		conf_free(conf);
		return NULL;
	}
	return conf;
}

static struct conf *
conf_parse(const char *file, FILE *f,
    void (*tell)(enum log_level, const char *text), int *status)
{
	struct reader r = { .conf = conf_new(), .file = file, .say = tell };

	if (r.conf == NULL || (r.conf->file = strdup(file)) == NULL) {
		say(&r, LOG_LEVEL_ERROR, "%s", strerror(ENOMEM));
	} else {
		file_parse(&r, f, line_parse);
		file_check(&r);
		if (target_index(&r.conf->acl.targets) != 0 ||
		    sys_random(
			r.conf->logins.key, sizeof(r.conf->logins.key)) != 0)
			say(&r, LOG_LEVEL_ERROR, "%s", strerror(errno));
	}
	if (r.status != 0) {
		if (status != NULL)
			*status = r.status;
		conf_free(r.conf);
		return NULL;
	}
	return r.conf;
}

/*
 * Reads a configuration file.  Each error and notice is handed to tell, as
 * "file:line: directive: what is wrong".  Returns a configuration that the
 * caller frees with conf_free(), or NULL after one error or more; then *status
 * is what to exit with, unless status is NULL.
 */
struct conf *
conf_read(const char *file, void (*tell)(enum log_level, const char *text),
    int *status)
{
	struct reader r = { .file = file, .say = tell };
	FILE *f = fopen(file, "r");
	struct conf *conf;

	if (f == NULL) {
		say(&r, LOG_LEVEL_ERROR, "%s", strerror(errno));
		if (status != NULL)
			*status = r.status;
		return NULL;
	}
	conf = conf_parse(file, f, tell, status);
	fclose(f);
	return conf;
}

static void
tell_nothing(enum log_level level, const char *text)
{
	(void)level;
	(void)text;
}

/* The text of the configuration without a file, to be read. */
static FILE *
builtin_open(void)
{
	static char text[] = "Port 8888\n"
			     "Listen 127.0.0.1\n"
			     "Allow 127.0.0.0/8\n"
			     "Allow ::1\n"
			     "ConnectPort 443\n"
			     "ConnectPort 563\n";

	return fmemopen(text, strlen(text), "r");
}

/*
 * Opens what a configuration was read from, for those who want to show a line
 * of it.  Returns NULL with errno if that is not there any more.
 */
FILE *
conf_open(const struct conf *conf)
{
	return conf->file != NULL ? fopen(conf->file, "r") : builtin_open();
}

/*
 * The configuration without a file: loopback alone, and the ports of TLS.
 * Returns it as conf_read() does, with file NULL; NULL with ENOMEM.
 */
struct conf *
conf_builtin(void)
{
	FILE *f = builtin_open();
	struct conf *conf;

	if (f == NULL)
		return NULL;
	conf = conf_parse("builtin", f, tell_nothing, NULL);
	fclose(f);
	if (conf != NULL) {
		free(conf->file);
		conf->file = NULL;
	}
	return conf;
}
