/* SPDX-License-Identifier: ISC */
/* LINK: master/court.c base/sys.c base/program.c */
/*
 * Tests how the master bounds a judge, with a clock of the test and a judge
 * that does nothing: it is killed when it has wished nothing for a minute, when
 * a newer generation serves, and a death is told.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../proxy.h"
#include "child.h"
#include "conf.h"
#include "court.h"
#include "gen.h"
#include "must.h"
#include "orders.h"

enum { MINUTE = 60000 };

static struct conf conf = { .judge_tunnels = true };
static struct gen gen = { .conf = &conf,
	.state = GEN_DRAINING,
	.nworkers = 1,
	.children = { { .pid = 1, .control = 1, .slot = 7 } } };
static int judge_end = -1; /* of its socket */
static pid_t judge = -1;
static unsigned orders, starts;
static char last[256];

void
child_private(int *fd)
{
	must(*fd < 0, "it has no socket at first");
}

int
child_start(struct gen *own, struct child *child, struct gen *all, int64_t now)
{
	int pair[2];

	must(own == &gen && all == &gen && now > 0, "what is started");
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "a pair");
	judge = fork();
	if (judge == 0)
		for (;;)
			pause();
	must(judge > 0, "a process");
	child->pid = judge;
	child->control = pair[0];
	judge_end = pair[1];
	starts++;
	return 0;
}

int
child_order(const struct child *child, const struct order_message *order,
    const int *fds, size_t nfds)
{
	must(child->slot == 7 && nfds == 1 && fds[0] >= 0, "who is told");
	must(order->order == ORDER_SESSIONS && order->kill && order->judge,
	    "what it is told");
	orders++;
	return 0;
}

void
child_hang_up(struct child *child)
{
	if (child->control >= 0)
		close(child->control);
	child->control = -1;
}

struct gen *
gen_first(void)
{
	return &gen;
}

void
log_line(enum log_level level, const char *format, ...)
{
	va_list ap;

	must(level == LOG_LEVEL_ERROR, "it is an error");
	va_start(ap, format);
	vsnprintf(last, sizeof(last), format, ap);
	va_end(ap);
}

/* Whether a judge ends, or has ended, by a signal; 0: it goes on. */
static int
signal_of(pid_t pid, int options)
{
	int status = 0;

	if (waitpid(pid, &status, options) != pid)
		return 0;
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

/* The judge wishes to ask the worker of a slot. */
static void
wish(uint32_t slot)
{
	struct wish_message w = { .wish = WISH_SESSIONS, .slot = slot };
	int fd = dup(0);

	must(sys_send(judge_end, &w, sizeof(w), &fd, 1) == 0, "a wish");
	close(fd);
}

static void
hang_test(void)
{
	court_begin(&gen, 1000);
	must(court_next() == 1000 + MINUTE, "it has a minute");
	wish(7);
	wish(8);
	court_serve(5000);
	must(orders == 1, "only a worker that drains is asked");
	must(court_next() == 5000 + MINUTE, "a wish gives it another minute");
	court_check(4999 + MINUTE);
	must(signal_of(judge, WNOHANG) == 0, "it goes on until then");
	/* A judge that was stopped is killed, too. */
	kill(judge, SIGSTOP);
	court_check(5000 + MINUTE);
	must(strstr(last, "hangs; killing it") != NULL, "that is told");
	must(signal_of(judge, 0) == SIGKILL, "it is killed");
	must(court_next() < 0 && !court_end(), "there is none any more");
}

static void
death_test(void)
{
	struct pollfd pfd;

	court_begin(&gen, 1000);
	must(court_watch(&pfd) == 1, "its socket is watched");
	must(!court_reap(judge + 1, 0), "another process is not it");
	kill(judge, SIGKILL);
	waitpid(judge, NULL, 0);
	must(court_reap(judge, SIGKILL), "it has died");
	must(strstr(last, "died from signal 9") != NULL, "that is told");
	must(court_watch(&pfd) == 0, "its socket is closed");
	must(court_next() < 0, "nothing is waited for");
}

static void
newer_test(void)
{
	pid_t before;

	court_begin(&gen, 1000);
	before = judge;
	court_begin(&gen, 2000);
	must(signal_of(before, 0) == SIGKILL, "a newer judge replaces it");
	must(judge != before && court_next() == 2000 + MINUTE, "and has time");
	conf.judge_tunnels = false;
	before = judge;
	starts = 0;
	court_begin(&gen, 3000);
	must(signal_of(before, 0) == SIGKILL, "so does a generation without");
	must(starts == 0 && court_next() < 0, "which has none");
}

int
main(void)
{
	court_init();
	hang_test();
	death_test();
	newer_test();
	return 0;
}
