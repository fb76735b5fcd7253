/* SPDX-License-Identifier: ISC */
/* LINK: all */
/*
 * Tests whom the judge asks, and for how long it sleeps, with a clock of the
 * test and workers that say nothing or have nothing to show.
 */
#define _GNU_SOURCE

#include <sys/socket.h>

#include <unistd.h>

#include "must.h"
#include "world.h"

#include "../master/judge.c"

enum { WORKERS = AT_ONCE + 3 };

const char program[] = "judge_test", program_conf[] = "";

static int master;         /* the other end of the judge's socket */
static int asked[WORKERS]; /* where those who were asked write */
static size_t nasked;

/* Passes on whom the judge asks. */
static void
master_pass(void)
{
	struct wish_message wish;
	int fd;

	while (
	    sys_receive(master, &wish, sizeof(wish), &fd, 1) == sizeof(wish)) {
		must(wish.wish == WISH_SESSIONS && wish.kill && fd >= 0,
		    "it asks for tunnels that it may end");
		must(nasked < WORKERS && wish.slot == nasked,
		    "each is asked once, in order");
		asked[nasked++] = fd;
	}
}

static void
turn(void)
{
	judge_turn();
	master_pass();
}

/* That worker has no tunnels. */
static void
answer(size_t worker)
{
	must(send(asked[worker], "", 1, 0) == 1, "send");
	close(asked[worker]);
}

int
main(void)
{
	static const struct gen gen;
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0,
	    "a pair");
	j.master = pair[0];
	j.gen = &gen;
	master = pair[1];
	for (size_t i = 0; i < AT_ONCE; i++)
		j.hearings[i].fd = -1;
	for (j.n = 0; j.n < WORKERS; j.n++)
		j.witnesses[j.n] =
		    (struct witness){ .slot = j.n, .pid = getpid() };

	turn();
	must(nasked == AT_ONCE, "so many are asked at once");
	must(judge_next() == now + QUIET_TIME,
	    "while they say nothing it sleeps, though others wait");
	answer(0);
	turn();
	must(nasked == AT_ONCE + 1, "one goes, and the next is asked");
	must(judge_next() == now + QUIET_TIME, "it sleeps again");
	now += QUIET_TIME;
	turn();
	must(nasked == WORKERS, "the others come when these are given up");
	must(judge_next() == now + AGAIN_TIME, "those are asked again");
	return 0;
}
