/* SPDX-License-Identifier: ISC */
/*
 * The bytes of a tunnel that a rule with "tls" allows, until its handshake is
 * encrypted.  Nothing that the client sends goes on before it was found to be a
 * TLS hello for the name that the client has asked for.  Then the client may
 * send early data, and the server may ask for a second hello, which is judged
 * like the first: servers go by its name.  The server's hello ends all that.
 * Nothing here ends a connection; carry.c does.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "alert.h"
#include "bounds.h"
#include "clock.h"
#include "conn.h"
#include "flight.h"
#include "head.h"
#include "hello.h"
#include "log.h"
#include "name.h"
#include "parse.h"
#include "refusal.h"
#include "relay.h"
#include "socket.h"
#include "target.h"
#include "tunnel.h"
#include "vet.h"

enum {
	/* What is kept, and as much as can come at once: after a request. */
	BUFFER_SIZE = VET_KEPT_MAX + HEAD_MAX,
	NAME_SHOWN = 300 /* bytes of a name in a line of the log */
};

static char buffer[BUFFER_SIZE];

/*
 * Refuses what has come.  A client that speaks TLS gets an alert, unless it
 * would be in the middle of a record.
 */
static enum vet_state
refuse(struct vet_refusal *r, const struct setup *s, enum refusal refusal,
    enum alert alert, const char *why)
{
	bool tls = s->up.header[0] == 22 && s->up.header[1] == 3 &&
	    flight_between(&s->down);

	r->refusal = refusal;
	r->name = NULL;
	r->name_len = 0;
	snprintf(r->why, sizeof(r->why), "%s", why);
	r->alert_len = tls ? alert_write(r->alert, alert) : 0;
	return VET_REFUSED;
}

static enum vet_state
refuse_stranger(struct vet_refusal *r, const struct setup *s, const char *why)
{
	return refuse(r, s, REFUSE_NOT_TLS, ALERT_UNEXPECTED, why);
}

/* The hello. */

static enum vet_state
refuse_name(struct vet_refusal *r, const struct setup *s, const struct hello *h)
{
	char name[NAME_SHOWN], why[VET_WHY_SIZE];

	if (h->name == NULL)
		return refuse(r, s, REFUSE_OTHER_NAME, ALERT_NAME,
		    "the TLS hello names no server");
	log_escape(name, sizeof(name), h->name, h->name_len);
	snprintf(why, sizeof(why), "the TLS hello is for \"%s\"", name);
	refuse(r, s, REFUSE_OTHER_NAME, ALERT_NAME, why);
	r->name = h->name;
	r->name_len = h->name_len;
	return VET_REFUSED;
}

/* Copies the name in a hello, in lower case.  Returns whether it is a name. */
static bool
name_copy(char name[HOST_SIZE], const struct hello *h)
{
	if (h->name == NULL || h->name_len >= HOST_SIZE ||
	    h->name[h->name_len - 1] == '.' ||
	    memchr(h->name, '\0', h->name_len) != NULL)
		return false;
	memcpy(name, h->name, h->name_len);
	name[h->name_len] = '\0';
	return name_fold(name);
}

/*
 * Whether the name in a hello is the one that was asked for.  A target that was
 * asked for by its address has no name, RFC 6066 3.
 */
static bool
name_fits(const struct request *req, const struct hello *h)
{
	char name[HOST_SIZE];

	if (req->literal || h->name == NULL)
		return req->literal && h->name == NULL;
	return name_copy(name, h) && strcmp(name, req->host) == 0;
}

/*
 * Reads a hello in whole records.  Its name stays until the next call.  Returns
 * VET_GOES_ON or VET_REFUSED.
 */
static enum vet_state
hello_read(struct hello *h, const struct setup *s, const char *records,
    size_t len, struct vet_refusal *r)
{
	static unsigned char message[HELLO_MAX];
	char why[VET_WHY_SIZE];

	len = flight_gather(message, (const unsigned char *)records, len);
	if (hello_parse(h, message, len))
		return VET_GOES_ON;
	snprintf(why, sizeof(why), "the TLS hello is malformed: %s", h->why);
	return refuse(r, s, REFUSE_NOT_TLS, ALERT_DECODE, why);
}

/* Judges a hello in whole records.  Returns VET_GOES_ON or VET_REFUSED. */
static enum vet_state
hello_judge(const struct setup *s, const char *records, size_t len,
    struct vet_refusal *r)
{
	struct hello h;

	if (hello_read(&h, s, records, len, r) != VET_GOES_ON)
		return VET_REFUSED;
	if (!name_fits(&s->request, &h))
		return refuse_name(r, s, &h);
	if (h.ech && s->duty != NULL && s->duty->noech)
		return refuse(r, s, REFUSE_ECH, ALERT_DENIED,
		    "the TLS hello may hide another name (ECH)");
	return VET_GOES_ON;
}

/* The client. */

/* Refuses bytes that are no part of a handshake. */
static enum vet_state
refuse_bytes(struct vet_refusal *r, const struct setup *s)
{
	return refuse_stranger(r, s,
	    s->up.hellos > 0 ? "the TLS handshake is malformed"
			     : "the client does not begin with a TLS hello");
}

/*
 * Sends the bytes in the buffer to the server, except those that must not go on
 * yet, which are kept.
 */
static enum vet_state
pass(struct tunnel *t, struct setup *s, size_t len, struct vet_refusal *r)
{
	size_t held = s->up.held;

	if (!head_permits(s, held, VET_KEPT_MAX))
		return vet_crowded(s, r);
	if (len > held && relay_pass(t, CLIENT, buffer, len - held) != 0)
		return VET_SERVER_LOST;
	if (held == 0)
		head_drop(s);
	else if (head_keep(s, buffer + len - held, held, VET_KEPT_MAX) != 0)
		return vet_crowded(s, r);
	return VET_GOES_ON;
}

/*
 * Looks at the bytes in the buffer: those that were kept, and those that have
 * come now.
 */
static enum vet_state
look(struct tunnel *t, struct setup *s, size_t kept, size_t len,
    struct vet_refusal *r)
{
	const unsigned char *bytes = (const unsigned char *)buffer;
	struct flight *f = &s->up;
	enum flight_event event;
	size_t at = kept;

	while (at < len) {
		at += flight_client(f, bytes + at, len - at, &event);
		if (event == FLIGHT_BAD)
			return refuse_bytes(r, s);
		if (event != FLIGHT_HELLO)
			continue;
		if (hello_judge(s, buffer + at - f->held, f->held, r) !=
		    VET_GOES_ON)
			return VET_REFUSED;
		f->held = 0;
	}
	return pass(t, s, len, r);
}

/* The client has ended its data: there will be no hello. */
static enum vet_state
client_ended(
    const struct tunnel *t, const struct setup *s, struct vet_refusal *r)
{
	return s->up.hellos == 0 && t->flow[CLIENT].bytes > 0 ? vet_cut(s, r)
							      : VET_ENDED;
}

static enum vet_state
client_read(struct tunnel *t, struct setup *s, struct vet_refusal *r)
{
	size_t kept = s->head_len;
	ssize_t n;

	if (kept > 0)
		memcpy(buffer, s->head, kept);
	n = recv(t->end[CLIENT].fd, buffer + kept, relay_most(HEAD_MAX), 0);
	if (n < 0)
		return socket_is_passing(errno) ? VET_GOES_ON : VET_CLIENT_LOST;
	if (n == 0)
		return client_ended(t, s, r);
	t->active = clock_now();
	relay_count(t, CLIENT, (size_t)n);
	return look(t, s, kept, kept + (size_t)n, r);
}

/* The server. */

/* What was kept of a client's record can go on with the others. */
static enum vet_state
greeted(struct tunnel *t, const struct setup *s)
{
	return s->head_len > 0 &&
		relay_keep(t, CLIENT, s->head, s->head_len) != 0
	    ? VET_CLIENT_LOST
	    : VET_GREETED;
}

static enum vet_state
server_read(struct tunnel *t, struct setup *s, struct vet_refusal *r)
{
	ssize_t n = recv(t->end[SERVER].fd, buffer, relay_most(HEAD_MAX), 0);
	enum flight_event event;
	struct flight before;

	if (n < 0)
		return socket_is_passing(errno) ? VET_GOES_ON : VET_SERVER_LOST;
	if (n == 0)
		return VET_LAST;
	relay_count(t, SERVER, (size_t)n);
	if (s->up.hellos == 0)
		return refuse_stranger(r, s, "the server speaks first");
	before = s->down;
	event =
	    flight_server(&s->down, (const unsigned char *)buffer, (size_t)n);
	if (event == FLIGHT_BAD) {
		/* The client gets none of these bytes. */
		s->down = before;
		return refuse_stranger(
		    r, s, "the server does not answer in TLS");
	}
	t->active = clock_now();
	if (relay_pass(t, SERVER, buffer, (size_t)n) != 0)
		return VET_CLIENT_LOST;
	return event == FLIGHT_DONE ? greeted(t, s) : VET_GOES_ON;
}

/* Whether the name in a hello may be asked for in a request. */
static bool
name_is_usable(const struct hello *h)
{
	char name[HOST_SIZE], text[HOST_SIZE + 2];
	struct request req = { .literal = false };

	if (!name_copy(name, h))
		return false;
	snprintf(text, sizeof(text), "%s:1", name);
	return parse_authority(&req, text, strlen(text)) == 0 && !req.literal;
}

/*
 * Looks for the hello of a client that names its server by that alone, before
 * there is a tunnel.  Of the bytes, kept were looked at before.  Returns
 * VET_GOES_ON: more must come; VET_GREETED, with the hello, whose name may stand
 * in a request: vet_begin() must see the bytes again; or VET_REFUSED.
 */
enum vet_state
vet_name(struct setup *s, const char *bytes, size_t kept, size_t len,
    struct hello *h, struct vet_refusal *r)
{
	struct flight *f = &s->up;
	enum flight_event event;
	size_t at = kept;

	at += flight_client(
	    f, (const unsigned char *)bytes + at, len - at, &event);
	if (event == FLIGHT_BAD)
		return refuse_bytes(r, s);
	if (event != FLIGHT_HELLO)
		return VET_GOES_ON;
	if (hello_read(h, s, bytes + at - f->held, f->held, r) != VET_GOES_ON)
		return VET_REFUSED;
	if (!name_is_usable(h))
		return refuse_name(r, s, h);
	/* The header still says that the client speaks TLS. */
	*f = (struct flight){ .header = { f->header[0], f->header[1] } };
	return VET_GREETED;
}

/*
 * Begins with what was received before the tunnel was established.  These
 * functions return VET_REFUSED with the reason stored, or another state.
 */
enum vet_state
vet_begin(struct tunnel *t, struct setup *s, struct vet_refusal *r)
{
	size_t len = t->flow[CLIENT].len;

	if (relay_holds(t, SERVER)) {
		relay_drop(t, SERVER);
		return refuse_stranger(r, s, "the server speaks first");
	}
	if (len == 0)
		return VET_GOES_ON;
	memcpy(buffer, t->flow[CLIENT].kept, len);
	relay_drop(t, CLIENT);
	return look(t, s, 0, len, r);
}

/* Handles an event at one side. */
enum vet_state
vet_ready(struct tunnel *t, struct setup *s, enum side side, short revents,
    struct vet_refusal *r)
{
	enum side other = side == CLIENT ? SERVER : CLIENT, lost;
	bool reads = relay_events(t, side) & POLLIN;

	if ((revents & POLLOUT) && relay_flush(t, other, &lost) == RELAY_LOST)
		return lost == CLIENT ? VET_CLIENT_LOST : VET_SERVER_LOST;
	if (!reads && (revents & (POLLERR | POLLHUP | POLLNVAL)))
		t->end[side].hung_up = true;
	if (!reads || !(revents & (POLLIN | POLLERR | POLLHUP)))
		return VET_GOES_ON;
	return side == CLIENT ? client_read(t, s, r) : server_read(t, s, r);
}

/* Refuses a client that has not sent its hello in time. */
enum vet_state
vet_late(const struct setup *s, struct vet_refusal *r)
{
	return refuse_stranger(r, s, "no TLS hello came in time");
}

/* Refuses a hello of which the client has not sent all. */
enum vet_state
vet_cut(const struct setup *s, struct vet_refusal *r)
{
	return refuse_stranger(r, s, "the TLS hello is incomplete");
}

/* Refuses a hello that is too large for the memory that there is. */
enum vet_state
vet_crowded(const struct setup *s, struct vet_refusal *r)
{
	return refuse_stranger(r, s, "there is no memory for the TLS hello");
}
