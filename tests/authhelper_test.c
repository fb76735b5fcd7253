/* SPDX-License-Identifier: ISC */
/* LINK: base/array.c policy/authhelper.c */
/*
 * Splits commands into words, writes the lines that ask an AuthHelper, and reads
 * its answers.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

#define MUST(what) must(what, #what)
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* A command, and its words with bars between them; NULL: it is wrong. */
static const struct {
	const char *text, *words;
} commands[] = { { "/a", "/a" }, { " \t/a  b\tc ", "/a|b|c" },
	{ "/a 'b c' d", "/a|b c|d" }, { "/a b'c d'e", "/a|bc de" },
	{ "/a ''", "/a|" }, { "/a '' x", "/a||x" }, { "'/a b' c", "/a b|c" },
	{ "/a (&(uid=%s)(x=$y)) ;`z` \\28 *",
	    "/a|(&(uid=%s)(x=$y))|;`z`|\\28|*" },
	{ "", NULL }, { " ", NULL }, { "a", NULL }, { "'' /a", NULL },
	{ "./a", NULL }, { "/a 'b", NULL }, { "/a b'", NULL } };

static const struct {
	const char *user, *password, *line;
} lines[] = { { "alice", "secret", "alice secret\n" },
	{ "a b", "c d", "a%20b c%20d\n" }, { "%41", "%", "%2541 %25\n" },
	{ "x", "\"#<>[]\\^`{|}~'",
	    "x %22%23%3c%3e%5b%5d%5c%5e%60%7b%7c%7d%7e%27\n" },
	{ "D\xc3\xb6", "!$&()*+,-./:;=?@_", "D%c3%b6 !$&()*+,-./:;=?@_\n" },
	{ "x", "a\nb\r", "x a%0ab%0d\n" } };

static const struct {
	const char *line;
	enum authhelper_answer answer;
} answers[] = { { "OK", AUTHHELPER_RIGHT }, { "OK\r", AUTHHELPER_RIGHT },
	{ "OK message=\"x\"", AUTHHELPER_RIGHT }, { "OK\tx", AUTHHELPER_RIGHT },
	{ "ERR", AUTHHELPER_WRONG }, { "ERR No such user", AUTHHELPER_WRONG },
	{ "BH Success", AUTHHELPER_WRONG },
	{ "BH Successor", AUTHHELPER_BROKEN },
	{ "BH Can't contact LDAP server", AUTHHELPER_BROKEN },
	{ "BH", AUTHHELPER_BROKEN }, { "BH timeout", AUTHHELPER_BROKEN },
	{ "", AUTHHELPER_MALFORMED }, { "\r", AUTHHELPER_MALFORMED },
	{ "O", AUTHHELPER_MALFORMED }, { "ok", AUTHHELPER_MALFORMED },
	{ "OKAY", AUTHHELPER_MALFORMED }, { " OK", AUTHHELPER_MALFORMED },
	{ "0 OK", AUTHHELPER_MALFORMED }, { "OK\r\r", AUTHHELPER_MALFORMED },
	{ "TT", AUTHHELPER_MALFORMED }, { "ERROR", AUTHHELPER_MALFORMED },
	{ "OK=", AUTHHELPER_MALFORMED } };

static void
commands_check(void)
{
	for (size_t i = 0; i < COUNT(commands); i++) {
		struct authhelper helper;
		char words[200] = "";
		const char *wrong = authhelper_read(&helper, commands[i].text);

		MUST((wrong == NULL) == (commands[i].words != NULL));
		for (size_t j = 0; wrong == NULL && j < helper.n; j++)
			snprintf(words + strlen(words),
			    sizeof(words) - strlen(words), "%s%s",
			    j > 0 ? "|" : "", helper.words[j]);
		MUST(wrong != NULL || strcmp(words, commands[i].words) == 0);
		MUST(wrong != NULL || helper.words[helper.n] == NULL);
		authhelper_free(&helper);
	}
}

static void
lines_check(void)
{
	char line[AUTHHELPER_LINE_SIZE], most[CREDENTIAL_SIZE];
	size_t len;

	for (size_t i = 0; i < COUNT(lines); i++) {
		len = authhelper_line(line, lines[i].user, lines[i].password);
		MUST(len == strlen(line) && strcmp(line, lines[i].line) == 0);
	}
	memset(most, '%', sizeof(most) - 1);
	most[sizeof(most) - 1] = '\0';
	len = authhelper_line(line, most, most);
	MUST(len == 6 * (sizeof(most) - 1) + 2 && len < sizeof(line));
	MUST(authhelper_takes("a b") && authhelper_takes("D\\a"));
	MUST(!authhelper_takes("") && !authhelper_takes(" a"));
	MUST(!authhelper_takes("a ") && !authhelper_takes("a  b"));
}

int
main(void)
{
	commands_check();
	lines_check();
	for (size_t i = 0; i < COUNT(answers); i++)
		MUST(authhelper_answer(answers[i].line,
			 strlen(answers[i].line)) == answers[i].answer);
	MUST(authhelper_answer("OK\0x", 4) == AUTHHELPER_MALFORMED);
	return 0;
}
