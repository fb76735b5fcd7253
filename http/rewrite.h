/* SPDX-License-Identifier: ISC */
/* The heads of requests and answers as they are passed on. */
#ifndef REWRITE_H
#define REWRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "http.h"
#include "parse.h"

struct addr;
struct reverse;
struct upstream;

/* What the configuration says about the fields of requests. */
struct header_rules {
	char **passed; /* owned: Anonymous; if empty, all fields pass */
	size_t npassed;
	struct header_added {
		char *name, *value;
	} * added; /* owned: AddHeader */
	size_t nadded;
	bool xtinyproxy;
};

/* One request and its answer. */
struct exchange {
	struct request request;
	char *head; /* owned: the request's head and bytes after it */
	size_t len;
	const struct upstream *upstream; /* given whole URLs; or NULL */
	const struct reverse *reverse;   /* of the configuration */
	struct body up, down;
	char *bytes; /* owned: start of the answer, or NULL */
	size_t bytes_len, size;
	unsigned interim;    /* interim (1xx) answers so far */
	size_t interim_size; /* bytes of their heads */
	struct http_answer answer;
	bool answered; /* the client has the head of the answer */
	bool over;     /* the client has it all, but is still sending */
	bool keep;     /* keep the client connection for more requests */
	bool lasts;    /* the client may send more requests */
	bool cut;      /* the server reset: the answer may be cut off */
	bool upgrade;  /* the client wants to change to another protocol */
	bool reused;   /* the server has answered another request before */
	bool early;    /* it has answered before it had the whole request */
	bool stays;    /* it can get another request after this one */
	bool again;    /* the request is sent again, to a new connection */
	char *next;    /* owned: bytes after the content, or NULL */
	size_t next_len;
	const char *why; /* FORWARD_SERVER_LOST: the reason */
	/* Of the connection, which outlives it: */
	const struct addr *client;
	const char *target; /* as asked */
};

int rewrite_request(const struct exchange *, const struct header_rules *,
    const char *credentials, const struct addr *client);
int rewrite_answer(const struct exchange *);
void rewrite_trace(const struct exchange *, const char *target);
void rewrite_options(void);
void rewrite_content(const char *bytes, size_t len);
const char *rewrite_text(size_t *len);
bool rewrite_ends_here(const struct request *, const char *head);
bool rewrite_method_is(const struct exchange *, const char *name);
bool rewrite_has_option(const struct exchange *, const char *name);
bool rewrite_answer_closes(const struct exchange *);
bool rewrite_wants_upgrade(const struct exchange *);

#endif
