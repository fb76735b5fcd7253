/* SPDX-License-Identifier: ISC */
#ifndef FORWARD_H
#define FORWARD_H

#include <stdbool.h>
#include <stddef.h>

#include "http.h"
#include "parse.h"
#include "tunnel.h"

struct conf;
struct conn;
struct reverse;
struct upstream;

enum forward_state {
	FORWARD_GOES_ON,
	FORWARD_DONE,
	FORWARD_SWITCHED,
	FORWARD_BAD_REQUEST,
	FORWARD_CLIENT_LOST,
	FORWARD_SERVER_LOST
};

/* One request and its answer. */
struct exchange {
	struct request request;
	char *head; /* owned: that of the request and what came behind */
	size_t len;
	const struct upstream *upstream; /* who gets whole URLs, or NULL */
	const struct reverse *reverse;   /* the configuration's */
	struct body up, down;
	char *bytes; /* owned: a part of the head of the answer, or NULL */
	size_t bytes_len, size;
	unsigned interim; /* answers that said that another one will come */
	struct http_answer answer;
	bool answered; /* the head of the answer is with the client */
	bool over;     /* the client has the answer, and has not sent all */
	bool keep;     /* more requests may come */
	bool cut;      /* the server was reset, and may not have said all */
	bool upgrade;  /* the client wants to change to another protocol */
	char *next;    /* owned: what came behind the content, or NULL */
	size_t next_len;
	const char *why; /* FORWARD_SERVER_LOST */
};

struct exchange *forward_new(
    const struct request *, const char *head, size_t len);
void forward_free(struct exchange *);
enum forward_state forward_begin(
    struct conn *, const struct upstream *, const struct conf *);
enum forward_state forward_reply(struct conn *);
bool forward_ends_here(const struct exchange *);
short forward_events(const struct conn *, enum side);
enum forward_state forward_ready(struct conn *, enum side, short revents);

#endif
