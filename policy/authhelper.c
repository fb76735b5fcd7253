/* SPDX-License-Identifier: ISC */
/*
 * The words of the command that AuthHelper names, and the lines that go to it
 * and come from it: the protocol of Squid's basic helpers, without channels.
 * Nothing here starts a program, and there is no shell.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "authhelper.h"

static const char *
word_add(struct authhelper *c, char *word)
{
	char **words = array_room(c->words, c->n, sizeof(*words));

	if (words == NULL)
		return strerror(ENOMEM);
	c->words = words;
	c->words[c->n++] = word;
	return NULL;
}

/*
 * Takes the quotes of the word at *from off, and moves it to *to, where it gets
 * its end.  Returns NULL, or what is wrong.
 */
static const char *
word_copy(char **to, char **from)
{
	bool quoted = false;

	for (; **from != '\0'; ++*from) {
		if (!quoted && (**from == ' ' || **from == '\t'))
			break;
		if (**from == '\'')
			quoted = !quoted;
		else
			*(*to)++ = **from;
	}
	if (quoted)
		return "a single quote has no end";
	if (**from != '\0')
		++*from;
	*(*to)++ = '\0';
	return NULL;
}

/*
 * Splits a command into words, at blanks that are not within single quotes; no
 * other character means anything.  Returns NULL, or what is wrong.
 */
const char *
authhelper_read(struct authhelper *c, const char *text)
{
	const char *wrong = NULL;
	char *from, *to, *word;

	*c = (struct authhelper){ .text = strdup(text), .store = strdup(text) };
	if (c->text == NULL || c->store == NULL)
		return strerror(ENOMEM);
	from = to = c->store;
	for (;;) {
		from += strspn(from, " \t");
		if (*from == '\0' || wrong != NULL)
			break;
		word = to;
		wrong = word_copy(&to, &from);
		if (wrong == NULL)
			wrong = word_add(c, word);
	}
	if (wrong == NULL && (c->n == 0 || c->words[0][0] != '/'))
		return "the command must begin with an absolute path";
	if (wrong != NULL)
		return wrong;
	wrong = word_add(c, NULL);
	c->n--;
	return wrong;
}

/*
 * Returns whether a helper is asked for a user: not with blanks at the ends or
 * two in a row, which many directories do not tell from one or none, so that
 * rules would not know the user.
 */
bool
authhelper_takes(const char *user)
{
	size_t len = strlen(user);

	return len > 0 && user[0] != ' ' && user[len - 1] != ' ' &&
	    strstr(user, "  ") == NULL;
}

/* Writes a text with %XX for what RFC 1738 calls unsafe; returns the end. */
static char *
escape(char *to, const char *text)
{
	static const char hex[] = "0123456789abcdef";

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c <= 0x20 || c >= 0x7f ||
		    strchr("<>\"#%{}|\\^~[]`'", c) != NULL) {
			*to++ = '%';
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
		} else {
			*to++ = (char)c;
		}
	}
	return to;
}

/*
 * Writes the line that asks for a user and a password, with its LF and a NUL.
 * Returns its length.  It is secret.
 */
size_t
authhelper_line(
    char line[AUTHHELPER_LINE_SIZE], const char *user, const char *password)
{
	char *end = escape(line, user);

	*end++ = ' ';
	end = escape(end, password);
	*end++ = '\n';
	*end = '\0';
	return (size_t)(end - line);
}

/* Returns whether a line is a word, alone or with more after a blank. */
static bool
begins(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && memcmp(line, word, n) == 0 &&
	    (len == n || line[n] == ' ' || line[n] == '\t');
}

/*
 * Returns what an answer without its LF says.  A CR at its end is left out.
 * Squid's LDAP helper says "BH Success" of wrong passwords and unknown users,
 * for which the server has reported no error: guesses of these must count.
 */
enum authhelper_answer
authhelper_answer(const char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (memchr(line, '\0', len) != NULL)
		return AUTHHELPER_MALFORMED;
	if (begins(line, len, "OK"))
		return AUTHHELPER_RIGHT;
	if (begins(line, len, "ERR") || begins(line, len, "BH Success"))
		return AUTHHELPER_WRONG;
	return begins(line, len, "BH") ? AUTHHELPER_BROKEN
				       : AUTHHELPER_MALFORMED;
}

/* Frees what a command owns. */
void
authhelper_free(struct authhelper *c)
{
	free(c->text);
	free(c->words);
	free(c->store);
	*c = (struct authhelper){ .n = 0 };
}
