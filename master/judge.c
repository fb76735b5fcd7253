/* SPDX-License-Identifier: ISC */
/*
 * The judge: asks the workers of all generations that drain for their sessions,
 * judges each open tunnel by the rules of the generation that serves now, and
 * tells the worker which ones to end.  It asks a few workers at a time, each
 * over a socket of its own that the master passes on, so a worker that lies
 * hurts only its own tunnels; one that says nothing for a while is asked again,
 * and then left out.  A worker with a request that may still become a tunnel is
 * asked again, too.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "bounds.h"
#include "clock.h"
#include "gen.h"
#include "judge.h"
#include "log.h"
#include "orders.h"
#include "refusal.h"
#include "ruling.h"
#include "sandbox.h"
#include "session.h"
#include "sys.h"

enum {
	AT_ONCE = 8,        /* workers that are asked at the same time */
	QUIET_TIME = 4000,  /* ms for a worker to go on */
	AGAIN_TIME = 500,   /* ms until it is asked again */
	LATER_TIME = 20000, /* ms for requests to become tunnels */
	TRIES_MAX = 4,      /* for a worker that did not write all */
	CAUSES_MAX = 16     /* lines that refuse, told apart in the log */
};

/* A worker to ask. */
struct witness {
	size_t slot;
	pid_t pid;
	int64_t at; /* ms: when it is asked next; -1: it is not */
	unsigned tries;
	bool heard; /* it has written all once */
};

/* One that is asked now. */
struct hearing {
	int fd; /* owned, or -1 */
	struct witness *witness;
	int64_t until;  /* ms: when it is given up */
	bool unsettled; /* it has a request that may become a tunnel */
	bool blocked;   /* it must read what is sent before it gets more */
	size_t n, at;   /* rows that were received, and judged */
	struct session rows[SESSIONS_BATCH];
};

/* A reason, and how many tunnels were ended for it. */
struct cause {
	struct ruling ruling;
	unsigned long count;
	struct session first;
};

static struct {
	const struct gen *gen; /* whose rules are in force */
	int master;
	int64_t later; /* ms: until when requests may become tunnels */
	size_t n, missed;
	struct witness witnesses[SLOTS_MAX];
	struct hearing hearings[AT_ONCE];
	unsigned long tunnels; /* refused, since the last report */
	unsigned long others;  /* for causes that found no place */
	size_t ncauses;
	struct cause causes[CAUSES_MAX];
	bool reported;
} j;

/* The log. */

/* Names a line, or says that there is none. */
static void
cause_text(char *text, size_t size, const struct ruling *r)
{
	const char *file = r->file != NULL ? r->file : "the configuration";

	if (r->line != 0)
		snprintf(text, size, "line %lu of %.300s", r->line, file);
	else if (r->refusal == REFUSE_CREDENTIALS)
		snprintf(text, size, "their user is not known any more");
	else
		snprintf(text, size, "no line allows them");
}

static void
cause_log(const struct cause *c)
{
	const struct session *s = &c->first;
	char why[360], target[SESSION_TARGET_SIZE], client[ADDR_TEXT_SIZE];

	cause_text(why, sizeof(why), &c->ruling);
	log_escape(target, sizeof(target), s->target, strlen(s->target));
	log_line(LOG_LEVEL_NOTICE,
	    "ReloadTunnels: refused (%s): %s: %lu tunnel%s; the first: client "
	    "%s, target %.200s",
	    refusal_row(c->ruling.refusal)->reason, why, c->count,
	    c->count == 1 ? "" : "s", addr_text_peer(&s->client, client),
	    target);
}

/* Writes what was done since the last time. */
static void
judge_report(void)
{
	if (j.reported && j.tunnels == 0)
		return;
	log_line(LOG_LEVEL_NOTICE,
	    "ReloadTunnels: the new rules refuse %lu open tunnel%s, which "
	    "end%s now",
	    j.tunnels, j.tunnels == 1 ? "" : "s", j.tunnels == 1 ? "s" : "");
	for (size_t i = 0; i < j.ncauses; i++)
		cause_log(&j.causes[i]);
	if (j.others > 0)
		log_line(LOG_LEVEL_NOTICE,
		    "ReloadTunnels: %lu more are refused by other lines",
		    j.others);
	j.reported = true;
	j.tunnels = j.others = 0;
	j.ncauses = 0;
}

/* Counts a tunnel that was ended. */
static void
cause_count(const struct ruling *r, const struct session *s)
{
	struct cause *c = j.causes;

	j.tunnels++;
	while (c < j.causes + j.ncauses &&
	    (c->ruling.refusal != r->refusal || c->ruling.line != r->line ||
		c->ruling.file != r->file))
		c++;
	if (c == j.causes + CAUSES_MAX) {
		j.others++;
		return;
	}
	if (c == j.causes + j.ncauses) {
		j.ncauses++;
		*c = (struct cause){ .ruling = *r, .first = *s };
	}
	c->count++;
}

/* Workers. */

/* Asks a worker.  Returns 0, or -1: it cannot be asked now. */
static int
hearing_open(struct hearing *h, struct witness *w, int64_t now)
{
	struct wish_message wish = {
		.wish = WISH_SESSIONS, .slot = (uint32_t)w->slot, .kill = true
	};
	int pair[2], sent;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		return -1;
	sent = sys_send(j.master, &wish, sizeof(wish), &pair[1], 1);
	close(pair[1]);
	if (sent != 0) {
		close(pair[0]);
		return -1;
	}
	h->fd = pair[0];
	h->witness = w;
	h->until = now + QUIET_TIME;
	h->unsettled = h->blocked = false;
	h->n = h->at = 0;
	return 0;
}

/* A worker did not write all: another reader may have come in between. */
static void
witness_failed(struct witness *w, int64_t now)
{
	bool gone = kill(w->pid, 0) != 0 && errno == ESRCH;

	w->at = now + AGAIN_TIME;
	if (!gone && ++w->tries < TRIES_MAX)
		return;
	w->at = -1;
	if (!gone && !w->heard)
		j.missed++;
}

/* A worker has written all. */
static void
witness_heard(struct witness *w, bool unsettled, int64_t now)
{
	w->heard = true;
	w->tries = 0;
	w->at = unsettled && now < j.later ? now + AGAIN_TIME : -1;
}

static void
hearing_close(struct hearing *h, bool all, int64_t now)
{
	close(h->fd);
	h->fd = -1;
	if (all)
		witness_heard(h->witness, h->unsettled, now);
	else
		witness_failed(h->witness, now);
}

/* The next worker that is to be asked now and is not being asked, or NULL. */
static struct witness *
witness_due(int64_t now)
{
	for (size_t i = 0; i < j.n; i++)
		if (j.witnesses[i].at >= 0 && j.witnesses[i].at <= now)
			return &j.witnesses[i];
	return NULL;
}

/* Asks the workers that are due, as many as may be asked at once. */
static void
hearings_fill(int64_t now)
{
	struct witness *w;

	for (size_t i = 0; i < AT_ONCE; i++) {
		struct hearing *h = &j.hearings[i];

		if (h->fd >= 0)
			continue;
		w = witness_due(now);
		if (w == NULL)
			return;
		if (hearing_open(h, w, now) == 0)
			w->at = -1;
		else
			witness_failed(w, now);
	}
}

/* Makes the strings of a row end, which a worker may have forged. */
static void
row_end(struct session *row)
{
	row->user[sizeof(row->user) - 1] = '\0';
	row->target[sizeof(row->target) - 1] = '\0';
}

/* Whether a row is of a request that may become a tunnel yet. */
static bool
is_unsettled(const struct session *row)
{
	return !row->tunnel && strchr(row->target, '/') == NULL;
}

/* Judges a row.  Returns whether that is done; else the worker must read. */
static bool
row_judge(struct hearing *h, struct session *row)
{
	struct session_end end = { .serial = row->serial };
	struct ruling ruling;

	row_end(row);
	if (is_unsettled(row))
		h->unsettled = true;
	if (!row->tunnel)
		return true;
	ruling_make(&ruling, j.gen, row);
	if (ruling.refusal == REFUSE_NOTHING)
		return true;
	if (sys_send(h->fd, &end, sizeof(end), NULL, 0) != 0 &&
	    (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
		return false;
	cause_count(&ruling, row);
	return true;
}

/* Receives the next rows.  Returns whether there are some. */
static bool
rows_receive(struct hearing *h, int64_t now)
{
	ssize_t n = sys_receive(h->fd, h->rows, sizeof(h->rows), NULL, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 1 || (size_t)n % sizeof(*h->rows) != 0) {
		hearing_close(h, n == 1, now);
		return false;
	}
	h->until = now + QUIET_TIME;
	h->n = (size_t)n / sizeof(*h->rows);
	h->at = 0;
	return true;
}

/* Judges what a worker has written.  Other workers get their turn, too. */
static void
hearing_go(struct hearing *h, int64_t now)
{
	h->blocked = false;
	if (h->at == h->n && !rows_receive(h, now))
		return;
	while (h->at < h->n) {
		h->blocked = !row_judge(h, &h->rows[h->at]);
		if (h->blocked)
			return;
		h->at++;
	}
}

/* The process. */

/* Whether every worker was heard once, or is given up. */
static bool
all_heard(void)
{
	for (size_t i = 0; i < AT_ONCE; i++)
		if (j.hearings[i].fd >= 0 && !j.hearings[i].witness->heard)
			return false;
	for (size_t i = 0; i < j.n; i++)
		if (j.witnesses[i].at >= 0 && !j.witnesses[i].heard)
			return false;
	return true;
}

/*
 * When a worker is to be asked or given up next, or -1: all is done.  As long as
 * as many are asked as may be, no other can be.
 */
static int64_t
judge_next(void)
{
	int64_t next = -1;
	bool full = true;

	for (size_t i = 0; i < AT_ONCE; i++)
		if (j.hearings[i].fd >= 0)
			next = clock_earlier(next, j.hearings[i].until);
		else
			full = false;
	for (size_t i = 0; i < j.n && !full; i++)
		if (j.witnesses[i].at >= 0)
			next = clock_earlier(next, j.witnesses[i].at);
	return next;
}

/* Waits for the workers that are asked; -1: the master is gone. */
static int
judge_wait(int64_t until, int64_t now)
{
	struct pollfd pfds[1 + AT_ONCE];
	size_t n = 1;

	pfds[0] = (struct pollfd){ .fd = j.master, .events = POLLIN };
	for (size_t i = 0; i < AT_ONCE; i++) {
		const struct hearing *h = &j.hearings[i];

		if (h->fd >= 0)
			pfds[n++] = (struct pollfd){ .fd = h->fd,
				.events = h->blocked ? POLLOUT : POLLIN };
	}
	poll(pfds, (nfds_t)n, clock_sleep(until, now));
	return pfds[0].revents != 0 ? -1 : 0;
}

/* One turn of all workers that are asked. */
static void
judge_turn(void)
{
	int64_t now = clock_ms();

	for (size_t i = 0; i < AT_ONCE; i++) {
		struct hearing *h = &j.hearings[i];

		if (h->fd >= 0)
			hearing_go(h, now);
		if (h->fd >= 0 && now >= h->until)
			hearing_close(h, false, now);
	}
	hearings_fill(now);
	if (!j.reported && all_heard())
		judge_report();
}

/* Finds the workers that drain. */
static void
witnesses_find(const struct gen *all)
{
	for (const struct gen *gen = all; gen != NULL; gen = gen->next) {
		if (gen->state != GEN_DRAINING || gen->stopped)
			continue;
		for (size_t i = 0; i < gen->nworkers && j.n < SLOTS_MAX; i++)
			if (gen->children[i].pid > 0)
				j.witnesses[j.n++] =
				    (struct witness){ .slot =
							  gen->children[i].slot,
					    .pid = gen->children[i].pid };
	}
}

/*
 * Judges the tunnels of all generations that drain by the rules of one.  The
 * sockets for the workers go through master; it is over when that ends.
 */
void
judge_run(const struct gen *own, const struct gen *all, int master)
{
	int64_t next;

	j.gen = own;
	j.master = master;
	j.later = clock_ms() + LATER_TIME;
	for (size_t i = 0; i < AT_ONCE; i++)
		j.hearings[i].fd = -1;
	witnesses_find(all);
	sandbox_enter(SANDBOX_JUDGE, false);
	judge_turn();
	while ((next = judge_next()) >= 0) {
		if (judge_wait(next, clock_ms()) != 0)
			break;
		judge_turn();
	}
	judge_report();
	if (j.missed > 0)
		log_line(LOG_LEVEL_WARNING,
		    "ReloadTunnels: %zu old worker%s did not show all tunnels, "
		    "which go on unjudged",
		    j.missed, j.missed == 1 ? "" : "s");
	log_flush();
	_exit(0);
}
