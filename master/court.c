/* SPDX-License-Identifier: ISC */
/*
 * Keeps the judge of ReloadTunnels: starts it after a reload, passes its
 * sockets on to workers that drain, and kills it if it hangs or if a newer
 * generation has other rules.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "conf.h"
#include "court.h"
#include "gen.h"
#include "log.h"
#include "orders.h"
#include "sys.h"

enum {
	HANG_TIME = 60000, /* ms without a wish until it is killed */
	WISHES_MAX = 64    /* that are taken in one turn */
};

static struct {
	struct child judge;
	int64_t until; /* ms: when it is killed */
} c = { .judge = {
	    .pid = -1, .control = -1, .outside = true, .judges = true } };

/* Must be called once. */
void
court_init(void)
{
	child_private(&c.judge.control);
}

/* Kills the judge.  Returns whether there was one at work. */
bool
court_end(void)
{
	bool sat = c.judge.pid > 0;

	child_hang_up(&c.judge);
	if (sat)
		kill(c.judge.pid, SIGKILL);
	c.judge.pid = -1;
	return sat;
}

/*
 * A generation serves now: its judge takes the place of an older one, if its
 * configuration wants that tunnels are judged.
 */
void
court_begin(struct gen *gen, int64_t now)
{
	court_end();
	if (!gen->conf->judge_tunnels)
		return;
	if (child_start(gen, &c.judge, gen_first(), now) != 0)
		log_line(LOG_LEVEL_ERROR,
		    "ReloadTunnels: cannot start the judge: %s; open tunnels "
		    "go on unjudged",
		    strerror(errno));
	c.until = now + HANG_TIME;
}

/* Fills in what to poll for.  Returns how many entries there are. */
size_t
court_watch(struct pollfd *pfd)
{
	if (c.judge.control < 0)
		return 0;
	*pfd = (struct pollfd){ .fd = c.judge.control, .events = POLLIN };
	return 1;
}

/* Passes a socket on to the worker of a slot, if that drains. */
static void
socket_pass(size_t slot, int fd)
{
	struct order_message order = {
		.order = ORDER_SESSIONS, .kill = true, .judge = true
	};

	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		for (size_t i = 0; i < gen->nworkers; i++)
			if (gen->state == GEN_DRAINING &&
			    gen->children[i].slot == slot &&
			    gen->children[i].pid > 0 &&
			    gen->children[i].control >= 0)
				child_order(&gen->children[i], &order, &fd, 1);
}

/* Does what the judge wishes; there is only one thing that it may wish. */
void
court_serve(int64_t now)
{
	struct wish_message wish;
	int fd;

	for (int i = 0; i < WISHES_MAX && c.judge.control >= 0; i++) {
		ssize_t n =
		    sys_receive(c.judge.control, &wish, sizeof(wish), &fd, 1);

		if (n == 0)
			child_hang_up(&c.judge);
		if (n != sizeof(wish))
			return;
		if (wish.wish == WISH_SESSIONS && fd >= 0)
			socket_pass(wish.slot, fd);
		if (fd >= 0)
			sys_close_sent(fd);
		c.until = now + HANG_TIME;
	}
}

/* Whether a process that has ended is the judge. */
bool
court_reap(pid_t pid, int status)
{
	if (pid != c.judge.pid)
		return false;
	if (WIFSTOPPED(status) || WIFCONTINUED(status))
		return true;
	child_hang_up(&c.judge);
	c.judge.pid = -1;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		log_line(LOG_LEVEL_ERROR,
		    "ReloadTunnels: the judge (pid %ld) %s %d; open tunnels "
		    "may go on unjudged",
		    (long)pid,
		    WIFSIGNALED(status) ? "died from signal"
					: "exited with status",
		    WIFSIGNALED(status) ? WTERMSIG(status)
					: WEXITSTATUS(status));
	return true;
}

/* Kills the judge if it hangs. */
void
court_check(int64_t now)
{
	if (c.judge.pid <= 0 || now < c.until)
		return;
	log_line(LOG_LEVEL_ERROR,
	    "ReloadTunnels: the judge (pid %ld) hangs; killing it, and open "
	    "tunnels may go on unjudged",
	    (long)c.judge.pid);
	court_end();
}

/* When court_check() is needed next, or -1. */
int64_t
court_next(void)
{
	return c.judge.pid > 0 ? c.until : -1;
}
