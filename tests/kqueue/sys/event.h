/* SPDX-License-Identifier: ISC */
/*
 * kqueue(2) over epoll, so that the code for the BSDs runs on Linux: build with
 * LOT=kqueue CPPFLAGS=-Itests/kqueue.  A process has one queue, with the filters
 * EVFILT_READ and EVFILT_WRITE.  fflags are 0, and data is only the
 * errno of EV_ERROR.
 *
 * A descriptor has one entry in epoll for both filters.  As with kqueue its
 * filters go when it is closed: epoll has forgotten it then, and says so when
 * the entry is changed.
 */
#ifndef KQUEUE_EVENT_H
#define KQUEUE_EVENT_H

#include <sys/epoll.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)

#define EV_ADD 0x0001u
#define EV_DELETE 0x0002u
#define EV_ENABLE 0x0004u
#define EV_DISABLE 0x0008u
#define EV_ONESHOT 0x0010u
#define EV_DISPATCH 0x0080u
#define EV_ERROR 0x4000u
#define EV_EOF 0x8000u

struct kevent {
	uintptr_t ident;
	short filter;
	unsigned short flags;
	unsigned fflags;
	int64_t data;
	void *udata;
};

#define EV_SET(event, ident_, filter_, flags_, fflags_, data_, udata_)         \
	(*(event) = (struct kevent){ .ident = (uintptr_t)(ident_),             \
	     .filter = (filter_),                                              \
	     .flags = (unsigned short)(flags_),                                \
	     .fflags = (fflags_),                                              \
	     .data = (data_),                                                  \
	     .udata = (udata_) })

enum { KQUEUE_EVENTS = 64 /* events of epoll that are fetched at once */ };

/* One for reading and one for writing. */
struct kqueue_filter {
	void *udata;
	unsigned flags; /* 0: there is none; EV_ONESHOT and EV_DISPATCH stay */
};

/* By descriptor. */
static struct kqueue_filter (*kqueue_filters)[2];
static size_t kqueue_size;

static inline int
kqueue(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

/* What of epoll's events concerns a filter. */
static inline uint32_t
kqueue_events(int which)
{
	return (which == 0 ? EPOLLIN | EPOLLRDHUP : EPOLLOUT) | EPOLLHUP |
	    EPOLLERR;
}

static inline int
kqueue_awake(const struct kqueue_filter *f)
{
	return f->flags != 0 && !(f->flags & EV_DISABLE);
}

/*
 * Tells epoll what a descriptor waits for.  Without a filter that is enabled
 * the entry stays, so that a close() can be noticed; EPOLLONESHOT keeps it from
 * reporting an error again and again.
 */
static inline int
kqueue_tell(int queue, int operation, size_t fd)
{
	struct kqueue_filter *f = kqueue_filters[fd];
	struct epoll_event event = { .data.fd = (int)fd };

	for (int i = 0; i < 2; i++)
		if (kqueue_awake(&f[i]))
			event.events |= kqueue_events(i);
	if (event.events == 0)
		event.events = EPOLLONESHOT;
	return epoll_ctl(queue, operation, (int)fd, &event);
}

/* Makes room for a descriptor. */
static inline int
kqueue_room(size_t fd)
{
	size_t size = fd * 2 + 64;
	void *more;

	if (fd < kqueue_size)
		return 0;
	more = realloc(kqueue_filters, size * sizeof(*kqueue_filters));
	if (more == NULL)
		return -1;
	kqueue_filters = more;
	memset(kqueue_filters + kqueue_size, 0,
	    (size - kqueue_size) * sizeof(*kqueue_filters));
	kqueue_size = size;
	return 0;
}

/* Drops what was left by a descriptor of the same number. */
static inline void
kqueue_freshen(int queue, size_t fd)
{
	if (kqueue_tell(queue, EPOLL_CTL_MOD, fd) != 0 && errno == ENOENT)
		memset(kqueue_filters[fd], 0, sizeof(kqueue_filters[fd]));
}

static inline int
kqueue_change(int queue, const struct kevent *change)
{
	size_t fd = (size_t)change->ident;
	struct kqueue_filter *f, before;
	unsigned flags = change->flags;

	if (change->filter != EVFILT_READ && change->filter != EVFILT_WRITE) {
		errno = EINVAL;
		return -1;
	}
	if (kqueue_room(fd) != 0)
		return -1;
	kqueue_freshen(queue, fd);
	f = &kqueue_filters[fd][change->filter == EVFILT_READ ? 0 : 1];
	before = *f;
	if (f->flags == 0 && !(flags & EV_ADD)) {
		errno = ENOENT;
		return -1;
	}
	if (flags & EV_ADD)
		*f = (struct kqueue_filter){ change->udata,
			EV_ADD | (flags & (EV_ONESHOT | EV_DISPATCH)) |
			    (f->flags & EV_DISABLE) };
	if (flags & EV_ENABLE)
		f->flags &= ~EV_DISABLE;
	if (flags & EV_DISABLE)
		f->flags |= EV_DISABLE;
	if (flags & EV_DELETE)
		f->flags = 0;
	if (kqueue_tell(queue, EPOLL_CTL_MOD, fd) == 0 ||
	    (errno == ENOENT && kqueue_tell(queue, EPOLL_CTL_ADD, fd) == 0))
		return 0;
	*f = before;
	return -1;
}

/* Stores what happened to one descriptor.  Returns how many events that is. */
static inline int
kqueue_report(int queue, const struct epoll_event *event, struct kevent *to)
{
	size_t fd = (size_t)event->data.fd;
	struct kqueue_filter *f = kqueue_filters[fd];
	unsigned end;
	int n = 0, fewer = 0;

	for (int i = 0; i < 2; i++) {
		if (!kqueue_awake(&f[i]) || !(event->events & kqueue_events(i)))
			continue;
		end = event->events &
			(i == 0 ? EPOLLRDHUP | EPOLLHUP : EPOLLHUP | EPOLLERR)
		    ? EV_EOF
		    : 0;
		EV_SET(&to[n++], fd, i == 0 ? EVFILT_READ : EVFILT_WRITE,
		    f[i].flags | end, 0, 0, f[i].udata);
		fewer |= f[i].flags & (EV_ONESHOT | EV_DISPATCH) ? 1 : 0;
		if (f[i].flags & EV_ONESHOT)
			f[i].flags = 0;
		else if (f[i].flags & EV_DISPATCH)
			f[i].flags |= EV_DISABLE;
	}
	if (fewer)
		kqueue_tell(queue, EPOLL_CTL_MOD, fd);
	return n;
}

static inline int
kevent(int queue, const struct kevent *changes, int nchanges,
    struct kevent *events, int nevents, const struct timespec *timeout)
{
	struct epoll_event got[KQUEUE_EVENTS];
	int n = 0, ngot, most = nevents / 2, ms = -1;

	for (int i = 0; i < nchanges; i++) {
		if (kqueue_change(queue, &changes[i]) == 0)
			continue;
		if (n == nevents)
			return -1;
		events[n] = changes[i];
		events[n].flags = EV_ERROR;
		events[n++].data = errno;
	}
	/* An entry may have an event for each filter. */
	if (n > 0 || most == 0)
		return n;
	if (timeout != NULL)
		ms = (int)(timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000);
	ngot = epoll_wait(
	    queue, got, most < KQUEUE_EVENTS ? most : KQUEUE_EVENTS, ms);
	for (int i = 0; i < ngot; i++)
		n += kqueue_report(queue, &got[i], &events[n]);
	return ngot < 0 ? -1 : n;
}

#endif
