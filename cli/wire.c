/* SPDX-License-Identifier: ISC */
/*
 * Talks to the control process of a running adit, a line at a time.  One
 * connection carries one command.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire.h"

static FILE *in; /* of the connection that is open */
static char *text;
static size_t size;

/* Connects to a socket.  Returns a descriptor, or -1 with errno. */
int
wire_open(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const void *sa = &un;
	int fd;

	if (strlen(path) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(un.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd >= 0 && connect(fd, sa, sizeof(un)) != 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Sends a command.  Returns 0, or -1 with errno. */
int
wire_send(int fd, const char *command)
{
	char whole[WIRE_COMMAND];
	int len = snprintf(whole, sizeof(whole), "%s\n", command);

	if (len < 0 || (size_t)len >= sizeof(whole)) {
		errno = EMSGSIZE;
		return -1;
	}
	in = fdopen(fd, "r");
	if (in == NULL)
		return -1;
	return send(fd, whole, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -1;
}

/* Returns the next line, without its end, until the next call; or NULL. */
char *
wire_next(void)
{
	ssize_t len = getline(&text, &size, in);

	if (len <= 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

void
wire_close(int fd)
{
	if (in != NULL)
		fclose(in);
	else
		close(fd);
	in = NULL;
}
