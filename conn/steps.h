/* SPDX-License-Identifier: ISC */
/*
 * The steps: each does the work of a connection in one state, and returns the
 * state that follows.  life.c calls them; a step may also call another.
 */
#ifndef STEPS_H
#define STEPS_H

#include <stddef.h>

#include "conn.h"
#include "inlet.h"
#include "refusal.h"
#include "tunnel.h"

struct addr;
struct answer;
struct decision;
struct upstreams;
struct vet_refusal;
struct worker_args;

/* client.c: CONN_PREFACE and CONN_RULE. */
void client_init(const struct worker_args *);
struct conn *client_accepted(int fd, const struct addr *client, enum inlet);
enum conn_state client_unanswered(struct conn *);
struct conn *client_proxied(int fd, const struct addr *sender);
enum conn_state client_preface(struct conn *);
enum conn_state client_faceless(struct conn *);
enum conn_state client_begin(struct conn *);
enum conn_state client_answered(struct conn *, const struct answer *);
enum conn_state client_deny(struct conn *);
enum conn_state client_early(struct conn *, short revents);

/* request.c: CONN_REQUEST, CONN_USER and CONN_IDLE. */
void request_init(const struct worker_args *);
int request_keep(struct conn *, char *bytes, size_t len);
enum conn_state request_enter(struct conn *);
enum conn_state request_tunnel(struct conn *, char *head, size_t len);
enum conn_state request_read(struct conn *);
enum conn_state request_answered(struct conn *, const struct answer *);
enum conn_state request_expire(struct conn *);

/* transparent.c: CONN_NAME. */
enum conn_state transparent_read(struct conn *);

/* reach.c: CONN_RESOLVE, CONN_CONNECT and CONN_PARENT. */
int reach_init(const struct worker_args *);
enum conn_state reach_resolve(struct conn *);
enum conn_state reach_connect(struct conn *);
enum conn_state reach_parent(struct conn *);
enum conn_state reach_answered(struct conn *, const struct answer *);
enum conn_state reach_event(struct conn *, unsigned which, short revents);
enum conn_state reach_expire(struct conn *);
enum conn_state reach_refuse(
    struct conn *, enum refusal, const struct decision *);

/* exchange.c: CONN_FORWARD. */
void exchange_init(const struct upstreams *);
enum conn_state exchange_enter(struct conn *);
enum conn_state exchange_event(struct conn *, enum side, short revents);
enum conn_state exchange_expire(struct conn *);

/* carry.c: CONN_HELLO, CONN_GREETED, CONN_RELAY, CONN_FLUSH and CONN_LINGER. */
enum conn_state carry_hello(struct conn *);
enum conn_state carry_unfit(struct conn *, const struct vet_refusal *);
enum conn_state carry_vetted(struct conn *, enum side, short revents);
enum conn_state carry_late(struct conn *);
enum conn_state carry_crowded(struct conn *);
enum conn_state carry_enter(struct conn *);
enum conn_state carry_event(struct conn *, enum side, short revents);
enum conn_state carry_expire(struct conn *);
enum conn_state carry_flush(struct conn *, short revents);
enum conn_state carry_linger(struct conn *);

#endif
