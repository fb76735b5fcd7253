/* SPDX-License-Identifier: ISC */
/* LINK: policy/login.c base/secret.c base/sys.c base/array.c base/program.c */
/*
 * Tests the lines of user files, and thousands of users; the exit status is 77
 * without crypt().  With a hash as its argument, the exit status says whether
 * crypt() knows such a hash.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

enum { MANY = 50000 };

/* Of "secret", and cheap. */
#define SHA512                                                                 \
	"$6$rounds=1000$saltsalt$"                                             \
	"LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/o"                          \
	"top/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/"
#define BCRYPT "$2b$05$GZPu3/CEEBPr74Vr/yCgKOvbOltHUaxxn9TNF0qptRVyySQSNvqGC"
#define HTPASSWD "$2y$05$.OERKvBHbs3qE.V39VWrP.wFEWHkPz1YK9ZQFpYlxS1qIgaGg4rrS"

/* A line, and a part of its message; NULL: it has no error. */
static const struct row {
	const char *line, *wrong;
} rows[] = {
	{ "alice:" SHA512, NULL },
	{ "bob:" BCRYPT, NULL },
	{ "carol:" HTPASSWD, NULL },
	{ "a b:" BCRYPT, NULL },
	{ "\303\244:" BCRYPT, NULL },
	{ "alice", "user:hash" },
	{ "alice " BCRYPT, "user:hash" },
	{ ":" BCRYPT, "no user" },
	{ ":", "no user" },
	{ "alice:", "no hash" },
	{ "alice:secret", "plain text" },
	{ "alice:$secret", "plain text" },
	{ "alice: " BCRYPT, "plain text" },
	{ "alice:" BCRYPT ":", "second colon" },
	{ "alice:" SHA512 ":19000:0:99999:7:::", "second colon" },
	{ "alice:$apr1$8qLfBbYa$QNVhEvCPyrEiVSjkPcZ2p/", "htpasswd -B" },
	{ "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "htpasswd -B" },
	{ "alice:{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "htpasswd -B" },
	{ "alice:$3$$878d8014606cda29677a44efa1353fc7", "salt" },
	{ "alice:aaH8BuB6qyqXU", "DES" },
	{ "alice:_J9..rasmBYk8r9AiWNc", "DES" },
	{ "alice:!", "lock" },
	{ "alice:*", "lock" },
	{ "alice:!!" SHA512, "lock" },
	{ "alice:$99$salt$hash", "does not support" },
	{ "alice:$2b$99$GZPu3/CEEBPr74Vr/yCgKOvbOltHUaxxn9TNF0qptRVyySQSNvqGC",
	    "does not support" },
	{ "alice:$6$rounds=1000$saltsalt$Ek9IPNgLrJIC", "damaged" },
	{ "alice:$2b$05$GZPu3/CEEBPr74Vr/yCgKOvbOltHUaxxn9TNF0qptRVyySQSNvqG",
	    "" },
	{ "alice:" SHA512 "x", "damaged" },
	{ "alice:" SHA512 " # comment", "damaged" },
	{ "alice:$6$", "" },
	{ "alice:$$", "" },
	{ "alice:$6", "plain text" },
	{ "alice:$6$$$$", "" },
};

static const char *
add(struct logins *l, unsigned long line, const char *text)
{
	static char copy[1024];

	snprintf(copy, sizeof(copy), "%s", text);
	return login_add(l, line, copy);
}

static void
test_lines(void)
{
	struct logins l;
	const char *wrong;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memset(&l, 0, sizeof(l));
		must(login_begin(&l, "file") == NULL, "there is memory");
		wrong = add(&l, 1, rows[i].line);
		must((wrong == NULL) == (rows[i].wrong == NULL), rows[i].line);
		must(wrong == NULL || strstr(wrong, rows[i].wrong) != NULL,
		    rows[i].line);
		must(l.n == (wrong == NULL), rows[i].line);
		login_free(&l);
	}
}

static void
test_long(void)
{
	static char line[2000];
	struct logins l = { .n = 0 };

	must(login_begin(&l, "file") == NULL, "there is memory");
	memset(line, 'u', CREDENTIAL_SIZE);
	strcpy(line + CREDENTIAL_SIZE, ":" BCRYPT);
	must(strstr(add(&l, 1, line), "255 bytes") != NULL, "too long a user");
	must(add(&l, 1, line + 1) == NULL, "the longest user");
	strcpy(line, "u:$6$");
	memset(line + 5, 'a', 500);
	strcpy(line + 505, "$aaaa");
	must(strstr(add(&l, 1, line), "too long") != NULL, "too long a hash");
	login_free(&l);
}

/* Hashes of too many kinds, which differ in cost or length, are refused. */
static void
test_kinds(void)
{
	struct logins l = { .n = 0 };
	const char *wrong = NULL;
	char line[200];

	must(login_begin(&l, "file") == NULL, "there is memory");
	for (int i = 0; i < 200; i++) {
		snprintf(line, sizeof(line), "u%d:$6$rounds=%d$saltsalt$%.86s",
		    i, 1000 + i, strrchr(SHA512, '$') + 1);
		wrong = add(&l, 1, line);
	}
	must(l.n > 8 && l.n < 200, "some of them");
	must(wrong != NULL && strstr(wrong, "too many") != NULL, "not all");
	login_free(&l);
}

static void
test_twice(void)
{
	struct logins l = { .n = 0 };
	const struct login *before, *again;

	must(login_begin(&l, "one") == NULL, "there is memory");
	must(add(&l, 1, "bob:" BCRYPT) == NULL, "bob");
	must(add(&l, 2, "alice:" BCRYPT) == NULL, "alice");
	must(login_index(&l, &before) == NULL, "nobody is there twice");
	must(login_begin(&l, "two") == NULL, "there is memory");
	must(add(&l, 1, "Alice:" BCRYPT) == NULL, "Alice");
	must(add(&l, 5, "alice:" BCRYPT) == NULL, "alice again");
	must(add(&l, 6, "bob:" BCRYPT) == NULL, "bob again");
	again = login_index(&l, &before);
	must(again != NULL && again->line == 5 && before->line == 2 &&
		strcmp(again->file, "two") == 0 &&
		strcmp(before->file, "one") == 0,
	    "the first who is named again");
	login_free(&l);
}

static void
test_many(void)
{
	struct logins l = { .n = 0 };
	const struct login *before;
	char line[200], name[40];
	bool failed;

	must(login_begin(&l, "file") == NULL, "there is memory");
	for (int i = 0; i < MANY; i++) {
		snprintf(line, sizeof(line), "u%d:" BCRYPT, i);
		must(login_add(&l, (unsigned long)i, line) == NULL, line);
	}
	must(l.probes == 1, "one of many like it is tried");
	must(login_index(&l, &before) == NULL, "all differ");
	for (int i = 0; i < MANY; i += 7) {
		snprintf(name, sizeof(name), "u%d", i);
		must(strcmp(login_name(&l, name), name) == 0, name);
	}
	must(login_name(&l, "u") == NULL, "u");
	must(login_name(&l, "u50000") == NULL, "u50000");
	must(login_check(&l, "u49999", "secret", &failed) && !failed, "right");
	must(!login_check(&l, "u49999", "Secret", &failed) && !failed, "wrong");
	must(!login_check(&l, "u50000", "secret", &failed) && !failed, "none");
	login_forget(&l);
	must(strcmp(login_name(&l, "u7"), "u7") == 0, "names stay");
	login_free(&l);
}

static void
test_none(void)
{
	struct logins l = { .n = 0 };
	const struct login *before;
	bool failed;

	must(login_index(&l, &before) == NULL, "there is nobody");
	must(!login_check(&l, "u", "secret", &failed) && !failed, "nobody");
	login_free(&l);
}

int
main(int argc, char **argv)
{
	const char *made;

	if (argc > 1) {
		made = sys_crypt("", argv[1]);
		return made == NULL || strlen(made) != strlen(argv[1]);
	}
	if (!sys_has_crypt())
		return 77;
	test_lines();
	test_long();
	test_kinds();
	test_twice();
	test_many();
	test_none();
	return 0;
}
