/* SPDX-License-Identifier: ISC */
/* The paths of Unix sockets, by number. */
#ifndef LOCAL_H
#define LOCAL_H

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a path has until its socket listens. */
#define LOCAL_SUFFIX ".new"

enum {
	/* Bytes of such a path, with its NUL: 104 on Linux, 100 elsewhere. */
	LOCAL_SIZE = sizeof(((struct sockaddr_un *)NULL)->sun_path) -
	    (sizeof(LOCAL_SUFFIX) - 1),
	LOCAL_MAX = 1024 /* paths that are in use at once */
};

/* Numbers: a bit for each. */
struct local_set {
	uint64_t bits[LOCAL_MAX / 64];
};

/* A path, and the file that this process has bound there. */
struct local {
	char path[LOCAL_SIZE]; /* "@name": an abstract one of Linux */
	size_t holders;        /* 0: the number is free */
	bool bound;            /* a socket of ours, which is this file: */
	dev_t dev;
	ino_t ino;
	ino_t socket; /* that of its descriptor */
};

/* Who may connect to a socket; for NULL owner and group stay as they are. */
struct local_rights {
	unsigned mode;
	char *owner, *group;
};

uint16_t local_hold(const char *path);
void local_drop(uint16_t number);
void local_hold_all(struct local_set *);
void local_drop_all(struct local_set *);
int local_put(uint16_t number, const struct local *);
uint16_t local_find(const char *path);
const char *local_path(uint16_t number);
struct local *local_get(uint16_t number);

#endif
