/* SPDX-License-Identifier: ISC */
/* A peer of the control process: one connection, one question. */
#ifndef PEER_H
#define PEER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	PEER_HEAD_MAX = 8192, /* bytes of a request or command */
	PEER_TIME = 5000,     /* ms for it to be sent, or the answer read */
	WATCH_TIME = 30000,   /* ms for a long list to be read */
	OUT_MAX = 1024 * 1024 /* bytes of a list that wait to be sent */
};

enum peer_state {
	PEER_FREE,
	PEER_READS, /* its request is read */
	PEER_WAITS, /* for what workers say */
	PEER_WRITES /* its answer is written, or a list while it comes */
};

/* It owns the descriptor and what is to be sent. */
struct peer {
	enum peer_state state;
	int fd;
	bool local;           /* at the control socket */
	bool denied;          /* its address is not in StatusAllow */
	uid_t uid;            /* local */
	int64_t since, until; /* ms */
	char in[PEER_HEAD_MAX + 1];
	size_t in_len;
	char *out;
	size_t out_len, sent;
	bool more; /* out is not complete yet */
};

int peer_read(struct peer *);
bool peer_whole(const struct peer *);
FILE *peer_print(void);
void peer_printed(struct peer *, FILE *);
int peer_write(struct peer *);
void peer_close(struct peer *);

#endif
