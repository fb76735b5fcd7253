/* SPDX-License-Identifier: ISC */
/* A connection: what it is made of, and what its steps have in common. */
#ifndef CONN_H
#define CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "parse.h"
#include "question.h"
#include "race.h"
#include "refusal.h"
#include "tunnel.h"

struct credentials;
struct exchange;
struct list;
struct parent;
struct reply;
struct upstream;
struct worker_args;

enum conn_state {
	CONN_FREE,
	CONN_RULE,    /* a rule for names is looked up for the client */
	CONN_REQUEST, /* the head is read */
	CONN_USER,    /* its credentials are checked */
	CONN_RESOLVE, /* the name is looked up */
	CONN_CONNECT, /* its addresses are tried */
	CONN_PARENT,  /* a parent proxy is asked for the tunnel */
	CONN_FORWARD, /* a request goes on, and its answer comes back */
	CONN_IDLE,    /* between two requests of a client */
	CONN_RELAY,   /* the tunnel stands */
	CONN_FLUSH,   /* a side is lost; the other gets what it is owed */
	CONN_LINGER   /* answered for good; the client may read it, and close */
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
	size_t rule;      /* CONN_RULE: the rule asked about */
	bool limited;     /* the client is over a limit for its address */
	enum queue queue; /* where it asks or has asked */
	enum question_kind kind;
	const char *name;
	struct credentials *credentials; /* owned; CONN_USER */
	struct list *list; /* of those that wait with it, or NULL */
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
	enum side lost;       /* CONN_FLUSH */
	enum refusal refusal; /* of the reply that was sent, if one was */
	int status;           /* 0: no answer was sent */
	bool counted;         /* for MaxClientsPerHost */
	bool recorded;        /* its last request is over, and has its record */
	char minor;           /* of the request's HTTP version, a digit */
	unsigned char ending; /* enum ending: why it becomes CONN_FREE */
	struct addr client, server;
	struct setup *setup;
	struct exchange *exchange; /* owned: plain HTTP */
	char *target;              /* as asked */
	const char *user; /* the configuration's, once it is known, or NULL */
	int64_t began, since; /* accepted; state entered */
	struct conn *next_free;
};

/* The connection that a tunnel is a part of; NULL for NULL. */
static inline struct conn *
conn_of(struct tunnel *t)
{
	return (struct conn *)t;
}

/* The object. */
int conn_init(const struct worker_args *);
struct conn *conn_new(int fd, const struct addr *client);
int conn_setup_new(struct conn *);
void conn_setup_free(struct conn *);
struct conn *conn_next(struct conn *);
size_t conn_count(void);
size_t conn_unsettled(void);
int64_t conn_ended_at(void);
bool conn_has_room(void);
void conn_drain(void);

/* Its state; only life.c changes it. */
void conn_state(struct conn *, enum conn_state);
void conn_watch(struct conn *);

/* What it waits for. */
int conn_events(const struct conn *, enum side);
int64_t conn_connect_by(const struct conn *);
int64_t conn_reach_by(const struct conn *);
bool conn_is_idle(const struct conn *);
bool conn_is_old(const struct conn *);
bool conn_has_rate(void);

/* The last word of a step: the state that follows. */
enum conn_state conn_end(struct conn *, enum ending);
enum conn_state conn_lost(struct conn *, enum side lost);
enum conn_state conn_refuse(struct conn *, enum refusal);
enum conn_state conn_reply(struct conn *, enum refusal, struct reply *);
enum conn_state conn_fail(struct conn *, const struct upstream *parent,
    enum refusal, const char *task, struct reply *);

void conn_record(const struct conn *, enum ending);
void conn_server_close(struct conn *);

#endif
