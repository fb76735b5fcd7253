/* SPDX-License-Identifier: ISC */
/* LINK: policy/patterns.c policy/pattern.c policy/bracket.c policy/code.c policy/suffix.c policy/automaton.c policy/machine.c policy/backtrack.c base/array.c base/clock.c */
/*
 * An entry for libFuzzer.  Any lines are patterns or are refused; those that are
 * patterns match the same subjects one by one and all at once, in both ways to
 * match.  The input is a byte with the type, patterns, an empty line, and a
 * subject.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "backtrack.h"
#include "code.h"
#include "effort.h"
#include "patterns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 8 };

static enum filter_type type;
static bool folds;

/* Adds a pattern.  Returns whether it is one. */
static bool
add(struct patterns *ps, const char *text, unsigned long line)
{
	char doubt[DOUBT_SIZE];
	const char *why = patterns_add(ps, type, text, folds, line, doubt);

	assert(why == NULL || why[0] != '\0');
	assert(memchr(doubt, '\0', sizeof(doubt)) != NULL);
	return why == NULL;
}

/*
 * Whether one pattern matches, tried way by way; *over becomes true if that takes
 * too long.
 */
static bool
tried(const char *text, const char *subject, bool *over)
{
	static struct spelling spelling;
	struct pattern pattern = { .nodes = NULL };
	struct effort effort = { .until = 0 };
	bool matches;

	assert(pattern_parse(&pattern, type, text, folds) == NULL);
	spelling_whole(&spelling, &pattern);
	matches = backtrack_matches(
	    spelling.code, spelling.len, subject, strlen(subject), &effort);
	*over = effort.over || spelling.full;
	pattern_free(&pattern);
	return matches;
}

/* Returns whether a pattern matches alone. */
static bool
alone(const char *text, const char *subject)
{
	struct patterns ps = { .spelling = NULL };
	unsigned long found = 0;
	bool over = false, matches;

	if (add(&ps, text, 1) && patterns_ready(&ps) == 0 &&
	    patterns_match(&ps, subject, &found) == 0) {
		matches = tried(text, subject, &over);
		assert(over || matches == (found != 0));
	}
	patterns_free(&ps);
	return found != 0;
}

static void
subject_try(char *const *lines, size_t n, const char *subject)
{
	struct patterns ps = { .spelling = NULL };
	unsigned long found = 0, expected = 0;

	for (size_t i = 0; i < n; i++) {
		struct patterns none = { .spelling = NULL };

		if (add(&none, lines[i], 1) && add(&ps, lines[i], i + 1) &&
		    expected == 0 && alone(lines[i], subject))
			expected = i + 1;
		patterns_free(&none);
	}
	assert(patterns_ready(&ps) == 0);
	if (patterns_match(&ps, subject, &found) == 0)
		assert(found == expected);
	patterns_free(&ps);
}

/* Patterns and hosts have printable bytes alone. */
static void
clean(char *text, bool lower)
{
	for (; *text != '\0'; text++) {
		if (*text <= 0x20 || *text >= 0x7f)
			*text = '.';
		if (lower && *text >= 'A' && *text <= 'Z')
			*text = (char)(*text + ('a' - 'A'));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *at = text, *lines[LINES_MAX];
	size_t n = 0;

	assert(text != NULL);
	if (size > 0)
		memcpy(text, data + 1, size - 1);
	text[size > 0 ? size - 1 : 0] = '\0';
	type = (enum filter_type)(size > 0 ? data[0] % 3 : 0);
	folds = size > 0 && data[0] & 4;
	while (n < LINES_MAX && *at != '\0' && *at != '\n') {
		lines[n++] = at;
		at += strcspn(at, "\n");
		if (*at == '\n')
			*at++ = '\0';
		clean(lines[n - 1], false);
	}
	clean(at, folds);
	subject_try(lines, n, at);
	free(text);
	return 0;
}
