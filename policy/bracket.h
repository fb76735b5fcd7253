/* SPDX-License-Identifier: ISC */
/* Sets of bytes, and the brackets in which patterns list them. */
#ifndef BRACKET_H
#define BRACKET_H

#include <stdbool.h>

enum { BYTE_SET_SIZE = 16 /* bytes of a set: a bit for each of ASCII */ };

/*
 * A set of the printable bytes of ASCII, of which bit 0 stands for all other
 * bytes.
 */
struct byte_set {
	unsigned char bits[BYTE_SET_SIZE];
};

/* Returns what a byte is for patterns: itself if it is printable, or 0. */
static inline unsigned
byte_fold(char c)
{
	return c > 0x20 && c < 0x7f ? (unsigned char)c : 0;
}

/* Returns whether a byte is one of words: a letter, a digit or '_'. */
static inline bool
byte_is_word(unsigned c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_';
}

static inline bool
byte_set_has(const unsigned char bits[BYTE_SET_SIZE], unsigned c)
{
	return bits[c / 8] >> c % 8 & 1;
}

extern const char bracket_unclosed[];

bool byte_set_class(
    struct byte_set *, const char *name, unsigned len, bool folds);
void byte_set_turn(struct byte_set *);
const char *bracket_read(
    struct byte_set *, const char **at, bool glob, bool folds);

#endif
