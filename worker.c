/* SPDX-License-Identifier: ISC */
/*
 * A worker: accepts clients, carries thousands of connections in one poll()
 * loop, and obeys its master.  It never blocks anywhere else.  It has no
 * rights beyond its descriptors, opens no file, and leaves when its master is
 * gone.  What becomes of a connection is life.c's.
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
#include "share.h"
#include "sys.h"
#include "tunnel.h"
#include "worker.h"

enum {
	ARRIVE_TIME = 200, /* ms for clients on their way to a listener */
	PAUSE_TIME = 100,  /* ms a listener rests when all is full */
	ACCEPTS_MAX = 8,   /* in one turn of the loop */
	ASIDE_TIME = 2     /* ms after the end of a connection */
};

/* What a descriptor in the poll set that is no connection's is for. */
enum own {
	OWN_MASTER,
	OWN_ANSWERS,
	OWN_QUEUES,
	OWN_LOT = OWN_QUEUES + QUEUES,
	OWN_BELL,
	OWN_LISTENER
};

static struct {
	const struct worker_args *args;
	const struct conf *conf;
	int slots[OWN_LISTENER + LISTEN_MAX];
	uint64_t open;        /* a bit for each listener that is not closed */
	bool listening;       /* they are in the poll set */
	bool full;            /* when it last tried to accept */
	int64_t paused_until; /* when to listen again, or 0 */
	size_t paused_count;  /* connections that there were then */
	bool out; /* paused for want of what another worker may have */
	struct log_rate accept_errors;
	bool draining;
	bool told;          /* the master, that it has left its listeners */
	bool dismissed;     /* the desk was let go */
	uint64_t abandoned; /* listeners that only we serve, while draining */
	int64_t leave_at;   /* when these may be left */
	int64_t drained_at; /* when draining has to be over */
	int log_fd, access_fd; /* owned: sent by the master */
} w;

static void
own_watch(unsigned which, int fd, short events)
{
	w.slots[which] = -1;
	if (fd >= 0 && watch_add(fd, events, NULL, which, &w.slots[which]) != 0)
		assert(0 && "the poll set has room for the worker's own");
}

/* Which clients are counted, over all workers. */

static atomic_uint *
my_count(void)
{
	return &w.args->share->slots[w.args->slot].clients;
}

/* Takes a place among MaxClients; false when there is none. */
static bool
place_take(void)
{
	if (conn_count() >= w.args->max_conns)
		return false;
	atomic_store(my_count(), (unsigned)conn_count() + 1);
	if (w.conf->max_clients == 0)
		return true;
	if (share_clients(w.args->share) <= w.conf->max_clients)
		return true;
	atomic_store(my_count(), (unsigned)conn_count());
	return false;
}

/*
 * Counts those that there are, when some may have gone.  Whoever waits for a
 * place hears of it.
 */
static void
place_give_back(void)
{
	const struct baton *b = w.args->baton;
	unsigned count = (unsigned)conn_count(), before;
	uint32_t holder;

	/* Others read that often, and had to fetch it again. */
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

/* Listening. */

/* Whether this worker is the one that listens. */
static bool
has_baton(void)
{
	return baton_holder(w.args->baton) == w.args->index;
}

/* Puts the listeners into the poll set, or takes them out. */
static void
listen_watch(bool on)
{
	if (on == w.listening)
		return;
	w.listening = on;
	for (unsigned i = 0; i < w.args->nlisteners; i++)
		if (!on)
			watch_remove(&w.slots[OWN_LISTENER + i]);
		else if (w.open >> i & 1)
			own_watch(
			    OWN_LISTENER + i, w.args->listeners[i], POLLIN);
}

/* Does what befits the baton, and says what the others have to know. */
static void
listen_update(void)
{
	enum slot_state state = SLOT_READY;

	if (w.draining || (w.paused_until != 0 && w.out))
		state = SLOT_AWAY;
	else if (w.paused_until != 0)
		state = SLOT_RESTS;
	baton_state(w.args->baton, w.args->index, state);
	listen_watch(w.paused_until == 0 && (w.draining || has_baton()));
}

/* Passes the baton to another that can take clients, if there is one. */
static bool
listen_pass(void)
{
	uint64_t bound;
	uint32_t next =
	    baton_next(w.args->baton, w.args->index, w.args->max_conns, &bound);

	if (w.draining || next == NOBODY)
		return false;
	baton_pass(w.args->baton, w.args->index, next);
	return true;
}

/* Rests for a while; out: another worker may have what this one lacks. */
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

/* The share keeps this line rare for all workers together. */
static void
complain_of_clients(void)
{
	log_rarely(&w.args->share->full, LOG_LEVEL_WARNING,
	    "Maximum number of connections reached. Refusing new "
	    "connections.");
}

static void
complain_of_accept(int error)
{
	log_rarely(&w.accept_errors, LOG_LEVEL_ERROR,
	    "Accept returned an error (%s)", strerror(error));
}

/* How an attempt to accept a client has ended. */
enum accepted {
	ACCEPTED,
	ACCEPTED_NOBODY,
	ACCEPTED_LATER, /* it rests until there is room */
	ACCEPTED_NEVER  /* the listener is broken */
};

static bool
client_waits(int listener)
{
	struct pollfd pfd = { .fd = listener, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/*
 * There is no place for one more, here or at all.  It may be that another
 * worker, which was awake, is about to accept the very client that made this
 * one try; only who still waits after a rest is worth a line.
 */
static enum accepted
accept_later(int listener)
{
	if (!client_waits(listener))
		return ACCEPTED_NOBODY;
	if (conn_count() >= w.args->max_conns && listen_pass())
		return ACCEPTED_LATER;
	if (w.full)
		complain_of_clients();
	w.full = true;
	listen_pause(false);
	return ACCEPTED_LATER;
}

static enum accepted
accept_one(int listener)
{
	struct sockaddr_storage from;
	int fd, error;

	if (!place_take())
		return accept_later(listener);
	w.full = false;
	fd = sys_accept(listener, &from);
	if (fd >= 0) {
		life_accepted(fd, &from);
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
		/* This one is gone; there may be others. */
		return ACCEPTED;
	}
}

static void
listener_close(size_t i)
{
	watch_remove(&w.slots[OWN_LISTENER + i]);
	close(w.args->listeners[i]);
	w.open &= ~(UINT64_C(1) << i);
	w.abandoned &= ~(UINT64_C(1) << i);
}

/*
 * Accepts a few clients.  When draining, a listener that nobody else serves
 * is left when nobody waits there any more, and those whom the system keeps
 * back until they say something have had time to do so: they would be reset.
 */
static void
listener_ready(size_t i, int max)
{
	enum accepted accepted = ACCEPTED;

	while (max-- > 0 && accepted == ACCEPTED)
		accepted = accept_one(w.args->listeners[i]);
	if (accepted == ACCEPTED_NEVER ||
	    (w.draining && accepted == ACCEPTED_NOBODY &&
		clock_now() >= w.leave_at))
		listener_close(i);
}

/* Tells the master that nobody new comes any more, but for who waits. */
static void
drained(void)
{
	struct note_message note = { .note = NOTE_DRAINED };

	if (!w.told)
		sys_send(w.args->master, &note, sizeof(note), NULL, 0);
	w.told = true;
}

/* Looks whether it is time to leave those that nobody else serves. */
static void
listeners_leave(void)
{
	if (w.abandoned == 0 || clock_now() < w.leave_at)
		return;
	for (size_t i = 0; i < w.args->nlisteners && w.paused_until == 0; i++)
		if (w.abandoned >> i & 1)
			listener_ready(i, ACCEPTS_MAX);
	drained();
}

/*
 * Accepts as many as befit this worker, or passes the baton on when it carries
 * more than it should.  After the last one it only does so when somebody
 * waits: tunnels that come and go one after the other are all well here, and
 * nobody else has to wake for them.
 */
static void
listener_event(size_t i)
{
	const struct worker_args *args = w.args;
	int max = ACCEPTS_MAX;
	uint64_t bound;
	uint32_t next;

	if (w.draining) {
		listener_ready(i, max);
		return;
	}
	/* Another listener may have had an event in the same turn. */
	if (!has_baton() || w.paused_until != 0)
		return;
	next = baton_next(args->baton, args->index, args->max_conns, &bound);
	if (conn_count() <= bound) {
		if (bound - conn_count() < ACCEPTS_MAX)
			max = (int)(bound - conn_count()) + 1;
		listener_ready(i, max);
		if (conn_count() <= bound || !(w.open >> i & 1) ||
		    !client_waits(args->listeners[i]))
			return;
	}
	baton_pass(args->baton, args->index, next);
}

/*
 * While connections come and go, a worker that does not listen looks who waits
 * when it is awake anyway, and has room for more than the one that listens: so
 * nobody has to be woken to have the baton moved.
 */
static void
listen_aside(void)
{
	uint32_t holder = baton_holder(w.args->baton);
	unsigned load;

	if (w.draining || w.listening || w.paused_until != 0 ||
	    clock_now() - conn_ended_at() > ASIDE_TIME ||
	    holder >= w.args->baton->nworkers)
		return;
	load = baton_load(w.args->baton, holder);
	for (size_t i = 0; i < w.args->nlisteners; i++)
		if ((w.open >> i & 1) && conn_count() < load)
			listener_ready(i,
			    load - conn_count() < 8 * ACCEPTS_MAX
				? (int)((load - conn_count() + 7) / 8)
				: ACCEPTS_MAX);
}

/*
 * The master gives the baton.  Who waits is served before anybody can take it
 * away again.
 */
static void
listen_ordered(void)
{
	for (size_t i = 0; i < w.args->nlisteners; i++)
		if (w.open >> i & 1)
			listener_ready(i, ACCEPTS_MAX);
}

/* Somebody has passed the baton, or has a place for who waits. */
static void
bell_heard(void)
{
	baton_hear(w.args->baton, w.args->index);
	if (!w.out)
		w.paused_until = 0;
}

/* Orders. */

/*
 * Takes who waits at the listening sockets, and leaves them to others, but
 * for those that have no others while there is no place for all who wait.
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
	w.drained_at = clock_now() + w.conf->drain_timeout * INT64_C(1000);
	for (size_t i = 0; i < w.args->nlisteners; i++) {
		if (w.open >> i & 1)
			listener_ready(i, LISTEN_BACKLOG);
		if (w.abandoned >> i & 1)
			sys_accept_late(w.args->listeners[i], false);
		else if (w.open >> i & 1)
			listener_close(i);
	}
	if (w.abandoned == 0)
		drained();
}

/*
 * Writes to the logs that the master has opened anew, unless there was no
 * descriptor free to receive them by.
 */
static void
change_logs(const struct order_message *order, const int fds[2])
{
	struct logs logs = { -1, -1, order->syslog, order->level, false };
	size_t n = 0;

	if (order->log)
		logs.fd = fds[n++];
	if (order->access)
		logs.access = fds[n++];
	if (n > 0 && fds[n - 1] < 0) {
		if (fds[0] >= 0)
			close(fds[0]);
		log_line(LOG_LEVEL_ERROR, "No descriptor for the new logs");
		return;
	}
	log_use(&logs);
	close(w.log_fd);
	close(w.access_fd);
	w.log_fd = logs.fd;
	w.access_fd = logs.access;
}

/* Ends all connections, and the process. */
static _Noreturn void
leave(enum ending ending)
{
	life_end_all(ending);
	log_flush();
	_exit(0);
}

static void
master_ready(void)
{
	struct order_message order;
	int fds[2];
	ssize_t n = sys_receive(w.args->master, &order, sizeof(order), fds, 2);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(order))
		leave(END_STOPPED);
	/* An ORDER_LOOK needs no more than the turn that it causes. */
	if (order.order == ORDER_LISTEN && !w.draining)
		listen_ordered();
	else if (order.order == ORDER_LOGS)
		change_logs(&order, fds);
	else if (order.order == ORDER_DRAIN)
		drain(order.abandoned);
}

/* Hands the answers that have come to the connections that asked. */
static void
answers_ready(void)
{
	const struct answer *answer;
	struct conn *c;

	while ((c = ask_answered(&answer)) != NULL)
		life_answer(c, answer);
}

/* Lets the desk go, when draining, as soon as nobody needs it. */
static void
dismiss_desk(void)
{
	if (!w.draining || conn_unsettled() > 0 || w.abandoned != 0 ||
	    w.dismissed)
		return;
	w.dismissed = true;
	watch_remove(&w.slots[OWN_ANSWERS]);
	close(w.args->answers);
	for (int queue = 0; queue < QUEUES; queue++) {
		watch_remove(&w.slots[OWN_QUEUES + queue]);
		close(w.args->queues[queue]);
	}
}

/* The loop. */

static void
own_event(unsigned which, short revents)
{
	assert(!(revents & POLLNVAL));
	if (which == OWN_MASTER)
		master_ready();
	else if (which == OWN_ANSWERS)
		answers_ready();
	else if (which == OWN_BELL)
		bell_heard();
	else if (which >= OWN_LISTENER)
		listener_event(which - OWN_LISTENER);
	else if (revents & POLLOUT)
		ask_send((enum queue)(which - OWN_QUEUES));
	/* While draining, a desk that dies is not replaced. */
	if (which >= OWN_ANSWERS && which < OWN_LOT &&
	    revents & (POLLHUP | POLLERR))
		watch_remove(&w.slots[which]);
}

/* How long poll() may sleep, in ms. */
static int
sleep_time(void)
{
	int64_t until = deadline_next();

	until = clock_earlier(until, parking_look_at());
	until = clock_earlier(until, namecache_tidy_at());
	until = clock_earlier(until, authcache_tidy_at());
	until = clock_earlier(until, log_due());
	if (w.paused_until != 0)
		until = clock_earlier(until, w.paused_until);
	if (w.draining)
		until = clock_earlier(until, w.drained_at);
	if (w.abandoned != 0 && clock_now() < w.leave_at)
		until = clock_earlier(until, w.leave_at);
	return clock_sleep(until, clock_now());
}

/* One turn: sleeps, then does what can be done without waiting. */
static void
turn(void)
{
	struct tunnel *t;
	unsigned which;
	short revents;

	for (unsigned queue = 0; queue < QUEUES; queue++)
		if (w.slots[OWN_QUEUES + queue] >= 0)
			watch_set(w.slots[OWN_QUEUES + queue],
			    ask_waiting((enum queue)queue) ? POLLOUT : 0);
	watch_poll(sleep_time());
	/* The lot first: one side of a tunnel that is busy may lie there. */
	if (lot_fd() < 0 || watch_take((size_t)w.slots[OWN_LOT], &t, &which))
		parking_wake();
	for (size_t i = watch_count(); i-- > 0;) {
		revents = watch_take(i, &t, &which);
		if (revents == 0)
			continue;
		if (t == NULL)
			own_event(which, revents);
		else
			life_event(conn_of(t), which, revents);
	}
	while ((t = deadline_due()) != NULL)
		life_expire(conn_of(t));
	if (w.paused_until != 0 &&
	    (clock_now() >= w.paused_until || conn_count() < w.paused_count))
		w.paused_until = 0;
	listeners_leave();
	listen_aside();
	place_give_back();
	listen_update();
	parking_look();
	namecache_tidy();
	authcache_tidy(clock_now());
	dismiss_desk();
	if (log_due() >= 0 && log_due() <= clock_now())
		log_flush();
}

/*
 * A worker's life, in a process of its own that has given up its rights and
 * opened its logs.  It tells the master when it is ready, listens when it is
 * told to, and ends when it has drained or the master is gone.
 */
_Noreturn void
worker_run(const struct worker_args *args)
{
	struct note_message ready = { .note = NOTE_READY };

	w.args = args;
	w.conf = args->conf;
	w.log_fd = args->logs.fd;
	w.access_fd = args->logs.access;
	quota_begin(args->slot, w.conf->max_clients_per_host,
	    w.conf->max_rate_per_host);
	pipe_init(args->max_pipes);
	if (life_init(args) != 0 || loop_init(args->max_conns) != 0 ||
	    lot_init(args->max_conns, watch_max(args->max_conns)) != 0) {
		log_line(LOG_LEVEL_CRITICAL, "Worker: %s", strerror(errno));
		_exit(STATUS_SYSTEM);
	}
	own_watch(OWN_MASTER, args->master, POLLIN);
	own_watch(OWN_ANSWERS, args->answers, POLLIN);
	for (int queue = 0; queue < QUEUES; queue++)
		own_watch(OWN_QUEUES + (unsigned)queue, args->queues[queue], 0);
	own_watch(OWN_LOT, lot_fd(), POLLIN);
	own_watch(OWN_BELL, args->baton->bells[args->index][0], POLLIN);
	for (unsigned i = 0; i < args->nlisteners; i++) {
		own_watch(OWN_LISTENER + i, -1, 0);
		w.open |= UINT64_C(1) << i;
	}
	log_detach();
	log_batch();
	listen_update();
	sys_send(args->master, &ready, sizeof(ready), NULL, 0);
	while (!w.draining ||
	    ((conn_count() > 0 || w.abandoned != 0) &&
		clock_now() < w.drained_at))
		turn();
	leave(END_DRAINED);
}
