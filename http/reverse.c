/* SPDX-License-Identifier: ISC */
/*
 * Reverse proxying: which paths are mapped to which URLs, and what becomes of
 * a request and of a redirection by that.  A mapping leads to the host that its
 * line names and to no other, whatever a client sends: the URL that is made of
 * a path is read by the parser again, like any other.  Nothing here decides who
 * may ask, and nothing is allocated once the configuration is read.
 */
#define _POSIX_C_SOURCE 200809L

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http.h"
#include "parse.h"
#include "refusal.h"
#include "reverse.h"
#include "secret.h"

enum {
	MAPPING_PATH_MAX = 255, /* bytes of the path of a mapping */
	MAPPING_URL_MAX = 1000, /* bytes of a URL of the configuration */
	URL_SIZE_MAX = MAPPING_URL_MAX + 2 /* with a "/" and its NUL */
};

static const char cookie_name[] = "yummy_magical_cookie=";

static const char out_of_memory[] = "out of memory";

/* Paths. */

static bool
begins(const char *text, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && memcmp(text, with, n) == 0;
}

/* The byte at *at, and the place of the next; an escape of one that matters. */
static char
path_byte(const char *path, size_t len, size_t *at)
{
	static const struct {
		const char *escape;
		char byte;
	} escapes[] = { { "%2e", '.' }, { "%2f", '/' }, { "%5c", '\\' },
		{ "%3b", ';' },
		/* For some it ends the path. */
		{ "%00", '/' } };

	for (size_t i = 0;
	     path[*at] == '%' && i < sizeof(escapes) / sizeof(*escapes); i++)
		if (len - *at >= 3 &&
		    strncasecmp(path + *at, escapes[i].escape, 3) == 0) {
			*at += 3;
			return escapes[i].byte;
		}
	return path[(*at)++];
}

/*
 * Whether a part of a path is "..", in whatever way its dots and what is around
 * it are written: a server could take that for something outside of where the
 * path begins.
 */
static bool
climbs(const char *path, size_t len)
{
	bool only_dots = true;
	int dots = 0;

	for (size_t at = 0; at < len && path[at] != '?';) {
		char c = path_byte(path, len, &at);

		if (c == '.' && only_dots) {
			dots++;
			continue;
		}
		if (only_dots && dots == 2 && strchr("/\\;", c) != NULL)
			return true;
		only_dots = c == '/' || c == '\\';
		dots = 0;
	}
	return only_dots && dots == 2;
}

/* Whether it is a path as it may stand in a URL, and in a cookie, RFC 6265. */
static bool
is_path(const char *path)
{
	size_t len = strlen(path);

	/* What begins with two of them is a host for who is redirected. */
	return path[0] == '/' && path[1] != '/' && !climbs(path, len) &&
	    strspn(path,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789-._~!$&'()*+=:@/%") == len;
}

/* The configuration. */

/*
 * Copies a URL of the configuration, with "/" for an empty path, and reads it.
 * Returns NULL, or what is wrong with it.
 */
static const char *
url_copy(char to[URL_SIZE_MAX], const char *text, struct request *where)
{
	size_t len = strlen(text);

	if (len > MAPPING_URL_MAX)
		return "the URL has 1000 bytes at most";
	memcpy(to, text, len + 1);
	if (parse_url(where, to, len) != 0)
		return "the URL must be http://host/ or http://host:port/, "
		       "without a user, a query and a fragment";
	if (where->path.len == 0) {
		strcpy(to + len, "/");
		where->path.len = 1;
	}
	if (!is_path(to + where->path.at))
		return "the path of the URL has a \"..\", a query or a byte "
		       "that does not belong there";
	if (to[strlen(to) - 1] != '/')
		return "the URL must end in /, or what follows would change "
		       "its last part";
	return NULL;
}

/* The path of a mapping, which gets a "/" at its end as in tinyproxy. */
static const char *
path_copy(char to[MAPPING_PATH_MAX + 2], const char *text)
{
	size_t len = strlen(text);

	if (len > MAPPING_PATH_MAX)
		return "the path has 255 bytes at most";
	if (!is_path(text))
		return "the path must begin with one /, and have no \"..\", no "
		       "query, blank, ; or ,";
	memcpy(to, text, len + 1);
	if (to[len - 1] != '/')
		strcpy(to + len, "/");
	return NULL;
}

static void
mapping_clear(struct mapping *m)
{
	free(m->path);
	free(m->url);
	free(m->host);
}

/*
 * Whether the line itself says that it leads to loopback or link-local, if it
 * does: by an address, or by the one name that means the same everywhere, RFC
 * 6761 6.3.  Name servers may say of all others what they like, even of those
 * below it.
 */
static bool
is_named(const struct request *where)
{
	return where->literal || strcmp(where->host, "localhost") == 0;
}

/*
 * Adds what stands behind a ReversePath: a path, and the URL that it is mapped
 * to.  Returns NULL, or what is wrong with it.
 */
const char *
reverse_add(
    struct reverse *r, unsigned long line, const char *path, const char *url)
{
	char path_text[MAPPING_PATH_MAX + 2], url_text[URL_SIZE_MAX];
	struct request where = { .literal = false };
	struct mapping m = { .line = line }, *grown;
	const char *wrong = path_copy(path_text, path);

	if (wrong == NULL)
		wrong = url_copy(url_text, url, &where);
	if (wrong != NULL)
		return wrong;
	m.path = strdup(path_text);
	m.url = strdup(url_text);
	m.host = strdup(where.host);
	m.port = where.port;
	m.base = where.path.at;
	m.named = is_named(&where);
	grown = realloc(r->list, (r->n + 1) * sizeof(*r->list));
	if (grown != NULL)
		r->list = grown;
	if (grown == NULL || m.path == NULL || m.url == NULL ||
	    m.host == NULL) {
		mapping_clear(&m);
		return out_of_memory;
	}
	r->list[r->n++] = m;
	return NULL;
}

/*
 * A mapping that no path leads to any more, since the last one that was added
 * takes all of them; or NULL.
 */
const struct mapping *
reverse_hidden(const struct reverse *r)
{
	for (size_t i = 0; i + 1 < r->n; i++)
		if (begins(r->list[i].path, strlen(r->list[i].path),
			r->list[r->n - 1].path))
			return &r->list[i];
	return NULL;
}

/*
 * Takes a ReverseBaseURL, http or https.  Returns NULL, or what is wrong with
 * it.
 */
const char *
reverse_base(struct reverse *r, const char *text)
{
	bool tls = strncasecmp(text, "https://", 8) == 0;
	char plain[URL_SIZE_MAX], url[URL_SIZE_MAX];
	struct request where = { .literal = false };
	const char *wrong;

	snprintf(plain, sizeof(plain), "http://%s", tls ? text + 8 : "");
	wrong = strlen(text) > MAPPING_URL_MAX
	    ? "the URL has 1000 bytes at most"
	    : url_copy(url, tls ? plain : text, &where);
	if (wrong != NULL)
		return wrong;
	snprintf(plain, sizeof(plain), tls ? "https%s" : "http%s", url + 4);
	free(r->base_url);
	r->base_url = strdup(plain);
	return r->base_url == NULL ? out_of_memory : NULL;
}

/* Frees what a struct reverse owns. */
void
reverse_free(struct reverse *r)
{
	for (size_t i = 0; i < r->n; i++)
		mapping_clear(&r->list[i]);
	free(r->list);
	free(r->base_url);
}

/* Requests. */

/*
 * The mapping for a path: as in tinyproxy the last line whose path it begins
 * with, or whose path it is but for the "/" at its end.
 */
static const struct mapping *
mapping_find(const struct reverse *r, const char *path, size_t len)
{
	for (size_t i = r->n; i-- > 0;) {
		const struct mapping *m = &r->list[i];
		size_t n = strlen(m->path);

		if (begins(path, len, m->path) ||
		    (len == n - 1 && memcmp(path, m->path, len) == 0))
			return m;
	}
	return NULL;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The mapping whose path this is, or NULL. */
static const struct mapping *
mapping_named(const struct reverse *r, const char *path, size_t len)
{
	for (size_t i = r->n; i-- > 0;)
		if (strlen(r->list[i].path) == len &&
		    memcmp(r->list[i].path, path, len) == 0)
			return &r->list[i];
	return NULL;
}

/* What our cookie says in the value of a Cookie field, RFC 6265 4.2, or NULL. */
static const char *
cookie_find(const char *value, size_t len, size_t *said_len)
{
	size_t n = sizeof(cookie_name) - 1, end, last;

	for (size_t at = 0; at < len; at = end + 1) {
		while (at < len && is_blank(value[at]))
			at++;
		for (end = at; end < len && value[end] != ';'; end++)
			;
		for (last = end; last > at && is_blank(value[last - 1]); last--)
			;
		if (begins(value + at, last - at, cookie_name)) {
			*said_len = last - at - n;
			return value + at + n;
		}
	}
	return NULL;
}

/* The mapping that a request names by its first such cookie, or NULL. */
static const struct mapping *
mapping_baked(
    const struct reverse *r, const struct request *req, const char *head)
{
	size_t at = req->line.at + req->line.len + 2, len = 0;
	const char *said = NULL;
	struct http_field f;

	while (said == NULL && http_field(head, req->length, &at, &f))
		if (http_is(&f, "Cookie"))
			said = cookie_find(f.value, f.value_len, &len);
	return said != NULL ? mapping_named(r, said, len) : NULL;
}

/*
 * The mapping of a request, by its path or else by its cookie; then all of the
 * path but its first "/" goes behind the URL.  *skip is how many bytes do not.
 */
static const struct mapping *
request_mapping(const struct reverse *r, const struct request *req,
    const char *head, size_t *skip)
{
	const char *path = head + req->target.at;
	const struct mapping *m;

	if (climbs(path, req->target.len))
		return NULL;
	m = mapping_find(r, path, req->target.len);
	if (m != NULL) {
		*skip = strlen(m->path);
		return m;
	}
	*skip = 1;
	return r->magic ? mapping_baked(r, req, head) : NULL;
}

/*
 * Puts the URL of a mapping in place of the first bytes of a path, and reads
 * the request that it becomes; see reverse_map().
 */
static void
request_become(struct request *req, const struct mapping *m, size_t skip,
    char **head, size_t *len)
{
	static char mapped[HEAD_MAX + 1 + URL_SIZE_MAX];
	struct request again = { .literal = false };
	size_t at = req->target.at, url_len = strlen(m->url);
	size_t total = *len - skip + url_len;

	assert(total <= sizeof(mapped));
	memcpy(mapped, *head, at);
	memcpy(mapped + at, m->url, url_len);
	memcpy(mapped + at + url_len, *head + at + skip, *len - at - skip);
	if (parse_head(&again, mapped, total) != PARSE_OK) {
		secret_wipe(mapped, total);
		req->refusal = again.refusal;
		req->why = again.why;
		return;
	}
	assert(strcmp(again.host, m->host) == 0 && again.port == m->port);
	secret_wipe(*head + req->credentials.at, req->credentials.len);
	*req = again;
	req->mapping = m;
	*head = mapped;
	*len = total;
}

/*
 * Makes a request for a path one for the URL that a mapping has for it: *req is
 * that then, with its mapping, and *head with its *len bytes where it stands
 * until the next one is made.  Its credentials are wiped in what they were.
 * What has no mapping, lacks only the "/" at the end of a path that has one, or
 * would become too long stays in origin-form.
 */
void
reverse_map(
    const struct reverse *r, struct request *req, char **head, size_t *len)
{
	size_t skip = 0;

	if (!req->origin)
		return;
	req->mapping = request_mapping(r, req, *head, &skip);
	if (req->mapping != NULL && skip <= req->target.len)
		request_become(req, req->mapping, skip, head, len);
}

/*
 * Why a request that reverse_map() has seen is not served, a sentence, with the
 * *refusal, or NULL: it is.  The target is that of the client.
 */
const char *
reverse_refuses(const struct reverse *r, const struct request *req,
    const char *target, enum refusal *refusal)
{
	*refusal = req->why != NULL ? req->refusal : REFUSE_UNMAPPED;
	if (req->why != NULL)
		return req->why;
	if (req->mapping != NULL || (!req->origin && (!r->only || r->n == 0)))
		return NULL;
	return req->origin && climbs(target, strlen(target))
	    ? "The path has a \"..\" in it."
	    : "No mapping found for requested url.";
}

/* Answers. */

/* The cookie by which a client is known to have come by a mapping. */
void
reverse_cookie(const struct mapping *m, char text[REVERSE_COOKIE_SIZE])
{
	snprintf(
	    text, REVERSE_COOKIE_SIZE, "%s%s; path=/", cookie_name, m->path);
}

/* How many bytes of a URL a mapping has put there, if it is one of it; or 0. */
static size_t
mapping_covers(
    const struct mapping *m, const struct request *where, const char *url)
{
	const char *base = m->url + m->base, *path = url + where->path.at;

	if (where->port != m->port || strcmp(where->host, m->host) != 0)
		return 0;
	if ((where->path.len == 0 || path[0] == '?') && strcmp(base, "/") == 0)
		return where->path.at;
	return begins(path, where->path.len, base)
	    ? where->path.at + strlen(base)
	    : 0;
}

/*
 * Whether a Location in the answer to a request by this mapping leads to a URL
 * that a client has to ask for here: then it is base_url, the path of the
 * mapping that is returned without its first "/", and the URL behind its first
 * *skip bytes.  Otherwise NULL; it is left as it is.
 */
const struct mapping *
reverse_location(const struct reverse *r, const struct mapping *m,
    const char *url, size_t len, size_t *skip)
{
	const char *fragment = memchr(url, '#', len);
	struct request where = { .literal = false };

	if (r->base_url == NULL ||
	    parse_url(&where, url,
		fragment != NULL ? (size_t)(fragment - url) : len) != 0)
		return NULL;
	*skip = mapping_covers(m, &where, url);
	for (size_t i = r->n; *skip == 0 && i-- > 0;) {
		m = &r->list[i];
		*skip = mapping_covers(m, &where, url);
	}
	return *skip != 0 ? m : NULL;
}
