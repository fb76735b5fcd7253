/* SPDX-License-Identifier: ISC */
/* Patterns as instructions for a machine that tries all ways at once. */
#ifndef CODE_H
#define CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pattern;

enum {
	CODE_MAX = 64 * 1024, /* bytes of the code of a pattern */
	CODE_NUMBER = 4,      /* bytes of a number in it, the highest first */
	CODE_LOOPS = 255      /* loops of a pattern that are numbered */
};

/*
 * The instructions.  A byte from '!' to '~' is one, too: it takes this byte of
 * the subject.  The others take nothing unless said so.
 */
enum op {
	OP_STOP,  /* this way ends here */
	OP_MATCH, /* the pattern of this line matches: a number */
	OP_ANY,   /* takes any byte */
	OP_SET,   /* takes a byte of a set: BYTE_SET_SIZE bytes */
	/*
	 * Both ways: the next instruction, or the one so many bytes after it;
	 * and that one alone.  Less than none is modulo 2^32.
	 */
	OP_SPLIT,
	OP_JUMP,
	/*
	 * Takes one of n bytes: n, the bytes, and for each a number: where it
	 * leads in the whole code.
	 */
	OP_SWITCH,
	OP_PLACE, /* goes on at a place: a byte, enum place */
	/*
	 * So many bytes of code that belong together; the second kind also
	 * matches nothing.
	 */
	OP_BLOCK,
	OP_BLOCK_MAYBE,
	OP_SAVE,  /* begins or ends a group: a byte, number of the group * 2 */
	OP_BACK,  /* takes what a group has taken: a byte, its number */
	OP_ENTER, /* remembers the place in a loop: its number, */
	OP_MOVED  /* and skips the jump after it if the place is the same */
};

/* One way to write a pattern, which may have several. */
struct spelling {
	const struct pattern *pattern;
	unsigned char code[CODE_MAX];
	size_t len;
	bool full;     /* the code is incomplete */
	bool generous; /* many spellings may be made */
	bool saves;    /* groups are marked, and loops are counted */
	unsigned loops;
	unsigned long work;
	/* The choices between spellings that have been made, and their ends. */
	unsigned choice[8], of[8], nchoices;
	unsigned taken, product; /* while it is written */
	bool literal;            /* a byte has been written */
};

void spelling_first(struct spelling *, const struct pattern *, bool generous);
bool spelling_next(struct spelling *);
void spelling_whole(struct spelling *, const struct pattern *);
size_t code_len(const unsigned char *);
uint32_t code_number(const unsigned char *);
void code_put_number(unsigned char *, uint32_t);

static inline bool
code_is_byte(unsigned char op)
{
	return op > 0x20 && op < 0x7f;
}

#endif
