/* SPDX-License-Identifier: ISC */
/* Questions of workers to the desk, and its answers: what each kind is. */
#ifndef QUESTION_H
#define QUESTION_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "bounds.h"

enum {
	LOOKUP_LATE = 1000 /* ms after which a failure is a late answer */
};

/*
 * What is asked: the addresses of a name; whether a client has the name that a
 * rule says; whether a user has that password; the login name of a number.
 */
enum question_kind {
	QUESTION_NAME,
	QUESTION_CLIENT,
	QUESTION_USER,
	QUESTION_LOGIN
};

/*
 * What a worker has under way at the desk: what the hosts file may say, which
 * is answered at once; names that clients ask for; names of clients that no rule
 * has let in yet; and passwords.
 */
enum queue { QUEUE_HOSTS, QUEUE_NAMES, QUEUE_CLIENTS, QUEUE_USERS, QUEUES };

/* What a helper of the desk is there for. */
enum helper_kind { HELPER_NAMES, HELPER_PASSWORDS, HELPER_KINDS };

/* Which process remembers an answer, so that it need not be found again. */
enum memory { MEMORY_NONE, MEMORY_WORKER, MEMORY_DESK };

/* What is true of all questions of one kind. */
struct question_traits {
	unsigned parts;          /* of its text, each with its NUL */
	size_t part_size;        /* bytes of each, at most */
	bool secret;             /* the text is wiped after use */
	bool about_client;       /* the client's address is part of it */
	enum queue queue;        /* where it is answered for sure */
	enum queue overflow;     /* where it may be, while that is full */
	enum helper_kind helper; /* by whom, unless the desk knows */
	enum memory memory;
};

/*
 * Identifies a question, so that an answer that comes too late is dropped.  The
 * desk itself fills in which worker asks.
 */
struct ticket {
	uint32_t queue, place;
	uint64_t serial;
	uint32_t worker, channel; /* which one, of those that it has had */
};

/*
 * Of question and answer only what is used is sent.  The sender may send any
 * bytes, so they hold no bool, of which most bytes are no value.
 */
struct question {
	struct ticket ticket;
	enum question_kind kind;
	struct addr client;
	uint8_t again; /* the same ticket, for one more client that asks */
	uint32_t len;  /* of the text, with its NULs */
	/* A name, a rule, a user and a password, or a number. */
	char text[2 * CREDENTIAL_SIZE];
};

struct answer {
	struct ticket ticket;
	int error;       /* 0, or one of getaddrinfo()'s */
	uint8_t late;    /* error: because no name server has answered */
	uint8_t matches; /* QUESTION_CLIENT, QUESTION_USER: yes */
	uint32_t naddrs;
	union {
		struct addr addrs[ADDRS_MAX];
		/* QUESTION_LOGIN: a name, in the room of naddrs addresses. */
		char login[ADDRS_MAX * sizeof(struct addr)];
	};
};

const struct question_traits *question_traits(enum question_kind);
enum helper_kind queue_desk(enum queue);
void question_add(struct question *, const char *part);
const char *question_password(const struct question *);
bool question_same(const struct question *, const struct question *);
int question_send(int fd, const struct question *);
bool question_fits(const struct question *, ssize_t len);
void question_wipe(struct question *);
int answer_send(int fd, const struct answer *);
void answer_put_login(struct answer *, const char *name);
const char *answer_login(const struct answer *);
int answer_receive(int fd, struct answer *);

#endif
