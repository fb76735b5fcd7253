/* SPDX-License-Identifier: ISC */
/*
 * Names a connection in lines of the log, and shows all of them to others: the
 * target, the client, the user and more.  All that a client sent is escaped and cut, so that it can
 * never push what follows it out of a line.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "clock.h"
#include "conn.h"
#include "log.h"
#include "session.h"
#include "tunnel.h"

enum {
	ID_SIZE = 48,      /* bytes of two numbers of 64 bits, with the NUL */
	TARGET_SIZE = 400, /* bytes of a target, with its NUL */
	USER_SIZE = 120,   /* bytes of a user, with its NUL */
	WHOM_SIZE = 240    /* bytes of what say_whom() returns */
};

/*
 * The id of a connection, in a static buffer: "3.1207", the slot of its worker
 * and its serial.  Until adit is started again no other connection has it.
 */
const char *
say_id(const struct conn *c)
{
	static char text[ID_SIZE];

	snprintf(text, sizeof(text), "%zu.%" PRIu64, conn_slot(), c->serial);
	return text;
}

/* The target as the client asked for it, in a static buffer. */
const char *
say_target(const struct conn *c)
{
	static char text[TARGET_SIZE];

	if (c->target == NULL)
		return "-";
	log_escape(text, sizeof(text), c->target, strlen(c->target));
	return text;
}

/* The user, if one is known, as " user NAME" after a comma. */
static void
user_text(char *text, size_t size, const struct conn *c)
{
	char user[USER_SIZE];

	text[0] = '\0';
	if (c->user == NULL)
		return;
	log_escape(user, sizeof(user), c->user, strlen(c->user));
	snprintf(text, size, ", user %s", user);
}

/*
 * The end of a line that names the client already, in a static buffer:
 * "(file descriptor 5)" or "(file descriptor 5, user alice)".
 */
const char *
say_descriptor(const struct conn *c)
{
	static char text[WHOM_SIZE];
	char user[USER_SIZE + 8];

	user_text(user, sizeof(user), c);
	snprintf(text, sizeof(text), "(file descriptor %d%s)",
	    c->tunnel.end[CLIENT].fd, user);
	return text;
}

/* The same with the client: "(file descriptor 5, client 192.0.2.7)". */
const char *
say_whom(const struct conn *c)
{
	static char text[WHOM_SIZE];
	char user[USER_SIZE + 8], client[ADDR_TEXT_SIZE];

	user_text(user, sizeof(user), c);
	snprintf(text, sizeof(text), "(file descriptor %d, client %s%s)",
	    c->tunnel.end[CLIENT].fd, addr_text(&c->client, client), user);
	return text;
}

/* Sessions. */

static struct conn *last_said; /* of the table that is being written */

/* Begins to show all connections again. */
void
say_sessions_begin(void)
{
	last_said = NULL;
}

/* Cuts a text to size, with what is not printable escaped. */
static void
cut(char *to, size_t size, const char *from)
{
	if (from != NULL)
		log_escape(to, size, from, strlen(from));
}

static void
session_fill(struct session *s, const struct conn *c)
{
	memset(s, 0, sizeof(*s));
	s->serial = c->serial;
	s->tunnel = c->state == CONN_RELAY || c->state == CONN_FLUSH;
	s->client = c->client;
	s->dialled = c->server;
	s->up = c->tunnel.flow[CLIENT].bytes;
	s->down = c->tunnel.flow[SERVER].bytes;
	s->age = clock_now() - c->began;
	s->idle =
	    clock_now() - (c->tunnel.active != 0 ? c->tunnel.active : c->since);
	cut(s->user, sizeof(s->user), c->user);
	cut(s->target, sizeof(s->target), c->target);
}

/*
 * Shows the next connections, at most max of them.  Returns how many; 0: that
 * was all.  One that begins meanwhile may be left out.
 */
size_t
say_sessions(struct session *to, size_t max)
{
	size_t n = 0;

	while (n < max && (last_said = conn_next(last_said)) != NULL)
		session_fill(&to[n++], last_said);
	return n;
}

/*
 * Logs once that a client has connected.  With HealthPath that is only known when
 * its request is: a load balancer that asks how this proxy is leaves no line.
 */
void
say_connect(struct conn *c)
{
	char client[ADDR_TEXT_SIZE], via[ADDR_TEXT_SIZE];

	if (c->said || !log_wants(LOG_LEVEL_CONNECT))
		return;
	c->said = true;
	log_line(LOG_LEVEL_CONNECT, "Connect (file descriptor %d): %s%s%s",
	    c->tunnel.end[CLIENT].fd, addr_text(&c->client, client),
	    c->proxied ? " via " : "",
	    c->proxied ? addr_text(&c->via, via) : "");
}
