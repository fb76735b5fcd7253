/* SPDX-License-Identifier: ISC */
/*
 * Talks to a service manager such as systemd: takes the listening sockets that
 * it hands over, see sd_listen_fds(3), and tells it the state of the service,
 * see sd_notify(3).  The environment says whether it wants that; without these
 * variables nothing here has an effect.  Only the master uses this file.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "bounds.h"
#include "local.h"
#include "log.h"
#include "service.h"

enum {
	EXTEND_TIME = 60000000 /* us: when the next report must have come */
};

static size_t ngiven;

/* The number in a variable of the environment, at most max; 0 without one. */
static unsigned long
env_number(const char *name, unsigned long max)
{
	const char *text = getenv(name);
	unsigned long n;

	if (text == NULL || text[0] == '\0' ||
	    text[strspn(text, "0123456789")] != '\0')
		return 0;
	errno = 0;
	n = strtoul(text, NULL, 10);
	return errno != 0 || n > max ? max : n;
}

/*
 * Returns how many descriptors, from SERVICE_FIRST on, were handed over to this
 * process, but at most LISTEN_MAX + 1, which is one too many.  Must be called
 * before any descriptor is opened or closed.
 */
size_t
service_init(void)
{
	if (env_number("LISTEN_PID", INT32_MAX) == (unsigned long)getpid())
		ngiven = env_number("LISTEN_FDS", LISTEN_MAX + 1);
	return ngiven;
}

/* What service_init() has found. */
size_t
service_sockets(void)
{
	return ngiven;
}

/* Returns the name of a socket, which a colon may end, or NULL. */
static const char *
name_find(size_t i)
{
	const char *names = getenv("LISTEN_FDNAMES");

	for (; names != NULL && i > 0; i--) {
		names = strchr(names, ':');
		if (names != NULL)
			names++;
	}
	return names;
}

/* Whether one of the sockets that were handed over has this name. */
bool
service_names(size_t i, const char *name)
{
	const char *found = name_find(i);
	size_t len = strlen(name);

	return found != NULL && strcspn(found, ":") == len &&
	    strncmp(found, name, len) == 0;
}

/* Writes the name of a socket as " (name)", or nothing if it has none. */
static void
socket_name(char *text, size_t size, size_t i)
{
	const char *names = name_find(i);

	text[0] = '\0';
	if (names != NULL && strcspn(names, ":") > 0)
		snprintf(
		    text, size, " (%.*s)", (int)strcspn(names, ":"), names);
}

static bool
is_listening(int fd)
{
	int type = 0, listens = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
		return false;
	len = sizeof(listens);
	return type == SOCK_STREAM &&
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 &&
	    listens != 0;
}

/*
 * Finds out where a socket is bound.  A Unix socket may have no path, or one
 * that is none of a file.  Returns 0, or -1: it cannot be used.
 */
static int
bound_at(int fd, struct addr *at)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);
	void *sa = &ss;
	const struct sockaddr_un *un = sa;
	char path[sizeof(un->sun_path) + 1] = "";
	uint16_t name;

	if (getsockname(fd, sa, &len) != 0)
		return -1;
	addr_from_sockaddr(at, &ss);
	if (ss.ss_family != AF_UNIX)
		return ss.ss_family == AF_INET || ss.ss_family == AF_INET6 ? 0
									   : -1;
	len -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
	memcpy(path, un->sun_path,
	    len < sizeof(un->sun_path) ? len : sizeof(un->sun_path));
	if (len > 0 && path[0] == '\0')
		path[0] = '@';
	name = local_hold(path[0] != '\0' ? path : "@");
	addr_from_local(at, name, ADDR_NO_UID);
	return name != 0 ? 0 : -1;
}

/*
 * Takes one of the sockets that were handed over, which the caller owns then,
 * and stores the address that it is bound to.  Returns a descriptor that does
 * not block, or -1 after an error message in the log.
 */
int
service_socket(size_t i, struct addr *at)
{
	int fd = SERVICE_FIRST + (int)i, flags = fcntl(fd, F_GETFL);
	char name[80];

	if (is_listening(fd) && bound_at(fd, at) == 0 && flags >= 0 &&
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
		return fd;
	socket_name(name, sizeof(name), i);
	log_line(LOG_LEVEL_ERROR,
	    "Descriptor %d%s from the service manager is not a listening TCP "
	    "or Unix socket",
	    fd, name);
	return -1;
}

/* The address of NOTIFY_SOCKET; returns its length, or 0 without one. */
static socklen_t
notify_address(struct sockaddr_un *un)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path != NULL ? strlen(path) : 0;

	if (len < 2 || len >= sizeof(un->sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return 0;
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len);
	/* An abstract name begins with a NUL and has none at its end. */
	if (path[0] == '@')
		un->sun_path[0] = '\0';
	else
		len++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* Sends a message to the service manager, if it wants any. */
static void
notify(const char *message)
{
	struct timeval patience = { .tv_sec = 1 };
	struct sockaddr_un un;
	socklen_t len = notify_address(&un);
	const void *sa = &un;
	int fd;

	if (len == 0 || (fd = socket(AF_UNIX, SOCK_DGRAM, 0)) < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (sendto(fd, message, strlen(message), 0, sa, len) < 0)
		log_line(
		    LOG_LEVEL_WARNING, "NOTIFY_SOCKET: %s", strerror(errno));
	close(fd);
}

/* Tells the service manager that the service, or a reload, is ready. */
void
service_ready(void)
{
	char text[64];

	snprintf(text, sizeof(text), "READY=1\nMAINPID=%ld\nSTATUS=Serving",
	    (long)getpid());
	notify(text);
}

/*
 * Tells it that a reload or an upgrade has failed, and why: the service goes on as before,
 * so it is ready.
 */
void
service_failed(const char *what, const char *why)
{
	char text[600];

	snprintf(text, sizeof(text),
	    "READY=1\nMAINPID=%ld\nSTATUS=%s failed: %.480s", (long)getpid(),
	    what, why[0] != '\0' ? why : "see the log");
	notify(text);
}

/* Tells it that a drain begins in so many seconds. */
void
service_leaving(unsigned seconds)
{
	char text[128];

	snprintf(text, sizeof(text),
	    "STATUS=Draining in %u seconds\nEXTEND_TIMEOUT_USEC=%lld", seconds,
	    seconds * 1000000LL + EXTEND_TIME);
	notify(text);
}

/* Tells it that a drain goes on, so that it does not end the service. */
void
service_draining(unsigned long connections)
{
	char text[128];

	snprintf(text, sizeof(text),
	    "STATUS=Draining: %lu connection%s left\n"
	    "EXTEND_TIMEOUT_USEC=%d",
	    connections, connections == 1 ? "" : "s", EXTEND_TIME);
	notify(text);
}

/* Tells it that a reload begins; service_ready() must follow. */
void
service_reloading(void)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify(text);
}

/* Tells it that the service is stopping. */
void
service_stopping(void)
{
	notify("STOPPING=1");
}
