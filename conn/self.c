/* SPDX-License-Identifier: ISC */
/*
 * How this proxy recognises itself: the sockets that it listens on, and the
 * connections that it has made and that somebody has led back to it; what a
 * request says of the way that it has come is via.c's.  It only says so; what
 * becomes of it is the caller's.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "clock.h"
#include "self.h"
#include "share.h"

enum {
	MADE_LIFE = 15000 /* ms that a connection is remembered, as tinyproxy */
};

static struct {
	const struct addr *listening; /* what its sockets are bound to */
	size_t nlisteners;
	struct share *share;
} own;

/*
 * To be called before anything else here: what the listening sockets are bound
 * to, and what all workers share; both stay the caller's.
 */
void
self_use(const struct addr *listening, size_t nlisteners, struct share *share)
{
	own.listening = listening;
	own.nlisteners = nlisteners;
	own.share = share;
}

/*
 * Whether an address and port are a listening socket of this proxy.  When it
 * listens everywhere, an address of this machine is one that a socket can be
 * bound to.
 */
bool
self_socket(const struct addr *target)
{
	static const struct addr any4 = { .ip = { [10] = 0xff, 0xff } };
	static const struct addr any6;
	struct sockaddr_storage ss;
	struct addr addr = *target;
	const void *sa = &ss;
	bool wild = false, bound;
	int fd;

	for (size_t i = 0; i < own.nlisteners; i++) {
		const struct addr *at = &own.listening[i];

		if (at->port != target->port)
			continue;
		if (addr_same_ip(at, target))
			return true;
		wild =
		    wild || addr_same_ip(at, &any4) || addr_same_ip(at, &any6);
	}
	if (!wild)
		return false;
	addr.port = 0;
	addr_to_sockaddr(&addr, &ss);
	fd = socket(ss.ss_family, SOCK_DGRAM, 0);
	bound = fd < 0 || bind(fd, sa, addr_to_sockaddr(&addr, &ss)) == 0;
	if (fd >= 0)
		close(fd);
	return bound;
}

/* Connections that come back. */

/* An address and port as one word; its last 16 bits are left for a time. */
static uint64_t
made_word(const struct addr *a)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < sizeof(a->ip); i++)
		hash = (hash ^ a->ip[i]) * UINT64_C(1099511628211);
	hash = (hash ^ (a->port & 0xff)) * UINT64_C(1099511628211);
	hash = (hash ^ a->port >> 8) * UINT64_C(1099511628211);
	return hash & ~UINT64_C(0xffff);
}

static _Atomic uint64_t *
made_place(uint64_t word)
{
	return &own.share->made[word >> 32 & (MADE_MAX - 1)];
}

static uint64_t
seconds(void)
{
	return (uint64_t)(clock_now() / 1000) & 0xffff;
}

static bool
is_own_port(uint16_t port)
{
	for (size_t i = 0; i < own.nlisteners; i++)
		if (own.listening[i].port == port)
			return true;
	return false;
}

/*
 * Remembers the near end of a connection to somebody else who has the same
 * port as this proxy: whatever lies between, it may lead back here.
 */
void
self_remember(int fd, const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr near;
	void *sa = &ss;
	uint64_t word;

	if (!is_own_port(to->port) || getsockname(fd, sa, &len) != 0)
		return;
	addr_from_sockaddr(&near, &ss);
	word = made_word(&near);
	atomic_store(made_place(word), word | seconds());
	atomic_store(&own.share->made_until, clock_now() + MADE_LIFE);
}

/* Whether a client is such a connection: this proxy itself. */
bool
self_made(const struct addr *from)
{
	uint64_t word, found;

	if (atomic_load(&own.share->made_until) < clock_now())
		return false;
	word = made_word(from);
	found = atomic_load(made_place(word));
	return (found & ~UINT64_C(0xffff)) == word &&
	    ((seconds() - found) & 0xffff) <= MADE_LIFE / 1000;
}
