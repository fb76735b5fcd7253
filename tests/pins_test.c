/* SPDX-License-Identifier: ISC */
/* LINK: base/addr.c base/local.c base/array.c base/name.c base/text.c policy/pins.c */
/*
 * Reads lines of HostsFiles, good and bad ones, and finds their names, also
 * among a hundred thousand.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

enum {
	LINE_SIZE = 400, /* bytes of a line */
	MANY = 100000    /* names */
};

#define MUST(what) must(what, #what)
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct {
	const char *line, *wrong; /* NULL: it is right */
} lines[] = {
	{ "", NULL },
	{ " \t ", NULL },
	{ "# 192.0.2.1 a.test", NULL },
	{ "192.0.2.1 one.test", NULL },
	{ "192.0.2.2\tTWO.Test. \talias two-b.test # ten.test", NULL },
	{ "2001:db8::2 two.test", NULL },
	{ "192.0.2.3 two.test#x", NULL },
	{ "192.0.2.2 two.test", NULL },
	{ "::ffff:192.0.2.9 mapped.test", NULL },
	{ "0.0.0.0 under_score.test localhost", NULL },
	{ "192.0.2.1", "a name must follow" },
	{ "192.0.2.1 # a.test", "a name must follow" },
	{ "a.test 192.0.2.1", "must begin with an address" },
	{ "192.0.2 a.test", "must begin with an address" },
	{ "192.0.2.01 a.test", "must begin with an address" },
	{ "192.0.2.1:80 a.test", "must begin with an address" },
	{ "[2001:db8::1] a.test", "must begin with an address" },
	{ "192.0.2.0/24 a.test", "must begin with an address" },
	{ "fe80::1%1 a.test", "zone" },
	{ "fe80::1%lo a.test", "zone" },
	{ "192.0.2.1 .a.test", "stands for itself alone" },
	{ "192.0.2.1 *.a.test", "stands for itself alone" },
	{ "192.0.2.1 a..test", "not the name of a host" },
	{ "192.0.2.1 a/b", "not the name of a host" },
	{ "192.0.2.1 a.test:80", "not the name of a host" },
	{ "0.0.0.0 0.0.0.0", "not the name of a host" },
	{ "192.0.2.1 a.test \"b.test\"", "not the name of a host" },
};

static void
add(struct pins *p, uint32_t file, unsigned long line, const char *text)
{
	char copy[LINE_SIZE];

	snprintf(copy, sizeof(copy), "%s", text);
	MUST(pins_add(p, file, line, copy) == NULL);
}

static void
lines_check(void)
{
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct pins p = { .n = 0 };
		char copy[LINE_SIZE];
		const char *wrong;

		snprintf(copy, sizeof(copy), "%s", lines[i].line);
		wrong = pins_add(&p, 0, 1, copy);
		if ((wrong == NULL) != (lines[i].wrong == NULL) ||
		    (wrong != NULL && strstr(wrong, lines[i].wrong) == NULL))
			printf("%s: %s\n", lines[i].line,
			    wrong != NULL ? wrong : "right");
		MUST((wrong == NULL) == (lines[i].wrong == NULL));
		MUST(wrong == NULL || strstr(wrong, lines[i].wrong) != NULL);
		pins_free(&p);
	}
}

/* The addresses of a name, in their order, as "address line address line". */
static void
finds(const struct pins *p, const char *name, const char *expected)
{
	char text[ADDR_TEXT_SIZE], got[LINE_SIZE] = "";
	const struct pin *pin;
	size_t n;

	pin = pins_find(p, name, &n);
	MUST((pin == NULL) == (n == 0));
	for (size_t i = 0; i < n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got),
		    "%s%s %lu", i > 0 ? " " : "", addr_text(&pin[i].addr, text),
		    (unsigned long)pin[i].line);
	if (strcmp(got, expected) != 0)
		printf("%s: %s\n", name, got);
	MUST(strcmp(got, expected) == 0);
}

static void
names_check(void)
{
	struct pins p = { .n = 0 };

	finds(&p, "two.test", "");
	for (size_t i = 0; i < COUNT(lines); i++)
		if (lines[i].wrong == NULL)
			add(&p, 0, i, lines[i].line);
	add(&p, 1, 1, "192.0.2.4 two.test three.test");
	MUST(pins_index(&p) == NULL);
	finds(&p, "one.test", "192.0.2.1 3");
	finds(&p, "two.test",
	    "192.0.2.2 4 2001:db8::2 5 192.0.2.3 6 192.0.2.4 1");
	finds(&p, "Two.TEST.",
	    "192.0.2.2 4 2001:db8::2 5 192.0.2.3 6 192.0.2.4 1");
	finds(&p, "alias", "192.0.2.2 4");
	finds(&p, "mapped.test", "192.0.2.9 8");
	finds(&p, "three.test", "192.0.2.4 1");
	finds(&p, "below.two.test", "");
	finds(&p, "ten.test", "");
	finds(&p, "test", "");
	finds(&p, "", "");
	finds(&p, "a..b", "");
	pins_free(&p);
}

static void
excess_check(void)
{
	struct pins p = { .n = 0 };
	char line[LINE_SIZE];
	const struct pin *excess;

	for (unsigned i = 1; i <= ADDRS_MAX + 1; i++) {
		snprintf(line, sizeof(line), "192.0.2.%u many.test", i);
		add(&p, 0, i, line);
		add(&p, 0, i, "192.0.2.1 other.test");
	}
	excess = pins_index(&p);
	MUST(excess != NULL && excess->line == ADDRS_MAX + 1);
	MUST(strcmp(pins_name(&p, excess), "many.test") == 0);
	pins_free(&p);
}

static void
many_check(void)
{
	struct pins p = { .n = 0 };
	char line[LINE_SIZE];
	size_t n, found = 0;

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(line, sizeof(line), "0.0.0.0 h%u.test",
		    (unsigned)(i * 7919ULL % MANY));
		add(&p, 0, i, line);
	}
	MUST(pins_index(&p) == NULL);
	for (unsigned i = 0; i < MANY + 10; i++) {
		snprintf(line, sizeof(line), "h%u.test", i);
		found += pins_find(&p, line, &n) != NULL;
	}
	MUST(found == MANY);
	pins_free(&p);
}

int
main(void)
{
	lines_check();
	names_check();
	excess_check();
	many_check();
	return 0;
}
