/* SPDX-License-Identifier: ISC */
/*
 * From a list of addresses to one connected socket: the race of RFC 8305.  The
 * address families alternate, IPv6 first.  A new attempt starts when an attempt
 * fails or RACE_DELAY after the last one; the first to connect wins.  All races
 * together may have so many attempts besides the first of each; beyond that a
 * race makes one at a time.  Only addresses that the caller passes in may be
 * dialled, and deadlines are the caller's business.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "bounds.h"
#include "clock.h"
#include "loop.h"
#include "lot.h"
#include "race.h"
#include "socket.h"
#include "sys.h"
#include "tunnel.h"

_Static_assert(ATTEMPT + RACE_MAX <= TUNNEL_ALIGN,
    "a tunnel's address has room for which of its ends it is");

static struct race_rules rules;
static size_t extras; /* attempts besides the first of each race */

/*
 * Sets how connections are made.  Must be called in a worker before its first
 * race.  The list of addresses is not copied and must stay valid.
 */
void
race_use(const struct race_rules *use)
{
	rules = *use;
}

/*
 * Prepares a race over 1 to ADDRS_MAX addresses, which are copied in the order
 * of RFC 8305 4.  The caller will end it at that time, in ms.
 */
void
race_init(struct race *race, const struct addr *addrs, size_t n, int64_t by)
{
	bool want4 = false, used[ADDRS_MAX] = { false };

	memset(race, 0, sizeof(*race));
	race->by = by;
	for (size_t taken = 0; taken < n; taken++) {
		size_t pick = n;

		for (size_t i = n; i-- > 0;)
			if (!used[i] &&
			    (pick == n || addr_is4(&addrs[i]) == want4 ||
				addr_is4(&addrs[pick]) != want4))
				pick = i;
		used[pick] = true;
		want4 = !addr_is4(&addrs[pick]);
		race->addrs[race->naddrs++] = addrs[pick];
	}
}

/*
 * Ranks an error by how much it tells; a race reports the highest-ranked one.
 */
static int
error_rank(int error)
{
	switch (error) {
	case 0:
		return 0;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		return 1;
	case ECONNREFUSED:
		return 3;
	default:
		return 2;
	}
}

static void
race_failed(struct race *race, int error)
{
	if (error_rank(error) > error_rank(race->error))
		race->error = error;
}

/*
 * Binds to the first address of Bind, from *next on, that has the right family
 * and is usable.  *next becomes the index of the one after it.
 */
static int
bind_source(int fd, bool is4, size_t *next)
{
	struct sockaddr_storage ss;
	int error = EADDRNOTAVAIL;
	socklen_t len;

	while (*next < rules.nbind) {
		const struct addr *from = &rules.bind[(*next)++];
		const void *sa = &ss;

		if (addr_is4(from) != is4)
			continue;
		len = addr_to_sockaddr(from, &ss);
		if (bind(fd, sa, len) == 0)
			return 0;
		error = errno;
	}
	errno = error;
	return -1;
}

/* Binds to the local address of the client's connection. */
static int
bind_same(int fd, int client, bool is4)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr local;
	void *sa = &ss;

	if (getsockname(client, sa, &len) != 0)
		return -1;
	addr_from_sockaddr(&local, &ss);
	if (addr_is4(&local) != is4) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	local.port = 0;
	len = addr_to_sockaddr(&local, &ss);
	return bind(fd, sa, len);
}

static int
bind_local(int fd, const struct tunnel *t, bool is4, size_t *next)
{
	if (rules.nbind == 0 && !rules.bind_same)
		return 0;
	sys_bind_late(fd);
	if (rules.bind_same)
		return bind_same(fd, t->end[CLIENT].fd, is4);
	return bind_source(fd, is4, next);
}

/* Whether no port of this machine is left to connect from. */
static bool
ports_lack(sa_family_t family)
{
	struct sockaddr_storage any = { .ss_family = family };
	const void *sa = &any;
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6);
	int fd = socket(family, SOCK_STREAM, 0);
	bool lack = fd >= 0 && bind(fd, sa, len) != 0 && errno == EADDRINUSE;

	if (fd >= 0)
		close(fd);
	return lack;
}

/*
 * Returns the error of an attempt that failed at once.  EADDRNOTAVAIL means
 * that no address is left to connect from, or no port of it; the latter, like
 * EADDRINUSE from bind(), becomes EADDRINUSE.
 */
static int
start_error(int error, bool bound, sa_family_t family)
{
	if (error == EADDRNOTAVAIL && (bound || ports_lack(family)))
		return EADDRINUSE;
	return error;
}

/* How many attempts of a race are under way. */
static unsigned
race_live(const struct race *race)
{
	unsigned live = 0;

	for (unsigned i = 0; i < race->nattempts; i++)
		live += race->attempts[i].end.fd >= 0;
	return live;
}

/* Whether one more attempt of a race would be one too many of all. */
static bool
race_crowded(const struct race *race)
{
	return race_live(race) > 0 && extras >= rules.extras;
}

/* An attempt has its descriptor. */
static void
attempt_open(struct race *race, struct attempt *a, int fd)
{
	if (fd >= 0 && race_live(race) > 0)
		extras++;
	a->end.fd = fd;
}

/* Takes the descriptor from an attempt and returns it. */
static int
attempt_take(struct race *race, struct attempt *a)
{
	int fd = a->end.fd;

	watch_remove(&a->end.slot);
	lot_leave(&a->end);
	a->end.fd = -1;
	if (fd >= 0 && race_live(race) > 0)
		extras--;
	return fd;
}

static void
attempt_close(struct race *race, struct attempt *a)
{
	int fd = attempt_take(race, a);

	if (fd >= 0)
		close(fd);
}

/* Closes all attempts.  A race that has ended may be ended again. */
void
race_end(struct race *race)
{
	for (unsigned i = 0; i < race->nattempts; i++)
		attempt_close(race, &race->attempts[i]);
	race->nattempts = 0;
}

/*
 * Makes the winner the tunnel's server socket and ends the other attempts.
 * Keepalive probes are left out where a timeout notices a dead server much
 * sooner.  What else the socket needs the caller knows.
 */
static enum race_state
race_won(struct race *race, struct tunnel *t, struct attempt *a)
{
	int on = 1, fd = attempt_take(race, a);

	t->end[SERVER].fd = fd;
	race->winner = a->addr;
	race_end(race);
	if (rules.keepalive)
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	return RACE_WON;
}

/* The oldest attempt under way; there must be one. */
static struct attempt *
attempt_oldest(struct race *race)
{
	struct attempt *oldest = NULL;

	for (unsigned i = 0; i < race->nattempts; i++) {
		struct attempt *a = &race->attempts[i];

		if (a->end.fd >= 0 &&
		    (oldest == NULL || a->addr < oldest->addr))
			oldest = a;
	}
	return oldest;
}

/*
 * Returns a slot for one more attempt.  If there may not be more, the oldest
 * attempt is given up for it.
 */
static struct attempt *
attempt_place(struct race *race)
{
	if (race_crowded(race) || race_live(race) == RACE_MAX)
		attempt_close(race, attempt_oldest(race));
	for (unsigned i = 0; i < race->nattempts; i++)
		if (race->attempts[i].end.fd < 0)
			return &race->attempts[i];
	return &race->attempts[race->nattempts++];
}

/*
 * Connects the socket of an attempt, from the next usable address of Bind.
 * Returns 0, or -1 with errno: EINPROGRESS if it is under way, EADDRINUSE if no
 * port was left.
 */
static int
attempt_connect(struct race *race, struct attempt *a, const struct tunnel *t,
    const struct addr *to, size_t *next)
{
	struct sockaddr_storage ss;
	const void *sa = &ss;
	socklen_t len = addr_to_sockaddr(to, &ss);
	bool binds = to->local == 0 && (rules.nbind != 0 || rules.bind_same);

	attempt_open(race, a, sys_socket(ss.ss_family));
	if (a->end.fd < 0 ||
	    (to->local == 0 &&
		bind_local(a->end.fd, t, addr_is4(to), next) != 0))
		return -1;
	if (connect(a->end.fd, sa, len) == 0)
		return 0;
	errno = start_error(errno, binds, ss.ss_family);
	return -1;
}

/*
 * Starts to connect to the next address.  If the address that Bind chose has no
 * port left, the next one is used.  Returns RACE_WON if it connected at once,
 * RACE_RUNS if the attempt is under way, or RACE_LOST if it failed at once.  A
 * Unix socket with a full queue fails at once, and is tried again later.
 */
static enum race_state
attempt_start(struct race *race, struct tunnel *t)
{
	const struct addr *to = &race->addrs[race->next];
	struct attempt *a = attempt_place(race);
	size_t next = 0;
	int error;

	a->addr = race->next++;
	a->end = (struct end){ .fd = -1, .slot = -1, .events = POLLOUT };
	do {
		if (attempt_connect(race, a, t, to, &next) == 0)
			return race_won(race, t, a);
		if (errno == EINPROGRESS &&
		    watch_add(a->end.fd, POLLOUT, t,
			(unsigned)(a - race->attempts) + ATTEMPT,
			&a->end.slot) == 0)
			return RACE_RUNS;
		error = errno;
		race_failed(race, error);
		attempt_close(race, a);
		if (error == EAGAIN && to->local != 0) {
			race->next = a->addr;
			return RACE_RUNS;
		}
	} while (error == EADDRINUSE && next > 0 && next < rules.nbind);
	return RACE_LOST;
}

/* How long to wait before the next attempt of a race, in ms. */
static int64_t
race_delay(const struct race *race)
{
	int64_t share;

	if (!race_crowded(race))
		return RACE_DELAY;
	/* It will be given up for the next one, so it gets its part. */
	share = (race->by - clock_now()) / (race->naddrs - race->next + 1);
	return share > RACE_DELAY ? share : RACE_DELAY;
}

/*
 * Starts an attempt; if it fails at once, also the next one, and so on.  Must
 * be called to begin the race, and again when next_at has come.  Returns
 * RACE_WON with the connected socket in the tunnel and the index of its address
 * in winner; RACE_LOST with the error of the race in error; or RACE_RUNS.
 */
enum race_state
race_start(struct race *race, struct tunnel *t)
{
	enum race_state state = RACE_LOST;

	while (state == RACE_LOST && race->next < race->naddrs)
		state = attempt_start(race, t);
	race->next_at = race->next < race->naddrs
	    ? clock_now() + race_delay(race)
	    : INT64_MAX;
	if (state == RACE_LOST && race_live(race) > 0)
		return RACE_RUNS;
	return state;
}

/*
 * Handles an event of an attempt.  In the poll set POLLOUT alone means that it
 * has connected; an error sets more bits.  Returns as race_start() does.
 */
enum race_state
race_event(struct race *race, struct tunnel *t, unsigned which, short revents)
{
	struct attempt *a = &race->attempts[which - ATTEMPT];
	int error = 0;
	socklen_t len = sizeof(error);

	if ((revents != POLLOUT || a->end.enrolled) &&
	    getsockopt(a->end.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error == 0)
		return race_won(race, t, a);
	race_failed(race, error);
	attempt_close(race, a);
	return race_start(race, t);
}

/* Returns the end of an attempt that is under way, or NULL. */
struct end *
race_attempt(struct race *race, unsigned which)
{
	unsigned i = which - ATTEMPT;

	if (which < ATTEMPT || i >= race->nattempts ||
	    race->attempts[i].end.fd < 0)
		return NULL;
	return &race->attempts[i].end;
}
