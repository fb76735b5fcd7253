/* SPDX-License-Identifier: ISC */
#ifndef CONN_H
#define CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "parse.h"
#include "question.h"
#include "race.h"
#include "relay.h"
#include "tunnel.h"

struct credentials;
struct exchange;
struct list;
struct parent;
struct reply;
struct upstream;
struct worker_args;

enum {
	PARK_AFTER = 20,    /* ms of quiet until a tunnel is parked */
	PARK_TURNS = 16,    /* or turns of the loop */
	LEAVE_TIME = 200,   /* ms for a tunnel after an early end of file */
	LINGER_TIME = 2000, /* ms for a refused client to close */
	REPLY_TIME = 30000, /* ms for one to read a long reply */
	FLUSH_TIME = 5000,  /* ms for the rest when a side is lost */
	FLUSH_CHECK = 20    /* ms to the first look at that */
};

enum conn_state {
	CONN_FREE,
	CONN_RULE,    /* a rule for names is looked up for the client */
	CONN_REQUEST, /* the head is read */
	CONN_USER,    /* its credentials are checked */
	CONN_RESOLVE, /* the name is looked up */
	CONN_CONNECT, /* its addresses are tried */
	CONN_PARENT,  /* a parent proxy is asked for the tunnel */
	CONN_FORWARD, /* a request goes on, and its answer comes back */
	CONN_RELAY,   /* the tunnel stands */
	CONN_FLUSH,   /* a side is lost; the other gets what it is owed */
	CONN_LINGER   /* refused; the client may read why, and close */
};

/* Why a connection ends; adit(8) has the words. */
enum ending {
	END_CLOSED,    /* both sides had said all; the others are resets */
	END_FORWARDED, /* the client has its answer */
	END_CLIENT_RESET,
	END_SERVER_RESET,
	END_CLIENT_LEFT,
	END_REFUSED,
	END_IDLE,
	END_LIFETIME,
	END_DRAINED,
	END_STOPPED
};

/* What a connection needs only until its tunnel stands. */
struct setup {
	struct request request;
	char *head; /* owned: an incomplete head */
	size_t head_len, head_size;
	size_t rule;    /* CONN_RULE: the rule asked about */
	enum desk desk; /* where it asks or has asked */
	enum question_kind kind;
	const char *name;
	struct credentials *credentials; /* owned; CONN_USER */
	struct list *list; /* of those who wait with it, or NULL */
	struct conn *next, *prev;
	int64_t left_at; /* ms: the client counts as gone then, or 0 */
	bool deaf;       /* the client is not listened to for now */
	const struct upstream *upstream; /* the parent that is tried, or NULL */
	uint64_t tried;                  /* those that were, a bit for each */
	int64_t give_up_at;    /* ms: then the next one is tried, or 0 */
	struct parent *parent; /* owned: CONN_PARENT */
	char *via;             /* owned: the Via for it, or NULL */
	struct race race;
};

/*
 * A connection. It owns its descriptors, the setup, what the flows keep and
 * the target; times are in ms of the monotonic clock.
 */
struct conn {
	struct tunnel tunnel; /* first: see conn_of() */
	enum conn_state state;
	enum side lost; /* CONN_FLUSH */
	bool counted;   /* for MaxClientsPerHost */
	char minor;     /* of the request's HTTP version, a digit */
	bool recorded;  /* its last request is over, and has its record */
	struct addr client, server;
	struct setup *setup;
	struct exchange *exchange; /* owned: plain HTTP */
	char *target;              /* as asked */
	const char *user;  /* the configuration's, once it is known, or NULL */
	const char *error; /* refused: one of RFC 9209's types, or what else */
	int status;
	int64_t began, since, active; /* accepted; state entered; last byte */
	struct conn *next_free;
};

struct conn *conn_of(struct tunnel *);
int conn_init(const struct worker_args *);
size_t conn_count(void);
int64_t conn_ended_at(void);
size_t conn_unsettled(void);
void conn_event(struct conn *, unsigned which, short revents);
void conn_expire(struct conn *);
void conn_answer(struct conn *, const struct answer *);
void conn_wake_parked(void);
void conn_park_quiet(void);
int64_t conn_park_at(void);
void conn_drain(void);
void conn_close_all(enum ending);

struct conn *conn_new(int fd, const struct addr *client);
int conn_setup_new(struct conn *);
void conn_setup_free(struct conn *);
bool conn_has_room(void);
void conn_state(struct conn *, enum conn_state);
void conn_watch(struct conn *);
void conn_busy(struct conn *);
void conn_look_soon(void);
void conn_establish(struct conn *);
void conn_relayed(struct conn *, enum relay_state, enum side lost);
void conn_lost(struct conn *, enum side lost);
void conn_reply(struct conn *, struct reply *);
void conn_refuse(
    struct conn *, int status, const char *error, const char *detail);
void conn_no_memory(struct conn *);
void conn_server_close(struct conn *);
void conn_record(const struct conn *, enum ending);
void conn_close(struct conn *, enum ending);

/* Why a server cannot be had, and what the client is told of it. */
struct failure {
	int error; /* errno, where it is one */
	int status;
	const char *type;
	const char *what; /* "... does not resolve." */
};

#endif
