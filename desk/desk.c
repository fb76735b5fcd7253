/* SPDX-License-Identifier: ISC */
/*
 * The desk: the one process that takes the questions of all workers.  What
 * the hosts file knows it answers itself, and who was let in a moment ago it
 * knows; for all else it has helpers, which it forks as they are needed and
 * lets go when they are not.  Names and passwords have a line and helpers each,
 * so that neither ever waits for the other.  A question that is under way,
 * whoever asked, is not asked again; all get its answer.  It never waits for a
 * name server, nor for a peer that does not read.
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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "args.h"
#include "authcache.h"
#include "clock.h"
#include "desk.h"
#include "helper.h"
#include "hosts.h"
#include "login.h"
#include "orders.h"
#include "question.h"
#include "secret.h"
#include "sys.h"

enum {
	NAMERS_MAX = 128,  /* helpers for names at once */
	CHECKERS_MAX = 64, /* for passwords, or one per processor */
	HELPERS_MAX = NAMERS_MAX + CHECKERS_MAX,
	HELPERS_KEPT = 1,         /* of each, when there is nothing to do */
	PATIENCE_EXTRA = 250,     /* ms after ConnectTimeout */
	HELPER_IDLE = 10000,      /* ms without work until one is let go */
	FORK_PAUSE = 1000,        /* ms until another try when fork() failed */
	MATTERS_MAX = 16384,      /* questions under way, of all workers */
	QUESTIONS_MAX = 64,       /* taken from a socket in one turn */
	ANSWER_ROOM = 512 * 1024, /* bytes of answers that wait for a worker */
	WATCH_OWN = 1 + QUEUES    /* descriptors besides those of helpers */
};

/* A question that has no answer yet, and those that are the same. */
struct matter {
	struct matter *same; /* owned */
	struct matter *next; /* in line */
	int64_t since;       /* ms: when it was asked last */
	struct question question;
};

/* Those that wait for a helper, and how many helpers there are for them. */
struct line {
	struct matter *first, *last; /* owned */
	size_t helpers, helpers_max; /* without those that leave */
};

/* A helper; its matter is NULL while it is idle. */
struct helper {
	pid_t pid;
	int fd;
	struct line *line;     /* that it serves */
	bool leaving;          /* it was told to, or is being killed */
	int64_t since;         /* ms: idle or busy since then */
	struct matter *matter; /* owned */
};

static struct {
	const struct desk_args *args;
	struct helper helpers[HELPERS_MAX];
	size_t nhelpers;
	struct line names, users;
	size_t nmatters;
	int64_t fork_at; /* ms: no fork() before that */
} d;

/* An answer that finds no room is lost; its question times out. */
static void
answer_deliver(const struct question *q, struct answer *answer)
{
	answer->ticket = q->ticket;
	answer_send(d.args->answers[q->ticket.worker], answer);
}

/* Questions under way. */

static bool
is_same(const struct matter *m, const struct question *q)
{
	return m != NULL && m->question.kind == q->kind &&
	    m->question.len == q->len &&
	    memcmp(m->question.text, q->text, q->len) == 0 &&
	    (q->kind != QUESTION_CLIENT ||
		addr_same_ip(&m->question.client, &q->client));
}

/* The line where a question belongs. */
static struct line *
line_of(const struct question *q)
{
	return q->kind == QUESTION_USER ? &d.users : &d.names;
}

static struct matter *
matter_find(const struct question *q)
{
	struct matter *m;

	for (size_t i = 0; i < d.nhelpers; i++)
		if (is_same(d.helpers[i].matter, q))
			return d.helpers[i].matter;
	for (m = line_of(q)->first; m != NULL && !is_same(m, q); m = m->next)
		;
	return m;
}

static void
line_add(struct matter *m)
{
	struct line *line = line_of(&m->question);

	*(line->first != NULL ? &line->last->next : &line->first) = m;
	line->last = m;
}

/* Files a question: with the same one, or at the end of the line. */
static int
matter_add(const struct question *q)
{
	struct matter *m, *same = matter_find(q);

	if (d.nmatters == MATTERS_MAX || (m = malloc(sizeof(*m))) == NULL)
		return -1;
	d.nmatters++;
	m->same = m->next = NULL;
	m->since = clock_ms();
	m->question = *q;
	if (same != NULL) {
		m->same = same->same;
		same->same = m;
		same->since = m->since;
		return 0;
	}
	line_add(m);
	return 0;
}

/* Gives all who asked an answer, and closes the matter. */
static void
matter_close(struct matter *m, struct answer *answer)
{
	struct matter *same;

	for (; m != NULL; m = same) {
		same = m->same;
		answer_deliver(&m->question, answer);
		question_wipe(&m->question);
		free(m);
		d.nmatters--;
	}
}

static void
matter_fail(struct matter *m, int error)
{
	struct answer answer = { .error = error };

	matter_close(m, &answer);
}

/* Takes the first out of the line. */
static struct matter *
line_next(struct line *line)
{
	struct matter *m = line->first;

	line->first = m->next;
	m->next = NULL;
	return m;
}

/* Helpers. */

/* Users. */

static struct digest
question_digest(const struct question *q)
{
	return secret_digest(d.args->logins->key, q->text, q->len);
}

/* Whether a user was let in with this password a short while ago. */
static bool
user_known(const struct question *q)
{
	struct digest digest = question_digest(q);

	return authcache_find(&digest, clock_ms()) != NULL;
}

/* Remembers that a helper has found a password right. */
static void
user_remember(const struct question *q)
{
	struct digest digest = question_digest(q);

	authcache_put(&digest, "", clock_ms());
}

/* In a helper: closes what belongs to the desk and to other helpers. */
static void
leave_desk(void)
{
	for (size_t i = 0; i < d.nhelpers; i++)
		close(d.helpers[i].fd);
	for (size_t i = 0; i < d.args->nworkers; i++)
		close(d.args->answers[i]);
	for (int queue = 0; queue < QUEUES; queue++)
		close(d.args->queues[queue]);
	close(d.args->master);
}

/* A helper's beginning: it keeps no more than it needs. */
static _Noreturn void
helper_begin(int desk, const struct line *line)
{
	leave_desk();
	sys_title("helper, %s", line == &d.users ? "passwords" : "names");
	if (line == &d.users)
		helper_run(desk, d.args->logins);
	login_forget(d.args->logins);
	helper_run(desk, NULL);
}

/* Forks a helper.  Returns it, or NULL: there are enough, or it must wait. */
static struct helper *
helper_hire(struct line *line)
{
	struct helper *h = &d.helpers[d.nhelpers];
	int pair[2];

	if (line->helpers == line->helpers_max || d.nhelpers == HELPERS_MAX ||
	    clock_ms() < d.fork_at)
		return NULL;
	d.fork_at = clock_ms() + FORK_PAUSE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
		return NULL;
	*h = (struct helper){ .pid = fork(), .fd = pair[0], .line = line };
	if (h->pid == 0) {
		close(pair[0]);
		helper_begin(pair[1], line);
	}
	close(pair[1]);
	if (h->pid < 0) {
		close(pair[0]);
		return NULL;
	}
	d.fork_at = 0;
	d.nhelpers++;
	line->helpers++;
	return h;
}

/*
 * A helper that has nothing to do, always the same ones first, so that the
 * others can go.
 */
static struct helper *
helper_find(struct line *line)
{
	for (size_t i = 0; i < d.nhelpers; i++)
		if (d.helpers[i].line == line && d.helpers[i].matter == NULL &&
		    !d.helpers[i].leaving)
			return &d.helpers[i];
	return helper_hire(line);
}

/* A helper is not counted any more. */
static void
helper_leave(struct helper *h)
{
	if (!h->leaving)
		h->line->helpers--;
	h->leaving = true;
}

/* Tells a helper that there is no more to do; its end follows. */
static void
helper_dismiss(struct helper *h)
{
	helper_leave(h);
	shutdown(h->fd, SHUT_WR);
}

/*
 * A helper has had its question for so long that who asked first has been told
 * so.  It goes, since it might hang for ever; for those who asked later, if
 * there are any, another asks again.
 */
static void
helper_abandon(struct helper *h)
{
	helper_leave(h);
	kill(h->pid, SIGKILL);
	line_add(h->matter);
	h->matter = NULL;
}

/* A helper is gone; the master writes to the log why, if it should not. */
static void
helper_gone(struct helper *h)
{
	struct note_message note = { .note = NOTE_HELPER, .pid = h->pid };

	/* It has let go of its socket, and so is past all it could wait for. */
	kill(h->pid, SIGKILL);
	while (waitpid(h->pid, &note.status, 0) < 0 && errno == EINTR)
		;
	if (note.status != 0 && !h->leaving)
		sys_send(d.args->master, &note, sizeof(note), NULL, 0);
	helper_leave(h);
	close(h->fd);
	matter_fail(h->matter, EAI_FAIL);
	*h = d.helpers[--d.nhelpers];
}

/* Something came from a helper. */
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
	if (h->matter != NULL && h->line == &d.users && answer.matches)
		user_remember(&h->matter->question);
	matter_close(h->matter, &answer);
	h->matter = NULL;
	h->since = clock_ms();
}

/*
 * The longest that a question may take: a little more than whoever asks waits,
 * so that it is he who says that it took too long.
 */
static int64_t
patience(void)
{
	return d.args->connect_timeout * INT64_C(1000) + PATIENCE_EXTRA;
}

/* Hands the questions in line to helpers, as far as there are any. */
static void
line_serve(struct line *line)
{
	int64_t now = clock_ms();
	struct helper *h;

	while (line->first != NULL) {
		if (line->first->since + patience() <= now) {
			/* Nobody waits any more. */
			matter_fail(line_next(line), EAI_AGAIN);
			continue;
		}
		h = helper_find(line);
		if (h == NULL)
			return;
		if (question_send(h->fd, &line->first->question) != 0) {
			helper_dismiss(h);
			continue;
		}
		h->matter = line_next(line);
		h->since = now;
	}
}

/* When there is something to do about a helper, in ms, or -1. */
static int64_t
helper_due(const struct helper *h)
{
	if (h->leaving)
		return -1;
	if (h->matter != NULL)
		return h->since + patience();
	return h->line->helpers <= HELPERS_KEPT ? -1 : h->since + HELPER_IDLE;
}

/* Lets those go that have been idle for long, or busy for too long. */
static void
helpers_check(void)
{
	int64_t now = clock_ms(), due;

	/* From the last on, since the first has the most to do. */
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

/* Ends, and with it all helpers, whatever they wait for. */
static _Noreturn void
leave(void)
{
	for (size_t i = 0; i < d.nhelpers; i++)
		kill(d.helpers[i].pid, SIGKILL);
	_exit(0);
}

/* Takes a question.  One that cannot be kept has failed at once. */
static void
question_take(enum queue queue, const struct question *q)
{
	struct answer answer;
	bool known;

	memset(&answer, 0, sizeof(answer));
	if (q->kind == QUESTION_USER)
		known = answer.matches = user_known(q);
	else
		known = hosts_answer(q, &answer) || queue == QUEUE_HOSTS;
	if (known) {
		answer_deliver(q, &answer);
	} else if (matter_add(q) != 0) {
		answer.error = EAI_MEMORY;
		answer_deliver(q, &answer);
	}
}

/* Takes some of the questions that have come; without workers it ends. */
static void
questions_take(enum queue queue)
{
	struct question q;
	ssize_t n;

	for (int i = 0; i < QUESTIONS_MAX; i++) {
		n = sys_receive(d.args->queues[queue], &q, sizeof(q), NULL, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			leave();
		if (question_fits(&q, n) && q.ticket.worker < d.args->nworkers)
			question_take(queue, &q);
		question_wipe(&q);
	}
}

/* How long poll() may sleep, in ms, or -1. */
static int
sleep_time(void)
{
	int64_t now = clock_ms(), until = authcache_tidy_at();

	if ((d.names.first != NULL || d.users.first != NULL) && d.fork_at > now)
		until = clock_earlier(until, d.fork_at);
	for (size_t i = 0; i < d.nhelpers; i++)
		until = clock_earlier(until, helper_due(&d.helpers[i]));
	return clock_sleep(until, now);
}

static void
turn(void)
{
	struct pollfd set[WATCH_OWN + HELPERS_MAX];
	size_t n = WATCH_OWN;

	for (int queue = 0; queue < QUEUES; queue++)
		set[queue].fd = d.args->queues[queue];
	set[QUEUES].fd = d.args->master;
	for (size_t i = 0; i < d.nhelpers; i++)
		set[n++].fd = d.helpers[i].fd;
	for (size_t i = 0; i < n; i++)
		set[i].events = POLLIN;
	if (poll(set, (nfds_t)n, sleep_time()) < 0)
		return;
	if (set[QUEUES].revents != 0)
		leave();
	for (int queue = 0; queue < QUEUES; queue++)
		if (set[queue].revents != 0)
			questions_take((enum queue)queue);
	/* From the last on: one that is gone has its place taken by it. */
	for (size_t i = d.nhelpers; i-- > 0;)
		if (set[WATCH_OWN + i].revents != 0)
			helper_event(&d.helpers[i]);
	helpers_check();
	line_serve(&d.names);
	line_serve(&d.users);
	authcache_tidy(clock_ms());
}

/*
 * The desk's life, in a process of its own that has given up its rights.  It
 * ends when its master is gone, or all who could ask are.
 */
_Noreturn void
desk_run(const struct desk_args *args)
{
	struct note_message ready = { .note = NOTE_READY };
	int room = ANSWER_ROOM;

	d.args = args;
	d.names.helpers_max = NAMERS_MAX;
	d.users.helpers_max = sys_processors();
	if (d.users.helpers_max > CHECKERS_MAX)
		d.users.helpers_max = CHECKERS_MAX;
	for (size_t i = 0; i < args->nworkers; i++)
		setsockopt(args->answers[i], SOL_SOCKET, SO_SNDBUF, &room,
		    sizeof(room));
	sys_send(args->master, &ready, sizeof(ready), NULL, 0);
	for (;;)
		turn();
}
