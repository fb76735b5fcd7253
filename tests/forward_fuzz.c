/* SPDX-License-Identifier: ISC */
/* LINK: conn/forward.c conn/store.c http/http.c parse.c base/addr.c base/local.c base/secret.c http/reverse.c http/rewrite.c http/fields.c base/name.c base/socket.c http/refusal.c base/array.c */
/*
 * An entry for libFuzzer.  A client and a server send any bytes, in any pieces.
 * To each of them forward.c passes on nothing, a part of one message, or
 * exactly one message in the plainest form of the standard.  The input is the
 * request, two NUL bytes, and the answer.
 */
#define _GNU_SOURCE

#include <sys/socket.h>

#include <assert.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PASSED_MAX = 1024 * 1024 /* bytes that are passed on, at most */ };

/* What has arrived from each side, and what was passed on. */
static char passed[2][PASSED_MAX];
static size_t passed_len[2];

/* Replaces log.c: it only reads the arguments. */
void
log_line(enum log_level level, const char *format, ...)
{
	char line[512];
	va_list ap;

	(void)level;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
}

/* Replaces relay.c: all bytes are taken at once. */

int
relay_pass(struct tunnel *t, enum side side, const char *bytes, size_t len)
{
	(void)t;
	assert(len <= PASSED_MAX - passed_len[side]);
	memcpy(passed[side] + passed_len[side], bytes, len);
	passed_len[side] += len;
	return 0;
}

enum relay_state
relay_flush(struct tunnel *t, enum side side, enum side *lost)
{
	(void)t, (void)side, (void)lost;
	return RELAY_GOES_ON;
}

bool
relay_holds(const struct tunnel *t, enum side side)
{
	(void)t, (void)side;
	return false;
}

bool
relay_rests(const struct tunnel *t, enum side side)
{
	(void)t, (void)side;
	return false;
}

void
relay_charge(struct tunnel *t, enum side side, size_t got)
{
	(void)t, (void)side, (void)got;
}

void
relay_drop(struct tunnel *t, enum side side)
{
	(void)t, (void)side;
}

size_t
relay_most(size_t size)
{
	return size;
}

/* These replace via.c and parent.c. */

bool
via_entry(char text[VIA_ENTRY_SIZE], bool minor)
{
	memcpy(text, minor ? "1.1 a" : "1.0 a", 6);
	return true;
}

size_t
parent_credentials(char out[PARENT_CREDENTIALS_SIZE], const struct upstream *u)
{
	(void)u;
	out[0] = '\0';
	return 0;
}

/* A reader that follows the standard. */

/* One line without its CR LF; NULL if it is incomplete. */
static char *
line_next(char **at, char *end, size_t *len)
{
	char *line = *at, *cr = memmem(line, (size_t)(end - line), "\r\n", 2);

	if (cr == NULL)
		return NULL;
	*len = (size_t)(cr - line);
	*at = cr + 2;
	for (size_t i = 0; i < *len; i++)
		assert((unsigned char)line[i] >= 0x20 || line[i] == '\t');
	assert(memchr(line, 0x7f, *len) == NULL);
	return line;
}

struct message {
	bool chunked, has_length, closes;
	unsigned hosts;
	size_t length;
	char *line;
	size_t line_len;
};

static bool
is(const char *s, size_t len, const char *wanted)
{
	return len == strlen(wanted) && strncasecmp(s, wanted, len) == 0;
}

static void
field_read(struct message *m, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len), *value;
	size_t name_len, value_len;

	assert(colon != NULL);
	name_len = (size_t)(colon - line);
	assert(parse_is_token(line, name_len));
	value = colon + 1;
	value_len = len - name_len - 1;
	if (value_len > 0 && *value == ' ')
		value++, value_len--;
	m->hosts += is(line, name_len, "Host");
	assert(!is(line, name_len, "TE"));
	assert(!is(line, name_len, "Keep-Alive"));
	assert(!is(line, name_len, "Proxy-Connection"));
	assert(!is(line, name_len, "Proxy-Authorization"));
	assert(!is(line, name_len, "Proxy-Authenticate"));
	if (is(line, name_len, "Connection")) {
		assert(!m->closes);
		assert(is(value, value_len, "close") ||
		    is(value, value_len, "upgrade"));
		m->closes = is(value, value_len, "close");
	} else if (is(line, name_len, "Transfer-Encoding")) {
		assert(!m->chunked && is(value, value_len, "chunked"));
		m->chunked = true;
	} else if (is(line, name_len, "Content-Length")) {
		char *rest;

		assert(!m->has_length && value_len > 0 && *value >= '0');
		m->length = strtoull(value, &rest, 10);
		assert(rest == value + value_len);
		m->has_length = true;
	}
}

/* Reads a head; NULL when it is incomplete. */
static char *
head_read(struct message *m, char *at, char *end)
{
	char *line;
	size_t len;

	memset(m, 0, sizeof(*m));
	m->line = line_next(&at, end, &m->line_len);
	if (m->line == NULL)
		return NULL;
	while ((line = line_next(&at, end, &len)) != NULL && len > 0)
		field_read(m, line, len);
	assert(!m->chunked || !m->has_length);
	return line == NULL ? NULL : at;
}

/* Reads chunks; returns their end, or NULL when they are incomplete. */
static char *
chunks_read(char *at, char *end, bool has_trailers)
{
	char *line, *rest;
	size_t len, size;

	for (;;) {
		line = line_next(&at, end, &len);
		if (line == NULL)
			return NULL;
		size = strtoull(line, &rest, 16);
		assert(len > 0 && rest == line + len && *line >= '0');
		if (size == 0)
			break;
		if ((size_t)(end - at) < size + 2)
			return NULL;
		assert(memcmp(at + size, "\r\n", 2) == 0);
		at += size + 2;
	}
	while ((line = line_next(&at, end, &len)) != NULL && len > 0) {
		struct message none = { 0 };

		assert(has_trailers);
		field_read(&none, line, len);
		assert(!none.chunked && !none.has_length && !none.hosts);
	}
	return line == NULL ? NULL : at;
}

/*
 * The end of the content, or NULL if it is incomplete.  That of a request has
 * no trailers.
 */
static char *
content_read(const struct message *m, char *at, char *end, bool has_trailers)
{
	if (m->chunked)
		return chunks_read(at, end, has_trailers);
	if ((size_t)(end - at) < m->length)
		return NULL;
	return at + m->length;
}

/* What a server has received. */
static bool
request_check(const struct request *req)
{
	char *at = passed[CLIENT], *end = at + passed_len[CLIENT];
	struct message m;

	at = head_read(&m, at, end);
	assert(at != NULL && m.hosts == 1);
	assert(m.line_len > 9 &&
	    memcmp(m.line + m.line_len - 9, " HTTP/1.1", 9) == 0);
	m.line_len -= 9;
	assert(memchr(m.line, '\t', m.line_len) == NULL);
	assert(memchr(m.line, ' ', m.line_len) ==
	    memrchr(m.line, ' ', m.line_len));
	for (size_t i = 0; i < m.line_len; i++)
		assert((unsigned char)m.line[i] < 0x80);
	assert(m.chunked == req->chunked && m.length == req->content);
	assert(memchr(memchr(m.line, ' ', m.line_len), '#',
		   m.line_len - req->method.len) == NULL);
	at = content_read(&m, at, end, false);
	assert(at == NULL || at == end);
	if (req->mapping != NULL) {
		const char *path = (char *)memchr(m.line, ' ', m.line_len) + 1;

		assert(memcmp(path, "/p/", 3) == 0);
		assert(memcmp(m.line + m.line_len + 9, "\r\nHost: h:81\r\n",
			   14) == 0);
	}
	return at != NULL;
}

/* What a client has received; status is that of the answer, once complete. */
static void
answer_check(const struct exchange *e, enum forward_state state)
{
	char *at = passed[SERVER], *end = at + passed_len[SERVER];
	bool nothing = e->request.method.len == 4 &&
	    memcmp(e->head + e->request.method.at, "HEAD", 4) == 0;
	struct message m;
	int status;

	if (!e->answered)
		assert(state != FORWARD_DONE);
	do {
		if (at == end)
			return;
		at = head_read(&m, at, end);
		assert(at != NULL && m.line_len >= 13);
		status = (int)strtol(m.line + 9, NULL, 10);
		assert(memcmp(m.line,
			   status >= 200 && e->answer.icy ? "HTTP/1.0 "
							  : "HTTP/1.1 ",
			   9) == 0);
		assert(m.line[12] == ' ');
		assert(status >= 100 && status <= 999);
		assert(status >= 200 || e->request.minor);
	} while (status < 200 && status != 101);
	assert(status == e->answer.status && status != 407);
	if (status == 101) {
		assert(e->upgrade && state == FORWARD_SWITCHED);
		return;
	}
	assert(!m.chunked || (e->request.minor && !e->answer.icy));
	assert(!e->answer.icy || m.closes);
	assert(!m.closes || !e->keep);
	if (nothing || status == 204 || status == 304) {
		assert(at == end);
		return;
	}
	if (!m.chunked && !m.has_length) {
		assert(m.closes);
		return;
	}
	at = content_read(&m, at, end, true);
	assert(at == NULL || at == end);
	assert((at != NULL) == e->down.done);
}

/* Drives an exchange. */

/* Lets forward.c read some bytes, in two pieces, and their end. */
static enum forward_state
feed(
    struct conn *c, enum side side, const uint8_t *bytes, size_t len, bool ends)
{
	size_t cut = len > 0 ? bytes[len - 1] % len : 0;
	enum forward_state state = FORWARD_GOES_ON;
	int pair[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	c->tunnel.end[side].fd = pair[0];
	for (int part = 0; part < 2; part++) {
		size_t from = part == 0 ? 0 : cut, to = part == 0 ? cut : len;

		if (to > from)
			assert(send(pair[1], bytes + from, to - from, 0) ==
			    (ssize_t)(to - from));
		if (part == 1 && ends)
			shutdown(pair[1], SHUT_WR);
		for (int turn = 0; turn < 4 && state == FORWARD_GOES_ON; turn++)
			state = forward_ready(
			    &c->tunnel, c->exchange, side, POLLIN);
	}
	close(pair[0]);
	close(pair[1]);
	c->tunnel.end[side].fd = -1;
	return state;
}

/* A mapping as in a configuration. */
static const struct reverse *
reverse_make(void)
{
	static const struct header_rules rules;
	static struct reverse reverse;

	if (reverse.n == 0) {
		reverse.magic = true;
		assert(
		    reverse_add(&reverse, 1, "/a/", "http://h:81/p/") == NULL &&
		    reverse_base(&reverse, "https://b/c/") == NULL);
		forward_use(&rules, &reverse);
	}
	return &reverse;
}

/* A request, some of whose content arrives late, and its answer. */
static void
exchange_try(struct request *req, const uint8_t *asked, size_t asked_len,
    const uint8_t *answer, size_t answer_len)
{
	const struct reverse *reverse = reverse_make();
	struct conn c = { .tunnel.end = { { .fd = -1 }, { .fd = -1 } } };
	size_t late = (asked_len - req->length) * 2 / 3;
	size_t first = asked_len - late;
	enum forward_state state;
	char *copy = malloc(first), *head = copy;
	size_t len = first;

	passed_len[CLIENT] = passed_len[SERVER] = 0;
	assert(copy != NULL);
	memcpy(copy, asked, first);
	len = parse_cut(req, copy, len);
	c.target = strndup(copy + req->target.at, req->target.len);
	reverse_map(reverse, req, &head, &len);
	if (req->origin) {
		free(c.target);
		free(copy);
		return;
	}
	c.exchange = forward_new(req, head, len);
	free(copy);
	assert(c.exchange != NULL && c.target != NULL);
	c.exchange->client = &c.client;
	c.exchange->target = c.target;
	state = forward_begin(&c.tunnel, c.exchange);
	if (state == FORWARD_GOES_ON && !c.exchange->up.done)
		state = feed(&c, CLIENT, asked + first, late, false);
	if (passed_len[CLIENT] > 0)
		assert(request_check(req) == c.exchange->up.done);
	else
		assert(state == FORWARD_BAD_REQUEST);
	if (state == FORWARD_GOES_ON) {
		state = feed(&c, SERVER, answer, answer_len, true);
		if (c.exchange->answered || passed_len[SERVER] > 0)
			answer_check(c.exchange, state);
	}
	assert(c.tunnel.flow[CLIENT].bytes <= asked_len);
	forward_free(c.exchange);
	free(c.target);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memmem(data, size, "\0\0", 2);
	struct request req = { .takes_paths = true };
	size_t len;

	if (end == NULL)
		return 0;
	len = (size_t)(end - data);
	if (parse_head(&req, (const char *)data, len) == PARSE_OK && req.plain)
		exchange_try(&req, data, len, end + 2, size - len - 2);
	return 0;
}
