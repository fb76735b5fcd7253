/* SPDX-License-Identifier: ISC */
/*
 * Runs the code of one pattern that refers back, as in \(a*\)b\1: what a group
 * has matched depends on the way, so the ways are tried one by one.  That can
 * take for ever, and is given up after a while.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "backtrack.h"
#include "bracket.h"
#include "code.h"
#include "effort.h"
#include "pattern.h"

enum { DEPTH_MAX = 10000 /* choices that are open at once */ };

struct attempt {
	const unsigned char *code;
	size_t code_len;
	const char *subject;
	size_t len;
	struct effort *effort;
	unsigned depth;
	size_t groups[2 * (BACK_MAX + 1)]; /* begin and end, or SIZE_MAX */
	size_t loops[CODE_LOOPS + 1];      /* where a turn began */
};

static bool try_from(struct attempt *, size_t pc, size_t at);

static bool
is_word_at(const struct attempt *t, size_t at)
{
	return at < t->len && byte_is_word(byte_fold(t->subject[at]));
}

static bool
is_place(const struct attempt *t, enum place place, size_t at)
{
	bool before = at > 0 && is_word_at(t, at - 1),
	     after = is_word_at(t, at);

	switch (place) {
	case PLACE_BEGIN:
		return at == 0;
	case PLACE_END:
		return at == t->len;
	case PLACE_WORD_BEGIN:
		return !before && after;
	case PLACE_WORD_END:
		return before && !after;
	case PLACE_EDGE:
		return before != after;
	case PLACE_NO_EDGE:
		break;
	}
	return before == after;
}

/* Tries the rest of the code, and restores a value if that fails. */
static bool
try_with(struct attempt *t, size_t *value, size_t new, size_t pc, size_t at)
{
	size_t old = *value;

	*value = new;
	if (try_from(t, pc, at))
		return true;
	*value = old;
	return false;
}

/* Takes what a group has matched. */
static bool
back_take(const struct attempt *t, unsigned group, size_t *at)
{
	size_t begin = t->groups[2 * group], end = t->groups[2 * group + 1];

	if (begin == SIZE_MAX || end == SIZE_MAX || end < begin ||
	    end - begin > t->len - *at ||
	    memcmp(t->subject + begin, t->subject + *at, end - begin) != 0)
		return false;
	*at += end - begin;
	return true;
}

static bool
byte_take(const struct attempt *t, const unsigned char *code, size_t *at)
{
	unsigned c;

	if (*at == t->len)
		return false;
	c = byte_fold(t->subject[(*at)++]);
	return *code == c || *code == OP_ANY ||
	    (*code == OP_SET && byte_set_has(code + 1, c));
}

/* Does an instruction that tries nothing else.  Returns whether it goes on. */
static bool
plain_do(const struct attempt *t, size_t *pc, size_t *at)
{
	const unsigned char *code = t->code + *pc;

	*pc += code_len(code);
	switch (*code) {
	case OP_JUMP:
		*pc = (uint32_t)(*pc + code_number(code + 1));
		return true;
	case OP_PLACE:
		return is_place(t, code[1], *at);
	case OP_BACK:
		return back_take(t, code[1], at);
	case OP_MOVED:
		if (t->loops[code[1]] == *at)
			*pc += 1 + CODE_NUMBER;
		return true;
	default:
		return byte_take(t, code, at);
	}
}

static bool
try_on(struct attempt *t, size_t pc, size_t at)
{
	while (pc < t->code_len) {
		const unsigned char *code = t->code + pc;
		size_t next = pc + code_len(code);

		if (effort_step(t->effort))
			return false;
		if (*code == OP_SAVE)
			return try_with(t, &t->groups[code[1]], at, next, at);
		if (*code == OP_ENTER)
			return try_with(t, &t->loops[code[1]], at, next, at);
		if (*code == OP_SPLIT) {
			if (try_from(t, next, at))
				return true;
			pc = next + code_number(code + 1);
		} else if (!plain_do(t, &pc, &at)) {
			return false;
		}
	}
	return true;
}

/* Tries the code from a place; too many open choices end the effort. */
static bool
try_from(struct attempt *t, size_t pc, size_t at)
{
	bool matches;

	if (t->depth == DEPTH_MAX) {
		t->effort->over = true;
		return false;
	}
	t->depth++;
	matches = try_on(t, pc, at);
	t->depth--;
	return matches;
}

/*
 * Returns whether the code matches anywhere in the subject.  If the effort is
 * over, the result means nothing.
 */
bool
backtrack_matches(const unsigned char *code, size_t code_len,
    const char *subject, size_t len, struct effort *effort)
{
	struct attempt t = { .code = code,
		.code_len = code_len,
		.subject = subject,
		.len = len,
		.effort = effort };

	for (size_t from = 0; from <= len && !effort->over; from++) {
		memset(t.groups, 0xff, sizeof(t.groups));
		if (try_from(&t, 0, from))
			return true;
	}
	return false;
}
