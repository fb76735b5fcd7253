/* SPDX-License-Identifier: ISC */
/* Heads as they go on. */
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
	char **passed; /* owned: Anonymous; all pass if there are none */
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
	char *head; /* owned: that of the request and what came behind */
	size_t len;
	const struct upstream *upstream; /* it gets whole URLs; or NULL */
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
bool rewrite_wants_upgrade(const struct exchange *);

#endif
