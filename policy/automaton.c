/* SPDX-License-Identifier: ISC */
/*
 * From the codes of many patterns to one: patterns with equal beginnings share
 * them, so that at any place of a subject only few ways have to be tried,
 * however many patterns there are.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "automaton.h"
#include "code.h"
#include "machine.h"
#include "pattern.h"

enum { FIRST_SIZE = 4096, BYTES_MAX = 94 /* printable ones */ };

/* Strands that have begun alike, whose rest is not written yet. */
struct job {
	size_t from, to; /* strands, in their order */
	size_t depth;    /* bytes that are written */
	size_t patch;    /* the number that leads to the rest, or 0, */
	bool split;      /* which is that of a split */
};

/* The writing of the whole code. */
struct weave {
	const struct automaton *a;
	const unsigned char *old; /* the code of the strands */
	unsigned char *code;
	size_t len, size;
	struct job *jobs;
	size_t njobs;
	bool failed;
};

/* Makes room for more bytes at the end of an array of bytes. */
static int
bytes_room(unsigned char **bytes, size_t len, size_t *size, size_t more)
{
	size_t wanted = *size == 0 ? FIRST_SIZE : *size;
	unsigned char *grown;

	while (wanted - len < more)
		wanted *= 2;
	if (wanted == *size)
		return 0;
	grown = wanted <= UINT32_MAX ? realloc(*bytes, wanted) : NULL;
	if (grown == NULL) {
		errno = ENOMEM;
		return -1;
	}
	*bytes = grown;
	*size = wanted;
	return 0;
}

/*
 * Adds the code of a pattern, which matches for a line.  Returns 0, or -1
 * without memory.
 */
int
automaton_add(
    struct automaton *a, const unsigned char *code, size_t len, uint32_t line)
{
	struct strand *grown = array_room(a->strands, a->n, sizeof(*grown));
	unsigned char match[1 + CODE_NUMBER] = { OP_MATCH };

	if (grown == NULL)
		return -1;
	a->strands = grown;
	if (bytes_room(&a->code, a->len, &a->size, len + sizeof(match)) != 0)
		return -1;
	code_put_number(match + 1, line);
	memcpy(a->code + a->len, code, len);
	memcpy(a->code + a->len + len, match, sizeof(match));
	a->strands[a->n++] = (struct strand){ .at = a->len,
		.len = (uint32_t)(len + sizeof(match)),
		.line = line };
	a->len += len + sizeof(match);
	return 0;
}

static const unsigned char *sorted_code;

/* All codes end in a match, so none is the beginning of another one. */
static int
strand_compare(const void *a, const void *b)
{
	const struct strand *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;

	return memcmp(sorted_code + x->at, sorted_code + y->at, len);
}

static const unsigned char *
code_at(const struct weave *w, size_t strand, size_t depth)
{
	return w->old + w->a->strands[strand].at + depth;
}

static bool
is_same(const unsigned char *a, const unsigned char *b)
{
	return *a == *b && code_len(a) == code_len(b) &&
	    memcmp(a, b, code_len(a)) == 0;
}

static unsigned char *
room(struct weave *w, size_t len)
{
	if (w->failed || bytes_room(&w->code, w->len, &w->size, len) != 0) {
		w->failed = true;
		return NULL;
	}
	w->len += len;
	return w->code + w->len - len;
}

static void
job_add(struct weave *w, struct job job)
{
	struct job *grown = array_room(w->jobs, w->njobs, sizeof(*grown));

	if (grown == NULL) {
		w->failed = true;
		return;
	}
	w->jobs = grown;
	w->jobs[w->njobs++] = job;
}

/* Writes an instruction, or the code in a block. */
static void
copy(struct weave *w, const unsigned char *code)
{
	size_t len = code_len(code), skipped = 0;
	unsigned char *to;

	if (*code == OP_BLOCK || *code == OP_BLOCK_MAYBE)
		skipped = 1 + CODE_NUMBER;
	to = room(w, len - skipped);
	if (to != NULL)
		memcpy(to, code + skipped, len - skipped);
}

/* Returns the end of the strands that go on like the first one. */
static size_t
alike_end(const struct weave *w, const struct job *j)
{
	const unsigned char *first = code_at(w, j->from, j->depth);
	size_t i = j->from + 1;

	while (i < j->to && is_same(first, code_at(w, i, j->depth)))
		i++;
	return i;
}

/* Writes one way of several: a split to it. */
static void
fork_write(struct weave *w, struct job j)
{
	unsigned char *to = room(w, 1 + CODE_NUMBER);

	if (to == NULL)
		return;
	*to = OP_SPLIT;
	j.patch = w->len - CODE_NUMBER;
	j.split = true;
	job_add(w, j);
}

/*
 * Writes what chooses between strands that go on with different bytes, whose
 * groups are given.
 */
static void
switch_write(struct weave *w, const struct job *groups, size_t n)
{
	unsigned char *to = room(w, 2 + n * (1 + CODE_NUMBER));
	size_t numbers = w->len - n * CODE_NUMBER;

	if (to == NULL)
		return;
	*to++ = OP_SWITCH;
	*to++ = (unsigned char)n;
	for (size_t i = 0; i < n; i++) {
		struct job j = groups[i];

		to[i] = *code_at(w, j.from, j.depth);
		j.depth++;
		j.patch = numbers + i * CODE_NUMBER;
		j.split = false;
		job_add(w, j);
	}
}

/*
 * Writes a place from which strands go on differently.  Of those that match
 * here the first one counts.
 */
static void
branch(struct weave *w, struct job j)
{
	struct job bytes[BYTES_MAX], group = j;
	bool matched = false;
	size_t n = 0;

	for (; j.from < j.to; j.from = group.to) {
		const unsigned char *code = code_at(w, j.from, j.depth);

		group = j;
		group.to = alike_end(w, &j);
		if (code_is_byte(*code)) {
			bytes[n++] = group;
		} else if (*code != OP_MATCH) {
			fork_write(w, group);
		} else if (!matched) {
			copy(w, code);
			matched = true;
		}
	}
	if (n > 0)
		switch_write(w, bytes, n);
	else if (room(w, 1) != NULL)
		w->code[w->len - 1] = OP_STOP;
}

/*
 * Lets the number of a split or a switch lead here.  That of a split counts
 * from its end.
 */
static void
patch(struct weave *w, const struct job *j)
{
	if (j->patch != 0)
		code_put_number(w->code + j->patch,
		    (uint32_t)(j->split ? w->len - j->patch - CODE_NUMBER
					: w->len));
}

static void
job_do(struct weave *w, struct job j)
{
	const unsigned char *first, *last;

	patch(w, &j);
	for (;;) {
		first = code_at(w, j.from, j.depth);
		last = code_at(w, j.to - 1, j.depth);
		if (w->failed || !is_same(first, last))
			break;
		copy(w, first);
		if (*first == OP_MATCH) {
			unsigned char *stop = room(w, 1);

			if (stop != NULL)
				*stop = OP_STOP;
			return;
		}
		j.depth += code_len(first);
	}
	branch(w, j);
}

/* Whether a match of a strand may begin anywhere. */
static bool
does_float(const unsigned char *code)
{
	return code[0] != OP_PLACE || code[1] != PLACE_BEGIN;
}

/* Finds out what all strands have in common. */
static void
survey(struct automaton *a)
{
	a->line = UINT32_MAX;
	for (size_t i = 0; i < a->n; i++) {
		const struct strand *s = &a->strands[i];

		if (s->line < a->line)
			a->line = s->line;
		if (does_float(a->code + s->at))
			a->floats = true;
	}
}

/* Whether code asks where words begin or end. */
static bool
does_know_words(const unsigned char *code, size_t len)
{
	for (size_t at = 0; at < len; at += code_len(code + at))
		if (code[at] == OP_PLACE && code[at + 1] != PLACE_BEGIN &&
		    code[at + 1] != PLACE_END)
			return true;
	return false;
}

static int
weave(struct automaton *a)
{
	struct weave w = { .a = a, .old = a->code };

	sorted_code = a->code;
	qsort(a->strands, a->n, sizeof(*a->strands), strand_compare);
	survey(a);
	job_add(&w, (struct job){ .from = 0, .to = a->n });
	while (w.njobs > 0 && !w.failed)
		job_do(&w, w.jobs[--w.njobs]);
	free(w.jobs);
	free(a->code);
	free(a->strands);
	a->strands = NULL;
	a->code = w.code;
	a->len = w.len;
	return w.failed ? -1 : 0;
}

/*
 * Builds the automaton of all patterns that have been added.  Returns 0, or -1
 * without memory.
 */
int
automaton_build(struct automaton *a)
{
	unsigned char *cut;

	if (a->n == 0)
		return 0;
	if (weave(a) != 0)
		return -1;
	cut = realloc(a->code, a->len);
	if (cut != NULL)
		a->code = cut;
	a->knows_words = does_know_words(a->code, a->len);
	a->machine = machine_new(a);
	return a->machine == NULL ? -1 : 0;
}

/* Frees what a struct automaton owns. */
void
automaton_free(struct automaton *a)
{
	free(a->strands);
	free(a->code);
	machine_free(a->machine);
	*a = (struct automaton){ 0 };
}
