/* SPDX-License-Identifier: ISC */
/*
 * Moves bytes between the two sockets of a tunnel.  They go through one large
 * buffer of the worker or, when a flow keeps filling the buffer, through a pipe
 * without being copied.  Bytes that the other side does not take yet stay with
 * the tunnel, and meanwhile their source is not read.  A side that was faster
 * than RateLimit is not read for a moment either, nor is one at full speed now
 * and then, while others in this worker move little.  An end of file is passed on
 * as an end of file.  Nothing here may decide when a live tunnel has to end.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "pipe.h"
#include "relay.h"
#include "socket.h"
#include "sys.h"
#include "tunnel.h"

enum {
	READ_MIN = 16 * 1024,   /* bytes read at first */
	YIELD_SIZE = 16 * 1024, /* bytes moved at once while others wait */
	YIELD_TIME = 10,        /* ms after another tunnel moved few */
	YIELD_MOST = 512,       /* KiB after which it rests meanwhile */
	YIELD_REST = 1000,      /* us */
	RAPID_TIME = 10,        /* ms after one at full speed moved bytes */
	FEW = 4096,             /* with fewer at once it is not at full speed */
	RATE_PARTS = 8,         /* one read: the bytes of 1/8 s at RateLimit */
	RATE_CREDIT = 125000,   /* us of delay that later reads make up for */
	KEPT_TOTAL_MAX = 64 * 1024 * 1024 /* bytes kept; then reads are small */
};

static char buffer[RELAY_SIZE];
static size_t kept_total; /* bytes kept by all tunnels */
static uint64_t moved[2]; /* bytes read, by side, of all tunnels */

/* The last tunnel that moved few bytes, for comparison only, and when. */
static const struct tunnel *slow;
static int64_t slow_at; /* ms */

/* When a tunnel at full speed has moved bytes, in ms. */
static int64_t rapid_at = -RAPID_TIME;

/* RateLimit, or 0; and the largest read that it allows. */
static unsigned rate; /* bytes per second */
static size_t rate_size = SIZE_MAX;

static enum side
other(enum side side)
{
	return side == CLIENT ? SERVER : CLIENT;
}

/* Limits each flow of a tunnel to so many bytes per second; 0: no limit. */
void
relay_limit(unsigned bytes)
{
	rate = bytes;
	rate_size = rate != 0 ? rate / RATE_PARTS : SIZE_MAX;
}

/*
 * Returns for how many more us a side must not be read; if negative, how long
 * ago it could have been read.  The clock of t->rest wraps around after about
 * an hour, so the difference means nothing for a side that was quiet for long.
 * A difference that one read cannot cause counts as a full credit.
 */
static int32_t
side_rest(const struct tunnel *t, enum side side)
{
	int32_t rest =
	    (int32_t)(t->rest[side] - (uint32_t)(clock_now() * 1000));

	return rest > 2 * RATE_CREDIT || rest < -RATE_CREDIT ? -RATE_CREDIT
							     : rest;
}

/* Returns whether a side must not be read now. */
bool
relay_rests(const struct tunnel *t, enum side side)
{
	return t->flow[side].paced && side_rest(t, side) > 0;
}

/*
 * Accounts for bytes that were read from a side, which then has to rest.  Reads
 * are always late by part of a millisecond; up to RATE_CREDIT of such delay is
 * made up for.
 */
void
relay_charge(struct tunnel *t, enum side side, size_t got)
{
	uint64_t us;

	if (rate == 0)
		return;
	us = ((uint64_t)got * 1000000 + rate - 1) / rate;
	t->flow[side].paced = true;
	t->rest[side] =
	    (uint32_t)(clock_now() * 1000 + side_rest(t, side) + (int64_t)us);
}

/* Counts bytes that were read from a side, and accounts for them. */
void
relay_count(struct tunnel *t, enum side side, size_t got)
{
	t->flow[side].bytes += (uint64_t)got;
	moved[side] += (uint64_t)got;
	relay_charge(t, side, got);
}

/* Returns whether a side of a tunnel may have to rest. */
bool
relay_is_paced(const struct tunnel *t)
{
	return t->flow[CLIENT].paced || t->flow[SERVER].paced;
}

/*
 * Returns when the first resting side may be read again, in ms, or INT64_MAX.
 */
int64_t
relay_resumes(const struct tunnel *t)
{
	int64_t when = INT64_MAX;

	for (enum side side = CLIENT; side <= SERVER; side++)
		if (relay_rests(t, side)) {
			int64_t at =
			    clock_now() + (side_rest(t, side) + 999) / 1000;

			when = at < when ? at : when;
		}
	return when;
}

/* Returns how many bytes were read from this side of all tunnels so far. */
uint64_t
relay_moved(enum side side)
{
	return moved[side];
}

/* Returns whether a tunnel is at full speed now. */
bool
relay_is_rapid(void)
{
	return clock_now() - rapid_at < RAPID_TIME;
}

/* Returns whether a flow has bytes that its destination has not taken yet. */
static bool
flow_holds(const struct flow *f)
{
	return f->kept != NULL || f->pipe != NULL;
}

/*
 * Returns whether bytes from a side wait here for the other side to take them.
 */
bool
relay_holds(const struct tunnel *t, enum side side)
{
	return flow_holds(&t->flow[side]);
}

/*
 * Returns whether both sides of a tunnel are read, and nothing waits to be sent:
 * then relay_events() are POLLIN for either.
 */
bool
relay_flows(const struct tunnel *t)
{
	const struct flow *up = &t->flow[CLIENT], *down = &t->flow[SERVER];

	return !(up->eof || down->eof || up->paced || down->paced ||
	    flow_holds(up) || flow_holds(down));
}

/* Returns whether a side is read, now or after its rest. */
static bool
side_open(const struct tunnel *t, enum side side)
{
	return !t->flow[side].eof && !relay_holds(t, side);
}

/* Returns whether a side is read now. */
static bool
side_reads(const struct tunnel *t, enum side side)
{
	return side_open(t, side) && !relay_rests(t, side);
}

/* Returns the events of poll(2) that a side must be watched for. */
short
relay_events(const struct tunnel *t, enum side side)
{
	int events = 0;

	if (side_reads(t, side))
		events |= POLLIN;
	if (relay_holds(t, other(side)))
		events |= POLLOUT;
	return (short)events;
}

/*
 * Keeps a copy of bytes from a side until the other side takes them, after those
 * that are kept already; a pipe must hold none.  Returns 0, or -1 with ENOMEM.
 */
int
relay_keep(struct tunnel *t, enum side side, const char *bytes, size_t len)
{
	struct flow *f = &t->flow[side];
	char *grown = realloc(f->kept, f->len + len);

	if (grown == NULL)
		return -1;
	f->kept = grown;
	memcpy(f->kept + f->len, bytes, len);
	f->len += (uint32_t)len;
	kept_total += len;
	return 0;
}

static void
flow_release(struct flow *f)
{
	if (f->pipe != NULL)
		pipe_give(f->pipe);
	f->pipe = NULL;
	if (f->kept == NULL)
		return;
	kept_total -= f->len;
	free(f->kept);
	f->kept = NULL;
	f->at = f->len = 0;
}

/*
 * Returns whether bytes from a side have not reached the other side yet: they
 * wait here, or in the kernel.
 */
bool
relay_owes(const struct tunnel *t, enum side side)
{
	return flow_holds(&t->flow[side]) ||
	    sys_unsent(t->end[other(side)].fd) > 0;
}

/* Makes a flow begin with small reads again. */
static void
flow_restart(struct flow *f)
{
	f->size = READ_MIN;
	f->spliced = false;
}

/* Makes a tunnel that has become quiet begin with small reads again. */
void
relay_quiet(struct tunnel *t)
{
	flow_restart(&t->flow[CLIENT]);
	flow_restart(&t->flow[SERVER]);
}

/*
 * Frees the bytes that the flows of a tunnel keep, and gives back their pipes.
 */
void
relay_free(struct tunnel *t)
{
	flow_release(&t->flow[CLIENT]);
	flow_release(&t->flow[SERVER]);
}

/*
 * Passes the end of a flow on once all its bytes are sent.  The second flow to
 * end needs no shutdown(): the close() that follows says the same.
 */
static enum relay_state
flow_end(struct tunnel *t, enum side side)
{
	struct flow *f = &t->flow[side], *back = &t->flow[other(side)];

	if (!f->eof || flow_holds(f))
		return RELAY_GOES_ON;
	if (back->shut)
		return RELAY_DONE;
	if (!f->shut)
		shutdown(t->end[other(side)].fd, SHUT_WR);
	f->shut = true;
	return RELAY_GOES_ON;
}

/*
 * Sends kept bytes, as many as the socket takes.  Returns 0, or -1 with errno.
 */
static int
flow_send(struct flow *f, int to)
{
	ssize_t n;

	if (f->pipe != NULL)
		return pipe_drain(f->pipe, to);
	n = send(to, f->kept + f->at, f->len - f->at, MSG_NOSIGNAL);
	if (n < 0)
		return -1;
	f->at += (uint32_t)n;
	return 0;
}

/*
 * Sends the bytes from a side that wait for the other side.  Returns RELAY_LOST
 * with the side that is gone in *lost, RELAY_DONE when both flows have ended,
 * or RELAY_GOES_ON.
 */
enum relay_state
relay_flush(struct tunnel *t, enum side side, enum side *lost)
{
	struct flow *f = &t->flow[side];

	if (!flow_holds(f))
		return RELAY_GOES_ON;
	if (flow_send(f, t->end[other(side)].fd) != 0 &&
	    !socket_is_passing(errno)) {
		*lost = other(side);
		return RELAY_LOST;
	}
	if (f->pipe != NULL ? f->pipe->len > 0 : f->at < f->len)
		return RELAY_GOES_ON;
	flow_release(f);
	return flow_end(t, side);
}

/*
 * Adapts the size of the next read.  Reads are small at first, so that a side
 * that takes nothing leaves little to keep.  The size doubles after each full
 * read that the other side took whole.  A flow that fills the whole buffer is at
 * full speed, and spliced from then on.
 */
static void
flow_adapt(struct flow *f, bool full, bool all_taken)
{
	if (!all_taken)
		f->size = READ_MIN;
	else if (full && f->size < RELAY_SIZE)
		f->size *= 2;
	else if (full)
		f->spliced = true;
}

/* Whether another tunnel that is not at full speed may wait for this one. */
static bool
others_wait(const struct tunnel *t)
{
	return slow != t && clock_now() - slow_at < YIELD_TIME;
}

/*
 * Returns how many bytes a tunnel may move at once, size at most: few while
 * others wait.
 */
static size_t
size_now(const struct tunnel *t, size_t size)
{
	if (size > YIELD_SIZE && others_wait(t))
		size = YIELD_SIZE;
	return size < rate_size ? size : rate_size;
}

/*
 * Notes that a flow at full speed has moved bytes.  While others wait, it rests
 * from time to time: it would keep the processors busy that they need.
 */
static void
flow_yield(struct tunnel *t, enum side side, size_t got)
{
	struct flow *f = &t->flow[side];

	rapid_at = clock_now();
	if (rate != 0 || !others_wait(t))
		return;
	f->yielded = (uint16_t)(f->yielded + got / 1024);
	if (f->yielded < YIELD_MOST)
		return;
	f->yielded = 0;
	f->paced = true;
	t->rest[side] = (uint32_t)(clock_now() * 1000 + YIELD_REST);
}

static size_t
flow_size(const struct tunnel *t, struct flow *f)
{
	if (f->size == 0 || kept_total > KEPT_TOTAL_MAX)
		f->size = READ_MIN;
	return size_now(t, f->size);
}

/* Returns how many bytes of size may be read at once. */
size_t
relay_most(size_t size)
{
	if (size > rate_size)
		size = rate_size;
	return kept_total > KEPT_TOTAL_MAX && size > READ_MIN ? READ_MIN : size;
}

/*
 * Sends bytes from a side to the other side, and keeps those that it does not
 * take.  No earlier bytes may be waiting.  Returns 0, or -1 with errno when the
 * other side is gone, or with ENOMEM.
 */
int
relay_pass(struct tunnel *t, enum side side, const char *bytes, size_t len)
{
	ssize_t sent = send(t->end[other(side)].fd, bytes, len, MSG_NOSIGNAL);

	if (sent < 0 && !socket_is_passing(errno))
		return -1;
	if (sent < 0)
		sent = 0;
	if ((size_t)sent == len)
		return 0;
	return relay_keep(t, side, bytes + sent, len - (size_t)sent);
}

/* Drops the bytes from a side that wait for the other side. */
void
relay_drop(struct tunnel *t, enum side side)
{
	flow_release(&t->flow[side]);
}

/* Reads once from a side and passes the bytes on, by copying. */
static enum relay_state
flow_copy(struct tunnel *t, enum side side, enum side *lost)
{
	struct flow *f = &t->flow[side];
	size_t most = flow_size(t, f);
	ssize_t got = recv(t->end[side].fd, buffer, most, 0);

	if (got < 0)
		return socket_is_passing(errno) ? RELAY_GOES_ON : RELAY_LOST;
	if (got == 0) {
		f->eof = true;
		return flow_end(t, side);
	}
	relay_count(t, side, (size_t)got);
	if (got < FEW && f->size == READ_MIN) {
		slow = t;
		slow_at = clock_now();
	}
	if (relay_pass(t, side, buffer, (size_t)got) != 0) {
		if (errno != ENOMEM)
			*lost = other(side);
		return RELAY_LOST;
	}
	flow_adapt(f, (size_t)got == most, f->kept == NULL);
	if (f->spliced)
		flow_yield(t, side, (size_t)got);
	return RELAY_GOES_ON;
}

/*
 * Does the same without copying.  Where urgent data is in the way, splice() may
 * report that nothing has come or that the flow has ended; in both cases a
 * copying read finds out what is true.
 */
static enum relay_state
flow_splice(struct tunnel *t, enum side side, struct pipe *p, enum side *lost)
{
	struct flow *f = &t->flow[side];
	ssize_t got = pipe_fill(p, t->end[side].fd, size_now(t, SPLICE_SIZE));

	if (got > 0) {
		relay_count(t, side, (size_t)got);
		f->pipe = p;
		if (got < READ_MIN)
			flow_restart(f);
		else
			flow_yield(t, side, (size_t)got);
		return relay_flush(t, side, lost);
	}
	pipe_give(p);
	if (got < 0 && !socket_is_passing(errno))
		return RELAY_LOST;
	flow_restart(f);
	return flow_copy(t, side, lost);
}

/* Reads once from a side, in the cheapest way. */
static enum relay_state
flow_pump(struct tunnel *t, enum side side, enum side *lost)
{
	struct pipe *p = NULL;

	*lost = side;
	if (rate == 0)
		t->flow[side].paced = false;
	if (t->flow[side].spliced)
		p = pipe_take();
	if (p != NULL)
		return flow_splice(t, side, p, lost);
	return flow_copy(t, side, lost);
}

/* Returns whether a socket has an error pending. */
static bool
has_failed(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 ||
	    error != 0;
}

/*
 * Handles the events of one side of a tunnel: at most one read, and one write
 * in each direction, so that no tunnel holds up the others.  Returns RELAY_LOST
 * with the side that was reset or failed in *lost, RELAY_DONE when both flows
 * have ended, or RELAY_GOES_ON.
 */
enum relay_state
relay_ready(struct tunnel *t, enum side side, short revents, enum side *lost)
{
	enum relay_state state = RELAY_GOES_ON;
	bool reading = side_reads(t, side);

	*lost = side;
	if (revents & (POLLERR | POLLHUP | POLLNVAL) && !reading) {
		/*
		 * A resting side may still hold bytes from before the reset;
		 * they are read after its rest.
		 */
		if (!side_open(t, side) && has_failed(t->end[side].fd))
			return RELAY_LOST;
		t->end[side].hung_up = true;
	}
	if (revents & POLLOUT)
		state = relay_flush(t, other(side), lost);
	if (state == RELAY_GOES_ON && reading &&
	    revents & (POLLIN | POLLERR | POLLHUP))
		state = flow_pump(t, side, lost);
	return state;
}
