/* SPDX-License-Identifier: ISC */
/*
 * Parses requests: the request line, the fields that matter to a proxy,
 * host:port, and Basic credentials.  All input comes from strangers.  The code
 * is pure: it uses no descriptor, allocates nothing, reads no clock, and never
 * looks beyond the length it is given.  Each byte of a head is read once,
 * however the head was split, and the result does not depend on the split.
 */
#define _POSIX_C_SOURCE 200809L

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "bounds.h"
#include "name.h"
#include "parse.h"
#include "refusal.h"
#include "secret.h"

enum {
	EMPTY_LINES_MAX = 4, /* before a request line, RFC 9112 2.2 */
	LABEL_MAX = 63,      /* bytes between two dots of a host name */
	HTTP_PORT = 80       /* of a URL without a port */
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Returns whether text is a token, RFC 9110 5.6.2: a method or a field name. */
bool
parse_is_token(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_alpha(s[i]) && !is_digit(s[i]) &&
		    !is_one_of(s[i], "!#$%&'*+-.^_`|~"))
			return false;
	return len > 0;
}

/* Returns how many elements a list has, RFC 9110 5.6.1, with empty ones. */
unsigned
parse_list_len(const char *s, size_t len)
{
	unsigned n = 1;

	for (size_t i = 0; i < len; i++)
		n += s[i] == ',';
	return n;
}

static bool
is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/*
 * Returns the index of the first control character except the tab, from at on,
 * or end.
 */
size_t
parse_text_end(const char *s, size_t at, size_t end)
{
	while (at < end && !is_control(s[at]))
		at++;
	return at;
}

static enum parse_result
malformed(struct request *req, const char *why)
{
	req->refusal = REFUSE_MALFORMED;
	req->why = why;
	return PARSE_BAD;
}

/* What is wrong has a status of its own. */
static enum parse_result
refused(struct request *req, enum refusal refusal)
{
	req->refusal = refusal;
	req->why = refusal_row(refusal)->sentence;
	return PARSE_BAD;
}

/* A port is one to five digits that say 1 to 65535, without a leading 0. */
static int
port_parse(uint16_t *port, const char *s, size_t len)
{
	unsigned long n = 0;

	if (len < 1 || len > 5 || s[0] == '0')
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(s[i]))
			return -1;
		n = n * 10 + (unsigned long)(s[i] - '0');
	}
	if (n > 65535)
		return -1;
	*port = (uint16_t)n;
	return 0;
}

/*
 * Copies a host name in lower case without a trailing dot; its labels may hold
 * letters, digits, "-" and "_" only.  Returns its length, or 0 if it is
 * malformed.
 */
static size_t
name_copy(char host[HOST_SIZE], const char *s, size_t len)
{
	size_t label = 0;

	if (len > 0 && s[len - 1] == '.')
		len--;
	if (len == 0 || len >= HOST_SIZE)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.') {
			if (label == 0)
				return 0;
			label = 0;
		} else if (!is_alpha(s[i]) && !is_digit(s[i]) && s[i] != '-' &&
		    s[i] != '_')
			return 0;
		else if (++label > LABEL_MAX)
			return 0;
		host[i] = lower(s[i]);
	}
	host[len] = '\0';
	return label == 0 ? 0 : len;
}

/*
 * Reads an IPv6 address without brackets and without a zone.  Returns 0 or -1.
 */
static int
host_parse6(struct request *req, const char *s, size_t len)
{
	if (len >= HOST_SIZE || memchr(s, ':', len) == NULL ||
	    memchr(s, '%', len) != NULL || memchr(s, '\0', len) != NULL)
		return -1;
	for (size_t i = 0; i < len; i++)
		req->host[i] = lower(s[i]);
	req->host[len] = '\0';
	req->literal = true;
	return addr_parse(&req->addr, req->host);
}

/* Reads a host name, or a canonical dotted quad.  Returns 0 or -1. */
static int
host_parse(struct request *req, const char *s, size_t len)
{
	if (name_copy(req->host, s, len) == 0)
		return -1;
	req->literal = name_ends_in_number(req->host);
	if (!req->literal)
		return 0;
	return s[len - 1] == '.' ? -1 : addr_parse(&req->addr, req->host);
}

/*
 * Reads the authority-form of RFC 9112 3.2.3, "host:port", into host, literal,
 * addr and port of the request.  The host is a name, an IPv4 address, an IPv6
 * address in brackets, or an IPv6 address up to the last colon, as wget and
 * openssl send it.  Returns 0, or -1 if the text is anything else; these
 * members are then undefined.
 */
int
parse_authority(struct request *req, const char *s, size_t len)
{
	size_t colon = len, host_len;
	int ok;

	while (colon > 0 && s[colon - 1] != ':')
		colon--;
	if (colon < 2 || port_parse(&req->port, s + colon, len - colon) != 0)
		return -1;
	host_len = colon - 1;
	if (s[0] == '[' && s[host_len - 1] == ']' && host_len > 2)
		ok = host_parse6(req, s + 1, host_len - 2);
	else if (memchr(s, ':', host_len) != NULL)
		ok = host_parse6(req, s, host_len);
	else
		ok = host_parse(req, s, host_len);
	if (req->literal)
		req->addr.port = req->port;
	return ok;
}

/* RFC 9112 2.3.  Returns what to answer, REFUSE_NOTHING for 1.0 and 1.1. */
static enum refusal
version_check(const char *s, size_t len)
{
	if (len != 8 || memcmp(s, "HTTP/", 5) != 0 || !is_digit(s[5]) ||
	    s[6] != '.' || !is_digit(s[7]))
		return REFUSE_MALFORMED;
	return s[5] == '1' ? REFUSE_NOTHING : REFUSE_VERSION;
}

/*
 * Reads the port of a URL, RFC 9110 4.2.1: it may have leading zeros, and an
 * empty one means 80.
 */
static int
url_port(uint16_t *port, const char *s, size_t len)
{
	*port = HTTP_PORT;
	if (len == 0)
		return 0;
	while (len > 0 && *s == '0')
		s++, len--;
	return port_parse(port, s, len);
}

/* Reads the authority of an http URL: a host, perhaps with a port. */
static int
url_authority(struct request *req, const char *s, size_t len, bool lax)
{
	bool is6 = len > 0 && s[0] == '[';
	const char *end = is6 ? memchr(s, ']', len) : memchr(s, ':', len);
	size_t host_len = end == NULL ? len : (size_t)(end - s);
	int ok;

	if (host_len == 0 || (is6 && end == NULL))
		return -1;
	ok = is6 ? host_parse6(req, s + 1, host_len - 1)
		 : host_parse(req, s, host_len);
	s += host_len + is6;
	len -= host_len + is6;
	req->port = HTTP_PORT;
	if (ok == 0 && len > 0)
		ok = *s != ':' ? -1
		    : lax      ? url_port(&req->port, s + 1, len - 1)
			       : port_parse(&req->port, s + 1, len - 1);
	if (req->literal)
		req->addr.port = req->port;
	return ok;
}

/* Returns the length of what precedes a host: userinfo with its "@". */
static size_t
userinfo_len(const char *s, size_t len)
{
	while (len > 0 && s[len - 1] != '@')
		len--;
	return len;
}

/*
 * Reads an http URL without a fragment.  If lax, it may have userinfo, whose
 * place is stored, and a port as url_port() reads it.
 */
static int
url_parse(struct request *req, const char *s, size_t len, bool lax)
{
	size_t at = 7, end, host;

	if (len <= at || strncasecmp(s, "http://", at) != 0)
		return -1;
	for (end = at; end < len && s[end] != '/' && s[end] != '?'; end++)
		;
	host = at + userinfo_len(s + at, end - at);
	req->userinfo = (struct slice){ at, host - at };
	req->path = (struct slice){ end, len - end };
	if (!lax && host > at)
		return -1;
	return url_authority(req, s + host, end - host, lax);
}

/*
 * Reads an http URL, RFC 9110 4.2.1: its authority as parse_authority() does,
 * without userinfo, and the place of its path and query in the text.  Returns
 * 0, or -1 if the text is anything else.
 */
int
parse_url(struct request *req, const char *s, size_t len)
{
	return memchr(s, '#', len) != NULL ? -1 : url_parse(req, s, len, false);
}

/*
 * Reads the absolute-form of RFC 9112 3.2.2, which may have userinfo and a
 * fragment until parse_cut() removes them; or the origin-form of 3.2.1.
 */
static bool
plain_target(struct request *req, const char *head)
{
	size_t at = req->target.at, len = req->target.len;
	const char *fragment = memchr(head + at, '#', len);

	req->origin = req->takes_paths && head[at] == '/' && fragment == NULL;
	if (fragment != NULL)
		len = (size_t)(fragment - head) - at;
	req->fragment = (struct slice){ at + len, req->target.len - len };
	if (url_parse(req, head + at, len, true) == 0) {
		req->path.at += at;
		req->userinfo.at += at;
		return true;
	}
	req->userinfo = (struct slice){ 0, 0 };
	req->path = (struct slice){ at, len };
	return req->origin;
}

/*
 * Reads the target of a request.  A target that is not an http URL is refused
 * only at the end of the head.
 */
static enum parse_result
request_target(struct request *req, const char *head)
{
	const struct slice *m = &req->method, *t = &req->target;

	if (m->len != 7 || memcmp(head + m->at, "CONNECT", 7) != 0) {
		req->plain = plain_target(req, head);
		req->wrong_target = !req->plain;
		return PARSE_MORE;
	}
	if (parse_authority(req, head + t->at, t->len) != 0)
		return malformed(
		    req, "The target of a CONNECT must be host:port.");
	return PARSE_MORE;
}

/* Reads the request line, RFC 9112 3: METHOD SP target SP HTTP/1.x. */
static enum parse_result
request_line(struct request *req, const char *head, size_t at, size_t len)
{
	const char *line = head + at, *space = memchr(line, ' ', len);
	size_t method_len, target_len;
	enum refusal refusal;

	req->line = (struct slice){ at, len };
	if (space == NULL)
		return malformed(req, "The request line has no target.");
	method_len = (size_t)(space - line);
	target_len = len - method_len - 1;
	space = memchr(space + 1, ' ', target_len);
	if (space == NULL)
		return malformed(req, "The request line has no version.");
	target_len = (size_t)(space - line) - method_len - 1;
	req->method = (struct slice){ at, method_len };
	req->is_head = method_len == 4 && memcmp(line, "HEAD", 4) == 0;
	req->target = (struct slice){ at + method_len + 1, target_len };
	/* Some other parsers take a tab for the end of a word too. */
	if (!parse_is_token(line, method_len) || target_len == 0 ||
	    memchr(line, '\t', len) != NULL)
		return malformed(req, "The request line is malformed.");
	refusal = version_check(space + 1, len - method_len - target_len - 2);
	if (refusal == REFUSE_MALFORMED)
		return malformed(req, "The HTTP version is malformed.");
	if (refusal != REFUSE_NOTHING)
		return refused(req, refusal);
	req->minor = space[8] != '0';
	return request_target(req, head);
}

/* Whether the request line has been read, and is that of a CONNECT. */
static bool
is_connect(const struct request *req)
{
	return req->line.len > 0 && !req->plain && !req->wrong_target;
}

static bool
name_is(const char *name, size_t len, const char *wanted)
{
	return len == strlen(wanted) && strncasecmp(name, wanted, len) == 0;
}

/*
 * Returns whether text has only bytes that a host may have, RFC 3986 3.2.2,
 * and those of more; each "%" must begin an escape.
 */
static bool
is_host_text(const char *s, size_t len, const char *more)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '%' && len - i > 2 && is_hex(s[i + 1]) &&
		    is_hex(s[i + 2]))
			continue;
		if (!is_alpha(s[i]) && !is_digit(s[i]) &&
		    !is_one_of(s[i], "-._~!$&'()*+,;=") &&
		    !is_one_of(s[i], more))
			return false;
	}
	return true;
}

/* Returns whether text is a host, perhaps empty, with or without a port. */
static bool
is_host(const char *s, size_t len)
{
	bool is6 = len > 0 && s[0] == '[';
	const char *end = is6 ? memchr(s, ']', len) : memchr(s, ':', len);
	size_t host_len = end == NULL ? len : (size_t)(end - s);
	uint16_t port;

	if (!is6)
		return is_host_text(s, host_len, "") &&
		    (end == NULL ||
			url_port(&port, end + 1, len - host_len - 1) == 0);
	if (host_len < 2 || end == NULL ||
	    !is_host_text(s + 1, host_len - 1, ":"))
		return false;
	host_len++;
	return host_len == len ||
	    (s[host_len] == ':' &&
		url_port(&port, s + host_len + 1, len - host_len - 1) == 0);
}

/*
 * Reads Host, RFC 9112 3.2: at most one, and a host with or without a port.
 * Some clients, such as Python's, repeat the userinfo of the URL there.  The
 * Host of a CONNECT need only have the bytes of one.
 */
static enum parse_result
field_host(struct request *req, const char *head, size_t at, size_t len)
{
	const char *value = head + at;
	size_t skip = req->userinfo.len > 0 ? userinfo_len(value, len) : 0;

	if (req->has_host)
		return malformed(req, "There are two Host fields.");
	req->has_host = true;
	req->host_userinfo = (struct slice){ at, skip };
	if (is_connect(req) ? is_host_text(value, len, "%:[]")
			    : is_host(value + skip, len - skip))
		return PARSE_MORE;
	return malformed(req, "The Host field is malformed.");
}

/* Reads 1 to 18 decimal digits and nothing else.  Returns 0 or -1. */
static int
decimal_parse(uint64_t *n, const char *s, size_t len)
{
	if (len < 1 || len > 18)
		return -1;
	*n = 0;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(s[i]))
			return -1;
		*n = *n * 10 + (uint64_t)(s[i] - '0');
	}
	return 0;
}

/*
 * Reads Content-Length, RFC 9112 6.3, in the strictest way: one field, one
 * number.  A CONNECT has no content, and the bytes after its head belong to the
 * tunnel; with a field that says otherwise, two readers could disagree about
 * where the tunnel begins.
 */
static enum parse_result
field_length(struct request *req, const char *value, size_t len)
{
	if (req->has_length || decimal_parse(&req->content, value, len) != 0)
		return malformed(
		    req, "Content-Length must be a number and occur once.");
	req->has_length = true;
	if (is_connect(req) && (req->content != 0 || len != 1))
		return malformed(req, "A CONNECT has no content.");
	return PARSE_MORE;
}

/* Reads one transfer coding, RFC 9112 7: a token, perhaps with parameters. */
static enum parse_result
coding(struct request *req, const char *s, size_t len)
{
	const char *end = memchr(s, ';', len);
	size_t token_len = end == NULL ? len : (size_t)(end - s);

	while (token_len > 0 && is_one_of(s[token_len - 1], " \t"))
		token_len--;
	if (req->chunked || !parse_is_token(s, token_len))
		return malformed(
		    req, "Transfer-Encoding must be chunked and occur once.");
	req->chunked = name_is(s, len, "chunked");
	req->coded = req->coded || !req->chunked;
	return PARSE_MORE;
}

/*
 * Reads Transfer-Encoding, RFC 9112 6.1: a list that ends in chunked.  Whether
 * it does, and has another coding before that, is known at the end of the head.
 */
static enum parse_result
field_encoding(struct request *req, const char *value, size_t len)
{
	enum parse_result result = PARSE_MORE;
	size_t at = 0, end, last;

	if (is_connect(req))
		return malformed(req, "A CONNECT has no Transfer-Encoding.");
	do {
		while (at < len && is_one_of(value[at], " \t"))
			at++;
		for (end = at; end < len && value[end] != ','; end++)
			;
		for (last = end; last > at && is_one_of(value[last - 1], " \t");
		     last--)
			;
		result = coding(req, value + at, last - at);
		at = end + 1;
	} while (result == PARSE_MORE && end < len);
	return result;
}

static enum parse_result
field_credentials(struct request *req, size_t at, size_t len)
{
	if (req->has_credentials)
		return malformed(
		    req, "There are two Proxy-Authorization fields.");
	req->has_credentials = true;
	req->credentials = (struct slice){ at, len };
	return PARSE_MORE;
}

static enum parse_result
field_forwards(struct request *req, const char *value, size_t len)
{
	uint64_t n;

	if (req->limited || decimal_parse(&n, value, len) != 0)
		return malformed(
		    req, "Max-Forwards must be a number and occur once.");
	req->limited = true;
	req->forwards = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
	return PARSE_MORE;
}

/*
 * Keeps a Connection field.  Each field is looked up in all of these, so their
 * options are limited; an empty one counts too.
 */
static enum parse_result
field_connection(struct request *req, const char *head, size_t at, size_t len)
{
	req->options_size += len;
	req->named += parse_list_len(head + at, len);
	if (req->noptions >= OPTIONS_MAX || req->options_size > OPTIONS_SIZE ||
	    req->named > NAMED_MAX)
		return malformed(
		    req, "The Connection fields have too many options.");
	req->options[req->noptions++] = (struct slice){ at, len };
	return PARSE_MORE;
}

static void
field_via(struct request *req, size_t at, size_t len)
{
	if (req->nvias < VIAS_MAX)
		req->via[req->nvias] = (struct slice){ at, len };
	req->nvias++;
}

/* Reads one field line. */
static enum parse_result
field(struct request *req, const char *head, size_t at, size_t len)
{
	const char *line = head + at, *colon = memchr(line, ':', len);
	size_t name_len = colon == NULL ? 0 : (size_t)(colon - line);

	if (!parse_is_token(line, name_len))
		return malformed(req, "A header field is malformed.");
	at += name_len + 1;
	len -= name_len + 1;
	while (len > 0 && is_one_of(head[at], " \t"))
		at++, len--;
	while (len > 0 && is_one_of(head[at + len - 1], " \t"))
		len--;
	if (name_is(line, name_len, "Host"))
		return field_host(req, head, at, len);
	if (name_is(line, name_len, "Transfer-Encoding"))
		return field_encoding(req, head + at, len);
	if (name_is(line, name_len, "Content-Length"))
		return field_length(req, head + at, len);
	if (name_is(line, name_len, "Proxy-Authorization"))
		return field_credentials(req, at, len);
	if (name_is(line, name_len, "Max-Forwards"))
		return field_forwards(req, head + at, len);
	if (name_is(line, name_len, "Connection") ||
	    name_is(line, name_len, "Proxy-Connection"))
		return field_connection(req, head, at, len);
	if (name_is(line, name_len, "Upgrade"))
		req->upgrade = true;
	if (name_is(line, name_len, "Via"))
		field_via(req, at, len);
	return PARSE_MORE;
}

/* Checks what depends on the whole head. */
static enum parse_result
head_check(struct request *req)
{
	if (req->wrong_target)
		return malformed(req,
		    "This is a proxy: the target must be an http URL, or "
		    "host:port for CONNECT.");
	if (req->plain && req->minor && !req->has_host)
		return malformed(req, "There is no Host field.");
	if ((req->chunked || req->coded) && (req->has_length || !req->minor))
		return malformed(req,
		    "Transfer-Encoding cannot be used with Content-Length or "
		    "HTTP/1.0.");
	if (req->coded && !req->chunked)
		return malformed(req, "Transfer-Encoding must end in chunked.");
	return req->coded ? refused(req, REFUSE_CODING) : PARSE_OK;
}

/*
 * Reads the line that begins at req->next and ends before end; the next one
 * begins at next.
 */
static enum parse_result
line(struct request *req, const char *head, size_t end, size_t next)
{
	size_t at = req->next, len = end - at;

	req->next = next;
	if (len > 0)
		return req->line.len == 0 ? request_line(req, head, at, len)
					  : field(req, head, at, len);
	if (req->line.len == 0)
		return ++req->empty <= EMPTY_LINES_MAX
		    ? PARSE_MORE
		    : malformed(
			  req, "There are empty lines instead of a request.");
	req->length = req->next;
	return head_check(req);
}

/*
 * Reads the line before the LF at i.  In a CONNECT, which has no content, the
 * LF need not follow a CR: no reader of such a head could miss a request.
 */
static enum parse_result
line_end(struct request *req, const char *head, size_t i)
{
	size_t at = req->next;

	if (i > at && head[i - 1] == '\r')
		return line(req, head, i - 1, i + 1);
	if (is_connect(req) ||
	    (req->line.len == 0 && i - at > 8 &&
		memcmp(head + at, "CONNECT ", 8) == 0))
		return line(req, head, i, i + 1);
	return malformed(req, "A line must end in CR LF.");
}

/*
 * Reads a request head.  The caller hands in all it has received so far, at
 * the same or another place, with the request as the last call left it (all
 * zero before the first).  Returns PARSE_MORE while the head is incomplete,
 * PARSE_OK with the answer, or PARSE_BAD with the refusal that the client
 * gets.  What follows after length bytes belongs to the tunnel.
 */
enum parse_result
parse_head(struct request *req, const char *head, size_t len)
{
	enum parse_result result = PARSE_MORE;

	while (req->scanned < len && result == PARSE_MORE) {
		size_t i = req->scanned, stop = len < HEAD_MAX ? len : HEAD_MAX;
		size_t line_stop = req->next + REQUEST_LINE_MAX + 2;

		if (i >= HEAD_MAX)
			return refused(req, REFUSE_HEAD_SIZE);
		if (req->line.len == 0 && i >= line_stop)
			return refused(req, REFUSE_LINE_SIZE);
		if (i > req->next && head[i - 1] == '\r' && head[i] != '\n')
			return malformed(req, "A line must end in CR LF.");
		if (req->line.len == 0 && stop > line_stop)
			stop = line_stop;
		i = parse_text_end(head, i, stop);
		if (i < stop && head[i] == '\n')
			result = line_end(req, head, i);
		else if (i < stop && head[i] != '\r')
			return malformed(
			    req, "The request head has a control character.");
		req->scanned = i < stop ? i + 1 : stop;
	}
	return result;
}

/* Removes a part of a text of *size bytes; what it leaves is wiped. */
static void
bytes_cut(char *text, size_t *size, const struct slice *part)
{
	size_t after = part->at + part->len;

	memmove(text + part->at, text + after, *size - after);
	*size -= part->len;
	secret_wipe(text + *size, part->len);
}

/*
 * Removes the userinfo, RFC 9110 4.2.4, from the URL and Host of a head that
 * parse_head() has accepted, and the fragment, and parses it again.  Nothing
 * that comes later can log them or pass them on.  Returns how many of the len
 * bytes are left.
 */
size_t
parse_cut(struct request *req, char *head, size_t len)
{
	struct request again = { .takes_paths = req->takes_paths };
	enum parse_result result;
	size_t before = len;

	if (req->userinfo.len == 0 && req->fragment.len == 0)
		return len;
	/* The last one first, so that the others keep their places. */
	bytes_cut(head, &len, &req->host_userinfo);
	bytes_cut(head, &len, &req->fragment);
	bytes_cut(head, &len, &req->userinfo);
	result = parse_head(&again, head, len);
	assert(result == PARSE_OK);
	(void)result;
	*req = again;
	req->cut = before - len;
	return len;
}

static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes base64, RFC 4648 4, padding required.  Returns the length or -1. */
static int
base64_decode(char *out, size_t size, const char *s, size_t len)
{
	unsigned long bits = 0;
	size_t n = 0, digits = len;

	while (digits > 0 && len - digits < 2 && s[digits - 1] == '=')
		digits--;
	if (len == 0 || len % 4 != 0 || digits * 3 / 4 > size)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		int digit = base64_digit(s[i]);

		if (digit < 0)
			return -1;
		bits = (bits << 6 | (unsigned long)digit) & 0xffffff;
		if (i % 4 != 0)
			out[n++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	return (int)n;
}

/* Splits "user:password".  Returns 0, or -1 if it is malformed. */
static int
split(const char *pair, size_t len, char user[CREDENTIAL_SIZE],
    char password[CREDENTIAL_SIZE])
{
	const char *colon = memchr(pair, ':', len);
	size_t user_len, password_len;

	if (colon == NULL)
		return -1;
	for (size_t i = 0; i < len; i++)
		if (is_control(pair[i]) || pair[i] == '\t')
			return -1;
	user_len = (size_t)(colon - pair);
	password_len = len - user_len - 1;
	if (user_len == 0 || user_len >= CREDENTIAL_SIZE ||
	    password_len >= CREDENTIAL_SIZE)
		return -1;
	memcpy(user, pair, user_len);
	memcpy(password, colon + 1, password_len);
	return 0;
}

/*
 * Reads the value of a Proxy-Authorization field: the scheme Basic and its
 * token, RFC 7617.  Fills user and password, padded with NULs to their full
 * size.  Returns 0; or -1 if the scheme is another one, the token is not
 * base64, has control characters, no colon or no user, or is too long.
 */
int
parse_basic(const char *value, size_t len, char user[CREDENTIAL_SIZE],
    char password[CREDENTIAL_SIZE])
{
	char pair[2 * CREDENTIAL_SIZE];
	int n, result;

	memset(user, 0, CREDENTIAL_SIZE);
	memset(password, 0, CREDENTIAL_SIZE);
	if (len < 6 || strncasecmp(value, "Basic ", 6) != 0)
		return -1;
	for (value += 6, len -= 6; len > 0 && *value == ' '; len--)
		value++;
	n = base64_decode(pair, sizeof(pair), value, len);
	result = n <= 0 ? -1 : split(pair, (size_t)n, user, password);
	secret_wipe(pair, sizeof(pair));
	return result;
}
