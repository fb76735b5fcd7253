/* SPDX-License-Identifier: ISC */
/*
 * Runs an automaton over a subject: all ways at once, byte by byte, so that no
 * pattern makes it go back.  The set of the ways at a place is a state.  States
 * are remembered with what follows them, up to a number, so that most bytes
 * cost one look into a table; each process has its own.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "automaton.h"
#include "bracket.h"
#include "code.h"
#include "effort.h"
#include "machine.h"
#include "pattern.h"

enum {
	STATES_MAX = 2000, /* that are remembered, and */
	WAYS_MAX = 65536,  /* all their ways */
	WAYS_KEPT = 2048,  /* of one that is remembered */
	TABLE_SIZE = 4096, /* for states, by their hashes */
	MET_MAX = 65536,   /* states that are known to have been met once */
	COLUMNS = 96,      /* the bytes of ASCII that can follow, others, end */
	END = 0x7f         /* what follows the last byte of a subject */
};

/* What stands before a place. */
enum before { BEFORE_NOTHING, BEFORE_BYTE, BEFORE_WORD };

/* A remembered state.  Others are named by their numbers; 0 is none. */
struct state {
	uint32_t ways, n; /* where its ways are */
	uint32_t line;    /* the lowest one that matches on the way to it */
	uint32_t hash;
	enum before before;
	uint16_t next[COLUMNS]; /* the state that follows, or 0: not known */
};

struct machine {
	const struct automaton *a;
	/* The state at this place. */
	uint16_t state;       /* its number if it is remembered, or 0 */
	const uint32_t *ways; /* places in the code */
	size_t n;
	uint32_t line;
	enum before before;
	/* Its making: each list has room for all that can be in it. */
	uint32_t *list[2]; /* owned */
	int which;         /* of the two has been written last */
	size_t nlist;
	uint32_t *stack, *splits; /* owned; splits that were passed */
	size_t nstack, nsplits;
	unsigned char *listed, *passed; /* owned: a bit for each place */
	/* What is remembered. */
	struct state *states; /* owned */
	unsigned nstates;
	uint32_t *store; /* owned: ways of all states */
	size_t nstore;
	uint16_t table[TABLE_SIZE];
	unsigned char met[MET_MAX / 8]; /* states, by their hashes: a bit */
	bool emptied;                   /* in this run */
	struct effort *effort;
};

/* Making and freeing. */

/* How many ways and splits code can have at once. */
static void
code_count(const struct automaton *a, size_t *ways, size_t *splits)
{
	*ways = *splits = 2;
	for (size_t at = 0; at < a->len; at += code_len(a->code + at)) {
		unsigned char op = a->code[at];

		if (op == OP_SPLIT)
			++*splits;
		else if (op == OP_SWITCH)
			*ways += a->code[at + 1];
		else if (code_is_byte(op) || op == OP_ANY || op == OP_SET)
			++*ways;
	}
}

/* Forgets all states. */
static void
machine_empty(struct machine *m)
{
	m->nstates = 1;
	m->nstore = 0;
	memset(m->table, 0, sizeof(m->table));
	memset(m->met, 0, sizeof(m->met));
}

/*
 * Returns a machine for an automaton that is built, or NULL without memory.
 * The memory is that of the process only where it has been used.
 */
struct machine *
machine_new(const struct automaton *a)
{
	struct machine *m = calloc(1, sizeof(*m));
	size_t ways, splits;

	if (m == NULL)
		return NULL;
	m->a = a;
	code_count(a, &ways, &splits);
	m->list[0] = calloc(ways, sizeof(*m->list[0]));
	m->list[1] = calloc(ways, sizeof(*m->list[1]));
	m->stack = calloc(splits, sizeof(*m->stack));
	m->splits = calloc(splits, sizeof(*m->splits));
	m->listed = calloc(a->len / 8 + 1, 1);
	m->passed = calloc(a->len / 8 + 1, 1);
	m->states = calloc(STATES_MAX, sizeof(*m->states));
	m->store = calloc(WAYS_MAX, sizeof(*m->store));
	if (m->list[0] == NULL || m->list[1] == NULL || m->stack == NULL ||
	    m->splits == NULL || m->listed == NULL || m->passed == NULL ||
	    m->states == NULL || m->store == NULL) {
		machine_free(m);
		return NULL;
	}
	machine_empty(m);
	return m;
}

/* Frees a machine, if there is one. */
void
machine_free(struct machine *m)
{
	if (m == NULL)
		return;
	free(m->list[0]);
	free(m->list[1]);
	free(m->stack);
	free(m->splits);
	free(m->listed);
	free(m->passed);
	free(m->states);
	free(m->store);
	free(m);
}

/* One step, from the ways at a place to those after the next byte. */

static bool
bit_set(unsigned char *bits, uint32_t n)
{
	bool was = bits[n / 8] >> n % 8 & 1;

	bits[n / 8] |= (unsigned char)(1 << n % 8);
	return was;
}

static void
way_add(struct machine *m, uint32_t pc)
{
	if (!bit_set(m->listed, pc))
		m->list[m->which][m->nlist++] = pc;
}

/* Returns whether a place of some kind is here, with this byte next. */
static bool
is_place(enum place place, enum before before, unsigned c)
{
	bool word = byte_is_word(c), begins = word && before != BEFORE_WORD,
	     ends = !word && before == BEFORE_WORD;

	switch (place) {
	case PLACE_BEGIN:
		return before == BEFORE_NOTHING;
	case PLACE_END:
		return c == END;
	case PLACE_WORD_BEGIN:
		return begins;
	case PLACE_WORD_END:
		return ends;
	case PLACE_EDGE:
		return begins || ends;
	case PLACE_NO_EDGE:
		break;
	}
	return !begins && !ends;
}

/* Takes a byte at a switch, whose bytes are in order. */
static void
switch_take(struct machine *m, const unsigned char *code, unsigned c)
{
	unsigned n = code[1], low = 0, high = n;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (code[2 + mid] < c)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < n && code[2 + low] == c)
		way_add(m, code_number(code + 2 + n + low * CODE_NUMBER));
}

static void
split_push(struct machine *m, uint32_t pc)
{
	if (bit_set(m->passed, pc))
		return;
	m->splits[m->nsplits++] = pc;
	m->stack[m->nstack++] = pc;
}

/* Takes a byte at an instruction that does, or does not, and ends. */
static void
byte_take(struct machine *m, uint32_t pc, unsigned c)
{
	const unsigned char *code = m->a->code + pc;

	if (*code == OP_SWITCH)
		switch_take(m, code, c);
	else if (c != END &&
	    (*code == c || *code == OP_ANY ||
		(*code == OP_SET && byte_set_has(code + 1, c))))
		way_add(m, pc + (uint32_t)code_len(code));
}

/*
 * Follows a way as far as it takes nothing, up to the first split, and takes a
 * byte.
 */
static void
way_follow(struct machine *m, uint32_t pc, unsigned c)
{
	while (!effort_step(m->effort)) {
		const unsigned char *code = m->a->code + pc;

		if (*code == OP_MATCH) {
			uint32_t line = code_number(code + 1);

			if (line < m->line)
				m->line = line;
		} else if (*code == OP_PLACE) {
			if (!is_place(code[1], m->before, c))
				return;
		} else if (*code == OP_JUMP) {
			pc += code_number(code + 1);
		} else if (*code == OP_SPLIT) {
			split_push(m, pc);
			return;
		} else {
			byte_take(m, pc, c);
			return;
		}
		pc += (uint32_t)code_len(code);
	}
}

/* Follows both ways at each split that has been met. */
static void
splits_follow(struct machine *m, unsigned c)
{
	while (m->nstack > 0) {
		uint32_t pc = m->stack[--m->nstack];
		uint32_t next = pc + 1 + CODE_NUMBER;

		way_follow(m, next, c);
		way_follow(m, next + code_number(m->a->code + pc + 1), c);
	}
}

static void
bits_clear(unsigned char *bits, const uint32_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bits[list[i] / 8] = 0;
}

/* Makes the list of ways after a byte. */
static void
step(struct machine *m, unsigned c)
{
	m->which = !m->which;
	m->nlist = m->nsplits = 0;
	m->line = UINT32_MAX;
	for (size_t i = 0; i < m->n; i++) {
		way_follow(m, m->ways[i], c);
		splits_follow(m, c);
	}
	if (m->a->floats && c != END)
		way_add(m, 0);
	bits_clear(m->passed, m->splits, m->nsplits);
	bits_clear(m->listed, m->list[m->which], m->nlist);
	m->ways = m->list[m->which];
	m->n = m->nlist;
	m->before =
	    m->a->knows_words && byte_is_word(c) ? BEFORE_WORD : BEFORE_BYTE;
}

/* What is remembered. */

static uint32_t
state_hash(const struct machine *m)
{
	uint32_t hash = (uint32_t)m->before ^ m->line;

	for (size_t i = 0; i < m->n; i++)
		hash = (hash ^ m->ways[i]) * 16777619U;
	return hash ^ hash >> 15;
}

static bool
is_state(const struct machine *m, const struct state *s, uint32_t hash)
{
	return s->hash == hash && s->n == m->n && s->line == m->line &&
	    s->before == m->before &&
	    memcmp(m->store + s->ways, m->ways, m->n * sizeof(*m->ways)) == 0;
}

/* Remembers the state here, for which there is room, in a place of the table. */
static void
state_add(struct machine *m, uint32_t hash, uint16_t *place)
{
	struct state *s = &m->states[m->nstates];

	*place = (uint16_t)m->nstates++;
	*s = (struct state){ .ways = (uint32_t)m->nstore,
		.n = (uint32_t)m->n,
		.line = m->line,
		.hash = hash,
		.before = m->before };
	memcpy(m->store + m->nstore, m->ways, m->n * sizeof(*m->ways));
	m->nstore += m->n;
}

static uint16_t *
state_place(struct machine *m, uint32_t hash)
{
	size_t i = hash % TABLE_SIZE;

	while (m->table[i] != 0 && !is_state(m, &m->states[m->table[i]], hash))
		i = (i + 1) % TABLE_SIZE;
	return &m->table[i];
}

/*
 * Returns the number of the state here, or 0 if it is not remembered: most states
 * are met once and never again, so that only the second time counts.  When there
 * is no room all others are forgotten, but only once for a subject, and *from,
 * the number of another one, becomes 0.
 */
static uint16_t
state_number(struct machine *m, uint16_t *from)
{
	uint32_t hash;
	uint16_t *place;

	if (m->n > WAYS_KEPT)
		return 0;
	hash = state_hash(m);
	place = state_place(m, hash);
	if (*place != 0)
		return *place;
	if (!bit_set(m->met, hash % MET_MAX))
		return 0;
	if (m->nstates == STATES_MAX || WAYS_MAX - m->nstore < m->n) {
		if (m->emptied)
			return 0;
		machine_empty(m);
		m->emptied = true;
		*from = 0;
		place = state_place(m, hash);
	}
	state_add(m, hash, place);
	return *place;
}

static void
state_enter(struct machine *m, uint16_t number)
{
	const struct state *s = &m->states[number];

	m->state = number;
	m->ways = m->store + s->ways;
	m->n = s->n;
	m->line = s->line;
	m->before = s->before;
}

static size_t
column(unsigned c)
{
	return c == 0 ? 0 : c - 0x20;
}

/* Goes on by a byte whose state after it is not known. */
static void
learn(struct machine *m, unsigned c)
{
	uint16_t from = m->state, to;

	step(m, c);
	if (m->effort->over)
		return;
	to = state_number(m, &from);
	if (from != 0)
		m->states[from].next[column(c)] = to;
	m->state = to;
	if (to != 0)
		state_enter(m, to);
}

/* Begins a run: the only way is that from the first instruction. */
static void
begin(struct machine *m, struct effort *effort)
{
	static const uint32_t first[] = { 0 };
	uint16_t none = 0;

	m->effort = effort;
	m->emptied = false;
	m->ways = first;
	m->n = 1;
	m->line = UINT32_MAX;
	m->before = BEFORE_NOTHING;
	m->state = state_number(m, &none);
}

/*
 * Returns the lowest line whose pattern matches the subject, or the given line
 * if none of them is lower.  If the effort is over, the result means nothing.
 */
uint32_t
machine_find(const struct automaton *a, const char *subject, size_t len,
    uint32_t line, struct effort *effort)
{
	struct machine *m = a->machine;

	if (m == NULL || a->line >= line)
		return line;
	begin(m, effort);
	for (size_t i = 0; i <= len && m->n > 0 && !effort->over; i++) {
		unsigned c = i < len ? byte_fold(subject[i]) : END;
		uint16_t next = m->states[m->state].next[column(c)];

		if (next != 0)
			state_enter(m, next);
		else
			learn(m, c);
		if (m->line < line)
			line = m->line;
	}
	return line;
}
