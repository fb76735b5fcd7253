/* SPDX-License-Identifier: ISC */
/* LINK: base/addr.c base/local.c base/array.c base/name.c base/program.c base/sys.c policy/entry.c policy/list.c */
/*
 * The lines of lists in all their forms; and whether a list has just what a
 * comparison with all of its entries finds.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../proxy.h"

static unsigned failed;

/*
 * A line, and what is in it: "=name" is the name itself, "<name" those below,
 * "&name" both, "/" before a block, "~" one that was masked, "?" an error.
 */
static const struct {
	const char *line, *entries;
} forms[] = {
	{ "", "" },
	{ " \t ", "" },
	{ "# a comment", "" },
	{ "  ! a comment", "" },
	{ "[Adblock Plus 2.0]", "" },
	{ "name.example", "=name.example" },
	{ "  Name.EXAMPLE.\t \r", "=name.example" },
	{ "name.example # why", "=name.example" },
	{ "name.example\t#why", "=name.example" },
	{ "single", "=single" },
	{ "_srv.name-1.example", "=_srv.name-1.example" },
	{ ".name.example", "<name.example" },
	{ "*.name.example", "<name.example" },
	{ "||name.example^", "&name.example" },
	{ "||192.0.2.1^", "/192.0.2.1" },
	{ "192.0.2.1", "/192.0.2.1" },
	{ "192.0.2.0/24", "/192.0.2.0/24" },
	{ "192.0.2.9/24", "~192.0.2.0/24" },
	{ "0.0.0.0/0", "/0.0.0.0/0" },
	{ "2001:db8::1", "/2001:db8::1" },
	{ "2001:DB8::1/32", "~2001:db8::/32" },
	{ "::ffff:192.0.2.1", "/192.0.2.1" },
	{ "0.0.0.0 a.example", "=a.example" },
	{ "127.0.0.1\ta.example  b.example # c", "=a.example =b.example" },
	{ ":: a.example", "=a.example" },
	{ "0.0.0.0 0.0.0.0", "" },
	{ "127.0.0.1 localhost localhost.localdomain", "" },
	{ "255.255.255.255 broadcasthost", "" },
	{ "fe80::1%lo0 localhost", "" },
	{ "ff02::1 ip6-allnodes", "" },
	{ "192.0.2.1 # no name follows", "/192.0.2.1" },
	{ "0.0.0.0 .a.example", "?" },
	{ "0.0.0.0 a.example 192.0.2.1", "=a.example ?" },
	{ "a.example b.example", "?" },
	{ "a.example 0.0.0.0", "?" },
	{ "a..example", "?" },
	{ "*", "?" },
	{ ".", "?" },
	{ "..a.example", "?" },
	{ "*.*.example", "?" },
	{ "a*.example", "?" },
	{ "*.192.0.2.1", "?" },
	{ "*.192.0.2.0/24", "?" },
	{ ".2001:db8::1", "?" },
	{ "||a.example", "?" },
	{ "||a.example^$third-party", "?" },
	{ "||^", "?" },
	{ "||*.example^", "?" },
	{ "@@||a.example^", "?" },
	{ "|https://a.example/", "?" },
	{ "http://a.example/", "?" },
	{ "a.example/path", "?" },
	{ "a.example:443", "?" },
	{ "[2001:db8::1]", "?" },
	{ "192.0.2.1:80", "?" },
	{ "192.0.2.0/33", "?" },
	{ "192.0.2.0/255.255.255.0", "?" },
	{ "192.0.2.1-192.0.2.9", "?" },
	{ "192.0.2", "?" },
	{ "300.0.2.1", "?" },
	{ "0x7f.1", "?" },
	{ "a.example#b", "?" },
	{ "\"a.example\"", "?" },
	{ "a,b", "?" },
	{ "address=/a.example/0.0.0.0", "?" },
	{ "b\303\274cher.example", "?" },
	{ "a\001b", "?" },
	{ "-", "=-" },
};

/* Writes an entry as it stands in the table. */
static void
entry_print(char *to, const struct entry *e)
{
	static const char signs[] = { 0, '=', '<', '&' };
	char net[ADDR_TEXT_SIZE];

	if (*to != '\0')
		strcat(to, " ");
	to += strlen(to);
	if (e->name != NULL)
		sprintf(to, "%c%s", signs[e->covers], e->name);
	else
		sprintf(to, "%c%s", e->masked ? '~' : '/',
		    addr_text_block(e->block.net, e->block.bits, net));
}

static void
form_check(const char *line, const char *want)
{
	char text[256], got[512] = "";
	enum entry_result result;
	struct entry_line at;
	const char *wrong = NULL;
	struct entry e;

	strcpy(text, line);
	entry_begin(&at, text);
	while ((result = entry_next(&at, &e, &wrong)) == ENTRY_OK)
		entry_print(got, &e);
	if (result == ENTRY_WRONG)
		strcat(got, *got != '\0' ? " ?" : "?");
	if (strcmp(got, want) != 0) {
		printf("\"%s\": got \"%s\", not \"%s\"\n", line, got, want);
		failed++;
	}
}

/* The model. */

enum { MODEL = 3000, LOOKS = 20000 };

static char names[MODEL][32];
static unsigned covers[MODEL];
static struct block blocks[MODEL];

/* A name of few letters and labels, so that many lie below each other. */
static void
name_random(char name[32])
{
	int labels = 1 + rand() % 4;

	name[0] = '\0';
	for (int i = 0; i < labels; i++)
		sprintf(name + strlen(name), "%s%c%s", i > 0 ? "." : "",
		    'a' + rand() % 8, rand() % 3 == 0 ? "x" : "");
}

static void
addr_random(unsigned char ip[16])
{
	memset(ip, 0, 16);
	for (int i = 12; i < 16; i++)
		ip[i] = (unsigned char)(rand() % 4 << 6 | rand() % 4);
	if (rand() % 2)
		ip[10] = ip[11] = 0xff;
}

static bool
name_is_in(const char *name, size_t i, bool below)
{
	size_t len = strlen(name), tail = strlen(names[i]);
	unsigned c = below ? ENTRY_SELF | ENTRY_BELOW : covers[i];

	if (strcmp(name, names[i]) == 0)
		return (c & ENTRY_SELF) != 0;
	return (c & ENTRY_BELOW) != 0 && len > tail &&
	    name[len - tail - 1] == '.' &&
	    strcmp(name + len - tail, names[i]) == 0;
}

static void
name_check(const struct list *list, size_t n, bool below)
{
	bool want = false;
	char name[32];

	name_random(name);
	for (size_t i = 0; i < n; i++)
		want = want || name_is_in(name, i, below);
	if (list_has_name(list, name, below) != want) {
		printf("%s%s: must be %s\n", name, below ? " below" : "",
		    want ? "there" : "missing");
		failed++;
	}
}

static void
addr_check(const struct list *list, size_t n)
{
	struct addr addr = { .scope = 0 };
	char text[ADDR_TEXT_SIZE];
	bool want;

	addr_random(addr.ip);
	want = addr_in_blocks(&addr, blocks, n);
	if (list_has_addr(list, &addr) != want) {
		printf("%s: must be %s\n", addr_text(&addr, text),
		    want ? "there" : "missing");
		failed++;
	}
}

/* A list of n names and n blocks. */
static void
model_check(size_t n)
{
	struct list *list = list_use("/list", 1);

	for (size_t i = 0; i < n; i++) {
		struct entry name = { .name = names[i],
			.covers = 1 + (unsigned)rand() % 3 };
		struct entry block = { .name = NULL };

		name_random(names[i]);
		covers[i] = name.covers;
		addr_random(blocks[i].net);
		blocks[i].bits = 100 + (unsigned)rand() % 29;
		addr_mask(blocks[i].net, blocks[i].bits);
		block.block = blocks[i];
		if (list_add(list, &name) != 0 || list_add(list, &block) != 0)
			exit(2);
	}
	if (list_index(list) != 0)
		exit(2);
	for (int i = 0; i < LOOKS; i++) {
		name_check(list, n, false);
		name_check(list, n, true);
		addr_check(list, n);
	}
	list_drop(list);
}

/* Two rules for one file share a list, and another file has its own. */
static void
share_check(void)
{
	struct list *a = list_use("/a", 1), *b = list_use("/b", 2);
	const char *example = "";
	struct entry dotted = {
		.name = "x.example", .covers = ENTRY_BELOW, .dotted = true
	};
	struct entry itself = { .name = "x.example", .covers = ENTRY_SELF };

	if (a == b || list_use("/a", 3) != a || list_unread() != a ||
	    list_add(a, &dotted) != 0 || list_index(a) != 0 ||
	    list_bare(a, &example) != 1 || strcmp(example, "x.example") != 0 ||
	    list_unread() != b || list_add(b, &dotted) != 0 ||
	    list_add(b, &itself) != 0 || list_index(b) != 0 ||
	    list_bare(b, &example) != 0 || list_unread() != NULL) {
		puts("lists are not shared as they should be");
		failed++;
	}
	list_drop(a);
	list_drop(a);
	list_drop(b);
}

/* The name of a number in a large list. */
static void
name_make(char name[64], unsigned i)
{
	snprintf(
	    name, 64, "host-%x.site%u.example", i * 2654435761u, i % 50000);
}

static long
ns_since(const struct timespec *from)
{
	struct timespec to;

	clock_gettime(CLOCK_MONOTONIC, &to);
	return (to.tv_sec - from->tv_sec) * 1000000000 + to.tv_nsec -
	    from->tv_nsec;
}

/* Nanoseconds for a look among a million names: to be run by hand. */
static void
speed_print(void)
{
	static char asked[65536][72];
	struct list *list = list_use("/list", 1);
	char name[64];
	struct timespec from;
	unsigned found = 0;

	for (unsigned i = 0; i < 1000000; i++) {
		struct entry e = { .name = name, .covers = i % 3 + 1 };

		name_make(name, i);
		if (list_add(list, &e) != 0)
			exit(2);
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	list_index(list);
	printf("indexed in %ld ms\n", ns_since(&from) / 1000000);
	for (unsigned i = 0; i < 65536; i++) {
		name_make(name, (i * 40503u) % 2000000);
		snprintf(asked[i], sizeof(asked[i]), "www.%s", name);
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (unsigned i = 0; i < 2000000; i++)
		found += list_has_name(list, asked[i % 65536], false);
	printf("%u of 2000000 found, %ld ns for a look\n", found,
	    ns_since(&from) / 2000000);
	printf("%zu bytes of names, %zu of places\n", list->size,
	    (list->mask + 1) * 5);
	list_drop(list);
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "speed") == 0) {
		speed_print();
		return 0;
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		form_check(forms[i].line, forms[i].entries);
	srand(1);
	model_check(0);
	model_check(1);
	model_check(20);
	model_check(300);
	share_check();
	printf("%u failed\n", failed);
	return failed != 0;
}
