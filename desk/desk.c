/* SPDX-License-Identifier: ISC */
/*
 * A desk: a process that takes the questions of all workers, those about names
 * or those about passwords.  There is one for each, so that neither ever waits
 * for the other, and that no process which looks up names, nor its children,
 * has ever seen a password.  It answers itself what the hosts file says, or
 * knows the users that were let in a moment ago.  For all else it has helpers,
 * which it forks as they are needed and lets go when they are not; no client
 * gets so many of them that others have to wait.  It never waits for a name
 * server, nor for a peer that does not read.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "args.h"
#include "authcache.h"
#include "bounds.h"
#include "checker.h"
#include "clock.h"
#include "desk.h"
#include "helper.h"
#include "hosts.h"
#include "login.h"
#include "matter.h"
#include "memo.h"
#include "orders.h"
#include "program.h"
#include "question.h"
#include "sandbox.h"
#include "secret.h"
#include "socket.h"
#include "sys.h"

enum {
	NAMERS_MAX = 128,  /* helpers for names at once */
	ADMIT_MAX = 16,    /* of these, for clients that no rule has let in */
	CHECKERS_ASK = 16, /* for passwords, if they ask an AuthHelper */
	CHECKERS_MAX = 64, /* for passwords, or one per processor */
	HELPERS_MAX = NAMERS_MAX, /* of either kind */
	HELPERS_KEPT = 1,         /* when there is nothing to do */
	PATIENCE_EXTRA = 250,     /* ms after ConnectTimeout */
	HELPER_IDLE = 10000,      /* ms without work until one is let go */
	FORK_PAUSE = 1000,        /* ms until another try when fork() failed */
	FORKS_MAX = 8,            /* helpers that are hired in one turn */
	SILENT_TIME = 5000,       /* ms until a name is asked again in vain */
	REGULARS_RUN = 4,         /* regulars' passwords before another one */
	QUESTIONS_MAX = 64,       /* taken from a worker in one turn */
	ANSWER_ROOM = 512 * 1024, /* bytes of answers that wait for a worker */
	WATCH_OWN = 1 + WORKERS_MAX /* descriptors besides those of helpers */
};

/* ms that right credentials make their user and client a regular */
#define REGULAR_TIME (24 * INT64_C(3600000))

/* A helper; its matter is NULL while it is idle. */
struct helper {
	pid_t pid;
	int fd;
	bool leaving;          /* it was told to, or is being killed */
	int64_t since;         /* ms: idle or busy since then */
	struct matter *matter; /* one that was taken: it closes that */
};

static struct {
	const struct desk_args *args;
	struct helper helpers[HELPERS_MAX];
	size_t nhelpers;
	size_t staff, staff_max; /* how many there are that do not leave */
	int64_t fork_at;         /* ms: no fork() before that */
	unsigned forks;          /* in this turn */
	/* Questions to which no name server has answered a moment ago. */
	struct memo silent;
	struct memo regulars; /* users and clients */
	unsigned run;         /* regulars served since another one was */
	bool draining;        /* no worker will be started any more */
} d;

/* What the desk knows. */

static struct digest
question_digest(const struct question *q)
{
	return secret_digest(d.args->logins->key, q->text, q->len);
}

/* Whether a helper has said yes to the same question a short while ago. */
static bool
desk_remembers(const struct question *q)
{
	struct digest digest = question_digest(q);

	return authcache_find(&digest, clock_ms()) != NULL;
}

/* The digest of what is in a question besides a password. */
static struct digest
topic_digest(const struct question *q)
{
	unsigned char topic[1 + sizeof(q->client.ip) + CREDENTIAL_SIZE] = { 0 };
	struct addr client = matter_client(q);
	size_t len = strlen(q->text);

	topic[0] = (unsigned char)q->kind;
	if (question_traits(q->kind)->secret)
		memcpy(topic + 1, client.ip, sizeof(client.ip));
	else if (question_traits(q->kind)->about_client)
		memcpy(topic + 1, q->client.ip, sizeof(q->client.ip));
	memcpy(topic + 1 + sizeof(q->client.ip), q->text, len);
	return secret_digest(
	    d.args->logins->key, topic, 1 + sizeof(q->client.ip) + len);
}

/* Remembers what a helper has answered, where the desk is the one to do so. */
static void
desk_remember(const struct question *q, const struct answer *answer)
{
	struct digest digest = topic_digest(q);

	if (answer->late)
		memo_put(&d.silent, &digest, "", clock_ms() + SILENT_TIME);
	if (question_traits(q->kind)->memory != MEMORY_DESK || !answer->matches)
		return;
	memo_put(&d.regulars, &digest, "", clock_ms() + REGULAR_TIME);
	digest = question_digest(q);
	authcache_put(&digest, "", clock_ms());
}

/* The line in which a question waits. */
static enum desk_line
line_for(const struct question *q)
{
	const struct question_traits *traits = question_traits(q->kind);
	struct digest digest;

	if (traits->helper == HELPER_NAMES)
		return traits->about_client ? LINE_CLIENTS : LINE_NAMES;
	digest = topic_digest(q);
	return memo_find(&d.regulars, &digest, clock_ms()) != NULL
	    ? LINE_REGULARS
	    : LINE_PASSWORDS;
}

/* Whether no name server has answered the same question a moment ago. */
static bool
desk_despairs(const struct question *q, struct answer *answer)
{
	struct digest digest = topic_digest(q);

	answer->late = memo_find(&d.silent, &digest, clock_ms()) != NULL;
	answer->error = answer->late ? EAI_AGAIN : answer->error;
	return answer->late;
}

/*
 * Whether the desk itself knows the answer to a question; if so, fills in an
 * empty one.  In the hosts queue it always does: the file has it or has not.
 */
static bool
desk_knows(enum queue queue, const struct question *q, struct answer *answer)
{
	const struct question_traits *traits = question_traits(q->kind);

	if (traits->overflow == QUEUE_HOSTS)
		return hosts_answer(q, answer) || queue == QUEUE_HOSTS ||
		    desk_despairs(q, answer);
	answer->matches = traits->memory == MEMORY_DESK && desk_remembers(q);
	return answer->matches;
}

/* Helpers. */

/* In a helper: closes what belongs to the desk and to other helpers. */
static void
desk_close(void)
{
	for (size_t i = 0; i < d.nhelpers; i++)
		close(d.helpers[i].fd);
	for (size_t i = 0; i < d.args->nworkers; i++)
		socket_close(&d.args->channels[i]);
}

/* A helper's beginning: it keeps no more than it needs. */
static _Noreturn void
helper_begin(int desk)
{
	bool passwords = d.args->kind == HELPER_PASSWORDS;

	desk_close();
	matter_wipe_all();
	if (d.args->command != NULL) {
		/* So that helper_kill() ends the AuthHelper too. */
		(void)setpgid(0, 0);
		checker_use(d.args->command, d.args->master);
	} else {
		sys_confine();
		close(d.args->master);
	}
	sys_title("helper, %s", passwords ? "passwords" : "names");
	helper_run(desk, d.args->kind, passwords ? d.args->logins : NULL);
}

/* Kills a helper, and the AuthHelper that it may have started. */
static void
helper_kill(const struct helper *h)
{
	kill(h->pid, SIGKILL);
	if (d.args->command != NULL)
		kill(-h->pid, SIGKILL);
}

/* Whether there may be one more helper, now or later. */
static bool
may_hire(void)
{
	return d.staff < d.staff_max && d.nhelpers < HELPERS_MAX;
}

/* Forks a helper.  Returns NULL when there are enough, or it must wait. */
static struct helper *
helper_hire(void)
{
	struct helper *h = &d.helpers[d.nhelpers];
	int pair[2];

	if (!may_hire() || clock_ms() < d.fork_at || d.forks == FORKS_MAX)
		return NULL;
	d.fork_at = clock_ms() + FORK_PAUSE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		return NULL;
	*h = (struct helper){ .pid = fork(), .fd = pair[0] };
	if (h->pid == 0) {
		close(pair[0]);
		helper_begin(pair[1]);
	}
	close(pair[1]);
	if (h->pid < 0) {
		close(pair[0]);
		return NULL;
	}
	d.fork_at = 0;
	d.forks++;
	d.nhelpers++;
	d.staff++;
	return h;
}

/*
 * A helper that has nothing to do, or NULL.  The first ones are taken first,
 * so that the others become idle and can go.
 */
static struct helper *
helper_find(void)
{
	for (size_t i = 0; i < d.nhelpers; i++)
		if (d.helpers[i].matter == NULL && !d.helpers[i].leaving)
			return &d.helpers[i];
	return helper_hire();
}

/* A helper is not counted any more. */
static void
helper_leave(struct helper *h)
{
	if (!h->leaving)
		d.staff--;
	h->leaving = true;
}

/* Tells a helper that there is no more to do; its end follows. */
static void
helper_dismiss(struct helper *h)
{
	helper_leave(h);
	shutdown(h->fd, SHUT_WR);
}

/* A helper has nothing to do any more: all that asked get this answer. */
static void
helper_done(struct helper *h, struct answer *answer)
{
	desk_remember(&h->matter->question, answer);
	matter_close(h->matter, answer);
	h->matter = NULL;
}

/*
 * How long a question may take, in ms: a little longer than a client waits, so
 * that it is the worker that tells the client.
 */
static int64_t
patience(void)
{
	return d.args->connect_timeout * INT64_C(1000) + PATIENCE_EXTRA;
}

/* An AuthHelper, or what runs in its place, has not answered in time. */
static void
slow_say(const struct helper *h)
{
	struct note_message note = { .note = NOTE_SAYS,
		.pid = h->pid,
		.text = "no answer in time; it was ended" };

	sys_send(d.args->master, &note, sizeof(note), NULL, 0);
}

/*
 * A helper has had its question for so long that the clients have been told so,
 * or none is left.  It is killed, since it might hang for ever.
 */
static void
helper_abandon(struct helper *h)
{
	bool late = h->since + patience() <= clock_ms();
	struct answer answer = { .error = EAI_AGAIN, .late = late };

	if (late && d.args->command != NULL)
		slow_say(h);
	helper_leave(h);
	helper_kill(h);
	helper_done(h, &answer);
}

/* A helper is gone; the master writes to the log why, if it should not be. */
static void
helper_gone(struct helper *h)
{
	struct note_message note = { .note = NOTE_HELPER, .pid = h->pid };

	/* It has closed its socket; killing it makes sure that it ends. */
	helper_kill(h);
	while (waitpid(h->pid, &note.status, 0) < 0 && errno == EINTR)
		;
	if (note.status != 0 && !h->leaving)
		sys_send(d.args->master, &note, sizeof(note), NULL, 0);
	helper_leave(h);
	close(h->fd);
	if (h->matter != NULL)
		helper_done(h, &(struct answer){ .error = EAI_FAIL });
	*h = d.helpers[--d.nhelpers];
}

/* Something came from a helper: an answer, unless it is leaving, or its end. */
static void
helper_event(struct helper *h)
{
	struct answer answer;
	int result = answer_receive(h->fd, &answer);

	if (result < 0)
		return;
	if (result == 0) {
		helper_gone(h);
		return;
	}
	answer.late =
	    answer.error == EAI_AGAIN && clock_ms() - h->since >= LOOKUP_LATE;
	if (h->matter != NULL)
		helper_done(h, &answer);
	h->since = clock_ms();
}

/*
 * How many helpers more a line may have, of which a client gets a share.  The
 * clients of passwords only take turns: a check ends soon.
 */
static size_t
line_room(enum desk_line line)
{
	if (line == LINE_CLIENTS)
		return ADMIT_MAX - matter_taken(line);
	if (line == LINE_NAMES)
		return NAMERS_MAX - ADMIT_MAX - matter_taken(line);
	return SIZE_MAX;
}

/* How many helpers more a line may have, of which a worker gets a share. */
static size_t
line_left(enum desk_line line)
{
	size_t room = line_room(line), taken = matter_pooled(line);

	if (room != SIZE_MAX)
		return room;
	return taken < d.staff_max ? d.staff_max - taken : 0;
}

/* Gives a matter to a helper.  Returns false if there is none to be had. */
static bool
matter_begin(struct matter *m)
{
	struct helper *h;

	if (!matter_wanted(m) || m->since + patience() <= clock_ms()) {
		/* Nobody waits for it any more. */
		matter_close(
		    m, &(struct answer){ .error = EAI_AGAIN, .late = true });
		return true;
	}
	h = helper_find();
	if (h == NULL)
		return false;
	if (question_send(h->fd, &m->question) != 0 || matter_take(m) != 0) {
		helper_dismiss(h);
		return true;
	}
	h->matter = m;
	h->since = clock_ms();
	return true;
}

/* The matter of a line that gets the next helper, or NULL. */
static struct matter *
line_next(enum desk_line line)
{
	return matter_next(line, line_left(line), line_room(line));
}

/* The password that is checked next, or NULL.  Regulars go first, mostly. */
static struct matter *
password_next(void)
{
	struct matter *regular = line_next(LINE_REGULARS);
	struct matter *other = line_next(LINE_PASSWORDS);

	if (regular == NULL || (other != NULL && d.run >= REGULARS_RUN)) {
		d.run = 0;
		return other;
	}
	d.run++;
	return regular;
}

/* Gives the matters in the lines to helpers, as many as there are. */
static void
lines_serve(void)
{
	struct matter *m;

	while ((m = line_next(LINE_CLIENTS)) != NULL && matter_begin(m))
		;
	while ((m = line_next(LINE_NAMES)) != NULL && matter_begin(m))
		;
	while ((m = password_next()) != NULL && matter_begin(m))
		;
}

/* When there is something to do about a helper, in ms, or -1. */
static int64_t
helper_due(const struct helper *h)
{
	if (h->leaving)
		return -1;
	if (h->matter != NULL)
		return matter_wanted(h->matter) ? h->since + patience() : 0;
	return d.staff <= HELPERS_KEPT ? -1 : h->since + HELPER_IDLE;
}

/* Lets helpers go that have been idle for long, or busy for too long. */
static void
helpers_check(void)
{
	int64_t now = clock_ms(), due;

	/* The last ones go first, since the first are those that get work. */
	for (struct helper *h = d.helpers + d.nhelpers; h-- > d.helpers;) {
		due = helper_due(h);
		if (due < 0 || due > now)
			continue;
		if (h->matter != NULL)
			helper_abandon(h);
		else
			helper_dismiss(h);
	}
}

/* The loop. */

/* Ends the desk and all helpers, whatever they wait for. */
static _Noreturn void
desk_leave(void)
{
	for (size_t i = 0; i < d.nhelpers; i++)
		helper_kill(&d.helpers[i]);
	_exit(0);
}

/* Whether a question is for this desk, and in a queue where it may be. */
static bool
may_ask(const struct question *q)
{
	const struct question_traits *traits = question_traits(q->kind);

	return traits->helper == d.args->kind &&
	    (q->ticket.queue == traits->queue ||
		q->ticket.queue == traits->overflow);
}

/* Takes a question.  One that cannot be kept fails at once. */
static void
question_take(const struct question *q)
{
	struct answer answer;

	memset(&answer, 0, sizeof(answer));
	if (!desk_knows((enum queue)q->ticket.queue, q, &answer)) {
		/* Of one that is there again the first gets an answer. */
		if (matter_add(q, line_for(q)) == 0 || q->again)
			return;
		answer.error = EAI_MEMORY;
	}
	matter_reply(q, &answer);
}

/* Takes the channel of a worker, in place of the one it has had. */
static void
channel_use(uint32_t worker, int fd)
{
	int room = ANSWER_ROOM;

	matter_forget(worker);
	if (d.args->channels[worker] != fd)
		socket_close(&d.args->channels[worker]);
	d.args->channels[worker] = fd;
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

/* Takes some questions of a worker; one that is gone asks no more. */
static void
channel_take(uint32_t worker)
{
	struct question q;
	ssize_t n;

	for (int i = 0; i < QUESTIONS_MAX; i++) {
		n = sys_receive(
		    d.args->channels[worker], &q, sizeof(q), NULL, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			channel_use(worker, -1);
			return;
		}
		matter_sign(&q, worker);
		if (question_fits(&q, n) && may_ask(&q))
			question_take(&q);
		question_wipe(&q);
	}
}

/* Whether there is a worker. */
static bool
has_workers(void)
{
	for (size_t i = 0; i < d.args->nworkers; i++)
		if (d.args->channels[i] >= 0)
			return true;
	return false;
}

/* The master gives an order, or has hung up. */
static void
master_ready(void)
{
	struct order_message order;
	int fd;
	ssize_t n = sys_receive(d.args->master, &order, sizeof(order), &fd, 1);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(order))
		desk_leave();
	if (order.order == ORDER_DRAIN)
		d.draining = true;
	if (order.order == ORDER_CHANNEL && order.worker < d.args->nworkers)
		channel_use(order.worker, fd);
}

/* How long poll() may sleep, in ms, or -1. */
static int
desk_sleep_time(void)
{
	int64_t now = clock_ms(), until = authcache_tidy_at();

	/* Since the last try that time may have come: then it does not sleep. */
	for (int line = 0; line < LINES && may_hire(); line++)
		if (line_next((enum desk_line)line) != NULL)
			until = clock_earlier(until, d.fork_at);
	for (size_t i = 0; i < d.nhelpers; i++)
		until = clock_earlier(until, helper_due(&d.helpers[i]));
	return clock_sleep(until, now);
}

/* Sleeps until something has come, and handles it. */
static void
desk_poll(void)
{
	struct pollfd set[WATCH_OWN + HELPERS_MAX];
	size_t nworkers = d.args->nworkers, first = 1 + nworkers, n = first;

	set[0].fd = d.args->master;
	for (size_t i = 0; i < nworkers; i++)
		set[1 + i].fd = d.args->channels[i];
	for (size_t i = 0; i < d.nhelpers; i++)
		set[n++].fd = d.helpers[i].fd;
	for (size_t i = 0; i < n; i++)
		set[i].events = POLLIN;
	if (poll(set, (nfds_t)n, desk_sleep_time()) < 0)
		return;
	for (size_t i = 0; i < nworkers; i++)
		if (set[1 + i].revents != 0)
			channel_take((uint32_t)i);
	/* From the last one on: the last takes the place of one that is gone. */
	for (size_t i = d.nhelpers; i-- > 0;)
		if (set[first + i].revents != 0)
			helper_event(&d.helpers[i]);
	if (set[0].revents != 0)
		master_ready();
	if (d.draining && !has_workers())
		desk_leave();
}

/* One turn: sleeps, then does what can be done without waiting. */
static void
desk_turn(void)
{
	desk_poll();
	helpers_check();
	d.forks = 0;
	lines_serve();
	authcache_tidy(clock_ms());
}

/* How many helpers there may be. */
static size_t
staff_most(void)
{
	size_t processors = sys_processors();

	if (d.args->kind == HELPER_NAMES)
		return NAMERS_MAX;
	/* An AuthHelper mostly waits for somebody else. */
	if (d.args->command != NULL && processors < CHECKERS_ASK)
		processors = CHECKERS_ASK;
	return processors < CHECKERS_MAX ? processors : CHECKERS_MAX;
}

/*
 * A desk's life, in a process of its own that has given up its rights.  It
 * ends when the master is gone, or when it drains and all workers are.
 */
_Noreturn void
desk_run(const struct desk_args *args)
{
	struct note_message ready = { .note = NOTE_READY };

	d.args = args;
	if (matter_init(args) != 0)
		_exit(STATUS_SYSTEM);
	hosts_use(args->pins);
	d.staff_max = staff_most();
	for (size_t i = 0; i < args->nworkers; i++)
		channel_use((uint32_t)i, args->channels[i]);
	/* An AuthHelper is the owner's, who lets it do what it likes. */
	if (args->command == NULL)
		sandbox_enter(SANDBOX_DESK, false);
	/* Without this note the start would wait for ever. */
	if (sys_send(args->master, &ready, sizeof(ready), NULL, 0) != 0)
		_exit(STATUS_SYSTEM);
	for (;;)
		desk_turn();
}
