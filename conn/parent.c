/* SPDX-License-Identifier: ISC */
/*
 * Asks a parent proxy for a tunnel: by CONNECT for http, SOCKS4 with names
 * (4a), or SOCKS5 with or without credentials.  A parent's answers are not
 * trusted: their length is bounded, and only a status leaves this file.  No
 * byte of the tunnel is sent before the parent has agreed.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "bounds.h"
#include "parent.h"
#include "parse.h"
#include "refusal.h"
#include "upstream.h"

enum {
	STEPS_MAX = 8,       /* most calls of send or recv in one turn */
	INTERIM_MAX = 16,    /* most interim (1xx) answers */
	SOCKS4_REPLY = 8,    /* bytes */
	SOCKS4_GRANTED = 90, /* the code for success */
	SOCKS5 = 5,          /* the version, RFC 1928 */
	SOCKS5_IPV4 = 1,     /* types of addresses */
	SOCKS5_NAME = 3,
	SOCKS5_IPV6 = 4,
	SOCKS5_OPEN = 0,    /* methods: no credentials */
	SOCKS5_PASSWORD = 2 /* RFC 1929 */
};

/* The message that is awaited. */
enum step { HTTP_HEAD, SOCKS4_ANSWER, METHOD, PASSWORD, SOCKS5_ANSWER };

/* Outcomes. */

static enum parent_state
broken(struct parent *p, enum refusal refusal)
{
	p->refusal = refusal;
	return PARENT_BROKEN;
}

static enum parent_state
malformed(struct parent *p)
{
	return broken(p, REFUSE_PARENT_MALFORMED);
}

static enum parent_state
refused(struct parent *p, enum refusal refusal)
{
	p->refusal = refusal;
	return PARENT_REFUSED;
}

/* The parent has agreed; what was received after that many bytes is data. */
static enum parent_state
agreed(struct parent *p, size_t bytes)
{
	p->at = bytes;
	return PARENT_AGREED;
}

/* Makes the first len bytes the next message, and sets the awaited answer. */
static enum parent_state
message(struct parent *p, size_t len, int awaited)
{
	p->at = 0;
	p->len = len;
	p->scanned = 0;
	p->step = awaited;
	return PARENT_SENDS;
}

/* The messages.  Each fits in bytes: the parts of a request are bounded. */

static size_t
put(struct parent *p, size_t at, const void *bytes, size_t len)
{
	memcpy(p->bytes + at, bytes, len);
	return at + len;
}

static size_t
put_byte(struct parent *p, size_t at, unsigned byte)
{
	p->bytes[at] = (char)(unsigned char)byte;
	return at + 1;
}

static size_t
put_port(struct parent *p, size_t at)
{
	at = put_byte(p, at, p->request->port >> 8);
	return put_byte(p, at, p->request->port & 0xff);
}

/* Writes text as base64, RFC 4648 4, without a NUL.  Returns its end. */
static char *
base64(char *out, const char *text)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i += 3) {
		unsigned char in[3] = { 0 };

		memcpy(in, text + i, len - i < 3 ? len - i : 3);
		*out++ = digits[in[0] >> 2];
		*out++ = digits[(in[0] & 3) << 4 | in[1] >> 4];
		*out++ =
		    len - i < 2 ? '=' : digits[(in[1] & 15) << 2 | in[2] >> 6];
		*out++ = len - i < 3 ? '=' : digits[in[2] & 63];
	}
	return out;
}

/*
 * Writes the Proxy-Authorization field for a parent, RFC 9110 11.7.2, with its
 * CRLF; or "" if no credentials are configured for it.  Returns the length.
 */
size_t
parent_credentials(char out[PARENT_CREDENTIALS_SIZE], const struct upstream *u)
{
	static const char name[] = "Proxy-Authorization: Basic ";
	char pair[2 * CREDENTIAL_SIZE], *end;

	out[0] = '\0';
	if (u->user == NULL)
		return 0;
	snprintf(pair, sizeof(pair), "%s:%s", u->user, u->password);
	memcpy(out, name, sizeof(name) - 1);
	end = base64(out + sizeof(name) - 1, pair);
	memcpy(end, "\r\n", 3);
	return (size_t)(end + 2 - out);
}

/* A CONNECT, RFC 9110 9.3.6. */
static enum parent_state
http_request(struct parent *p)
{
	char where[HOST_SIZE + 8];
	size_t at;

	snprintf(where, sizeof(where),
	    strchr(p->request->host, ':') != NULL ? "[%s]:%u" : "%s:%u",
	    p->request->host, (unsigned)p->request->port);
	at = (size_t)snprintf(p->bytes, sizeof(p->bytes),
	    "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", where, where);
	at += parent_credentials(p->bytes + at, p->upstream);
	at += (size_t)snprintf(
	    p->bytes + at, sizeof(p->bytes) - at, "%s\r\n", p->via);
	return message(p, at, HTTP_HEAD);
}

/* A SOCKS4 request; without an IPv4 address, one with a name: SOCKS4a. */
static enum parent_state
socks4_request(struct parent *p)
{
	const struct request *req = p->request;
	bool has_ip = req->literal && addr_is4(&req->addr);
	const char *user = p->upstream->user != NULL ? p->upstream->user : "";
	size_t at = put(p, 0, "\4\1", 2);

	at = put_port(p, at);
	at = put(
	    p, at, has_ip ? (const char *)req->addr.ip + 12 : "\0\0\0\1", 4);
	at = put(p, at, user, strlen(user) + 1);
	if (!has_ip)
		at = put(p, at, req->host, strlen(req->host) + 1);
	return message(p, at, SOCKS4_ANSWER);
}

static enum parent_state
socks5_greeting(struct parent *p)
{
	bool has_password = p->upstream->user != NULL;
	size_t at = put_byte(p, 0, SOCKS5);

	at = put_byte(p, at, has_password ? 2 : 1);
	at = put_byte(p, at, SOCKS5_OPEN);
	if (has_password)
		at = put_byte(p, at, SOCKS5_PASSWORD);
	return message(p, at, METHOD);
}

static enum parent_state
socks5_password(struct parent *p)
{
	const char *user = p->upstream->user, *password = p->upstream->password;
	size_t at = put_byte(p, 0, 1);

	at = put_byte(p, at, (unsigned)strlen(user));
	at = put(p, at, user, strlen(user));
	at = put_byte(p, at, (unsigned)strlen(password));
	at = put(p, at, password, strlen(password));
	return message(p, at, PASSWORD);
}

static enum parent_state
socks5_request(struct parent *p)
{
	const struct request *req = p->request;
	size_t at = put_byte(p, 0, SOCKS5), len = strlen(req->host);

	at = put(p, at, "\1\0", 2);
	if (!req->literal) {
		at = put_byte(p, at, SOCKS5_NAME);
		at = put_byte(p, at, (unsigned)len);
		at = put(p, at, req->host, len);
	} else if (addr_is4(&req->addr)) {
		at = put_byte(p, at, SOCKS5_IPV4);
		at = put(p, at, req->addr.ip + 12, 4);
	} else {
		at = put_byte(p, at, SOCKS5_IPV6);
		at = put(p, at, req->addr.ip, 16);
	}
	at = put_port(p, at);
	return message(p, at, SOCKS5_ANSWER);
}

/* The answers. */

/* Handles a status that is not a success; see RFC 9209 2.1.4. */
static enum parent_state
http_refusal(struct parent *p, int status)
{
	if (status < 400 || status > 599)
		return malformed(p);
	p->received = status;
	/* Its challenge is for us, RFC 9110 11.7.1, and not for the client. */
	if (status == 401 || status == 407)
		return broken(p, REFUSE_PARENT_LOGIN);
	return refused(p,
	    status == 504       ? REFUSE_PARENT_SLOW
		: status >= 500 ? REFUSE_PARENT_FAILS
				: REFUSE_PARENT_DENIES);
}

/* Returns the length of a complete head; 0: incomplete; -1: malformed. */
static ssize_t
head_length(struct parent *p)
{
	static const char begin[] = "HTTP/1.";
	size_t first = p->len < 7 ? p->len : 7;

	if (memcmp(p->bytes, begin, first) != 0)
		return -1;
	for (size_t i = p->scanned; i < p->len; i++) {
		if (p->bytes[i] == '\0' ||
		    (p->bytes[i] == '\n' && p->bytes[i - 1] != '\r'))
			return -1;
		if (i >= 3 && memcmp(p->bytes + i - 3, "\r\n\r\n", 4) == 0)
			return (ssize_t)i + 1;
	}
	p->scanned = p->len;
	return p->len == sizeof(p->bytes) ? -1 : 0;
}

/* Returns the status of "HTTP/1.1 200 ..."; 0 if it is malformed. */
static int
status_parse(const char *line)
{
	int status = 0;

	if (line[7] < '0' || line[7] > '9' || line[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		status = status * 10 + line[i] - '0';
	}
	return line[12] == ' ' || line[12] == '\r' ? status : 0;
}

/* Handles the answer to CONNECT, and skips interim ones before it. */
static enum parent_state
http_head(struct parent *p)
{
	for (;;) {
		ssize_t len = head_length(p);
		int status;

		if (len == 0)
			return PARENT_READS;
		status = len < 0 ? 0 : status_parse(p->bytes);
		if (status >= 200 && status <= 299)
			return agreed(p, (size_t)len);
		if (status < 100 || status == 101 ||
		    (status < 200 && p->interim++ == INTERIM_MAX))
			return malformed(p);
		if (status >= 200)
			return http_refusal(p, status);
		p->len -= (size_t)len;
		p->scanned = 0;
		memmove(p->bytes, p->bytes + len, p->len);
	}
}

static unsigned
byte_at(const struct parent *p, size_t at)
{
	return (unsigned char)p->bytes[at];
}

static enum parent_state
socks4_answer(struct parent *p)
{
	if (byte_at(p, 0) != 0)
		return malformed(p);
	if (p->len < SOCKS4_REPLY)
		return PARENT_READS;
	if (byte_at(p, 1) == SOCKS4_GRANTED)
		return agreed(p, SOCKS4_REPLY);
	if (byte_at(p, 1) > SOCKS4_GRANTED && byte_at(p, 1) <= 93)
		return refused(p, REFUSE_SOCKS_REJECTED);
	return malformed(p);
}

/* The parent has chosen one of the offered methods: sends what follows. */
static enum parent_state
socks5_method(struct parent *p)
{
	if (byte_at(p, 0) != SOCKS5 || p->len > 2)
		return malformed(p);
	if (p->len < 2)
		return PARENT_READS;
	if (byte_at(p, 1) == SOCKS5_OPEN)
		return socks5_request(p);
	if (byte_at(p, 1) == SOCKS5_PASSWORD && p->upstream->user != NULL)
		return socks5_password(p);
	return byte_at(p, 1) != 0xff ? malformed(p)
				     : broken(p, REFUSE_PARENT_LOGIN);
}

/* The answer to the password, RFC 1929 2. */
static enum parent_state
socks5_verdict(struct parent *p)
{
	if (p->len > 2)
		return malformed(p);
	if (p->len < 2)
		return PARENT_READS;
	if (byte_at(p, 1) != 0)
		return broken(p, REFUSE_PARENT_LOGIN);
	return socks5_request(p);
}

/* A reply code that is not success, RFC 1928 6. */
static enum parent_state
socks5_refusal(struct parent *p, unsigned code)
{
	static const enum refusal refusals[] = {
		[1] = REFUSE_SOCKS_FAILED,
		[2] = REFUSE_SOCKS_RULES,
		[3] = REFUSE_SOCKS_ROUTE,
		[4] = REFUSE_SOCKS_ROUTE,
		[5] = REFUSE_SOCKS_REFUSED,
		[6] = REFUSE_SOCKS_SLOW,
		[7] = REFUSE_SOCKS_COMMAND,
		[8] = REFUSE_SOCKS_ADDRESS,
	};

	if (code >= sizeof(refusals) / sizeof(*refusals))
		return malformed(p);
	return refused(p, refusals[code]);
}

/* The reply, RFC 1928 6; its length depends on the type of its address. */
static enum parent_state
socks5_answer(struct parent *p)
{
	size_t len = 4 + 2;

	if (byte_at(p, 0) != SOCKS5)
		return malformed(p);
	if (p->len >= 2 && byte_at(p, 1) != 0)
		return socks5_refusal(p, byte_at(p, 1));
	if (p->len < 5)
		return PARENT_READS;
	switch (byte_at(p, 3)) {
	case SOCKS5_IPV4:
		len += 4;
		break;
	case SOCKS5_IPV6:
		len += 16;
		break;
	case SOCKS5_NAME:
		len += 1 + byte_at(p, 4);
		break;
	default:
		return malformed(p);
	}
	return p->len < len ? PARENT_READS : agreed(p, len);
}

/*
 * Prepares the first message to a parent: a tunnel to the target of a request.
 * via is a whole Via field, or "".  The arguments stay the caller's, and must
 * live as long as the parent structure is in use.
 */
void
parent_begin(struct parent *p, const struct upstream *u,
    const struct request *request, const char *via)
{
	p->upstream = u;
	p->request = request;
	p->via = via;
	p->interim = 0;
	p->received = 0;
	p->state = u->kind == UPSTREAM_HTTP ? http_request(p)
	    : u->kind == UPSTREAM_SOCKS4    ? socks4_request(p)
					    : socks5_greeting(p);
}

/*
 * Puts a PROXY header in front of the first message, so that both go out in one
 * write.  Must be called right after parent_begin().
 */
void
parent_preface(struct parent *p, const char *header, size_t len)
{
	assert(p->at == 0 && p->len + len <= sizeof(p->bytes));
	memmove(p->bytes + len, p->bytes, p->len);
	memcpy(p->bytes, header, len);
	p->len += len;
}

/*
 * Parses what a parent has sent: bytes[0] to bytes[len - 1], at least one byte.
 * Returns PARENT_READS if it is incomplete; PARENT_SENDS if bytes[at] to
 * bytes[len - 1] must be sent next; or how the talk ended.
 */
enum parent_state
parent_take(struct parent *p)
{
	switch (p->step) {
	case HTTP_HEAD:
		return http_head(p);
	case SOCKS4_ANSWER:
		return socks4_answer(p);
	case METHOD:
		return socks5_method(p);
	case PASSWORD:
		return socks5_verdict(p);
	default:
		return socks5_answer(p);
	}
}

/* Sends the message, or as much as the socket takes. */
static enum parent_state
parent_send(struct parent *p, int fd)
{
	ssize_t n = send(fd, p->bytes + p->at, p->len - p->at, MSG_NOSIGNAL);

	if (n < 0)
		return PARENT_BROKEN;
	p->at += (size_t)n;
	if (p->at < p->len)
		return PARENT_SENDS;
	p->len = 0;
	return PARENT_READS;
}

static enum parent_state
parent_receive(struct parent *p, int fd)
{
	ssize_t n = recv(fd, p->bytes + p->len, sizeof(p->bytes) - p->len, 0);

	if (n <= 0) {
		errno = n == 0 ? ECONNRESET : errno;
		return PARENT_BROKEN;
	}
	p->len += (size_t)n;
	return parent_take(p);
}

/*
 * Talks to a parent until the socket would block.  Returns, and keeps in state:
 * PARENT_SENDS or PARENT_READS if it must wait to write or read;
 * PARENT_AGREED: bytes[at] to bytes[len - 1] are data of the tunnel;
 * PARENT_REFUSED: the parent refuses this target; or PARENT_BROKEN: it has
 * failed.  With the last two, refusal is the answer for the client, and
 * received the status of an http parent, or 0.
 */
enum parent_state
parent_talk(struct parent *p, int fd)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		enum parent_state before = p->state;

		if (before != PARENT_SENDS && before != PARENT_READS)
			break;
		p->refusal = REFUSE_NOTHING;
		p->state = before == PARENT_SENDS ? parent_send(p, fd)
						  : parent_receive(p, fd);
		if (p->state != PARENT_BROKEN || p->refusal != REFUSE_NOTHING)
			continue;
		if (errno == EAGAIN || errno == EINTR) {
			p->state = before;
			break;
		}
		p->state = broken(p, REFUSE_PARENT_CLOSED);
	}
	return p->state;
}
