/* SPDX-License-Identifier: ISC */
/*
 * The brackets of patterns, as in [a-z0-9], with the meaning that glibc gives
 * them in the C locale.  Where upper and lower case are the same, subjects have
 * no capital letters, and it does not matter whether a set has them.
 */
#define _POSIX_C_SOURCE 200809L

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "bracket.h"

/* What is wrong if no ']' follows. */
const char bracket_unclosed[] = "Unmatched [: close it with ]";
static const char unknown[] =
    "Invalid character class name: there are alpha, digit, alnum, upper, "
    "lower, punct, xdigit, graph, print, space, blank and cntrl";
static const char backwards[] =
    "Invalid range end: a range goes from the lower byte to the higher one, "
    "and a plain - stands first or last";

static const struct class
{
	const char *name;
	int (*has)(int);
} classes[] = { { "alpha", isalpha }, { "digit", isdigit },
	{ "alnum", isalnum }, { "upper", isupper }, { "lower", islower },
	{ "punct", ispunct }, { "xdigit", isxdigit }, { "graph", isgraph },
	{ "print", isprint }, { "space", isspace }, { "blank", isblank },
	{ "cntrl", iscntrl } };

/* A set that is being read. */
struct reading {
	struct byte_set *set;
	const char *at;
	bool folds;
	bool glob;
};

/*
 * Without regard to case, bytes and ranges are those of capital letters in
 * regular expressions, and of small ones for fnmatch(3), as in glibc.
 */
static unsigned
byte_read(struct reading *r)
{
	char c = *r->at++;

	if (r->folds && !r->glob && c >= 'a' && c <= 'z')
		c = (char)(c - ('a' - 'A'));
	if (r->folds && r->glob && c >= 'A' && c <= 'Z')
		c = (char)(c + ('a' - 'A'));
	return (unsigned char)c;
}

/* Gives a set the small letters of which it has the capital ones. */
static void
set_fold(struct byte_set *set)
{
	for (unsigned c = 'a'; c <= 'z'; c++) {
		set->bits[c / 8] &= (unsigned char)~(1 << c % 8);
		if (byte_set_has(set->bits, c - ('a' - 'A')))
			set->bits[c / 8] |= (unsigned char)(1 << c % 8);
	}
}

static void
set_add(struct byte_set *set, unsigned first, unsigned last)
{
	for (unsigned c = first; c <= last && c < 0x7f; c++)
		set->bits[c / 8] |= (unsigned char)(1 << c % 8);
}

/*
 * Adds a class, such as "alpha".  Without regard to case, upper and lower are
 * all letters.  Returns false if there is no such class.
 */
bool
byte_set_class(struct byte_set *set, const char *name, unsigned len, bool folds)
{
	size_t n = sizeof(classes) / sizeof(*classes), i;

	for (i = 0; i < n; i++)
		if (strlen(classes[i].name) == len &&
		    memcmp(classes[i].name, name, len) == 0)
			break;
	if (i == n)
		return false;
	if (folds && (classes[i].has == isupper || classes[i].has == islower))
		i = 0;
	for (unsigned c = 0x21; c < 0x7f; c++)
		if (classes[i].has((int)c))
			set_add(set, c, c);
	return true;
}

/* Makes a set that of all other bytes. */
void
byte_set_turn(struct byte_set *set)
{
	for (size_t i = 0; i < BYTE_SET_SIZE; i++)
		set->bits[i] = (unsigned char)~set->bits[i];
}

/* Reads the rest of "[:name:]" after its '['. */
static const char *
class_read(struct reading *r)
{
	const char *name = r->at + 1, *end = strstr(name, ":]");

	if (end == NULL)
		return bracket_unclosed;
	r->at = end + 2;
	return byte_set_class(r->set, name, (unsigned)(end - name), r->folds)
	    ? NULL
	    : unknown;
}

/* Reads the rest of "[=c=]" or "[.c.]" after its '['. */
static const char *
symbol_read(struct reading *r, unsigned *c)
{
	char mark = *r->at++;

	if (r->at[0] == '\0' || r->at[1] != mark || r->at[2] != ']')
		return strchr(r->at, ']') == NULL
		    ? bracket_unclosed
		    : "Invalid collation character: write the byte itself";
	*c = byte_read(r);
	r->at += 2;
	return NULL;
}

/*
 * Returns whether "[:", "[=" or "[." with this mark begins here.  For fnmatch(3)
 * the '[' of what cannot be one is a byte like others.
 */
static bool
is_symbol(const struct reading *r, char mark)
{
	const char *name = r->at + 2;
	size_t len = 1;

	if (r->at[0] != '[' || r->at[1] != mark)
		return false;
	if (!r->glob)
		return true;
	if (mark == ':')
		len = strspn(name, "abcdefghijklmnopqrstuvwxyz");
	return len > 0 && name[0] != '\0' && name[len] == mark &&
	    name[len + 1] == ']';
}

/* Reads one byte, which a backslash may quote for fnmatch(3). */
static const char *
quoted_read(struct reading *r, unsigned *c)
{
	if (r->glob && *r->at == '\\')
		r->at++;
	if (*r->at == '\0')
		return bracket_unclosed;
	*c = byte_read(r);
	return NULL;
}

/*
 * Reads one byte, which becomes *c, or one class, which is added, and *c is 0.
 * An equivalence class stands for its byte, and begins no range.
 */
static const char *
element_read(struct reading *r, unsigned *c)
{
	const char *why;
	bool equal = is_symbol(r, '=');

	*c = 0;
	if (is_symbol(r, ':')) {
		r->at++;
		return class_read(r);
	}
	if (equal || is_symbol(r, '.')) {
		r->at++;
		why = symbol_read(r, c);
		if (why != NULL || !equal)
			return why;
		set_add(r->set, *c, *c);
		*c = 0;
		return NULL;
	}
	return quoted_read(r, c);
}

/* Reads the end of a range. */
static const char *
end_read(struct reading *r, unsigned *c)
{
	return r->glob && !is_symbol(r, '.') ? quoted_read(r, c)
					     : element_read(r, c);
}

/* Whether a '-' here makes a range of what stands before and after it. */
static bool
is_range(const char *at)
{
	return at[0] == '-' && at[1] != ']' && at[1] != '\0';
}

/* Reads a byte, a class, or a range of bytes. */
static const char *
range_read(struct reading *r, bool first)
{
	const char *why;
	unsigned from, to;

	if (!first && !r->glob && is_range(r->at))
		return backwards;
	why = element_read(r, &from);
	if (why != NULL || from == 0)
		return why;
	to = from;
	if (is_range(r->at)) {
		r->at++;
		why = end_read(r, &to);
		if (why == NULL && to < from && !r->glob)
			why = backwards;
	}
	set_add(r->set, from, to);
	return why;
}

static const char *
set_read(struct reading *r)
{
	bool turned = *r->at == '^' || (r->glob && *r->at == '!'), first = true;
	const char *why;

	memset(r->set, 0, sizeof(*r->set));
	r->at += turned;
	for (; first || *r->at != ']'; first = false) {
		if (*r->at == '\0')
			return bracket_unclosed;
		why = range_read(r, first);
		if (why != NULL)
			return why;
	}
	r->at++;
	if (r->folds && !r->glob)
		set_fold(r->set);
	if (turned)
		byte_set_turn(r->set);
	return NULL;
}

/*
 * Reads the brackets of a pattern, after the '['; glob: of one for fnmatch(3).
 * folds: without regard to case, for subjects in lower case.  Moves *at after
 * them and returns NULL, or returns what is wrong.
 */
const char *
bracket_read(struct byte_set *set, const char **at, bool glob, bool folds)
{
	struct reading r = {
		.set = set, .at = *at, .folds = folds, .glob = glob
	};
	const char *why = set_read(&r);

	if (why == NULL)
		*at = r.at;
	return why;
}
