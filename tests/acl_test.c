/* SPDX-License-Identifier: ISC */
/* LINK: acl.c base/addr.c base/local.c base/program.c base/sys.c policy/list.c policy/cover.c policy/target.c policy/who.c policy/group.c base/text.c parse.c base/secret.c base/name.c http/refusal.c base/array.c */
/*
 * Judges the rows of acl.verdicts with the rules in acl.rules, and with the
 * floors, which need no rule.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"

enum {
	SETS_MAX = 48,   /* sets of rules */
	RULES_MAX = 64,  /* rules or users in a set */
	WORDS_MAX = 12,  /* words in a row */
	LINE_SIZE = 2048 /* bytes of a line */
};

struct set {
	char name[32];
	struct acl acl;
	struct rule rules[RULES_MAX];
	struct user users[RULES_MAX];
	char passwords[RULES_MAX][CREDENTIAL_SIZE];
	struct groups groups;
};

struct row {
	const char *file;
	unsigned number;
	char *word[WORDS_MAX]; /* "" where there is none */
};

static struct set sets[SETS_MAX];
static size_t nsets;
static unsigned passed, failed;

static void
row_die(const struct row *row, const char *what)
{
	fprintf(stderr, "%s:%u: %s\n", row->file, row->number, what);
	exit(2);
}

static void
row_check(const struct row *row, bool good, const char *got)
{
	if (good) {
		passed++;
		return;
	}
	printf("%s:%u: %s %s %s %s %s: got %s\n", row->file, row->number,
	    row->word[0], row->word[1], row->word[2], row->word[3],
	    row->word[4], got);
	failed++;
}

static void
row_check_bool(const struct row *row, const char *want, bool got)
{
	if (strcmp(want, "yes") != 0 && strcmp(want, "no") != 0)
		row_die(row, "neither yes nor no");
	row_check(row, (strcmp(want, "yes") == 0) == got, got ? "yes" : "no");
}

static struct addr
row_addr(const struct row *row, const char *text)
{
	struct addr addr;

	if (addr_parse(&addr, text) != 0)
		row_die(row, "bad address");
	return addr;
}

static const struct set *
row_set(const struct row *row)
{
	for (size_t i = 0; i < nsets; i++) {
		if (strcmp(sets[i].name, row->word[1]) == 0)
			return &sets[i];
	}
	row_die(row, "no such rules");
	return NULL;
}

static void
rule_read(struct row *row, struct rule *rule)
{
	char *what = row->word[1], *slash = strchr(what, '/');

	rule->allow = strcmp(row->word[0], "Allow") == 0;
	if (slash != NULL)
		*slash = '\0';
	if (addr_parse(&rule->net, what) == 0) {
		rule->kind = RULE_NET;
		rule->bits = 128;
		if (slash != NULL)
			rule->bits = (unsigned)atoi(slash + 1) +
			    (addr_is4(&rule->net) ? 96 : 0);
		return;
	}
	rule->kind = what[0] == '.' ? RULE_SUFFIX : RULE_NAME;
	rule->name = strdup(what);
	if (rule->name == NULL)
		row_die(row, "no memory");
}

/* The words of a row, from the given one on, as one line. */
static void
row_rest(const struct row *row, int from, char text[LINE_SIZE])
{
	text[0] = '\0';
	for (int i = from; i < WORDS_MAX && *row->word[i] != '\0'; i++) {
		strcat(text, i > from ? " \t" : "");
		strcat(text, row->word[i]);
	}
}

static void
target_read(struct row *row, struct targets *targets)
{
	char text[LINE_SIZE];
	const char *at, *wrong;

	row_rest(row, 1, text);
	wrong = target_add(targets, strcmp(row->word[0], "AllowTo") == 0,
	    row->number, text, &at);

	if (wrong != NULL)
		row_die(row, wrong);
}

static void
nat64_read(const struct row *row, struct acl *acl)
{
	const char *wrong = "not a block";
	struct block block;

	if (addr_parse_block(&block, row->word[1]) == 0)
		wrong = acl_nat64_add(acl, &block);
	if (wrong != NULL)
		row_die(row, wrong);
}

static void
group_read(const struct row *row, struct set *set)
{
	char text[LINE_SIZE];
	const char *at, *wrong;

	row_rest(row, 1, text);
	wrong = group_add(&set->groups, row->number, text, &at);
	if (wrong != NULL)
		row_die(row, wrong);
}

/* A line of acl.rules. */
static void
set_read(struct row *row)
{
	struct set *set = nsets > 0 ? &sets[nsets - 1] : NULL;
	struct acl *acl = set != NULL ? &set->acl : NULL;
	unsigned port = (unsigned)atoi(row->word[1]);
	struct user *user;

	if (strcmp(row->word[0], "Rules") == 0 && nsets < SETS_MAX) {
		set = &sets[nsets++];
		snprintf(set->name, sizeof(set->name), "%.31s", row->word[1]);
		set->acl.rules = set->rules;
		set->acl.users = set->users;
	} else if (set == NULL || acl->nrules == RULES_MAX ||
	    acl->nusers == RULES_MAX) {
		row_die(row, "no place for this rule");
	} else if (strcmp(row->word[0], "ConnectPort") == 0) {
		acl->has_ports = true;
		acl->ports[port / 8] |= (unsigned char)(1U << port % 8);
	} else if (strcmp(row->word[0], "NAT64Prefix") == 0) {
		nat64_read(row, acl);
	} else if (strcmp(row->word[0], "BasicAuth") == 0) {
		user = &set->users[acl->nusers++];
		snprintf(user->name, CREDENTIAL_SIZE, "%s", row->word[1]);
		user->password = set->passwords[user - set->users];
		snprintf(user->password, CREDENTIAL_SIZE, "%s", row->word[2]);
	} else if (strcmp(row->word[0], "UserGroup") == 0) {
		group_read(row, set);
	} else if (strstr(row->word[0], "To") != NULL) {
		target_read(row, &acl->targets);
	} else {
		rule_read(row, &set->rules[acl->nrules++]);
	}
}

/*
 * client rules address verdicts: the verdicts if no name matches, with "ask"
 * for each rule that needs a name.
 */
static void
client_test(const struct row *row)
{
	static const char *const words[] = {
		[ACL_ALLOW] = "allow", [ACL_DENY] = "deny", [ACL_ASK] = "ask"
	};
	const struct set *set = row_set(row);
	struct addr client = row_addr(row, row->word[2]);
	char got[256] = "";
	size_t rule = 0;

	for (;;) {
		enum verdict verdict = acl_client(&set->acl, &client, &rule);

		if (strlen(got) + 8 > sizeof(got))
			break;
		strcat(got, words[verdict]);
		if (verdict != ACL_ASK)
			break;
		if (rule >= set->acl.nrules ||
		    set->rules[rule].kind == RULE_NET)
			row_check(row, false, "a question about no name");
		strcat(got, ",");
		rule++;
	}
	row_check(row, strcmp(got, row->word[3]) == 0, got);
}

static void
port_test(const struct row *row)
{
	uint16_t port = (uint16_t)strtoul(row->word[2], NULL, 10);

	row_check_bool(row, row->word[3], acl_port(&row_set(row)->acl, port));
}

static void
user_test(const struct row *row)
{
	const struct set *set = row_set(row);
	char name[CREDENTIAL_SIZE] = "", password[CREDENTIAL_SIZE] = "";
	const char *user;

	strncpy(name, row->word[2], sizeof(name) - 1);
	strncpy(password, row->word[3], sizeof(password) - 1);
	user = acl_user(&set->acl, name, password);
	row_check_bool(row, row->word[4], user != NULL);
	if (user != NULL && strcmp(user, name) != 0)
		row_check(row, false, user);
}

/* target address client yes|no: only the floors. */
static void
target_test(const struct row *row)
{
	static struct acl acl;
	struct addr target = row_addr(row, row->word[1]);
	struct addr client = row_addr(row, row->word[2]);
	struct asker asker = { .client = &client };
	const struct target_rule *rule;

	if (acl.targets.table == NULL && target_index(&acl.targets) != 0)
		row_die(row, "no memory");
	row_check_bool(
	    row, row->word[3], acl_target(&acl, NULL, &target, &asker, &rule));
}

/* "client" or "user@client". */
static struct addr
row_asker(const struct row *row, char *text, struct asker *asker)
{
	char *at = strchr(text, '@');

	asker->user = at != NULL ? text : NULL;
	if (at != NULL)
		*at++ = '\0';
	return row_addr(row, at != NULL ? at : text);
}

/* to rules name|-:port address [user@]client yes|no */
static void
to_test(const struct row *row)
{
	const struct set *set = row_set(row);
	const char *name = row->word[2], *port = strrchr(name, ':');
	char host[HOST_SIZE];
	struct addr client, target;
	struct asker asker = { .client = &client };
	const struct target_rule *rule;
	enum verdict verdict;
	bool allowed;

	if (port == NULL)
		row_die(row, "no port");
	snprintf(host, sizeof(host), "%.*s", (int)(port - name), name);
	name = strcmp(host, "-") == 0 ? NULL : host;
	target = row_addr(row, row->word[3]);
	target.port = (uint16_t)atoi(port + 1);
	client = row_asker(row, row->word[4], &asker);
	verdict =
	    target_name(&set->acl.targets, name, target.port, &asker, &rule);
	allowed = acl_target(&set->acl, name, &target, &asker, &rule);
	row_check_bool(row, row->word[5], allowed);
	/* An early verdict must be the final one. */
	if (verdict == ACL_DENY)
		row_check_bool(row, "no", allowed);
}

/*
 * rule good|bad text: whether AllowTo accepts the text.  If not, the wrong word
 * must be reported.
 */
static void
rule_test(const struct row *row)
{
	struct targets targets;
	char text[LINE_SIZE];
	const char *at = NULL, *wrong;

	memset(&targets, 0, sizeof(targets));
	row_rest(row, 2, text);
	wrong = target_add(&targets, true, 1, text, &at);
	row_check(row, (strcmp(row->word[1], "good") == 0) == (wrong == NULL),
	    wrong == NULL ? "good" : wrong);
	row_check(row, at >= text && at < text + sizeof(text), "no word");
	target_free(&targets);
}

/* nat64 good|bad PREFIX */
static void
nat64_test(const struct row *row)
{
	static struct acl acl;
	struct block block;
	const char *wrong = "bits after the prefix";

	if (addr_parse_block(&block, row->word[2]) == 0)
		wrong = acl_nat64_add(&acl, &block);
	row_check(row, (strcmp(row->word[1], "good") == 0) == (wrong == NULL),
	    wrong == NULL ? "good" : wrong);
}

static bool
addr_round_trip(const struct addr *addr)
{
	struct sockaddr_storage ss;
	struct addr back;
	socklen_t len = addr_to_sockaddr(addr, &ss);

	if (ss.ss_family != (addr_is4(addr) ? AF_INET : AF_INET6) ||
	    len > (socklen_t)sizeof(ss))
		return false;
	addr_from_sockaddr(&back, &ss);
	return addr_same_ip(addr, &back) && addr->port == back.port &&
	    addr->scope == back.scope;
}

/* addr text canonical; or addr text bad. */
static void
addr_test(const struct row *row)
{
	struct addr addr, again;
	char text[ADDR_TEXT_SIZE], with_port[ADDR_TEXT_SIZE + 8];
	const char *want = row->word[2];

	if (addr_parse(&addr, row->word[1]) != 0) {
		row_check(row, strcmp(want, "bad") == 0, "bad");
		return;
	}
	addr_text(&addr, text);
	row_check(row, strcmp(text, want) == 0, text);
	row_check(row,
	    addr_parse(&again, text) == 0 && addr_same_ip(&addr, &again) &&
		addr.scope == again.scope,
	    "another address from its own text");
	addr.port = 65535;
	row_check(row, addr_round_trip(&addr), "no way back from a sockaddr");
	snprintf(with_port, sizeof(with_port),
	    addr_is4(&addr) ? "%s:65535" : "[%s]:65535", want);
	row_check(
	    row, strcmp(addr_text_port(&addr, text), with_port) == 0, text);
}

static void
verdict_test(struct row *row)
{
	const char *kind = row->word[0];

	if (strcmp(kind, "client") == 0)
		client_test(row);
	else if (strcmp(kind, "port") == 0)
		port_test(row);
	else if (strcmp(kind, "user") == 0)
		user_test(row);
	else if (strcmp(kind, "target") == 0)
		target_test(row);
	else if (strcmp(kind, "to") == 0)
		to_test(row);
	else if (strcmp(kind, "rule") == 0)
		rule_test(row);
	else if (strcmp(kind, "nat64") == 0)
		nat64_test(row);
	else if (strcmp(kind, "addr") == 0)
		addr_test(row);
	else if (strcmp(kind, "name") == 0)
		row_check_bool(row, row->word[3],
		    name_matches(row->word[1], row->word[2]));
	else
		row_die(row, "no such kind of row");
}

static void
file_read(const char *name, void (*take)(struct row *))
{
	static char empty[] = "", line[LINE_SIZE];
	struct row row = { .file = name };
	FILE *file = fopen(name, "r");

	if (file == NULL) {
		perror(name);
		exit(2);
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		char *word = strtok(line, " \t\n");

		row.number++;
		if (word == NULL || word[0] == '#')
			continue;
		for (int i = 0; i < WORDS_MAX; i++) {
			row.word[i] = word != NULL ? word : empty;
			word = word != NULL ? strtok(NULL, " \t\n") : NULL;
		}
		take(&row);
	}
	fclose(file);
}

int
main(int argc, char *argv[])
{
	if (argc != 3) {
		fprintf(stderr, "usage: acl_test rules verdicts\n");
		return 2;
	}
	file_read(argv[1], set_read);
	for (size_t i = 0; i < nsets; i++) {
		struct targets *targets = &sets[i].acl.targets;

		group_index(&sets[i].groups);
		if (target_index(targets) != 0 ||
		    who_join(targets->whos, &sets[i].groups) != 0)
			return 2;
	}
	file_read(argv[2], verdict_test);
	for (size_t i = 0; i < nsets; i++) {
		target_free(&sets[i].acl.targets);
		group_free(&sets[i].groups);
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}
