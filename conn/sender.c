/* SPDX-License-Identifier: ISC */
/*
 * Load balancers: which addresses may send a PROXY header (ProxyFrom), how many
 * of their connections may be without one, and the reading of it.  It is taken
 * from the socket to its last byte and not further, so that what follows is read
 * as on any other connection.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "addr.h"
#include "log.h"
#include "parse.h"
#include "preface.h"
#include "sender.h"
#include "stats.h"
#include "store.h"
#include "tally.h"

enum {
	SENDERS = 256,     /* counters of senders; two may share one */
	WITHOUT_MAX = 1024 /* connections of each without a header yet */
};

static struct {
	const struct block *trusted;
	size_t n;
	struct log_rate *complaints;
	unsigned without[SENDERS];
} k;

/*
 * Must be called before anything else here: whom to trust, and what keeps the
 * complaints of all workers rare.  Both stay the caller's.
 */
void
sender_use(const struct block *trusted, size_t n, struct log_rate *complaints)
{
	k.trusted = trusted;
	k.n = n;
	k.complaints = complaints;
}

static unsigned *
counter_of(const struct addr *sender)
{
	unsigned sum = 0;

	for (size_t i = 0; i < sizeof(sender->ip); i++)
		sum = sum * 31 + sender->ip[i];
	return &k.without[sum % SENDERS];
}

/*
 * Counts a new connection, which has no header yet; sender_leave() must follow.
 * Returns NULL, or why it is not admitted; it is not counted then.  At a Unix
 * socket everybody is trusted whom its mode lets connect.
 */
const char *
sender_enter(const struct addr *sender)
{
	unsigned *without = counter_of(sender);

	if (sender->local == 0 && !addr_in_blocks(sender, k.trusted, k.n))
		return "no ProxyFrom has its address";
	if (*without >= WITHOUT_MAX)
		return "too many of its connections wait for a PROXY header";
	(*without)++;
	return NULL;
}

/* The connection has its header now, or ends. */
void
sender_leave(const struct addr *sender)
{
	(*counter_of(sender))--;
}

/* Counts a connection that is refused for its sender or header, and logs it. */
void
sender_complain(const struct addr *sender, const char *why)
{
	char text[ADDR_TEXT_SIZE];

	stats_count(TALLY_PREFACES);
	log_rarely(k.complaints, LOG_LEVEL_WARNING,
	    "Refused a connection of \"%s\" to ListenProxy: %s",
	    addr_text_peer(sender, text), why);
}

/* Takes bytes from the socket that were seen there.  Returns 0 or -1. */
static int
bytes_take(int fd, size_t len)
{
	char waste[PREFACE_MAX];

	return len == 0 || recv(fd, waste, len, 0) == (ssize_t)len ? 0 : -1;
}

/* Keeps the bytes of a header that is not whole yet.  Returns 0 or -1. */
static int
bytes_keep(char **kept, const char *bytes, size_t len)
{
	if (*kept == NULL)
		*kept = store_new(PREFACE_MAX);
	if (*kept == NULL)
		return -1;
	memcpy(*kept, bytes, len);
	return 0;
}

static enum sender_state
wrong(struct preface *p, const char *why)
{
	p->why = why;
	return SENDER_WRONG;
}

/* Nothing more was received: not yet, or never. */
static enum sender_state
nothing_read(ssize_t n, size_t len, struct preface *p)
{
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return SENDER_TALKS;
	return len == 0 ? SENDER_LEFT
			: wrong(p, "its PROXY header is incomplete");
}

/*
 * Reads some of a header.  The caller keeps the *len bytes before them at *kept,
 * memory of store_new() for PREFACE_MAX bytes, or NULL.
 */
enum sender_state
sender_read(int fd, char **kept, size_t *len, struct preface *p)
{
	static char bytes[PREFACE_MAX];
	enum parse_result result;
	size_t had = *len;
	ssize_t n;

	if (had > 0)
		memcpy(bytes, *kept, had);
	n = recv(fd, bytes + had, sizeof(bytes) - had, MSG_PEEK);
	if (n <= 0)
		return nothing_read(n, had, p);
	result = preface_parse(p, bytes, had + (size_t)n);
	if (result == PARSE_BAD)
		return SENDER_WRONG;
	*len = result == PARSE_OK ? p->length : had + (size_t)n;
	if (bytes_take(fd, *len - had) != 0)
		return wrong(p, "its PROXY header could not be read");
	if (result == PARSE_OK)
		return SENDER_READY;
	return bytes_keep(kept, bytes, *len) == 0
	    ? SENDER_TALKS
	    : wrong(p, "there is no memory for its PROXY header");
}
