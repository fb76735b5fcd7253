/* SPDX-License-Identifier: ISC */
/*
 * The commands of -s: sends one to the control socket of a running adit, shows
 * what comes back, and returns the status for exit(3).  The socket is that of
 * the configuration file, of which only this one line has to be right: a reload
 * must be able to say what is wrong with the rest.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "program.h"
#include "quote.h"
#include "steer.h"
#include "table.h"
#include "top.h"
#include "wire.h"

enum {
	STATUS_AWAY = 3 /* adit does not run, or has no socket */
};

/* Says that nobody answers, and why.  Returns the exit status. */
static int
away_say(const char *path)
{
	bool away = errno == ENOENT || errno == ECONNREFUSED;

	fprintf(stderr, "%s: %s: %s%s\n", program, path, strerror(errno),
	    away ? "; adit does not run with this ControlSocket" : "");
	return away ? STATUS_AWAY : STATUS_REFUSED;
}

/*
 * Finds the path of the socket, which the caller frees.  Returns 0, or the exit
 * status after a message.
 */
static int
path_find(const struct steer *s, char **path)
{
	if (s->socket != NULL)
		*path = strdup(s->socket);
	else
		*path = quote_value(s->file, "ControlSocket");
	if (*path != NULL)
		return 0;
	if (access(s->file, R_OK) != 0) {
		fprintf(
		    stderr, "%s: %s: %s\n", program, s->file, strerror(errno));
		return STATUS_CONF;
	}
	fprintf(stderr,
	    "%s: %s has no ControlSocket; add one, or use -S path\n", program,
	    s->file);
	return STATUS_AWAY;
}

/* Adds a word to a command.  Returns 0, or -1: it cannot be sent. */
static int
word_add(char command[WIRE_COMMAND], const char *word)
{
	size_t len = strlen(command);

	if (word[strcspn(word, "\r\n \t")] != '\0' || word[0] == '\0') {
		fprintf(stderr,
		    "%s: \"%s\": a word must not be empty or have blanks\n",
		    program, word);
		return -1;
	}
	snprintf(command + len, WIRE_COMMAND - len, "%s%s", len > 0 ? " " : "",
	    word);
	return 0;
}

/* Handles one line of an answer.  Returns the status, or -1: more comes. */
static int
line_take(char *line, struct table *table)
{
	if (line[0] == '=')
		return (int)strtol(line + 1, NULL, 10) & 0xff;
	if (line[0] == '-')
		fprintf(stderr, "%s: %s\n", program, line + 1);
	else if (line[0] == '+' && table != NULL) {
		if (table_add(table, line + 1) != 0)
			fprintf(
			    stderr, "%s: a line was not understood\n", program);
	} else if (line[0] == '+') {
		puts(line + 1);
		fflush(stdout);
	}
	return -1;
}

/*
 * Sends a command and shows the answer; lines of sessions go into a table if
 * there is one.  Returns the exit status.
 */
static int
ask(const char *path, const char *command, struct table *table)
{
	int fd = wire_open(path), status = WIRE_LOST;
	char *line;

	if (fd < 0 || wire_send(fd, command) != 0)
		return away_say(path);
	while (status < 0 && (line = wire_next()) != NULL)
		status = line_take(line, table);
	wire_close(fd);
	if (status >= 0)
		return status;
	fprintf(stderr, "%s: %s: the answer is incomplete\n", program, path);
	return STATUS_SYSTEM;
}

/* Takes "-o order" out of the words.  Returns the order, or -1 and says why. */
static int
order_take(int *n, char **words)
{
	int order = TABLE_BYTES, kept = 0;

	for (int i = 0; i < *n; i++) {
		if (strcmp(words[i], "-o") != 0) {
			words[kept++] = words[i];
			continue;
		}
		order = i + 1 < *n ? table_order(words[++i]) : -1;
		if (order < 0) {
			fprintf(stderr, "%s: -o takes bytes, age or rate\n",
			    program);
			return -1;
		}
	}
	*n = kept;
	return order;
}

/* Shows the sessions that the words mean. */
static int
sessions_show(const struct steer *s, const char *path, const char *command,
    enum table_order order)
{
	struct table table = { .n = 0 };
	int status = ask(path, command, s->json ? NULL : &table);

	if (!s->json && status == 0) {
		table_sort(&table, order);
		table_print(stdout, &table, table.n, 0);
	}
	table_free(&table);
	return status;
}

static int
usage_say(void)
{
	fprintf(stderr,
	    "usage: %s -s [-j] [-S path] [-c file] command [argument ...]\n"
	    "  status, ready\n"
	    "  sessions [id | client A | user U | target T] "
	    "[-o bytes|age|rate]\n"
	    "  top [-o bytes|age|rate]\n"
	    "  kill id | client A | user U | target T\n"
	    "  reload, reopen, drain, stop, upgrade\n"
	    "  log critical|error|warning|notice|connect|info\n",
	    program);
	return STATUS_USAGE;
}

/* Runs a command, whose words may be changed.  Returns the exit status. */
int
steer_run(const struct steer *s, int n, char **words)
{
	char command[WIRE_COMMAND] = "", *path;
	bool sessions, top;
	int order = TABLE_BYTES, status;

	if (n == 0)
		return usage_say();
	sessions = strcasecmp(words[0], "sessions") == 0;
	top = strcasecmp(words[0], "top") == 0;
	if ((sessions || top) && (order = order_take(&n, words)) < 0)
		return STATUS_USAGE;
	if (s->json && word_add(command, "-j") != 0)
		return STATUS_USAGE;
	for (int i = 0; i < n; i++)
		if (word_add(command, words[i]) != 0)
			return STATUS_USAGE;
	status = path_find(s, &path);
	if (status != 0)
		return status;
	if (top && n > 1)
		status = usage_say();
	else if (top)
		status = top_run(path, (enum table_order)order);
	else if (sessions)
		status =
		    sessions_show(s, path, command, (enum table_order)order);
	else
		status = ask(path, command, NULL);
	free(path);
	return status;
}
