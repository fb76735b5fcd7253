/* SPDX-License-Identifier: ISC */
/*
 * The lines of access logs, in each format.  A line is made from a record
 * alone, and nothing is written here.  Whatever a peer has sent, a line is one
 * line, its fields stay apart, and it is cut by value: it is never without its
 * end.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "addr.h"
#include "record.h"

enum {
	/* Bytes of a value in a line, after it was escaped. */
	USER_MAX = 255,
	TARGET_MAX = 511,
	METHOD_MAX = 40,
	LONG_TARGET_MAX = 1400, /* in JSON, and in those of other programs */
	HOST_MAX = 300,
	FILE_MAX = 400,
	BECAUSE_MAX = 240
};

/* How bytes are written that would garble a line. */
enum escape {
	ESCAPE_FIELD,   /* \xNN, for blanks, quotes and backslashes too */
	ESCAPE_PERCENT, /* %NN, likewise, as in a URL */
	ESCAPE_APACHE,  /* \" and \\, escapes of C, \xNN; a blank stays */
	ESCAPE_JSON     /* of a string; UTF-8 stays */
};

const char *const record_formats[RECORD_FORMATS] = { [RECORD_ADIT] = "adit",
	[RECORD_SQUID] = "squid",
	[RECORD_COMMON] = "common",
	[RECORD_COMBINED] = "combined",
	[RECORD_JSON] = "json" };

static const char hex[] = "0123456789abcdef";

/*
 * A line in the making; what finds no room is left out.  printf() would cost
 * several times as much, and each connection has its line.
 */
struct line {
	char *bytes;
	size_t len;
};

/* A part of a text. */
struct part {
	const char *at;
	size_t len;
};

static void
add(struct line *l, const char *bytes, size_t len)
{
	size_t room = RECORD_SIZE - l->len;

	if (len > room)
		len = room;
	memcpy(l->bytes + l->len, bytes, len);
	l->len += len;
}

static void
add_text(struct line *l, const char *text)
{
	add(l, text, strlen(text));
}

/* Adds a number of at least so many digits, up to 6. */
static void
add_number(struct line *l, uint64_t n, int digits, char filler)
{
	char number[20];
	size_t at = sizeof(number);

	for (bool first = true; n != 0 || digits > 0; n /= 10, digits--) {
		at--;
		number[at] = n != 0 || first ? (char)('0' + n % 10) : filler;
		first = false;
	}
	add(l, number + at, sizeof(number) - at);
}

/* Adds ms as seconds with three places. */
static void
add_seconds(struct line *l, int64_t ms)
{
	uint64_t n = ms > 0 ? (uint64_t)ms : 0;

	add_number(l, n / 1000, 1, '0');
	add(l, ".", 1);
	add_number(l, n % 1000, 3, '0');
}

/* Escapes. */

/* How many of so many bytes are one character of UTF-8; 0: none is valid. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80 ? 1
	    : p[0] < 0xc2        ? 0
	    : p[0] < 0xe0        ? 2
	    : p[0] < 0xf0        ? 3
	    : p[0] < 0xf5        ? 4
				 : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what is beyond U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* The letter after a backslash for a control character, or 0. */
static char
escape_letter(unsigned char byte)
{
	switch (byte) {
	case '\b':
		return 'b';
	case '\t':
		return 't';
	case '\n':
		return 'n';
	case '\f':
		return 'f';
	case '\r':
		return 'r';
	}
	return 0;
}

/* Writes a byte as two digits after a prefix.  Returns the length. */
static size_t
escape_hex(char out[8], const char *prefix, unsigned char byte)
{
	size_t len = strlen(prefix);

	memcpy(out, prefix, len);
	out[len] = hex[byte >> 4];
	out[len + 1] = hex[byte & 15];
	return len + 2;
}

static size_t
escape_plain(char out[8], const unsigned char *p, size_t len)
{
	memcpy(out, p, len);
	return len;
}

/* Whether a byte is printable ASCII other than quotes and backslashes. */
static bool
is_plain(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/*
 * Writes the next character of a text, of which so many bytes are left.
 * Returns the length, and how many bytes it took in *taken.
 */
static size_t
escape_next(char out[8], enum escape escape, const unsigned char *p, size_t n,
    size_t *taken)
{
	bool c_like = escape == ESCAPE_APACHE || escape == ESCAPE_JSON;

	*taken = 1;
	/* In a URL '%' begins an escape of its own. */
	if (is_plain(*p) && (c_like || *p != ' '))
		return escape_plain(out, p, 1);
	if (escape == ESCAPE_JSON && *p >= 0x80 && utf8_len(p, n) > 0) {
		*taken = utf8_len(p, n);
		return escape_plain(out, p, *taken);
	}
	if (escape == ESCAPE_PERCENT)
		return escape_hex(out, "%", *p);
	out[0] = '\\';
	out[1] = *p == '"' || *p == '\\' ? (char)*p : escape_letter(*p);
	if (c_like && out[1] != 0)
		return 2;
	return escape_hex(out, escape == ESCAPE_JSON ? "\\u00" : "\\x", *p);
}

/* How many of the first bytes need no escape in any format. */
static size_t
plain_run(const unsigned char *p, size_t n)
{
	size_t len = 0;

	while (len < n && is_plain(p[len]) && p[len] != ' ')
		len++;
	return len;
}

/* Adds a text, cut after a whole character to so many bytes. */
static void
add_escaped(struct line *l, enum escape escape, struct part text, size_t max)
{
	const unsigned char *p = (const unsigned char *)text.at;
	size_t run = plain_run(p, text.len < max ? text.len : max);
	size_t n = text.len - run, used = run, len, taken;
	char out[8];

	add(l, text.at, run);
	for (p += run; n > 0; p += taken, n -= taken) {
		len = escape_next(out, escape, p, n, &taken);
		if (used + len > max)
			return;
		add(l, out, len);
		used += len;
	}
}

static struct part
part_of(const char *text)
{
	return (struct part){ text, strlen(text) };
}

/* Adds a blank and a field; "-" for one that is not there or is empty. */
static void
add_field(struct line *l, enum escape escape, const char *text, size_t max)
{
	add(l, " ", 1);
	if (text == NULL || text[0] == '\0')
		add(l, "-", 1);
	else
		add_escaped(l, escape, part_of(text), max);
}

/* Times. */

/* Adds a time as RFC 3339 has it; the seconds are formatted once. */
static void
add_utc(struct line *l, const struct timespec *at)
{
	static char text[32] = "1970-01-01T00:00:00";
	static time_t made = -1;
	struct tm tm;

	if (at->tv_sec != made && gmtime_r(&at->tv_sec, &tm) != NULL) {
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		made = at->tv_sec;
	}
	add_text(l, text);
	add(l, ".", 1);
	add_number(l, (uint64_t)(at->tv_nsec / 1000000), 3, '0');
	add(l, "Z", 1);
}

/* Adds the local time as Apache has it; formatted once a second. */
static void
add_clf_time(struct line *l, const struct timespec *at)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static char text[32] = "01/Jan/1970:00:00:00 +0000";
	static time_t made = -1;
	struct tm tm;

	if (at->tv_sec != made && localtime_r(&at->tv_sec, &tm) != NULL) {
		/* %b would be in the language of the user. */
		strftime(text, sizeof(text), "%d/Jan/%Y:%H:%M:%S %z", &tm);
		memcpy(text + 3, months + 3 * tm.tm_mon, 3);
		made = at->tv_sec;
	}
	add(l, "[", 1);
	add_text(l, text);
	add(l, "]", 1);
}

/* The time at which a connection began. */
static struct timespec
begin_of(const struct record *r, const struct timespec *now)
{
	int64_t ms = now->tv_nsec / 1000000 - (r->ms > 0 ? r->ms : 0);
	int64_t seconds = ms >= 0 ? 0 : (ms - 999) / 1000;

	return (struct timespec){ .tv_sec = now->tv_sec + (time_t)seconds,
		.tv_nsec = (long)(ms - seconds * 1000) * 1000000 };
}

/* What the fields share. */

static const char *
event_word(const struct record *r)
{
	return r->event == RECORD_START ? "start" : "open";
}

/* The error without its parameters, or why the connection has ended. */
static struct part
result_of(const struct record *r)
{
	if (r->event != RECORD_END)
		return part_of(event_word(r));
	return r->error != NULL
	    ? (struct part){ r->error, strcspn(r->error, ";") }
	    : part_of(r->ending);
}

static void
add_id(struct line *l, const struct record *r)
{
	add_number(l, r->slot, 1, '0');
	add(l, ".", 1);
	add_number(l, r->serial, 1, '0');
}

/* The address in a record that is set if its port is; "" if not. */
static const char *
dialled_text(const struct record *r, char text[ADDR_TEXT_SIZE])
{
	if (r->dialled->port == 0 && r->dialled->local == 0)
		return "";
	return addr_text_port(r->dialled, text);
}

/* The format of adit. */

static void
add_adit(struct line *l, const struct record *r, const struct timespec *now)
{
	char text[ADDR_TEXT_SIZE];
	struct part result = result_of(r);

	add_utc(l, now);
	add_field(l, ESCAPE_FIELD, addr_text(r->client, text), USER_MAX);
	add_field(l, ESCAPE_FIELD, r->user, USER_MAX);
	add_field(l, ESCAPE_FIELD, r->target, TARGET_MAX);
	add_field(l, ESCAPE_FIELD, dialled_text(r, text), TARGET_MAX);
	add(l, " ", 1);
	if (r->status > 0)
		add_number(l, (uint64_t)r->status, 1, '0');
	else
		add(l, "-", 1);
	add(l, "/", 1);
	add(l, result.at, result.len);
	add(l, " ", 1);
	add_number(l, r->up, 1, '0');
	add(l, " ", 1);
	add_number(l, r->down, 1, '0');
	add(l, " ", 1);
	add_seconds(l, r->ms);
	add_field(l, ESCAPE_FIELD,
	    r->reason == NULL && r->reported ? "reported" : r->reason,
	    USER_MAX);
	add(l, " ", 1);
	if (r->serial != 0)
		add_id(l, r);
	else
		add(l, "-", 1);
}

/* Squid's native format. */

/* What Squid calls the outcome. */
static const char *
squid_outcome(const struct record *r)
{
	bool tunnel = r->method != NULL && strcmp(r->method, "CONNECT") == 0;

	if (r->denied)
		return "TCP_DENIED";
	if (r->target == NULL || (r->status == 400 && r->reason != NULL))
		return "NONE_NONE";
	return tunnel && r->reason == NULL ? "TCP_TUNNEL" : "TCP_MISS";
}

/* What Squid writes in place of the URL of a request that it has not read. */
static const char *
squid_url(const struct record *r)
{
	if (r->target != NULL)
		return r->target;
	return r->status == 0 ? "error:transaction-end-before-headers"
			      : "error:invalid-request";
}

static void
add_squid(struct line *l, const struct record *r, const struct timespec *now)
{
	char text[ADDR_TEXT_SIZE];
	bool dialled = r->dialled->port != 0 || r->dialled->local != 0;

	add_number(l, (uint64_t)now->tv_sec, 1, '0');
	add(l, ".", 1);
	add_number(l, (uint64_t)(now->tv_nsec / 1000000), 3, '0');
	add(l, " ", 1);
	add_number(l, r->ms > 0 ? (uint64_t)r->ms : 0, 6, ' ');
	add_field(l, ESCAPE_PERCENT, addr_text(r->client, text), USER_MAX);
	add(l, " ", 1);
	add_text(l, squid_outcome(r));
	add(l, "/", 1);
	add_number(l, r->status > 0 ? (uint64_t)r->status : 0, 3, '0');
	add(l, " ", 1);
	add_number(l, r->down, 1, '0');
	add_field(l, ESCAPE_PERCENT, r->method != NULL ? r->method : "NONE",
	    METHOD_MAX);
	add_field(l, ESCAPE_PERCENT, squid_url(r), LONG_TARGET_MAX);
	add_field(l, ESCAPE_PERCENT, r->user, USER_MAX);
	add_text(l,
	    !dialled                ? " HIER_NONE/-"
		: r->parent != NULL ? " FIRSTUP_PARENT/"
				    : " HIER_DIRECT/");
	if (dialled)
		add_escaped(l, ESCAPE_PERCENT,
		    part_of(addr_text(r->dialled, text)), USER_MAX);
	add_text(l, " -");
}

/* Apache's formats. */

/*
 * The status; for one that was never sent, those of nginx, since programs that
 * read such logs want a number: 499, the client has left, or 444.
 */
static int
apache_status(const struct record *r)
{
	if (r->status > 0)
		return r->status;
	return r->reason != NULL ? 444 : 499;
}

static void
add_request(struct line *l, const struct record *r)
{
	add(l, " \"", 2);
	if (r->target != NULL && r->method != NULL) {
		add_escaped(l, ESCAPE_APACHE, part_of(r->method), METHOD_MAX);
		add(l, " ", 1);
		add_escaped(
		    l, ESCAPE_APACHE, part_of(r->target), LONG_TARGET_MAX);
		add_text(l, " HTTP/1.");
		add(l, r->minor == '0' ? "0" : "1", 1);
	} else {
		add(l, "-", 1);
	}
	add(l, "\" ", 2);
}

static void
add_common(struct line *l, const struct record *r, const struct timespec *now)
{
	char text[ADDR_TEXT_SIZE];

	add_escaped(
	    l, ESCAPE_FIELD, part_of(addr_text(r->client, text)), USER_MAX);
	add(l, " ", 1);
	if (addr_uid(r->client) != ADDR_NO_UID)
		add_number(l, addr_uid(r->client), 1, '0');
	else
		add(l, "-", 1);
	add_field(l, ESCAPE_FIELD, r->user, USER_MAX);
	add(l, " ", 1);
	add_clf_time(l, now);
	add_request(l, r);
	add_number(l, (uint64_t)apache_status(r), 3, '0');
	add(l, " ", 1);
	if (r->down > 0)
		add_number(l, r->down, 1, '0');
	else
		add(l, "-", 1);
}

/* JSON. */

/* Adds the name of a value, and what is between it and the one before. */
static void
add_key(struct line *l, const char *key)
{
	add_text(l, l->len == 0 ? "{\"" : ",\"");
	add_text(l, key);
	add(l, "\":", 2);
}

static void
add_part(struct line *l, const char *key, struct part text, size_t max)
{
	add_key(l, key);
	if (text.len == 0) {
		add_text(l, "null");
		return;
	}
	add(l, "\"", 1);
	add_escaped(l, ESCAPE_JSON, text, max);
	add(l, "\"", 1);
}

/* A text, or null for NULL or an empty one. */
static void
add_string(struct line *l, const char *key, const char *text, size_t max)
{
	add_part(l, key, part_of(text != NULL ? text : ""), max);
}

/* A number, or null for 0. */
static void
add_count(struct line *l, const char *key, uint64_t n)
{
	add_key(l, key);
	if (n != 0)
		add_number(l, n, 1, '0');
	else
		add_text(l, "null");
}

/* Seconds, or null for less than none. */
static void
add_duration(struct line *l, const char *key, int64_t ms)
{
	add_key(l, key);
	if (ms >= 0)
		add_seconds(l, ms);
	else
		add_text(l, "null");
}

static void
add_bytes(struct line *l, const char *key, uint64_t n)
{
	add_key(l, key);
	add_number(l, n, 1, '0');
}

/* The host and port of a target, in whatever form that has. */
struct site {
	struct part host;
	uint64_t port; /* 0: there is none */
};

static struct part
without(struct part p, size_t len)
{
	return (struct part){ p.at + len, p.len - len };
}

/* The authority of a target; of http://user@host:80/x it is host:80. */
static struct part
authority_of(const char *target, bool *url)
{
	const char *start = strstr(target, "://");
	struct part p = part_of(start != NULL ? start + 3 : target);

	*url = start != NULL;
	p.len = strcspn(p.at, "/?#");
	for (size_t i = p.len; i > 0; i--)
		if (p.at[i - 1] == '@')
			return without(p, i);
	return p;
}

/* Takes the port off the end of an authority; 0: there is none. */
static uint64_t
port_take(struct part *p)
{
	size_t digits = 0;
	uint64_t port = 0;

	while (digits < p->len && p->at[p->len - 1 - digits] >= '0' &&
	    p->at[p->len - 1 - digits] <= '9')
		digits++;
	if (digits == 0 || digits > 5 || digits == p->len ||
	    p->at[p->len - 1 - digits] != ':')
		return 0;
	for (size_t i = digits; i > 0; i--)
		port = port * 10 + (uint64_t)(p->at[p->len - i] - '0');
	p->len -= digits + 1;
	return port;
}

/* A target that is a path alone has no host. */
static struct site
site_of(const char *target)
{
	struct site site = { { "", 0 }, 0 };
	bool url;

	if (target == NULL)
		return site;
	site.host = authority_of(target, &url);
	if (site.host.len == 0)
		return site;
	site.port = port_take(&site.host);
	if (site.port == 0 && url)
		site.port = 80;
	if (site.host.len > 2 && site.host.at[0] == '[' &&
	    site.host.at[site.host.len - 1] == ']')
		site.host =
		    (struct part){ site.host.at + 1, site.host.len - 2 };
	return site;
}

static void
add_parent(struct line *l, const struct record *r)
{
	add_key(l, "parent");
	if (r->parent == NULL) {
		add_text(l, "null");
		return;
	}
	add(l, "\"", 1);
	add_escaped(l, ESCAPE_JSON, part_of(r->parent), HOST_MAX);
	if (r->parent_port != 0) {
		add(l, ":", 1);
		add_number(l, r->parent_port, 1, '0');
	}
	add(l, "\"", 1);
}

static void
add_rule(struct line *l, const struct record *r)
{
	add_key(l, "rule");
	if (r->rule == 0 || r->rule_file == NULL) {
		add_text(l, "null");
		return;
	}
	add(l, "\"", 1);
	add_escaped(l, ESCAPE_JSON, part_of(r->rule_file), FILE_MAX);
	add(l, ":", 1);
	add_number(l, r->rule, 1, '0');
	add(l, "\"", 1);
}

static void
add_quoted_id(struct line *l, const struct record *r)
{
	add_key(l, "id");
	if (r->serial == 0) {
		add_text(l, "null");
		return;
	}
	add(l, "\"", 1);
	add_id(l, r);
	add(l, "\"", 1);
}

/* The user who has connected to a Unix socket; root is 0. */
static void
add_uid(struct line *l, const struct addr *client)
{
	add_key(l, "uid");
	if (addr_uid(client) != ADDR_NO_UID)
		add_number(l, addr_uid(client), 1, '0');
	else
		add_text(l, "null");
}

/* When it was, and who has come. */
static void
add_who(struct line *l, const struct record *r, const struct timespec *now)
{
	struct timespec begin = begin_of(r, now);
	char text[ADDR_TEXT_SIZE];

	add_key(l, "time");
	add(l, "\"", 1);
	add_utc(l, now);
	add(l, "\"", 1);
	if (r->event != RECORD_VERDICT) {
		add_text(l, ",\"start\":\"");
		add_utc(l, &begin);
		add(l, "\"", 1);
		add_string(l, "event",
		    r->event == RECORD_END ? "end" : event_word(r), USER_MAX);
	}
	add_quoted_id(l, r);
	add_string(l, "client", addr_text(r->client, text), USER_MAX);
	add_count(l, "client_port", r->client->port);
	add_uid(l, r->client);
	add_string(l, "via", r->via != NULL ? addr_text(r->via, text) : NULL,
	    USER_MAX);
	add_string(l, "user", r->user, USER_MAX);
}

/* What was asked for, and what was reached. */
static void
add_what(struct line *l, const struct record *r)
{
	struct site site = site_of(r->target);
	char text[ADDR_TEXT_SIZE];

	add_string(l, "method", r->method, METHOD_MAX);
	add_string(l, "target", r->target,
	    r->event == RECORD_VERDICT ? TARGET_MAX : LONG_TARGET_MAX);
	add_part(l, "host", site.host, HOST_MAX);
	add_count(l, "port", site.port);
	add_string(l, "server_name", r->server_name, HOST_MAX);
	if (r->event != RECORD_VERDICT)
		add_string(l, "dialled", dialled_text(r, text), USER_MAX);
	add_parent(l, r);
}

/* What became of it. */
static void
add_outcome(struct line *l, const struct record *r)
{
	struct part error = part_of(r->error != NULL ? r->error : "");

	error.len = strcspn(error.at, ";");
	add_count(l, "status", r->status > 0 ? (uint64_t)r->status : 0);
	add_string(l, "reason",
	    r->event != RECORD_END  ? NULL
		: r->reason != NULL ? r->reason
				    : r->ending,
	    USER_MAX);
	add_part(l, "error", error, USER_MAX);
	add_rule(l, r);
	add_bytes(l, "bytes_up", r->up);
	add_bytes(l, "bytes_down", r->down);
	add_duration(l, "seconds", r->ms > 0 ? r->ms : 0);
	add_duration(l, "dns_seconds", r->dns);
	add_duration(l, "connect_seconds", r->connect);
	add_bytes(l, "generation", r->generation);
	add_bytes(l, "worker", r->worker);
}

/* The addresses that were judged, in the order of the answer. */
static void
add_addresses(struct line *l, const struct record *r)
{
	char text[ADDR_TEXT_SIZE];

	add_key(l, "addresses");
	add(l, "[", 1);
	for (size_t i = 0; i < r->naddrs; i++) {
		add_text(l, i > 0 ? ",\"" : "\"");
		add_text(l, addr_text(&r->addrs[i], text));
		add(l, "\"", 1);
	}
	add(l, "]", 1);
}

/* A line of the DecisionLog. */
static void
add_decision(struct line *l, const struct record *r, const struct timespec *now)
{
	add_who(l, r, now);
	add_what(l, r);
	add_addresses(l, r);
	add_string(l, "verdict", r->verdict, USER_MAX);
	add_string(l, "reason", r->reason, USER_MAX);
	add_count(l, "status", r->status > 0 ? (uint64_t)r->status : 0);
	add_rule(l, r);
	add_string(l, "because", r->because, BECAUSE_MAX);
	add_bytes(l, "generation", r->generation);
	add_bytes(l, "worker", r->worker);
	add(l, "}", 1);
}

static void
add_json(struct line *l, const struct record *r, const struct timespec *now)
{
	add_who(l, r, now);
	add_what(l, r);
	add_outcome(l, r);
	add(l, "}", 1);
}

/*
 * Whether a format has lines of an event.  Programs that read the formats of
 * Squid and Apache take each line for a request of its own.
 */
bool
record_wanted(enum record_format format, enum record_event event)
{
	if (event == RECORD_VERDICT || format == RECORD_DECISION)
		return event == RECORD_VERDICT && format == RECORD_DECISION;
	return event == RECORD_END || format == RECORD_ADIT ||
	    format == RECORD_JSON;
}

/*
 * Makes the line of a record, with its newline, at a time.  Returns its length;
 * the limits of its values leave room for the end of each line.
 */
size_t
record_line(char line[RECORD_SIZE], enum record_format format,
    const struct record *r, const struct timespec *now)
{
	struct line l = { line, 0 };

	switch (format) {
	case RECORD_ADIT:
		add_adit(&l, r, now);
		break;
	case RECORD_SQUID:
		add_squid(&l, r, now);
		break;
	case RECORD_COMMON:
		add_common(&l, r, now);
		break;
	case RECORD_COMBINED:
		add_common(&l, r, now);
		add_text(&l, " \"-\" \"-\"");
		break;
	case RECORD_JSON:
		add_json(&l, r, now);
		break;
	case RECORD_DECISION:
		add_decision(&l, r, now);
		break;
	case RECORD_FORMATS:
		break;
	}
	add(&l, "\n", 1);
	return l.len;
}
