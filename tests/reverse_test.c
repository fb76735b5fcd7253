/* SPDX-License-Identifier: ISC */
/* LINK: http/reverse.c parse.c http/http.c http/fields.c base/addr.c base/local.c base/secret.c base/name.c http/refusal.c base/array.c */
/*
 * Makes mappings from a table, and passes requests, cookies and redirections
 * through them; then random requests.  Every request must lead to the host of a
 * mapping, below its URL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"

enum { HEAD_SIZE = HEAD_MAX + 1 /* bytes, as much as a worker reads */ };

static struct reverse reverse;
static unsigned passed, failed;

static void
check(bool ok, const char *what, const char *text)
{
	if (ok) {
		passed++;
		return;
	}
	failed++;
	printf("%s: %.200s\n", what, text);
}

/* The configuration. */

static const struct {
	bool good;
	const char *path, *url;
} mappings[] = {
	{ true, "/", "http://h/" },
	{ true, "/a", "http://h" },
	{ true, "/a/b.c-d_e~/", "http://H.example:8080/x/" },
	{ true, "/a/", "http://[2001:db8::1]:80/a:b@c/" },
	{ true, "/a/", "HTTP://127.0.0.1/%41/" },
	{ true, "/...", "http://h/a..b/" },
	{ false, "", "http://h/" },
	{ false, "a", "http://h/" },
	{ false, "a/", "http://h/" },
	{ false, "//a/", "http://h/" },
	{ false, "/a b/", "http://h/" },
	{ false, "/a?b/", "http://h/" },
	{ false, "/a#b/", "http://h/" },
	{ false, "/a;b/", "http://h/" },
	{ false, "/a,b/", "http://h/" },
	{ false, "/a\\b/", "http://h/" },
	{ false, "/\xc3\xa9/", "http://h/" },
	{ false, "/../", "http://h/" },
	{ false, "/a/..", "http://h/" },
	{ false, "/a/%2E./b/", "http://h/" },
	{ false, "/a/", "h" },
	{ false, "/a/", "/b/" },
	{ false, "/a/", "https://h/" },
	{ false, "/a/", "ftp://h/" },
	{ false, "/a/", "http:/h/" },
	{ false, "/a/", "http://" },
	{ false, "/a/", "http:///" },
	{ false, "/a/", "http://u:p@h/" },
	{ false, "/a/", "http://u@h/" },
	{ false, "/a/", "http://h:0/" },
	{ false, "/a/", "http://h:65536/" },
	{ false, "/a/", "http://h:/" },
	{ false, "/a/", "http://127.1/" },
	{ false, "/a/", "http://2130706433/" },
	{ false, "/a/", "http://::1/" },
	{ false, "/a/", "http://h/b" },
	{ false, "/a/", "http://h/?q=" },
	{ false, "/a/", "http://h?q=/" },
	{ false, "/a/", "http://h/#/" },
	{ false, "/a/", "http://h/../" },
	{ false, "/a/", "http://h/b/%2e%2e/" },
	{ false, "/a/", "http://h/b c/" },
	{ false, "/a/", "http://h\r\nX: y/" },
};

static void
mappings_try(void)
{
	for (size_t i = 0; i < sizeof(mappings) / sizeof(*mappings); i++) {
		struct reverse r = { .n = 0 };
		const char *wrong =
		    reverse_add(&r, 1, mappings[i].path, mappings[i].url);

		check((wrong == NULL) == mappings[i].good,
		    wrong == NULL ? "a bad mapping is taken" : wrong,
		    mappings[i].good ? mappings[i].path : mappings[i].url);
		check(r.n == (wrong == NULL), "a bad mapping is kept",
		    mappings[i].url);
		reverse_free(&r);
	}
}

static void
bounds_try(void)
{
	static char path[2000] = "/", url[2000] = "http://h/";
	struct reverse r = { .n = 0 };

	memset(path + 1, 'p', sizeof(path) - 2);
	memset(url + 9, 'u', sizeof(url) - 10);
	check(
	    reverse_add(&r, 1, path, "http://h/") != NULL, "no bound", "path");
	check(reverse_add(&r, 1, "/", url) != NULL, "no bound", "URL");
	check(reverse_base(&r, url) != NULL, "no bound", "base");
	path[255] = '\0';
	strcpy(url + 999, "/");
	check(reverse_add(&r, 1, path, url) == NULL, "a bound", "both");
	check(reverse_base(&r, url) == NULL, "a bound", "base");
	memcpy(url, "https://hhh", 11);
	check(strlen(url) == 1000, "the test is wrong", url);
	url[8 + 3] = '/';
	check(reverse_base(&r, url) == NULL, "a bound", "https base");
	check(strcmp(r.base_url, url) == 0, "cut", r.base_url);
	reverse_free(&r);
}

static void
bases_try(void)
{
	static const char *const good[] = { "http://h/", "https://h",
		"HTTPS://h:8443/a/", "http://[::1]:80/" };
	static const char *const bad[] = { "h", "/", "ftp://h/", "https://",
		"http://h/a", "https://u@h/", "http://h/?a/", "https://h/../",
		"http://h/\r\nX: y/", "https://h /" };
	struct reverse r = { .n = 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check(reverse_base(&r, bad[i]) != NULL, "a bad base", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		check(reverse_base(&r, good[i]) == NULL, "no base", good[i]);
	check(reverse_base(&r, "https://Host") == NULL &&
		strcmp(r.base_url, "https://Host/") == 0,
	    "another base", r.base_url);
	reverse_free(&r);
}

static void
hidden_try(void)
{
	struct reverse r = { .n = 0 };

	reverse_add(&r, 7, "/a/b/", "http://h/");
	check(reverse_hidden(&r) == NULL, "hidden", "the first");
	reverse_add(&r, 8, "/c/", "http://h/");
	check(reverse_hidden(&r) == NULL, "hidden", "none");
	reverse_add(&r, 9, "/a", "http://h/");
	check(reverse_hidden(&r) == &r.list[0], "not hidden", "/a/b/");
	reverse_free(&r);
}

/* Requests. */

static const struct {
	const char *target, *field, *url; /* NULL: none; "/...": redirected */
} requests[] = {
	{ "/app/", "", "http://app.example:8080/base/" },
	{ "/app/x", "", "http://app.example:8080/base/x" },
	{ "/app/x?y=/../z", "", "http://app.example:8080/base/x?y=/../z" },
	{ "/app/?", "", "http://app.example:8080/base/?" },
	{ "/app/@evil", "", "http://app.example:8080/base/@evil" },
	{ "/app//evil/", "", "http://app.example:8080/base//evil/" },
	{ "/app/http://evil/", "",
	    "http://app.example:8080/base/http://evil/" },
	{ "/app/sub/x", "", "http://sub.example/x" },
	{ "/app/sub", "", "/app/sub/" },
	{ "/app", "", "/app/" },
	{ "/root/@evil", "", "http://root.example/@evil" },
	{ "/root/.evil", "", "http://root.example/.evil" },
	{ "/root/:81", "", "http://root.example/:81" },
	{ "/root/a/...", "", "http://root.example/a/..." },
	{ "/root/a/..b/b../.", "", "http://root.example/a/..b/b../." },
	{ "/root/;..", "", "http://root.example/;.." },
	{ "/six/x", "", "http://[2001:db8::1]:81/x" },
	{ "/app?x", "", NULL },
	{ "/apps/", "", NULL },
	{ "/APP/", "", NULL },
	{ "/", "", NULL },
	{ "//app/", "", NULL },
	{ "/%61pp/", "", NULL },
	{ "/app/..", "", NULL },
	{ "/app/../", "", NULL },
	{ "/app/../root/x", "", NULL },
	{ "/app/x/../../y", "", NULL },
	{ "/app/%2e%2E/", "", NULL },
	{ "/app/.%2e/", "", NULL },
	{ "/app/..%2fx", "", NULL },
	{ "/app%2F..%2Fx", "", NULL },
	{ "/app/..\\x", "", NULL },
	{ "/app/..%5Cx", "", NULL },
	{ "/app/x\\..", "", NULL },
	{ "/app/..;a=b/x", "", NULL },
	{ "/app/..%3bx", "", NULL },
	{ "/app/..?x", "", NULL },
	{ "/x", "Cookie: yummy_magical_cookie=/app/",
	    "http://app.example:8080/base/x" },
	{ "/", "Cookie: yummy_magical_cookie=/app/",
	    "http://app.example:8080/base/" },
	{ "/x", "cookie: a=b;yummy_magical_cookie=/root/ ; c",
	    "http://root.example/x" },
	{ "/x", "Cookie: a=b\r\nCookie:yummy_magical_cookie=/root/",
	    "http://root.example/x" },
	{ "/x",
	    "Cookie: yummy_magical_cookie=/root/; yummy_magical_cookie=/app/",
	    "http://root.example/x" },
	{ "/x", "Cookie: yummy_magical_cookie=/no/; yummy_magical_cookie=/app/",
	    NULL },
	{ "/@evil/", "Cookie: yummy_magical_cookie=/root/",
	    "http://root.example/@evil/" },
	{ "/root/x", "Cookie: yummy_magical_cookie=/app/",
	    "http://root.example/x" },
	{ "/root", "Cookie: yummy_magical_cookie=/app/", "/root/" },
	{ "/../x", "Cookie: yummy_magical_cookie=/app/", NULL },
	{ "/x", "Cookie: yummy_magical_cookie=/app", NULL },
	{ "/x", "Cookie: yummy_magical_cookie=/app/x", NULL },
	{ "/x", "Cookie: yummy_magical_cookie=/ap", NULL },
	{ "/x", "Cookie: yummy_magical_cookie=", NULL },
	{ "/x", "Cookie: yummy_magical_cookie", NULL },
	{ "/x", "Cookie: yummy_magical_cookie=http://evil/", NULL },
	{ "/x", "Cookie: xyummy_magical_cookie=/app/", NULL },
	{ "/x", "Cookie: a=yummy_magical_cookie=/app/", NULL },
	{ "/x", "Cookie: YUMMY_MAGICAL_COOKIE=/app/", NULL },
	{ "/x", "Cookie: \"yummy_magical_cookie=/app/\"", NULL },
	{ "/x", "Cookie2: yummy_magical_cookie=/app/", NULL },
	{ "/x", "Cookie: ;;; ;", NULL },
	{ "/x", "Cookie:", NULL },
};

static void
reverse_make(void)
{
	reverse_free(&reverse);
	memset(&reverse, 0, sizeof(reverse));
	check(reverse_add(&reverse, 1, "/app",
		  "http://app.example:8080/base/") == NULL &&
		reverse_add(&reverse, 2, "/app/sub/", "http://sub.example/") ==
		    NULL &&
		reverse_add(&reverse, 3, "/root/", "http://root.example") ==
		    NULL &&
		reverse_add(&reverse, 4, "/six/", "http://[2001:db8::1]:81/") ==
		    NULL &&
		reverse_base(&reverse, "https://proxy.example") == NULL,
	    "no mapping", "");
	reverse.magic = true;
}

/*
 * Reads a request as a worker does, in a block of its own, and maps it.
 * Returns the block, which the caller frees.
 */
static char *
request_map(struct request *req, const char *text, size_t len, char **head,
    size_t *size, enum parse_result *result)
{
	char *block = malloc(len);

	if (block == NULL)
		exit(2);
	memcpy(block, text, len);
	memset(req, 0, sizeof(*req));
	req->takes_paths = true;
	*head = block;
	*size = len;
	*result = parse_head(req, block, len);
	if (*result == PARSE_OK)
		reverse_map(&reverse, req, head, size);
	return block;
}

/* The status with which a mapped request is refused, or 0. */
static int
refusal(const struct request *req, const char *target)
{
	enum refusal refusal;

	return reverse_refuses(&reverse, req, target, &refusal) != NULL
	    ? refusal_row(refusal)->status
	    : 0;
}

/* Whether a mapped request leads below the URL of its mapping. */
static bool
is_below(const struct request *req, const char *head)
{
	const struct mapping *m = req->mapping;
	size_t url = m != NULL ? strlen(m->url) : 0;

	return m != NULL && strcmp(req->host, m->host) == 0 &&
	    req->port == m->port && req->plain && req->target.len >= url &&
	    memcmp(head + req->target.at, m->url, url) == 0 &&
	    req->path.at == req->target.at + m->base;
}

static void
request_try(size_t i)
{
	const char *url = requests[i].url;
	char text[1024], *head, *block;
	enum parse_result result;
	struct request req;
	size_t size;

	snprintf(text, sizeof(text),
	    "POST %s HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Basic "
	    "eDp5\r\n%s%sContent-Length: 4\r\n\r\nbody",
	    requests[i].target, requests[i].field,
	    requests[i].field[0] != '\0' ? "\r\n" : "");
	block = request_map(&req, text, strlen(text), &head, &size, &result);
	check(result == PARSE_OK, "not taken", requests[i].target);
	check(refusal(&req, requests[i].target) == (url != NULL ? 0 : 400),
	    "wrongly refused or not", requests[i].target);
	if (url == NULL) {
		check(head == block && req.origin && req.mapping == NULL,
		    "mapped", requests[i].target);
	} else if (url[0] == '/') {
		check(req.origin && req.mapping != NULL &&
			strcmp(req.mapping->path, url) == 0,
		    "not redirected", requests[i].target);
	} else {
		check(!req.origin && req.target.len == strlen(url) &&
			memcmp(head + req.target.at, url, strlen(url)) == 0,
		    "another URL", requests[i].target);
		check(is_below(&req, head), "elsewhere", requests[i].target);
		check(req.content == 4 && size - req.length == 4 &&
			memcmp(head + req.length, "body", 4) == 0,
		    "other content", requests[i].target);
		check(memcmp(head + req.credentials.at, "Basic eDp5",
			  req.credentials.len) == 0,
		    "other credentials", requests[i].target);
		check(strstr(block, "eDp5") == NULL, "credentials stay",
		    requests[i].target);
	}
	free(block);
}

/* A path is accepted only if a mapping matches, and never for CONNECT. */
static void
forms_try(void)
{
	static const char path[] = "GET /app/ HTTP/1.1\r\nHost: h\r\n\r\n",
			  whole[] = "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char *const bad[] = { "CONNECT /app/ HTTP/1.1\r\n\r\n",
		"GET /app/#x HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET app/ HTTP/1.1\r\nHost: h\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /app/ HTTP/1.1\r\n\r\n" };
	struct request req = { .literal = false };
	enum parse_result result;
	char *head;
	size_t size;

	check(parse_head(&req, path, sizeof(path) - 1) == PARSE_BAD &&
		req.refusal == REFUSE_MALFORMED,
	    "a path is taken", "without mappings");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		memset(&req, 0, sizeof(req));
		req.takes_paths = true;
		check(parse_head(&req, bad[i], strlen(bad[i])) == PARSE_BAD &&
			req.refusal == REFUSE_MALFORMED,
		    "taken", bad[i]);
	}
	free(
	    request_map(&req, whole, sizeof(whole) - 1, &head, &size, &result));
	check(result == PARSE_OK && !req.origin && req.mapping == NULL &&
		refusal(&req, "http://h/") == 0,
	    "mapped or refused", whole);
	reverse.only = true;
	check(refusal(&req, "http://h/") == 400, "not refused", whole);
	reverse.only = false;
}

/* The longest requests are mapped or refused, and never cut. */
static void
lengths_try(void)
{
	static char text[HEAD_SIZE];
	enum parse_result result;
	struct request req;
	char *head;
	size_t size, len;

	for (size_t path = 8100; path <= REQUEST_LINE_MAX - 13; path++) {
		len = (size_t)sprintf(text, "GET /app/");
		memset(text + len, 'x', path - 5);
		len += path - 5;
		len +=
		    (size_t)sprintf(text + len, " HTTP/1.1\r\nHost: h\r\n\r\n");
		free(request_map(&req, text, len, &head, &size, &result));
		/* "http://app.example:8080/base/" is 24 bytes longer. */
		check(result == PARSE_OK &&
			refusal(&req, "/app/") ==
			    (path + 24 + 13 <= REQUEST_LINE_MAX ? 0 : 414),
		    "another outcome of a long line", text);
	}
	len = (size_t)sprintf(text, "GET /app/ HTTP/1.1\r\nHost: h\r\nX: ");
	memset(text + len, 'x', sizeof(text) - len);
	memcpy(text + HEAD_MAX - 10, "\r\n\r\n", 4);
	free(request_map(&req, text, sizeof(text), &head, &size, &result));
	check(result == PARSE_OK && refusal(&req, "/app/") == 431 &&
		size == sizeof(text),
	    "a long head", "");
	memcpy(text + HEAD_MAX - 60, "\r\n\r\n", 4);
	free(request_map(&req, text, sizeof(text), &head, &size, &result));
	check(refusal(&req, "/app/") == 0 && size == sizeof(text) + 24,
	    "no long head", "");
}

/* Random bytes, many of which have a meaning for mappings and parsers. */
static size_t
random_path(char *out)
{
	static const char *const parts[] = { "/", "app", "/app/", "/root/",
		"..", ".", "%2e", "%2F", "@", ":", "//", "?", ";", "\\",
		"evil.example", "[::1]", "http://", ":81", "&", "%" };
	size_t len = 1, n = 1 + (size_t)rand() % 10;

	out[0] = '/';
	for (size_t i = 0; i < n; i++) {
		const char *part = parts[(size_t)rand() % 20];

		memcpy(out + len, part, strlen(part));
		len += strlen(part);
		if (rand() % 8 == 0)
			out[len++] = (char)(0x21 + rand() % 0xde);
	}
	return len;
}

static void
random_try(void)
{
	char text[512] = "GET ", *head, *block;
	enum parse_result result;
	struct request req;
	size_t size, len = 4 + random_path(text + 4);

	len += (size_t)sprintf(text + len,
	    " HTTP/1.1\r\nHost: h\r\nCookie: yummy_magical_cookie=%s\r\n\r\n",
	    rand() % 2 == 0 ? "/root/" : "/nobody/");
	block = request_map(&req, text, len, &head, &size, &result);
	if (result == PARSE_OK && !req.origin)
		check(is_below(&req, head), "elsewhere", text);
	free(block);
}

/* Answers. */

static const struct {
	const char *url, *became; /* NULL: it stays */
} locations[] = {
	{ "http://app.example:8080/base/x?y#z",
	    "https://proxy.example/app/x?y#z" },
	{ "HTTP://APP.EXAMPLE:8080/base/", "https://proxy.example/app/" },
	{ "http://sub.example", "https://proxy.example/app/sub/" },
	{ "http://sub.example#x", "https://proxy.example/app/sub/#x" },
	{ "http://sub.example?x", "https://proxy.example/app/sub/?x" },
	{ "http://sub.example:80/x", "https://proxy.example/app/sub/x" },
	{ "http://root.example./x", "https://proxy.example/root/x" },
	{ "http://[2001:DB8::1]:81/x", "https://proxy.example/six/x" },
	{ "http://app.example:8080/base", NULL },
	{ "http://app.example:8080/bases/", NULL },
	{ "http://app.example:8080/BASE/", NULL },
	{ "http://app.example/base/", NULL },
	{ "https://sub.example/", NULL },
	{ "http://sub.example.evil/", NULL },
	{ "http://sub.example@evil/", NULL },
	{ "http://u@sub.example/", NULL },
	{ "http://sub.example:81/", NULL },
	{ "/base/x", NULL },
	{ "//sub.example/", NULL },
	{ "", NULL },
	{ "#", NULL },
	{ "http://", NULL },
};

static void
location_try(size_t i, const struct mapping *own)
{
	size_t len = strlen(locations[i].url), skip = 0;
	char *url = malloc(len + 1), became[256];
	const struct mapping *m;

	if (url == NULL)
		exit(2);
	memcpy(url, locations[i].url, len);
	m = reverse_location(&reverse, own, url, len, &skip);
	check((m != NULL) == (locations[i].became != NULL), "stays or not",
	    locations[i].url);
	if (m != NULL) {
		check(skip <= len, "too far", locations[i].url);
		snprintf(became, sizeof(became), "%s%s%.*s", reverse.base_url,
		    m->path + 1, (int)(len - skip), url + skip);
		check(
		    strcmp(became, locations[i].became) == 0, "became", became);
	}
	free(url);
}

/* The mapping of the request is used before others with the same URL. */
static void
own_try(void)
{
	static const char url[] = "http://app.example:8080/base/x";
	const struct mapping *m;
	size_t skip;

	reverse_add(&reverse, 5, "/again/", "http://app.example:8080/");
	m = reverse_location(
	    &reverse, &reverse.list[0], url, sizeof(url) - 1, &skip);
	check(m == &reverse.list[0], "another mapping", "/app/");
	m = reverse_location(
	    &reverse, &reverse.list[1], url, sizeof(url) - 1, &skip);
	check(m == &reverse.list[4], "another mapping", "/again/");
}

/* Requests of clients that take this proxy for their server. */
static const struct {
	const char *head;
	uint16_t port;
	const char *became; /* the target, or NULL: it is refused */
	uint16_t to;
} followed[] = { { "GET /a?b HTTP/1.1\r\nHost: H.test", 80, "http://h.test/a?b",
		     80 },
	{ "GET / HTTP/1.1\r\nHost: h.test:80", 80, "http://h.test/", 80 },
	{ "GET / HTTP/1.1\r\nHost: h.test", 81, "http://h.test:81/", 81 },
	{ "GET / HTTP/1.1\r\nHost: h.test:81", 81, "http://h.test:81/", 81 },
	{ "GET / HTTP/1.1\r\nHost: [::1]:81", 81, "http://[::1]:81/", 81 },
	{ "GET / HTTP/1.1\r\nHost: [2001:db8::1]", 81,
	    "http://[2001:db8::1]:81/", 81 },
	{ "GET / HTTP/1.1\r\nHost: 192.0.2.1", 80, "http://192.0.2.1/", 80 },
	{ "GET http://h.test/a HTTP/1.1\r\nHost: h.test", 80, "http://h.test/a",
	    80 },
	{ "GET http://h.test:81/ HTTP/1.1\r\nHost: h.test:81", 81,
	    "http://h.test:81/", 81 },
	{ "GET http://h.test/ HTTP/1.0\r\nA: b", 80, "http://h.test/", 80 },
	{ "GET / HTTP/1.1\r\nHost: h.test:81", 80, NULL, 0 },
	{ "GET / HTTP/1.1\r\nHost: h.test:80", 81, NULL, 0 },
	{ "GET / HTTP/1.1\r\nHost: h.test:", 80, NULL, 0 },
	{ "GET / HTTP/1.1\r\nHost: h.test:080", 80, NULL, 0 },
	{ "GET / HTTP/1.1\r\nHost: 0x7f.1", 80, NULL, 0 },
	{ "GET / HTTP/1.1\r\nHost: h..test", 80, NULL, 0 },
	{ "GET / HTTP/1.1\r\nHost:", 80, NULL, 0 },
	{ "GET / HTTP/1.0\r\nA: b", 80, NULL, 0 },
	{ "GET http://h.test/ HTTP/1.1\r\nHost: i.test", 80, NULL, 0 },
	{ "GET http://h.test/ HTTP/1.1\r\nHost:", 80, NULL, 0 },
	{ "GET http://h.test/ HTTP/1.1\r\nHost: h.test", 81, NULL, 0 },
	{ "GET http://h.test:81/ HTTP/1.1\r\nHost: h.test", 81,
	    "http://h.test:81/", 81 },
	{ "GET http://a@h.test/ HTTP/1.1\r\nHost: h.test", 80, NULL, 0 },
	{ "CONNECT h.test:80 HTTP/1.1\r\nHost: h.test:80", 80, NULL, 0 } };

static void
followed_try(size_t i)
{
	static char text[1024];
	struct request req = { .takes_paths = true };
	char *head = text;
	size_t len;

	snprintf(text, sizeof(text), "%s\r\n\r\n", followed[i].head);
	len = strlen(text);
	if (parse_head(&req, head, len) != PARSE_OK) {
		check(followed[i].became == NULL, "malformed", text);
		return;
	}
	len = parse_cut(&req, head, len);
	reverse_follow(&req, followed[i].port, &head, &len);
	check((req.why == NULL) == (followed[i].became != NULL), "refused",
	    followed[i].head);
	if (req.why != NULL || followed[i].became == NULL)
		return;
	check(req.target.len == strlen(followed[i].became) &&
		strncmp(head + req.target.at, followed[i].became,
		    req.target.len) == 0 &&
		req.port == followed[i].to,
	    "became something else", followed[i].head);
}

static void
cookie_try(void)
{
	static char path[256] = "/";
	char cookie[REVERSE_COOKIE_SIZE];
	struct reverse r = { .n = 0 };

	memset(path + 1, 'p', 254);
	reverse_add(&r, 1, path, "http://h/");
	reverse_cookie(&r.list[0], cookie);
	check(strlen(cookie) == strlen("yummy_magical_cookie=; path=/") + 256,
	    "a cookie is cut", cookie);
	reverse_free(&r);
	reverse_cookie(&reverse.list[0], cookie);
	check(strcmp(cookie, "yummy_magical_cookie=/app/; path=/") == 0,
	    "another cookie", cookie);
}

int
main(void)
{
	srand(1);
	mappings_try();
	bounds_try();
	bases_try();
	hidden_try();
	reverse_make();
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		request_try(i);
	forms_try();
	lengths_try();
	for (int i = 0; i < 100000; i++)
		random_try();
	for (size_t i = 0; i < sizeof(locations) / sizeof(*locations); i++) {
		location_try(i, &reverse.list[0]);
		location_try(i, &reverse.list[2]);
	}
	for (size_t i = 0; i < sizeof(followed) / sizeof(*followed); i++)
		followed_try(i);
	cookie_try();
	own_try();
	reverse_free(&reverse);
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
