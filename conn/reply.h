/* SPDX-License-Identifier: ISC */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stddef.h>

struct addr;
struct conf;
struct pages;
struct stats;

/* A reply of our own, and what its page may say.  Only status must be there. */
struct reply {
	int status;
	const char *error;   /* one of RFC 9209's types with its parameters */
	const char *detail;  /* a sentence */
	const char *why;     /* what the system says of it */
	const char *request; /* the request line */
	const char *target;  /* as asked */
	const struct addr *client;
	const struct stats *stats; /* the page shows these */
	const char *location;      /* of a 301, of the configuration */
	bool bodiless; /* the page is left out, as an answer to HEAD has it */
};

void reply_use(const struct pages *, const char *realm);
size_t reply_make(const char **text, const struct reply *);
const char *reply_reason(int status);
extern const char reply_established[];
extern const size_t reply_established_len;

#endif
