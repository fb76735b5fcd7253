/* SPDX-License-Identifier: ISC */
/* LINK: base/addr.c base/local.c base/array.c base/name.c base/program.c base/sys.c policy/list.c policy/cover.c policy/target.c policy/who.c policy/group.c base/text.c */
/*
 * Says of pairs of rules which of them hides the other one.  A rule that hides
 * another one must match everything that the other one matches.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

enum { LINE_SIZE = 200 /* bytes of a rule */ };

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* What an earlier rule does to a later one. */
enum effect { NOTHING, PARTLY, WHOLLY };

static const struct pair {
	const char *earlier, *later;
	enum effect effect;
} clients[] = { { "0.0.0.0/0", "10.0.0.66", WHOLLY },
	{ "10.0.0.0/8", "10.0.0.66", WHOLLY },
	{ "10.0.0.0/8", "10.0.0.0/8", WHOLLY },
	{ "10.0.0.0/8", "10.0.0.0/7", NOTHING },
	{ "10.0.0.0/8", "11.0.0.1", NOTHING },
	{ "10.0.0.66", "10.0.0.0/8", NOTHING }, { "0.0.0.0/0", "::1", NOTHING },
	{ "0.0.0.0/0", "::/0", NOTHING }, { "0.0.0.0/0", "a.test", NOTHING },
	{ "0.0.0.0/0", ".test", NOTHING }, { "::/0", "10.0.0.1", WHOLLY },
	{ "::/0", "a.test", WHOLLY }, { "::/0", ".test", WHOLLY },
	{ "2001:db8::/32", "2001:db8:1::/48", WHOLLY },
	{ "2001:db8:1::/48", "2001:db8::/32", NOTHING },
	{ "a.test", "a.test", WHOLLY }, { "a.test", "A.Test", WHOLLY },
	{ "a.test", ".a.test", WHOLLY }, { "a.test", ".b.a.test", WHOLLY },
	/* b.a.test may have addresses without a reverse name. */
	{ "a.test", "b.a.test", NOTHING }, { ".a.test", "b.a.test", NOTHING },
	{ ".a.test", "a.test", NOTHING }, { ".a.test", ".a.test", WHOLLY },
	{ ".a.test", ".b.a.test", WHOLLY }, { ".b.a.test", ".a.test", NOTHING },
	{ ".a.test", ".xa.test", NOTHING }, { "a.test", "10.0.0.1", NOTHING } };

static const struct pair targets[] = {
	{ "*", "private", WHOLLY },
	{ "*", "*", WHOLLY },
	{ "*", "a.test:443 user alice", WHOLLY },
	{ "*:443", "private", PARTLY },
	{ "*:443", "10.0.0.0/8:443", WHOLLY },
	{ "*:443", "10.0.0.0/8:400-500", PARTLY },
	{ "*:443", "10.0.0.0/8:80", NOTHING },
	{ "*:443", "*", NOTHING },
	{ "*:1-1000", "*:443", WHOLLY },
	{ "private", "*", NOTHING },
	{ "private", "127.0.0.1:8080", WHOLLY },
	{ "private", "169.254.169.254", WHOLLY },
	{ "private", "8.8.8.8", NOTHING },
	{ "10.0.0.0/8", "private", NOTHING },
	{ "0.0.0.0/0", "10.0.0.0/8:443", WHOLLY },
	{ "0.0.0.0/0", "a.test", NOTHING },
	{ "::/0", "10.0.0.1", WHOLLY },
	{ "2001:db8::/32", "[2001:db8::5]:443", WHOLLY },
	{ "a.test", "a.test:443", WHOLLY },
	{ "a.test:443", "a.test", NOTHING },
	{ "a.test", "b.a.test", NOTHING },
	{ ".a.test", "b.a.test", WHOLLY },
	{ ".a.test", "c.b.a.test:80", WHOLLY },
	{ ".a.test:443", "b.a.test", PARTLY },
	{ ".a.test", "a.test", NOTHING },
	{ ".a.test", ".b.a.test", WHOLLY },
	{ ".a.test", ".a.test:1", WHOLLY },
	{ ".b.a.test", ".a.test", NOTHING },
	{ ".a.test", "xa.test", NOTHING },
	{ "* user alice", "private", PARTLY },
	{ "* user alice", "private user alice", WHOLLY },
	{ "* user alice bob", "private user bob", WHOLLY },
	{ "* user alice", "private user alice bob", PARTLY },
	{ "* user alice", "private user bob", NOTHING },
	{ "* client 10.0.0.0/8", "a.test client 10.1.0.0/16 10.2.0.1", WHOLLY },
	{ "* client 10.1.0.0/16", "a.test client 10.0.0.0/8", PARTLY },
	{ "* client 10.1.0.0/16", "a.test client 10.2.0.0/16", NOTHING },
	{ "* client 10.0.0.0/8", "a.test user alice", PARTLY },
	{ "* user alice client 10.0.0.0/8", "a.test user alice client 10.0.0.1",
	    WHOLLY },
	{ "* user alice client 10.0.0.0/8", "a.test user alice", PARTLY },
};

static void
tell(const struct pair *pair, enum effect got)
{
	if (got == pair->effect)
		return;
	fprintf(stderr, "%s before %s: effect %d\n", pair->earlier, pair->later,
	    (int)got);
	exit(1);
}

static void
rule_read(struct rule *rule, const char *text, char copy[LINE_SIZE])
{
	*rule = (struct rule){ .kind = RULE_NET };
	if (addr_parse_net(&rule->net, &rule->bits, text) == 0)
		return;
	rule->kind = text[0] == '.' ? RULE_SUFFIX : RULE_NAME;
	rule->name = strcpy(copy, text);
}

static void
clients_try(const struct pair *pair)
{
	char a[LINE_SIZE], b[LINE_SIZE];
	struct rule earlier, later;

	rule_read(&earlier, pair->earlier, a);
	rule_read(&later, pair->later, b);
	tell(pair, cover_client(&earlier, &later) ? WHOLLY : NOTHING);
}

static void
target_read(struct targets *t, bool allow, unsigned long line, const char *text)
{
	char copy[LINE_SIZE];
	const char *at;

	strcpy(copy, text);
	must(target_add(t, allow, line, copy, &at) == NULL, text);
}

/* Other rules before and between make no difference to the index. */
static void
targets_try(const struct pair *pair)
{
	struct targets t = { .n = 0 };
	bool wholly = true, partly = true;
	size_t first;

	target_read(&t, true, 1, "other.test:7");
	target_read(&t, true, 2, pair->earlier);
	target_read(&t, false, 3, "other.test:8 user alice");
	first = t.n;
	target_read(&t, false, 4, pair->later);
	must(target_index(&t) == 0, "there is memory for the index");
	for (size_t i = first; i < t.n; i++) {
		bool whole = target_covers(&t, i, false) != NULL;

		wholly = wholly && whole;
		partly =
		    partly && (whole || target_covers(&t, i, true) != NULL);
	}
	tell(pair, wholly ? WHOLLY : partly ? PARTLY : NOTHING);
	target_free(&t);
}

int
main(void)
{
	for (size_t i = 0; i < COUNT(clients); i++)
		clients_try(&clients[i]);
	for (size_t i = 0; i < COUNT(targets); i++)
		targets_try(&targets[i]);
	return 0;
}
