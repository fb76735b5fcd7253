/* SPDX-License-Identifier: ISC */
/*
 * What must hold for a request that parse_head() calls complete or bad,
 * whatever was sent.  The table driver and the fuzzer share it.
 */
#ifndef PARSE_CHECK_H
#define PARSE_CHECK_H

#include <stdbool.h>
#include <string.h>

#include "../proxy.h"

static inline bool
check_slice(struct slice part, size_t length)
{
	return part.at <= length && part.len <= length - part.at;
}

static inline bool
check_host_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	    c == '.' || c == '_' || c == ':';
}

static inline const char *
check_host(const struct request *request)
{
	size_t len = strnlen(request->host, HOST_SIZE);

	if (len == 0 || len >= HOST_SIZE)
		return "the host is empty or has no end";
	if (request->host[len - 1] == '.')
		return "the host ends in a dot";
	for (size_t i = 0; i < len; i++) {
		if (!check_host_byte(request->host[i]))
			return "the host has a byte that no host has";
	}
	if (!request->literal && strchr(request->host, ':') != NULL)
		return "a name has a colon";
	return NULL;
}

/* Returns what is wrong with an answer of parse_head(), or NULL. */
static inline const char *
check_request(
    const struct request *request, enum parse_result result, size_t len)
{
	if (result == PARSE_MORE)
		return len > HEAD_MAX ? "more than HEAD_MAX is asked for"
				      : NULL;
	if (result == PARSE_BAD) {
		if (request->status < 400 || request->status > 599)
			return "no status for a bad request";
		return request->why == NULL ? "no reason is given" : NULL;
	}
	if (result != PARSE_OK)
		return "no such result";
	if (request->length == 0 || request->length > len ||
	    request->length > HEAD_MAX)
		return "the length is not that of the head";
	if (request->port == 0)
		return "the port is 0";
	if (!check_slice(request->line, request->length) ||
	    !check_slice(request->target, request->length) ||
	    !check_slice(request->credentials, request->length))
		return "a slice reaches out of the head";
	for (unsigned i = 0; i < request->nvias && i < VIAS_MAX; i++) {
		if (!check_slice(request->via[i], request->length))
			return "a slice of Via reaches out of the head";
	}
	if (request->line.len > REQUEST_LINE_MAX)
		return "the request line is longer than its limit";
	return check_host(request);
}
#endif
