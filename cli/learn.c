/* SPDX-License-Identifier: ISC */
/*
 * Turns the reports of a DecisionLog into AllowTo lines.  Each line that is
 * printed has been read back as a rule before; what cannot be written as one is
 * left out and counted, and so are lines that are cut or of another program.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "addr.h"
#include "array.h"
#include "learn.h"
#include "local.h"
#include "name.h"
#include "program.h"
#include "target.h"
#include "text.h"
#include "who.h"

enum {
	VALUE_SIZE = 512, /* bytes of a value that is used, with its NUL */
	RULE_SIZE = 1024, /* bytes of a rule, with its NUL */
	CLIENT_SIZE = LOCAL_SIZE + 2, /* of its client: a path with quotes */
	SORTED_MIN = 4096             /* reports until they are first sorted */
};

/* What is wanted of a line of the log. */
enum value { VALUE_VERDICT, VALUE_HOST, VALUE_PORT, VALUE_USER, VALUE_CLIENT };

static const char *const names[] = { [VALUE_VERDICT] = "verdict",
	[VALUE_HOST] = "host",
	[VALUE_PORT] = "port",
	[VALUE_USER] = "user",
	[VALUE_CLIENT] = "client" };

enum { VALUES = sizeof(names) / sizeof(*names) };

/* The values of a line; "" for null and for what is not there. */
struct line {
	bool has[VALUES];
	char value[VALUES][VALUE_SIZE];
};

/* Something that was reported; user and client are "" where they do not count. */
struct report {
	char *host; /* owned; folded, or an address */
	unsigned long port;
	char *user, *client; /* owned; a client as it is written in a rule */
};

static struct {
	struct report *list; /* owned */
	size_t n, sort_at;
	bool users, clients; /* are asked for */
	unsigned long foreign, unwritable;
} r = { .sort_at = SORTED_MIN };

/* JSON. */

static const char *
blanks_skip(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* The byte that an escape in a string stands for, or -1; *p is moved past it. */
static int
escape_take(const char **p)
{
	static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *letter = **p != '\0' ? strchr(letters, **p) : NULL;
	char digits[5] = "", *end;
	long code;

	if (letter != NULL) {
		(*p)++;
		return (unsigned char)bytes[letter - letters];
	}
	if (**p != 'u' || strlen(*p) < 5)
		return -1;
	memcpy(digits, *p + 1, 4);
	*p += 5;
	code = strtol(digits, &end, 16);
	return *end == '\0' && code > 0 && code < 256 ? (int)code : -1;
}

/* Takes a string, whose text is cut to size.  Returns what follows, or NULL. */
static const char *
string_take(const char *p, char *to, size_t size)
{
	size_t n = 0;
	int byte;

	if (*p++ != '"')
		return NULL;
	while (*p != '"') {
		byte = (unsigned char)*p;
		if (byte < 0x20)
			return NULL;
		p++;
		if (byte == '\\' && (byte = escape_take(&p)) < 0)
			return NULL;
		if (n + 1 < size)
			to[n++] = (char)byte;
	}
	to[n] = '\0';
	return p + 1;
}

/* Takes a list of strings. */
static const char *
list_take(const char *p)
{
	char waste[1];

	p = blanks_skip(p + 1);
	while (*p != ']') {
		p = string_take(p, waste, sizeof(waste));
		if (p == NULL)
			return NULL;
		p = blanks_skip(p);
		if (*p == ',')
			p = blanks_skip(p + 1);
		else if (*p != ']')
			return NULL;
	}
	return p + 1;
}

/* Takes a value: a string, a list of them, or a word, of which null is "". */
static const char *
value_take(const char *p, char to[VALUE_SIZE])
{
	size_t len = strcspn(p, ",} \t\r\n");

	to[0] = '\0';
	if (*p == '"')
		return string_take(p, to, VALUE_SIZE);
	if (*p == '[')
		return list_take(p);
	if (len == 0 || len >= VALUE_SIZE)
		return NULL;
	if (len != 4 || memcmp(p, "null", 4) != 0) {
		memcpy(to, p, len);
		to[len] = '\0';
	}
	return p + len;
}

/* Keeps a value if it is wanted. */
static void
value_keep(struct line *l, const char *name, const char *value)
{
	for (size_t i = 0; i < VALUES; i++)
		if (strcmp(name, names[i]) == 0) {
			l->has[i] = true;
			strcpy(l->value[i], value);
		}
}

/* Reads an object.  Returns false if the line is anything else. */
static bool
line_read(struct line *l, const char *p)
{
	char name[32], value[VALUE_SIZE];

	memset(l, 0, sizeof(*l));
	p = blanks_skip(p + text_mark(p));
	if (*p != '{')
		return false;
	do {
		p = string_take(blanks_skip(p + 1), name, sizeof(name));
		if (p == NULL || *(p = blanks_skip(p)) != ':')
			return false;
		p = value_take(blanks_skip(p + 1), value);
		if (p == NULL)
			return false;
		value_keep(l, name, value);
		p = blanks_skip(p);
	} while (*p == ',');
	if (*p != '}' || *blanks_skip(p + 1) != '\0')
		return false;
	for (size_t i = 0; i < VALUES; i++)
		if (!l->has[i])
			return false;
	return true;
}

/* Reports. */

/* Compares names from their ends, so that those of one domain come together. */
static int
host_compare(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);

	while (na > 0 && nb > 0 && a[na - 1] == b[nb - 1]) {
		na--;
		nb--;
	}
	if (na == 0 || nb == 0)
		return na < nb ? -1 : na > nb;
	/* The end of a label comes first. */
	if (a[na - 1] == '.' || b[nb - 1] == '.')
		return a[na - 1] == '.' ? -1 : 1;
	return (unsigned char)a[na - 1] < (unsigned char)b[nb - 1] ? -1 : 1;
}

static int
report_compare(const void *a, const void *b)
{
	const struct report *x = a, *y = b;
	int order = host_compare(x->host, y->host);

	if (order == 0 && x->port != y->port)
		order = x->port < y->port ? -1 : 1;
	if (order == 0)
		order = strcmp(x->client, y->client);
	return order != 0 ? order : strcmp(x->user, y->user);
}

static void
report_free(struct report *p)
{
	free(p->host);
	free(p->user);
	free(p->client);
}

/* Sorts the reports, and keeps one of those that are equal. */
static void
reports_sort(void)
{
	size_t n = 0;

	if (r.n > 0)
		qsort(r.list, r.n, sizeof(*r.list), report_compare);
	for (size_t i = 0; i < r.n; i++)
		if (n > 0 && report_compare(&r.list[n - 1], &r.list[i]) == 0)
			report_free(&r.list[i]);
		else
			r.list[n++] = r.list[i];
	r.n = n;
	r.sort_at = 2 * n > SORTED_MIN ? 2 * n : SORTED_MIN;
}

/* Adds a report.  Returns 0, or -1 with ENOMEM. */
static int
report_add(
    const char *host, unsigned long port, const char *user, const char *client)
{
	struct report *grown, *new;

	if (r.n >= r.sort_at)
		reports_sort();
	grown = array_room(r.list, r.n, sizeof(*grown));
	if (grown == NULL)
		return -1;
	r.list = grown;
	new = &r.list[r.n];
	*new =
	    (struct report){ strdup(host), port, strdup(user), strdup(client) };
	if (new->host != NULL &&new->user != NULL &&new->client != NULL) {
		r.n++;
		return 0;
	}
	report_free(new);
	errno = ENOMEM;
	return -1;
}

/*
 * Whether an AllowTo for an address would let everybody reach what is only for
 * clients on this machine.
 */
static bool
lifts_floor(const char *host)
{
	static const struct acl nothing;
	struct addr addr, stranger;
	struct asker asker = { .client = &stranger };

	return addr_parse(&addr, host) == 0 &&
	    addr_parse(&stranger, "192.0.2.1") == 0 &&
	    acl_floor(&nothing, &addr, &asker, NULL) != NULL;
}

/*
 * Makes the client of a rule: the path of a Unix socket is in quotes.  Returns
 * false if it is neither that nor an address.
 */
static bool
client_write(char to[CLIENT_SIZE], const char *client)
{
	bool path = client[0] == '/' || client[0] == '@';
	struct addr addr;

	to[0] = '\0';
	if (client[0] == '\0')
		return true;
	if (strchr(client, '"') != NULL || strlen(client) >= LOCAL_SIZE ||
	    (!path && addr_parse(&addr, client) != 0))
		return false;
	for (const char *p = client; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	snprintf(to, CLIENT_SIZE, path ? "\"%s\"" : "%s", client);
	return true;
}

/* Makes the target of a rule. */
static void
target_write(char *to, size_t size, const char *host, unsigned long port)
{
	bool v6 = strchr(host, ':') != NULL;
	bool word = strcmp(host, "private") == 0; /* as a name it has a dot */

	snprintf(to, size, "%s%s%s%s:%lu", v6 ? "[" : "", host, v6 ? "]" : "",
	    word ? "." : "", port);
}

/* Whether a rule for a target, a user and a client can be read back. */
static bool
is_writable(
    char *host, unsigned long port, const char *user, const char *client)
{
	char text[RULE_SIZE], target[RULE_SIZE / 2];
	struct targets targets = { .n = 0 };
	struct addr addr;
	const char *at, *wrong;

	if (port < 1 || port > 65535 ||
	    user[strcspn(user, " \t\"#@")] != '\0' ||
	    (addr_parse(&addr, host) != 0 && !name_fold(host)))
		return false;
	for (const char *p = user; *p != '\0'; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			return false;
	target_write(target, sizeof(target), host, port);
	snprintf(text, sizeof(text), "%s%s%s%s%s", target,
	    user[0] != '\0' ? " user " : "", user,
	    client[0] != '\0' ? " client " : "", client);
	wrong = target_add(&targets, true, 1, text, &at);
	target_free(&targets);
	return wrong == NULL;
}

/* Takes a line of the log.  Returns 0, or -1 with ENOMEM. */
static int
line_take(const char *text, bool whole)
{
	static struct line l;
	char *host = l.value[VALUE_HOST], client[CLIENT_SIZE];
	const char *user = r.users ? l.value[VALUE_USER] : "";
	unsigned long port;

	if (!whole || !line_read(&l, text)) {
		r.foreign++;
		return 0;
	}
	if (strcmp(l.value[VALUE_VERDICT], "report") != 0)
		return 0;
	port = strtoul(l.value[VALUE_PORT], NULL, 10);
	if (client_write(client,
		r.clients || lifts_floor(host) ? l.value[VALUE_CLIENT] : "") &&
	    is_writable(host, port, user, client))
		return report_add(host, port, user, client);
	r.unwritable++;
	return 0;
}

/* Output. */

/* Whether two reports, of which one follows the other, go into one rule. */
static bool
same_rule(const struct report *a, const struct report *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0 &&
	    strcmp(a->client, b->client) == 0;
}

/* Prints the rules, one for all users of a target. */
static void
rules_print(void)
{
	char target[RULE_SIZE / 2];

	for (size_t i = 0, next; i < r.n; i = next) {
		const struct report *p = &r.list[i];

		target_write(target, sizeof(target), p->host, p->port);
		printf("AllowTo %s%s%s", target,
		    p->user[0] != '\0' ? " user " : "", p->user);
		for (next = i + 1; next < r.n && same_rule(p, &r.list[next]);
		     next++)
			if (p->user[0] != '\0')
				printf(" %s", r.list[next].user);
		printf("%s%s\n", p->client[0] != '\0' ? " client " : "",
		    p->client);
	}
}

/* Takes the words after the file: what the rules are to be for. */
static bool
words_take(char **words, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(words[i], "user") == 0)
			r.users = true;
		else if (strcmp(words[i], "client") == 0)
			r.clients = true;
		else
			return false;
	return true;
}

static int
failed(const char *what, int status)
{
	fprintf(stderr, "%s: %s: %s\n", program, what, strerror(errno));
	return status;
}

/* Reads the log.  Returns 0, or an exit status after a message. */
static int
log_read(FILE *in, const char *file)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int status = 0;

	while (status == 0 && (len = getline(&line, &size, in)) > 0)
		if (line_take(line, strlen(line) == (size_t)len) != 0)
			status = failed(file, STATUS_SYSTEM);
	if (status == 0 && ferror(in))
		status = failed(file, STATUS_INPUT);
	free(line);
	return status;
}

static void
reports_free(void)
{
	for (size_t i = 0; i < r.n; i++)
		report_free(&r.list[i]);
	free(r.list);
	r.list = NULL;
	r.n = 0;
}

/*
 * Prints rules for what the DecisionLog in a file, or on the standard input for
 * "-", has reported.  The words "user" and "client" ask for rules that are only
 * for these users and clients.  Returns the exit status.
 */
int
learn_run(const char *file, char **words, int nwords)
{
	bool standard = strcmp(file, "-") == 0;
	FILE *in;
	int status;

	if (!words_take(words, nwords)) {
		fprintf(stderr,
		    "%s: after -r and the log only \"user\" and "
		    "\"client\" may follow\n",
		    program);
		return STATUS_USAGE;
	}
	in = standard ? stdin : fopen(file, "r");
	if (in == NULL)
		return failed(file, STATUS_INPUT);
	status = log_read(in, file);
	if (!standard)
		fclose(in);
	reports_sort();
	if (status == 0)
		rules_print();
	reports_free();
	if (r.foreign > 0)
		fprintf(stderr, "%s: %lu lines are cut, or no decisions\n",
		    file, r.foreign);
	if (r.unwritable > 0)
		fprintf(stderr, "%s: %lu reports cannot be written as a rule\n",
		    file, r.unwritable);
	if (status == 0 && fflush(stdout) != 0)
		return failed("standard output", STATUS_SYSTEM);
	return status;
}
