/* SPDX-License-Identifier: ISC */
/*
 * A full-screen view of a running adit, drawn again every two seconds.  It
 * needs no more of a terminal than that it clears its screen and can be told to
 * pass on keys at once.  Without a terminal it prints one view.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "program.h"
#include "sys.h"
#include "table.h"
#include "top.h"
#include "wire.h"

enum {
	EVERY = 2000,   /* ms */
	FACTS = 32,     /* lines of the status */
	FACT_SIZE = 200 /* bytes of one of them */
};

/* What one view shows. */
struct view_of {
	char facts[FACTS][FACT_SIZE];
	size_t nfacts;
	struct table table;
};

static struct termios before;
static volatile sig_atomic_t ended;

static void
on_signal(int signo)
{
	(void)signo;
	ended = 1;
}

/* Keeps one line of an answer. */
static void
fact_add(struct view_of *v, const char *line)
{
	if (v->nfacts < FACTS)
		snprintf(v->facts[v->nfacts++], FACT_SIZE, "%s", line);
}

/* Asks for one part of a view.  Returns 0, or -1 with errno. */
static int
part_take(struct view_of *v, const char *path, const char *command)
{
	bool rows = strcmp(command, "sessions") == 0;
	int fd = wire_open(path);
	char *line;

	if (fd < 0)
		return -1;
	if (wire_send(fd, command) != 0) {
		wire_close(fd);
		return -1;
	}
	while ((line = wire_next()) != NULL && line[0] != '=')
		if (line[0] == '+' && rows)
			table_add(&v->table, line + 1);
		else
			fact_add(v, line + 1);
	wire_close(fd);
	return 0;
}

static int
view_take(struct view_of *v, const char *path)
{
	v->nfacts = 0;
	v->table = (struct table){ .n = 0 };
	if (part_take(v, path, "status") != 0)
		return -1;
	return part_take(v, path, "sessions");
}

/* Draws a view; rows 0: all of it, without clearing a screen. */
static void
view_draw(const struct view_of *v, unsigned rows, unsigned columns)
{
	size_t most = v->table.n, facts = v->nfacts;

	if (rows > 0) {
		fputs("\033[H\033[2J", stdout);
		if (facts > rows / 2)
			facts = rows / 2;
		most = rows > facts + 4 ? rows - facts - 4 : 0;
	}
	for (size_t i = 0; i < facts; i++)
		printf("%.*s\n", columns == 0 ? FACT_SIZE : (int)columns,
		    v->facts[i]);
	putchar('\n');
	table_print(stdout, &v->table, most, columns);
	if (rows > 0)
		fputs("q ends; b, a, r sort by bytes, age, rate", stdout);
	fflush(stdout);
}

/* Waits for the next view or a key.  Returns the key, or 0. */
static int
key_wait(void)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	char key;

	if (poll(&pfd, 1, EVERY) == 1 && read(STDIN_FILENO, &key, 1) == 1)
		return key;
	/* A terminal that has gone ends it too. */
	return (pfd.revents & (POLLHUP | POLLERR)) != 0 ? 'q' : 0;
}

/* Does what a key says.  Returns whether to go on. */
static bool
key_obey(int key, enum table_order *order)
{
	if (key == 'q' || key == 'Q' || key == 3 || key == 4)
		return false;
	if (key == 'b')
		*order = TABLE_BYTES;
	else if (key == 'a')
		*order = TABLE_AGE;
	else if (key == 'r')
		*order = TABLE_RATE;
	return true;
}

/* Lets the terminal pass on keys at once, and takes another screen. */
static void
screen_begin(void)
{
	struct sigaction sa;
	struct termios raw = before;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs("\033[?1049h\033[?25l", stdout);
}

static void
screen_end(void)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static int
away(const char *path)
{
	fprintf(stderr, "%s: %s: %s\n", program, path, strerror(errno));
	return 3;
}

/* Shows it until q is pressed.  Returns the exit status. */
int
top_run(const char *path, enum table_order order)
{
	static struct view_of view;
	unsigned rows = 0, columns = 0;
	bool screen = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
	    tcgetattr(STDIN_FILENO, &before) == 0;
	int error = 0;

	if (view_take(&view, path) != 0)
		return away(path);
	if (screen)
		screen_begin();
	do {
		if (screen)
			sys_window(&rows, &columns);
		table_sort(&view.table, order);
		view_draw(&view, rows, columns);
		table_free(&view.table);
		if (!screen || !key_obey(key_wait(), &order) || ended)
			break;
		error = view_take(&view, path) != 0 ? errno : 0;
	} while (error == 0);
	if (screen)
		screen_end();
	errno = error;
	return error != 0 ? away(path) : 0;
}
