/* SPDX-License-Identifier: ISC */
/*
 * CONN_NAME: a client of a TransparentPort with tls says in its hello which
 * server it wants.  That is a request for a tunnel: from here on it is handled
 * like one, with the bytes of the hello as the first of the tunnel.  The hello
 * is judged by vet.c, here and once more in the tunnel.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "aim.h"
#include "bounds.h"
#include "conn.h"
#include "head.h"
#include "hello.h"
#include "inlet.h"
#include "parse.h"
#include "socket.h"
#include "steps.h"
#include "tunnel.h"
#include "vet.h"

enum {
	REQUEST_SIZE = HOST_SIZE + 32 /* bytes of the request for a tunnel */
};

/* A request, and after it the bytes of the client. */
static char buffer[REQUEST_SIZE + VET_KEPT_MAX + HEAD_MAX];
static char *const bytes = buffer + REQUEST_SIZE;

/* Goes on with the request that a hello stands for. */
static enum conn_state
named(struct conn *c, const struct hello *h, size_t len)
{
	struct addr aim = aim_of(c->tunnel.end[CLIENT].fd, INLET_TLS);
	char text[REQUEST_SIZE];
	size_t n = (size_t)snprintf(text, sizeof(text),
	    "CONNECT %.*s:%u HTTP/1.1\r\n\r\n", (int)h->name_len, h->name,
	    (unsigned)aim.port);

	memcpy(bytes - n, text, n);
	return request_tunnel(c, bytes - n, n + len);
}

/* Looks at what has come of the hello. */
static enum conn_state
look(struct conn *c, size_t kept, size_t len)
{
	struct setup *s = c->setup;
	struct vet_refusal r;
	struct hello h;

	switch (vet_name(s, bytes, kept, len, &h, &r)) {
	case VET_REFUSED:
		return carry_unfit(c, &r);
	case VET_GREETED:
		return named(c, &h, len);
	default:
		break;
	}
	if (!head_permits(s, len, VET_KEPT_MAX) ||
	    head_keep(s, bytes, len, VET_KEPT_MAX) != 0)
		return carry_crowded(c);
	return CONN_NAME;
}

/* The client has ended its data: there will be no hello. */
static enum conn_state
ended(struct conn *c)
{
	struct vet_refusal r;

	if (c->setup->head_len == 0)
		return conn_end(c, END_CLIENT_LEFT);
	vet_cut(c->setup, &r);
	return carry_unfit(c, &r);
}

/* CONN_NAME: reads some of the hello. */
enum conn_state
transparent_read(struct conn *c)
{
	size_t kept = c->setup->head_len;
	ssize_t n;

	if (kept > 0)
		memcpy(bytes, c->setup->head, kept);
	n = recv(c->tunnel.end[CLIENT].fd, bytes + kept, HEAD_MAX, 0);
	if (n < 0 && socket_is_passing(errno))
		return CONN_NAME;
	if (n < 0)
		return conn_end(c, END_CLIENT_LEFT);
	return n == 0 ? ended(c) : look(c, kept, kept + (size_t)n);
}
