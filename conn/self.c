/* SPDX-License-Identifier: ISC */
/*
 * How this proxy recognises itself: by the sockets that it listens on, and by
 * connections that it made and that lead back to it.  Loops that a request
 * shows in its Via field are found by via.c.  The callers act on the result.
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
	MADE_LIFE = 15000 /* ms to remember a connection; as tinyproxy */
};

static struct {
	const struct addr *listening; /* where its sockets are bound */
	size_t nlisteners;
	struct share *share;
	bool intercepts; /* connections to any port may be led here */
} own;

/*
 * Must be called before anything else here: the addresses of the listening
 * sockets, and the memory that all workers share.  Both stay the caller's.
 * Without a share (NULL) only self_socket() may be called.
 */
void
self_use(const struct addr *listening, size_t nlisteners, struct share *share)
{
	own.listening = listening;
	own.nlisteners = nlisteners;
	own.share = share;
}

/*
 * Whether an address and port belong to a listening socket of this proxy.  If
 * it listens on all addresses, it tries to bind a socket to this one: if that
 * works, the address belongs to this machine.  If no socket can be made, this
 * is assumed.
 */
bool
self_socket(const struct addr *target)
{
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
		wild = wild || addr_is_any(at);
	}
	if (!wild)
		return false;
	addr.port = 0;
	addr_to_sockaddr(&addr, &ss);
	fd = socket(ss.ss_family, SOCK_STREAM, 0);
	bound = fd < 0 || bind(fd, sa, addr_to_sockaddr(&addr, &ss)) == 0;
	if (fd >= 0)
		close(fd);
	return bound;
}

/* Connections that come back. */

/* Must be called if connections to any port may be redirected to this proxy. */
void
self_intercepts(void)
{
	own.intercepts = true;
}

/* Adds an address and port to a hash. */
static uint64_t
hash_add(uint64_t hash, const struct addr *a)
{
	for (size_t i = 0; i < sizeof(a->ip); i++)
		hash = (hash ^ a->ip[i]) * UINT64_C(1099511628211);
	hash = (hash ^ (a->port & 0xff)) * UINT64_C(1099511628211);
	return (hash ^ a->port >> 8) * UINT64_C(1099511628211);
}

/*
 * A word for one end of a connection, or for both (to is not NULL); its last 16
 * bits are 0, for a time.
 */
static uint64_t
made_word(const struct addr *from, const struct addr *to)
{
	uint64_t hash = hash_add(UINT64_C(14695981039346656037), from);

	return (to != NULL ? hash_add(hash, to) : hash) & ~UINT64_C(0xffff);
}

static _Atomic uint64_t *
made_place(uint64_t word)
{
	return &own.share->common.made[word >> 32 & (MADE_MAX - 1)];
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

static void
made_put(uint64_t word)
{
	atomic_store(made_place(word), word | seconds());
	atomic_store(&own.share->common.made_until, clock_now() + MADE_LIFE);
}

/* Whether a word is that of a remembered connection. */
static bool
made_has(uint64_t word)
{
	uint64_t found = atomic_load(made_place(word));

	return (found & ~UINT64_C(0xffff)) == word &&
	    ((seconds() - found) & 0xffff) <= MADE_LIFE / 1000;
}

/*
 * Remembers the local address of a connection to a port that this proxy also
 * listens on: a translation of addresses on the way may lead it back here.  With
 * self_intercepts() that is so for every port.
 */
void
self_remember(int fd, const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr near;
	void *sa = &ss;
	bool mine = is_own_port(to->port);
	struct addr port = { .port = to->port };

	if (to->local != 0 || (!mine && !own.intercepts) ||
	    getsockname(fd, sa, &len) != 0)
		return;
	addr_from_sockaddr(&near, &ss);
	if (mine)
		made_put(made_word(&near, NULL));
	if (own.intercepts) {
		made_put(made_word(&near, to));
		made_put(made_word(&near, &port));
	}
}

/* Whether the address of a client is that of a remembered connection. */
bool
self_made(const struct addr *from)
{
	return atomic_load(&own.share->common.made_until) >= clock_now() &&
	    made_has(made_word(from, NULL));
}

/*
 * Whether a client that was redirected here on its way to an address, of which
 * perhaps only the port is known, is a remembered connection of this proxy.
 */
bool
self_led_back(const struct addr *from, const struct addr *to)
{
	return made_has(made_word(from, to));
}
