/* SPDX-License-Identifier: ISC */
/*
 * A worker: accepts clients, carries thousands of connections in one poll()
 * loop, and obeys its master.  It never blocks anywhere else.  It has no
 * rights beyond its descriptors, opens no file, and ends when its master is
 * gone.  life.c says what becomes of a connection.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "args.h"
#include "ask.h"
#include "authcache.h"
#include "baton.h"
#include "bounds.h"
#include "clock.h"
#include "conf.h"
#include "conn.h"
#include "life.h"
#include "log.h"
#include "loop.h"
#include "lot.h"
#include "namecache.h"
#include "orders.h"
#include "parking.h"
#include "pipe.h"
#include "program.h"
#include "question.h"
#include "quota.h"
#include "relay.h"
#include "sandbox.h"
#include "session.h"
#include "share.h"
#include "stats.h"
#include "sys.h"
#include "tunnel.h"
#include "upstream.h"
#include "worker.h"

enum {
	ARRIVE_TIME = 200, /* ms for clients on their way to a listener */
	PAUSE_TIME = 100,  /* ms a listener rests when all is full */
	ACCEPTS_MAX = 12,  /* in one turn of the loop */
	EXPIRE_MAX = 256,  /* deadlines in one turn of the loop */
	CALM_TURNS = 64,   /* of the loop, after which no client is expected */
	LOG_FDS = 1 + RECORD_LOGS_MAX, /* that come with ORDER_LOGS */
	ASIDE_TIME = 2,                /* ms after the end of a connection */
	TELL_TIME = 100,               /* ms until the master is told again */
	SAY_TIME = 2000, /* ms for a reader of sessions to go on */
	BATCHES_MAX = 4  /* of sessions that are written in one turn */
};

/* Where the listeners are watched. */
enum listening {
	LISTEN_NOT,
	LISTEN_BUSY, /* in the poll set */
	LISTEN_CALM  /* in the lot: no client has come for a while */
};

/* What the descriptors are for that belong to no connection. */
enum own {
	OWN_MASTER,
	OWN_DESKS,
	OWN_LOT = OWN_DESKS + HELPER_KINDS,
	OWN_BELL,
	OWN_SESSIONS,
	OWN_LISTENER
};

static struct {
	const struct worker_args *args;
	int slots[OWN_LISTENER + LISTEN_MAX];
	short parked[OWN_LISTENER + LISTEN_MAX]; /* events, or -1: not there */
	uint64_t open;  /* a bit for each listener that is not closed */
	uint64_t ready; /* those on which clients wait */
	enum listening listening;
	unsigned calm;        /* turns without a connection in the poll set */
	bool rung;            /* the bell, in this turn */
	bool stirred;         /* an event of its own since tidied_at */
	int64_t tidied_at;    /* ms: when turn_chores() was last called */
	bool helps;           /* it listens beside the one with the baton */
	bool full;            /* there was no room at the last accept */
	int64_t paused_until; /* when to listen again, or 0 */
	size_t paused_count;  /* how many connections it had then */
	bool out;             /* it lacks what another worker may have */
	struct log_rate accept_errors;
	bool draining;
	bool told;          /* the master knows that it takes no new clients */
	bool dismissed;     /* it asks the desk no more */
	uint64_t abandoned; /* draining: listeners that no other one serves */
	int64_t leave_at;   /* when these may be closed */
	int64_t drained_at; /* when draining must be over */
	struct logs logs;   /* owned: sent by the master */
	/* The table of sessions that is being written; owned, or -1. */
	int sessions;
	bool said;              /* all of it */
	size_t unsaid;          /* rows that could not be written yet */
	bool kills;             /* what comes there ends sessions */
	enum ending ending;     /* for this reason */
	int64_t sessions_until; /* ms: when that is given up */
} w;

/* The descriptors of the worker itself. */

/* No longer watches a descriptor. */
static void
own_leave(unsigned which, int fd)
{
	watch_remove(&w.slots[which]);
	if (w.parked[which] >= 0)
		lot_own(fd, w.parked[which], -1, which);
	w.parked[which] = -1;
}

static bool
own_is_watched(unsigned which)
{
	return w.slots[which] >= 0 || w.parked[which] >= 0;
}

/* Watches a descriptor in the poll set. */
static void
own_poll(unsigned which, int fd, short events)
{
	if (w.slots[which] >= 0)
		watch_set(w.slots[which], events);
	else if (watch_add(fd, events, NULL, which, &w.slots[which]) != 0)
		assert(0 && "the poll set has room for the worker's own");
}

/* Watches one that rarely has an event, in the lot where that can be. */
static void
own_park(unsigned which, int fd, short events)
{
	if (w.parked[which] == events)
		return;
	if (w.slots[which] < 0 &&
	    lot_own(fd, w.parked[which], events, which) == 0)
		w.parked[which] = events;
	else
		own_poll(which, fd, events);
}

/* Which clients are counted, over all workers. */

static atomic_uint *
my_count(void)
{
	return &w.args->share->slots[w.args->slot].clients;
}

/*
 * Takes a place among MaxClients; false when there is none.  A new connection
 * is counted first and the sum is taken then.  When two arrive at once where
 * one would fit, neither may be let in, but never both.
 */
static bool
place_take(void)
{
	if (conn_count() >= w.args->max_conns)
		return false;
	atomic_store(my_count(), (unsigned)conn_count() + 1);
	if (w.args->conf->max_clients == 0)
		return true;
	if (share_clients(w.args->share) <= w.args->conf->max_clients)
		return true;
	atomic_store(my_count(), (unsigned)conn_count());
	return false;
}

/* Whether all places that MaxClients allows are taken. */
static bool
places_taken(void)
{
	unsigned most = w.args->conf->max_clients;

	return most > 0 && share_clients(w.args->share) >= most;
}

/*
 * Publishes how many connections this worker has, and wakes the listening
 * worker if that waits for a free place.
 */
static void
place_give_back(void)
{
	const struct baton *b = w.args->baton;
	unsigned count = (unsigned)conn_count(), before;
	uint32_t holder;

	for (enum spare spare = 0; spare < SPARES; spare++)
		baton_spare(b, w.args->index, spare, conn_spares(spare));
	if (relay_is_rapid())
		baton_rapid(b, w.args->index);
	/*
	 * Other processes read this often: writing an unchanged value would
	 * make them fetch the cache line again.
	 */
	before = atomic_load(my_count());
	if (count == before)
		return;
	atomic_store(my_count(), count);
	if (count > before || w.draining)
		return;
	holder = baton_holder(b);
	if (holder < b->nworkers && holder != w.args->index &&
	    baton_state_of(b, holder) == SLOT_RESTS)
		baton_ring(b, holder);
}

/* Listening.  tests/models/baton.pml models this. */

/* Whether this worker is the one that listens. */
static bool
has_baton(void)
{
	return baton_holder(w.args->baton) == w.args->index;
}

/* How many clients of this worker do not seem to leave. */
static unsigned
staying(void)
{
	return baton_staying(w.args->baton, w.args->index);
}

/* Watches the listeners, or not. */
static void
listen_watch(enum listening listening)
{
	if (listening == w.listening)
		return;
	w.listening = listening;
	for (unsigned i = 0; i < w.args->nlisteners; i++) {
		unsigned which = OWN_LISTENER + i;
		int fd = w.args->listeners[i];

		if (!(w.open >> i & 1))
			continue;
		own_leave(which, fd);
		if (listening == LISTEN_BUSY)
			own_poll(which, fd, POLLIN);
		else if (listening == LISTEN_CALM)
			own_park(which, fd, POLLIN);
	}
}

/*
 * How to listen.  With nothing but the lot in the poll set, a turn of the loop
 * takes one system call less.
 */
static enum listening
listen_how(void)
{
	if (w.paused_until != 0 || (!w.draining && !has_baton() && !w.helps))
		return LISTEN_NOT;
	w.calm = watch_tunnels() > 0 ? 0 : w.calm + 1;
	return w.calm < CALM_TURNS ? LISTEN_BUSY : LISTEN_CALM;
}

/* Listens or not, as the baton says, and publishes what this worker does. */
static void
listen_update(void)
{
	enum slot_state state = SLOT_READY;

	if (w.draining || (w.paused_until != 0 && w.out))
		state = SLOT_AWAY;
	else if (w.paused_until != 0)
		state = SLOT_RESTS;
	baton_state(w.args->baton, w.args->index, state);
	listen_watch(listen_how());
}

/* Passes the baton to another worker that can take clients, if any can. */
static bool
listen_pass(void)
{
	uint64_t most;
	uint32_t next = baton_next(w.args->baton, w.args->index, &most);

	if (w.draining || next == NOBODY)
		return false;
	baton_pass(w.args->baton, w.args->index, next);
	return true;
}

/*
 * Stops accepting for a while.  If out, this worker lacks something, such as
 * descriptors, that another one may have, and that one is to listen.
 */
static void
listen_pause(bool out)
{
	w.paused_until = clock_now() + PAUSE_TIME;
	w.paused_count = conn_count();
	w.out = out;
	listen_update();
	if (out)
		listen_pass();
}

/* The rate in the share makes this one line a minute for all workers. */
static void
complain_of_clients(void)
{
	log_rarely(&w.args->share->common.full, LOG_LEVEL_WARNING,
	    "Maximum number of connections reached. Refusing new "
	    "connections.");
}

static void
complain_of_accept(int error)
{
	log_rarely(&w.accept_errors, LOG_LEVEL_ERROR,
	    "Accept returned an error (%s)", strerror(error));
}

/*
 * Makes room where the connections are that cost their clients nothing.
 * Returns whether there is some here now.
 */
static bool
place_make(void)
{
	const struct baton *b = w.args->baton;
	uint32_t worker = w.args->index;

	if (conn_count() < w.args->max_conns)
		worker = baton_sparest(b, worker);
	if (worker == w.args->index)
		return life_make_room();
	if (worker != NOBODY)
		baton_yield(b, worker);
	return false;
}

/* How an attempt to accept a client has ended. */
enum accepted {
	ACCEPTED,
	ACCEPTED_NOBODY,
	ACCEPTED_LATER, /* the worker rests until there is room */
	ACCEPTED_NEVER  /* the listener is broken */
};

static bool
client_waits(int listener)
{
	struct pollfd pfd = { .fd = listener, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/*
 * There is no place for one more client, here or anywhere.  Another worker may
 * be about to accept the very client that made this one try.  So there is a
 * line in the log only when a client still waits after a rest.
 */
static enum accepted
accept_later(int listener)
{
	if (!client_waits(listener))
		return ACCEPTED_NOBODY;
	if (conn_count() >= w.args->max_conns && listen_pass())
		return ACCEPTED_LATER;
	if (place_make())
		return ACCEPTED;
	if (w.full)
		complain_of_clients();
	w.full = true;
	listen_pause(false);
	return ACCEPTED_LATER;
}

/*
 * Who has connected: an address, or a user at a Unix socket.  With a user that
 * the system does not tell, it has no number.
 */
static struct addr
peer_of(int fd, size_t i, const struct sockaddr_storage *from)
{
	uint16_t local = w.args->listening[i].local;
	struct addr peer;
	uid_t uid;
	pid_t pid;

	if (local == 0)
		addr_from_sockaddr(&peer, from);
	else
		addr_from_local(&peer, local,
		    sys_peer(fd, &uid, &pid) == 0 ? (uint32_t)uid
						  : ADDR_NO_UID);
	return peer;
}

static enum accepted
accept_one(size_t i)
{
	int listener = w.args->listeners[i], fd, error;
	struct sockaddr_storage from;
	struct addr peer;

	if (!place_take())
		return accept_later(listener);
	w.full = false;
	fd = sys_accept(listener, &from);
	if (fd >= 0) {
		peer = peer_of(fd, i, &from);
		life_accepted(fd, &peer, w.args->inlets[i]);
		return ACCEPTED;
	}
	error = errno;
	place_give_back();
	switch (error) {
	case EAGAIN:
		return ACCEPTED_NOBODY;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		complain_of_accept(error);
		listen_pause(true);
		return ACCEPTED_LATER;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
		complain_of_accept(error);
		return ACCEPTED_NEVER;
	default:
		/* This client is gone; there may be others. */
		return ACCEPTED;
	}
}

static void
listener_close(size_t i)
{
	own_leave(OWN_LISTENER + (unsigned)i, w.args->listeners[i]);
	close(w.args->listeners[i]);
	w.open &= ~(UINT64_C(1) << i);
	w.abandoned &= ~(UINT64_C(1) << i);
}

/*
 * Accepts a few clients.  A draining worker also closes a listener that no
 * other one serves, once no client waits there, but not before leave_at: the
 * system holds back clients until they send something, and would reset those.
 * Returns whether it has accepted so many that more may wait.
 */
static bool
listener_ready(size_t i, int max)
{
	enum accepted accepted = ACCEPTED;

	while (max-- > 0 && accepted == ACCEPTED)
		accepted = accept_one(i);
	if (accepted == ACCEPTED_NEVER ||
	    (w.draining && accepted == ACCEPTED_NOBODY &&
		clock_now() >= w.leave_at))
		listener_close(i);
	return accepted == ACCEPTED;
}

/* Tells the master, once, that no clients come but those that wait already. */
static void
drained(void)
{
	struct note_message note = { .note = NOTE_DRAINED };

	if (!w.told)
		w.told =
		    sys_send(w.args->master, &note, sizeof(note), NULL, 0) == 0;
}

/* Whether clients may be on their way to a listener of this worker alone. */
static bool
clients_arrive(void)
{
	return w.abandoned != 0 && clock_now() < w.leave_at;
}

/* Closes the listeners that no other worker serves, if it is time to. */
static void
listeners_leave(void)
{
	if (!w.draining || clients_arrive())
		return;
	for (size_t i = 0; i < w.args->nlisteners && w.paused_until == 0; i++)
		if (w.abandoned >> i & 1)
			listener_ready(i, ACCEPTS_MAX);
	drained();
}

/*
 * How many clients to accept in one turn: more where there are many, since few
 * of them mostly come one by one, and to look for another is a system call.
 */
static uint64_t
batch_size(void)
{
	unsigned n = 1 + staying() / 4;

	return n < ACCEPTS_MAX ? n : ACCEPTS_MAX;
}

/*
 * Accepts clients, and after a full batch rings for a second worker: many wait,
 * and while one processor sets up their tunnels another may have nothing to do.
 * Returns whether the batch was full.
 */
static bool
accept_batch(size_t i, uint64_t max)
{
	const struct baton *b = w.args->baton;
	uint32_t second;
	uint64_t most;

	if (max > ACCEPTS_MAX)
		max = ACCEPTS_MAX;
	if (!listener_ready(i, (int)max) || max < ACCEPTS_MAX)
		return false;
	second = baton_next(b, w.args->index, &most);
	if (second != NOBODY && second != baton_holder(b))
		baton_ring(b, second);
	return true;
}

/*
 * Accepts clients until this worker has so many that another one is next.  If
 * it has them when a client comes, it passes the baton on instead: where tunnels
 * come and go one after the other, no other worker needs to wake.
 */
static void
listener_event(size_t i)
{
	const struct worker_args *args = w.args;
	uint64_t most, max = batch_size();
	uint32_t next;

	/* Another listener may have had an event in the same turn. */
	if (!has_baton() || w.paused_until != 0)
		return;
	next = baton_next(args->baton, args->index, &most);
	if (staying() >= most) {
		baton_pass(args->baton, args->index, next);
		return;
	}
	if (most - staying() < max)
		max = most - staying();
	accept_batch(i, max);
}

/*
 * Serves the listeners on which clients wait.  That comes after the events of
 * connections, some of which may have ended.
 */
static void
listeners_serve(void)
{
	uint64_t ready = w.ready & w.open;

	w.ready = 0;
	if (ready == 0)
		return;
	place_give_back();
	for (size_t i = 0; ready != 0; i++, ready >>= 1)
		if (ready & 1 && w.draining)
			listener_ready(i, ACCEPTS_MAX);
		else if (ready & 1)
			listener_event(i);
}

/*
 * How many clients a worker without the baton may accept, if the one with it
 * has load: some of those that it has less, or, if asked to help, as many as the
 * other would take before it passes the baton on.
 */
static uint64_t
aside_size(uint64_t load, bool asked)
{
	uint64_t mine = staying();

	if (asked)
		load = baton_most(load);
	if (mine >= load)
		return 0;
	return asked ? load - mine : (load - mine + 7) / 8;
}

/*
 * A worker without the baton that is awake anyway, as a connection has just
 * ended, accepts some clients if it has fewer than the one with the baton.  So
 * the load is spread without waking a process to move the baton.  One whose bell
 * has rung does too, since more may wait than the other can take in a turn, and
 * it listens as well until a batch is not full.
 */
static void
listen_aside(void)
{
	const struct baton *b = w.args->baton;
	uint32_t holder = baton_holder(b);
	bool asked = w.rung || w.helps;
	uint64_t max;

	w.helps = false;
	if (w.draining || w.paused_until != 0 ||
	    (!asked && clock_now() - conn_ended_at() > ASIDE_TIME) ||
	    holder >= b->nworkers || holder == w.args->index ||
	    !baton_uses(b, w.args->index))
		return;
	place_give_back();
	for (size_t i = 0; i < w.args->nlisteners; i++) {
		max = aside_size(baton_staying(b, holder), asked);
		if (max > 0 && w.open >> i & 1 && accept_batch(i, max))
			w.helps = true;
	}
}

/*
 * The master gives the baton.  Clients that wait are accepted before it can be
 * taken away again.
 */
static void
listen_ordered(void)
{
	for (size_t i = 0; i < w.args->nlisteners; i++)
		if (w.open >> i & 1)
			listener_ready(i, ACCEPTS_MAX);
}

/*
 * Another worker has passed the baton, made a place free, or needs one, or more
 * clients wait than it can take.
 */
static void
bell_heard(void)
{
	w.rung = true;
	/* A worker may have rung it for nothing. */
	if (baton_hear(w.args->baton, w.args->index) && places_taken())
		life_make_room();
	if (!w.out)
		w.paused_until = 0;
}

/* Orders.  tests/models/master.pml models those that begin and end a worker. */

/*
 * Begins to drain: accepts the clients that wait, and closes the listeners that
 * others serve too.  The rest stay open for a while, for clients that are on
 * their way, and until there was a place for each that waits.
 */
static void
drain(uint64_t abandoned)
{
	if (w.draining)
		return;
	w.draining = true;
	sys_title("worker %u, draining", (unsigned)w.args->index);
	life_drain();
	w.abandoned = abandoned;
	w.leave_at = clock_now() + ARRIVE_TIME;
	w.drained_at =
	    clock_now() + w.args->conf->drain_timeout * INT64_C(1000);
	for (size_t i = 0; i < w.args->nlisteners; i++) {
		if (w.open >> i & 1)
			listener_ready(i, LISTEN_BACKLOG);
		if (w.abandoned >> i & 1)
			sys_accept_late(w.args->listeners[i], false);
		else if (w.open >> i & 1)
			listener_close(i);
	}
}

/*
 * Writes to the logs that the master has opened again, unless this worker had
 * no free descriptor to receive them.
 */
static void
change_logs(const struct order_message *order, const int fds[LOG_FDS])
{
	struct logs logs = { .fd = -1,
		.syslog = order->syslog,
		.journal = order->journal,
		.level = order->level,
		.time = order->time };
	size_t n = 0;

	if (order->log)
		logs.fd = fds[n++];
	while (logs.naccess < order->naccess) {
		logs.access[logs.naccess] = (struct access_log){ fds[n++],
			order->formats[logs.naccess] };
		logs.naccess++;
	}
	if (n > 0 && fds[n - 1] < 0) {
		for (size_t i = 0; i < n; i++)
			if (fds[i] >= 0)
				close(fds[i]);
		log_line(LOG_LEVEL_ERROR,
		    "Cannot reopen the logs: no free descriptor");
		return;
	}
	log_use(&logs);
	log_close(&w.logs);
	w.logs = logs;
}

/* The table of sessions. */

static void
sessions_end(void)
{
	if (w.sessions < 0)
		return;
	watch_remove(&w.slots[OWN_SESSIONS]);
	sys_close_sent(w.sessions);
	w.sessions = -1;
}

/*
 * Ends the sessions whose serials have come, if the master allows it.  Returns
 * whether the reader is still there.
 */
static bool
sessions_read(void)
{
	struct session_end end;
	ssize_t n;

	while ((n = sys_receive(w.sessions, &end, sizeof(end), NULL, 0)) ==
	    sizeof(end))
		if (w.kills)
			life_kill(end.serial, w.ending);
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/*
 * Begins to write the table; a reader of the last one gets no more of it, but
 * what it has asked for is done.
 */
static void
sessions_begin(int fd, const struct order_message *order)
{
	if (w.sessions >= 0)
		sessions_read();
	sessions_end();
	if (fd < 0)
		return;
	w.sessions = fd;
	w.said = false;
	w.unsaid = 0;
	w.kills = order->kill;
	w.ending = order->judge ? END_JUDGED : END_KILLED;
	w.sessions_until = clock_now() + SAY_TIME;
	conn_show_begin();
	own_poll(OWN_SESSIONS, fd, POLLIN | POLLOUT);
}

/* Writes a part of the table, and at its end a byte. */
static void
sessions_write(void)
{
	static struct session rows[SESSIONS_BATCH];
	size_t n = w.unsaid;

	for (int i = 0; i < BATCHES_MAX && !w.said; i++) {
		if (n == 0)
			n = conn_show(rows, SESSIONS_BATCH);
		if (sys_send(w.sessions, rows, n > 0 ? n * sizeof(*rows) : 1,
			NULL, 0) != 0) {
			w.unsaid = n;
			return;
		}
		w.sessions_until = clock_now() + SAY_TIME;
		w.said = n == 0;
		n = w.unsaid = 0;
	}
	if (w.said)
		watch_set(w.slots[OWN_SESSIONS], POLLIN);
}

static void
sessions_event(short revents)
{
	if (revents & POLLOUT)
		sessions_write();
	if ((revents & ~POLLOUT) && !sessions_read())
		sessions_end();
}

/* Ends all connections, and the process. */
static _Noreturn void
worker_leave(enum ending ending)
{
	life_end_all(ending);
	log_flush();
	_exit(0);
}

static void
master_ready(void)
{
	struct order_message order;
	int fds[LOG_FDS];
	ssize_t n =
	    sys_receive(w.args->master, &order, sizeof(order), fds, LOG_FDS);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(order))
		worker_leave(END_STOPPED);
	/* ORDER_LOOK only wakes this worker, which then looks at the baton. */
	if (order.order == ORDER_LISTEN && !w.draining)
		listen_ordered();
	else if (order.order == ORDER_LOGS)
		change_logs(&order, fds);
	else if (order.order == ORDER_DRAIN)
		drain(order.abandoned);
	else if (order.order == ORDER_SESSIONS)
		sessions_begin(fds[0], &order);
}

/* Closes the ways to the desks when draining, once no connection needs them. */
static void
dismiss_desks(void)
{
	if (!w.draining || conn_unsettled() > 0 || w.abandoned != 0 ||
	    w.dismissed)
		return;
	w.dismissed = true;
	for (unsigned desk = 0; desk < HELPER_KINDS; desk++) {
		if (w.args->desks[desk] < 0)
			continue;
		own_leave(OWN_DESKS + desk, w.args->desks[desk]);
		close(w.args->desks[desk]);
	}
}

/* Answers have come, or there is room for questions, or no desk any more. */
static void
desk_event(enum helper_kind desk, short revents)
{
	if (revents & POLLIN)
		life_answers(desk);
	for (int queue = 0; queue < QUEUES && revents & POLLOUT; queue++)
		if (queue_desk((enum queue)queue) == desk)
			ask_send((enum queue)queue);
	/* If a desk dies while its generation drains, there is no new one. */
	if (revents & (POLLHUP | POLLERR))
		own_leave(OWN_DESKS + desk, w.args->desks[desk]);
}

/* Watches for room at the desks, if a connection waits for that. */
static void
desks_watch(void)
{
	short events[HELPER_KINDS] = { POLLIN, POLLIN };

	for (int queue = 0; queue < QUEUES; queue++)
		if (ask_waiting((enum queue)queue))
			events[queue_desk((enum queue)queue)] |= POLLOUT;
	for (unsigned desk = 0; desk < HELPER_KINDS; desk++)
		if (own_is_watched(OWN_DESKS + desk))
			own_park(OWN_DESKS + desk, w.args->desks[desk],
			    events[desk]);
}

/* The loop. */

static void
worker_event(unsigned which, short revents)
{
	assert(!(revents & POLLNVAL));
	w.stirred = true;
	if (which == OWN_MASTER)
		master_ready();
	else if (which >= OWN_DESKS && which < OWN_DESKS + HELPER_KINDS)
		desk_event((enum helper_kind)(which - OWN_DESKS), revents);
	else if (which == OWN_BELL)
		bell_heard();
	else if (which == OWN_SESSIONS)
		sessions_event(revents);
	else if (which >= OWN_LISTENER)
		w.ready |= UINT64_C(1) << (which - OWN_LISTENER);
}

/* How long poll() may sleep, in ms. */
static int
worker_sleep_time(void)
{
	int64_t until = deadline_next();

	until = clock_earlier(until, parking_look_at());
	until = clock_earlier(until, pipe_rest_at());
	until = clock_earlier(until, namecache_tidy_at());
	until = clock_earlier(until, authcache_tidy_at());
	until = clock_earlier(until, log_due());
	if (w.paused_until != 0)
		until = clock_earlier(until, w.paused_until);
	if (w.sessions >= 0)
		until = clock_earlier(until, w.sessions_until);
	if (w.draining)
		until = clock_earlier(until, w.drained_at);
	if (clients_arrive())
		until = clock_earlier(until, w.leave_at);
	else if (w.draining && !w.told)
		until = clock_earlier(until, clock_now() + TELL_TIME);
	return clock_sleep(until, clock_now());
}

/* Handles an event at a descriptor of a connection, or of the worker itself. */
static void
turn_event(struct tunnel *t, unsigned which, short revents)
{
	if (t == NULL)
		worker_event(which, revents);
	else
		life_event(t, which, revents);
}

/*
 * Handles the events in the lot and in the poll set.  The lot comes first: what
 * it has reported of a connection is outdated once that has been replaced.
 */
static void
turn_events(void)
{
	struct tunnel *t;
	unsigned which;
	short revents;

	if (lot_fd() < 0 || watch_take((size_t)w.slots[OWN_LOT], &t, &which))
		while (lot_next(&t, &which, &revents))
			turn_event(t, which, revents);
	for (size_t i = watch_count(); i-- > 0;) {
		revents = watch_take(i, &t, &which);
		if (revents != 0)
			turn_event(t, which, revents);
	}
}

/*
 * Whether tunnels in the lot have moved bytes in this turn, and nothing else has
 * happened since turn_chores() was called, in this millisecond: then that would
 * find all as it was.  While the listeners are in the poll set it counts the
 * turns.
 */
static bool
turn_is_plain(void)
{
	return !conn_stirred() && !w.stirred && w.listening != LISTEN_BUSY &&
	    watch_tunnels() == 0 && clock_now() == w.tidied_at;
}

/* Does what time, the worker's own descriptors or connections may ask for. */
static void
turn_chores(void)
{
	struct tunnel *t;

	w.stirred = false;
	w.tidied_at = clock_now();
	/* What is left is due at once in the next turn. */
	for (int i = 0; i < EXPIRE_MAX && (t = deadline_due()) != NULL; i++)
		life_expire(t);
	if (w.paused_until != 0 &&
	    (clock_now() >= w.paused_until || conn_count() < w.paused_count))
		w.paused_until = 0;
	listeners_serve();
	listeners_leave();
	listen_aside();
	w.rung = false;
	place_give_back();
	listen_update();
	parking_look();
	pipe_rest();
	life_tidy();
	namecache_tidy();
	authcache_tidy(clock_now());
	dismiss_desks();
	desks_watch();
	if (w.sessions >= 0 && clock_now() >= w.sessions_until)
		sessions_end();
	if (log_due() >= 0 && log_due() <= clock_now())
		log_flush();
}

/* One turn: sleeps, then does what can be done without waiting. */
static void
worker_turn(void)
{
	watch_poll(worker_sleep_time());
	turn_events();
	if (!turn_is_plain())
		turn_chores();
	stats_turn(upstream_down(&w.args->conf->upstreams));
}

/* Watches what a worker waits for from the beginning. */
static void
own_init(void)
{
	const struct worker_args *args = w.args;

	for (unsigned i = 0; i < OWN_LISTENER + args->nlisteners; i++)
		w.slots[i] = w.parked[i] = -1;
	if (lot_fd() >= 0)
		own_poll(OWN_LOT, lot_fd(), POLLIN);
	own_park(OWN_MASTER, args->master, POLLIN);
	for (unsigned desk = 0; desk < HELPER_KINDS; desk++)
		if (args->desks[desk] >= 0)
			own_park(OWN_DESKS + desk, args->desks[desk], POLLIN);
	own_park(OWN_BELL, args->baton->bells[args->index][0], POLLIN);
	w.sessions = -1;
	for (unsigned i = 0; i < args->nlisteners; i++)
		w.open |= UINT64_C(1) << i;
}

/*
 * A worker's life, in a process of its own that has given up its rights and
 * opened its logs.  It tells the master when it is ready, listens when it has
 * the baton, and ends when it has drained or the master is gone.
 */
_Noreturn void
worker_run(const struct worker_args *args)
{
	struct note_message ready = { .note = NOTE_READY };

	w.args = args;
	w.logs = args->logs;
	quota_begin(args->slot, &args->conf->per_host);
	pipe_init(args->max_pipes);
	if (life_init(args) != 0 || loop_init(args->max_conns) != 0 ||
	    lot_init(watch_max(args->max_conns), parking_end) != 0) {
		log_line(LOG_LEVEL_CRITICAL, "Worker: %s", strerror(errno));
		_exit(STATUS_SYSTEM);
	}
	own_init();
	log_detach();
	log_batch();
	listen_update();
	sandbox_enter(
	    SANDBOX_WORKER, upstream_is_local(&args->conf->upstreams));
	/* Without this note the start would wait for ever. */
	if (sys_send(args->master, &ready, sizeof(ready), NULL, 0) != 0)
		_exit(STATUS_SYSTEM);
	while (!w.draining ||
	    ((conn_count() > 0 || w.abandoned != 0) &&
		clock_now() < w.drained_at))
		worker_turn();
	worker_leave(END_DRAINED);
}
