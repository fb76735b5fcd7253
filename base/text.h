/* SPDX-License-Identifier: ISC */
/* Text that somebody has written: misspelt words, and the start of a file. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

enum {
	TEXT_WORD_SIZE = 32 /* bytes of a word that is compared, with its NUL */
};

char *text_word(char **text);
size_t text_mark(const char *line);
unsigned text_distance(const char *, const char *);
unsigned text_limit(const char *word);
const char *text_near(const char *word, const char *const *words, size_t n);

#endif
