/* SPDX-License-Identifier: ISC */
/*
 * Finds out which port a client wants to go to that was brought to a
 * TransparentPort.  A firewall may have redirected it; then only the system
 * knows the port that the client has asked for.  Or the name of its server has
 * this proxy's address, since a name server says so; then the port is that of
 * its protocol.  The address that the client has asked for is never connected to.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "aim.h"
#include "inlet.h"
#include "sys.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

static struct {
	const struct addr *listening; /* where the sockets are bound */
	const enum inlet *inlets;
	size_t n;
} k;

/*
 * Must be called once, before aim_of(): the listening sockets, and what comes
 * first there.  They stay the caller's.
 */
void
aim_use(const struct addr *listening, const enum inlet *inlets, size_t n)
{
	k.listening = listening;
	k.inlets = inlets;
	k.n = n;
}

/* Whether a socket for such clients listens on a port. */
static bool
is_listening(uint16_t port, enum inlet inlet)
{
	for (size_t i = 0; i < k.n; i++)
		if (k.inlets[i] == inlet && k.listening[i].port == port)
			return true;
	return false;
}

/*
 * Where a client that was accepted wants to go, a port at least: the address is
 * 0 if it has connected to this proxy itself.
 */
struct addr
aim_of(int fd, enum inlet inlet)
{
	struct sockaddr_storage here = { .ss_family = AF_UNSPEC }, there;
	socklen_t len = sizeof(here);
	struct addr at = { .port = 0 }, aim;
	void *sa = &here;

	if (getsockname(fd, sa, &len) == 0)
		addr_from_sockaddr(&at, &here);
	aim = at;
	there.ss_family = AF_UNSPEC;
	if (sys_aim(fd, &there) == 0)
		addr_from_sockaddr(&aim, &there);
	if (addr_same_ip(&aim, &at) && aim.port == at.port &&
	    is_listening(at.port, inlet))
		aim = (struct addr){ .port = inlet == INLET_TLS ? HTTPS_PORT
								: HTTP_PORT };
	return aim;
}
