/* SPDX-License-Identifier: ISC */
/*
 * Properties of every request that parse_head() calls complete or bad.  The
 * table driver and the fuzzer share them.
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

static inline bool
check_within(struct slice part, struct slice whole)
{
	return part.at >= whole.at &&
	    part.at + part.len <= whole.at + whole.len;
}

/* What is wrong with a request of a method other than CONNECT, or NULL. */
static inline const char *
check_plain(const struct request *request)
{
	size_t end = request->target.at + request->target.len;

	if (!check_within(request->path, request->target) ||
	    request->path.at + request->path.len != request->fragment.at ||
	    request->fragment.at + request->fragment.len != end)
		return "path and fragment are not the end of the target";
	if (request->userinfo.len > 0 &&
	    (!check_within(request->userinfo, request->target) ||
		request->userinfo.at + request->userinfo.len >=
		    request->path.at))
		return "userinfo is not in the target, before a host";
	if (request->chunked && (request->has_length || !request->minor))
		return "there are two kinds of length, or chunks in HTTP/1.0";
	if (request->minor && !request->has_host)
		return "HTTP/1.1 without Host";
	if (request->content != 0 && !request->has_length)
		return "content without its length";
	return NULL;
}

/* Whether two answers for the same bytes are equal. */
static inline bool
same_slice(struct slice a, struct slice b)
{
	return a.at == b.at && a.len == b.len;
}

static inline bool
same_slices(const struct slice *a, const struct slice *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!same_slice(a[i], b[i]))
			return false;
	return true;
}

static inline bool
same_request(const struct request *a, const struct request *b)
{
	unsigned nvias = a->nvias < VIAS_MAX ? a->nvias : VIAS_MAX;

	return a->length == b->length && a->port == b->port &&
	    a->literal == b->literal && strcmp(a->host, b->host) == 0 &&
	    (!a->literal || addr_same_ip(&a->addr, &b->addr)) &&
	    same_slice(a->line, b->line) && same_slice(a->target, b->target) &&
	    same_slice(a->credentials, b->credentials) &&
	    same_slice(a->method, b->method) && same_slice(a->path, b->path) &&
	    a->plain == b->plain && a->minor == b->minor &&
	    a->chunked == b->chunked && a->upgrade == b->upgrade &&
	    a->limited == b->limited && a->forwards == b->forwards &&
	    a->has_length == b->has_length && a->content == b->content &&
	    a->nvias == b->nvias && same_slices(a->via, b->via, nvias) &&
	    same_slice(a->userinfo, b->userinfo) &&
	    same_slice(a->fragment, b->fragment) &&
	    same_slice(a->host_userinfo, b->host_userinfo) &&
	    a->noptions == b->noptions &&
	    same_slices(a->options, b->options, a->noptions);
}

/*
 * Cuts a copy of a complete head, with len bytes.  Returns what is wrong with
 * what is left, or NULL: it must be the same request without userinfo and
 * fragment.
 */
static inline const char *
check_cut(const struct request *request, char *head, size_t len)
{
	struct request cut = *request;
	size_t left = parse_cut(&cut, head, len);
	const char *target = head + cut.target.at;
	size_t authority = cut.path.at - cut.target.at;

	if (left + cut.cut != len ||
	    cut.cut !=
		request->userinfo.len + request->fragment.len +
		    request->host_userinfo.len ||
	    cut.length + cut.cut != request->length)
		return "other bytes were cut off";
	for (size_t i = left; i < len; i++)
		if (head[i] != '\0')
			return "what was cut off is not wiped";
	if (cut.port != request->port || strcmp(cut.host, request->host) != 0 ||
	    cut.content != request->content ||
	    cut.path.len != request->path.len || cut.nvias != request->nvias ||
	    cut.noptions != request->noptions ||
	    cut.credentials.len != request->credentials.len)
		return "cut off, it is another request";
	if (request->plain &&
	    (memchr(target, '#', cut.target.len) != NULL ||
		memchr(target, '@', authority) != NULL))
		return "userinfo or a fragment is left";
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
		if (refusal_row(request->refusal)->status < 400)
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
	    !check_slice(request->credentials, request->length) ||
	    !check_slice(request->path, request->length) ||
	    !check_within(request->method, request->line))
		return "a slice reaches out of the head";
	for (unsigned i = 0; i < request->noptions; i++) {
		if (!check_slice(request->options[i], request->length))
			return "a slice of Connection reaches out of the head";
	}
	for (unsigned i = 0; i < request->nvias && i < VIAS_MAX; i++) {
		if (!check_slice(request->via[i], request->length))
			return "a slice of Via reaches out of the head";
	}
	if (request->line.len > REQUEST_LINE_MAX)
		return "the request line is longer than its limit";
	if (request->plain && check_plain(request) != NULL)
		return check_plain(request);
	return check_host(request);
}
#endif
