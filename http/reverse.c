/* SPDX-License-Identifier: ISC */
/*
 * Reverse proxying: which paths are mapped to which URLs, and how that changes
 * a request and a redirect.  A mapping leads only to the host that its line
 * names, whatever a client sends: the URL made from a path is parsed again like
 * any other.  Nothing here decides who may ask, and nothing is allocated once
 * the configuration has been read.
 */
#define _POSIX_C_SOURCE 200809L

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "array.h"
#include "http.h"
#include "parse.h"
#include "refusal.h"
#include "reverse.h"
#include "secret.h"

enum {
	MAPPING_PATH_MAX = 255, /* bytes of the path of a mapping */
	MAPPING_URL_MAX = 1000, /* bytes of a URL of the configuration */
	HTTP_PORT = 80,         /* of a URL without a port */
	URL_SIZE_MAX = MAPPING_URL_MAX + 2 /* with an added "/" and the NUL */
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

/*
 * Returns the byte at *at, decoding the escapes that matter here, and moves *at
 * on.
 */
static char
path_byte(const char *path, size_t len, size_t *at)
{
	static const struct {
		const char *escape;
		char byte;
	} escapes[] = { { "%2e", '.' }, { "%2f", '/' }, { "%5c", '\\' },
		{ "%3b", ';' },
		/* Some servers take a NUL for the end of the path. */
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
 * Returns whether a segment of a path is "..", however its dots and separators
 * are written: a server could leave the directory of the mapping for it.
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

/*
 * Returns whether text is a path that may stand in a URL and in a cookie, RFC
 * 6265.
 */
static bool
is_path(const char *path)
{
	size_t len = strlen(path);

	/*
	 * A client would take what follows two slashes in a redirect for a
	 * host.
	 */
	return path[0] == '/' && path[1] != '/' && !climbs(path, len) &&
	    strspn(path,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789-._~!$&'()*+=:@/%") == len;
}

/* The configuration. */

/*
 * Copies a URL of the configuration, with "/" for an empty path, and parses it
 * into *where.  Returns NULL, or what is wrong with it.
 */
static const char *
url_copy(char to[URL_SIZE_MAX], const char *text, struct request *where)
{
	size_t len = strlen(text);

	if (len > MAPPING_URL_MAX)
		return "the URL may have at most 1000 bytes";
	memcpy(to, text, len + 1);
	if (parse_url(where, to, len) != 0)
		return "the URL must be http://host/ or http://host:port/, "
		       "without a user, a query or a fragment";
	if (where->path.len == 0) {
		strcpy(to + len, "/");
		where->path.len = 1;
	}
	if (!is_path(to + where->path.at))
		return "the path of the URL must not have a \"..\", a query "
		       "or an invalid byte";
	if (to[strlen(to) - 1] != '/')
		return "the URL must end in /, since the rest of the path is "
		       "appended to it";
	return NULL;
}

/*
 * Copies the path of a mapping, with "/" at its end as in tinyproxy.  Returns
 * NULL, or what is wrong with it.
 */
static const char *
path_copy(char to[MAPPING_PATH_MAX + 2], const char *text)
{
	size_t len = strlen(text);

	if (len > MAPPING_PATH_MAX)
		return "the path may have at most 255 bytes";
	if (!is_path(text))
		return "the path must begin with one /, without \"..\", "
		       "query, blank, ; and ,";
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
 * Returns whether the line itself, if it leads to loopback or link-local, says
 * so: by an address, or by the only name that means the same everywhere, RFC
 * 6761 6.3.  Name servers can give any other name such an address, even a name
 * below localhost.
 */
static bool
is_named(const struct request *where)
{
	return where->literal || strcmp(where->host, "localhost") == 0;
}

/*
 * Adds a ReversePath: a path, and the URL that it is mapped to.  Both are
 * copied.  Returns NULL, or what is wrong.
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
	grown = array_room(r->list, r->n, sizeof(*grown));
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
 * Returns a mapping that can no longer be reached because the path of the last
 * mapping added covers its path; or NULL.
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
 * Sets ReverseBaseURL, http or https; the text is copied.  Returns NULL, or
 * what is wrong with it.
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
	    ? "the URL may have at most 1000 bytes"
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
 * Returns the mapping for a path: as in tinyproxy, the last line whose path it
 * begins with, or equals except for the "/" at the end of that; or NULL.
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

/* Returns the mapping with exactly this path, or NULL. */
static const struct mapping *
mapping_named(const struct reverse *r, const char *path, size_t len)
{
	for (size_t i = r->n; i-- > 0;)
		if (strlen(r->list[i].path) == len &&
		    memcmp(r->list[i].path, path, len) == 0)
			return &r->list[i];
	return NULL;
}

/*
 * Returns what our cookie says in the value of a Cookie field, RFC 6265 4.2, or
 * NULL.
 */
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

/*
 * Returns the mapping that the first of our cookies in a request names, or
 * NULL.
 */
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
 * Returns the mapping of a request, by its path or else by its cookie.  *skip
 * is how many bytes of the path the URL of the mapping replaces; by a cookie,
 * only the first "/".
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
 * Replaces the first skip bytes of the path with a URL, and parses the resulting
 * request; see reverse_map().  Returns whether it is one; if not, why says so.
 */
static bool
request_become(
    struct request *req, const char *url, size_t skip, char **head, size_t *len)
{
	static char mapped[HEAD_MAX + 1 + URL_SIZE_MAX];
	struct request again = { .literal = false };
	size_t at = req->target.at, url_len = strlen(url);
	size_t total = *len - skip + url_len;

	assert(total <= sizeof(mapped));
	memcpy(mapped, *head, at);
	memcpy(mapped + at, url, url_len);
	memcpy(mapped + at + url_len, *head + at + skip, *len - at - skip);
	if (parse_head(&again, mapped, total) != PARSE_OK) {
		secret_wipe(mapped, total);
		req->refusal = again.refusal;
		req->why = again.why;
		return false;
	}
	secret_wipe(*head + req->credentials.at, req->credentials.len);
	again.cut = req->cut;
	*req = again;
	*head = mapped;
	*len = total;
	return true;
}

/*
 * Finds the Host of a request.  Returns whether there is one that has no more
 * than a host and a port; if not, that is why the request is refused.
 */
static bool
host_find(struct request *req, const char *head, struct http_field *f)
{
	size_t at = req->line.at + req->line.len + 2;
	bool found = false;

	while (!found && http_field(head, req->length, &at, f))
		found = http_is(f, "Host");
	req->refusal = REFUSE_MALFORMED;
	req->why = "There is no Host field that names a server.";
	if (!found || f->value_len == 0 || f->value_len > HOST_SIZE + 8)
		return false;
	for (size_t i = 0; i < f->value_len; i++)
		if (strchr("/?#@\\ \t", f->value[i]) != NULL)
			return false;
	return true;
}

/*
 * Turns a request for a path into one for the URL of its Host, as a transparent
 * proxy does.
 */
static void
request_follow_host(struct request *req, char **head, size_t *len)
{
	char url[URL_SIZE_MAX];
	struct http_field f = { .value_len = 0 };

	if (!host_find(req, *head, &f))
		return;
	snprintf(url, sizeof(url), "http://%.*s", (int)f.value_len, f.value);
	if (request_become(req, url, 0, head, len))
		req->why = NULL;
}

/*
 * Reads a Host field as the host and port of a server: without a port it is the
 * one that is given.  Returns whether it is such a field.
 */
static bool
host_read(struct request *where, const struct http_field *f, uint16_t port)
{
	char url[HOST_SIZE + 24];
	const char *end = memchr(f->value, ']', f->value_len);
	size_t skip = end != NULL ? (size_t)(end - f->value) : 0;
	bool has_port =
	    memchr(f->value + skip, ':', f->value_len - skip) != NULL;

	snprintf(url, sizeof(url), "http://%.*s", (int)f->value_len, f->value);
	if (parse_url(where, url, strlen(url)) != 0)
		return false;
	if (!has_port)
		where->port = port;
	return true;
}

/*
 * Why a request at a port for transparent clients is refused, or NULL.  With a
 * Host, that is in host.
 */
static const char *
follow_refuses(
    const struct request *req, const struct request *host, uint16_t port)
{
	if (!req->plain)
		return "There is no proxy here that takes a CONNECT.";
	if (req->cut > 0)
		return "The URL has more than a server and a path.";
	if (host != NULL && host->port != port)
		return "The Host field names another port than the one that "
		       "was connected to.";
	if (!req->origin && req->port != port)
		return "The URL names another port than the one that was "
		       "connected to.";
	return !req->origin && host != NULL &&
		strcmp(req->host, host->host) != 0
	    ? "The URL and the Host field name two servers."
	    : NULL;
}

/*
 * Turns a request of a client that takes this proxy for the server into one for
 * the URL of its Host, with the port that the client has connected to.  A
 * request that could be read as one for another server or port is refused:
 * reverse_refuses() says why.  Changes what reverse_map() does.
 */
void
reverse_follow(struct request *req, uint16_t port, char **head, size_t *len)
{
	struct http_field f = { .value_len = 0 };
	struct request host = { .literal = false };
	char url[URL_SIZE_MAX];
	bool named = host_find(req, *head, &f);

	/* A URL may stand alone, but only without a Host at all. */
	if (named ? !host_read(&host, &f, port) : req->origin || req->has_host)
		return;
	req->why = follow_refuses(req, named ? &host : NULL, port);
	if (req->why != NULL || !req->origin)
		return;
	snprintf(url, sizeof(url),
	    strchr(host.host, ':') != NULL ? "http://[%s]" : "http://%s",
	    host.host);
	if (port != HTTP_PORT)
		snprintf(url + strlen(url), sizeof(url) - strlen(url), ":%u",
		    (unsigned)port);
	request_become(req, url, 0, head, len);
}

/* Whether requests for a path are taken at all. */
bool
reverse_takes_paths(const struct reverse *r)
{
	return r->n > 0 || r->by_host;
}

/*
 * Turns a request in origin-form into one for the URL that its path is mapped
 * to: *req becomes that request, with its mapping, and *head and *len its head,
 * in a buffer that the next call overwrites.  The credentials in the old head
 * are wiped.  A request without a mapping, with a mapped path that lacks only
 * its final "/", or too long after mapping stays in origin-form.  With
 * Transparent one without a mapping is for the URL of its Host.
 */
void
reverse_map(
    const struct reverse *r, struct request *req, char **head, size_t *len)
{
	const struct mapping *m;
	size_t skip = 0;

	if (!req->origin)
		return;
	m = request_mapping(r, req, *head, &skip);
	req->mapping = m;
	if (m == NULL && r->by_host) {
		request_follow_host(req, head, len);
	} else if (m != NULL && skip <= req->target.len &&
	    request_become(req, m->url, skip, head, len)) {
		assert(strcmp(req->host, m->host) == 0 && req->port == m->port);
		req->mapping = m;
	}
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
	    ? "The path contains \"..\"."
	    : "No mapping found for requested url.";
}

/* Answers. */

/* Writes the cookie that identifies the mapping by which a client came. */
void
reverse_cookie(const struct mapping *m, char text[REVERSE_COOKIE_SIZE])
{
	snprintf(
	    text, REVERSE_COOKIE_SIZE, "%s%s; path=/", cookie_name, m->path);
}

/*
 * Returns how many bytes of a URL come from a mapping, 0 if the URL does not
 * belong to it.
 */
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
 * Finds the mapping through which a client must ask for a URL that a Location
 * names in the answer to a request by mapping m.  The new Location is then
 * base_url, the path of the returned mapping without its first "/", and the URL
 * after its first *skip bytes.  Returns NULL if the Location must stay as it
 * is.
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
