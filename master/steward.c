/* SPDX-License-Identifier: ISC */
/*
 * Keeps the control process: opens its sockets, starts it for the generation
 * in use and again when it dies, shows it what the master knows, and takes its
 * wishes.  It may have been taken over by a peer, so what it wishes is checked
 * here: the descriptor of the one who asks tells who that is.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
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
#include "log.h"
#include "place.h"
#include "orders.h"
#include "program.h"
#include "safefile.h"
#include "socket.h"
#include "steward.h"
#include "sys.h"

enum {
	CLIENTS_MAX = 16,   /* that wait for a reload */
	LOCAL_BACKLOG = 64, /* peers that wait at the control socket */
	DELAY = 1000,       /* ms until it is started again */
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
	struct gen *gen; /* whose sockets it has, or NULL */
	struct clients waiting, current;
} s = { .child = { .pid = -1, .control = -1, .outside = true } };

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

/* Fills in the address of a path.  Returns 0, or -1 with errno. */
static int
local_address(struct sockaddr_un *un, const char *path)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(un->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(un->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Whether some process listens at a path. */
static bool
local_is_used(const struct sockaddr_un *un)
{
	const void *sa = un;
	int fd = sys_socket(AF_UNIX);
	bool used =
	    fd >= 0 && (connect(fd, sa, sizeof(*un)) == 0 || errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return used;
}

/*
 * Whether a socket could be bound at a path, once the one that no process
 * listens at any more is removed.  Returns 0, or -1 with errno.
 */
static int
local_look(const struct sockaddr_un *un)
{
	struct stat st;

	if (lstat(un->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -1;
	errno = S_ISSOCK(st.st_mode) ? EADDRINUSE : EEXIST;
	return S_ISSOCK(st.st_mode) && !local_is_used(un) ? 0 : -1;
}

/* Removes such a socket. */
static int
local_clear(const struct sockaddr_un *un)
{
	if (local_look(un) != 0)
		return -1;
	return unlink(un->sun_path) == 0 || errno == ENOENT ? 0 : -1;
}

/* Gives a socket its mode, and its group if one is set. */
static int
local_permit(const struct conf_status *conf)
{
	gid_t gid;

	if (conf->group != NULL &&
	    (identity_group(conf->group, &gid) != 0 ||
		chown(conf->socket, (uid_t)-1, gid) != 0))
		return -1;
	return chmod(conf->socket, (mode_t)conf->mode);
}

/* Binds a control socket.  Returns it, or -1 with errno. */
static int
local_bind(const struct conf_status *conf)
{
	struct sockaddr_un un;
	const void *sa = &un;
	mode_t mask = umask(0177);
	int fd = -1, error;

	if (local_address(&un, conf->socket) == 0 && local_clear(&un) == 0)
		fd = sys_socket(AF_UNIX);
	if (fd >= 0 &&
	    (bind(fd, sa, sizeof(un)) != 0 || local_permit(conf) != 0 ||
		listen(fd, LOCAL_BACKLOG) != 0)) {
		error = errno;
		close(fd);
		errno = error;
		fd = -1;
	}
	umask(mask);
	return fd;
}

/* What errno means for a control socket. */
static const char *
local_why(void)
{
	static char text[80];

	switch (errno) {
	case EADDRINUSE:
		return "another process listens there";
	case EEXIST:
		return "there is a file that is no socket";
	case ENAMETOOLONG:
		snprintf(text, sizeof(text),
		    "the path of a socket has at most %zu bytes",
		    sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
		return text;
	default:
		return strerror(errno);
	}
}

static bool
same_path(const struct gen *old, const char *path)
{
	return old != NULL && old->local >= 0 && old->conf != NULL &&
	    old->conf->status.socket != NULL &&
	    strcmp(old->conf->status.socket, path) == 0;
}

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

/*
 * Opens the control socket, or shares that of the old generation.  Returns as
 * steward_open() does.
 */
static int
local_open(struct gen *gen, const struct gen *old)
{
	const struct conf_status *conf = &gen->conf->status;
	gid_t gid;

	if (conf->socket == NULL)
		return 0;
	if (conf->group != NULL && identity_group(conf->group, &gid) != 0) {
		wrong(gen, "ControlGroup", conf->group, "no such group");
		return STATUS_NOUSER;
	}
	if (safefile_directory(conf->socket) != 0) {
		wrong(gen, "ControlSocket", conf->socket, safefile_why());
		return STATUS_SYSTEM;
	}
	if (!same_path(old, conf->socket)) {
		gen->local = local_bind(conf);
		gen->local_new = gen->local >= 0;
	} else if (local_permit(conf) == 0)
		gen->local = dup(old->local);
	if (gen->local >= 0)
		return 0;
	wrong(gen, "ControlSocket", conf->socket, local_why());
	return STATUS_SYSTEM;
}

/*
 * Finds out for -t what is wrong with ControlSocket; changes nothing.  Returns
 * NULL if nothing is; *used: some process listens there.
 */
const char *
steward_check(const struct conf_status *conf, bool *used)
{
	struct sockaddr_un un;

	*used = false;
	if (safefile_directory(conf->socket) != 0)
		return safefile_why();
	if (local_address(&un, conf->socket) != 0)
		return local_why();
	if (local_look(&un) == 0)
		return safefile_create_check(conf->socket) == 0 ||
			errno == EEXIST
		    ? NULL
		    : safefile_why();
	*used = errno == EADDRINUSE;
	return *used ? NULL : local_why();
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
		.directive = "StatusListen",
		.places = &gen->conf->places };

	for (size_t i = 0; i < wish.n; i++)
		wish.lines[i] = conf->lines[i];
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
	const char *path = gen->conf != NULL ? gen->conf->status.socket : NULL;

	if (path != NULL && gen->local >= 0 &&
	    (next == NULL || next->conf->status.socket == NULL ||
		strcmp(next->conf->status.socket, path) != 0))
		unlink(path);
}

/*
 * Starts a control process for a generation.  The one before ends when it has
 * given the answers that are due.
 */
void
steward_use(struct gen *gen, int64_t now)
{
	struct gen *before = s.gen;

	child_hang_up(&s.child);
	s.child.pid = -1;
	s.gen = gen;
	if (before != NULL && before != gen)
		local_remove(before, gen);
	steward_start(now);
}

/* Removes the socket that was bound for a generation that cannot start. */
void
steward_drop(const struct gen *gen)
{
	if (gen->local_new)
		local_remove(gen, s.gen);
}

/* A generation is about to be freed; with the one in use all ends. */
void
steward_forget(const struct gen *gen)
{
	if (s.gen != gen)
		return;
	local_remove(gen, NULL);
	child_hang_up(&s.child);
	if (s.child.pid > 0)
		kill(s.child.pid, SIGKILL);
	s.child.restart_at = 0;
	s.gen = NULL;
}

/* Starts it again, if that is due. */
void
steward_restart(int64_t now)
{
	if (s.child.restart_at != 0 && now >= s.child.restart_at)
		steward_start(now);
}

/* When steward_restart() is needed next, or -1. */
int64_t
steward_restart_next(void)
{
	return s.child.restart_at != 0 ? s.child.restart_at : -1;
}

/* Whether a process that has ended is the control process. */
bool
steward_reap(pid_t pid, int status, int64_t now)
{
	if (pid != s.child.pid)
		return false;
	if (WIFSTOPPED(status))
		return true;
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
	if (send(client, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
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
	close(client);
}

/* Whether the one at the other end may change what the proxy does. */
static bool
client_may(int client, const char **why)
{
	static char text[120];
	uid_t uid;
	gid_t gid;

	if (client < 0 || sys_peer(client, &uid, &gid) != 0) {
		*why = "it is not known who asks";
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
			close(fds[i]);
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
			close(fds[1]);
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
