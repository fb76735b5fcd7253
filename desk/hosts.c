/* SPDX-License-Identifier: ISC */
/*
 * The names of the HostsFiles, which come first, and the hosts file of the
 * system, hosts(5): it is kept in memory, sorted by name, and read
 * again when it has changed.  The library would look there too, but might ask a
 * name server as well; this never waits.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/stat.h>

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "bounds.h"
#include "hosts.h"
#include "name.h"
#include "pins.h"
#include "question.h"
#include "sys.h"

#define HOSTS_FILE "/etc/hosts"

/* One name of the hosts file. */
struct host {
	char *name; /* owned */
	struct addr addr;
	size_t order; /* in the file */
};

static struct host *hosts;
static size_t nhosts, hosts_size;
static struct stat hosts_stat;

static const struct pins *pins;

/* Must be called once, before the first answer.  They stay the caller's. */
void
hosts_use(const struct pins *all)
{
	pins = all;
}

/*
 * Returns the first of the *n addresses that the HostsFiles have for a name, or
 * NULL.
 */
const struct pin *
hosts_pinned(const char *name, size_t *n)
{
	return pins_find(pins, name, n);
}

static int
host_compare(const void *a, const void *b)
{
	const struct host *x = a, *y = b;
	int order = strcasecmp(x->name, y->name);

	if (order != 0)
		return order;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void
hosts_add(const char *name, const struct addr *addr)
{
	if (nhosts == hosts_size) {
		size_t size = hosts_size == 0 ? 64 : 2 * hosts_size;
		struct host *grown = realloc(hosts, size * sizeof(*hosts));

		if (grown == NULL)
			return;
		hosts = grown;
		hosts_size = size;
	}
	hosts[nhosts].name = strdup(name);
	hosts[nhosts].addr = *addr;
	hosts[nhosts].order = nhosts;
	if (hosts[nhosts].name != NULL)
		nhosts++;
}

/* "address name alias ... # comment", hosts(5). */
static void
hosts_line(char *line)
{
	char *save, *word;
	struct addr addr;

	line[strcspn(line, "#\n")] = '\0';
	word = strtok_r(line, " \t\r", &save);
	if (word == NULL || addr_parse(&addr, word) != 0)
		return;
	while ((word = strtok_r(NULL, " \t\r", &save)) != NULL)
		hosts_add(word, &addr);
}

/* Reads the hosts file, unless it is still the one that was read last. */
static void
hosts_refresh(void)
{
	struct stat st;
	char *line = NULL;
	size_t size = 0;
	FILE *f;

	if (stat(HOSTS_FILE, &st) != 0)
		memset(&st, 0, sizeof(st));
	if (sys_unchanged(&st, &hosts_stat))
		return;
	hosts_stat = st;
	while (nhosts > 0)
		free(hosts[--nhosts].name);
	f = fopen(HOSTS_FILE, "r");
	if (f == NULL)
		return;
	while (getline(&line, &size, f) > 0)
		hosts_line(line);
	free(line);
	fclose(f);
	if (nhosts > 1)
		qsort(hosts, nhosts, sizeof(*hosts), host_compare);
}

static void
hosts_name(const char *name, struct answer *answer)
{
	size_t low = 0, high;

	for (high = nhosts; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (strcasecmp(hosts[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < nhosts && answer->naddrs < ADDRS_MAX &&
	     strcasecmp(hosts[low].name, name) == 0;
	     low++)
		answer->addrs[answer->naddrs++] = hosts[low].addr;
	answer->error = answer->naddrs > 0 ? 0 : EAI_NONAME;
}

/* The HostsFiles say all there is about a name, or nothing. */
static bool
pins_name_answer(const char *name, struct answer *answer)
{
	size_t n;
	const struct pin *first = hosts_pinned(name, &n);

	for (size_t i = 0; i < n; i++)
		answer->addrs[answer->naddrs++] = first[i].addr;
	return first != NULL;
}

/* A line of the file counts for both ways, from the name and back to it. */
static void
hosts_client(const char *rule, const struct addr *client, struct answer *answer)
{
	for (size_t i = 0; i < pins->n && !answer->matches; i++)
		answer->matches = addr_same_ip(&pins->list[i].addr, client) &&
		    name_matches(rule, pins_name(pins, &pins->list[i]));
	for (size_t i = 0; i < nhosts && !answer->matches; i++)
		answer->matches = addr_same_ip(&hosts[i].addr, client) &&
		    name_matches(rule, hosts[i].name);
}

/*
 * Puts into an empty answer what the files say to a question about a name or a
 * client.  Returns whether it says anything.
 */
bool
hosts_answer(const struct question *q, struct answer *answer)
{
	if (q->kind == QUESTION_LOGIN)
		return false;
	if (!question_traits(q->kind)->about_client &&
	    pins_name_answer(q->text, answer))
		return true;
	hosts_refresh();
	if (question_traits(q->kind)->about_client) {
		hosts_client(q->text, &q->client, answer);
		return answer->matches;
	}
	hosts_name(q->text, answer);
	return answer->error == 0;
}
