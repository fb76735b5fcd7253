/* SPDX-License-Identifier: ISC */
/* ReversePath: paths that are mapped to URLs. */
#ifndef REVERSE_H
#define REVERSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "refusal.h"

struct request;

/* One ReversePath: requests below path become requests below url. */
struct mapping {
	char *path; /* owned; ends in "/", as url does */
	char *url;  /* owned */
	char *host; /* owned; as parsed from url */
	uint16_t port;
	size_t base; /* where the path begins in url */
	bool named;  /* host is an address or localhost */
	unsigned long line;
};

/* All ReversePaths in the order of the file, and the directives around them. */
struct reverse {
	struct mapping *list; /* owned */
	size_t n;
	bool only, magic;
	bool by_host;   /* Transparent: other paths are below the Host */
	char *base_url; /* owned; ends in "/"; or NULL */
};

enum { REVERSE_COOKIE_SIZE = 512 /* bytes of a Set-Cookie, with its NUL */ };

const char *reverse_add(
    struct reverse *, unsigned long line, const char *path, const char *url);
const struct mapping *reverse_hidden(const struct reverse *);
const char *reverse_base(struct reverse *, const char *text);
void reverse_free(struct reverse *);
bool reverse_takes_paths(const struct reverse *);
void reverse_follow(struct request *, uint16_t port, char **head, size_t *len);
void reverse_map(
    const struct reverse *, struct request *, char **head, size_t *len);
const char *reverse_refuses(const struct reverse *, const struct request *,
    const char *target, enum refusal *refusal);
void reverse_cookie(const struct mapping *, char text[REVERSE_COOKIE_SIZE]);
const struct mapping *reverse_location(const struct reverse *,
    const struct mapping *, const char *url, size_t len, size_t *skip);

#endif
