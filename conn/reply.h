/* SPDX-License-Identifier: ISC */
/* The replies of the proxy itself. */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "refusal.h"

struct addr;
struct pages;
struct stats;

/* What a reply says; all but the refusal may be 0. */
struct reply {
	enum refusal refusal;
	int status;          /* 0: the refusal's; reply_make() fills it in */
	int received;        /* the status that a parent has sent */
	bool of_parent;      /* what failed is a parent, not the target */
	const char *detail;  /* a sentence in place of the refusal's */
	const char *why;     /* what the system says of it */
	const char *request; /* the request line */
	const char *target;  /* as asked */
	const struct addr *client;
	const struct stats *stats; /* the page shows these */
	const char *location;      /* of a 301, of the configuration */
	bool bodiless; /* the page is left out, as an answer to HEAD has it */
};

void reply_use(const struct pages *, const char *realm);
size_t reply_make(const char **text, struct reply *);
extern const char reply_established[];
extern const size_t reply_established_len;

#endif
