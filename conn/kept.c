/* SPDX-License-Identifier: ISC */
/*
 * The note that says where a kept connection to a server leads, and whether the
 * next request of the same client goes there, too.  Nothing here knows the
 * connection itself, or judges a request.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "kept.h"
#include "parse.h"
#include "upstream.h"

/*
 * Makes a note with all that *kept says, and the host of the target.  The caller
 * frees it.  Returns NULL with ENOMEM.
 */
struct kept *
kept_new(const struct kept *kept, const char *host)
{
	size_t size = strlen(host) + 1;
	struct kept *new = malloc(sizeof(*new) + size);

	if (new == NULL)
		return NULL;
	*new = *kept;
	memcpy(new->host, host, size);
	return new;
}

/*
 * Whether a request of a user that goes to a parent, or to its target if that is
 * NULL, can use the connection.  An http parent takes requests for any target.
 */
bool
kept_leads(const struct kept *k, const struct request *req,
    const struct upstream *parent, const char *user)
{
	if (k->parent != parent || k->user != user)
		return false;
	return (parent != NULL && parent->kind == UPSTREAM_HTTP) ||
	    (k->port == req->port && strcmp(k->host, req->host) == 0);
}
