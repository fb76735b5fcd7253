/* SPDX-License-Identifier: ISC */
/*
 * The Via field: the way that a request has come, which shows whether it has
 * been here before, and what this proxy adds to it, RFC 9110 7.6.3.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "parse.h"
#include "via.h"

static struct {
	char token[TOKEN_SIZE];
	const char *name; /* or NULL: the program's */
	bool disabled;
} via;

/*
 * To be called before anything else here: the token that tells this proxy from
 * others, which is copied, the name to go by, or NULL, and whether nothing is
 * added.
 */
void
via_use(const char token[TOKEN_SIZE], const char *name, bool disabled)
{
	memcpy(via.token, token, TOKEN_SIZE - 1);
	via.token[TOKEN_SIZE - 1] = '\0';
	via.name = name;
	via.disabled = disabled;
}

static bool
has_token(const char *s, size_t len)
{
	size_t token = strlen(via.token);

	for (size_t i = 0; i + token <= len; i++)
		if (memcmp(s + i, via.token, token) == 0)
			return true;
	return false;
}

/*
 * Whether a request has been here before.  One that has been through more
 * proxies than its Via can be kept of counts as one, too.
 */
bool
via_is_loop(const struct request *req, const char *head)
{
	size_t total = 0;

	if (req->nvias > VIAS_MAX)
		return true;
	for (unsigned i = 0; i < req->nvias; i++) {
		if (has_token(head + req->via[i].at, req->via[i].len))
			return true;
		total += req->via[i].len + 2;
	}
	return total > VIA_SIZE;
}

/*
 * What this proxy adds to the Via of a message that came as HTTP/1.1, or as
 * HTTP/1.0, RFC 9110 7.6.3.  Returns false if it is to add nothing.
 */
bool
via_entry(char text[VIA_ENTRY_SIZE], bool minor)
{
	snprintf(text, VIA_ENTRY_SIZE, "1.%d %.120s-%s (adit)", minor,
	    via.name != NULL ? via.name : "adit", via.token);
	return !via.disabled;
}

/*
 * Makes the Via field that goes to a parent, with what the request came with
 * and who we are, in *field, which the caller frees; NULL if there is none.
 * The request is one that via_is_loop() has looked at.  Returns 0, or -1 with
 * ENOMEM.
 */
int
via_field(char **field, const struct request *req, const char *head)
{
	size_t size = VIA_SIZE + VIA_ENTRY_SIZE + 16, at;
	const char *separator = "";
	char entry[VIA_ENTRY_SIZE];
	bool adds = via_entry(entry, req->minor);

	*field = NULL;
	if (!adds && req->nvias == 0)
		return 0;
	*field = malloc(size);
	if (*field == NULL)
		return -1;
	at = (size_t)snprintf(*field, size, "Via: ");
	for (unsigned i = 0; i < req->nvias; i++) {
		at += (size_t)snprintf(*field + at, size - at, "%s%.*s",
		    separator, (int)req->via[i].len, head + req->via[i].at);
		separator = ", ";
	}
	if (adds)
		at += (size_t)snprintf(
		    *field + at, size - at, "%s%s", separator, entry);
	snprintf(*field + at, size - at, "\r\n");
	return 0;
}
