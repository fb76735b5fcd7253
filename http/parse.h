/* SPDX-License-Identifier: ISC */
/* The head of a request, and the parser for it. */
#ifndef PARSE_H
#define PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "bounds.h"
#include "refusal.h"

struct mapping;

enum {
	HEAD_MAX = 65536,        /* bytes of a request head */
	REQUEST_LINE_MAX = 8192, /* bytes of a request line */
	VIAS_MAX = 8,            /* Via fields of a request */
	OPTIONS_MAX = 8,         /* Connection fields of a message */
	OPTIONS_SIZE = 512,      /* bytes of all these together */
	NAMED_MAX = 32           /* options that all these may have */
};

enum parse_result { PARSE_OK, PARSE_MORE, PARSE_BAD };

/*
 * A part of the caller's buffer.  It is an offset, because the buffer may move
 * between calls.
 */
struct slice {
	size_t at;
	size_t len;
};

struct request {
	/* The result. */
	size_t length;              /* PARSE_OK: bytes of the whole head */
	enum refusal refusal;       /* PARSE_BAD: what to answer */
	const char *why;            /* PARSE_BAD: what is wrong, a sentence */
	struct slice line;          /* the request line, without its CR LF */
	struct slice target;        /* the request target as it was sent */
	struct slice credentials;   /* value of Proxy-Authorization */
	struct slice via[VIAS_MAX]; /* values of Via */
	unsigned nvias;       /* number of Via fields, even above VIAS_MAX */
	char host[HOST_SIZE]; /* lower case, no brackets, no last dot */
	bool literal;         /* host is an address: addr */
	struct addr addr;
	uint16_t port;
	/* What the parser keeps from one call to the next. */
	size_t next;    /* where the next line begins */
	size_t scanned; /* bytes that have been read */
	int empty;      /* empty lines before the request line */
	bool has_host, has_length, has_credentials;
	bool wrong_target; /* unusable, of a method other than CONNECT */
	bool takes_paths;  /* set by the caller: accept origin-form */
	/* A request to forward, of a method other than CONNECT: */
	bool plain;
	bool is_head; /* HEAD: no answer to it has content */
	bool minor;   /* HTTP/1.1, not HTTP/1.0 */
	bool chunked; /* content in chunks */
	bool coded;   /* with another transfer coding */
	bool upgrade; /* with an Upgrade field */
	bool limited; /* with Max-Forwards, in forwards */
	uint32_t forwards;
	uint64_t content; /* bytes of content, with has_length */
	struct slice method;
	struct slice path;                 /* and query; may be empty */
	struct slice options[OPTIONS_MAX]; /* values of Connection */
	unsigned noptions;
	size_t options_size;           /* bytes of all of them */
	unsigned named;                /* options in all of them */
	struct slice userinfo;         /* of the URL, with its "@" */
	struct slice host_userinfo;    /* of Host, the same */
	struct slice fragment;         /* of the URL, with its "#" */
	size_t cut;                    /* bytes that parse_cut() has removed */
	bool origin;                   /* origin-form, RFC 9112 3.2.1 */
	const struct mapping *mapping; /* for origin-form; see reverse.c */
};

enum parse_result parse_head(struct request *, const char *head, size_t len);
size_t parse_cut(struct request *, char *head, size_t len);
bool parse_is_token(const char *, size_t len);
unsigned parse_list_len(const char *, size_t len);
size_t parse_text_end(const char *, size_t at, size_t end);
int parse_authority(struct request *, const char *text, size_t len);
int parse_url(struct request *, const char *text, size_t len);
int parse_basic(const char *value, size_t len, char user[CREDENTIAL_SIZE],
    char password[CREDENTIAL_SIZE]);

#endif
