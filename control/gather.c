/* SPDX-License-Identifier: ISC */
/*
 * Asks one worker after the other, a few at a time, for its sessions.  The
 * master gives each of them one end of a socket, so a worker can only speak
 * for itself.  Whatever it writes is checked here; one that says nothing for a
 * while is left out.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "board.h"
#include "clock.h"
#include "gather.h"
#include "orders.h"
#include "session.h"
#include "share.h"
#include "sheet.h"
#include "sys.h"

/* One worker that is asked. */
struct source {
	int fd; /* owned, or -1 */
	uint32_t slot, worker;
	uint64_t gen;
	int64_t until; /* ms: when it is left out */
	size_t n, at;  /* rows that were received, and taken */
	struct session rows[SESSIONS_BATCH];
};

static struct {
	const struct control_args *args;
	bool runs;
	int asker; /* the descriptor of who wants to end some, or -1 */
	size_t next, nslots;
	size_t missed;
	struct board_worker workers[SLOTS_MAX];
	struct source sources[GATHER_AT_ONCE];
} g;

static void
source_close(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	source->fd = -1;
	source->n = source->at = 0;
}

/* Asks the worker of a slot.  Returns 0, or -1: it cannot be asked now. */
static int
source_open(struct source *source, size_t slot)
{
	struct wish_message wish = { .wish = WISH_SESSIONS,
		.slot = (uint32_t)slot,
		.kill = g.asker >= 0 };
	int pair[2], fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		return -1;
	fds[0] = pair[1];
	fds[1] = g.asker;
	if (sys_send(g.args->master, &wish, sizeof(wish), fds,
		g.asker >= 0 ? 2 : 1) != 0) {
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	close(pair[1]);
	source->fd = pair[0];
	source->slot = (uint32_t)slot;
	source->worker = g.workers[slot].index;
	source->gen = g.workers[slot].gen;
	source->until = clock_ms() + GATHER_TIME;
	source->n = source->at = 0;
	return 0;
}

/* Asks the next workers, as many as may be asked at once. */
static void
sources_fill(void)
{
	for (size_t i = 0; i < GATHER_AT_ONCE && g.next < g.nslots; i++) {
		if (g.sources[i].fd >= 0)
			continue;
		while (g.next < g.nslots &&
		    (g.workers[g.next].gen == 0 || g.workers[g.next].pid < 0))
			g.next++;
		if (g.next == g.nslots)
			return;
		if (source_open(&g.sources[i], g.next++) != 0)
			g.missed++;
	}
}

/*
 * Begins to ask all workers that a sheet shows.  With asker, the descriptor of
 * somebody whom the master allows it, sessions can be ended.
 */
void
gather_begin(
    const struct control_args *args, const struct sheet *s, const int *asker)
{
	gather_end();
	g.args = args;
	g.runs = true;
	g.asker = asker != NULL ? *asker : -1;
	g.next = g.missed = 0;
	g.nslots = share_slots(args->share);
	memcpy(g.workers, s->view.workers, sizeof(g.workers));
	for (size_t i = 0; i < GATHER_AT_ONCE; i++)
		g.sources[i].fd = -1;
	sources_fill();
}

/* Fills in what to poll for.  Returns how many entries there are. */
size_t
gather_watch(struct pollfd *pfds)
{
	size_t n = 0;

	for (size_t i = 0; g.runs && i < GATHER_AT_ONCE; i++)
		if (g.sources[i].fd >= 0)
			pfds[n++] = (struct pollfd){ .fd = g.sources[i].fd,
				.events = POLLIN };
	return n;
}

/* Whether a row is what a worker would write; makes its strings end. */
static bool
row_check(struct session *row)
{
	row->user[sizeof(row->user) - 1] = '\0';
	row->target[sizeof(row->target) - 1] = '\0';
	for (const char *at = row->target; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	for (const char *at = row->user; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return false;
	return row->age >= 0 && row->idle >= 0;
}

/* Reads the next batch.  Returns whether there are rows. */
static bool
source_read(struct source *source)
{
	ssize_t n = sys_receive(
	    source->fd, source->rows, sizeof(source->rows), NULL, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 1 || (size_t)n % sizeof(*source->rows) != 0) {
		if (n != 1)
			g.missed++;
		source_close(source);
		return false;
	}
	source->until = clock_ms() + GATHER_TIME;
	source->n = (size_t)n / sizeof(*source->rows);
	source->at = 0;
	return true;
}

/* Takes the next session that has come.  Returns whether there is one. */
bool
gather_next(struct gathered *to)
{
	for (size_t i = 0; g.runs && i < GATHER_AT_ONCE; i++) {
		struct source *source = &g.sources[i];

		while (source->fd >= 0) {
			if (source->at == source->n && !source_read(source))
				break;
			to->session = source->rows[source->at++];
			if (!row_check(&to->session))
				continue;
			to->slot = source->slot;
			to->gen = source->gen;
			to->worker = source->worker;
			to->source = i;
			return true;
		}
	}
	if (g.runs)
		sources_fill();
	return false;
}

/* Ends the session that was taken last. */
void
gather_kill(const struct gathered *which)
{
	struct session_end end = { .serial = which->session.serial };
	struct source *source = &g.sources[which->source];

	if (source->fd >= 0)
		sys_send(source->fd, &end, sizeof(end), NULL, 0);
}

/* Whether all workers have written all, or are left out. */
bool
gather_over(int64_t now)
{
	bool over = g.next == g.nslots;

	for (size_t i = 0; i < GATHER_AT_ONCE; i++) {
		if (g.sources[i].fd < 0)
			continue;
		if (now < g.sources[i].until) {
			over = false;
			continue;
		}
		g.missed++;
		source_close(&g.sources[i]);
	}
	return over;
}

/* How many workers did not write all. */
size_t
gather_missed(void)
{
	return g.missed;
}

void
gather_end(void)
{
	for (size_t i = 0; g.runs && i < GATHER_AT_ONCE; i++)
		source_close(&g.sources[i]);
	g.runs = false;
}
