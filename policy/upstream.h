/* SPDX-License-Identifier: ISC */
/* Upstream: the parent proxies. */
#ifndef UPSTREAM_H
#define UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "bounds.h"
#include "rule.h"

struct request;

enum upstream_kind {
	UPSTREAM_NONE, /* no parent */
	UPSTREAM_HTTP,
	UPSTREAM_SOCKS4,
	UPSTREAM_SOCKS5
};

enum {
	UPSTREAM_TEXT_SIZE = HOST_SIZE + 8 /* bytes of host:port, with NUL */
};

/* One Upstream: a parent proxy, and the targets that go through it. */
struct upstream {
	enum upstream_kind kind;
	char *host;   /* owned, without brackets; NULL: no parent */
	bool literal; /* host is an address, or the path of a Unix socket: */
	struct addr addr; /* owned: the number of the path */
	uint16_t port;
	char *user, *password; /* owned, or NULL */
	struct rule site;      /* owned; RULE_ANY: targets without a site */
	unsigned preface;      /* SendProxy: the version, or 0 */
	unsigned long line;
};

/* All Upstreams, in the order of the file. */
struct upstreams {
	struct upstream *list;
	size_t n;
	struct upstream *greetings; /* one for each SendProxy */
	size_t ngreetings;
};

const char *upstream_add(struct upstreams *, unsigned long line, char *text);
const char *upstream_greeting_add(
    struct upstreams *, unsigned long line, char *text);
unsigned long upstream_greet(struct upstreams *);
void upstream_free(struct upstreams *);
void upstream_forget(struct upstreams *);
int upstream_init(const struct upstreams *);
const struct upstream *upstream_pick(
    const struct upstreams *, const struct request *, uint64_t *tried);
unsigned upstream_left(
    const struct upstreams *, const struct request *, uint64_t tried);
void upstream_dead(const struct upstreams *, const struct upstream *);
uint64_t upstream_down(const struct upstreams *);
bool upstream_is_local(const struct upstreams *);
void upstream_alive(const struct upstreams *, const struct upstream *);
const char *upstream_kind(const struct upstream *);
const char *upstream_text(
    const struct upstream *, char text[UPSTREAM_TEXT_SIZE]);
bool upstream_has_substitute(const struct upstreams *, const struct upstream *);

#endif
