/* SPDX-License-Identifier: ISC */
/* LINK: base/text.c policy/filter.c policy/patterns.c policy/pattern.c policy/bracket.c policy/code.c policy/suffix.c policy/automaton.c policy/machine.c policy/backtrack.c base/addr.c base/local.c base/array.c base/clock.c */
/*
 * Tests filters: which targets they refuse, and by which line.  The only
 * argument is a directory to write in.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"

#define BRE FILTER_BRE
#define ERE FILTER_ERE
#define FNM FILTER_FNMATCH

enum { URLS = 1, DENY = 2 };

enum {
	PATH_LEN = 8000,   /* bytes of a long URL */
	COSTLY = 12000,    /* patterns */
	COST_MAX = 250000, /* us: ten times what a verdict may cost */
};

static const struct test {
	enum filter_type type;
	int flags;
	const char *patterns, *host;
	bool refused;
	unsigned long line;
} tests[] = {
	/* Searched for anywhere; the first line that matches. */
	{ BRE, 0, "example\n", "www.example.org", true, 1 },
	{ BRE, 0, "x1\nx2\n\nx3\n", "ax3b", true, 4 },
	{ BRE, 0, "x\nx\n", "x", true, 1 },
	{ BRE, 0, "example.net\n", "example.org", false, 0 },
	{ BRE, 0, "", "example.org", false, 0 },
	{ BRE, 0, "\n \n\t\n#x\n  # x\n", "x", false, 0 },
	/* Plain ones: any, a dot, anchors. */
	{ BRE, 0, "a.b\n", "axb", true, 1 },
	{ BRE, 0, "a\\.b\n", "axb", false, 0 },
	{ BRE, 0, "a\\.b\n", "xa.bx", true, 1 },
	{ BRE, 0, "^a\\.b\n", "a.bx", true, 1 },
	{ BRE, 0, "^a\\.b\n", "xa.b", false, 0 },
	{ BRE, 0, "a\\.b$\n", "xa.b", true, 1 },
	{ BRE, 0, "a\\.b$\n", "a.bx", false, 0 },
	{ BRE, 0, "^a\\.b$\n", "a.b", true, 1 },
	{ BRE, 0, "^a\\.b$\n", "a.b.a.b", false, 0 },
	{ BRE, 0, "^a\\.b$\n", "a.bb", false, 0 },
	{ BRE, 0, "aab\n", "aaab", true, 1 },
	{ BRE, 0, "....\n", "abc", false, 0 },
	{ BRE, 0, "^....$\n", "abcd", true, 1 },
	{ BRE, 0, "^\n", "a", true, 1 }, { BRE, 0, "$\n", "a", true, 1 },
	{ BRE, 0, "^$\n", "a", false, 0 }, { BRE, 0, "^.$\n", "a", true, 1 },
	{ ERE, 0, "^a\\.b$\n", "a.b", true, 1 },
	{ ERE, 0, "a$b\n", "ab", false, 0 }, { ERE, 0, "$a\n", "a", false, 0 },
	{ BRE, 0, "a_b-c9\n", "xa_b-c9x", true, 1 },
	/* The other patterns. */
	{ BRE, 0, "^ads[0-9]*\\.\n", "ads17.example", true, 1 },
	{ BRE, 0, "a+b\n", "aab", false, 0 },
	{ ERE, 0, "a+b\n", "aab", true, 1 },
	{ BRE, 0, "(a|b)\n", "a", false, 0 },
	{ ERE, 0, "^(a|b)$\n", "b", true, 1 },
	{ BRE, 0, "^\\(ab\\)\\1$\n", "abab", true, 1 },
	{ ERE, 0, "(^|\\.)example\\.com$\n", "notexample.com", false, 0 },
	{ ERE, 0, "(^|\\.)example\\.com$\n", "www.example.com", true, 1 },
	{ FNM, 0, "*.example.com\n", "a.b.example.com", true, 1 },
	{ FNM, 0, "*.example.com\n", "example.com", false, 0 },
	{ FNM, 0, "example\n", "example.com", false, 0 },
	{ FNM, 0, "ad?.[a-c]*\n", "ads.beta", true, 1 },
	{ FNM, 0, "[!a]*\n", "ab", false, 0 },
	{ FNM, 0, "a\\*\n", "ab", false, 0 }, { FNM, 0, ".*\n", ".a", true, 1 },
	/* Those that refer back. */
	{ BRE, 0, "^\\(a.*\\)-\\1$\n", "abc-abc", true, 1 },
	{ BRE, 0, "^\\(a.*\\)-\\1$\n", "abc-abd", false, 0 },
	{ BRE, 0, "\\(.\\)\\1\\1\n", "xaaay", true, 1 },
	{ BRE, 0, "x\n\\(.\\)\\1\nab\n", "aabbx", true, 1 },
	{ BRE, 0, "b\n\\(.\\)\\1\na\n", "aa", true, 2 },
	{ ERE, 0, "(a|b)+c\\1d\n", "abcbd", true, 1 },
	{ ERE, 0, "(a|b)+c\\1d\n", "abcad", false, 0 },
	{ ERE, 0, "^(A)(b)\\2\\1$\n", "abba", true, 1 },
	{ ERE, 0, "(a*)+\\1b\n", "b", true, 1 },
	{ ERE, 0, "\\b(a)\\1\\>\n", "x.aa-", true, 1 },
	/* Plain at the end, in any writing. */
	{ ERE, 0, "(^|\\.)a\\.b$\n", "a.b", true, 1 },
	{ ERE, 0, "(^|\\.)a\\.b$\n", "xa.b", false, 0 },
	{ BRE, 0, "\\(^\\|\\.\\)a\\.b$\n", "x.a.b", true, 1 },
	{ ERE, 0, "^(.*\\.)?a\\.b$\n", "x.y.a.b", true, 1 },
	{ ERE, 0, "^(.*\\.)?a\\.b$\n", "ya.b", false, 0 },
	{ ERE, 0, ".*\\.a\\.(b|c)$\n", "x.a.c", true, 1 },
	{ ERE, 0, "x\n(^|\\.)b$\n^b$\n", "b", true, 2 },
	{ BRE, 0, "^b$\n\\.b$\nb\n", "x.b", true, 2 },
	{ ERE, 0, "^[a-z]*$\n^ab$\n", "ab", true, 1 },
	{ ERE, 0, "^ab$\n^[a-z]*$\n", "ab", true, 1 },
	/* Without case, however it is written. */
	{ BRE, 0, "EXAMPLE\\.Com\n", "www.example.com", true, 1 },
	{ BRE, 0, "[A-E]XAMPLE\n", "example", true, 1 },
	{ ERE, 0, "^[[:upper:]]+$\n", "abc", true, 1 },
	{ ERE, 0, "^(EX|in)ample$\n", "example", true, 1 },
	{ FNM, 0, "*.Example.COM\n", "www.example.com", true, 1 },
	{ FNM, 0, "[A-E]xample\n", "example", true, 1 },
	{ FNM, 0, "[[:upper:]]*[0[:upper:]]\n", "abc", true, 1 },
	/* The pattern ends at a blank, a #, or the end of the line. */
	{ BRE, 0, "  \t x # all x\n", "axb", true, 1 },
	{ BRE, 0, "x#y\n", "ax", true, 1 }, { BRE, 0, "x y\n", "y", false, 0 },
	{ BRE, 0, "x\ty\n", "x", true, 1 },
	{ BRE, 0, "x\\#y\n", "x", false, 0 },
	{ BRE, 0, "y\\#y#\nx\n", "x", true, 2 },
	{ ERE, 0, "(a\\#|x)# y\n", "x", true, 1 },
	{ BRE, 0, "x\r\ny\r\n", "y", true, 2 },
	{ BRE, 0, "x$\r\n\r\ny", "ay", true, 3 },
	/* A list of allowed names. */
	{ BRE, DENY, "", "a", true, 0 },
	{ BRE, DENY, "# nothing\n", "a", true, 0 },
	{ BRE, DENY, "^a$\n^b$\n", "b", false, 2 },
	{ BRE, DENY, "^a$\n^b$\n", "c", true, 0 },
	{ ERE, DENY, "^(A|B)$\n", "b", false, 1 },
	{ FNM, DENY, "*.Example.com\n", "a.example.com", false, 1 },
	{ FNM, DENY, "*.example.com\n", "a.example.com.evil", true, 0 },
	/* Addresses have one form. */
	{ BRE, 0, "^10\\.\n", "10.1.2.3", true, 1 },
	{ BRE, 0, "^2001:db8::1$\n", "2001:0db8:0::0001", true, 1 },
	{ BRE, 0, "^10\\.1\\.2\\.3$\n", "::ffff:a01:203", true, 1 },
	{ BRE, 0, "^2001:db8::1$\n", "2001:db8::1:1", false, 0 },
	{ FNM, 0, "2001:DB8:*\n", "2001:db8::9", true, 1 },
	/* With the port; it is 443 here. */
	{ BRE, 0, ":443\n", "a.b", false, 0 },
	{ BRE, URLS, "^a\\.b:443$\n", "a.b", true, 1 },
	{ BRE, URLS, "^a\\.b$\n", "a.b", false, 0 },
	{ BRE, URLS, "^A\\.B:\n", "a.b", true, 1 },
	{ FNM, URLS, "a.b:443\n", "a.b", true, 1 },
	{ BRE, URLS, "^\\[2001:db8::1\\]:443$\n", "2001:db8:0::1", true, 1 },
	{ BRE, URLS, "^10\\.1\\.2\\.3:443$\n", "::ffff:a01:203", true, 1 },
	{ FNM, URLS, "\\[2001:db8::*\\]:*\n", "2001:db8:0::1", true, 1 },
	{ BRE, URLS | DENY, ":443$\n", "x", false, 1 },
	{ BRE, URLS | DENY, ":80$\n", "x", true, 0 }
};

/* Malformed files, and how many errors they have. */
static const struct broken {
	enum filter_type type;
	const char *text;
	size_t len; /* 0: that of the string */
	int errors;
} broken[] = { { BRE, "a\n\\(b\nc\n", 0, 1 },
	{ BRE, "\\(a\n[b\nc\\{1\n", 0, 3 }, { ERE, "(a\n", 0, 1 },
	{ BRE, "a[\n", 0, 1 }, { BRE, "a\\", 0, 1 },
	{ ERE, "(a\n(a\n(a\n(a\n(a\n(a\n(a\n(a\n(a\n(a\n(a\n(a\n", 0, 10 },
	{ FNM, "a\\\n", 0, 1 }, { FNM, "a\\\\\n", 0, 0 },
	{ ERE, "(a)\\2\n", 0, 1 }, { ERE, "(a)|\\1\n", 0, 1 },
	{ ERE, "((([a-z]{99}){99}){99}){99}\n", 0, 1 },
	{ ERE, "(((){999}){999}){999}\n", 0, 1 },
	{ ERE, "*a\n+\n?\n{1}\n(*a)\na|*\n", 0, 6 },
	{ BRE, "a**\na\\{2,1\\}\n[b-a]\n[[:x:]]\n\\)\n", 0, 5 },
	{ FNM, "[[:x:]]\n", 0, 1 }, { FNM, "[a\n", 0, 0 },
	{ BRE, "a\0b\n", 4, 1 }, { BRE, "#a\0\n", 4, 1 },
	{ BRE, "\001\n", 0, 1 }, { BRE, "a\033[2Jb\n", 0, 1 },
	{ BRE, "a\r\r\n", 0, 1 }, { BRE, "a\rb\n", 0, 1 },
	{ BRE, "b\303\274cher\n", 0, 1 },
	{ BRE, "a # b\303\274cher\n", 0, 0 } };

static char path[4096];
static char text[URL_SIZE]; /* what a filter has compared */
static int errors;

static void
tell(void *teller, enum log_level level, const char *text)
{
	size_t len = strlen(path);

	(void)teller;
	if (level > LOG_LEVEL_ERROR)
		return;
	errors++;
	if (strncmp(text, path, len) == 0 && text[len] == ':' &&
	    strspn(text + len + 1, "0123456789") > 0 &&
	    strpbrk(text, "\n\r\033\001") == NULL)
		return;
	printf("not a message: %s\n", text);
	exit(1);
}

/* A filter with this file. */
static int
read_text(struct filter *f, const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	if (file == NULL || fwrite(text, 1, len, file) != len ||
	    fclose(file) != 0) {
		perror(path);
		exit(1);
	}
	errors = 0;
	f->file = strdup(path);
	return filter_read(f, tell, NULL);
}

/* Whether a CONNECT to a host is refused; text holds what was compared. */
static bool
refuses(const struct filter *f, const char *host, unsigned port,
    unsigned long *line)
{
	struct request req = { .port = (uint16_t)port };

	snprintf(req.host, sizeof(req.host), "%s", host);
	return filter_refuses(f, &req, NULL, text, line);
}

static int
try_test(const struct test *t)
{
	struct filter f = { .type = t->type,
		.urls = t->flags & URLS,
		.default_deny = t->flags & DENY };
	unsigned long line = 99;
	bool refused;

	if (read_text(&f, t->patterns, strlen(t->patterns)) != 0) {
		printf("not read: %s\n", t->patterns);
		return 1;
	}
	refused = refuses(&f, t->host, 443, &line);
	filter_free(&f);
	if (refused == t->refused && line == t->line)
		return 0;
	printf("%s: refused %d by line %lu, not %d by %lu; type %d, flags %d, "
	       "patterns:\n%s\n",
	    t->host, refused, line, t->refused, t->line, (int)t->type, t->flags,
	    t->patterns);
	return 1;
}

static int
try_broken(const struct broken *b)
{
	struct filter f = { .type = b->type };
	size_t len = b->len != 0 ? b->len : strlen(b->text);
	int result = read_text(&f, b->text, len);

	filter_free(&f);
	if (errors == b->errors && result == (b->errors == 0 ? 0 : -1))
		return 0;
	printf("%d errors, not %d, type %d: %s\n", errors, b->errors,
	    (int)b->type, b->text);
	return 1;
}

/* The longest host, with and without a port. */
static int
try_long(void)
{
	struct filter f = { .urls = true };
	char host[HOST_SIZE];
	unsigned long line;
	bool refused;

	memset(host, 'a', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	read_text(&f, "a:65535$\n", 9);
	refused = refuses(&f, host, 65535, &line);
	filter_free(&f);
	return strlen(text) == HOST_SIZE + 5 && refused ? 0 : 1;
}

/*
 * A long URL and many expressions, which are no trouble; one that could be tried
 * in more ways than there is time for refuses.
 */
static int
try_cost(const char *pattern, bool refused)
{
	struct filter f = { .urls = true, .case_sensitive = true };
	size_t len = strlen(pattern);
	struct request req = { .plain = true,
		.host = "example",
		.port = 80,
		.path = { 0, PATH_LEN } };
	static char head[PATH_LEN], url[URL_SIZE];
	char *text = malloc(COSTLY * len + 1);
	unsigned long line;
	int64_t used;
	bool wrong;

	memset(head, 'a', sizeof(head));
	head[0] = '/';
	for (size_t i = 0; i < COSTLY; i++)
		memcpy(text + i * len, pattern, len);
	read_text(&f, text, COSTLY * len);
	free(text);
	used = clock_used();
	wrong = filter_refuses(&f, &req, head, url, &line) != refused;
	used = clock_used() - used;
	filter_free(&f);
	if (wrong || used > COST_MAX)
		printf("%d us for many of %s", (int)used, pattern);
	return wrong || used > COST_MAX;
}

int
main(int argc, char *argv[])
{
	int failed = 0;

	if (argc != 2)
		return 64;
	snprintf(path, sizeof(path), "%s/filter", argv[1]);
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		failed += try_test(&tests[i]);
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
		failed += try_broken(&broken[i]);
	failed += try_long();
	failed += try_cost("aab[0-9][0-9]*\n", false);
	failed += try_cost("\\(a*\\)*\\(a*\\)*\\1\\2b\n", true);
	failed += try_cost("doubleclick\n", false);
	return failed > 0;
}
