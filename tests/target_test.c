/* SPDX-License-Identifier: ISC */
/* LINK: base/addr.c base/local.c base/program.c base/sys.c policy/list.c policy/cover.c policy/target.c policy/who.c policy/group.c base/text.c parse.c base/secret.c base/name.c http/refusal.c base/array.c */
/*
 * Compares the index of the rules for targets with a walk through all rules,
 * and counts the cost of a verdict.
 *
 *	target_test model	random rules and questions
 *	target_test count	a verdict's instructions, by the number of rules
 *	target_test time	its nanoseconds, and the time of the start
 */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>
#include <sys/socket.h>

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/ptrace.h>
#include <sys/wait.h>
#endif

#include "../proxy.h"

enum {
	SETS = 2000,      /* sets of random rules */
	RULES_MAX = 200,  /* lines in a set */
	QUESTIONS = 60,   /* for each set */
	LINE_SIZE = 512,  /* bytes of a line */
	NETS = 4,         /* blocks or names in a condition */
	VERDICTS = 200000 /* to time */
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* A small world, so that many rules match. */
static const char *const names[] = { "test", "a.test", "b.a.test", "c.b.a.test",
	"xa.test", "a.test.net" };
static const char *const addresses[] = { "10.0.0.0", "10.0.0.1", "10.0.0.2",
	"10.0.1.0", "10.128.0.0", "192.0.2.1", "8.8.8.8",
	"2001:db8::", "2001:db8::1", "2001:db8:1::", "fd00::1", "2002::1" };
static const char *const users[] = { "alice", "bob", "al", "Alice" };

/* A line, and its meaning. */
struct line {
	bool allow;
	enum rule_kind kind;
	const char *name;
	struct block nets[64]; /* more than one for "private" */
	size_t nnets;
	unsigned port_min, port_max;
	const char *users[NETS];
	size_t nusers;
	struct block clients[NETS];
	size_t nclients;
};

static struct line lines[RULES_MAX];
static size_t nlines;
static unsigned long checks;
static uint32_t seed = 1;

static unsigned
below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return (seed >> 8) % n;
}

static void
die(const char *what)
{
	fprintf(stderr, "target_test: %s\n", what);
	exit(2);
}

static struct addr
address(const char *text)
{
	struct addr a;

	if (addr_parse(&a, text) != 0)
		die(text);
	return a;
}

/* A block that contains one of the addresses; with its text. */
static struct block
block_make(char text[ADDR_TEXT_SIZE + 8])
{
	struct addr a = address(addresses[below(COUNT(addresses))]);
	unsigned width = addr_is4(&a) ? 32 : 128, bits = below(width + 1);
	struct block block;
	size_t len;

	if (below(3) == 0)
		bits = width;
	block.bits = 128 - width + bits;
	for (unsigned i = block.bits; i < 128; i++)
		a.ip[i / 8] &= (unsigned char)~(0x80 >> i % 8);
	memcpy(block.net, a.ip, 16);
	/* ::/0 to ::/96 contain ::ffff:0:0/96, and so do their texts. */
	addr_text(&a, text);
	len = strlen(text);
	snprintf(text + len, 8, "/%u", bits);
	return block;
}

static void
append(char text[LINE_SIZE], const char *format, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(text + len, LINE_SIZE - len, format, ap);
	va_end(ap);
}

static void
target_make(struct line *l, char text[LINE_SIZE])
{
	char block[ADDR_TEXT_SIZE + 8];

	l->kind = (enum rule_kind)below(4);
	if (l->kind == RULE_NET) {
		l->nets[0] = block_make(block);
		l->nnets = 1;
		append(text, "[%s]", block);
	} else if (l->kind == RULE_ANY && below(2) == 0) {
		append(text, "*");
	} else {
		if (l->kind == RULE_ANY)
			l->kind = RULE_NAME;
		l->name = names[below(COUNT(names))];
		append(
		    text, "%s%s", l->kind == RULE_SUFFIX ? "." : "", l->name);
	}
	l->port_max = 65535;
	if (below(2) == 0) {
		l->port_min = 1 + below(4);
		l->port_max = l->port_min + below(3);
		append(text, ":%u-%u", l->port_min, l->port_max);
	}
}

static void
who_make(struct line *l, char text[LINE_SIZE])
{
	char block[ADDR_TEXT_SIZE + 8];

	if (below(3) == 0)
		l->nusers = 1 + below(NETS);
	if (below(3) == 0)
		l->nclients = 1 + below(NETS);
	for (size_t i = 0; i < l->nusers; i++) {
		l->users[i] = users[below(COUNT(users))];
		append(text, "%s %s", i == 0 ? " user" : "", l->users[i]);
	}
	for (size_t i = 0; i < l->nclients; i++) {
		l->clients[i] = block_make(block);
		append(text, "%s %s", i == 0 ? " client" : "", block);
	}
}

static void
set_make(struct targets *t)
{
	static const unsigned sizes[] = { 1, 4, 12, 40, RULES_MAX };
	const char *at;

	memset(t, 0, sizeof(*t));
	memset(lines, 0, sizeof(lines));
	nlines = below(sizes[below(COUNT(sizes))] + 1);
	for (size_t i = 0; i < nlines; i++) {
		char text[LINE_SIZE] = "";
		const char *wrong;

		lines[i].allow = below(2) == 0;
		target_make(&lines[i], text);
		who_make(&lines[i], text);
		wrong = target_add(t, lines[i].allow, i + 1, text, &at);
		if (wrong != NULL)
			die(wrong);
	}
	if (target_index(t) != 0)
		die("no memory");
}

/* The walk. */

static bool
in_block(const struct addr *a, const struct block *b)
{
	for (unsigned i = 0; i < b->bits; i++)
		if ((a->ip[i / 8] ^ b->net[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static bool
is_for(const struct line *l, unsigned port, const struct asker *asker)
{
	bool user = l->nusers == 0, client = l->nclients == 0;

	for (size_t i = 0; i < l->nusers; i++)
		if (asker->user != NULL &&
		    strcmp(l->users[i], asker->user) == 0)
			user = true;
	for (size_t i = 0; i < l->nclients; i++)
		if (in_block(asker->client, &l->clients[i]))
			client = true;
	return user && client && l->port_min <= port && port <= l->port_max;
}

/* Whether a line's target is the name, or below it, or the address. */
static bool
is_target(const struct line *l, const char *name, const struct addr *a)
{
	size_t len, suffix;

	if (l->kind == RULE_ANY)
		return true;
	if (l->kind == RULE_NET)
		return a != NULL && in_block(a, &l->nets[0]);
	if (name == NULL)
		return false;
	if (l->kind == RULE_NAME)
		return strcmp(l->name, name) == 0;
	len = strlen(name);
	suffix = strlen(l->name);
	return len > suffix && name[len - suffix - 1] == '.' &&
	    strcmp(name + len - suffix, l->name) == 0;
}

/* The first line that matches; without an address, only lines for names. */
static size_t
walk(const char *name, unsigned port, const struct addr *a,
    const struct asker *asker)
{
	size_t i = 0;

	while (i < nlines &&
	    !(is_for(&lines[i], port, asker) && is_target(&lines[i], name, a)))
		i++;
	return i;
}

static bool
walk_allows(size_t at)
{
	bool has_allow = false;

	for (size_t i = 0; i < nlines; i++)
		has_allow = has_allow || lines[i].allow;
	return at < nlines ? lines[at].allow : !has_allow;
}

/* Whether an address could give another verdict than the name does. */
static bool
walk_asks(unsigned port, const struct asker *asker, size_t first)
{
	for (size_t i = 0; i < first; i++)
		if (lines[i].kind == RULE_NET &&
		    is_for(&lines[i], port, asker) &&
		    lines[i].allow != walk_allows(first))
			return true;
	return false;
}

static void
check(bool good, const char *what, const char *name, unsigned port,
    const struct addr *a, const struct asker *asker)
{
	char text[ADDR_TEXT_SIZE], client[ADDR_TEXT_SIZE];

	checks++;
	if (good)
		return;
	printf("seed %u: %s: %s port %u %s for %s at %s, %zu rules\n",
	    (unsigned)seed, what, name == NULL ? "-" : name, port,
	    a == NULL ? "-" : addr_text(a, text),
	    asker->user == NULL ? "-" : asker->user,
	    addr_text(asker->client, client), nlines);
	exit(1);
}

static void
question(const struct targets *t)
{
	struct addr client = address(addresses[below(COUNT(addresses))]);
	struct asker asker = { .client = &client };
	const char *name = below(5) == 0 ? NULL : names[below(COUNT(names))];
	unsigned port = 1 + below(5);
	size_t first;
	const struct target_rule *rule;
	enum verdict early;

	if (below(4) != 0)
		asker.user = users[below(COUNT(users))];
	first = walk(name, port, NULL, &asker);
	early = target_name(t, name, (uint16_t)port, &asker, &rule);
	check(early != ACL_ASK || t->nnet_kinds == NET_KINDS_MAX ||
		walk_asks(port, &asker, first),
	    "asks in vain", name, port, NULL, &asker);
	check(early == ACL_ASK || !walk_asks(port, &asker, first),
	    "does not ask", name, port, NULL, &asker);
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct addr a = address(addresses[i]);
		size_t at = walk(name, port, &a, &asker);
		enum verdict verdict;

		a.port = (uint16_t)port;
		verdict = target_addr(t, name, &a, &asker, &rule);
		check((verdict == ACL_ALLOW) == walk_allows(at) &&
			verdict != ACL_ASK,
		    "another verdict", name, port, &a, &asker);
		check((rule == NULL ? nlines : rule->line - 1) == at,
		    "another rule", name, port, &a, &asker);
		check(early == ACL_ASK || early == verdict, "said too early",
		    name, port, &a, &asker);
	}
}

/* With very many kinds of rules, kinds that are not stored are still tried. */
static void
many_kinds(struct targets *t)
{
	struct addr client = address("192.0.2.1");
	struct asker asker = { .client = &client, .user = "user99" };
	const struct target_rule *rule;
	const char *at;
	char text[LINE_SIZE];

	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "10.0.0.%u user user%u", i, i);
		if (target_add(t, true, i + 1, text, &at) != NULL)
			die(text);
	}
	if (target_index(t) != 0)
		die("no memory");
	check(target_name(t, "a.test", 1, &asker, &rule) == ACL_ASK,
	    "forgets a rule", "a.test", 1, NULL, &asker);
}

static int
model(void)
{
	struct targets t;

	many_kinds(&t);
	target_free(&t);
	for (int set = 0; set < SETS; set++) {
		set_make(&t);
		for (int i = 0; i < QUESTIONS; i++)
			question(&t);
		target_free(&t);
	}
	printf("%lu checks\n", checks);
	return 0;
}

/* The cost of a verdict. */

static void
rule_write(unsigned i, char text[LINE_SIZE])
{
	unsigned n = i / 10;

	text[0] = '\0';
	switch (i % 10) {
	case 0:
		append(text, "10.%u.%u.%u", n >> 16, n >> 8 & 255, n & 255);
		break;
	case 1:
		append(text, "172.%u.%u.0/24:443", n >> 8 & 255, n & 255);
		break;
	case 2:
		append(text, "2001:db8:%x::/48", n);
		break;
	case 3:
	case 4:
	case 5:
		append(text, ".below%u.example.com:443", i);
		break;
	default:
		append(text, "host%u.sub.example.net", i);
	}
}

/* Rules as in a list of bad sites, and a last one for all other targets. */
static void
list_make(struct targets *t, unsigned n)
{
	char text[LINE_SIZE];
	const char *at;

	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < n; i++) {
		if (i + 1 == n)
			strcpy(text, "*:443");
		else
			rule_write(i, text);
		if (target_add(t, i + 1 == n, i + 1, text, &at) != NULL)
			die(text);
	}
	if (target_index(t) != 0)
		die("no memory");
}

/* Names that rules match, and names that no rule matches. */
static unsigned
list_ask(const struct targets *t)
{
	static const char *const asked[] = { "host6.sub.example.net",
		"www.below3.example.com", "a.long.name.of.a.host.elsewhere.org",
		"x.test" };
	static struct addr client, to[2];
	struct asker asker = { .client = &client, .user = "user" };
	const struct target_rule *rule;
	unsigned allowed = 0;

	if (to[0].port == 0) {
		client = address("192.0.2.1");
		to[0] = address("203.0.113.77");
		to[1] = address("2a00::1234:5678");
		to[0].port = to[1].port = 443;
	}
	for (size_t i = 0; i < COUNT(asked); i++) {
		allowed +=
		    target_name(t, asked[i], 443, &asker, &rule) != ACL_DENY;
		for (size_t k = 0; k < COUNT(to); k++)
			allowed += target_addr(t, asked[i], &to[k], &asker,
				       &rule) == ACL_ALLOW;
	}
	return allowed;
}

/* The verdicts that list_ask() asks for. */
enum { ASKED = 4 * 3 };

#ifdef __linux__
/* Runs list_ask() step by step in a child; 0 if that is not allowed. */
static unsigned long
instructions(const struct targets *t)
{
	unsigned long n = 0;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		list_ask(t);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(1);
		raise(SIGSTOP);
		list_ask(t);
		raise(SIGUSR1);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return 0;
	do {
		n++;
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 ||
		    waitpid(pid, &status, 0) != pid)
			return 0;
	} while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	ptrace(PTRACE_KILL, pid, NULL, NULL);
	waitpid(pid, &status, 0);
	return n;
}
#else
static unsigned long
instructions(const struct targets *t)
{
	(void)t;
	return 0;
}
#endif

/* A verdict must not cost more with many rules than with few. */
static int
count(void)
{
	static const unsigned sizes[] = { 10, 100000 };
	unsigned long n, some = 0;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct targets t;

		list_make(&t, sizes[i]);
		n = instructions(&t);
		target_free(&t);
		if (n == 0) {
			printf("not here\n");
			return 3;
		}
		printf("%u rules: %lu instructions for a verdict\n", sizes[i],
		    n / ASKED);
		if (i == 0)
			some = n;
		if (n > some + some / 2)
			return 1;
	}
	return 0;
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
times_print(const struct targets *t, const char *what, unsigned n, double start)
{
	double indexed = seconds();
	unsigned allowed = 0;

	for (int k = 0; k < VERDICTS / ASKED; k++)
		allowed += list_ask(t);
	printf("%s=%u ns=%.0f index_us=%.0f bytes=%zu allowed=%u\n", what, n,
	    (seconds() - indexed) * 1e9 / VERDICTS, (indexed - start) * 1e6,
	    t->n * sizeof(*t->rules) + (t->mask + 1) * sizeof(*t->table),
	    allowed);
}

/* All rules have the same target, each for another user. */
static void
users_make(struct targets *t, unsigned n)
{
	char text[LINE_SIZE];
	const char *at;

	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < n; i++) {
		snprintf(text, sizeof(text), ".example.com:443 user user%u", i);
		if (target_add(t, true, i + 1, text, &at) != NULL)
			die(text);
	}
	if (target_index(t) != 0)
		die("no memory");
}

static int
times(void)
{
	static const unsigned sizes[] = { 0, 10, 1000, 100000 };
	struct targets t;
	double start;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		start = seconds();
		list_make(&t, sizes[i]);
		times_print(&t, "rules", sizes[i], start);
		target_free(&t);
	}
	start = seconds();
	users_make(&t, 1000);
	times_print(&t, "users", 1000, start);
	target_free(&t);
	return 0;
}

int
main(int argc, char *argv[])
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "model") == 0)
		return model();
	if (strcmp(what, "count") == 0)
		return count();
	if (strcmp(what, "time") == 0)
		return times();
	fprintf(stderr, "usage: target_test model|count|time\n");
	return 2;
}
