/* SPDX-License-Identifier: ISC */
/*
 * The bytes between the control process and one that asks it.  Each has a
 * buffer of a fixed size for what it sends; what it gets is made whole before
 * it is sent, except for lists, which wait while too much is unsent.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"
#include "socket.h"

static struct {
	char *text;
	size_t len;
} printed; /* what open_memstream() has */

/* Reads what has come.  Returns 0, or -1: the peer is gone or sends too much. */
int
peer_read(struct peer *p)
{
	ssize_t n;

	if (p->in_len == PEER_HEAD_MAX)
		return -1;
	n = recv(p->fd, p->in + p->in_len, PEER_HEAD_MAX - p->in_len, 0);
	if (n < 0)
		return socket_is_passing(errno) ? 0 : -1;
	if (n == 0)
		return -1;
	p->in_len += (size_t)n;
	p->in[p->in_len] = '\0';
	return 0;
}

/* Whether the request is complete: a head, or one line at a local socket. */
bool
peer_whole(const struct peer *p)
{
	if (p->local)
		return memchr(p->in, '\n', p->in_len) != NULL;
	return strstr(p->in, "\r\n\r\n") != NULL ||
	    strstr(p->in, "\n\n") != NULL;
}

/* Returns a stream for what is to be sent, or NULL with ENOMEM. */
FILE *
peer_print(void)
{
	printed.text = NULL;
	return open_memstream(&printed.text, &printed.len);
}

/* Closes the stream, and adds what was printed to what is to be sent. */
void
peer_printed(struct peer *p, FILE *stream)
{
	char *whole;

	if (stream == NULL || fclose(stream) != 0)
		return;
	if (p->sent == p->out_len) {
		free(p->out);
		p->out = printed.text;
		p->out_len = printed.len;
		p->sent = 0;
		return;
	}
	whole = realloc(p->out, p->out_len + printed.len);
	if (whole != NULL) {
		memcpy(whole + p->out_len, printed.text, printed.len);
		p->out = whole;
		p->out_len += printed.len;
	}
	free(printed.text);
}

/* Sends what the peer takes.  Returns 0, or -1: it is gone. */
int
peer_write(struct peer *p)
{
	ssize_t n;

	if (p->sent == p->out_len)
		return 0;
	n = send(p->fd, p->out + p->sent, p->out_len - p->sent, MSG_NOSIGNAL);
	if (n < 0)
		return socket_is_passing(errno) ? 0 : -1;
	p->sent += (size_t)n;
	return 0;
}

/*
 * Ends it.  What was not read would make the system reset the connection, and
 * the peer might lose the answer; so that is thrown away first.
 */
void
peer_close(struct peer *p)
{
	char waste[4096];

	shutdown(p->fd, SHUT_WR);
	for (int i = 0; i < 4 && recv(p->fd, waste, sizeof(waste), 0) > 0; i++)
		;
	close(p->fd);
	free(p->out);
	*p = (struct peer){ .state = PEER_FREE, .fd = -1 };
}
