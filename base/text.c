/* SPDX-License-Identifier: ISC */
/*
 * Text that somebody has written: how far a word is from another one, and which
 * one was probably meant, so that a message can ask; its words; and the byte
 * order mark that some editors put at the start of a file.
 */
#define _POSIX_C_SOURCE 200809L

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "text.h"

enum { SHORT_WORD = 6 /* letters; shorter words may differ in one only */ };

/*
 * Takes the next word off a text, which is changed.  Returns NULL at its end.
 */
char *
text_word(char **text)
{
	char *word = *text + strspn(*text, " \t");
	size_t len = strcspn(word, " \t");

	if (len == 0)
		return NULL;
	*text = word + len;
	if (**text != '\0')
		*(*text)++ = '\0';
	return word;
}

/* Returns how many bytes the byte order mark of a file's first line has. */
size_t
text_mark(const char *line)
{
	return strncmp(line, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static bool
same_letter(char a, char b)
{
	return strncasecmp(&a, &b, 1) == 0;
}

/*
 * Returns how many letters must be added, taken out, replaced or swapped with
 * the next to make one word the other; case does not matter.  For a word of
 * TEXT_WORD_SIZE bytes or more this is UINT_MAX.
 */
unsigned
text_distance(const char *a, const char *b)
{
	unsigned cost[TEXT_WORD_SIZE][TEXT_WORD_SIZE];
	size_t na = strlen(a), nb = strlen(b);

	if (na >= TEXT_WORD_SIZE || nb >= TEXT_WORD_SIZE)
		return UINT_MAX;
	for (size_t i = 0; i <= na; i++)
		for (size_t j = 0; j <= nb; j++) {
			if (i == 0 || j == 0) {
				cost[i][j] = (unsigned)(i + j);
				continue;
			}
			cost[i][j] = cost[i - 1][j - 1] +
			    !same_letter(a[i - 1], b[j - 1]);
			cost[i][j] = least(cost[i][j],
			    least(cost[i - 1][j], cost[i][j - 1]) + 1);
			if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
			    same_letter(a[i - 2], b[j - 1]))
				cost[i][j] =
				    least(cost[i][j], cost[i - 2][j - 2] + 1);
		}
	return cost[na][nb];
}

/* Returns the least distance at which another word was not meant. */
unsigned
text_limit(const char *word)
{
	return strlen(word) < SHORT_WORD ? 2 : 3;
}

/* Returns whether one word is the beginning of the other, three letters long. */
static bool
begins(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b), n = na < nb ? na : nb;

	return n >= 3 && strncasecmp(a, b, n) == 0;
}

/*
 * Returns the one of n words that was probably meant, or NULL if none is close.
 */
const char *
text_near(const char *word, const char *const *words, size_t n)
{
	unsigned best = text_limit(word), d;
	const char *near = NULL;

	for (size_t i = 0; i < n; i++) {
		d = text_distance(word, words[i]);
		if (d < best && d < strlen(words[i])) {
			best = d;
			near = words[i];
		}
	}
	for (size_t i = 0; i < n && near == NULL; i++)
		if (begins(word, words[i]))
			near = words[i];
	return near;
}
