/* SPDX-License-Identifier: ISC */
/*
 * A worker's pipes, through which bytes go from socket to socket without
 * being copied, where the system can do that.  There are few, and a tunnel has
 * one only while bytes are in it; whoever gets none copies.  Nothing here
 * knows of tunnels.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "clock.h"
#include "pipe.h"
#include "sys.h"

enum { RETRY_TIME = 1000 /* ms until another pipe is tried for */ };

static struct {
	struct pipe pipes[PIPES_MAX];
	struct pipe *free; /* open and empty */
	size_t max;
	int64_t retry_at; /* ms: there is none to be had until then */
} k;

/* Lets the worker have so many pipes, up to PIPES_MAX, when it needs them. */
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

/* An empty pipe, the caller's until pipe_give(), or NULL. */
struct pipe *
pipe_take(void)
{
	struct pipe *p = k.free;

	if (p == NULL)
		return pipe_open();
	k.free = p->next;
	return p;
}

/* Takes a pipe back; what is still in it is lost. */
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
}

/* Closes the pipes that nobody has. */
void
pipe_rest(void)
{
	for (; k.free != NULL; k.free = k.free->next)
		pipe_close(k.free);
}

/*
 * Moves up to max bytes that a socket has received into an empty pipe.
 * Returns how many, 0 at the end of file, or -1 with errno: EAGAIN too when
 * the socket has something that is not to be had this way.
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
 * Moves what is in a pipe to a socket, as far as it takes it.  Returns 0 or -1
 * with errno; p->len is what remains.
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
