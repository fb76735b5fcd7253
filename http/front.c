/* SPDX-License-Identifier: ISC */
/*
 * Recognises requests for the proxy itself, by their method and path.  A path
 * must be the same to the last byte: all others belong to a ReversePath, or are
 * refused.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "front.h"
#include "parse.h"

static bool
slice_is(const struct slice *s, const char *head, const char *text)
{
	return s->len == strlen(text) &&
	    memcmp(head + s->at, text, s->len) == 0;
}

/* Whether OPTIONS asks for the health; load balancers do that by default. */
static bool
options_ask(const struct front_paths *paths, const struct slice *target,
    const char *head)
{
	return slice_is(target, head, "*") ||
	    (!paths->root && slice_is(target, head, "/"));
}

/*
 * Returns what a request whose head is whole asks for.  The parser may have
 * refused it: without a ReversePath a target that is a path is malformed.
 */
enum front
front_asked(const struct front_paths *paths, const struct request *req,
    const char *head)
{
	const struct slice *method = &req->method, *target = &req->target;

	if (req->length == 0 || !(req->wrong_target || req->origin))
		return FRONT_NOTHING;
	if (paths->health != NULL && slice_is(method, head, "OPTIONS") &&
	    options_ask(paths, target, head))
		return FRONT_HEALTH;
	if (!slice_is(method, head, "GET") && !slice_is(method, head, "HEAD"))
		return FRONT_NOTHING;
	if (paths->health != NULL && slice_is(target, head, paths->health))
		return FRONT_HEALTH;
	if (paths->pac &&
	    (slice_is(target, head, "/proxy.pac") ||
		slice_is(target, head, "/wpad.dat")))
		return FRONT_PAC;
	return FRONT_NOTHING;
}
