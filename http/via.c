/* SPDX-License-Identifier: ISC */
/*
 * The Via field, RFC 9110 7.6.3: whether a request has been through this proxy
 * before, and what this proxy adds to the field.  Nothing here may change a
 * request.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "parse.h"
#include "via.h"

static struct {
	char token[TOKEN_SIZE];
	const char *name; /* ViaProxyName, or NULL */
	bool disabled;
} via;

/*
 * Sets the token, which tells this proxy from all others; it is copied.  To be
 * called before the first fork: each process has a copy, so that none can
 * change what others send.
 */
void
via_identify(const char token[TOKEN_SIZE])
{
	memcpy(via.token, token, TOKEN_SIZE - 1);
	via.token[TOKEN_SIZE - 1] = '\0';
}

/* The token. */
const char *
via_identity(void)
{
	return via.token;
}

/*
 * Must be called before anything below.  The name stands before the token
 * ("adit" if NULL); it is not copied and must stay valid.  If disabled, this
 * proxy adds nothing.
 */
void
via_use(const char *name, bool disabled)
{
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
 * Returns whether a request has been here before.  A request whose Via fields
 * are too many or too long to keep counts as a loop too.
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
 * Writes what this proxy adds to the Via of a message that it received as
 * HTTP/1.1 (minor) or HTTP/1.0.  Returns false if it must not be added.
 */
bool
via_entry(char text[VIA_ENTRY_SIZE], bool minor)
{
	snprintf(text, VIA_ENTRY_SIZE, "1.%d %.120s-%s (adit)", minor,
	    via.name != NULL ? via.name : "adit", via.token);
	return !via.disabled;
}

/*
 * Makes the Via field for a parent, from the Via fields of the request and our
 * own entry.  Stores it in *field, which the caller frees; NULL if there is
 * nothing to send.  via_is_loop() must have accepted the request.  Returns 0,
 * or -1 with ENOMEM.
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
