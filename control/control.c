/* SPDX-License-Identifier: ISC */
/*
 * The control process: answers at StatusListen and ControlSocket, so that
 * workers need not, and while they cannot.  It is unprivileged, reads what
 * workers count and what the master shows, and asks the master for the rest.
 * It serves a fixed number of peers, each for a short time; when more come, the
 * one that has been served for the longest time gives way.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "answer.h"
#include "args.h"
#include "baton.h"
#include "board.h"
#include "bounds.h"
#include "clock.h"
#include "control.h"
#include "crowd.h"
#include "gather.h"
#include "html.h"
#include "log.h"
#include "metrics.h"
#include "orders.h"
#include "peer.h"
#include "program.h"
#include "sandbox.h"
#include "share.h"
#include "sheet.h"
#include "sys.h"
#include "talk.h"
#include "view.h"

enum {
	PEERS = 32,        /* at once */
	PEERS_LOCAL = 8,   /* of them at most at the control socket */
	ACCEPTS = 64,      /* in one turn */
	BEAT_TIME = 400,   /* ms in which a worker moves that is asked to */
	BEAT_LOOK = 5,     /* ms between looks whether one does */
	ROWS = 128,        /* sessions that are taken in one turn */
	ROWS_REST = 1,     /* ms between two such turns, for those who relay */
	LEAVE_TIME = 1000, /* ms for answers after the master has hung up */
	RETRY_TIME = 250   /* ms that accept() rests without descriptors */
};

/* What a peer waits for, by its place among the peers. */
struct asked {
	struct page_request page;
	struct talk talk;
	int64_t by;    /* ms: when to answer whatever is known */
	bool queued;   /* it needs the sessions and has not got its turn */
	uint64_t told; /* sessions that were shown or ended */
};

static struct {
	const struct control_args *args;
	struct peer peers[PEERS];
	struct asked asked[PEERS];
	struct sheet sheet;
	struct crowd crowd;
	unsigned beats[WORKERS_MAX]; /* of the workers, at beat_at */
	int64_t beat_at;             /* ms: when they were asked to move */
	int64_t moved_at;            /* ms: when one last did */
	size_t gathers;              /* the peer that has the sessions */
	int64_t rest_until;          /* ms: accept() rests */
	int64_t rows_at;             /* ms: when to take sessions again */
	int64_t leave_at;            /* ms: the master has hung up; or 0 */
} k;

/* Whether the workers move. */

/* The slot of a worker of the live generation. */
static const struct share_slot *
slot_of(size_t worker)
{
	return &k.args->share->slots[k.args->baton->slots[worker]];
}

/* Asks the workers to move, each of which then counts a turn. */
static void
beat_ask(int64_t now)
{
	if (now - k.beat_at < BEAT_TIME)
		return;
	k.beat_at = now;
	for (size_t i = 0; i < k.args->baton->nworkers; i++) {
		k.beats[i] = atomic_load(&slot_of(i)->beat);
		baton_ring(k.args->baton, (uint32_t)i);
	}
}

/* Whether one has moved since. */
static bool
beat_heard(int64_t now)
{
	for (size_t i = 0; i < k.args->baton->nworkers; i++)
		if (atomic_load(&slot_of(i)->beat) != k.beats[i]) {
			k.moved_at = now;
			return true;
		}
	return false;
}

/* Answers. */

/* Why no clients should be sent here, or NULL. */
static const char *
unready(int64_t now)
{
	const char *why = sheet_unready(&k.sheet);

	if (why == NULL && !beat_heard(now))
		why = "no worker moves";
	return why;
}

static struct view
view_of(int64_t now)
{
	return (struct view){ .sheet = &k.sheet,
		.board = k.args->board,
		.crowd = k.args->details ? &k.crowd : NULL,
		.upstreams = k.args->upstreams,
		.filter = k.args->filter,
		.places = k.args->places,
		.unready = unready(now),
		.missed = k.args->details ? gather_missed() : 0 };
}

/* Prints what a page has besides its head.  Returns the status. */
static int
page_print(FILE *out, const struct page_request *r, int64_t now)
{
	struct view view = view_of(now);

	switch (r->page) {
	case PAGE_METRICS:
		metrics_print(out, &k.sheet, k.args->upstreams);
		break;
	case PAGE_LIVE:
		fputs("live\n", out);
		break;
	case PAGE_READY:
		fprintf(
		    out, "%s\n", view.unready != NULL ? view.unready : "ready");
		return view.unready != NULL ? 503 : 200;
	case PAGE_STATUS:
		html_print(out, &view, r);
		break;
	case PAGE_JSON:
		view_json(out, &view);
		break;
	case PAGES:
		break;
	}
	return 200;
}

static void
error_print(FILE *out, int status)
{
	switch (status) {
	case 403:
		fputs("StatusAllow does not name your address.\n", out);
		break;
	case 404:
		fputs("There are /metrics, /live, /ready, /status and "
		      "/status.json.\n",
		    out);
		break;
	case 405:
		fputs("The methods are GET and HEAD.\n", out);
		break;
	case 431:
		fputs("The request is too large.\n", out);
		break;
	default:
		fputs("The request is malformed.\n", out);
		break;
	}
}

/* Makes the answer to a request for a page. */
static void
page_answer(size_t i, int64_t now)
{
	const struct page_request *r = &k.asked[i].page;
	char *content = NULL;
	size_t len = 0;
	FILE *page = open_memstream(&content, &len), *out;
	int status = r->error;

	sheet_take(&k.sheet, k.args);
	if (page == NULL || (out = peer_print()) == NULL) {
		peer_close(&k.peers[i]);
		return;
	}
	if (status != 0)
		error_print(page, status);
	else
		status = page_print(page, r, now);
	fclose(page);
	answer_print(out, r, status, content, len);
	free(content);
	peer_printed(&k.peers[i], out);
	k.peers[i].state = PEER_WRITES;
}

/* Adds one line to what a local peer gets, after a sign: see talk.h. */
static void
line_add(size_t i, const char *line)
{
	FILE *out = peer_print();

	if (out != NULL)
		fprintf(out, "%s\n", line);
	peer_printed(&k.peers[i], out);
	k.peers[i].state = PEER_WRITES;
}

/* Ends the answer to a command with its status. */
static void
line_end(size_t i, int status)
{
	char line[16];

	snprintf(line, sizeof(line), "=%d", status);
	line_add(i, line);
	k.peers[i].more = false;
}

static void
local_answer(size_t i, int64_t now)
{
	const struct talk *t = &k.asked[i].talk;
	struct view view;
	FILE *out;

	sheet_take(&k.sheet, k.args);
	view = view_of(now);
	view.crowd = NULL;
	out = peer_print();
	if (out == NULL) {
		peer_close(&k.peers[i]);
		return;
	}
	if (t->command == COMMAND_READY)
		fprintf(out, "%c%s\n", view.unready != NULL ? '-' : '+',
		    view.unready != NULL ? view.unready : "ready");
	else if (t->json) {
		fputc('+', out);
		view_json(out, &view);
	} else
		view_lines(out, &view);
	peer_printed(&k.peers[i], out);
	line_end(i, t->command == COMMAND_READY && view.unready != NULL);
}

/* The sessions. */

/* Whether a peer needs the sessions of the workers. */
static bool
needs_sessions(size_t i)
{
	const struct asked *a = &k.asked[i];

	if (k.peers[i].local)
		return a->talk.command == COMMAND_SESSIONS ||
		    a->talk.command == COMMAND_KILL;
	return k.args->details && a->page.error == 0 &&
	    (a->page.page == PAGE_STATUS || a->page.page == PAGE_JSON);
}

/* Gives the sessions to the next peer that waits for them. */
static void
gather_turn(void)
{
	size_t first = PEERS;

	if (k.gathers < PEERS)
		return;
	for (size_t i = 0; i < PEERS; i++)
		if (k.peers[i].state == PEER_WAITS && k.asked[i].queued &&
		    (first == PEERS || k.peers[i].since < k.peers[first].since))
			first = i;
	if (first == PEERS)
		return;
	k.gathers = first;
	k.asked[first].queued = false;
	k.asked[first].told = 0;
	sheet_take(&k.sheet, k.args);
	crowd_begin(&k.crowd, k.asked[first].page.sort);
	gather_begin(k.args, &k.sheet,
	    k.peers[first].local && k.asked[first].talk.command == COMMAND_KILL
		? &k.peers[first].fd
		: NULL);
}

/* Shows or ends one session for a command. */
static void
session_take(size_t i, const struct gathered *g, FILE *out, int64_t now)
{
	struct asked *a = &k.asked[i];

	if (!talk_matches(&a->talk, &g->session, g->slot))
		return;
	a->told++;
	if (a->talk.command == COMMAND_KILL) {
		gather_kill(g);
		return;
	}
	fputc('+', out);
	view_session(out, g, crowd_rate(g, now), a->talk.json);
	fputc('\n', out);
}

/* Ends what was done with sessions for a peer. */
static void
sessions_end(size_t i, int64_t now)
{
	struct asked *a = &k.asked[i];
	char line[80];

	k.gathers = PEERS;
	if (!k.peers[i].local) {
		crowd_sort(&k.crowd);
		page_answer(i, now);
		gather_end();
		return;
	}
	if (gather_missed() > 0) {
		snprintf(line, sizeof(line), "-%zu workers did not answer",
		    gather_missed());
		line_add(i, line);
	}
	gather_end();
	if (a->talk.command == COMMAND_KILL) {
		snprintf(line, sizeof(line), "%c%llu connection%s ended",
		    a->told > 0 ? '+' : '-', (unsigned long long)a->told,
		    a->told == 1 ? "" : "s");
		line_add(i, line);
		log_line(LOG_LEVEL_NOTICE, "ControlSocket: user %ld: %s",
		    (long)k.peers[i].uid, line + 1);
	}
	line_end(i, a->talk.command == COMMAND_KILL && a->told == 0);
}

/* Whether sessions can be taken now: there is a peer, with room for them. */
static bool
may_gather(int64_t now)
{
	return k.gathers < PEERS && now >= k.rows_at &&
	    k.peers[k.gathers].out_len - k.peers[k.gathers].sent <= OUT_MAX;
}

/* Takes sessions that have come for the peer that has them. */
static void
sessions_move(int64_t now)
{
	size_t i = k.gathers;
	struct gathered g;
	FILE *out = NULL;

	if (i == PEERS)
		return;
	if (k.peers[i].state == PEER_FREE) {
		gather_end();
		k.gathers = PEERS;
		return;
	}
	if (!may_gather(now))
		return;
	if (k.peers[i].local)
		out = peer_print();
	k.rows_at = now + ROWS_REST;
	for (int n = 0; n < ROWS && gather_next(&g); n++)
		if (!k.peers[i].local)
			crowd_add(&k.crowd, &g, now);
		else if (out != NULL)
			session_take(i, &g, out, now);
	if (out != NULL)
		peer_printed(&k.peers[i], out);
	if (gather_over(now))
		sessions_end(i, now);
}

/* Requests. */

/* Passes what only the master may do on to it, with the peer's descriptor. */
static void
wish_send(size_t i)
{
	static const enum wish wishes[] = { [COMMAND_RELOAD] = WISH_RELOAD,
		[COMMAND_REOPEN] = WISH_REOPEN,
		[COMMAND_DRAIN] = WISH_DRAIN,
		[COMMAND_STOP] = WISH_STOP,
		[COMMAND_UPGRADE] = WISH_UPGRADE,
		[COMMAND_LOG] = WISH_LEVEL };
	const struct talk *t = &k.asked[i].talk;
	struct wish_message wish = { .wish = wishes[t->command],
		.level = t->level };
	struct peer *p = &k.peers[i];

	if (sys_send(k.args->master, &wish, sizeof(wish), &p->fd, 1) != 0) {
		line_add(i, "-a reload has just ended: try again");
		line_end(i, 1);
		return;
	}
	/* The master answers it; the descriptor here is no longer needed. */
	close(p->fd);
	p->fd = -1;
	free(p->out);
	*p = (struct peer){ .state = PEER_FREE, .fd = -1 };
}

/* Answers a command that is not obeyed. */
static void
command_refuse(size_t i, int status, const char *why)
{
	char line[200];

	log_line(LOG_LEVEL_NOTICE, "ControlSocket: refused to user %ld: %s",
	    (long)k.peers[i].uid, why);
	snprintf(line, sizeof(line), "-%s", why);
	line_add(i, line);
	line_end(i, status);
}

/* Whether the peer may end connections; the master asks that again. */
static bool
may_kill(const struct peer *p)
{
	return p->uid == 0 || p->uid == k.args->owner;
}

static void
command_take(size_t i)
{
	struct peer *p = &k.peers[i];
	struct talk *t = &k.asked[i].talk;
	const char *wrong;
	char line[PEER_HEAD_MAX];

	snprintf(
	    line, sizeof(line), "%.*s", (int)strcspn(p->in, "\r\n"), p->in);
	wrong = talk_parse(t, line);
	if (wrong != NULL) {
		command_refuse(i, STATUS_USAGE, wrong);
		return;
	}
	if (t->command == COMMAND_KILL && !may_kill(p)) {
		command_refuse(i, STATUS_REFUSED,
		    "only root and the user who has started adit may do that");
		return;
	}
	p->state = PEER_WAITS;
	switch (t->command) {
	case COMMAND_STATUS:
	case COMMAND_READY:
		break;
	case COMMAND_SESSIONS:
	case COMMAND_KILL:
		p->more = k.asked[i].queued = true;
		break;
	case COMMAND_RELOAD:
	case COMMAND_REOPEN:
	case COMMAND_DRAIN:
	case COMMAND_STOP:
	case COMMAND_UPGRADE:
	case COMMAND_LOG:
		wish_send(i);
	}
}

/* A request is complete: finds out what it needs. */
static void
request_take(size_t i, int64_t now)
{
	struct peer *p = &k.peers[i];
	struct asked *a = &k.asked[i];

	*a = (struct asked){ .by = now + BEAT_TIME };
	p->until = now + (p->local ? WATCH_TIME : PEER_TIME);
	beat_ask(now);
	if (p->local) {
		command_take(i);
		return;
	}
	answer_parse(&a->page, p->in);
	if (p->denied)
		a->page.error = 403;
	p->state = PEER_WAITS;
	a->queued = needs_sessions(i);
}

/* Answers a peer that waits, if all it needs is known. */
static void
waiting_move(size_t i, int64_t now)
{
	const struct asked *a = &k.asked[i];

	if (k.peers[i].state != PEER_WAITS || a->queued || k.gathers == i ||
	    (!beat_heard(now) && now < a->by))
		return;
	if (k.peers[i].local)
		local_answer(i, now);
	else
		page_answer(i, now);
}

/* Peers. */

/* A place for one more peer: a free one, or the oldest of its kind. */
static struct peer *
peer_place(bool local)
{
	struct peer *oldest = NULL, *unused = NULL;
	size_t same = 0;

	for (size_t i = 0; i < PEERS; i++) {
		struct peer *p = &k.peers[i];

		if (p->state == PEER_FREE) {
			unused = p;
			continue;
		}
		if (p->local != local)
			continue;
		same++;
		if (oldest == NULL || p->since < oldest->since)
			oldest = p;
	}
	if (unused != NULL &&
	    same < (size_t)(local ? PEERS_LOCAL : PEERS - PEERS_LOCAL))
		return unused;
	if (oldest != NULL)
		peer_close(oldest);
	return oldest;
}

/* Takes a peer that was accepted. */
static void
peer_accept(
    int fd, bool local, const struct sockaddr_storage *from, int64_t now)
{
	struct peer *p = peer_place(local);
	struct addr addr;
	pid_t pid;

	if (p == NULL) {
		close(fd);
		return;
	}
	p->state = PEER_READS;
	p->fd = fd;
	p->local = local;
	p->since = now;
	p->until = now + PEER_TIME;
	p->uid = (uid_t)-1;
	if (local) {
		sys_peer(fd, &p->uid, &pid);
		return;
	}
	addr_from_sockaddr(&addr, from);
	p->denied = !addr_in_blocks(&addr, k.args->allow, k.args->nallow);
}

static void
listener_move(int listener, bool local, int64_t now)
{
	struct sockaddr_storage from;
	int fd;

	for (int n = 0; n < ACCEPTS; n++) {
		fd = sys_accept(listener, &from);
		if (fd >= 0) {
			peer_accept(fd, local, &from, now);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			k.rest_until = now + RETRY_TIME;
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* A request that cannot be read is answered with this status. */
static void
request_refuse(size_t i, int status, int64_t now)
{
	struct peer *p = &k.peers[i];

	k.asked[i] = (struct asked){ .page = { .page = PAGES,
					 .error = p->denied ? 403 : status } };
	p->until = now + PEER_TIME;
	if (p->local)
		command_refuse(i, STATUS_USAGE,
		    "a command is one line of text, with a line feed at its "
		    "end");
	else
		p->state = PEER_WAITS;
}

/* Reads what a peer sends. */
static void
request_read(size_t i, int64_t now)
{
	struct peer *p = &k.peers[i];

	if (peer_read(p) != 0) {
		if (p->local && p->in_len > 0)
			request_refuse(i, 400, now);
		else
			peer_close(p);
	} else if (memchr(p->in, '\0', p->in_len) != NULL)
		request_refuse(i, 400, now);
	else if (peer_whole(p))
		request_take(i, now);
	else if (p->in_len == PEER_HEAD_MAX)
		request_refuse(i, 431, now);
}

/* Handles what has happened at a peer. */
static void
peer_move(size_t i, short revents, int64_t now)
{
	struct peer *p = &k.peers[i];

	if (p->state == PEER_READS && revents != 0)
		request_read(i, now);
	else if (p->state == PEER_WAITS && (revents & (POLLERR | POLLHUP)))
		peer_close(p);
}

/* Sends what there is, and ends what is over. */
static void
peer_send(size_t i, int64_t now)
{
	struct peer *p = &k.peers[i];

	if (p->state == PEER_FREE)
		return;
	if (peer_write(p) != 0 || now >= p->until ||
	    (p->state == PEER_WRITES && p->sent == p->out_len && !p->more))
		peer_close(p);
}

/* The history. */

/* Takes a sample, if it is time for one. */
static void
history_move(int64_t now)
{
	struct board *b = k.args->board;
	size_t next = b->next % HISTORY_SIZE; /* another process may write it */
	size_t last = (next + HISTORY_SIZE - 1) % HISTORY_SIZE;

	if (b->history[last].at != 0 &&
	    now - b->history[last].at < HISTORY_STEP)
		return;
	sheet_take(&k.sheet, k.args);
	b->history[next] = (struct history_sample){ .at = now,
		.clients = k.sheet.clients,
		.tunnels = k.sheet.tunnels,
		.requests =
		    k.sheet.count[COUNT_CONNECTS] + k.sheet.count[COUNT_OTHERS],
		.up = k.sheet.count[COUNT_UP],
		.down = k.sheet.count[COUNT_DOWN],
		.refused = sheet_refusals(&k.sheet) };
	b->next = (next + 1) % HISTORY_SIZE;
}

/* The loop. */

/* What to poll for at a peer. */
static short
peer_events(const struct peer *p)
{
	if (p->state == PEER_READS)
		return POLLIN;
	return p->sent < p->out_len ? POLLOUT : 0;
}

static int
sleep_time(int64_t now)
{
	int64_t until = now + HISTORY_STEP;

	for (size_t i = 0; i < PEERS; i++) {
		if (k.peers[i].state == PEER_FREE)
			continue;
		until = clock_earlier(until, k.peers[i].until);
		if (k.peers[i].state == PEER_WAITS && !k.asked[i].queued &&
		    k.gathers != i)
			until = clock_earlier(until, now + BEAT_LOOK);
	}
	if (k.rest_until != 0)
		until = clock_earlier(until, k.rest_until);
	if (k.leave_at != 0)
		until = clock_earlier(until, k.leave_at);
	if (k.gathers < PEERS)
		until = clock_earlier(
		    until, now < k.rows_at ? k.rows_at : now + RETRY_TIME);
	return clock_sleep(until, now);
}

/* The master has hung up: the listeners are another process's now. */
static void
leave_begin(int64_t now)
{
	if (k.leave_at != 0)
		return;
	k.leave_at = now + LEAVE_TIME;
	for (size_t i = 0; i < k.args->nlisteners; i++)
		close(k.args->listeners[i]);
	if (k.args->local >= 0)
		close(k.args->local);
}

static bool
has_peers(void)
{
	for (size_t i = 0; i < PEERS; i++)
		if (k.peers[i].state != PEER_FREE)
			return true;
	return false;
}

/* Fills in the poll set: the master, the listeners, the peers, the workers. */
static size_t
watch_fill(struct pollfd *pfds, int64_t now)
{
	bool accepts = k.leave_at == 0 && now >= k.rest_until;
	size_t n = 0;

	pfds[n++] =
	    (struct pollfd){ .fd = k.leave_at == 0 ? k.args->master : -1,
		    .events = POLLIN };
	for (size_t i = 0; i < k.args->nlisteners; i++)
		pfds[n++] =
		    (struct pollfd){ .fd = accepts ? k.args->listeners[i] : -1,
			    .events = POLLIN };
	pfds[n++] = (struct pollfd){ .fd = accepts ? k.args->local : -1,
		.events = POLLIN };
	for (size_t i = 0; i < PEERS; i++)
		pfds[n++] = (struct pollfd){ .fd = k.peers[i].state == PEER_FREE
			    ? -1
			    : k.peers[i].fd,
			.events = peer_events(&k.peers[i]) };
	if (may_gather(now))
		n += gather_watch(pfds + n);
	return n;
}

static void
control_turn(void)
{
	static struct pollfd pfds[2 + LISTEN_MAX + PEERS + GATHER_AT_ONCE];
	size_t n = watch_fill(pfds, clock_ms()), at = 0;
	int64_t now;

	poll(pfds, (nfds_t)n, sleep_time(clock_ms()));
	now = clock_ms();
	if (k.rest_until != 0 && now >= k.rest_until)
		k.rest_until = 0;
	/* The master sends nothing: any event is its end. */
	if (pfds[at++].revents != 0)
		leave_begin(now);
	for (size_t i = 0; i < k.args->nlisteners; i++)
		if (pfds[at++].revents != 0 && k.leave_at == 0)
			listener_move(k.args->listeners[i], false, now);
	if (pfds[at++].revents != 0 && k.leave_at == 0)
		listener_move(k.args->local, true, now);
	for (size_t i = 0; i < PEERS; i++)
		if (pfds[at].fd == k.peers[i].fd)
			peer_move(i, pfds[at++].revents, now);
		else
			at++;
	gather_turn();
	sessions_move(now);
	for (size_t i = 0; i < PEERS; i++) {
		waiting_move(i, now);
		peer_send(i, now);
	}
	history_move(now);
}

/*
 * The life of the control process, which has given up its rights.  It ends when
 * the master hangs up, after the answers that are due.
 */
_Noreturn void
control_run(const struct control_args *args)
{
	k.args = args;
	k.gathers = PEERS;
	for (size_t i = 0; i < PEERS; i++)
		k.peers[i].fd = -1;
	if (crowd_init() != 0)
		_exit(STATUS_SYSTEM);
	log_detach();
	sandbox_enter(SANDBOX_CONTROL, false);
	while (k.leave_at == 0 || (has_peers() && clock_ms() < k.leave_at))
		control_turn();
	log_flush();
	_exit(0);
}
