/* SPDX-License-Identifier: ISC */
/* LINK: io/relay.c io/pipe.c base/sys.c base/socket.c base/program.c */
/*
 * Tests the relay over socket pairs: all bytes arrive in order; a side that
 * does not read stops the other; an end of file is passed on; a reset is
 * reported; a rate limit pauses a side; and a fast tunnel yields to others.
 */
#define _GNU_SOURCE

#include <sys/socket.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../proxy.h"
#include "must.h"

enum { MUCH = 8 * 1024 * 1024 /* bytes: more than a socket buffers */ };

static int64_t now = 1000000;
static int peer[2]; /* the sockets of the client and the server */

int64_t
clock_now(void)
{
	return now;
}

/* Makes a tunnel between two peers. */
static struct tunnel
tunnel_make(void)
{
	struct tunnel t = { .heap_at = 0 };
	int pair[2];

	for (enum side side = CLIENT; side <= SERVER; side++) {
		must(socketpair(
			 AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0,
		    "socketpair");
		t.end[side].fd = pair[0];
		peer[side] = pair[1];
	}
	return t;
}

static void
tunnel_end(struct tunnel *t)
{
	relay_free(t);
	for (enum side side = CLIENT; side <= SERVER; side++) {
		close(t->end[side].fd);
		if (peer[side] >= 0)
			close(peer[side]);
	}
}

/* Does what poll() says, once for each side.  Returns the outcome. */
static enum relay_state
turn(struct tunnel *t, enum side *lost)
{
	enum relay_state state = RELAY_GOES_ON;

	for (enum side side = CLIENT; side <= SERVER && state == RELAY_GOES_ON;
	     side++) {
		struct pollfd pfd = { .fd = t->end[side].fd,
			.events = relay_events(t, side) };

		if (poll(&pfd, 1, 0) == 1)
			state = relay_ready(t, side, pfd.revents, lost);
	}
	return state;
}

static char
byte_of(size_t i)
{
	return (char)(i * 2654435761u >> 24);
}

/* Sends the pattern from at on, as far as a peer takes it.  Returns the end. */
static size_t
pattern_send(int fd, size_t at, size_t end)
{
	static char buffer[65536];
	ssize_t n;

	do {
		size_t len =
		    end - at < sizeof(buffer) ? end - at : sizeof(buffer);

		for (size_t i = 0; i < len; i++)
			buffer[i] = byte_of(at + i);
		n = send(fd, buffer, len, MSG_NOSIGNAL);
		at += n > 0 ? (size_t)n : 0;
	} while (n > 0 && at < end);
	return at;
}

/* Receives up to most bytes, and compares them.  Returns where they end. */
static size_t
pattern_receive(int fd, size_t at, size_t most)
{
	static char buffer[65536];
	ssize_t n =
	    recv(fd, buffer, most < sizeof(buffer) ? most : sizeof(buffer), 0);

	for (ssize_t i = 0; i < n; i++)
		must(buffer[i] == byte_of(at + (size_t)i), "bytes in order");
	return n > 0 ? at + (size_t)n : at;
}

static void
both_ways_and_ends(void)
{
	struct tunnel t = tunnel_make();
	enum side lost;
	char got[8];

	must(send(peer[CLIENT], "up", 2, 0) == 2 &&
		send(peer[SERVER], "down", 4, 0) == 4,
	    "send");
	must(turn(&t, &lost) == RELAY_GOES_ON, "it goes on");
	must(recv(peer[SERVER], got, 8, 0) == 2 && memcmp(got, "up", 2) == 0,
	    "bytes go up");
	must(recv(peer[CLIENT], got, 8, 0) == 4 && memcmp(got, "down", 4) == 0,
	    "bytes go down");
	must(t.flow[CLIENT].bytes == 2 && t.flow[SERVER].bytes == 4, "counts");
	shutdown(peer[CLIENT], SHUT_WR);
	must(turn(&t, &lost) == RELAY_GOES_ON, "half of it goes on");
	must(recv(peer[SERVER], got, 8, 0) == 0, "the end is passed on");
	must((relay_events(&t, CLIENT) & POLLIN) == 0, "an end is not read");
	must(send(peer[SERVER], "more", 4, 0) == 4, "send");
	must(turn(&t, &lost) == RELAY_GOES_ON, "the other half goes on");
	must(recv(peer[CLIENT], got, 8, 0) == 4, "bytes still go down");
	shutdown(peer[SERVER], SHUT_WR);
	must(turn(&t, &lost) == RELAY_DONE, "both ends are the end");
	tunnel_end(&t);
}

/* Tests a long stream: copied, or moved through pipes if the system can. */
static void
much_and_slowly(bool spliced)
{
	struct tunnel t = tunnel_make();
	size_t sent = 0, received = 0;
	bool stopped = false;
	enum side lost;

	/* What was before is long ago. */
	now += 1000;
	while (received < MUCH) {
		if (sent < MUCH)
			sent = pattern_send(peer[CLIENT], sent, MUCH);
		t.flow[CLIENT].spliced = spliced;
		must(turn(&t, &lost) == RELAY_GOES_ON, "it goes on");
		if (relay_holds(&t, CLIENT)) {
			stopped = true;
			must((relay_events(&t, CLIENT) & POLLIN) == 0,
			    "its source is not read");
			must((relay_events(&t, SERVER) & POLLOUT) != 0,
			    "its destination is awaited");
			must(relay_owes(&t, CLIENT), "it is owed");
		}
		/* The reader is slow for the first half. */
		received = pattern_receive(
		    peer[SERVER], received, received < MUCH / 2 ? 20000 : MUCH);
	}
	must(stopped, "a slow reader stops its source");
	must(!relay_holds(&t, CLIENT), "nothing is kept in the end");
	must(t.flow[CLIENT].bytes == MUCH, "all is counted");
	tunnel_end(&t);
}

static void
a_side_is_lost(enum side gone)
{
	struct tunnel t = tunnel_make();
	enum side other = gone == CLIENT ? SERVER : CLIENT, lost;

	/* With bytes unread, close() sends a reset. */
	must(send(t.end[gone].fd, "x", 1, 0) == 1, "send");
	close(peer[gone]);
	peer[gone] = -1;
	must(turn(&t, &lost) == RELAY_LOST && lost == gone, "it is lost");
	must(send(peer[other], "x", 1, 0) == 1, "send");
	must(
	    relay_ready(&t, other, POLLIN, &lost) == RELAY_LOST && lost == gone,
	    "what is for it tells, too");
	tunnel_end(&t);
}

static void
a_rate_makes_it_rest(void)
{
	struct tunnel t = tunnel_make();
	enum side lost;
	char bytes[1024] = { 0 };

	relay_limit(1024);
	must(send(peer[CLIENT], bytes, sizeof(bytes), 0) == 1024, "send");
	for (int i = 0; i < 10; i++)
		must(turn(&t, &lost) == RELAY_GOES_ON, "it goes on");
	must(relay_rests(&t, CLIENT) && !relay_rests(&t, SERVER), "it rests");
	must((relay_events(&t, CLIENT) & POLLIN) == 0, "it is not read then");
	must(t.flow[CLIENT].bytes < 1024, "not all was read at once");
	must(relay_resumes(&t) > now && relay_resumes(&t) <= now + 1000,
	    "there is a time when it is read again");
	now = relay_resumes(&t);
	must(!relay_rests(&t, CLIENT), "it has rested");
	relay_limit(0);
	tunnel_end(&t);
}

/* Another tunnel has moved a byte. */
static void
another_is_slow(void)
{
	struct tunnel other = tunnel_make();
	enum side lost;

	must(send(peer[CLIENT], "x", 1, 0) == 1, "send");
	must(turn(&other, &lost) == RELAY_GOES_ON, "it goes on");
	tunnel_end(&other);
}

/* A flow that could read much at once moves little while others wait. */
static void
a_fast_one_yields(bool spliced)
{
	struct tunnel t;
	struct flow *f = &t.flow[CLIENT];
	enum side lost;
	uint64_t little;

	another_is_slow();
	t = tunnel_make();

	f->size = RELAY_SIZE;
	f->spliced = spliced;
	must(pattern_send(peer[CLIENT], 0, MUCH) > 2 * 16384, "a lot to read");
	must(turn(&t, &lost) == RELAY_GOES_ON, "it goes on");
	little = f->bytes;
	must(little > 0 && little <= 16384, "it moves little");
	relay_drop(&t, CLIENT);
	now += 10;
	must(turn(&t, &lost) == RELAY_GOES_ON, "it goes on");
	must(f->bytes - little > 16384, "it moves much again");
	tunnel_end(&t);
}

/* While others wait, a flow at full speed rests after half a mebibyte. */
static void
a_fast_one_rests(bool others)
{
	struct tunnel t;
	size_t sent = 0, at = 0, was;
	enum side lost;

	now += 1000;
	if (others)
		another_is_slow();
	t = tunnel_make();
	while (!relay_rests(&t, CLIENT) && at < MUCH) {
		sent = pattern_send(peer[CLIENT], sent, sent + 65536);
		must(turn(&t, &lost) == RELAY_GOES_ON, "it goes on");
		do {
			was = at;
			at = pattern_receive(peer[SERVER], at, MUCH);
		} while (at > was);
	}
	must(relay_rests(&t, CLIENT) == others, "only for others");
	must(!others || (at > 256 * 1024 && at < 1024 * 1024), "not too often");
	must(!others || relay_resumes(&t) == now + 1, "for a millisecond");
	now += 1;
	must(!relay_rests(&t, CLIENT), "it has rested");
	tunnel_end(&t);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	pipe_init(4);
	both_ways_and_ends();
	much_and_slowly(false);
	much_and_slowly(true);
	a_side_is_lost(CLIENT);
	a_side_is_lost(SERVER);
	a_rate_makes_it_rest();
	a_fast_one_yields(false);
	a_fast_one_yields(true);
	a_fast_one_rests(true);
	a_fast_one_rests(false);
	return 0;
}
