/* SPDX-License-Identifier: ISC */
#ifndef QUESTION_H
#define QUESTION_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "bounds.h"

enum {
	LOOKUP_LATE = 1000 /* ms after which a failure is a late answer */
};

/* Questions to the desk, and its answers; only what is used of them is sent. */
enum queue { QUEUE_HOSTS, QUEUE_NAMES, QUEUE_USERS, QUEUES };
enum question_kind { QUESTION_NAME, QUESTION_CLIENT, QUESTION_USER };

/* Who asked: an answer for somebody who is gone finds nobody. */
struct ticket {
	pid_t pid;
	uint32_t worker, queue, place, serial;
};

struct question {
	struct ticket ticket;
	enum question_kind kind;
	struct addr client; /* QUESTION_CLIENT */
	uint32_t len;       /* of the text, with its NULs */
	/* The name, the rule, or the user; that has a password behind it. */
	char text[2 * CREDENTIAL_SIZE];
};

struct answer {
	struct ticket ticket;
	int error;    /* 0, or one of getaddrinfo()'s */
	bool matches; /* QUESTION_CLIENT, QUESTION_USER */
	uint32_t naddrs;
	struct addr addrs[ADDRS_MAX];
};
int question_send(int fd, const struct question *);
bool question_fits(const struct question *, ssize_t len);
const char *question_password(const struct question *);
void question_wipe(struct question *);
int answer_send(int fd, const struct answer *);
int answer_receive(int fd, struct answer *);

#endif
