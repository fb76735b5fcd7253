/* SPDX-License-Identifier: ISC */
/*
 * How a line of a list is written: a name or an address as in a directive, or
 * the forms that published lists have.  Pure: nothing here allocates, or knows
 * the list.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "entry.h"
#include "name.h"

static const char blanks[] = " \t\r\v\f";

/* Takes the blanks around a text off. */
static char *
trim(char *text)
{
	size_t len;

	text += strspn(text, blanks);
	len = strlen(text);
	while (len > 0 && strchr(blanks, text[len - 1]) != NULL)
		text[--len] = '\0';
	return text;
}

/* Cuts off a comment: it begins the line, or comes after a blank. */
static void
comment_cut(char *text)
{
	for (char *at = text; *at != '\0'; at++)
		if (*at == '#' &&
		    (at == text || strchr(blanks, at[-1]) != NULL)) {
			*at = '\0';
			return;
		}
}

/* Begins with a line without its end, which is changed. */
void
entry_begin(struct entry_line *line, char *text)
{
	text += strspn(text, blanks);
	/* The second is the title of lists for browsers. */
	if (text[0] == '!' || strncasecmp(text, "[adblock", 8) == 0)
		*text = '\0';
	comment_cut(text);
	line->rest = trim(text);
	line->address = NULL;
}

/* Takes the next word off a line, which has one. */
static char *
word_next(struct entry_line *line)
{
	char *word = line->rest;

	line->rest += strcspn(word, blanks);
	if (*line->rest != '\0')
		*line->rest++ = '\0';
	line->rest += strspn(line->rest, blanks);
	return word;
}

/* Names that hosts files have for the machine itself and its networks. */
static bool
is_local(const char *name)
{
	static const char *const names[] = { "localhost",
		"localhost.localdomain", "localhost4", "localhost6", "local",
		"broadcasthost", "ip6-localhost", "ip6-loopback",
		"ip6-localnet", "ip6-mcastprefix", "ip6-allnodes",
		"ip6-allrouters", "ip6-allhosts" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Whether a word can begin a line of a hosts file: an address, or a zone's. */
static bool
is_address(char *word)
{
	char *zone = strchr(word, '%');
	struct addr addr;
	bool found;

	if (zone != NULL)
		*zone = '\0';
	found = addr_parse(&addr, word) == 0;
	if (zone != NULL)
		*zone = '%';
	return found;
}

/* Returns what is wrong with a word that is neither a name nor an address. */
static const char *
word_wrong(const char *word)
{
	if (strstr(word, "://") != NULL)
		return "a URL; write the host only";
	if (strncmp(word, "@@", 2) == 0)
		return "an exception; write a rule for it before this list's";
	if (strchr(word, '/') == NULL && strchr(word, ':') != NULL)
		return "write it without a port: ports stand after the path of "
		       "the list";
	for (; *word != '\0'; word++)
		if ((unsigned char)*word >= 0x80)
			return "a name with other letters than those of ASCII; "
			       "write it as xn--...";
	return "not a name, *.name, .name, ||name^, address, block or line of a "
	       "hosts file";
}

static const char *
block_take(struct entry *e, const char *word)
{
	errno = 0;
	if (addr_parse_block(&e->block, word) != 0) {
		if (errno != EDOM)
			return word_wrong(word);
		e->masked = true;
	}
	addr_mask(e->block.net, e->block.bits);
	return NULL;
}

/* Takes the signs around a name off, and notes what they mean. */
static char *
form_take(struct entry *e, char *word)
{
	size_t len = strlen(word);

	e->covers = ENTRY_SELF;
	if (len > 3 && strncmp(word, "||", 2) == 0 && word[len - 1] == '^') {
		word[len - 1] = '\0';
		e->covers = ENTRY_SELF | ENTRY_BELOW;
		return word + 2;
	}
	if (strncmp(word, "*.", 2) == 0) {
		e->covers = ENTRY_BELOW;
		return word + 2;
	}
	if (word[0] == '.') {
		e->covers = ENTRY_BELOW;
		e->dotted = true;
		return word + 1;
	}
	return word;
}

static const char *
word_take(struct entry *e, char *word)
{
	char *name = form_take(e, word);

	if (name == word || e->covers == (ENTRY_SELF | ENTRY_BELOW))
		if (strpbrk(name, "/:") != NULL || is_address(name))
			return block_take(e, name);
	if (name[0] == '.' || name[0] == '\0' || !name_fold(name))
		return word_wrong(name);
	e->name = name;
	return NULL;
}

/* The next name of a line of a hosts file. */
static enum entry_result
host_next(struct entry_line *line, struct entry *e, const char **wrong)
{
	char *word;

	do {
		if (*line->rest == '\0')
			return ENTRY_END;
		word = word_next(line);
	} while (is_local(word) || strcmp(word, line->address) == 0);
	*wrong = "in a line of a hosts file only names may follow the address";
	if (word[0] == '.' || !name_fold(word))
		return ENTRY_WRONG;
	e->name = word;
	e->covers = ENTRY_SELF;
	return ENTRY_OK;
}

/*
 * Takes the next name or block of a line.  Returns ENTRY_END after the last
 * one; or ENTRY_WRONG, with *wrong saying why.  The name is in the text of the
 * line.
 */
enum entry_result
entry_next(struct entry_line *line, struct entry *e, const char **wrong)
{
	char *word;

	memset(e, 0, sizeof(*e));
	if (line->address != NULL)
		return host_next(line, e, wrong);
	if (*line->rest == '\0')
		return ENTRY_END;
	word = word_next(line);
	if (*line->rest == '\0') {
		*wrong = word_take(e, word);
		return *wrong == NULL ? ENTRY_OK : ENTRY_WRONG;
	}
	if (is_address(word)) {
		line->address = word;
		return host_next(line, e, wrong);
	}
	*wrong = "a line holds one name, address or block, or an address and "
		 "its names as in a hosts file";
	return ENTRY_WRONG;
}
