/* SPDX-License-Identifier: ISC */
/*
 * All patterns of a filter.  A spelling of a pattern that is plain up to the
 * end of the subject, such as \.example\.com$, is found by its hash; a pattern
 * that refers back is tried on its own; all others are one automaton.  Each is
 * known by its line in the file, and of those that match the first one counts.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "automaton.h"
#include "backtrack.h"
#include "code.h"
#include "effort.h"
#include "suffix.h"
#include "machine.h"
#include "pattern.h"
#include "patterns.h"

enum {
	GENEROUS_MAX =
	    16 * 1024 * 1024 /* bytes of code: see spelling_first() */
};

static const char no_memory[] = "there is no memory for it";
static const char too_large[] =
    "Regular expression too big: it has more than 64 KB when its repetitions "
    "are written out";

static bool
is_place(const unsigned char *code, enum place place)
{
	return code[0] == OP_PLACE && code[1] == place;
}

/*
 * Returns whether a spelling is plain bytes up to the end of the subject, and
 * where they are.
 */
static bool
is_suffix(const struct spelling *s, size_t *from, size_t *to)
{
	*from = s->len > 2 && is_place(s->code, PLACE_BEGIN) ? 2 : 0;
	for (*to = *from; *to < s->len && code_is_byte(s->code[*to]); ++*to)
		;
	return *to > *from && *to + 2 == s->len &&
	    is_place(s->code + *to, PLACE_END);
}

static int
spelling_add(struct patterns *ps, const struct spelling *s, uint32_t line)
{
	size_t from, to;

	if (is_suffix(s, &from, &to))
		return suffix_add(&ps->suffixes, (const char *)s->code + from,
		    to - from, from > 0, line);
	return automaton_add(&ps->automaton, s->code, s->len, line);
}

static const char *
spellings_add(struct patterns *ps, uint32_t line)
{
	struct spelling *s = ps->spelling;
	bool generous = ps->automaton.len + ps->suffixes.len < GENEROUS_MAX;

	spelling_first(s, &ps->pattern, generous);
	do {
		if (s->full)
			return too_large;
		if (spelling_add(ps, s, line) != 0)
			return no_memory;
	} while (spelling_next(s));
	return NULL;
}

static const char *
backward_add(struct patterns *ps, uint32_t line)
{
	struct backward *grown =
	    array_room(ps->backward, ps->n, sizeof(*grown));
	struct backward b = { .line = line };

	if (grown == NULL)
		return no_memory;
	ps->backward = grown;
	spelling_whole(ps->spelling, &ps->pattern);
	if (ps->spelling->full)
		return too_large;
	b.len = ps->spelling->len;
	b.code = malloc(b.len);
	if (b.code == NULL)
		return no_memory;
	memcpy(b.code, ps->spelling->code, b.len);
	ps->backward[ps->n++] = b;
	return NULL;
}

/*
 * Adds the pattern in a line, whose number is higher than those before it.
 * folds: without regard to case.  doubt becomes what may not be meant, or an
 * empty text.  Returns NULL, or what is wrong with the pattern.
 */
const char *
patterns_add(struct patterns *ps, enum filter_type type, const char *text,
    bool folds, unsigned long line, char doubt[DOUBT_SIZE])
{
	const char *why;

	doubt[0] = '\0';
	if (ps->spelling == NULL)
		ps->spelling = malloc(sizeof(*ps->spelling));
	if (ps->spelling == NULL || line >= UINT32_MAX)
		return no_memory;
	why = pattern_parse(&ps->pattern, type, text, folds);
	snprintf(doubt, DOUBT_SIZE, "%s", ps->pattern.doubt);
	if (why != NULL)
		return why;
	return ps->pattern.goes_back ? backward_add(ps, (uint32_t)line)
				     : spellings_add(ps, (uint32_t)line);
}

/*
 * Makes patterns ready to match, once all are added.  Returns 0, or -1 without
 * memory.
 */
int
patterns_ready(struct patterns *ps)
{
	pattern_free(&ps->pattern);
	free(ps->spelling);
	ps->spelling = NULL;
	return suffix_index(&ps->suffixes) == 0 &&
		automaton_build(&ps->automaton) == 0
	    ? 0
	    : -1;
}

/* Frees what a struct patterns owns. */
void
patterns_free(struct patterns *ps)
{
	suffix_free(&ps->suffixes);
	automaton_free(&ps->automaton);
	for (size_t i = 0; i < ps->n; i++)
		free(ps->backward[i].code);
	free(ps->backward);
	pattern_free(&ps->pattern);
	free(ps->spelling);
	*ps = (struct patterns){ 0 };
}

/*
 * Stores the line of the first pattern that matches, or 0 if none does.
 * Returns 0; or -1 if it takes too long to say, and the line is 0 or that of
 * some pattern.
 */
int
patterns_match(
    const struct patterns *ps, const char *subject, unsigned long *line)
{
	size_t len = strlen(subject);
	uint32_t found = suffix_find(&ps->suffixes, subject, len, UINT32_MAX);
	struct effort effort = { 0 };

	found = machine_find(&ps->automaton, subject, len, found, &effort);
	for (size_t i = 0; i < ps->n && !effort.over; i++) {
		const struct backward *b = &ps->backward[i];

		if (b->line >= found)
			break;
		if (backtrack_matches(b->code, b->len, subject, len, &effort) ||
		    effort.over)
			found = b->line;
	}
	*line = found == UINT32_MAX ? 0 : found;
	return effort.over ? -1 : 0;
}
