/* SPDX-License-Identifier: ISC */
/* A connection: its parts, and the functions that all its steps use. */
#ifndef CONN_H
#define CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "bounds.h"
#include "extra.h"
#include "flight.h"
#include "inlet.h"
#include "parse.h"
#include "question.h"
#include "race.h"
#include "record.h"
#include "refusal.h"
#include "say.h"
#include "share.h"
#include "tunnel.h"
#include "turns.h"

struct credentials;
struct exchange;
struct kept;
struct parent;
struct reply;
struct session;
struct target_rule;
struct upstream;
struct worker_args;

enum conn_state {
	CONN_FREE,
	CONN_PREFACE, /* a load balancer's PROXY header is read */
	CONN_RULE,    /* a rule for names is looked up for the client */
	CONN_REQUEST, /* the head of a request is read */
	CONN_NAME,    /* a TLS hello that names the server is read */
	CONN_USER,    /* the credentials are checked */
	CONN_RESOLVE, /* the name of the target or parent is looked up */
	CONN_CONNECT, /* the addresses are tried */
	CONN_PARENT,  /* a parent proxy is asked for a tunnel */
	CONN_FORWARD, /* a plain request is passed on, and its answer back */
	CONN_IDLE,    /* between two requests of a client */
	CONN_HELLO,   /* a tunnel's client must begin with a TLS hello */
	CONN_GREETED, /* and its server answer that */
	CONN_RELAY,   /* the tunnel is established */
	CONN_FLUSH,   /* one side is lost; the rest goes to the other side */
	CONN_LINGER   /* the last answer is sent; the client may still read */
};

/* What a connection needs only until it reaches a server. */
struct setup {
	struct request request;
	char *head; /* owned: an incomplete head, or NULL */
	size_t head_len, head_size;
	size_t rule;      /* CONN_RULE: index of the rule asked about */
	bool limited;     /* the client exceeds a limit for its address */
	enum queue queue; /* of its last question, with kind and name */
	enum question_kind kind;
	const char *name;
	char uid[12];                    /* its text, for QUESTION_LOGIN */
	struct credentials *credentials; /* owned; CONN_USER */
	struct waiter waiter;            /* for its turn to ask */
	struct list *list;               /* of its question (ask.c), or NULL */
	struct conn *next, *prev;        /* in that list */
	int64_t left_at; /* ms: when the client counts as gone, or 0 */
	bool deaf;       /* do not poll the client for input */
	const struct upstream *upstream; /* the parent in use, or NULL */
	uint64_t tried;                  /* a bit for each Upstream tried */
	int64_t give_up_at;    /* ms: when to try the next parent, or 0 */
	struct parent *parent; /* owned: CONN_PARENT */
	const struct target_rule *duty; /* the rule asks for TLS, or NULL */
	struct flight up, down;         /* what has come of the handshake */
	char *via; /* owned: the Via field for it, or NULL */
	struct race race;
};

/*
 * A connection.  It owns its descriptors, the setup, the exchange, the bytes
 * kept in the flows, and the target.  Times are in ms of the monotonic clock.
 */
struct conn {
	struct tunnel tunnel; /* first: see conn_of() */
	enum conn_state state : 8;
	enum side lost : 8;       /* CONN_FLUSH: the side that is gone */
	enum refusal refusal : 8; /* answered with this, or REFUSE_NOTHING */
	bool counted;             /* for MaxClientsPerHost */
	bool recorded;            /* the last request is in the access log */
	bool judged;              /* and its verdict in the DecisionLog */
	bool half;            /* counted as one of which one side has ended */
	bool probed;          /* its peers are asked if they are there */
	bool proxied;         /* by a load balancer: extra->via */
	bool local;           /* the load balancer itself is the client */
	bool said;            /* the log has its line of connecting */
	unsigned char inlet;  /* enum inlet: what it has connected to */
	char minor;           /* of the request's HTTP version, a digit */
	unsigned char ending; /* enum ending: why it becomes CONN_FREE */
	int16_t status;       /* of the answer; 0: none was sent */
	char method[METHOD_SIZE]; /* of a plain request, perhaps cut */
	uint64_t serial;          /* with the worker's slot, its id: say_id() */
	struct addr client, server;
	const struct upstream *parent; /* that server is, or NULL */
	uint32_t rule;       /* the line that refuses the request, or 0 */
	uint32_t reported;   /* the ReportTo that allows it, or 0 */
	const char *because; /* what the line says for itself, or NULL */
	int32_t lookup_ms, connect_ms; /* how long each took; -1: not done */
	union {
		int64_t entered;   /* the state, on the way to a server */
		int64_t report_at; /* a tunnel: its next line in the log */
	};
	union {
		struct setup *setup;
		struct conn *next_free; /* CONN_FREE */
	};
	struct exchange *exchange; /* owned: plain HTTP */
	struct kept *kept;   /* owned: where a kept server leads, or NULL */
	struct extra *extra; /* owned: what few connections have, or NULL */
	char *target;        /* as asked */
	const char *user;    /* belongs to the configuration; NULL: not known */
	int64_t began, since; /* start of the request; of the state */
};

/* The connection that a tunnel is a part of; NULL for NULL. */
static inline struct conn *
conn_of(struct tunnel *t)
{
	return (struct conn *)t;
}

/* The address that a connection really comes from. */
static inline const struct addr *
conn_peer(const struct conn *c)
{
	return c->proxied ? &c->extra->via : &c->client;
}

/* The object. */
int conn_init(const struct worker_args *);
struct conn *conn_new(int fd, const struct addr *client, enum inlet);
int conn_setup_new(struct conn *);
int conn_extra_new(struct conn *);
void conn_setup_free(struct conn *);
struct conn *conn_next(struct conn *);
void conn_show_begin(void);
size_t conn_show(struct session *, size_t max);
size_t conn_count(void);
size_t conn_unsettled(void);
int64_t conn_ended_at(void);
bool conn_stirred(void);
bool conn_has_room(void);
bool conn_draining(void);
void conn_drain(void);

/* Its state; conn_state() is for life.c alone. */
void conn_state(struct conn *, enum conn_state);
void conn_watch(struct conn *);

/* What it waits for. */
int conn_events(const struct conn *, enum side);
int64_t conn_connect_by(const struct conn *);
int64_t conn_reach_by(const struct conn *);
enum spare conn_spare(const struct conn *);
size_t conn_spares(enum spare);
bool conn_settles(const struct conn *);
bool conn_is_idle(const struct conn *);
bool conn_keeps(const struct conn *);
bool conn_is_old(const struct conn *);
bool conn_is_late(const struct conn *);
bool conn_is_reported(const struct conn *);

/* What a step may end with; each returns the state that follows. */
enum conn_state conn_end(struct conn *, enum ending);
enum conn_state conn_lost(struct conn *, enum side lost);
enum conn_state conn_refuse(struct conn *, enum refusal);
enum conn_state conn_close(struct conn *, const char *last, size_t);
enum conn_state conn_reply(struct conn *, enum refusal, struct reply *);
enum conn_state conn_fail(struct conn *, const struct upstream *parent,
    enum refusal, const char *task, struct reply *);

/* say.c: how it is named in lines of the log, in static buffers. */
void say_init(const struct worker_args *);
const char *say_id(const struct conn *);
const char *say_target(const struct conn *);
const char *say_descriptor(const struct conn *);
const char *say_whom(const struct conn *);
const char *say_line(unsigned long number);
void say_connect(struct conn *);
void say_record(const struct conn *, enum record_event);
void say_verdict(const struct conn *, const struct judged *);
void say_dropped(const struct addr *client, enum refusal);

void conn_request_begin(struct conn *);
void conn_record(struct conn *, enum ending);
void conn_report(struct conn *, enum record_event);
void conn_server_close(struct conn *);

#endif
