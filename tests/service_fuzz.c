/* SPDX-License-Identifier: ISC */
/* LINK: all */
/*
 * An entry for libFuzzer.  Any text stands in the variables of a service manager,
 * and any kinds of descriptors are handed over: only those that listen are taken,
 * and never more than may be.  The input is a kind for each descriptor up to a
 * byte 0, and the values of four variables, each with its NUL.
 */
#define _GNU_SOURCE

#include <sys/socket.h>
#include <sys/un.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../proxy.h"
#include "must.h"
#include "world.h"

enum {
	GIVEN = 8,     /* descriptors that are handed over */
	KINDS = 7,     /* of them */
	LISTENING = 3, /* the first of these listen */
	PID = 4242
};

const char program[] = "service_fuzz", program_conf[] = "";

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The process that the variables are for. */
pid_t
getpid(void)
{
	return PID;
}

static int kinds[KINDS];
static unsigned given[GIVEN]; /* the kind of each; KINDS: it is not open */

static void
give(size_t i, unsigned kind)
{
	int fd = SERVICE_FIRST + (int)i;

	given[i] = kind % (KINDS + 1);
	if (given[i] == KINDS)
		close(fd);
	else
		must(dup2(kinds[given[i]], fd) == fd, "a descriptor");
}

/* Takes the sockets, and closes what was taken. */
static void
sockets_take(size_t n)
{
	struct addr at;
	bool listens;

	for (size_t i = 0; i < n; i++) {
		listens = i < GIVEN && given[i] < LISTENING;
		memset(&at, 0, sizeof(at));
		if (i < GIVEN)
			must((service_socket(i, &at) >= 0) == listens,
			    "what listens is taken");
		if (at.local != 0)
			local_drop(at.local);
		service_names(i, "status");
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "LISTEN_PID", "LISTEN_FDS",
		"LISTEN_FDNAMES", "NOTIFY_SOCKET" };
	char *text = malloc(size + 1), *at = text, *end = text + size;
	size_t n;

	must(text != NULL, "memory");
	memcpy(text, data, size);
	*end = '\0';
	for (size_t i = 0; i < GIVEN; i++)
		give(
		    i, at < end && *at != '\0' ? (unsigned char)*at++ - 1u : 0);
	for (size_t i = 0; i < 4; i++) {
		at += at < end;
		setenv(names[i], at, 1);
		at += strlen(at);
	}
	free(text);
	n = service_init();
	must(n <= LISTEN_MAX + 1, "no more than may be");
	sockets_take(n);
	service_failed("Reload", "something is wrong");
	for (int i = 0; i < GIVEN; i++)
		close(SERVICE_FIRST + i);
	return 0;
}

/* Keeps a descriptor where none is handed over. */
static int
away(int fd)
{
	int far = fcntl(fd, F_DUPFD, SERVICE_FIRST + LISTEN_MAX + 2);

	must(far >= 0, "a descriptor");
	close(fd);
	return far;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const void *at = &in, *local = &un;

	(void)argc, (void)argv;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	kinds[0] = away(socket(AF_INET, SOCK_STREAM, 0));
	must(bind(kinds[0], at, sizeof(in)) == 0 && listen(kinds[0], 1) == 0,
	    "a listener");
	/* Linux gives it an abstract name. */
	kinds[1] = away(socket(AF_UNIX, SOCK_STREAM, 0));
	must(bind(kinds[1], local, sizeof(sa_family_t)) == 0 &&
		listen(kinds[1], 1) == 0,
	    "a listener");
	kinds[2] = away(socket(AF_INET, SOCK_STREAM, 0));
	must(listen(kinds[2], 1) == 0, "a listener");
	kinds[3] = away(socket(AF_INET, SOCK_STREAM, 0));
	kinds[4] = away(socket(AF_INET, SOCK_DGRAM, 0));
	kinds[5] = away(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	kinds[6] = away(open("/dev/null", O_RDWR));
	return 0;
}
