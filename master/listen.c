/* SPDX-License-Identifier: ISC */
/*
 * Listening sockets: opens those of Port and Listen, shares with the old
 * generation those that both have, and takes those of a service manager.  The
 * master opens them and never accepts a client; workers do that.
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
#include "inlet.h"
#include "listen.h"
#include "local.h"
#include "log.h"
#include "place.h"
#include "service.h"
#include "socket.h"
#include "socketfile.h"
#include "sys.h"

/* Options that on many systems pass on to each socket that is accepted. */
static void
options_passed_on(int fd)
{
	int on = 1;

	socket_linger(fd, false);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	sys_accept_late(fd, true);
}

/* Options that must be set before the socket is bound. */
static void
options_to_bind(int fd, bool is4)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!is4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

static void
close_keeping_errno(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
}

/*
 * Binds a socket, with free_bind to an address that is not there yet too.
 * Returns 0; 1: it is not there yet; or -1 with errno.
 */
static int
bind_to(int fd, const struct addr *addr, bool free_bind)
{
	struct sockaddr_storage ss;
	const void *sa = &ss;
	socklen_t len = addr_to_sockaddr(addr, &ss);

	if (bind(fd, sa, len) == 0)
		return 0;
	if (errno != EADDRNOTAVAIL || !free_bind ||
	    sys_bind_free(fd, ss.ss_family) != 0 || bind(fd, sa, len) != 0)
		return -1;
	return 1;
}

/* Returns a socket of the family of an address, ready to be bound, or -1. */
static int
socket_to_bind(const struct addr *addr)
{
	int fd = sys_socket(addr_is4(addr) ? AF_INET : AF_INET6);

	if (fd >= 0)
		options_to_bind(fd, addr_is4(addr));
	return fd;
}

/* Returns a listening socket, or -1 with errno. */
static int
listen_on(const struct addr *addr, bool free_bind, bool beside_old)
{
	char text[ADDR_TEXT_SIZE];
	int fd = socket_to_bind(addr), bound;

	if (fd < 0)
		return -1;
	options_passed_on(fd);
	if (beside_old)
		sys_reuseport(fd, true);
	bound = bind_to(fd, addr, free_bind);
	if (bound < 0 || listen(fd, LISTEN_BACKLOG) != 0) {
		close_keeping_errno(fd);
		return -1;
	}
	sys_reuseport(fd, false);
	if (bound == 1)
		log_line(LOG_LEVEL_NOTICE,
		    "No interface has the address of %s yet; listening on it "
		    "anyway",
		    addr_text_port(addr, text));
	return fd;
}

/*
 * Finds out whether a socket can be bound to an address, without listening on
 * it.  Returns 0, or -1 with errno; EADDRINUSE: some process listens there.
 */
int
listen_check(const struct addr *addr, bool free_bind)
{
	int fd = socket_to_bind(addr), bound;

	if (fd < 0)
		return -1;
	bound = bind_to(fd, addr, free_bind);
	close_keeping_errno(fd);
	return bound < 0 ? -1 : 0;
}

/* The place of the socket with that address, or -1. */
static int
listen_find(const struct listeners *l, const struct addr *addr)
{
	for (size_t i = 0; l != NULL && i < l->n; i++)
		if (l->at[i].port == addr->port &&
		    l->at[i].scope == addr->scope &&
		    addr_same_ip(&l->at[i], addr))
			return (int)i;
	return -1;
}

/* Whether one of the sockets is bound to that address. */
bool
listen_has(const struct listeners *l, const struct addr *addr)
{
	return listen_find(l, addr) >= 0;
}

static void
listen_put(
    struct listeners *l, int fd, const struct addr *addr, enum inlet inlet)
{
	l->inlets[l->n] = inlet;
	l->fds[l->n] = fd;
	l->at[l->n++] = *addr;
}

/* Opens the Unix socket of a wish, or shares an old one (or -1). */
static int
local_open(const struct listen_wish *wish, size_t i, int old)
{
	uint16_t name = wish->at[i].local;
	int fd = old >= 0
	    ? socketfile_share(name, &wish->rights[i], old, LISTEN_BACKLOG)
	    : socketfile_open(name, &wish->rights[i], LISTEN_BACKLOG);

	if (fd >= 0)
		options_passed_on(fd);
	return fd;
}

/* Whether a socket takes clients, unless it is shut down. */
static bool
accepts(int fd)
{
	int yes = 0;
	socklen_t len = sizeof(yes);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 &&
	    yes != 0;
}

/*
 * Whether a socket listens: each worker that has it can end that for all, by
 * shutdown() or connect().
 */
static bool
listens(int fd)
{
	struct pollfd pfd = { .fd = fd };

	return poll(&pfd, 1, 0) == 0 && accepts(fd);
}

/*
 * Adds a socket for an address of a wish: the old generation's, or a new one.
 * What clients send first is up to each generation: the old one may still accept
 * some by its own rule.
 */
static int
listen_add(struct listeners *l, const struct listen_wish *wish, size_t i,
    const struct listeners *old)
{
	const struct addr *addr = &wish->at[i];
	int at = listen_find(old, addr), fd;

	if (at >= 0 && !listens(old->fds[at]))
		at = -1;
	if (addr->local != 0)
		fd = local_open(
		    wish, i, at >= 0 && !old->given ? old->fds[at] : -1);
	else if (at >= 0)
		fd = dup(old->fds[at]);
	else
		fd = listen_on(addr, wish->free_bind, old != NULL);
	if (fd < 0)
		return -1;
	listen_put(
	    l, fd, addr, wish->inlets != NULL ? wish->inlets[i] : INLET_PROXY);
	return 0;
}

/* What comes first at a socket of the service manager, by its name. */
static enum inlet
given_inlet(size_t i)
{
	static const char *const names[INLETS] = { [INLET_PREFACE] = "proxy",
		[INLET_HTTP] = "transparent",
		[INLET_TLS] = "transparent-tls" };

	for (enum inlet inlet = 0; inlet < INLETS; inlet++)
		if (names[inlet] != NULL && service_names(i, names[inlet]))
			return inlet;
	return INLET_PROXY;
}

/* Takes the sockets that the service manager has handed over. */
static int
listen_take_given(struct listeners *l)
{
	l->given = true;
	if (service_sockets() > LISTEN_MAX) {
		log_line(LOG_LEVEL_ERROR,
		    "The service manager hands over more than %d sockets",
		    LISTEN_MAX);
		return -1;
	}
	for (size_t i = 0; i < service_sockets(); i++) {
		struct addr addr;
		int fd = service_socket(i, &addr);

		if (fd < 0)
			return -1;
		options_passed_on(fd);
		listen_put(l, fd, &addr, given_inlet(i));
	}
	return 0;
}

/* Lets a socket listen again that a worker has shut down or connected. */
static void
listen_again(int fd)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	(void)connect(fd, &nowhere, sizeof(nowhere));
	(void)listen(fd, SOMAXCONN);
}

/* Goes on with all sockets of the old generation. */
static int
listen_keep_given(struct listeners *l, const struct listeners *old)
{
	l->given = true;
	for (size_t i = 0; i < old->n; i++) {
		int fd = dup(old->fds[i]);

		if (fd < 0) {
			log_line(LOG_LEVEL_ERROR,
			    "Cannot keep a listening socket: %s",
			    strerror(errno));
			return -1;
		}
		/* There is no other one to be had. */
		if (!listens(fd))
			listen_again(fd);
		listen_put(l, fd, &old->at[i], old->inlets[i]);
	}
	return 0;
}

/* Lets others be bound to the ports of all these sockets, or no more. */
static void
listen_reuseport(const struct listeners *l, bool on)
{
	for (size_t i = 0; l != NULL && i < l->n; i++)
		sys_reuseport(l->fds[i], on);
}

/* Says why an address cannot be used, and which line names it. */
static void
listen_fail(const struct listen_wish *wish, size_t i)
{
	struct where at = place_of(wish->places, wish->lines[i]);
	const char *reason =
	    wish->at[i].local != 0 ? socketfile_why() : strerror(errno);
	char text[ADDR_TEXT_SIZE];

	log_line(LOG_LEVEL_ERROR, "%s:%lu: %s: cannot listen on %s: %s",
	    at.file, at.line, wish->directives[i],
	    addr_text_port(&wish->at[i], text), reason);
}

/*
 * Without Listen the addresses are those of all families, of which the system
 * may lack one.
 */
static int
listen_each(struct listeners *l, const struct listen_wish *wish,
    const struct listeners *old)
{

	for (size_t i = 0; i < wish->n; i++) {
		if (listen_add(l, wish, i, old) == 0)
			continue;
		if (wish->any_family &&
		    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
			continue;
		listen_fail(wish, i);
		return -1;
	}
	return l->n > 0 ? 0 : -1;
}

/* The place of the socket for all addresses that serves this one too, or -1. */
static int
listen_cover(const struct listeners *l, const struct addr *addr)
{
	for (size_t i = 0; i < l->n; i++)
		if (addr_is_any(&l->at[i]) && addr->local == 0 &&
		    l->at[i].port == addr->port &&
		    addr_is4(&l->at[i]) == addr_is4(addr))
			return (int)i;
	return -1;
}

/*
 * Keeps the sockets of the old generation (or NULL) whose addresses a socket
 * for all addresses serves from now on.  Clients come to the old one as long as
 * it is there, and those that are on their way when it is closed are reset.
 * Where there is no room for one it is closed all the same.
 */
static void
listen_keep_covered(struct listeners *l, const struct listeners *old)
{
	for (size_t i = 0; old != NULL && i < old->n && l->n < LISTEN_MAX;
	     i++) {
		int cover = listen_cover(l, &old->at[i]), fd;

		if (cover < 0 || listen_has(l, &old->at[i]) ||
		    !listens(old->fds[i]))
			continue;
		fd = dup(old->fds[i]);
		if (fd >= 0)
			listen_put(l, fd, &old->at[i], l->inlets[cover]);
	}
}

/*
 * Whether PROXY headers come first at a TCP socket.  At a Unix socket its file
 * says who may send them.
 */
static bool
has_proxied(const struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->at[i].local == 0 && l->inlets[i] == INLET_PREFACE)
			return true;
	return false;
}

/* Sockets of the manager that wait for load balancers need to know which. */
static int
given_check(const struct listeners *l, const struct listen_wish *wish)
{
	if (!has_proxied(l) || wish->senders)
		return 0;
	log_line(LOG_LEVEL_ERROR,
	    "The service manager hands over a socket named proxy, but there is "
	    "no ProxyFrom");
	return -1;
}

/*
 * Opens sockets that listen on the addresses of a wish, and shares those that
 * the old generation (or NULL) has and that serve such an address too.  Returns
 * 0, or -1 after an error message in the log.
 */
int
listen_share(struct listeners *l, const struct listen_wish *wish,
    const struct listeners *old)
{
	int result;

	listen_reuseport(old, true);
	result = listen_each(l, wish, old);
	if (result == 0)
		listen_keep_covered(l, old);
	listen_reuseport(old, false);
	return result;
}

/*
 * Opens sockets that listen on the addresses of a wish.  Those that the old
 * generation (or NULL) has too are shared with it, so that no client is lost
 * at a reload.  Sockets from a service manager take the place of all others,
 * for good.  Returns 0, or -1 after an error message in the log.
 */
int
listen_open(struct listeners *l, const struct listen_wish *wish,
    const struct listeners *old)
{
	if (old == NULL && service_sockets() > 0)
		return listen_take_given(l) == 0 ? given_check(l, wish) : -1;
	if (old != NULL && old->given)
		return listen_keep_given(l, old) == 0 ? given_check(l, wish)
						      : -1;
	return listen_share(l, wish, old);
}

/*
 * Whether a client waits at one of the sockets; *broken: whether one of them
 * does not listen any more.
 */
bool
listen_waits(const struct listeners *l, bool *broken)
{
	struct pollfd pfds[LISTEN_MAX];
	bool waits = false;

	for (size_t i = 0; i < l->n; i++)
		pfds[i] = (struct pollfd){ .fd = l->fds[i], .events = POLLIN };
	*broken = false;
	if (poll(pfds, (nfds_t)l->n, 0) < 0)
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (pfds[i].revents & ~POLLIN || !accepts(l->fds[i]))
			*broken = true;
		else if (pfds[i].revents != 0)
			waits = true;
	return waits;
}

/* Closes all of them here; other processes may have them still. */
void
listen_close(struct listeners *l)
{
	while (l->n > 0)
		close(l->fds[--l->n]);
}
