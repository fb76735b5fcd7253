/* SPDX-License-Identifier: ISC */
/*
 * HTTP for StatusListen: the request line is all that counts of a request, and
 * each answer is the last on its connection.  Nothing here reads or writes a
 * descriptor.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"

enum {
	REFRESH_MAX = 3600 /* s */
};

static const char *const paths[] = { [PAGE_METRICS] = "/metrics",
	[PAGE_LIVE] = "/live",
	[PAGE_READY] = "/ready",
	[PAGE_STATUS] = "/status",
	[PAGE_JSON] = "/status.json" };

/* Whether the next len bytes are this word. */
static bool
is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* Takes what stands after the question mark, as sort=age&refresh=5. */
static void
query_parse(struct page_request *r, const char *query, size_t len)
{
	static const char *const sorts[] = { "sort=bytes", "sort=age",
		"sort=rate" };

	while (len > 0) {
		size_t n = 0;

		while (n < len && query[n] != '&')
			n++;
		for (size_t i = 0; i < 3; i++)
			if (is_word(query, n, sorts[i]))
				r->sort = sorts[i][5];
		if (n > 8 && memcmp(query, "refresh=", 8) == 0)
			r->refresh = (int)strtol(query + 8, NULL, 10);
		if (r->refresh < 0 || r->refresh > REFRESH_MAX)
			r->refresh = 0;
		query += n < len ? n + 1 : n;
		len -= n < len ? n + 1 : n;
	}
}

/* Finds the page that a target names. */
static void
target_parse(struct page_request *r, const char *target, size_t len)
{
	size_t path = 0;

	while (path < len && target[path] != '?')
		path++;
	for (r->page = 0; r->page < PAGES; r->page++)
		if (is_word(target, path, paths[r->page]))
			break;
	if (path < len)
		query_parse(r, target + path + 1, len - path - 1);
}

/*
 * Takes the head of a request, a string.  RFC 9112 3: a method, a target and a
 * version with one blank between them.
 */
void
answer_parse(struct page_request *r, const char *head)
{
	size_t line = strcspn(head, "\r\n"), method = strcspn(head, " \r\n");
	const char *target = head + method + 1, *version;
	size_t len;

	*r = (struct page_request){ .page = PAGES, .sort = 'b' };
	if (method == 0 || method >= line) {
		r->error = 400;
		return;
	}
	len = strcspn(target, " \r\n");
	version = target + len;
	if (target[0] != '/' ||
	    (strncmp(version, " HTTP/1.1", 9) != 0 &&
		strncmp(version, " HTTP/1.0", 9) != 0) ||
	    strcspn(version + 9, "\r\n") != 0) {
		r->error = 400;
		return;
	}
	r->head = is_word(head, method, "HEAD");
	target_parse(r, target, len);
	if (r->page == PAGES)
		r->error = 404;
	else if (!r->head && !is_word(head, method, "GET"))
		r->error = 405;
}

static const char *
type_of(const struct page_request *r)
{
	if (r->error != 0)
		return "text/plain; charset=utf-8";
	switch (r->page) {
	case PAGE_METRICS:
		return "text/plain; version=0.0.4; charset=utf-8";
	case PAGE_STATUS:
		return "text/html; charset=utf-8";
	case PAGE_JSON:
		return "application/json";
	case PAGE_LIVE:
	case PAGE_READY:
	case PAGES:
		break;
	}
	return "text/plain; charset=utf-8";
}

static const char *
phrase_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 431:
		return "Request Header Fields Too Large";
	default:
		return "Service Unavailable";
	}
}

/* Prints an answer: its head, and unless the request was HEAD its content. */
void
answer_print(FILE *out, const struct page_request *r, int status,
    const char *content, size_t len)
{
	fprintf(out,
	    "HTTP/1.1 %d %s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "%s%s"
	    "Connection: close\r\n\r\n",
	    status, phrase_of(status), type_of(r), len,
	    status == 405 ? "Allow: GET, HEAD\r\n" : "",
	    r->page == PAGE_STATUS
		? "Content-Security-Policy: default-src 'none'; style-src "
		  "'unsafe-inline'; script-src 'unsafe-inline'; connect-src "
		  "'self'; frame-ancestors 'none'; base-uri 'none'; "
		  "form-action 'none'\r\n"
		: "");
	if (!r->head)
		fwrite(content, 1, len, out);
}
