/* SPDX-License-Identifier: ISC */
/*
 * Plain HTTP: one request of a client at a time goes on to a server, in
 * origin-form or, to an http parent, as it came, and the answer goes back.
 * Heads are written anew, without what is meant for one connection alone, RFC
 * 9110 7.6; content is passed on as it comes, in bounded memory.  What is not
 * clearly one message is never passed on.  Nothing here decides who may ask for
 * what, nor dials.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "bounds.h"
#include "compiler.h"
#include "conf.h"
#include "conn.h"
#include "forward.h"
#include "http.h"
#include "parent.h"
#include "parse.h"
#include "relay.h"
#include "reverse.h"
#include "secret.h"
#include "self.h"
#include "socket.h"
#include "tunnel.h"
#include "upstream.h"

enum {
	ANSWER_SIZE_MIN = 2048, /* bytes for the head of an answer, at first */
	EXTRA_SIZE = 64 * 1024, /* bytes that a head may grow by */
	BARE_STATUS = 12,       /* bytes of "HTTP/1.1 200" */
	INTERIM_MAX = 200       /* answers before the one that counts */
};

/* A head that is written, and the content that has come with it. */
static char out[2 * HEAD_MAX + EXTRA_SIZE];
static size_t out_len;

static char buffer[HEAD_MAX];

/* Fields that are for one connection, or that are made anew. */
static const char *const hop_fields[] = { "Connection", "Proxy-Connection",
	"Keep-Alive", "TE", "Transfer-Encoding", "Content-Length", "Upgrade",
	"Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Authentication-Info", NULL };

static enum side
other(enum side side)
{
	return side == CLIENT ? SERVER : CLIENT;
}

/* Heads. */

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

static bool
is_one_of(const struct http_field *f, const char *const *names)
{
	for (; *names != NULL; names++)
		if (http_is(f, *names))
			return true;
	return false;
}

/* Whether one of the Connection fields in a head has this option. */
static bool
has_option(const char *head, const struct slice *options, unsigned n,
    const char *name, size_t len)
{
	for (unsigned i = 0; i < n; i++)
		if (http_lists(head + options[i].at, options[i].len, name, len))
			return true;
	return false;
}

/* Whether a field is for one connection alone, as who sent it says. */
static bool
is_nominated(const char *head, const struct slice *options, unsigned n,
    const struct http_field *f)
{
	/* Nobody may hide the way that a message has come. */
	return !http_is(f, "Via") &&
	    has_option(head, options, n, f->line, f->name_len);
}

static bool
request_option(const struct exchange *e, const char *name)
{
	return has_option(e->head, e->request.options, e->request.noptions,
	    name, strlen(name));
}

static bool
method_is(const struct exchange *e, const char *name)
{
	const struct slice *m = &e->request.method;

	return m->len == strlen(name) &&
	    memcmp(e->head + m->at, name, m->len) == 0;
}

/*
 * Whether the client wants to speak another protocol from here on, RFC 9110
 * 7.8.  HTTP/2 is none: behind it would be requests that nobody here sees.
 */
static bool
wants_upgrade(const struct exchange *e)
{
	size_t at = e->request.line.at + e->request.line.len + 2;
	struct http_field f;

	if (!e->request.upgrade || !e->request.minor ||
	    !request_option(e, "upgrade"))
		return false;
	while (http_field(e->head, e->request.length, &at, &f))
		if (http_is(&f, "Upgrade") &&
		    http_lists(f.value, f.value_len, "h2c", 3))
			return false;
	return true;
}

/* host, or host:port; an IPv6 address in brackets. */
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

/* A path and query; bytes outside ASCII become what they should have been. */
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
 * The target for the next one on the way: the path, with "/" for an empty one
 * and "*" for OPTIONS without one, RFC 9112 3.2; a parent gets the URL.
 */
static void
put_target(const struct exchange *e)
{
	const struct request *req = &e->request;
	const char *path = e->head + req->path.at;
	bool all = req->path.len == 0 && method_is(e, "OPTIONS");

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

/* Whether Anonymous lets a field pass; those of the message itself do. */
static bool
is_listed(const struct conf *conf, const struct http_field *f)
{
	static const char *const always[] = { "Content-Type", "Expect",
		"Trailer", "Via", NULL };

	if (conf->nanonymous == 0 || is_one_of(f, always))
		return true;
	for (size_t i = 0; i < conf->nanonymous; i++)
		if (http_is(f, conf->anonymous[i]))
			return true;
	return false;
}

static bool
request_drops(const struct exchange *e, const struct conf *conf,
    const struct http_field *f)
{
	static const char *const anew[] = { "Host", "Max-Forwards", NULL };

	if (http_is(f, "Upgrade"))
		return !e->upgrade;
	return is_one_of(f, hop_fields) || is_one_of(f, anew) ||
	    (!e->request.minor && http_is(f, "Expect")) ||
	    (conf->xtinyproxy && http_is(f, "X-Tinyproxy")) ||
	    is_nominated(e->head, e->request.options, e->request.noptions, f) ||
	    !is_listed(conf, f);
}

static void
put_request_fields(const struct exchange *e, const struct conf *conf)
{
	const struct request *req = &e->request;
	size_t at = req->line.at + req->line.len + 2;
	struct http_field f;

	while (http_field(e->head, req->length, &at, &f))
		if (!request_drops(e, conf, &f)) {
			put(f.line, f.len);
			put("\r\n", 2);
		}
}

/* What this proxy adds to a request. */
static void
put_request_own(const struct exchange *e, const struct conf *conf,
    const struct addr *client)
{
	const struct request *req = &e->request;
	bool counted = method_is(e, "TRACE") || method_is(e, "OPTIONS");
	char text[ADDR_TEXT_SIZE], via[OWN_VIA_SIZE];

	if (req->has_length)
		put_line(
		    "Content-Length: %llu", (unsigned long long)req->content);
	if (req->chunked)
		put_line("Transfer-Encoding: chunked");
	if (req->limited)
		put_line("Max-Forwards: %lu",
		    (unsigned long)(counted ? req->forwards - 1
					    : req->forwards));
	if (self_via_entry(via, req->minor))
		put_line("Via: %s", via);
	if (conf->xtinyproxy)
		put_line("X-Tinyproxy: %s", addr_text(client, text));
	for (size_t i = 0; i < conf->nadd_headers; i++)
		put_line("%s: %s", conf->add_headers[i].name,
		    conf->add_headers[i].value);
	if (e->upstream != NULL)
		put(buffer, parent_credentials(buffer, e->upstream));
	put_line("Connection: %s", e->upgrade ? "upgrade" : "close");
}

/* What comes behind a request is kept for the next one. */
static int
next_keep(struct exchange *e, const char *bytes, size_t len)
{
	e->next = malloc(len);
	if (e->next == NULL)
		return -1;
	memcpy(e->next, bytes, len);
	e->next_len = len;
	return 0;
}

/*
 * Writes the request for whom the connection leads to, with what has come of
 * its content.  Returns 0; or -1 when the content makes no sense.
 */
static int
request_write(
    struct exchange *e, const struct conf *conf, const struct addr *client)
{
	const struct request *req = &e->request;
	char *rest = e->head + req->length;
	size_t len = e->len - req->length, used;
	ssize_t n;

	out_len = 0;
	put(e->head + req->method.at, req->method.len);
	put(" ", 1);
	put_target(e);
	put(" HTTP/1.1\r\nHost: ", 17);
	put_authority(req);
	put("\r\n", 2);
	put_request_fields(e, conf);
	put_request_own(e, conf, client);
	put("\r\n", 2);
	n = body_take(&e->up, rest, len, &used);
	if (n < 0 || out_len >= sizeof(out) - HEAD_MAX)
		return -1;
	put(rest, (size_t)n);
	return used < len ? next_keep(e, rest + used, len - used) : 0;
}

static bool
answer_drops(const struct exchange *e, const struct http_field *f)
{
	const struct http_answer *a = &e->answer;

	if (a->status == 101 && http_is(f, "Upgrade"))
		return false;
	return is_one_of(f, hop_fields) ||
	    is_nominated(a->head, a->options, a->noptions, f);
}

/* Whether an answer has no content whatever its fields say, RFC 9112 6.3. */
static bool
is_empty(const struct exchange *e)
{
	int status = e->answer.status;

	return e->request.is_head || status < 200 || status == 204 ||
	    status == 304;
}

/* How the content of an answer ends, for us and for the client. */
static void
answer_body(struct exchange *e)
{
	const struct http_answer *a = &e->answer;

	if (is_empty(e))
		body_begin(&e->down, BODY_LENGTH, 0, false);
	else if (a->chunked)
		body_begin(&e->down, BODY_CHUNKED, 0, !e->request.minor);
	else if (a->has_length)
		body_begin(&e->down, BODY_LENGTH, a->length, false);
	else
		body_begin(&e->down, BODY_TO_END, 0, false);
}

/* What says to the client how its content ends, and whether more may come. */
static void
put_answer_own(struct exchange *e)
{
	const struct http_answer *a = &e->answer;
	bool bodiless = a->status < 200 || a->status == 204;
	char via[OWN_VIA_SIZE];

	if (a->has_length && !bodiless)
		put_line("Content-Length: %llu", (unsigned long long)a->length);
	if (e->down.kind == BODY_CHUNKED && !e->down.strip)
		put_line("Transfer-Encoding: chunked");
	if (self_via_entry(via, a->minor))
		put_line("Via: %s", via);
	if (a->status == 101)
		put_line("Connection: upgrade");
	else if (a->status >= 200 && !e->keep)
		put_line("Connection: close");
}

/* What a ReversePath adds to an answer. */
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

/* A field of an answer; a redirection may lead to where a path is mapped. */
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
	put(f->line, f->len);
	put("\r\n", 2);
}

/*
 * Writes an answer for the client, up to the end of its head.  Returns 0; or -1
 * when that has become too large, which redirections do to it.
 */
static int
answer_write(struct exchange *e)
{
	const struct http_answer *a = &e->answer;
	size_t at = a->first_field;
	struct http_field f;

	out_len = 0;
	put("HTTP/1.1", 8);
	put(a->head + 8, at - 2 - 8);
	/* There is a space even without a reason, RFC 9112 4. */
	if (at - 2 == BARE_STATUS)
		put(" ", 1);
	put("\r\n", 2);
	while (http_field(a->head, a->head_len, &at, &f))
		if (!answer_drops(e, &f))
			put_answer_field(e, &f);
	put_answer_mapped(e);
	put_answer_own(e);
	put("\r\n", 2);
	return out_len < sizeof(out) - HEAD_MAX ? 0 : -1;
}

/* The exchange. */

/*
 * Keeps a request with what came behind it, until its server is connected.
 * Returns it, for the caller to give to forward_free(), or NULL with ENOMEM.
 */
struct exchange *
forward_new(const struct request *request, const char *head, size_t len)
{
	struct exchange *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->head = malloc(len);
	if (e->head == NULL) {
		free(e);
		return NULL;
	}
	memcpy(e->head, head, len);
	secret_wipe(
	    e->head + request->credentials.at, request->credentials.len);
	e->len = len;
	e->request = *request;
	e->keep = request->minor && !request_option(e, "close");
	e->upgrade = wants_upgrade(e);
	return e;
}

/* Frees an exchange; NULL is fine. */
void
forward_free(struct exchange *e)
{
	if (e == NULL)
		return;
	/* The next request may hold credentials. */
	secret_wipe(e->head, e->len);
	if (e->next != NULL)
		secret_wipe(e->next, e->next_len);
	free(e->head);
	free(e->bytes);
	free(e->next);
	free(e);
}

/*
 * Whether the exchange is over: all of the answer is with the client, and all
 * of the request with the server.  A client that goes on with its request is
 * let do so, in case somebody wants it, and told the end of the answer.
 */
static enum forward_state
forward_state(struct conn *c)
{
	struct exchange *e = c->exchange;

	if (!e->answered || !e->down.done || relay_holds(c, SERVER))
		return FORWARD_GOES_ON;
	if (e->up.done && !relay_holds(c, CLIENT))
		return e->answer.status == 101 ? FORWARD_SWITCHED
					       : FORWARD_DONE;
	if (!e->over && !e->keep && e->answer.status != 101)
		shutdown(c->end[CLIENT].fd, SHUT_WR);
	e->over = e->answer.status != 101;
	return FORWARD_GOES_ON;
}

static enum forward_state
failed(struct exchange *e, const char *why)
{
	e->why = why;
	return FORWARD_SERVER_LOST;
}

/*
 * The server takes no more of a request: it may have answered all the same.  A
 * reset that send() has told of is not told again, and the end of what can be
 * read is not the end of an answer then.
 */
static void
upload_end(struct conn *c, bool reset)
{
	relay_drop(c, CLIENT);
	c->exchange->cut = reset;
	c->exchange->up.done = true;
	c->exchange->keep = false;
}

/* How many bytes a client has sent, whose target a mapping may have changed. */
static size_t
as_sent(const struct conn *c, size_t len)
{
	return len + strlen(c->target) - c->exchange->request.target.len;
}

/* Passes on what was written or taken; the rest of it is kept. */
static enum forward_state
pass(struct conn *c, enum side side, const char *bytes, size_t len)
{
	if (len == 0 || relay_pass(c, side, bytes, len) == 0)
		return forward_state(c);
	if (side == SERVER)
		return FORWARD_CLIENT_LOST;
	upload_end(c, errno == ECONNRESET);
	return forward_state(c);
}

/*
 * The server, or an http parent that gets whole URLs, is connected: sends it
 * the request.  Returns as forward_ready() does.
 */
enum forward_state
forward_begin(
    struct conn *c, const struct upstream *upstream, const struct conf *conf)
{
	struct exchange *e = c->exchange;
	const struct request *req = &e->request;
	size_t received;

	e->upstream = upstream;
	e->reverse = &conf->reverse;
	body_begin(&e->up, req->chunked ? BODY_CHUNKED : BODY_LENGTH,
	    req->content, false);
	if (request_write(e, conf, &c->client) != 0)
		return FORWARD_BAD_REQUEST;
	received = as_sent(c, e->len - e->next_len);
	c->flow[CLIENT].bytes = received;
	relay_charge(c, CLIENT, received);
	return pass(c, CLIENT, out, out_len);
}

/*
 * Whether more is to come from a side, be it its end, and there is room for
 * it.
 */
static bool
side_open(const struct conn *c, enum side side)
{
	const struct exchange *e = c->exchange;

	if (relay_holds(c, side))
		return false;
	return side == CLIENT ? !e->up.done
			      : !e->answered || !e->down.done || e->over;
}

/*
 * Whether a request has come as far as it may, and is for this proxy, RFC 9110
 * 7.6.2.
 */
bool
forward_ends_here(const struct exchange *e)
{
	return e->request.limited && e->request.forwards == 0 &&
	    (method_is(e, "TRACE") || method_is(e, "OPTIONS"));
}

/* The answer to TRACE: the request itself, RFC 9110 9.3.8, as it was sent. */
static void
put_trace(const struct exchange *e, const char *target)
{
	static const char *const secrets[] = { "Authorization", "Cookie",
		"Proxy-Authorization", NULL };
	const struct request *req = &e->request;
	size_t at = req->line.at + req->line.len + 2, len;
	size_t version = req->target.at + req->target.len;
	struct http_field f;

	put(e->head + req->method.at, req->method.len + 1);
	put(target, strlen(target));
	put(e->head + version, at - version);
	while (http_field(e->head, req->length, &at, &f))
		if (!is_one_of(&f, secrets))
			put(f.line, f.len + 2);
	put("\r\n", 2);
	len = out_len;
	memcpy(buffer, out, len);
	out_len = 0;
	put_line("HTTP/1.1 200 OK");
	put_line("Content-Type: message/http");
	put_line("Content-Length: %zu", len);
	put("Connection: close\r\n\r\n", 21);
	put(buffer, len);
}

/*
 * Answers a request that has come as far as it may.  Nothing that the client
 * sends behind it is read.  Returns as forward_ready() does.
 */
enum forward_state
forward_reply(struct conn *c)
{
	struct exchange *e = c->exchange;

	out_len = 0;
	if (method_is(e, "TRACE")) {
		put_trace(e, c->target);
	} else {
		put_line("HTTP/1.1 200 OK");
		put_line("Allow: CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, "
			 "POST, PUT, TRACE");
		put("Content-Length: 0\r\nConnection: close\r\n\r\n", 40);
	}
	e->answer.status = 200;
	e->answered = e->down.done = e->up.done = true;
	e->keep = false;
	c->flow[CLIENT].bytes = as_sent(c, e->request.length);
	c->flow[SERVER].bytes = out_len;
	return pass(c, SERVER, out, out_len);
}

/* What a side is to be watched for. */
short
forward_events(const struct conn *c, enum side side)
{
	int events = 0;

	if (side_open(c, side) && !relay_rests(c, side))
		events |= POLLIN;
	if (relay_holds(c, other(side)))
		events |= POLLOUT;
	return (short)events;
}

/* Takes content of the request. */
static enum forward_state
client_read(struct conn *c)
{
	struct exchange *e = c->exchange;
	ssize_t got = recv(
		    c->end[CLIENT].fd, buffer, relay_most(sizeof(buffer)), 0),
		n;
	size_t used;

	if (got < 0 && socket_is_passing(errno))
		return FORWARD_GOES_ON;
	if (got <= 0)
		return FORWARD_CLIENT_LOST;
	relay_charge(c, CLIENT, (size_t)got);
	n = body_take(&e->up, buffer, (size_t)got, &used);
	if (n < 0)
		return FORWARD_BAD_REQUEST;
	c->flow[CLIENT].bytes += used;
	if (used < (size_t)got &&
	    next_keep(e, buffer + used, (size_t)got - used) != 0)
		return FORWARD_CLIENT_LOST;
	return pass(c, CLIENT, buffer, (size_t)n);
}

/* Makes room for more of the head of an answer. */
static int
answer_grow(struct exchange *e)
{
	size_t size = e->size == 0 ? ANSWER_SIZE_MIN : 2 * e->size;
	char *grown;

	if (e->bytes_len < e->size)
		return 0;
	grown = realloc(e->bytes, size);
	if (grown == NULL)
		return -1;
	e->bytes = grown;
	e->size = size;
	return 0;
}

/* Takes the head of an answer, and what has come behind it, off the front. */
static void
answer_shift(struct exchange *e, size_t len)
{
	e->bytes_len -= len;
	memmove(e->bytes, e->bytes + len, e->bytes_len);
	memset(&e->answer, 0, sizeof(e->answer));
}

/* An answer that says that another one will come, RFC 9110 15.2. */
static enum forward_state
interim_pass(struct conn *c)
{
	struct exchange *e = c->exchange;
	enum forward_state state = FORWARD_GOES_ON;

	if (e->request.minor) {
		if (answer_write(e) != 0)
			return failed(e, "has a head that is too large.");
		state = pass(c, SERVER, out, out_len);
	}
	answer_shift(e, e->answer.head_len);
	return state;
}

/* The answer: its head, and the content that has come with it. */
static enum forward_state
answer_pass(struct conn *c)
{
	struct exchange *e = c->exchange;
	char *rest = e->bytes + e->answer.head_len;
	size_t used, len = e->bytes_len - e->answer.head_len;
	ssize_t n;

	answer_body(e);
	/* Who answers early may never take the rest. */
	if (!e->up.done || relay_holds(c, CLIENT) ||
	    e->down.kind == BODY_TO_END || e->down.strip)
		e->keep = false;
	if (answer_write(e) != 0)
		return failed(e, "has a head that is too large.");
	n = e->answer.status == 101 ? (ssize_t)len
				    : body_take(&e->down, rest, len, &used);
	if (n < 0)
		return failed(e, "sent chunks that make no sense.");
	e->answered = true;
	put(rest, (size_t)n);
	free(e->bytes);
	e->bytes = NULL;
	e->answer.head = NULL;
	return pass(c, SERVER, out, out_len);
}

/* Looks at what there is of the head of an answer. */
static enum forward_state
answer_take(struct conn *c)
{
	struct exchange *e = c->exchange;
	enum forward_state state;
	enum parse_result result;
	int status;

	for (;;) {
		result = http_answer(&e->answer, e->bytes, e->bytes_len);
		status = e->answer.status;
		if (result == PARSE_MORE)
			return FORWARD_GOES_ON;
		if (result == PARSE_BAD)
			return failed(e, e->answer.why);
		if (status == 407)
			return failed(e, "wants other credentials.");
		if (status == 101 && (!e->upgrade || !e->up.done))
			return failed(e, "changed to a protocol of its own.");
		if (status >= 200 || status == 101)
			return answer_pass(c);
		if (++e->interim > INTERIM_MAX)
			return failed(e, "only says that it will answer.");
		state = interim_pass(c);
		if (state != FORWARD_GOES_ON)
			return state;
		/* What follows has to wait until that is sent. */
		if (relay_holds(c, SERVER))
			return FORWARD_GOES_ON;
	}
}

/* Nothing more comes from the server. */
static enum forward_state
server_ended(struct conn *c, bool cleanly)
{
	struct exchange *e = c->exchange;

	if (e->over) {
		upload_end(c, !cleanly);
		return forward_state(c);
	}
	if (!e->answered)
		return failed(e, "closed the connection without an answer.");
	if (e->down.kind != BODY_TO_END || !cleanly || e->cut)
		return failed(e, "closed the connection too early.");
	e->down.done = true;
	return forward_state(c);
}

/* Reads some of the answer, wherever it is at. */
static enum forward_state
server_read(struct conn *c)
{
	struct exchange *e = c->exchange;
	char *to = buffer;
	size_t size = relay_most(sizeof(buffer)), used;
	ssize_t n;

	if (!e->answered) {
		if (answer_grow(e) != 0)
			return failed(e, "has an answer too large to be kept.");
		to = e->bytes + e->bytes_len;
		size = e->size - e->bytes_len;
	}
	n = recv(c->end[SERVER].fd, to, size, 0);
	if (n < 0 && socket_is_passing(errno))
		return FORWARD_GOES_ON;
	if (n <= 0)
		return server_ended(c, n == 0);
	if (e->over)
		return FORWARD_GOES_ON;
	c->flow[SERVER].bytes += (uint64_t)n;
	relay_charge(c, SERVER, (size_t)n);
	if (!e->answered) {
		e->bytes_len += (size_t)n;
		return answer_take(c);
	}
	n = body_take(&e->down, buffer, (size_t)n, &used);
	if (n < 0)
		return failed(e, "sent chunks that make no sense.");
	return pass(c, SERVER, buffer, (size_t)n);
}

/*
 * Does what poll() says can be done at one side: one read at most, and one
 * write each way.  Returns FORWARD_GOES_ON; FORWARD_DONE when the client has
 * the whole answer; FORWARD_SWITCHED when what follows is a tunnel; or what
 * went wrong: the server, with why it is of no use, as "has ...", the client,
 * or its content.
 */
enum forward_state
forward_ready(struct conn *c, enum side side, short revents)
{
	bool reads = (forward_events(c, side) & POLLIN) != 0;
	enum side lost;

	if (revents & POLLOUT &&
	    relay_flush(c, other(side), &lost) == RELAY_LOST) {
		if (side == CLIENT)
			return FORWARD_CLIENT_LOST;
		upload_end(c, errno == ECONNRESET);
	}
	if (!reads && revents & (POLLERR | POLLHUP | POLLNVAL)) {
		/* One that was told the end, and has ended too, is read on. */
		if (side == CLIENT && !c->exchange->over)
			return FORWARD_CLIENT_LOST;
		c->end[side].hung_up = true;
	}
	if (side == CLIENT && revents & POLLOUT && !c->exchange->answered &&
	    c->exchange->bytes_len > 0 && !relay_holds(c, SERVER))
		return answer_take(c);
	if (reads && revents & (POLLIN | POLLERR | POLLHUP))
		return side == CLIENT ? client_read(c) : server_read(c);
	return forward_state(c);
}
