/* SPDX-License-Identifier: ISC */
/* One request to a server and its answer, as bytes move. */
#ifndef FORWARD_H
#define FORWARD_H

#include <stdbool.h>
#include <stddef.h>

#include "tunnel.h"

struct exchange;
struct header_rules;
struct request;
struct reverse;

enum forward_state {
	FORWARD_GOES_ON,
	FORWARD_DONE,        /* the client has the whole answer */
	FORWARD_SWITCHED,    /* a 101 was sent: a tunnel follows */
	FORWARD_BAD_REQUEST, /* the content is malformed */
	FORWARD_CLIENT_LOST,
	FORWARD_SERVER_LOST, /* the exchange's why says what went wrong */
	FORWARD_AGAIN        /* the request may be sent on a new connection */
};

void forward_use(const struct header_rules *, const struct reverse *);
struct exchange *forward_new(
    const struct request *, const char *head, size_t len);
void forward_free(struct exchange *);
enum forward_state forward_begin(struct tunnel *, struct exchange *);
enum forward_state forward_reply(struct tunnel *, struct exchange *);
bool forward_is_safe(const struct exchange *);
void forward_rewind(struct exchange *);
bool forward_stays(const struct tunnel *, const struct exchange *);
short forward_events(const struct tunnel *, const struct exchange *, enum side);
enum forward_state forward_ready(
    struct tunnel *, struct exchange *, enum side, short revents);

#endif
