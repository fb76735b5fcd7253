/* SPDX-License-Identifier: ISC */
/* The header of the PROXY protocol, by which a load balancer names a client. */
#ifndef PREFACE_H
#define PREFACE_H

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"
#include "parse.h"

enum {
	PREFACE_V1_MAX = 107,          /* bytes of a header of version 1 */
	PREFACE_MAX = 16 + 2048,       /* bytes of any that is accepted */
	PREFACE_WRITTEN_MAX = 16 + 107 /* bytes of one that is written */
};

/* What a header says. */
struct preface {
	size_t length;      /* PARSE_OK: bytes of the header */
	bool local;         /* it is for the sender itself: no addresses */
	struct addr client; /* that the sender speaks for */
	struct addr server; /* what that client has connected to */
	const char *why;    /* PARSE_BAD: what is wrong */
};

enum parse_result preface_parse(
    struct preface *, const char *bytes, size_t len);
bool preface_fits(const struct addr *client);
size_t preface_write(char out[PREFACE_WRITTEN_MAX], unsigned version,
    const struct addr *client, const struct addr *server);

#endif
