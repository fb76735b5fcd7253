/* SPDX-License-Identifier: ISC */
/*
 * Keeps the control process: opens its sockets, starts it for the generation
 * in use and again when it dies, shows it what the master knows, and takes its
 * wishes.  It may have been taken over by a peer, so what it wishes is checked
 * here: the descriptor of the one who asks tells who that is.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "board.h"
#include "budget.h"
#include "child.h"
#include "clock.h"
#include "conf.h"
#include "directives.h"
#include "gen.h"
#include "identity.h"
#include "listen.h"
#include "local.h"
#include "log.h"
#include "place.h"
#include "orders.h"
#include "program.h"
#include "socket.h"
#include "socketfile.h"
#include "steward.h"
#include "sys.h"

enum {
	CLIENTS_MAX = 16,   /* that wait for a reload */
	LOCAL_BACKLOG = 64, /* peers that wait at the control socket */
	DELAY = 1000,       /* ms until it is started again */
	LEAVE_TIME = 5000,  /* ms for the one before to end */
	WISHES_MAX = 64,    /* that are taken in one turn */
	REPLY_SIZE = 700    /* bytes of a line to a peer */
};

/* Who waits for a reload; owned descriptors, those beyond n are -1. */
struct clients {
	size_t n;
	int fds[CLIENTS_MAX];
};

static struct {
	struct board *board;
	struct child child;
	pid_t leaving;    /* the one before it, or -1 */
	int64_t leave_by; /* ms: when that is killed, or -1 */
	struct gen *gen;  /* whose sockets it has, or NULL */
	struct clients waiting, current;
} s = { .child = { .pid = -1, .control = -1, .outside = true },
	.leaving = -1,
	.leave_by = -1 };

/* Must be called once.  Returns 0, or -1 with errno. */
int
steward_init(void)
{
	s.board = board_new();
	if (s.board == NULL)
		return -1;
	s.board->view.started = s.board->view.loaded = time(NULL);
	child_private(&s.child.control);
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		s.waiting.fds[i] = s.current.fds[i] = -1;
		child_private(&s.waiting.fds[i]);
		child_private(&s.current.fds[i]);
	}
	return 0;
}

/* Gives a new generation the board. */
void
steward_own(struct gen *gen)
{
	gen->board = s.board;
}

/* The sockets. */

/* Logs what is wrong with a line of the configuration. */
static void
wrong(const struct gen *gen, const char *directive, const char *value,
    const char *why)
{
	struct where at =
	    place_of(&gen->conf->places, directives_line(gen->conf, directive));

	log_line(LOG_LEVEL_ERROR, "%s:%lu: %s: %s: %s", at.file, at.line,
	    directive, value, why);
}

static struct local_rights
rights_of(const struct conf_status *conf)
{
	return (
	    struct local_rights){ .mode = conf->mode, .group = conf->group };
}

/*
 * Opens the control socket, or shares that of the old generation.  Returns as
 * steward_open() does.
 */
static int
local_open(struct gen *gen, const struct gen *old)
{
	const struct conf_status *conf = &gen->conf->status;
	struct local_rights rights = rights_of(conf);
	gid_t gid;

	if (conf->socket == NULL)
		return 0;
	if (conf->group != NULL && identity_group(conf->group, &gid) != 0) {
		wrong(gen, "ControlGroup", conf->group, "no such group");
		return STATUS_NOUSER;
	}
	gen->local_at = socketfile_hold(conf->socket);
	if (gen->local_at != 0 && old != NULL && old->local >= 0 &&
	    old->local_at == gen->local_at)
		gen->local = socketfile_share(
		    gen->local_at, &rights, old->local, LOCAL_BACKLOG);
	else if (gen->local_at != 0)
		gen->local =
		    socketfile_open(gen->local_at, &rights, LOCAL_BACKLOG);
	if (gen->local >= 0)
		return 0;
	wrong(gen, "ControlSocket", conf->socket, socketfile_why());
	return STATUS_SYSTEM;
}

/*
 * Finds out for -t what is wrong with ControlSocket; changes nothing.  Returns
 * NULL if nothing is; *used: some process listens there.
 */
const char *
steward_check(const struct conf_status *conf, bool *used)
{
	struct local_rights rights = { .mode = conf->mode };

	return socketfile_check(conf->socket, &rights, used) == 0
	    ? NULL
	    : socketfile_why();
}

/*
 * Opens StatusListen and ControlSocket of a generation; those that the old one
 * (or NULL) has too are shared.  Returns 0, or after a message in the log the
 * status to exit with.
 */
int
steward_open(struct gen *gen, const struct gen *old)
{
	const struct conf_status *conf = &gen->conf->status;
	struct listen_wish wish = { .at = conf->listen,
		.n = conf->nlisten,
		.free_bind = gen->conf->free_bind,
		.places = &gen->conf->places };

	for (size_t i = 0; i < wish.n; i++) {
		wish.lines[i] = conf->lines[i];
		wish.directives[i] = "StatusListen";
	}
	if (wish.n > 0 &&
	    listen_share(&gen->status_at, &wish,
		old != NULL ? &old->status_at : NULL) != 0)
		return STATUS_SYSTEM;
	return local_open(gen, old);
}

/* The process. */

static void
steward_start(int64_t now)
{
	s.child.restart_at = 0;
	if (s.gen == NULL || (s.gen->status_at.n == 0 && s.gen->local < 0))
		return;
	if (child_start(s.gen, &s.child, gen_first(), now) == 0)
		return;
	log_line(LOG_LEVEL_ERROR, "Cannot start the control process: %s",
	    strerror(errno));
	s.child.restart_at = now + DELAY;
}

/* Removes the control socket of a generation that is no longer in use. */
static void
local_remove(const struct gen *gen, const struct gen *next)
{
	if (gen->local >= 0 &&
	    (next == NULL || next->local < 0 ||
		next->local_at != gen->local_at))
		socketfile_remove(gen->local_at);
}

/* Kills the one that should have left. */
static void
leaving_kill(void)
{
	if (s.leaving > 0)
		kill(s.leaving, SIGKILL);
	s.leave_by = -1;
}

/* Lets the control process leave, and does not wait longer for the one before. */
static void
steward_dismiss(int64_t now)
{
	child_hang_up(&s.child);
	if (s.child.pid <= 0)
		return;
	leaving_kill();
	s.leaving = s.child.pid;
	s.leave_by = now + LEAVE_TIME;
	s.child.pid = -1;
}

/*
 * Another program is about to take over: returns the control process, which the
 * exec() hangs up on, or -1.  The one before it ends now.
 */
pid_t
steward_pass(void)
{
	leaving_kill();
	return s.child.pid;
}

/* Takes over the control process of another program, or -1, which leaves. */
void
steward_inherit(pid_t pid, int64_t now)
{
	s.leaving = pid;
	s.leave_by = pid > 0 ? now + LEAVE_TIME : -1;
}

/*
 * Starts a control process for a generation.  The one before ends when it has
 * given the answers that are due.
 */
void
steward_use(struct gen *gen, int64_t now)
{
	struct gen *before = s.gen;

	steward_dismiss(now);
	s.gen = gen;
	if (before != NULL && before != gen)
		local_remove(before, gen);
	steward_start(now);
}

/* Removes the socket that was bound for a generation that cannot start. */
void
steward_drop(const struct gen *gen)
{
	local_remove(gen, s.gen);
}

/* A generation is about to be freed; with the one in use all ends. */
void
steward_forget(const struct gen *gen)
{
	if (s.gen != NULL && s.gen != gen)
		return;
	if (s.gen != NULL)
		local_remove(gen, NULL);
	steward_dismiss(0);
	leaving_kill();
	s.child.restart_at = 0;
	s.gen = NULL;
}

/* Starts it again, or kills the one before, if that is due. */
void
steward_restart(int64_t now)
{
	if (s.child.restart_at != 0 && now >= s.child.restart_at)
		steward_start(now);
	if (s.leave_by >= 0 && now >= s.leave_by)
		leaving_kill();
}

/* When steward_restart() is needed next, or -1. */
int64_t
steward_restart_next(void)
{
	int64_t start = s.child.restart_at != 0 ? s.child.restart_at : -1;

	return clock_earlier(start, s.leave_by);
}

/* Whether a process that has ended is the control process. */
bool
steward_reap(pid_t pid, int status, int64_t now)
{
	if (pid != s.child.pid && pid != s.leaving)
		return false;
	if (WIFSTOPPED(status) || WIFCONTINUED(status))
		return true;
	if (pid == s.leaving) {
		s.leaving = -1;
		s.leave_by = -1;
		return true;
	}
	child_hang_up(&s.child);
	s.child.pid = -1;
	if (s.gen == NULL)
		return true;
	board_begin(s.board)->controls_died++;
	board_end(s.board);
	log_line(LOG_LEVEL_ERROR,
	    "Control process (pid %ld) %s %d; restarting in %d ms", (long)pid,
	    WIFSIGNALED(status) ? "died from signal" : "exited with status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	    DELAY);
	s.child.restart_at = now + DELAY;
	return true;
}

/* Fills in what to poll for.  Returns how many entries there are. */
size_t
steward_watch(struct pollfd *pfd)
{
	if (s.child.control < 0)
		return 0;
	*pfd = (struct pollfd){ .fd = s.child.control, .events = POLLIN };
	return 1;
}

/* Wishes. */

/* Sends a peer a line; one that does not read loses it. */
static void
client_tell(int client, const char *line)
{
	sys_tell(client, line, strlen(line));
}

/* Answers a peer, whose descriptor is closed then. */
void
steward_reply(int client, int status, const char *text)
{
	char line[REPLY_SIZE];

	if (client < 0)
		return;
	if (text[0] != '\0') {
		snprintf(line, sizeof(line), "%c%.600s\n",
		    status == 0 ? '+' : '-', text);
		client_tell(client, line);
	}
	snprintf(line, sizeof(line), "=%d\n", status);
	client_tell(client, line);
	sys_close_sent(client);
}

/* Whether a process is of this proxy: it might have been taken over. */
static bool
is_own(pid_t pid)
{
	if (child_was(pid) || (pid > 0 && pid == s.child.pid))
		return true;
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		if (gen_has(gen, pid))
			return true;
	return false;
}

/* Whether the one at the other end may change what the proxy does. */
static bool
client_may(int client, const char **why)
{
	static char text[120];
	uid_t uid;
	pid_t pid;

	if (client < 0 || sys_peer(client, &uid, &pid) != 0) {
		*why = "it is not known who asks";
		return false;
	}
	if (is_own(pid)) {
		*why = "a process of the proxy itself may not do that";
		return false;
	}
	if (uid == 0 || uid == geteuid())
		return true;
	snprintf(text, sizeof(text),
	    "only root and the user who has started adit may do that, not "
	    "user %ld",
	    (long)uid);
	*why = text;
	return false;
}

/* Passes a socket for sessions on to the worker of a slot. */
static void
sessions_pass(const struct wish_message *wish, int fd)
{
	struct order_message order = { .order = ORDER_SESSIONS,
		.kill = wish->kill };

	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		for (size_t i = 0; i < gen->nworkers; i++)
			if (gen->children[i].slot == wish->slot &&
			    gen->children[i].pid > 0 &&
			    gen->children[i].control >= 0)
				child_order(&gen->children[i], &order, &fd, 1);
}

/* Takes a wish that needs no more than passing on.  Returns whether it is. */
static bool
sessions_wish(const struct wish_message *wish, const int fds[2])
{
	const char *why;

	if (wish->wish != WISH_SESSIONS)
		return false;
	if (!wish->kill || client_may(fds[1], &why))
		sessions_pass(wish, fds[0]);
	else
		log_line(
		    LOG_LEVEL_NOTICE, "ControlSocket: kill refused: %s", why);
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			sys_close_sent(fds[i]);
	return true;
}

/*
 * Takes the next wish.  Returns whether there is one, and the descriptor of the
 * peer, which is the caller's: it is for steward_reply() or steward_keep().
 */
bool
steward_wish(struct wish_message *wish, int *client)
{
	int fds[2];
	const char *why;

	for (int i = 0; i < WISHES_MAX && s.child.control >= 0; i++) {
		ssize_t n =
		    sys_receive(s.child.control, wish, sizeof(*wish), fds, 2);

		if (n != sizeof(*wish)) {
			if (n == 0)
				child_hang_up(&s.child);
			return false;
		}
		if (sessions_wish(wish, fds))
			continue;
		if (fds[1] >= 0)
			sys_close_sent(fds[1]);
		if (client_may(fds[0], &why)) {
			*client = fds[0];
			return true;
		}
		log_line(LOG_LEVEL_NOTICE, "ControlSocket: refused: %s", why);
		steward_reply(fds[0], STATUS_REFUSED, why);
	}
	return false;
}

/* Those who wait for a reload. */

/* Keeps a peer until the reload that begins next has ended; owns it. */
void
steward_keep(int client)
{
	if (s.waiting.n == CLIENTS_MAX)
		steward_reply(
		    client, STATUS_REFUSED, "too many wait for a reload");
	else
		s.waiting.fds[s.waiting.n++] = client;
}

/* A reload begins: what it logs is told to those who wait for it. */
void
steward_begin(void)
{
	for (size_t i = 0; i < s.waiting.n; i++) {
		if (s.current.n < CLIENTS_MAX)
			s.current.fds[s.current.n++] = s.waiting.fds[i];
		else
			steward_reply(s.waiting.fds[i], STATUS_REFUSED,
			    "too many wait for a reload");
		s.waiting.fds[i] = -1;
	}
	s.waiting.n = 0;
	log_hear(s.current.fds, s.current.n);
}

/* It has ended. */
void
steward_done(int status, const char *text)
{
	log_hear(NULL, 0);
	while (s.current.n > 0) {
		int *client = &s.current.fds[--s.current.n];

		steward_reply(*client, status, text);
		*client = -1;
	}
}

/* What is shown. */

/* Shows the result of a reload. */
void
steward_reloaded(bool ok, const char *error)
{
	struct board_view *view = board_begin(s.board);
	struct board_reload *r = &view->reload;

	r->ok = ok;
	r->at = time(NULL);
	if (ok) {
		r->done++;
		view->loaded = r->at;
	} else
		r->failed++;
	snprintf(r->error, sizeof(r->error), "%s", error);
	board_end(s.board);
}

static void
worker_show(struct board_view *view, const struct gen *gen, size_t i)
{
	const struct child *child = &gen->children[i];
	struct board_worker *w;

	if (child->slot >= SLOTS_MAX)
		return;
	w = &view->workers[child->slot];
	w->gen = gen->number;
	w->index = (uint32_t)i;
	w->pid = child->pid;
	w->ready = child->ready;
	w->stopped = child->stopped;
	w->restarts = child->restarts;
	w->started = child->started;
}

static void
gen_show(struct board_view *view, const struct gen *gen, const struct gen *live)
{
	struct board_gen *g;

	if (gen->state != GEN_LIVE && gen->state != GEN_DRAINING && gen != live)
		return;
	for (size_t i = 0; i < gen->nworkers; i++)
		if (gen == live || gen->children[i].pid > 0)
			worker_show(view, gen, i);
	if (view->ngens == BOARD_GENS)
		return;
	g = &view->gens[view->ngens++];
	g->number = gen->number;
	g->draining = gen->state == GEN_DRAINING;
	g->since = gen->since;
	g->kill_at = gen->kill_at;
	g->workers = (uint32_t)gen->nworkers;
}

/* Shows what the master knows now. */
void
steward_show(enum board_phase phase, const struct gen *live)
{
	struct board_view *view;

	if (s.gen == NULL)
		return;
	view = board_begin(s.board);
	view->phase = phase;
	view->master = getpid();
	view->ngens = 0;
	view->workers_died = gen_deaths()->workers;
	view->desks_died = gen_deaths()->desks;
	view->helpers_died = gen_deaths()->helpers;
	memset(view->workers, 0, sizeof(view->workers));
	if (live != NULL && live->conf != NULL) {
		view->gen = live->number;
		view->max_clients = live->conf->max_clients;
		view->per_worker = live->budget.conns;
		snprintf(view->file, sizeof(view->file), "%s",
		    live->conf->file != NULL ? live->conf->file
					     : "none, built-in");
	}
	if (live != NULL)
		gen_show(view, live, live);
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		if (gen != live)
			gen_show(view, gen, live);
	board_end(s.board);
}
