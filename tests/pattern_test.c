/* SPDX-License-Identifier: ISC */
/* LINK: policy/patterns.c policy/pattern.c policy/bracket.c policy/code.c policy/suffix.c policy/automaton.c policy/machine.c policy/backtrack.c base/array.c base/clock.c */
/*
 * Compares patterns with what regexec() and fnmatch() of the library say: random
 * patterns and subjects, alone and many at once.  Arguments: how many rounds,
 * and the seed.  The status is 77 where the library is another one than glibc,
 * whose meaning of patterns is the model.
 */
#define _POSIX_C_SOURCE 200809L

#include <fnmatch.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "patterns.h"

enum { AT_ONCE = 24, SUBJECTS = 24, TEXT_SIZE = 256 };

static unsigned long compared, refused_here, refused_there;
static int failed;

/* Random patterns: some of all that the languages have. */

struct text {
	char bytes[TEXT_SIZE];
	size_t len;
	enum filter_type type;
	unsigned depth;
};

static unsigned
below(unsigned n)
{
	return (unsigned)rand() % n;
}

static void add(struct text *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static void
add(struct text *t, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	t->len += (size_t)vsnprintf(
	    t->bytes + t->len, TEXT_SIZE - t->len, format, ap);
	va_end(ap);
	if (t->len >= TEXT_SIZE)
		t->len = TEXT_SIZE - 1;
}

static char
letter(void)
{
	return "aaabbbcAB019--.._:/"[below(19)];
}

static void
add_bracket(struct text *t)
{
	static const char *const parts[] = { "[:alpha:]", "[:digit:]",
		"[:upper:]", "[:alnum:]", "[:punct:]", "a-c", "0-9", "A-Z",
		"a-z", "-", "^", ".", "_", "[=a=]", "[.-.]", "b-b",
		"[:xdigit:]", "+-z", "]", "[", "!", "--/", "[:lower:]" };

	add(t, "[%s",
	    below(4) != 0                   ? ""
		: t->type == FILTER_FNMATCH ? "!"
					    : "^");
	if (below(12) == 0)
		add(t, "]");
	for (unsigned i = 1 + below(3); i > 0; i--)
		if (below(3) == 0)
			add(t, "%s",
			    parts[below(sizeof(parts) / sizeof(*parts))]);
		else
			add(t, "%c", letter());
	add(t, "]");
}

static void add_list(struct text *);

static void
add_group(struct text *t)
{
	const char *mark = t->type == FILTER_ERE ? "" : "\\";

	if (t->depth == 3)
		return;
	t->depth++;
	add(t, "%s(", mark);
	add_list(t);
	while (below(2) == 0) {
		add(t, "%s|", mark);
		add_list(t);
	}
	add(t, "%s)", mark);
	t->depth--;
}

static void
add_atom(struct text *t)
{
	static const char *const odd[] = { "\\<", "\\>", "\\b", "\\B", "\\w",
		"\\W", "\\s", "\\S", "^", "$", "\\`", "\\'", "\\.", "\\*",
		"\\-", "{", "}", ")", "(", "*", "+", "?", "|", "\\/", "\\$",
		"\\^", "\\[", "\\]", "]" };
	unsigned kind = below(20);

	if (kind < 10)
		add(t, "%c", letter());
	else if (kind < 12)
		add(t, ".");
	else if (kind < 14)
		add_bracket(t);
	else if (kind < 17)
		add_group(t);
	else if (kind == 17)
		add(t, "%s", odd[below(sizeof(odd) / sizeof(*odd))]);
	else
		add(t, ".*");
}

static void
add_repeat(struct text *t)
{
	const char *mark = t->type == FILTER_ERE ? "" : "\\";
	unsigned least = below(3);

	switch (below(5)) {
	case 0:
		add(t, "%s{%u%s}", mark, least, mark);
		break;
	case 1:
		add(t, "%s{%u,%u%s}", mark, least, least + below(3), mark);
		break;
	case 2:
		add(t, "%s+", mark);
		break;
	case 3:
		add(t, "%s?", mark);
		break;
	default:
		add(t, "*");
	}
}

static void
add_list(struct text *t)
{
	for (unsigned i = below(4) + (t->depth == 0); i > 0; i--) {
		add_atom(t);
		if (below(4) == 0)
			add_repeat(t);
	}
}

static void
add_glob(struct text *t)
{
	for (unsigned i = 1 + below(5); i > 0; i--) {
		unsigned kind = below(10);

		if (kind < 5)
			add(t, "%c", letter());
		else if (kind < 7)
			add(t, "*");
		else if (kind == 7)
			add(t, "?");
		else if (kind == 8)
			add_bracket(t);
		else
			add(t, "\\%c", "*?[]-.^!"[below(8)]);
	}
}

static void
text_make(struct text *t, enum filter_type type)
{
	*t = (struct text){ .type = type };
	if (type == FILTER_FNMATCH) {
		/* There glibc reads "[." as the begin of more than it is. */
		do {
			t->len = 0;
			add_glob(t);
		} while (strstr(t->bytes, "[.") != NULL);
		return;
	}
	if (below(4) == 0)
		add(t, "^");
	add_list(t);
	if (below(4) == 0)
		add(t, "$");
}

static void
subject_make(char subject[TEXT_SIZE], bool folds)
{
	unsigned len = below(4) == 0 ? below(40) : below(8);

	for (unsigned i = 0; i < len; i++) {
		char c = letter();

		subject[i] = folds && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	subject[len] = '\0';
}

/* What the library says of a pattern. */
struct other {
	enum filter_type type;
	bool is_there, folds;
	char text[TEXT_SIZE];
	regex_t regex;
};

static void
other_make(struct other *o, const struct text *t, bool folds)
{
	char *upper = o->text;

	o->type = t->type;
	o->folds = folds;
	snprintf(o->text, sizeof(o->text), "%s", t->bytes);
	if (t->type != FILTER_FNMATCH) {
		o->is_there =
		    regcomp(&o->regex, t->bytes,
			REG_NOSUB | (folds ? REG_ICASE : 0) |
			    (t->type == FILTER_ERE ? REG_EXTENDED : 0)) == 0;
		return;
	}
	o->is_there = true;
	/* A set of all letters is written so that fnmatch() has them. */
	while (folds && (upper = strstr(upper, "[:upper:]")) != NULL)
		memcpy(upper, "[:lower:]", 9);
}

static bool
other_matches(const struct other *o, const char *subject)
{
	char text[TEXT_SIZE];

	if (o->type != FILTER_FNMATCH)
		return regexec(&o->regex, subject, 0, NULL, 0) == 0;
	snprintf(text, sizeof(text), "%s", o->text);
	for (char *c = text; o->folds && *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + 32);
	return fnmatch(text, subject, 0) == 0;
}

static void
complain(const char *what, const struct other *o, const char *subject,
    unsigned long line, unsigned long expected)
{
	printf("%s: type %d, %s case, pattern %s, subject \"%s\": %lu, not "
	       "%lu\n",
	    what, (int)o->type, o->folds ? "any" : "exact", o->text, subject,
	    line, expected);
	failed++;
}

/* Compares what some patterns say of some subjects. */
static void
subjects_try(struct patterns *ps, struct other *o, size_t n)
{
	char subject[TEXT_SIZE];

	for (unsigned i = 0; i < SUBJECTS; i++) {
		unsigned long line = 0, expected = 0;

		subject_make(subject, o->folds);
		for (size_t k = 0; k < n && expected == 0; k++)
			if (other_matches(&o[k], subject))
				expected = k + 1;
		if (patterns_match(ps, subject, &line) != 0)
			complain("over", o, subject, line, expected);
		else if (line != expected)
			complain("differs",
			    &o[(line != 0 && (expected == 0 || line < expected)
				       ? line
				       : expected) -
				1],
			    subject, line, expected);
		compared++;
	}
}

/* Some patterns of one type, together. */
static void
round_try(size_t wanted, enum filter_type type, bool folds)
{
	static struct other others[AT_ONCE];
	struct patterns ps = { .spelling = NULL };
	char doubt[DOUBT_SIZE];
	struct text t;
	size_t n = 0;

	while (n < wanted) {
		struct patterns none = { .spelling = NULL };
		bool here;

		text_make(&t, type);
		other_make(&others[n], &t, folds);
		here =
		    patterns_add(&none, type, t.bytes, folds, 1, doubt) == NULL;
		patterns_free(&none);
		refused_here += !here && others[n].is_there;
		refused_there += here && !others[n].is_there;
		if (here != others[n].is_there)
			complain(here ? "refused there" : "refused here",
			    &others[n], "", 0, 0);
		if (here && others[n].is_there) {
			patterns_add(&ps, type, t.bytes, folds, ++n, doubt);
		} else if (others[n].is_there && type != FILTER_FNMATCH) {
			regfree(&others[n].regex);
		}
	}
	if (patterns_ready(&ps) != 0)
		exit(1);
	subjects_try(&ps, others, n);
	patterns_free(&ps);
	while (n-- > 0)
		if (type != FILTER_FNMATCH)
			regfree(&others[n].regex);
}

int
main(int argc, char *argv[])
{
#ifndef __GLIBC__
	return 77;
#endif
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;

	srand(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1);
	for (unsigned long i = 0; i < rounds; i++)
		round_try(i % 4 == 0 ? AT_ONCE : 1, (enum filter_type)(i % 3),
		    below(2) == 0);
	printf("%lu compared, %d differ; %lu patterns refused here alone, %lu "
	       "there alone\n",
	    compared, failed, refused_here, refused_there);
	return failed > 0;
}
