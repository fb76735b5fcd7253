/* SPDX-License-Identifier: ISC */
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
	FORWARD_DONE,
	FORWARD_SWITCHED,
	FORWARD_BAD_REQUEST,
	FORWARD_CLIENT_LOST,
	FORWARD_SERVER_LOST
};

void forward_use(const struct header_rules *, const struct reverse *);
struct exchange *forward_new(
    const struct request *, const char *head, size_t len);
void forward_free(struct exchange *);
enum forward_state forward_begin(struct tunnel *, struct exchange *);
enum forward_state forward_reply(struct tunnel *, struct exchange *);
short forward_events(const struct tunnel *, const struct exchange *, enum side);
enum forward_state forward_ready(
    struct tunnel *, struct exchange *, enum side, short revents);

#endif
