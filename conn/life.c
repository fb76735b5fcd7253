/* SPDX-License-Identifier: ISC */
/*
 * A connection's life: calls the step for each event, deadline and answer, and
 * enters the state that the step returns.  States are entered and connections
 * ended only here, so no step uses a connection that is gone.  Whatever a peer
 * does, it can end its own connection but not the worker.
 *
 * PREFACE -> RULE -> REQUEST -> USER -> RESOLVE -> CONNECT -> (PARENT)
 *                ^
 *               IDLE <- FORWARD
 *
 * After CONNECT or PARENT: FORWARD, or RELAY -> FLUSH, perhaps with HELLO and
 * GREETED before RELAY.  Any but RELAY and FLUSH -> LINGER; any -> FREE.
 *
 * With a TransparentPort NAME may stand in place of REQUEST.
 *
 * The steps are in client.c (PREFACE, RULE), request.c (REQUEST, USER, IDLE),
 * transparent.c (NAME), reach.c (RESOLVE, CONNECT, PARENT), exchange.c (FORWARD)
 * and carry.c (HELLO, GREETED, RELAY, FLUSH, LINGER).
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "addr.h"
#include "aim.h"
#include "args.h"
#include "ask.h"
#include "auth.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "forward.h"
#include "inlet.h"
#include "life.h"
#include "question.h"
#include "quota.h"
#include "refusal.h"
#include "relay.h"
#include "reply.h"
#include "secret.h"
#include "self.h"
#include "share.h"
#include "stats.h"
#include "steps.h"
#include "store.h"
#include "sys.h"
#include "tunnel.h"
#include "via.h"

enum {
	TIDY_PAUSE = 100,  /* ms until all connections are looked at again */
	GRACE_TIME = 1000, /* ms that none has to give way */
	CROWD_MAX = 8,     /* that give way at once */
	CROWDS = 1024      /* counters of clients; two may share one */
};

static unsigned char crowd_key[SECRET_KEY_SIZE];
static unsigned crowds[CROWDS]; /* how many of a client could give way */

/*
 * Prepares a worker for connections.  args and all that it points to stay the
 * caller's, and must live as long as the worker.  It may be called again, with
 * other args, once there are no connections.  Returns 0, or -1 with errno.
 */
int
life_init(const struct worker_args *args)
{
	self_use(args->listening, args->nlisteners, args->share);
	for (size_t i = 0; i < args->nlisteners; i++)
		if (inlet_is_transparent(args->inlets[i]))
			self_intercepts();
	aim_use(args->listening, args->inlets, args->nlisteners);
	via_use(args->conf->via_name, args->conf->disable_via);
	stats_init(args->share, args->slot);
	say_init(args);
	relay_limit(args->conf->rate_limit);
	reply_use(&args->conf->pages, args->conf->realm, args->conf->contact);
	forward_use(&args->conf->headers, &args->conf->reverse);
	auth_use(&args->conf->acl, &args->conf->logins,
	    args->conf->auth_helper.n > 0, args->conf->connect_timeout);
	if (ask_init(
		args, args->conf->logins.key, args->conf->connect_timeout) != 0)
		return -1;
	client_init(args);
	request_init(args);
	exchange_init(&args->conf->upstreams);
	if (conn_init(args) != 0 ||
	    sys_random(crowd_key, sizeof(crowd_key)) != 0)
		return -1;
	return reach_init(args);
}

/* Begins a state.  Returns it, or another one that follows at once. */
static enum conn_state
life_enter(struct conn *c)
{
	switch (c->state) {
	case CONN_PREFACE:
		return client_preface(c);
	case CONN_REQUEST:
		return request_enter(c);
	case CONN_NAME:
		return transparent_read(c);
	case CONN_RESOLVE:
		return reach_resolve(c);
	case CONN_CONNECT:
		return reach_connect(c);
	case CONN_PARENT:
		return reach_parent(c);
	case CONN_FORWARD:
		return exchange_enter(c);
	case CONN_HELLO:
		return carry_hello(c);
	case CONN_RELAY:
		return carry_enter(c);
	case CONN_RULE:
	case CONN_USER:
	case CONN_GREETED:
	case CONN_IDLE:
	case CONN_FLUSH:
	case CONN_LINGER:
	case CONN_FREE:
		break;
	}
	return c->state;
}

/* Enters the state that a step returned, and those that follow at once. */
static void
life_go(struct conn *c, enum conn_state next)
{
	while (next != c->state) {
		conn_state(c, next);
		if (next == CONN_FREE)
			return;
		next = life_enter(c);
	}
	conn_watch(c);
}

/*
 * Takes a client that was accepted, and owns its descriptor.
 */
void
life_accepted(int fd, const struct addr *from, enum inlet inlet)
{
	struct conn *c = inlet == INLET_PREFACE
	    ? client_proxied(fd, from)
	    : client_accepted(fd, from, inlet);

	if (c != NULL)
		life_go(c, client_begin(c));
}

/* Calls the step for an event at a descriptor of a connection. */
static enum conn_state
event_step(struct conn *c, unsigned which, short revents)
{
	switch (c->state) {
	case CONN_PREFACE:
		return client_preface(c);
	case CONN_RULE:
	case CONN_USER:
		return client_early(c, revents);
	case CONN_REQUEST:
	case CONN_IDLE:
		return request_read(c);
	case CONN_NAME:
		return transparent_read(c);
	case CONN_RESOLVE:
	case CONN_CONNECT:
	case CONN_PARENT:
		return which == CLIENT ? client_early(c, revents)
				       : reach_event(c, which, revents);
	case CONN_FORWARD:
		return exchange_event(c, (enum side)which, revents);
	case CONN_HELLO:
	case CONN_GREETED:
		return carry_vetted(c, (enum side)which, revents);
	case CONN_RELAY:
		return carry_event(c, (enum side)which, revents);
	case CONN_FLUSH:
		return carry_flush(c, revents);
	case CONN_LINGER:
		return carry_linger(c);
	case CONN_FREE:
		break;
	}
	return c->state;
}

/*
 * Handles an event at a descriptor of a connection; which is an enum side, or
 * above that the number of an attempt to connect.
 */
void
life_event(struct tunnel *t, unsigned which, short revents)
{
	struct conn *c = conn_of(t);

	if (which == SERVER && conn_keeps(c))
		conn_server_close(c);
	else
		life_go(c, event_step(c, which, revents));
}

/* Calls the step for a deadline that has passed. */
static enum conn_state
expire_step(struct conn *c)
{
	switch (c->state) {
	case CONN_PREFACE:
		return client_faceless(c);
	case CONN_RULE:
		return client_unanswered(c);
	case CONN_REQUEST:
		return conn_refuse(c, REFUSE_SLOW_HEAD);
	case CONN_USER:
		return request_expire(c);
	case CONN_RESOLVE:
	case CONN_CONNECT:
	case CONN_PARENT:
		return reach_expire(c);
	case CONN_FORWARD:
		return exchange_expire(c);
	case CONN_IDLE:
		return conn_end(c, END_CLOSED);
	case CONN_NAME:
	case CONN_HELLO:
	case CONN_GREETED:
		return carry_late(c);
	case CONN_RELAY:
		return carry_expire(c);
	case CONN_FLUSH:
		return carry_flush(c, 0);
	case CONN_LINGER:
		return conn_end(c, END_REFUSED);
	case CONN_FREE:
		break;
	}
	return c->state;
}

/* Handles a connection whose deadline has passed. */
void
life_expire(struct tunnel *t)
{
	struct conn *c = conn_of(t);

	if (c->setup != NULL && c->setup->left_at != 0 &&
	    clock_now() >= c->setup->left_at)
		life_go(c, conn_end(c, END_CLIENT_LEFT));
	else
		life_go(c, expire_step(c));
}

/* Calls the step for the answer to a connection's question. */
static enum conn_state
answer_step(struct conn *c, const struct answer *answer)
{
	if (c->state == CONN_USER)
		return request_answered(c, answer);
	if (c->state == CONN_RESOLVE)
		return reach_answered(c, answer);
	return client_answered(c, answer);
}

/* Hands the answers that come from a desk to the connections that asked. */
void
life_answers(enum helper_kind desk)
{
	const struct answer *answer;
	struct conn *c;

	while ((c = ask_answered(desk, &answer)) != NULL)
		life_go(c, answer_step(c, answer));
}

/*
 * From now on no client gets a further request served: idle clients are closed
 * at once, the others after their answer.
 */
void
life_drain(void)
{
	struct conn *c = NULL;

	conn_drain();
	while ((c = conn_next(c)) != NULL)
		if (c->state == CONN_IDLE)
			life_go(c, conn_end(c, END_FORWARDED));
		else if (c->exchange != NULL)
			c->exchange->keep = false;
}

/*
 * The connections that give way when all places are taken are those that cost a
 * client nothing to keep.  First those without a whole head, then idle clients,
 * then those of which one side has ended; of these, those of the client that has
 * the most; and of these the oldest.
 */

/* The counter of a connection's client. */
static size_t
crowd_of(const struct conn *c)
{
	struct addr client = quota_client(&c->client);

	return secret_digest(crowd_key, client.ip, sizeof(client.ip)).half[0] %
	    CROWDS;
}

/* Whether a connection has had its time in peace. */
static bool
is_ripe(const struct conn *c, enum spare spare)
{
	int64_t since = spare == SPARE_HALF ? c->tunnel.active : c->since;

	return clock_now() - since >= GRACE_TIME;
}

/* The first kind of spare connections that there are, or SPARES. */
static enum spare
spare_first(void)
{
	enum spare first = SPARES, spare;

	for (struct conn *c = conn_next(NULL); c != NULL; c = conn_next(c)) {
		spare = conn_spare(c);
		if (spare < first && is_ripe(c, spare))
			first = spare;
	}
	return first;
}

/* Counts those of a kind by client.  Returns the counter with the most. */
static size_t
crowd_largest(enum spare spare)
{
	size_t largest = 0, crowd;

	memset(crowds, 0, sizeof(crowds));
	for (struct conn *c = conn_next(NULL); c != NULL; c = conn_next(c)) {
		if (conn_spare(c) != spare || !is_ripe(c, spare))
			continue;
		crowd = crowd_of(c);
		if (++crowds[crowd] > crowds[largest])
			largest = crowd;
	}
	return largest;
}

/* Puts a connection among the oldest, of which there are n, at most max. */
static size_t
oldest_add(struct conn *picked[CROWD_MAX], size_t n, size_t max, struct conn *c)
{
	size_t at = n < max ? n : max - 1;

	if (n == max && picked[at]->since <= c->since)
		return n;
	for (; at > 0 && picked[at - 1]->since > c->since; at--)
		picked[at] = picked[at - 1];
	picked[at] = c;
	return n < max ? n + 1 : max;
}

/*
 * Picks the connections that give way.  If one client has many, these are
 * several, since to find them takes a look at all connections.  Returns how
 * many; 0: none can.
 */
static size_t
crowd_pick(struct conn *picked[CROWD_MAX])
{
	enum spare spare = spare_first();
	size_t crowd, max, n = 0;

	if (spare == SPARES)
		return 0;
	crowd = crowd_largest(spare);
	max = 1 + crowds[crowd] / CROWD_MAX;
	if (max > CROWD_MAX)
		max = CROWD_MAX;
	for (struct conn *c = conn_next(NULL); c != NULL; c = conn_next(c))
		if (conn_spare(c) == spare && is_ripe(c, spare) &&
		    crowd_of(c) == crowd)
			n = oldest_add(picked, n, max, c);
	return n;
}

/*
 * Ends connections that cost their clients nothing, so that others find a
 * place.  One without a whole head is told so.  Returns whether there were any.
 */
bool
life_make_room(void)
{
	struct conn *picked[CROWD_MAX];
	size_t n = crowd_pick(picked);

	for (size_t i = 0; i < n; i++) {
		if (picked[i]->state == CONN_REQUEST)
			life_go(picked[i],
			    conn_refuse(picked[i], REFUSE_SLOW_HEAD));
		if (picked[i]->state != CONN_FREE)
			life_go(picked[i], conn_end(picked[i], END_GAVE_WAY));
	}
	return n > 0;
}

/* Whether a connection keeps an incomplete head or hello of at least so much. */
static bool
is_large(const struct conn *c, size_t size)
{
	return (c->state == CONN_REQUEST || c->state == CONN_NAME ||
		   c->state == CONN_HELLO || c->state == CONN_GREETED) &&
	    c->setup->head_size >= size;
}

/*
 * Refuses the largest of the incomplete heads if there is too much in memory.
 * Must be called in each turn of the loop in which anything has happened to a
 * connection.
 */
void
life_tidy(void)
{
	static int64_t at; /* ms: not before */
	size_t largest = STORE_SHARE;

	if (!store_has_large() || clock_now() < at)
		return;
	at = clock_now() + TIDY_PAUSE;
	for (struct conn *c = NULL; (c = conn_next(c)) != NULL;)
		if (is_large(c, largest + 1))
			largest = c->setup->head_size;
	if (largest == STORE_SHARE)
		return;
	for (struct conn *c = NULL; (c = conn_next(c)) != NULL;)
		if (is_large(c, largest))
			life_go(c,
			    c->state == CONN_REQUEST
				? conn_refuse(c, REFUSE_HEAD_SIZE)
				: carry_crowded(c));
}

/* Ends all connections. */
void
life_end_all(enum ending ending)
{
	struct conn *c = NULL;

	while ((c = conn_next(c)) != NULL)
		life_go(c, conn_end(c, ending));
}

/*
 * Ends the connection with this serial.  Returns whether there is one.  Serials
 * often come in the order of life_sessions(), so it is looked for from the last
 * one on.
 */
bool
life_kill(uint64_t serial, enum ending ending)
{
	static struct conn *last;
	struct conn *c = last;

	for (int rounds = 0; rounds < 2; rounds++, c = NULL)
		while ((c = conn_next(c)) != NULL)
			if (c->serial == serial) {
				last = c;
				life_go(c, conn_end(c, ending));
				return true;
			}
	return false;
}
