/* SPDX-License-Identifier: ISC */
/*
 * The lot: what is watched outside the poll set of a worker.  On Linux it is an
 * epoll descriptor and on the BSDs a kqueue, and that descriptor is in the poll
 * set: what is in the lot costs nothing until it has an event.  Elsewhere, and
 * with LOT=poll, the descriptors in the lot are polled as well, which may take
 * only about a fifth of the time, so there it is for quiet connections alone.
 * The lot never reads, writes or closes a descriptor.
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

enum { EVENTS_MAX = 64 /* of the lot, in one turn of the loop */ };

#ifndef LOT_IS_POLL

static int lot = -1;
static int nreports; /* that lot_next() has not begun to read, or reads */

static struct end *(*end_find)(struct tunnel *, unsigned which);

/*
 * What the kernel reports with an event: the address of a tunnel, with which of
 * its ends in the bits that are always 0; or which of the worker's own
 * descriptors it is.
 */
enum {
	OWN_TAGS = 4096, /* where no tunnel can be */
	END_BITS = TUNNEL_ALIGN - 1
};

static void *
tag_make(const struct tunnel *t, unsigned which)
{
	assert(which < (t == NULL ? OWN_TAGS : TUNNEL_ALIGN));
	assert(((uintptr_t)t & END_BITS) == 0);
	return (void *)((uintptr_t)t | which);
}

#endif

#ifdef LOT_IS_EPOLL

static struct epoll_event reports[EVENTS_MAX];

static int
lot_open(void)
{
	return epoll_create1(0);
}

/*
 * Changes the events for which a descriptor is watched; -1: it is not in the
 * lot.  Errors, and that both directions are closed, are always reported.
 */
static int
lot_change(int fd, int was, int events, void *tag)
{
	struct epoll_event ev = { .data.ptr = tag };

	ev.events = (events & POLLIN ? EPOLLIN : 0u) |
	    (events & POLLOUT ? EPOLLOUT : 0u) |
	    (events & sys_poll_end() ? EPOLLRDHUP : 0u);
	return epoll_ctl(lot,
	    was < 0          ? EPOLL_CTL_ADD
		: events < 0 ? EPOLL_CTL_DEL
			     : EPOLL_CTL_MOD,
	    fd, &ev);
}

/*
 * Waits up to timeout ms, or for ever if -1.  Returns how many descriptors have
 * events, at most EVENTS_MAX, or -1 with errno.
 */
static int
lot_wait(int timeout)
{
	return epoll_wait(lot, reports, EVENTS_MAX, timeout);
}

/* Returns the events of poll(2) in a report, and stores the tag. */
static short
report_read(int at, uintptr_t *tag)
{
	uint32_t events = reports[at].events;

	*tag = (uintptr_t)reports[at].data.ptr;
	return (short)((events & EPOLLIN ? POLLIN : 0) |
	    (events & EPOLLOUT ? POLLOUT : 0) |
	    (events & EPOLLERR ? POLLERR : 0) |
	    (events & EPOLLHUP ? POLLHUP : 0) |
	    (events & EPOLLRDHUP ? sys_poll_end() : 0));
}

#endif

#ifdef LOT_IS_KQUEUE

static struct kevent reports[EVENTS_MAX];

static int
lot_open(void)
{
	return kqueue();
}

/*
 * Changes the events for which a descriptor is watched; -1: it is not in the
 * lot.  It cannot be watched for errors only (events 0), because kqueue has no
 * event for a reset alone: then this fails with ENOTSUP.
 */
static int
lot_change(int fd, int was, int events, void *tag)
{
	static const struct {
		int event;
		short filter;
	} kinds[] = { { POLLIN, EVFILT_READ }, { POLLOUT, EVFILT_WRITE } };
	struct kevent change[2];
	int n = 0;

	if (events == 0) {
		errno = ENOTSUP;
		return -1;
	}
	for (size_t i = 0; i < 2; i++) {
		bool before = was >= 0 && was & kinds[i].event;
		bool after = events >= 0 && events & kinds[i].event;

		if (before == after)
			continue;
		EV_SET(&change[n++], (unsigned)fd, kinds[i].filter,
		    after ? EV_ADD : EV_DELETE, 0, 0, tag);
	}
	return kevent(lot, change, n, NULL, 0, NULL);
}

/*
 * Waits up to timeout ms, or for ever if -1.  Returns how many events there are,
 * at most EVENTS_MAX, or -1 with errno.
 */
static int
lot_wait(int timeout)
{
	const struct timespec ts = { .tv_sec = timeout / 1000,
		.tv_nsec = timeout % 1000 * 1000000L };

	return kevent(
	    lot, NULL, 0, reports, EVENTS_MAX, timeout < 0 ? NULL : &ts);
}

/*
 * Returns the event of poll(2) in a report, and stores the tag.  To read or to
 * write tells of an end of file or an error as well.
 */
static short
report_read(int at, uintptr_t *tag)
{
	*tag = (uintptr_t)reports[at].udata;
	return reports[at].filter == EVFILT_READ ? POLLIN : POLLOUT;
}

#endif

#ifndef LOT_IS_POLL

/*
 * Makes the lot, beside a poll set of up to set_size descriptors.  find returns
 * an end of a tunnel, or NULL if there is none now.  Returns 0, or -1 with errno.
 */
int
lot_init(size_t set_size, struct end *(*find)(struct tunnel *, unsigned which))
{
	(void)set_size;
	end_find = find;
	lot = lot_open();
	return lot < 0 ? -1 : 0;
}

/*
 * Returns a descriptor that is readable when something in the lot has an event;
 * or -1 if there is none, because the lot is for quiet connections alone.
 */
int
lot_fd(void)
{
	return lot;
}

/*
 * Changes the events of poll(2) for which a descriptor of the worker itself is
 * watched; -1 before or after: it is not in the lot.  Returns 0, or -1 with
 * errno: it must be in the poll set.
 */
int
lot_own(int fd, int was, int events, unsigned which)
{
	return lot_change(fd, was, events, tag_make(NULL, which));
}

/*
 * Puts an end of a tunnel into the lot, for its events.  Errors are reported
 * too.  Returns 0, or -1 with errno: it is not in the lot.
 */
int
lot_add(struct tunnel *t, unsigned which, struct end *end)
{
	if (lot_change(end->fd, -1, end->events, tag_make(t, which)) != 0)
		return -1;
	end->enrolled = true;
	return 0;
}

/*
 * Changes the events of an end that is in the lot.  Returns 0, or -1: it is not
 * there, or cannot stay with these.
 */
int
lot_set(struct tunnel *t, unsigned which, struct end *end, short events)
{
	if (!end->enrolled ||
	    lot_change(end->fd, end->events, events, tag_make(t, which)) != 0)
		return -1;
	end->events = events;
	return 0;
}

/* Takes an end out of the lot, if it is there. */
void
lot_leave(struct end *end)
{
	if (end->enrolled)
		lot_change(end->fd, end->events, -1, NULL);
	end->enrolled = false;
}

/*
 * Takes an end out of the lot whose descriptor is closed at once: the kernel
 * then does the rest.
 */
void
lot_forget(struct end *end)
{
	end->enrolled = false;
}

/*
 * Calls poll(2) for the set, in which the lot is.  If nothing else is, it waits
 * in the lot instead, which saves to ask it afterwards.
 */
int
lot_poll(struct pollfd *set, size_t n, int timeout)
{
	if (n > 1 || set->fd != lot)
		return poll(set, (nfds_t)n, timeout);
	nreports = lot_wait(timeout);
	set->revents = nreports > 0 ? POLLIN : 0;
	return nreports;
}

/*
 * Stores the next of the events in the lot, the tunnel, or NULL for the worker
 * itself, and which of its descriptors it is.  Returns false when there are no
 * more in this turn of the loop.  An end that has left the lot meanwhile, or is
 * another one now, has none.
 */
bool
lot_next(struct tunnel **tunnel, unsigned *which, short *revents)
{
	static int at;
	const struct end *end;
	uintptr_t tag;

	if (nreports <= 0)
		nreports = lot_wait(0);
	while (at < nreports) {
		*revents = report_read(at++, &tag);
		*which = (unsigned)(tag < OWN_TAGS ? tag : tag & END_BITS);
		*tunnel =
		    tag < OWN_TAGS ? NULL : (struct tunnel *)(tag - *which);
		if (*tunnel == NULL)
			return true;
		end = end_find(*tunnel, *which);
		if (end != NULL && end->enrolled)
			return true;
	}
	nreports = at = 0;
	return false;
}

#endif

#ifdef LOT_IS_POLL

enum { SHARE = 4 /* rest after a look at the lot, in times of its length */ };

/*
 * The ends in the lot, followed by a copy of the set while both are polled
 * together.  The lot_at of parked[i].end is i.
 */
static struct pollfd *all;
static struct parked {
	struct tunnel *tunnel;
	unsigned which;
	struct end *end;
} * parked;
static size_t nparked, nlooked;
static int64_t rest_until; /* ns */

static int64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/*
 * Makes the lot, beside a poll set of up to set_size descriptors.  What is in
 * the one is not in the other.  Returns 0, or -1 with errno.
 */
int
lot_init(size_t set_size, struct end *(*find)(struct tunnel *, unsigned which))
{
	(void)find;
	all = calloc(set_size, sizeof(*all));
	parked = calloc(set_size, sizeof(*parked));
	return all == NULL || parked == NULL ? -1 : 0;
}

/* Returns -1: this lot has no descriptor, and is for quiet connections alone. */
int
lot_fd(void)
{
	return -1;
}

/* Returns -1: the worker's own descriptors must not wait for a rest. */
int
lot_own(int fd, int was, int events, unsigned which)
{
	(void)fd;
	(void)was;
	(void)events;
	(void)which;
	errno = ENOTSUP;
	return -1;
}

/*
 * Puts an end of a tunnel into the lot, for its events.  Errors are reported
 * too.  Returns 0.
 */
int
lot_add(struct tunnel *t, unsigned which, struct end *end)
{
	all[nparked] = (struct pollfd){ .fd = end->fd, .events = end->events };
	parked[nparked] = (struct parked){ t, which, end };
	end->enrolled = true;
	end->lot_at = (uint32_t)nparked++;
	return 0;
}

/* Returns -1: what has other events is not quiet. */
int
lot_set(struct tunnel *t, unsigned which, struct end *end, short events)
{
	(void)t;
	(void)which;
	(void)end;
	(void)events;
	return -1;
}

/* Takes an end out of the lot, if it is there. */
void
lot_leave(struct end *end)
{
	size_t at = end->lot_at;

	if (!end->enrolled)
		return;
	assert(at < nparked && parked[at].end == end);
	nparked--;
	all[at] = all[nparked];
	parked[at] = parked[nparked];
	parked[at].end->lot_at = (uint32_t)at;
	end->enrolled = false;
}

/* Takes an end out of the lot whose descriptor is closed at once. */
void
lot_forget(struct end *end)
{
	lot_leave(end);
}

/* Polls the set and the lot.  Measures how long that took without sleeping. */
static int
poll_all(struct pollfd *set, size_t n, int timeout)
{
	int64_t began = clock_ns();
	int got;

	memcpy(&all[nparked], set, n * sizeof(*set));
	got = poll(all, (nfds_t)(nparked + n), 0);
	rest_until = clock_ns() + SHARE * (clock_ns() - began);
	if (got == 0 && timeout != 0)
		got = poll(all, (nfds_t)(nparked + n), timeout);
	memcpy(set, &all[nparked], n * sizeof(*set));
	nlooked = got > 0 ? nparked : 0;
	return got;
}

/*
 * Calls poll(2) for the set and for what is in the lot.  While the lot rests,
 * it polls only the set, and an event in the lot waits for the end of the rest.
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

/*
 * Stores the next of the events in the lot, the tunnel and which of its ends.
 * Returns false when there are no more in this turn of the loop.  An end that
 * has left the lot meanwhile has none.
 */
bool
lot_next(struct tunnel **tunnel, unsigned *which, short *revents)
{
	static int n;

	while (nlooked > 0 && n < EVENTS_MAX) {
		size_t at = --nlooked;

		if (at >= nparked || all[at].revents == 0)
			continue;
		*revents = all[at].revents;
		all[at].revents = 0;
		*tunnel = parked[at].tunnel;
		*which = parked[at].which;
		n++;
		return true;
	}
	n = 0;
	return false;
}

#endif
