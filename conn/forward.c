/* SPDX-License-Identifier: ISC */
/*
 * Plain HTTP: passes one request at a time to a server or an http parent, and
 * its answer back.  rewrite.c writes the heads; content is passed on as it
 * comes, in bounded memory.  A message whose end is ambiguous is never passed
 * on.  Nothing here decides what a client may ask for, or connects.
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

#include "forward.h"
#include "http.h"
#include "log.h"
#include "parent.h"
#include "parse.h"
#include "relay.h"
#include "reverse.h"
#include "rewrite.h"
#include "secret.h"
#include "socket.h"
#include "store.h"
#include "tunnel.h"

enum {
	ANSWER_SIZE_MIN = 2048, /* bytes first allocated for an answer's head */
	HEAD_KEPT = 1024,       /* bytes of a request not worth freeing */
	INTERIM_MAX = 32,       /* most interim (1xx) answers to a request */
	INTERIM_SIZE = 16 * 1024 /* most bytes of their heads */
};

static const char no_memory[] = "sent an answer that there is no memory for.";

static char buffer[HEAD_MAX];

static const struct header_rules *rules;
static const struct reverse *reverse;

/*
 * Must be called in a worker before the first request, with the configuration
 * of header fields and of mapped paths.  Both stay the caller's.
 */
void
forward_use(const struct header_rules *fields, const struct reverse *paths)
{
	rules = fields;
	reverse = paths;
}

static enum side
other(enum side side)
{
	return side == CLIENT ? SERVER : CLIENT;
}

/*
 * Keeps the bytes after a request for the next one, unless there is too much
 * already: then this request is the last.  Returns 0 or -1.
 */
static int
next_keep(struct exchange *e, const char *bytes, size_t len)
{
	if (!e->upgrade && !store_permits(len)) {
		e->keep = false;
		return 0;
	}
	e->next = store_new(len);
	if (e->next == NULL)
		return -1;
	memcpy(e->next, bytes, len);
	e->next_len = len;
	return 0;
}

/* Whether an answer has no content whatever its fields say, RFC 9112 6.3. */
static bool
is_empty(const struct exchange *e)
{
	int status = e->answer.status;

	return e->request.is_head || status < 200 || status == 204 ||
	    status == 304;
}

/* Sets how the content of an answer ends, as received and as sent on. */
static void
answer_body(struct exchange *e)
{
	const struct http_answer *a = &e->answer;
	bool strip = !e->request.minor || a->icy;

	if (is_empty(e))
		body_begin(&e->down, BODY_LENGTH, 0, 0);
	else if (a->chunked)
		body_begin(&e->down, BODY_CHUNKED, 0,
		    strip ? BODY_LAX | BODY_STRIP : BODY_LAX);
	else if (a->has_length)
		body_begin(&e->down, BODY_LENGTH, a->length, 0);
	else
		body_begin(&e->down, BODY_TO_END, 0, 0);
}

/* The exchange. */

/*
 * Makes an exchange from a request; head has len bytes, with what was received
 * after the request.  It keeps a copy without credentials.  The caller frees it
 * with forward_free().  Returns NULL with ENOMEM.
 */
struct exchange *
forward_new(const struct request *request, const char *head, size_t len)
{
	struct exchange *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->head = store_new(len);
	if (e->head == NULL) {
		free(e);
		return NULL;
	}
	memcpy(e->head, head, len);
	secret_wipe(
	    e->head + request->credentials.at, request->credentials.len);
	e->len = len;
	e->request = *request;
	e->lasts = request->minor && !rewrite_has_option(e, "close");
	e->keep = e->lasts;
	e->upgrade = rewrite_wants_upgrade(e);
	return e;
}

/* Drops the bytes after a request; they may hold credentials. */
static void
next_drop(struct exchange *e)
{
	if (e->next != NULL)
		secret_wipe(e->next, e->next_len);
	store_free(e->next, e->next_len);
	e->next = NULL;
	e->next_len = 0;
}

/* Drops what was received of an answer's head. */
static void
answer_drop(struct exchange *e)
{
	if (e->bytes != buffer)
		store_free(e->bytes, e->size);
	e->bytes = NULL;
	e->bytes_len = e->size = 0;
	e->answer.head = NULL;
}

/* Frees an exchange; NULL is fine. */
void
forward_free(struct exchange *e)
{
	if (e == NULL)
		return;
	secret_wipe(e->head, e->len);
	store_free(e->head, e->len);
	next_drop(e);
	answer_drop(e);
	free(e);
}

/*
 * Whether a request may come to a server twice: it changes nothing, RFC 9110
 * 9.2.1, and has no content.
 */
bool
forward_is_safe(const struct exchange *e)
{
	return (e->request.is_head || rewrite_method_is(e, "GET") ||
		   rewrite_method_is(e, "OPTIONS") ||
		   rewrite_method_is(e, "TRACE")) &&
	    !e->request.chunked && e->request.content == 0;
}

/*
 * Whether a request may be sent again: its server may have closed a connection
 * that was kept before this request came there, and not a byte of an answer has
 * come.
 */
static bool
may_repeat(const struct exchange *e)
{
	return e->reused && e->interim == 0 && e->bytes_len == 0 &&
	    forward_is_safe(e);
}

/* Keeps of the head only its beginning, the method, once it has been sent. */
static void
head_shorten(struct exchange *e)
{
	size_t len = e->request.method.at + e->request.method.len + 1;
	char *head = e->len > HEAD_KEPT ? store_new(len) : NULL;

	if (head == NULL)
		return;
	memcpy(head, e->head, len);
	secret_wipe(e->head, e->len);
	store_free(e->head, e->len);
	e->head = head;
	e->len = len;
}

/*
 * Returns whether the exchange is over: the client has the whole answer, and
 * the server the whole request.  A client that still sends its request after
 * the answer may go on, as the server may want it; it gets an end of file.
 */
static enum forward_state
forward_state(struct tunnel *t, struct exchange *e)
{

	if (!e->answered || !e->down.done || relay_holds(t, SERVER))
		return FORWARD_GOES_ON;
	if (e->up.done && !relay_holds(t, CLIENT))
		return e->answer.status == 101 ? FORWARD_SWITCHED
					       : FORWARD_DONE;
	if (!e->over && !e->keep && e->answer.status != 101)
		shutdown(t->end[CLIENT].fd, SHUT_WR);
	e->over = e->answer.status != 101;
	return FORWARD_GOES_ON;
}

/* The server has failed; why goes on after "The target " or the like. */
static enum forward_state
failed(struct exchange *e, const char *why)
{
	e->why = why;
	return FORWARD_SERVER_LOST;
}

/*
 * Stops sending a request that the server takes no more of; it may still have
 * answered.  If send() has reported a reset, recv() may report an end of file
 * instead: that does not make the answer complete, which cut remembers.
 */
static void
upload_end(struct tunnel *t, struct exchange *e, bool reset)
{
	relay_drop(t, CLIENT);
	e->cut = reset;
	e->up.done = true;
	e->keep = false;
}

/*
 * Converts a length to the number of bytes that the client sent, before userinfo
 * was cut off and a path was mapped.
 */
static size_t
as_sent(const struct exchange *e, size_t len)
{
	return len + strlen(e->target) - e->request.target.len + e->request.cut;
}

/* Sends bytes from one side to the other; keeps what the socket refuses. */
static enum forward_state
pass(struct tunnel *t, struct exchange *e, enum side side, const char *bytes,
    size_t len)
{
	if (len == 0 || relay_pass(t, side, bytes, len) == 0)
		return forward_state(t, e);
	if (side == SERVER)
		return FORWARD_CLIENT_LOST;
	upload_end(t, e, errno == ECONNRESET);
	return forward_state(t, e);
}

/* Sends the head that rewrite.c has written, and the content after it. */
static enum forward_state
head_pass(struct tunnel *t, struct exchange *e, enum side side)
{
	size_t len;
	const char *text = rewrite_text(&len);

	return pass(t, e, side, text, len);
}

/*
 * Writes the request for the server or parent, with the content received so
 * far.  Returns 0, or -1 if it is malformed or too large.
 */
static int
request_write(struct exchange *e)
{
	char *rest = e->head + e->request.length;
	char credentials[PARENT_CREDENTIALS_SIZE] = "";
	size_t len = e->len - e->request.length;
	struct body_part part;

	if (e->upstream != NULL)
		parent_credentials(credentials, e->upstream);
	if (rewrite_request(e, rules, credentials, e->client) != 0)
		return -1;
	secret_wipe(credentials, sizeof(credentials));
	if (body_take(&e->up, rest, len, &part) != 0)
		return -1;
	rewrite_content(part.bytes, part.len);
	return part.used < len ? next_keep(e, rest + part.used, len - part.used)
			       : 0;
}

/*
 * Sends the request to the server, or to the http parent, that was connected.
 * Returns as forward_ready().
 */
enum forward_state
forward_begin(struct tunnel *t, struct exchange *e)
{
	const struct request *req = &e->request;
	size_t received;

	e->reverse = reverse;
	body_begin(
	    &e->up, req->chunked ? BODY_CHUNKED : BODY_LENGTH, req->content, 0);
	if (request_write(e) != 0)
		return FORWARD_BAD_REQUEST;
	received = as_sent(e, e->len - e->next_len);
	t->flow[CLIENT].bytes = received;
	relay_charge(t, CLIENT, received);
	if (!may_repeat(e))
		head_shorten(e);
	return head_pass(t, e, CLIENT);
}

/*
 * Makes an exchange after FORWARD_AGAIN as it was before forward_begin().  The
 * client's connection is kept if the client agrees; the caller may not.
 */
void
forward_rewind(struct exchange *e)
{
	next_drop(e);
	answer_drop(e);
	memset(&e->answer, 0, sizeof(e->answer));
	e->upstream = NULL;
	e->reused = e->cut = false;
	e->keep = e->lasts;
}

/*
 * Whether the connection to the server can get another request after the answer:
 * nobody could see the end of this one elsewhere.
 */
bool
forward_stays(const struct tunnel *t, const struct exchange *e)
{
	return e->keep && e->stays && e->up.done && !e->down.odd &&
	    !t->end[CLIENT].ended && !t->end[SERVER].hung_up;
}

/*
 * Whether more may be received from a side, or its end of file, and there is
 * room for it.
 */
static bool
side_open(const struct tunnel *t, const struct exchange *e, enum side side)
{

	if (relay_holds(t, side))
		return false;
	return side == CLIENT ? !e->up.done
			      : !e->answered || !e->down.done || e->over;
}

/*
 * Answers a request whose Max-Forwards is used up.  What the client sends after
 * it is not read.  Returns as forward_ready().
 */
enum forward_state
forward_reply(struct tunnel *t, struct exchange *e)
{
	const char *text;
	size_t len;

	if (rewrite_method_is(e, "TRACE"))
		rewrite_trace(e, e->target);
	else
		rewrite_options();
	text = rewrite_text(&len);
	e->answer.status = 200;
	e->answered = e->down.done = e->up.done = true;
	e->keep = false;
	t->flow[CLIENT].bytes = as_sent(e, e->request.length);
	t->flow[SERVER].bytes = len;
	return pass(t, e, SERVER, text, len);
}

/* Returns the poll() events for a side. */
short
forward_events(const struct tunnel *t, const struct exchange *e, enum side side)
{
	int events = 0;

	if (side_open(t, e, side) && !relay_rests(t, side))
		events |= POLLIN;
	if (relay_holds(t, other(side)))
		events |= POLLOUT;
	return (short)events;
}

/* Reads some content of the request and passes it on. */
static enum forward_state
client_read(struct tunnel *t, struct exchange *e)
{
	ssize_t got =
	    recv(t->end[CLIENT].fd, buffer, relay_most(sizeof(buffer)), 0);
	struct body_part part;

	if (got < 0 && socket_is_passing(errno))
		return FORWARD_GOES_ON;
	if (got <= 0)
		return FORWARD_CLIENT_LOST;
	relay_charge(t, CLIENT, (size_t)got);
	if (body_take(&e->up, buffer, (size_t)got, &part) != 0)
		return FORWARD_BAD_REQUEST;
	t->flow[CLIENT].bytes += part.used;
	if (part.used < (size_t)got &&
	    next_keep(e, buffer + part.used, (size_t)got - part.used) != 0)
		return FORWARD_CLIENT_LOST;
	return pass(t, e, CLIENT, part.bytes, part.len);
}

/*
 * Makes room for more of an answer's head, of which the first bytes may be in
 * the buffer.  Returns 0, or -1 with ENOMEM.
 */
static int
answer_grow(struct exchange *e)
{
	size_t size = e->size == 0 ? ANSWER_SIZE_MIN : e->size;
	char *grown;

	while (size <= e->bytes_len)
		size *= 2;
	if (size == e->size)
		return 0;
	grown = store_permits(size) ? store_new(size) : NULL;
	if (grown == NULL)
		return -1;
	memcpy(grown, e->bytes, e->bytes_len);
	if (e->bytes != buffer)
		store_free(e->bytes, e->size);
	e->bytes = grown;
	e->size = size;
	return 0;
}

/* Removes the head of an interim answer; what was received after it stays. */
static void
answer_shift(struct exchange *e, size_t len)
{
	e->bytes_len -= len;
	memmove(e->bytes, e->bytes + len, e->bytes_len);
	memset(&e->answer, 0, sizeof(e->answer));
}

/* Passes on an interim answer, RFC 9110 15.2; HTTP/1.0 clients get none. */
static enum forward_state
interim_pass(struct tunnel *t, struct exchange *e)
{
	enum forward_state state = FORWARD_GOES_ON;

	if (e->request.minor) {
		if (rewrite_answer(e) != 0)
			return failed(e, "sent a head that is too large.");
		state = head_pass(t, e, SERVER);
	}
	answer_shift(e, e->answer.head_len);
	return state;
}

/* Says in the log that some lines of a head are not passed on. */
static void
log_nameless(const struct exchange *e)
{
	if (e->answer.nameless)
		log_line(LOG_LEVEL_NOTICE,
		    "Left out lines without a field name of the answer from %s",
		    e->target);
}

/*
 * Whether the head of an answer permits another request on its connection.  What
 * has no content, but fields for it, has content for some servers.
 */
static bool
answer_stays(const struct exchange *e)
{
	const struct http_answer *a = &e->answer;

	return e->keep && !e->upgrade && !e->early && e->interim == 0 &&
	    a->minor && !a->odd && !rewrite_answer_closes(e) &&
	    !(is_empty(e) && (a->chunked || a->length > 0));
}

/* Passes on the head of the answer, and the content received with it. */
static enum forward_state
answer_pass(struct tunnel *t, struct exchange *e)
{
	char *rest = e->bytes + e->answer.head_len;
	size_t len = e->bytes_len - e->answer.head_len;
	struct body_part part = { rest, len, len };

	log_nameless(e);

	answer_body(e);
	/* A server that answers early may never read the rest. */
	if (!e->up.done || relay_holds(t, CLIENT) ||
	    e->down.kind == BODY_TO_END || e->down.strip || e->answer.icy)
		e->keep = false;
	e->stays = answer_stays(e);
	if (rewrite_answer(e) != 0)
		return failed(e, "sent a head that is too large.");
	if (e->answer.status != 101 &&
	    body_take(&e->down, rest, len, &part) != 0)
		return failed(e, "sent malformed chunks.");
	e->answered = true;
	e->stays = e->stays && part.used == len;
	rewrite_content(part.bytes, part.len);
	answer_drop(e);
	return head_pass(t, e, SERVER);
}

/* Parses what was received of an answer, and passes on complete heads. */
static enum forward_state
answer_take(struct tunnel *t, struct exchange *e)
{
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
			return failed(
			    e, "asked this proxy for credentials (407).");
		if (status == 101 && (!e->upgrade || !e->up.done))
			return failed(
			    e, "changed the protocol without being asked.");
		if (status >= 200 || status == 101)
			return answer_pass(t, e);
		e->interim_size += e->answer.head_len;
		if (++e->interim > INTERIM_MAX ||
		    e->interim_size > INTERIM_SIZE)
			return failed(
			    e, "sent too many interim answers (1xx).");
		state = interim_pass(t, e);
		if (state != FORWARD_GOES_ON)
			return state;
		/* The next head must wait until this one is sent. */
		if (relay_holds(t, SERVER))
			return FORWARD_GOES_ON;
	}
}

/* Handles the server's end of file, or its reset if not cleanly. */
static enum forward_state
server_ended(struct tunnel *t, struct exchange *e, bool cleanly)
{

	if (e->over) {
		upload_end(t, e, !cleanly);
		return forward_state(t, e);
	}
	if (!e->answered && may_repeat(e))
		return FORWARD_AGAIN;
	if (!e->answered)
		return failed(e, "closed the connection without an answer.");
	if (e->down.kind != BODY_TO_END || !cleanly || e->cut)
		return failed(e, "closed the connection too early.");
	e->down.done = true;
	return forward_state(t, e);
}

/*
 * Takes bytes of an answer's head.  Most heads come in one piece, and are read
 * where they are; of another one a copy is kept.
 */
static enum forward_state
answer_read(struct tunnel *t, struct exchange *e, size_t len)
{
	enum forward_state state;

	if (e->bytes == NULL)
		e->bytes = buffer;
	e->bytes_len += len;
	state = answer_take(t, e);
	if (e->bytes != buffer)
		return state;
	if (state != FORWARD_GOES_ON || e->bytes_len == 0) {
		answer_drop(e);
		return state;
	}
	if (answer_grow(e) == 0)
		return state;
	answer_drop(e);
	return failed(e, no_memory);
}

/* Reads some of the answer, its head or its content. */
static enum forward_state
server_read(struct tunnel *t, struct exchange *e)
{
	char *to = buffer;
	size_t size = relay_most(sizeof(buffer));
	struct body_part part;
	ssize_t n;

	if (e->bytes != NULL) {
		if (answer_grow(e) != 0)
			return failed(e, no_memory);
		to = e->bytes + e->bytes_len;
		size = e->size - e->bytes_len;
	}
	n = recv(t->end[SERVER].fd, to, size, 0);
	if (n < 0 && socket_is_passing(errno))
		return FORWARD_GOES_ON;
	if (n <= 0)
		return server_ended(t, e, n == 0);
	if (e->over)
		return FORWARD_GOES_ON;
	t->flow[SERVER].bytes += (uint64_t)n;
	relay_charge(t, SERVER, (size_t)n);
	e->early = e->early || !e->up.done || relay_holds(t, CLIENT);
	if (!e->answered)
		return answer_read(t, e, (size_t)n);
	if (body_take(&e->down, buffer, (size_t)n, &part) != 0)
		return failed(e, "sent malformed chunks.");
	e->stays = e->stays && part.used == (size_t)n;
	return pass(t, e, SERVER, part.bytes, part.len);
}

/*
 * Does what poll() says can be done at one side: one read at most, and one
 * write each way.  Returns FORWARD_GOES_ON; FORWARD_DONE when the client has
 * the whole answer; FORWARD_SWITCHED when a tunnel follows; or what went
 * wrong.  After FORWARD_SERVER_LOST the exchange's why is a sentence without
 * its subject, such as "sent malformed chunks."  FORWARD_AGAIN means that the
 * server has closed a kept connection: forward_rewind() makes the request ready
 * for a new one.
 */
enum forward_state
forward_ready(
    struct tunnel *t, struct exchange *e, enum side side, short revents)
{
	bool reads = (forward_events(t, e, side) & POLLIN) != 0;
	enum side lost;

	if (revents & POLLOUT &&
	    relay_flush(t, other(side), &lost) == RELAY_LOST) {
		if (side == CLIENT)
			return FORWARD_CLIENT_LOST;
		upload_end(t, e, errno == ECONNRESET);
	}
	if (!reads && revents & (POLLERR | POLLHUP | POLLNVAL)) {
		/* A client that has the whole answer may still be sending. */
		if (side == CLIENT && !e->over)
			return FORWARD_CLIENT_LOST;
		t->end[side].hung_up = true;
	}
	if (side == CLIENT && revents & POLLOUT && !e->answered &&
	    e->bytes_len > 0 && !relay_holds(t, SERVER))
		return answer_take(t, e);
	if (reads && revents & (POLLIN | POLLERR | POLLHUP))
		return side == CLIENT ? client_read(t, e) : server_read(t, e);
	return forward_state(t, e);
}
