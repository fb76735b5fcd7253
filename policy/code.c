/* SPDX-License-Identifier: ISC */
/*
 * From the tree of a pattern to code.  Alternatives at its beginning become
 * spellings of their own, so that patterns with equal beginnings can share
 * them: (^|\.)example is "^example" and "\.example".  A part in front or at
 * the end that may match nothing or anything is left out, since a pattern is
 * searched for anywhere.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bracket.h"
#include "code.h"
#include "pattern.h"

enum {
	EARLY_MAX = 64,   /* spellings by choices before the first byte, and */
	LATE_MAX = 4,     /* by later ones */
	MEAN_MAX = 2,     /* by all when spellings are to be few */
	WORK_MAX = 200000 /* nodes that are written for one spelling */
};

/* Instructions. */

/* Returns a number in code. */
uint32_t
code_number(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	    (uint32_t)at[2] << 8 | at[3];
}

/* Writes a number in code. */
void
code_put_number(unsigned char *at, uint32_t n)
{
	at[0] = (unsigned char)(n >> 24);
	at[1] = (unsigned char)(n >> 16);
	at[2] = (unsigned char)(n >> 8);
	at[3] = (unsigned char)n;
}

/* Returns the length of an instruction, or that of a block. */
size_t
code_len(const unsigned char *at)
{
	switch (*at) {
	case OP_MATCH:
	case OP_SPLIT:
	case OP_JUMP:
		return 1 + CODE_NUMBER;
	case OP_SET:
		return 1 + BYTE_SET_SIZE;
	case OP_PLACE:
	case OP_SAVE:
	case OP_BACK:
	case OP_ENTER:
	case OP_MOVED:
		return 2;
	case OP_SWITCH:
		return 2 + at[1] * (size_t)(1 + CODE_NUMBER);
	case OP_BLOCK:
	case OP_BLOCK_MAYBE:
		return 1 + CODE_NUMBER + code_number(at + 1);
	default:
		return 1;
	}
}

static void
put(struct spelling *s, unsigned char byte)
{
	if (s->len == CODE_MAX)
		s->full = true;
	else
		s->code[s->len++] = byte;
}

static void
put_two(struct spelling *s, enum op op, unsigned value)
{
	put(s, (unsigned char)op);
	put(s, (unsigned char)value);
}

/* Writes an instruction with a number; returns where the number is. */
static size_t
put_number(struct spelling *s, enum op op, uint32_t n)
{
	size_t at;

	put(s, (unsigned char)op);
	at = s->len;
	if (CODE_MAX - s->len < CODE_NUMBER) {
		s->full = true;
		return 0;
	}
	code_put_number(s->code + at, n);
	s->len += CODE_NUMBER;
	return at;
}

/* Lets a jump, whose number is there, lead to the end of the code. */
static void
land(struct spelling *s, size_t number)
{
	if (!s->full)
		code_put_number(s->code + number,
		    (uint32_t)(s->len - number - CODE_NUMBER));
}

static void
put_set(struct spelling *s, const struct byte_set *set)
{
	put(s, OP_SET);
	for (size_t i = 0; i < BYTE_SET_SIZE; i++)
		put(s, set->bits[i]);
}

/* Writes a node that is no list, group or repetition. */
static void
put_simple(struct spelling *s, const struct node *node)
{
	if (node->kind == NODE_BYTE)
		put(s, (unsigned char)node->value);
	else if (node->kind == NODE_ANY)
		put(s, OP_ANY);
	else if (node->kind == NODE_SET)
		put_set(s, &s->pattern->sets[node->value]);
	else if (node->kind == NODE_PLACE)
		put_two(s, OP_PLACE, node->value);
	else
		put_two(s, OP_BACK, node->value);
}

/* Whole parts of a tree. */

/* Counts a step.  Returns whether the code is too long, or took too many. */
static bool
work_over(struct spelling *s)
{
	if (++s->work > WORK_MAX)
		s->full = true;
	return s->full;
}

static void put_node(struct spelling *, uint32_t n);

static void
put_alternatives(struct spelling *s, const struct node *group)
{
	const struct node *nodes = s->pattern->nodes;
	size_t split = 0, jump = 0, last = 0;

	/* The number of each jump is the place of the one before. */
	for (uint32_t i = group->child; i != 0 && !s->full; i = nodes[i].next) {
		if (nodes[i].next != 0)
			split = put_number(s, OP_SPLIT, 0);
		put_node(s, i);
		if (nodes[i].next == 0)
			break;
		last = jump;
		jump = put_number(s, OP_JUMP, (uint32_t)last);
		land(s, split);
	}
	while (jump != 0 && !s->full) {
		last = code_number(s->code + jump);
		land(s, jump);
		jump = last;
	}
}

/*
 * Writes a loop.  When ways are tried one by one, a turn that takes nothing
 * must not be repeated.
 */
static void
put_loop(struct spelling *s, uint32_t child)
{
	size_t begin = s->len, split = put_number(s, OP_SPLIT, 0);
	unsigned loop = s->loops;

	if (s->saves && ++s->loops > CODE_LOOPS)
		s->full = true;
	if (s->saves)
		put_two(s, OP_ENTER, loop);
	put_node(s, child);
	if (s->saves)
		put_two(s, OP_MOVED, loop);
	put_number(
	    s, OP_JUMP, (uint32_t)begin - (uint32_t)(s->len + 1 + CODE_NUMBER));
	land(s, split);
}

/* Writes a part that may occur up to so many times. */
static void
put_optional(struct spelling *s, uint32_t child, unsigned times)
{
	size_t begin = s->len, end;

	if (times == ENDLESS) {
		put_loop(s, child);
		return;
	}
	/* Each split leads to the end; it is found by the length of a turn. */
	for (unsigned i = 0; i < times && !s->full; i++) {
		size_t split = put_number(s, OP_SPLIT, (uint32_t)begin);

		begin = split;
		put_node(s, child);
	}
	for (unsigned i = 0; i < times && !s->full; i++) {
		end = code_number(s->code + begin);
		land(s, begin);
		begin = end;
	}
}

static unsigned
times_left(const struct node *repeat)
{
	return repeat->most == ENDLESS ? ENDLESS
				       : (unsigned)repeat->most - repeat->least;
}

static void
put_repeat(struct spelling *s, const struct node *repeat)
{
	for (unsigned i = 0; i < repeat->least && !s->full; i++)
		put_node(s, repeat->child);
	put_optional(s, repeat->child, times_left(repeat));
}

static void
put_node(struct spelling *s, uint32_t n)
{
	const struct node *node = &s->pattern->nodes[n];

	if (work_over(s))
		return;
	switch (node->kind) {
	case NODE_LIST:
		for (n = node->child; n != 0; n = s->pattern->nodes[n].next)
			put_node(s, n);
		break;
	case NODE_GROUP:
		if (s->saves && node->value != 0 && node->value <= BACK_MAX)
			put_two(s, OP_SAVE, node->value * 2);
		put_alternatives(s, node);
		if (s->saves && node->value != 0 && node->value <= BACK_MAX)
			put_two(s, OP_SAVE, node->value * 2 + 1);
		break;
	case NODE_REPEAT:
		put_repeat(s, node);
		break;
	case NODE_BYTE:
	case NODE_ANY:
	case NODE_SET:
	case NODE_PLACE:
	case NODE_BACK:
		put_simple(s, node);
	}
}

/* Spellings. */

static void spell(struct spelling *, uint32_t n);

/* Makes a choice between n; returns n if there are too many spellings. */
static unsigned
choose(struct spelling *s, unsigned n)
{
	unsigned max = !s->generous ? MEAN_MAX
	    : s->literal            ? LATE_MAX
				    : EARLY_MAX;

	if (s->product * n > max)
		return n;
	s->product *= n;
	if (s->taken == s->nchoices) {
		s->choice[s->nchoices] = 0;
		s->of[s->nchoices++] = n;
	}
	return s->choice[s->taken++];
}

/* Writes code in a block of its own. */
static size_t
block_begin(struct spelling *s, enum op op)
{
	return put_number(s, op, 0);
}

static void
spell_group(struct spelling *s, uint32_t n)
{
	const struct node *nodes = s->pattern->nodes;
	unsigned of = 0, choice = 0;
	size_t block;
	uint32_t i;

	for (i = nodes[n].child; i != 0; i = nodes[i].next)
		of++;
	if (of > 1)
		choice = choose(s, of);
	if (choice == of) {
		block = block_begin(s, OP_BLOCK);
		put_node(s, n);
		land(s, block);
		return;
	}
	for (i = nodes[n].child; choice > 0; choice--)
		i = nodes[i].next;
	spell(s, i);
}

static bool
is_simple(const struct node *node)
{
	return node->kind == NODE_BYTE || node->kind == NODE_ANY ||
	    node->kind == NODE_SET;
}

/* Whether nothing but an anchor in front has been written. */
static bool
is_anchored(const struct spelling *s)
{
	return s->len == 2 && s->code[0] == OP_PLACE &&
	    s->code[1] == PLACE_BEGIN;
}

/* Writes a part that may occur up to so many times. */
static void
spell_optional(struct spelling *s, uint32_t child, unsigned times)
{
	const struct node *node = &s->pattern->nodes[child];
	unsigned choice = 2;
	size_t block;

	if (times == 0 || s->len == 0)
		return;
	if (node->kind == NODE_ANY && times == ENDLESS && is_anchored(s)) {
		s->len = 0;
		return;
	}
	if (!is_simple(node) && (times == 1 || times == ENDLESS))
		choice = choose(s, 2);
	if (choice == 1)
		return;
	if (choice == 0) {
		spell(s, child);
		if (times == 1)
			return;
	}
	block = block_begin(s, OP_BLOCK_MAYBE);
	put_optional(s, child, times);
	land(s, block);
}

static void
spell(struct spelling *s, uint32_t n)
{
	const struct node *node = &s->pattern->nodes[n];

	if (work_over(s))
		return;
	switch (node->kind) {
	case NODE_LIST:
		for (n = node->child; n != 0; n = s->pattern->nodes[n].next)
			spell(s, n);
		break;
	case NODE_GROUP:
		spell_group(s, n);
		break;
	case NODE_REPEAT:
		for (unsigned i = 0; i < node->least && !s->full; i++)
			spell(s, node->child);
		spell_optional(s, node->child, times_left(node));
		break;
	case NODE_BYTE:
		s->literal = true;
		put_simple(s, node);
		break;
	case NODE_ANY:
	case NODE_SET:
	case NODE_PLACE:
	case NODE_BACK:
		put_simple(s, node);
	}
}

/* Returns whether code is a block of any bytes. */
static bool
is_anything(const unsigned char *at)
{
	static const unsigned char anything[] = { OP_SPLIT, 0, 0, 0,
		2 + CODE_NUMBER, OP_ANY, OP_JUMP };

	return *at == OP_BLOCK_MAYBE && code_len(at) == 4 + 3 * CODE_NUMBER &&
	    memcmp(at + 1 + CODE_NUMBER, anything, sizeof(anything)) == 0;
}

/* Cuts off one part at the end that is not needed.  Returns whether it did. */
static bool
tail_cut(struct spelling *s)
{
	size_t before = 0, last = 0;
	bool ends;

	for (size_t at = 0; at < s->len; at += code_len(s->code + at)) {
		before = last;
		last = at;
	}
	if (s->len == 0)
		return false;
	if (s->code[last] == OP_BLOCK_MAYBE) {
		s->len = last;
		return true;
	}
	ends = s->code[last] == OP_PLACE && s->code[last + 1] == PLACE_END;
	if (!ends || last == 0 || !is_anything(s->code + before))
		return false;
	s->len = before;
	return true;
}

static void
spelling_write(struct spelling *s)
{
	s->len = s->taken = 0;
	s->product = 1;
	s->literal = false;
	s->work = 0;
	spell(s, 1);
	while (!s->full && tail_cut(s))
		;
}

/*
 * Writes the first spelling of a pattern without references back.  The member
 * full becomes true if it is too large.
 */
void
spelling_first(struct spelling *s, const struct pattern *pattern, bool generous)
{
	s->pattern = pattern;
	s->generous = generous;
	s->saves = s->full = false;
	s->nchoices = 0;
	spelling_write(s);
}

/* Writes the next spelling.  Returns false if there is no other one. */
bool
spelling_next(struct spelling *s)
{
	while (s->nchoices > 0) {
		unsigned last = s->nchoices - 1;

		if (++s->choice[last] < s->of[last]) {
			spelling_write(s);
			return true;
		}
		s->nchoices = last;
	}
	return false;
}

/* Writes a pattern in one, with marks at its groups. */
void
spelling_whole(struct spelling *s, const struct pattern *pattern)
{
	s->pattern = pattern;
	s->saves = true;
	s->full = false;
	s->len = 0;
	s->loops = 0;
	s->work = 0;
	put_node(s, 1);
}
