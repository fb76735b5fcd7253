/* SPDX-License-Identifier: ISC */
/*
 * The heads of requests and answers as they are passed on: without hop-by-hop
 * fields, RFC 9110 7.6, and with the fields that this proxy adds.  No function
 * here makes a system call.  All is written to one static buffer, which holds
 * what was written last.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "bounds.h"
#include "compiler.h"
#include "fields.h"
#include "http.h"
#include "parse.h"
#include "reverse.h"
#include "rewrite.h"
#include "via.h"

enum {
	EXTRA_SIZE = 64 * 1024 /* bytes that a head may grow by */
};

/* The head that was written last, and the content that came with it. */
static char out[HEAD_MAX + EXTRA_SIZE + BODY_SIZE];
static size_t out_len;

static char body[HEAD_MAX]; /* the content of an answer to TRACE */

static void
put(const char *bytes, size_t len)
{
	if (len > sizeof(out) - out_len)
		len = sizeof(out) - out_len;
	memcpy(out + out_len, bytes, len);
	out_len += len;
}

static void put_line(const char *format, ...) PRINTF_LIKE(1, 2);

static void
put_line(const char *format, ...)
{
	size_t room = sizeof(out) - out_len;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(out + out_len, room, format, ap);
	va_end(ap);
	out_len += n < 0 || (size_t)n >= room ? room : (size_t)n;
	put("\r\n", 2);
}

static unsigned
traits_of(const struct http_field *f)
{
	return field_traits(f->line, f->name_len);
}

/* Returns whether one of the Connection fields in a head has this option. */
static bool
has_option(const char *head, const struct slice *options, unsigned n,
    const char *name, size_t len)
{
	for (unsigned i = 0; i < n; i++)
		if (http_lists(head + options[i].at, options[i].len, name, len))
			return true;
	return false;
}

/* Returns whether a Connection field nominates this field as hop-by-hop. */
static bool
is_nominated(const char *head, const struct slice *options, unsigned n,
    const struct http_field *f)
{
	/* A sender must not hide the way that a message has come. */
	return !http_is(f, "Via") &&
	    has_option(head, options, n, f->line, f->name_len);
}

/* Returns whether a Connection field of a request has this option. */
bool
rewrite_has_option(const struct exchange *e, const char *name)
{
	return has_option(e->head, e->request.options, e->request.noptions,
	    name, strlen(name));
}

/* Returns whether a Connection field of the answer says that it is the last. */
bool
rewrite_answer_closes(const struct exchange *e)
{
	const struct http_answer *a = &e->answer;

	return has_option(a->head, a->options, a->noptions, "close", 5);
}

static bool
method_is(const struct request *req, const char *head, const char *name)
{
	const struct slice *m = &req->method;

	return m->len == strlen(name) &&
	    memcmp(head + m->at, name, m->len) == 0;
}

/* Whether the method of a request is this one. */
bool
rewrite_method_is(const struct exchange *e, const char *name)
{
	return method_is(&e->request, e->head, name);
}

/*
 * Whether a request has come as far as it may, so that this proxy answers it,
 * RFC 9110 7.6.2.
 */
bool
rewrite_ends_here(const struct request *req, const char *head)
{
	return req->limited && req->forwards == 0 &&
	    (method_is(req, head, "TRACE") || method_is(req, head, "OPTIONS"));
}

/*
 * Returns whether the client wants to change to another protocol, RFC 9110 7.8.
 * Changing to HTTP/2 is not supported: the requests after the change would
 * bypass this proxy's checks.
 */
bool
rewrite_wants_upgrade(const struct exchange *e)
{
	size_t at = e->request.line.at + e->request.line.len + 2;
	struct http_field f;

	if (!e->request.upgrade || !e->request.minor ||
	    !rewrite_has_option(e, "upgrade"))
		return false;
	while (http_field(e->head, e->request.length, &at, &f))
		if (http_is(&f, "Upgrade") &&
		    http_lists(f.value, f.value_len, "h2c", 3))
			return false;
	return true;
}

/* Writes host or host:port, with an IPv6 address in brackets. */
static void
put_authority(const struct request *req)
{
	char text[HOST_SIZE + 16];
	bool is6 = strchr(req->host, ':') != NULL;
	int n = snprintf(text, sizeof(text), is6 ? "[%s]" : "%s", req->host);

	if (req->port != 80)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ":%u",
		    (unsigned)req->port);
	put(text, (size_t)n);
}

/* Writes a path and query, with bytes outside ASCII percent-encoded. */
static void
put_path(const char *path, size_t len)
{
	char text[4];

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)path[i] < 0x80) {
			put(path + i, 1);
			continue;
		}
		snprintf(text, sizeof(text), "%%%02X",
		    (unsigned)(unsigned char)path[i]);
		put(text, 3);
	}
}

/*
 * Writes the request target, RFC 9112 3.2: for a parent the whole URL, for a
 * server the path, "/" for an empty path, or "*" for OPTIONS without a path.
 */
static void
put_target(const struct exchange *e)
{
	const struct request *req = &e->request;
	const char *path = e->head + req->path.at;
	bool all = req->path.len == 0 && rewrite_method_is(e, "OPTIONS");

	if (e->upstream != NULL) {
		put("http://", 7);
		put_authority(req);
	} else if (all) {
		put("*", 1);
	}
	if (!all && (req->path.len == 0 || path[0] != '/'))
		put("/", 1);
	put_path(path, req->path.len);
}

/* Returns whether Anonymous lets a field pass, as it always does FIELD_KEPT. */
static bool
is_listed(const struct header_rules *rules, const struct http_field *f)
{
	if (rules->npassed == 0 || (traits_of(f) & FIELD_KEPT) != 0)
		return true;
	for (size_t i = 0; i < rules->npassed; i++)
		if (http_is(f, rules->passed[i]))
			return true;
	return false;
}

static bool
request_drops(const struct exchange *e, const struct header_rules *rules,
    const struct http_field *f)
{
	if (http_is(f, "Upgrade"))
		return !e->upgrade;
	return (traits_of(f) & (FIELD_HOP | FIELD_MADE)) != 0 ||
	    (!e->request.minor && http_is(f, "Expect")) ||
	    (rules->xtinyproxy && http_is(f, "X-Tinyproxy")) ||
	    is_nominated(e->head, e->request.options, e->request.noptions, f) ||
	    !is_listed(rules, f);
}

static void
put_request_fields(const struct exchange *e, const struct header_rules *rules)
{
	const struct request *req = &e->request;
	size_t at = req->line.at + req->line.len + 2;
	struct http_field f;

	while (http_field(e->head, req->length, &at, &f))
		if (!request_drops(e, rules, &f)) {
			put(f.line, f.len);
			put("\r\n", 2);
		}
}

/* Writes the fields that this proxy adds to a request. */
static void
put_request_own(const struct exchange *e, const struct header_rules *rules,
    const char *credentials, const struct addr *client)
{
	const struct request *req = &e->request;
	bool counted =
	    rewrite_method_is(e, "TRACE") || rewrite_method_is(e, "OPTIONS");
	char text[ADDR_TEXT_SIZE], via[VIA_ENTRY_SIZE];

	if (req->has_length)
		put_line(
		    "Content-Length: %llu", (unsigned long long)req->content);
	if (req->chunked)
		put_line("Transfer-Encoding: chunked");
	if (req->limited)
		put_line("Max-Forwards: %lu",
		    (unsigned long)(counted ? req->forwards - 1
					    : req->forwards));
	if (via_entry(via, req->minor))
		put_line("Via: %s", via);
	if (rules->xtinyproxy)
		put_line("X-Tinyproxy: %s",
		    client->local != 0 ? "unknown" : addr_text(client, text));
	for (size_t i = 0; i < rules->nadded; i++)
		put_line("%s: %s", rules->added[i].name, rules->added[i].value);
	put(credentials, strlen(credentials));
	/* Parents may copy it, and some log-ins need a lasting connection. */
	if (e->upgrade)
		put_line("Connection: upgrade");
	else if (e->upstream == NULL && !e->keep)
		put_line("Connection: close");
}

/*
 * Writes the head of a request for the server, or, with a whole URL as target,
 * for the parent that the connection leads to.  credentials is a whole field
 * for that parent, or "".  Returns 0, or -1 if the head became too large.
 */
int
rewrite_request(const struct exchange *e, const struct header_rules *rules,
    const char *credentials, const struct addr *client)
{
	const struct request *req = &e->request;

	out_len = 0;
	put(e->head + req->method.at, req->method.len);
	put(" ", 1);
	put_target(e);
	put(" HTTP/1.1\r\nHost: ", 17);
	put_authority(req);
	put("\r\n", 2);
	put_request_fields(e, rules);
	put_request_own(e, rules, credentials, client);
	put("\r\n", 2);
	return out_len < sizeof(out) - BODY_SIZE ? 0 : -1;
}

static bool
answer_drops(const struct exchange *e, const struct http_field *f)
{
	const struct http_answer *a = &e->answer;

	if (a->nameless && !http_is_field(f))
		return true;
	if (a->status == 101 && http_is(f, "Upgrade"))
		return false;
	return (traits_of(f) & FIELD_HOP) != 0 ||
	    is_nominated(a->head, a->options, a->noptions, f);
}

/*
 * Whether the connection is closed without a word.  After a 417 curl asks again
 * without Expect, but not if it was told that the connection is closed.
 */
static bool
closes_silently(const struct exchange *e)
{
	return e->answer.status == 417 && !e->up.done &&
	    e->down.kind != BODY_TO_END;
}

/*
 * Writes the fields that say how the content ends and whether the connection
 * stays open.
 */
static void
put_answer_own(const struct exchange *e)
{
	const struct http_answer *a = &e->answer;
	bool bodiless = a->status < 200 || a->status == 204;
	char via[VIA_ENTRY_SIZE];

	if (a->has_length && !bodiless)
		put_line("Content-Length: %llu", (unsigned long long)a->length);
	if (e->down.kind == BODY_CHUNKED && !e->down.strip)
		put_line("Transfer-Encoding: chunked");
	if (via_entry(via, a->minor))
		put_line("Via: %s", via);
	if (a->status == 101)
		put_line("Connection: upgrade");
	else if (a->status >= 200 && !e->keep && !closes_silently(e))
		put_line("Connection: close");
}

/* Writes the cookie that a ReversePath adds to an answer. */
static void
put_answer_mapped(const struct exchange *e)
{
	char cookie[REVERSE_COOKIE_SIZE];

	if (e->request.mapping == NULL || !e->reverse->magic ||
	    (e->answer.status < 200 && e->answer.status != 101))
		return;
	reverse_cookie(e->request.mapping, cookie);
	put_line("Set-Cookie: %s", cookie);
}

/* Writes a field of an answer; a Location may be mapped back to a path here. */
static void
put_answer_field(const struct exchange *e, const struct http_field *f)
{
	const struct mapping *m = e->request.mapping;
	size_t skip;

	if (m != NULL && http_is(f, "Location") &&
	    (m = reverse_location(
		 e->reverse, m, f->value, f->value_len, &skip)) != NULL) {
		put_line("Location: %s%s%.*s", e->reverse->base_url,
		    m->path + 1, (int)(f->value_len - skip), f->value + skip);
		return;
	}
	if (f->line[f->name_len] == ':') {
		put(f->line, f->len);
		put("\r\n", 2);
		return;
	}
	put(f->line, f->name_len);
	put(": ", 2);
	put(f->value, f->value_len);
	put("\r\n", 2);
}

/*
 * Writes the head of an answer for the client.  Returns 0, or -1 if the head
 * became too large, as mapped Locations can make it.
 */
int
rewrite_answer(const struct exchange *e)
{
	const struct http_answer *a = &e->answer;
	size_t at = a->first_field;
	struct http_field f;

	out_len = 0;
	/* The space is required even without a reason, RFC 9112 4. */
	put_line("HTTP/1.%d %d %.*s", !a->icy, a->status, (int)a->reason.len,
	    a->head + a->reason.at);
	while (http_field(a->head, a->text_len, &at, &f))
		if (!answer_drops(e, &f))
			put_answer_field(e, &f);
	put_answer_mapped(e);
	put_answer_own(e);
	put("\r\n", 2);
	return out_len < sizeof(out) - BODY_SIZE ? 0 : -1;
}

/*
 * Writes the answer to TRACE: the request as the client sent it, RFC 9110
 * 9.3.8, without secret fields.  The target is the one that the client sent.
 */
void
rewrite_trace(const struct exchange *e, const char *target)
{
	const struct request *req = &e->request;
	size_t at = req->line.at + req->line.len + 2, len;
	size_t version = req->target.at + req->target.len;
	struct http_field f;

	out_len = 0;
	put(e->head + req->method.at, req->method.len + 1);
	put(target, strlen(target));
	put(e->head + version, at - version);
	while (http_field(e->head, req->length, &at, &f))
		if ((traits_of(&f) & FIELD_SECRET) == 0)
			put(f.line, f.len + 2);
	put("\r\n", 2);
	len = out_len;
	memcpy(body, out, len);
	out_len = 0;
	put_line("HTTP/1.1 200 OK");
	put_line("Content-Type: message/http");
	put_line("Content-Length: %zu", len);
	put("Connection: close\r\n\r\n", 21);
	put(body, len);
}

/* Writes the answer to OPTIONS when Max-Forwards ends at this proxy. */
void
rewrite_options(void)
{
	out_len = 0;
	put_line("HTTP/1.1 200 OK");
	put_line("Allow: CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, "
		 "POST, PUT, TRACE");
	put("Content-Length: 0\r\nConnection: close\r\n\r\n", 40);
}

/* Adds content to the head that was written last; up to BODY_SIZE bytes fit. */
void
rewrite_content(const char *bytes, size_t len)
{
	put(bytes, len);
}

/* Returns what was written last, valid until the next head is written. */
const char *
rewrite_text(size_t *len)
{
	*len = out_len;
	return out;
}
