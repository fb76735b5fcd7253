/* SPDX-License-Identifier: ISC */
/* The answers of the proxy itself. */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "refusal.h"

struct addr;
struct pages;
struct stats;

/* What is sent in place of a page. */
struct document {
	const char *type; /* Content-Type */
	const char *text;
	size_t len;
};

/* What a reply contains; all but the refusal and the client may be 0. */
struct reply {
	enum refusal refusal;
	int status;          /* 0: the refusal's; reply_make() fills it in */
	int received;        /* the status that a parent has sent */
	bool of_parent;      /* a parent has failed, not the target */
	const char *detail;  /* replaces the refusal's sentence */
	const char *because; /* the administrator's reason, or NULL */
	const char *why;     /* the cause, such as strerror() has it */
	const char *request; /* the request line */
	const char *target;  /* as asked */
	const struct addr *client;
	const struct stats *stats;       /* shown on the page of StatHost */
	const struct document *document; /* in place of a page */
	const char *location;            /* the Location of a 301 */
	const struct addr
	    *addrs; /* of the target that were judged, for the log */
	size_t naddrs;
	bool bodiless; /* without the page: the answer to a HEAD */
};

void reply_use(const struct pages *, const char *realm, const char *contact);
size_t reply_make(const char **text, struct reply *);
extern const char reply_established[];
extern const size_t reply_established_len;

#endif
