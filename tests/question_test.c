/* SPDX-License-Identifier: ISC */
/* LINK: ipc/question.c base/addr.c base/local.c base/secret.c base/sys.c base/program.c */
/*
 * Tries what a worker may send to the desk: questions of each kind, and all
 * that looks like one and is none.
 */
#define _POSIX_C_SOURCE 200809L

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

enum { LEAST = offsetof(struct question, text) };

static bool
fits(const struct question *q)
{
	return question_fits(q, (ssize_t)(LEAST + q->len));
}

static struct question
make(enum question_kind kind, const char *first, const char *second)
{
	struct question q = { .kind = kind };

	question_add(&q, first);
	if (second != NULL)
		question_add(&q, second);
	return q;
}

static void
test_parts(void)
{
	struct question q = make(QUESTION_NAME, "example.com", NULL);

	must(fits(&q), "a name is one part");
	q = make(QUESTION_NAME, "example.com", "example.org");
	must(!fits(&q), "and not two");
	q = make(QUESTION_USER, "alice", "secret");
	must(fits(&q), "a user has a password");
	must(strcmp(question_password(&q), "secret") == 0, "it is found");
	q = make(QUESTION_USER, "alice", NULL);
	must(!fits(&q), "a user without one is no question");
	q = make(QUESTION_CLIENT, ".example.com", NULL);
	q.text[q.len - 1] = 'x';
	must(!fits(&q), "the last part ends with a NUL");
}

static void
test_length(void)
{
	struct question q = make(QUESTION_NAME, "example.com", NULL);

	must(!question_fits(&q, 0) && !question_fits(&q, -1) &&
		!question_fits(&q, LEAST),
	    "nothing is no question");
	must(!question_fits(&q, (ssize_t)(LEAST + q.len - 1)) &&
		!question_fits(&q, (ssize_t)(LEAST + q.len + 1)),
	    "it is as long as it says");
	q.len = sizeof(q.text) + 1;
	must(!fits(&q), "and no longer than there is room");
	q = (struct question){ .kind = QUESTION_NAME, .len = HOST_SIZE };
	memset(q.text, 'x', HOST_SIZE - 1);
	must(fits(&q), "the longest name fits");
	q.len++;
	memset(q.text, 'x', HOST_SIZE);
	must(!fits(&q), "and no longer one");
	q.kind = QUESTION_USER;
	q.len = CREDENTIAL_SIZE + 2;
	memset(q.text, 'x', CREDENTIAL_SIZE);
	memset(q.text + CREDENTIAL_SIZE, '\0', 2);
	must(!fits(&q), "nor a longer user");
}

static void
test_kind(void)
{
	struct question q = make(QUESTION_NAME, "example.com", NULL);

	q.kind = (enum question_kind)(QUESTION_LOGIN + 1);
	must(!fits(&q), "there is no such kind");
	question_wipe(&q);
	must(q.text[0] == '\0', "whatever that is, it is wiped");
	q.kind = (enum question_kind) - 1;
	must(!fits(&q), "nor one below the first");
}

static void
test_wipe(void)
{
	struct question q = make(QUESTION_USER, "alice", "secret");

	question_wipe(&q);
	must(q.text[0] == '\0' && q.text[7] == '\0', "a password is wiped");
	q = make(QUESTION_NAME, "example.com", NULL);
	question_wipe(&q);
	must(strcmp(q.text, "example.com") == 0, "a name need not be");
}

static void
test_same(void)
{
	struct question a = make(QUESTION_NAME, "example.com", NULL), b = a;

	must(question_same(&a, &b), "the same name is the same question");
	addr_parse(&a.client, "192.0.2.1");
	addr_parse(&b.client, "192.0.2.2");
	must(question_same(&a, &b), "whichever client asks");
	a.kind = QUESTION_CLIENT;
	must(!question_same(&a, &b), "another kind is another question");
	b.kind = QUESTION_CLIENT;
	must(!question_same(&a, &b), "and so is another client of a rule");
	b.client = a.client;
	must(question_same(&a, &b), "but not the same");
	b = make(QUESTION_NAME, "example.org", NULL);
	a.kind = QUESTION_NAME;
	must(!question_same(&a, &b), "another name is another question");
}

int
main(void)
{
	test_parts();
	test_length();
	test_kind();
	test_wipe();
	test_same();
	return 0;
}
