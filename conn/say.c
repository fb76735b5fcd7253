/* SPDX-License-Identifier: ISC */
/*
 * Names a connection in lines of the log, and gathers what the access logs say
 * of it.  All that a client sent is escaped and cut, so that it can never push
 * what follows it out of a line.  Nothing here changes a connection.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "args.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "log.h"
#include "place.h"
#include "record.h"
#include "refusal.h"
#include "tally.h"
#include "tunnel.h"
#include "upstream.h"

enum {
	ID_SIZE = 48,      /* bytes of two numbers of 64 bits, with the NUL */
	TARGET_SIZE = 400, /* bytes of a target, with its NUL */
	USER_SIZE = 120,   /* bytes of a user, with its NUL */
	WHOM_SIZE = 320    /* bytes of what say_whom() returns */
};

static const struct worker_args *args;

/* Must be called once, before the first line; args stays the caller's. */
void
say_init(const struct worker_args *worker)
{
	args = worker;
}

/*
 * The id of a connection, in a static buffer: "3.1207", the slot of its worker
 * and its serial.  Until adit is started again no other connection has it.
 */
const char *
say_id(const struct conn *c)
{
	static char text[ID_SIZE];

	snprintf(text, sizeof(text), "%zu.%" PRIu64, args->slot, c->serial);
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

/*
 * These lines are written for each tunnel, so their ends are put together by
 * hand: printf(3) takes ten times as long.
 */

/* Puts a number; returns the end of the text. */
static char *
number_put(char *to, int number)
{
	char digits[12];
	size_t at = sizeof(digits);
	unsigned n = number > 0 ? (unsigned)number : 0;

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	memcpy(to, digits + at, sizeof(digits) - at);
	return to + sizeof(digits) - at;
}

/* Puts the user, if one is known, as ", user NAME" and what closes the text. */
static void
user_put(char *to, const struct conn *c)
{
	if (c->user != NULL) {
		to = stpcpy(to, ", user ");
		to += log_escape(to, USER_SIZE, c->user, strlen(c->user));
	}
	strcpy(to, ")");
}

/* The client, in a static buffer.  Two lines often follow about the same one. */
static const char *
client_text(const struct conn *c)
{
	static struct addr last;
	static char text[ADDR_TEXT_SIZE];

	if (text[0] == '\0' || memcmp(&last, &c->client, sizeof(last)) != 0)
		addr_text_peer(&c->client, text);
	last = c->client;
	return text;
}

/*
 * The end of a line that names the client already, in a static buffer:
 * "(file descriptor 5)" or "(file descriptor 5, user alice)".
 */
const char *
say_descriptor(const struct conn *c)
{
	static char text[WHOM_SIZE] = "(file descriptor ";
	char *at = text + strlen("(file descriptor ");

	user_put(number_put(at, c->tunnel.end[CLIENT].fd), c);
	return text;
}

/* The same with the client: "(file descriptor 5, client 192.0.2.7)". */
const char *
say_whom(const struct conn *c)
{
	static char text[WHOM_SIZE] = "(file descriptor ";
	char *at = text + strlen("(file descriptor ");

	at = stpcpy(number_put(at, c->tunnel.end[CLIENT].fd), ", client ");
	user_put(stpcpy(at, client_text(c)), c);
	return text;
}

/*
 * Logs once that a client has connected.  With HealthPath that is only known when
 * its request is: a load balancer that asks how this proxy is leaves no line.
 */
void
say_connect(struct conn *c)
{
	char via[ADDR_TEXT_SIZE];

	if (c->said || !log_wants(LOG_LEVEL_CONNECT))
		return;
	c->said = true;
	log_line(LOG_LEVEL_CONNECT, "Connect (file descriptor %d): %s%s%s",
	    c->tunnel.end[CLIENT].fd, client_text(c), c->proxied ? " via " : "",
	    c->proxied ? addr_text_peer(&c->extra->via, via) : "");
}

/* The access logs. */

static const char *
ending_word(enum ending ending)
{
	static const char *const words[] = { [END_CLOSED] = "closed",
		[END_FORWARDED] = "forwarded",
		[END_CLIENT_RESET] = "client_reset",
		[END_SERVER_RESET] = "server_reset",
		[END_CLIENT_LEFT] = "client_left",
		[END_REFUSED] = "refused",
		[END_IDLE] = "idle",
		[END_GAVE_WAY] = "gave_way",
		[END_LIFETIME] = "lifetime",
		[END_KILLED] = "killed",
		[END_JUDGED] = "judged",
		[END_DRAINED] = "drained",
		[END_STOPPED] = "stopped" };

	return words[ending];
}

/* Whether a refusal is a decision of this proxy, not a failure. */
static bool
is_denial(enum refusal refusal)
{
	return refusal == REFUSE_LIMIT ||
	    refusal_row(refusal)->tally == TALLY_DENIED;
}

/* Names a line of the configuration; the text stays until the next call. */
const char *
say_line(unsigned long number)
{
	static char text[256];
	struct where at = place_of(&args->conf->places, number);

	snprintf(text, sizeof(text), "line %lu of %.200s", at.line, at.file);
	return text;
}

/* Adds which line of which file has decided; 0: none has. */
static void
rule_add(struct record *r, enum refusal refusal, unsigned long line)
{
	struct where at = place_of(&args->conf->places, line);

	if (refusal == REFUSE_FILTERED)
		at = (struct where){ args->conf->filter.file, line };
	r->rule = at.line;
	r->rule_file = args->conf->file != NULL ? at.file : NULL;
}

/* Adds why it was refused, and by which line of which file. */
static void
refusal_add(struct record *r, enum refusal refusal, unsigned long line)
{
	r->error = refusal_row(refusal)->type;
	r->reason = refusal_row(refusal)->reason;
	r->denied = is_denial(refusal);
	rule_add(r, refusal, line);
}

/* The method: a plain request has kept its own. */
static const char *
method_of(const struct conn *c)
{
	if (c->target == NULL)
		return NULL;
	return c->method[0] != '\0' ? c->method : "CONNECT";
}

/* What all lines of a connection have. */
static struct record
record_of(const struct conn *c, enum record_event event)
{
	return (struct record){ .event = event,
		.client = &c->client,
		.via = c->proxied ? &c->extra->via : NULL,
		.user = c->user,
		.method = method_of(c),
		.target = c->target,
		.server_name = c->extra != NULL ? c->extra->offered : NULL,
		.minor = c->minor,
		.dialled = &c->server,
		.status = c->status,
		.ending = ending_word((enum ending)c->ending),
		.up = c->tunnel.flow[CLIENT].bytes,
		.down = c->tunnel.flow[SERVER].bytes,
		.ms = clock_now() - c->began,
		.dns = c->lookup_ms,
		.connect = c->connect_ms,
		.slot = args->slot,
		.serial = c->serial,
		.generation = args->generation,
		.worker = args->index };
}

static void
parent_add(struct record *r, const struct upstream *parent)
{
	if (parent == NULL)
		return;
	r->parent = parent->host;
	r->parent_port = parent->port;
}

/* Writes the line of a connection or of one request, or one on the way. */
void
say_record(const struct conn *c, enum record_event event)
{
	struct record r;

	if (!log_records(event))
		return;
	r = record_of(c, event);
	parent_add(&r, c->parent);
	if (c->refusal != REFUSE_NOTHING) {
		refusal_add(&r, c->refusal, c->rule);
	} else if (c->reported != 0) {
		r.reported = true;
		rule_add(&r, REFUSE_NOTHING, c->reported);
	}
	log_access(&r);
}

/*
 * Writes the line of a verdict to the DecisionLog: a request is allowed, or
 * refused by a rule, a limit or for want of credentials.  Other answers of this
 * proxy, which nobody has decided on, have none.
 */
void
say_verdict(const struct conn *c, const struct judged *j)
{
	bool refused = j->refusal != REFUSE_NOTHING;
	struct record r;

	if (!log_records(RECORD_VERDICT) || (refused && !is_denial(j->refusal)))
		return;
	r = record_of(c, RECORD_VERDICT);
	if (c->setup != NULL)
		parent_add(&r, c->setup->upstream);
	r.verdict = refusal_verdict(j->refusal);
	if (refused)
		refusal_add(&r, j->refusal, j->rule);
	else
		rule_add(&r, REFUSE_NOTHING, j->rule);
	if (c->reported != 0 && !refused)
		r.verdict = "report";
	r.because = j->because;
	r.addrs = j->addrs;
	r.naddrs = j->naddrs;
	log_access(&r);
}

/* The same for a client that was refused before it had a connection. */
void
say_dropped(const struct addr *client, enum refusal refusal)
{
	static const struct addr nowhere;
	struct record r = { .client = client,
		.dialled = &nowhere,
		.dns = -1,
		.connect = -1,
		.generation = args->generation,
		.worker = args->index };

	refusal_add(&r, refusal, 0);
	log_access(&r);
	r.event = RECORD_VERDICT;
	r.verdict = refusal_verdict(refusal);
	r.status = refusal_row(refusal)->status;
	log_access(&r);
}
