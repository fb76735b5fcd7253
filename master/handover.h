/* SPDX-License-Identifier: ISC */
/* What a master leaves to the program that takes its place. */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "local.h"
#include "question.h"
#include "secret.h"
#include "share.h"

enum {
	HANDOVER_PATH = 4096, /* bytes of a path */
	HANDOVER_SOCKETS = LISTEN_MAX + 16,
	HANDOVER_GENS = SLOTS_MAX + 2,
	HANDOVER_CHILDREN = 2 * SLOTS_MAX + 2 * (WORKERS_MAX + HELPER_KINDS)
};

/* A listening socket: what it is for, and where it listens. */
struct handover_socket {
	char kind[16]; /* "listen" */
	int fd;
	char at[HANDOVER_PATH]; /* an address or a path, for messages */
};

/* A path of a Unix socket, by the number that children know. */
struct handover_name {
	uint16_t number;
	struct local local;
};

/* The workers of a generation, and then its desks. */
struct handover_gen {
	bool live, stopped, announced;
	int64_t ends; /* ms from now: when its children are killed, or -1 */
	uint64_t abandoned; /* as ORDER_DRAIN has it */
	size_t ndesks, nchildren;
};

struct handover_child {
	long pid;    /* -1: it does not run */
	int control; /* or -1 */
	size_t slot; /* SLOTS_MAX: none */
	bool ready, drained;
	unsigned unsent;
};

/* All descriptors but those of sockets and children may be -1. */
struct handover {
	long pid;                 /* of the master, which stays the same */
	long control;             /* the control process, which leaves; or -1 */
	char conf[HANDOVER_PATH]; /* path of the configuration, or empty */
	char pidfile[HANDOVER_PATH]; /* or empty */
	int pid_fd;
	int share;
	uint64_t layout; /* of the share */
	char token[TOKEN_SIZE];
	unsigned char key[SECRET_KEY_SIZE]; /* of quota.c */
	int log;
	bool syslog;
	unsigned level;
	uint64_t mask; /* a bit for each signal that the starter had blocked */
	bool given;    /* the sockets come from a service manager */
	size_t nnames, nsockets, ngens, nchildren;
	struct handover_name names[LOCAL_MAX];
	struct handover_socket sockets[HANDOVER_SOCKETS];
	struct handover_gen gens[HANDOVER_GENS]; /* the newest first */
	struct handover_child children[HANDOVER_CHILDREN];
};

void handover_version(char *text, size_t size);
int handover_write(const struct handover *, int fd);
int handover_read(struct handover *, int fd);

#endif
