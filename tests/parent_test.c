/* SPDX-License-Identifier: ISC */
/* LINK: conn/parent.c base/addr.c base/local.c http/refusal.c */
/*
 * Feeds answers of parent proxies to parent.c: those of a table whole, in two
 * parts at every position, and byte by byte, and then many random ones.  The
 * outcome must not depend on the pieces.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"

#define TEXT(s) s, sizeof(s) - 1
#define INTERIM "HTTP/1.1 100 \r\n\r\n"
#define INTERIM4 INTERIM INTERIM INTERIM INTERIM
#define INTERIM16 INTERIM4 INTERIM4 INTERIM4 INTERIM4

static const struct row {
	enum upstream_kind kind;
	bool credentials;
	const char *said;
	size_t len;
	enum parent_state state;
	int status;  /* of a refusal or failure */
	size_t rest; /* bytes of the tunnel behind an agreement */
} rows[] = {
	{ UPSTREAM_HTTP, false, TEXT("HTTP/1.0 200 OK\r\n\r\n"), PARENT_AGREED,
	    0, 0 },
	{ UPSTREAM_HTTP, false, TEXT("HTTP/1.1 299\r\n\r\nabc"), PARENT_AGREED,
	    0, 3 },
	{ UPSTREAM_HTTP, false,
	    TEXT("HTTP/1.1 100 C\r\nA: b\r\n\r\nHTTP/1.1 200 \r\n\r\nx"),
	    PARENT_AGREED, 0, 1 },
	{ UPSTREAM_HTTP, false, TEXT(INTERIM16 "HTTP/1.1 200 \r\n\r\nx"),
	    PARENT_AGREED, 0, 1 },
	{ UPSTREAM_HTTP, false, TEXT(INTERIM16 INTERIM), PARENT_BROKEN, 502,
	    0 },
	{ UPSTREAM_HTTP, false, TEXT("HTTP/1.1 200 OK\r\nA: b\r\n\r"),
	    PARENT_READS, 0, 0 },
	{ UPSTREAM_HTTP, false, TEXT("HTTP/1.1 403 No\r\n\r\n"), PARENT_REFUSED,
	    403, 0 },
	{ UPSTREAM_HTTP, false, TEXT("HTTP/1.1 407 No\r\n\r\n"), PARENT_BROKEN,
	    502, 0 },
	{ UPSTREAM_HTTP, false, TEXT("HTTP/1.1 200 OK\n"), PARENT_BROKEN, 502,
	    0 },
	{ UPSTREAM_HTTP, false, TEXT("HTTQ"), PARENT_BROKEN, 502, 0 },
	{ UPSTREAM_HTTP, false, TEXT("\n"), PARENT_BROKEN, 502, 0 },
	{ UPSTREAM_SOCKS4, false, TEXT("\0\x5a\0\0\0\0\0\0abcd"), PARENT_AGREED,
	    0, 4 },
	{ UPSTREAM_SOCKS4, false, TEXT("\0\x5b\0\0\0\0\0\0"), PARENT_REFUSED,
	    502, 0 },
	{ UPSTREAM_SOCKS4, false, TEXT("\4\x5a"), PARENT_BROKEN, 502, 0 },
	{ UPSTREAM_SOCKS5, false, TEXT("\5\0"), PARENT_SENDS, 0, 0 },
	{ UPSTREAM_SOCKS5, true, TEXT("\5\2"), PARENT_SENDS, 0, 0 },
	{ UPSTREAM_SOCKS5, false, TEXT("\5\2"), PARENT_BROKEN, 502, 0 },
	{ UPSTREAM_SOCKS5, true, TEXT("\5\xff"), PARENT_BROKEN, 502, 0 },
	{ UPSTREAM_SOCKS5, false, TEXT("\5"), PARENT_READS, 0, 0 },
};

static struct upstream upstream;
static struct request request;
static unsigned passed, failed;

static struct parent *
begin(enum upstream_kind kind, bool credentials)
{
	static char user[] = "joe", password[] = "sesame";
	struct parent *p = malloc(sizeof(*p));

	if (p == NULL)
		exit(2);
	memset(p, 0xa5, sizeof(*p));
	upstream.kind = kind;
	upstream.user = credentials ? user : NULL;
	upstream.password = credentials ? password : NULL;
	parent_begin(p, &upstream, &request, "");
	p->len = 0;
	p->state = PARENT_READS;
	return p;
}

/* Passes bytes on in steps, as long as more are wanted. */
static void
feed(struct parent *p, const char *said, size_t len, size_t first, size_t step)
{
	size_t at = 0, part = first;

	while (at < len && p->state == PARENT_READS) {
		if (part > len - at)
			part = len - at;
		if (part > sizeof(p->bytes) - p->len)
			part = sizeof(p->bytes) - p->len;
		memcpy(p->bytes + p->len, said + at, part);
		p->len += part;
		at += part;
		p->state = parent_take(p);
		part = step;
	}
}

/* The status that a client gets. */
static int
status_of(const struct parent *p)
{
	return p->state == PARENT_REFUSED && p->received != 0
	    ? p->received
	    : refusal_row(p->refusal)->status;
}

static const char *
wrong(const struct parent *p)
{
	if (p->len > sizeof(p->bytes) || p->at > p->len)
		return "it left its bounds";
	if (p->state == PARENT_REFUSED &&
	    (status_of(p) < 400 || status_of(p) > 599))
		return "a refusal has no status";
	if (p->state == PARENT_BROKEN && status_of(p) != 502)
		return "a failure is no 502";
	return NULL;
}

static void
check(bool ok, const char *what, size_t row, size_t cut)
{
	if (ok) {
		passed++;
		return;
	}
	failed++;
	printf("row %zu, cut at %zu: %s\n", row, cut, what);
}

static void
row_try(size_t i, size_t first, size_t step)
{
	const struct row *row = &rows[i];
	struct parent *p = begin(row->kind, row->credentials);

	feed(p, row->said, row->len, first, step);
	check(wrong(p) == NULL, "bounds", i, first);
	check(p->state == row->state, "another outcome", i, first);
	if (row->status != 0)
		check(status_of(p) == row->status, "another status", i, first);
	/* Pieces after the end are for another reader. */
	if (row->state == PARENT_AGREED && first == row->len)
		check(p->len - p->at == row->rest, "another rest", i, first);
	free(p);
}

/* Random bytes, many of which have a meaning in the protocols. */
static size_t
random_answer(char *out)
{
	static const char *const parts[] = { "HTTP/1.1 ", "200", " ", "\r\n",
		"\r\n\r\n", "100 x", "403", "A: b", "\n", "HTTP/1.0 200 OK" };
	size_t len = 0, n = (size_t)rand() % 12;

	for (size_t i = 0; i < n; i++) {
		const char *part = parts[(size_t)rand() % 10];

		if (rand() % 3 == 0) {
			out[len++] = (char)(rand() % 7);
			continue;
		}
		memcpy(out + len, part, strlen(part));
		len += strlen(part);
	}
	return len;
}

static void
random_try(unsigned n)
{
	char said[256];
	size_t len = random_answer(said);
	enum upstream_kind kind = (enum upstream_kind)(1 + n % 3);
	struct parent *a = begin(kind, n % 2 == 0);
	struct parent *b = begin(kind, n % 2 == 0);

	feed(a, said, len, len, len);
	feed(b, said, len, 1, 1);
	if (a->state == PARENT_READS && b->state == PARENT_SENDS)
		b->state = a->state; /* more than was asked for at once */
	check(wrong(a) == NULL && wrong(b) == NULL, "bounds", n, 0);
	if (kind != UPSTREAM_SOCKS5)
		check(a->state == b->state, "the pieces matter", n, 0);
	free(a);
	free(b);
}

/* There is room for the longest configuration and the longest request. */
static void
longest_try(void)
{
	static char user[CREDENTIAL_SIZE], via[VIA_SIZE + 256];
	struct parent *p = malloc(sizeof(*p));

	if (p == NULL)
		exit(2);
	memset(user, 'u', sizeof(user) - 1);
	memset(via, 'v', sizeof(via) - 1);
	memset(request.host, 'h', HOST_SIZE - 1);
	upstream.user = upstream.password = user;
	for (int kind = UPSTREAM_HTTP; kind <= UPSTREAM_SOCKS5; kind++) {
		upstream.kind = (enum upstream_kind)kind;
		parent_begin(p, &upstream, &request, via);
		check(p->state == PARENT_SENDS && p->len <= sizeof(p->bytes),
		    "no room", (size_t)kind, p->len);
	}
	free(p);
}

int
main(void)
{
	strcpy(request.host, "host.example");
	request.port = 443;
	srand(1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (size_t cut = 1; cut <= rows[i].len; cut++)
			row_try(i, cut, rows[i].len);
		row_try(i, 1, 1);
	}
	for (unsigned n = 0; n < 20000; n++)
		random_try(n);
	longest_try();
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
