/* SPDX-License-Identifier: ISC */
/* Pipes that carry bytes between sockets without copying them. */
#ifndef PIPE_H
#define PIPE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

enum {
	PIPE_SIZE = 1024 * 1024 /* bytes that a pipe should hold */
};

struct pipe {
	int in, out; /* -1: not open */
	size_t len;  /* bytes in it */
	struct pipe *next;
};

void pipe_init(size_t max);
struct pipe *pipe_take(void);
void pipe_give(struct pipe *);
void pipe_rest(void);
int64_t pipe_rest_at(void);
ssize_t pipe_fill(struct pipe *, int from, size_t max);
int pipe_drain(struct pipe *, int to);

#endif
