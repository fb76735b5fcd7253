/* SPDX-License-Identifier: ISC */
/*
 * The parking lot: where quiet tunnels wait, so that the poll set of a worker
 * holds only the busy ones.  On Linux the lot is an epoll descriptor and on the
 * BSDs a kqueue, and that descriptor is in the poll set.  Elsewhere, and with
 * LOT=poll, the parked descriptors are polled as well, which may take only
 * about a fifth of the time.  The lot never reads, writes or closes a
 * descriptor.
 */
#define _GNU_SOURCE

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lot.h"
#include "sys.h"
#include "tunnel.h"

#if defined(LOT_poll)
#define LOT_IS_POLL
#elif defined(LOT_kqueue) || defined(__FreeBSD__) || defined(__OpenBSD__) ||   \
    defined(__NetBSD__) || defined(__DragonFly__)
#define LOT_IS_KQUEUE
#include <sys/event.h>
#elif defined(LOT_epoll) || defined(__linux__)
#define LOT_IS_EPOLL
#include <sys/epoll.h>
#else
#define LOT_IS_POLL
#endif

#ifndef LOT_IS_POLL

static int lot = -1;

/*
 * Returns a descriptor that is readable when a parked tunnel has woken, or -1.
 */
int
lot_fd(void)
{
	return lot;
}

/* Calls poll(2) for the set; the lot is watched through lot_fd() in the set. */
int
lot_poll(struct pollfd *set, size_t n, int timeout)
{
	return poll(set, (nfds_t)n, timeout);
}

/*
 * Takes a tunnel out of the lot.  Its descriptors stay registered with the
 * kernel.  An event that they still cause is ignored, because the tunnel is not
 * parked, and is not repeated.
 */
void
lot_leave(struct tunnel *t)
{
	t->parked = false;
}

/* Adds a tunnel to the woken ones, unless it has left the lot already. */
static size_t
wake(struct tunnel *t, struct tunnel **woken, size_t n)
{
	if (!t->parked)
		return n;
	t->parked = false;
	woken[n] = t;
	return n + 1;
}

#endif

#ifdef LOT_IS_EPOLL

/*
 * Makes the lot for up to max_conns connections, beside a poll set of up to
 * set_size descriptors.  Returns 0, or -1 with errno.
 */
int
lot_init(size_t max_conns, size_t set_size)
{
	(void)max_conns;
	(void)set_size;
	lot = epoll_create1(0);
	return lot < 0 ? -1 : 0;
}

/*
 * Parks a tunnel.  An end wakes it when one of its events or an error occurs,
 * or when both directions of the end are closed.  An end with negative events
 * is not watched.  Returns 0, or -1 with errno.
 */
int
lot_park(struct tunnel *t, const int events[2])
{
	for (enum side side = CLIENT; side <= SERVER; side++) {
		struct end *end = &t->end[side];
		struct epoll_event ev = { .data.ptr = t };

		if (events[side] < 0)
			continue;
		ev.events = (events[side] & POLLIN ? EPOLLIN : 0u) |
		    (events[side] & POLLOUT ? EPOLLOUT : 0u) |
		    (events[side] & sys_poll_end() ? EPOLLRDHUP : 0u) |
		    EPOLLONESHOT;
		if (epoll_ctl(lot,
			end->enrolled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, end->fd,
			&ev) != 0)
			return -1;
		end->enrolled = true;
	}
	t->parked = true;
	return 0;
}

/* Stores up to max tunnels that woke and left the lot.  Returns how many. */
size_t
lot_woken(struct tunnel **woken, size_t max)
{
	struct epoll_event ev[WOKEN_MAX];
	size_t n = 0;
	int got;

	got = epoll_wait(lot, ev, max < WOKEN_MAX ? (int)max : WOKEN_MAX, 0);
	for (int i = 0; i < got; i++)
		n = wake(ev[i].data.ptr, woken, n);
	return n;
}

#endif

#ifdef LOT_IS_KQUEUE

/*
 * Makes the lot for up to max_conns connections, beside a poll set of up to
 * set_size descriptors.  Returns 0, or -1 with errno.
 */
int
lot_init(size_t max_conns, size_t set_size)
{
	(void)max_conns;
	(void)set_size;
	lot = kqueue();
	return lot < 0 ? -1 : 0;
}

/*
 * Parks a tunnel.  An end wakes it when one of its events occurs.  An end with
 * negative events is not watched.  Returns 0, or -1 with errno; ENOTSUP if an
 * end is watched for errors only (events 0), because kqueue has no event for a
 * reset alone.
 */
int
lot_park(struct tunnel *t, const int events[2])
{
	struct kevent change[4];
	int n = 0;

	if (events[CLIENT] == 0 || events[SERVER] == 0) {
		errno = ENOTSUP;
		return -1;
	}
	for (enum side side = CLIENT; side <= SERVER; side++) {
		unsigned fd = (unsigned)t->end[side].fd;

		if (events[side] < 0)
			continue;
		if (events[side] & POLLIN)
			EV_SET(&change[n++], fd, EVFILT_READ,
			    EV_ADD | EV_ONESHOT, 0, 0, (void *)t);
		if (events[side] & POLLOUT)
			EV_SET(&change[n++], fd, EVFILT_WRITE,
			    EV_ADD | EV_ONESHOT, 0, 0, (void *)t);
	}
	if (kevent(lot, change, n, NULL, 0, NULL) != 0)
		return -1;
	t->parked = true;
	return 0;
}

/* Stores up to max tunnels that woke and left the lot.  Returns how many. */
size_t
lot_woken(struct tunnel **woken, size_t max)
{
	static const struct timespec at_once;
	struct kevent ev[WOKEN_MAX];
	size_t n = 0;
	int got;

	got = kevent(
	    lot, NULL, 0, ev, max < WOKEN_MAX ? (int)max : WOKEN_MAX, &at_once);
	for (int i = 0; i < got; i++)
		n = wake((void *)ev[i].udata, woken, n);
	return n;
}

#endif

#ifdef LOT_IS_POLL

enum { SHARE = 4 /* rest after a look at the lot, in times of its length */ };

/*
 * The pairs of parked descriptors, followed by a copy of the set while both are
 * polled together.  Pair i belongs to tunnels[i], whose lot_at is i.
 */
static struct pollfd *all;
static struct tunnel **tunnels;
static size_t nparked, nwoken_left;
static int64_t rest_until; /* ns */

static int64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/*
 * Makes the lot for up to max_conns connections, beside a poll set of up to
 * set_size descriptors.  Returns 0, or -1 with errno.
 */
int
lot_init(size_t max_conns, size_t set_size)
{
	all = calloc(2 * max_conns + set_size, sizeof(*all));
	tunnels = calloc(max_conns, sizeof(*tunnels));
	return all == NULL || tunnels == NULL ? -1 : 0;
}

/* Returns -1: this lot has no descriptor of its own. */
int
lot_fd(void)
{
	return -1;
}

/*
 * Parks a tunnel.  An end wakes it when one of its events or an error occurs,
 * or when both directions of the end are closed.  An end with negative events
 * is not watched.  Returns 0.
 */
int
lot_park(struct tunnel *t, const int events[2])
{
	for (enum side side = CLIENT; side <= SERVER; side++) {
		struct pollfd *pfd = &all[2 * nparked + (size_t)side];

		pfd->fd = events[side] < 0 ? -1 : t->end[side].fd;
		pfd->events = (short)events[side];
		pfd->revents = 0;
	}
	t->lot_at = nparked;
	tunnels[nparked++] = t;
	t->parked = true;
	return 0;
}

/* Takes a tunnel out of the lot. */
void
lot_leave(struct tunnel *t)
{
	size_t at = t->lot_at;

	if (!t->parked)
		return;
	assert(at < nparked && tunnels[at] == t);
	nparked--;
	tunnels[at] = tunnels[nparked];
	tunnels[at]->lot_at = at;
	memcpy(&all[2 * at], &all[2 * nparked], 2 * sizeof(*all));
	t->parked = false;
}

/* Polls the set and the lot.  Measures how long that took without sleeping. */
static int
poll_all(struct pollfd *set, size_t n, int timeout)
{
	int64_t began = clock_ns();
	int got;

	memcpy(&all[2 * nparked], set, n * sizeof(*set));
	got = poll(all, (nfds_t)(2 * nparked + n), 0);
	rest_until = clock_ns() + SHARE * (clock_ns() - began);
	if (got == 0 && timeout != 0)
		got = poll(all, (nfds_t)(2 * nparked + n), timeout);
	memcpy(set, &all[2 * nparked], n * sizeof(*set));
	nwoken_left = got > 0 ? nparked : 0;
	return got;
}

/*
 * Calls poll(2) for the set and the parked descriptors.  While the lot rests,
 * it polls only the set, and parked tunnels that have woken wait for the end of
 * the rest.
 */
int
lot_poll(struct pollfd *set, size_t n, int timeout)
{
	int64_t rest = rest_until - clock_ns();
	int got;

	if (nparked == 0)
		return poll(set, (nfds_t)n, timeout);
	if (rest > 0) {
		int ms = (int)(rest / 1000000) + 1;

		if (timeout >= 0 && timeout < ms)
			ms = timeout;
		got = poll(set, (nfds_t)n, ms);
		if (got != 0 || ms == timeout)
			return got;
	}
	return poll_all(set, n, timeout);
}

/* Stores up to max tunnels that woke and left the lot.  Returns how many. */
size_t
lot_woken(struct tunnel **woken, size_t max)
{
	size_t n = 0;

	while (nwoken_left > 0 && n < max) {
		size_t at = --nwoken_left;

		if (at >= nparked ||
		    (all[2 * at].revents | all[2 * at + 1].revents) == 0)
			continue;
		woken[n++] = tunnels[at];
		lot_leave(tunnels[at]);
	}
	return n;
}

#endif
