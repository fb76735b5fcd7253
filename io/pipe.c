/* SPDX-License-Identifier: ISC */
/*
 * The pipes of a worker, through which bytes go from socket to socket without
 * being copied, where the system can do that.  There are few of them, and a
 * tunnel has one only while bytes are in it; a tunnel that gets none copies its
 * bytes.  Nothing here may know about tunnels.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "bounds.h"
#include "clock.h"
#include "pipe.h"
#include "sys.h"

enum {
	RETRY_TIME = 1000, /* ms until we try again to open a pipe */
	REST_TIME = 50     /* ms until pipes that are not used are closed */
};

static struct {
	struct pipe pipes[PIPES_MAX];
	struct pipe *free; /* open and empty ones */
	size_t max;
	int64_t retry_at; /* ms: no pipe is opened before that */
	int64_t used_at;  /* ms: when one was last given back */
} k;

/*
 * Allows max pipes, but no more than PIPES_MAX.  They are opened when they are
 * needed.
 */
void
pipe_init(size_t max)
{
	k.max = max < PIPES_MAX ? max : PIPES_MAX;
	for (size_t i = 0; i < PIPES_MAX; i++)
		k.pipes[i].in = k.pipes[i].out = -1;
}

static void
pipe_close(struct pipe *p)
{
	close(p->in);
	close(p->out);
	p->in = p->out = -1;
	p->len = 0;
}

static struct pipe *
pipe_open(void)
{
	int fds[2];

	if (clock_now() < k.retry_at)
		return NULL;
	for (size_t i = 0; i < k.max; i++) {
		struct pipe *p = &k.pipes[i];

		if (p->in >= 0)
			continue;
		if (sys_pipe(fds, PIPE_SIZE) != 0)
			break;
		p->out = fds[0];
		p->in = fds[1];
		return p;
	}
	k.retry_at = clock_now() + RETRY_TIME;
	return NULL;
}

/* Returns an empty pipe, which the caller owns until pipe_give(), or NULL. */
struct pipe *
pipe_take(void)
{
	struct pipe *p = k.free;

	if (p == NULL)
		return pipe_open();
	k.free = p->next;
	return p;
}

/* Takes a pipe back.  Bytes that are still in it are lost. */
void
pipe_give(struct pipe *p)
{
	if (p->len > 0) {
		pipe_close(p);
		k.retry_at = 0;
		return;
	}
	p->next = k.free;
	k.free = p;
	k.used_at = clock_now();
}

/* Returns when pipe_rest() must be called, in ms of clock_ms(), or -1. */
int64_t
pipe_rest_at(void)
{
	return k.free != NULL ? k.used_at + REST_TIME : -1;
}

/* Closes the pipes that have not been in use for a while. */
void
pipe_rest(void)
{
	if (clock_now() < k.used_at + REST_TIME)
		return;
	for (; k.free != NULL; k.free = k.free->next)
		pipe_close(k.free);
}

/*
 * Moves up to max bytes that a socket has received into an empty pipe.  Returns
 * how many, 0 at end of file, or -1 with errno: EAGAIN also when the socket
 * holds data that cannot be moved this way.
 */
ssize_t
pipe_fill(struct pipe *p, int from, size_t max)
{
	ssize_t n = sys_splice(from, p->in, max);

	if (n > 0)
		p->len += (size_t)n;
	return n;
}

/*
 * Moves bytes from a pipe to a socket, as many as it takes, and subtracts them
 * from p->len.  Returns 0, or -1 with errno.
 */
int
pipe_drain(struct pipe *p, int to)
{
	ssize_t n = sys_splice(p->out, to, p->len);

	if (n < 0)
		return -1;
	p->len -= (size_t)n;
	return 0;
}
