/* SPDX-License-Identifier: ISC */
/*
 * The start of a child: the fork, and what the child does before its room
 * takes over.  It closes what belongs to the master and to other children,
 * ignores the signals that are for the master, and gives up root.  Nothing
 * here decides when a child is started or ended; gen.c does.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <assert.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "board.h"
#include "bounds.h"
#include "child.h"
#include "conf.h"
#include "control.h"
#include "desk.h"
#include "gen.h"
#include "identity.h"
#include "judge.h"
#include "links.h"
#include "list.h"
#include "listen.h"
#include "log.h"
#include "login.h"
#include "orders.h"
#include "program.h"
#include "question.h"
#include "safefile.h"
#include "sandbox.h"
#include "share.h"
#include "socket.h"
#include "sys.h"
#include "worker.h"

static int *private[64]; /* descriptors that no child may have */
static size_t nprivate;

static pid_t forked[256]; /* the last children, of which some may have ended */
static size_t nforked;

/*
 * Registers a variable of the master with a descriptor that no child may have;
 * it holds -1 while none is open.
 */
void
child_private(int *fd)
{
	assert(nprivate < sizeof(private) / sizeof(*private));
	private[nprivate++] = fd;
}

/* Whether it is a desk of its generation, and not a worker. */
bool
child_is_desk(const struct gen *gen, const struct child *child)
{
	return !child->outside &&
	    (size_t)(child - gen->children) >= gen->nworkers;
}

/* Which of the desks it is. */
enum helper_kind
child_desk(const struct gen *gen, const struct child *child)
{
	return (enum helper_kind)(
	    (size_t)(child - gen->children) - gen->nworkers);
}

/* Whether it is a worker, and neither a desk nor outside of generations. */
static bool
is_worker(const struct gen *gen, const struct child *child)
{
	return !child->outside && !child_is_desk(gen, child);
}

/*
 * Closes the master's end; a child that still runs leaves then.  One that may
 * send descriptors cannot make the close() wait for what is on its way.
 */
void
child_hang_up(struct child *child)
{
	if (child->control < 0)
		return;
	if (child->outside)
		sys_drain(child->control);
	close(child->control);
	child->control = -1;
}

/* Whether a process is one of the last children; it may have ended. */
bool
child_was(pid_t pid)
{
	for (size_t i = 0; i < sizeof(forked) / sizeof(*forked); i++)
		if (pid > 0 && forked[i] == pid)
			return true;
	return false;
}

/*
 * Sends an order, and descriptors with it, to a child that runs.  Returns 0, or
 * -1 with errno.
 */
int
child_order(const struct child *child, const struct order_message *order,
    const int *fds, size_t nfds)
{
	return sys_send(child->control, order, sizeof(*order), fds, nfds);
}

/* Closes what only the control process has to do with. */
void
child_close_status(struct gen *gen)
{
	listen_close(&gen->status_at);
	if (gen->local >= 0)
		close(gen->local);
	gen->local = -1;
}

/* Closes what another generation has for children of its own. */
static void
close_gen(struct gen *gen)
{
	/* In one that drains all this is closed, and nothing must be written. */
	if (gen->conf == NULL)
		return;
	listen_close(&gen->listeners);
	child_close_status(gen);
	links_close(&gen->links);
	log_close(&gen->logs);
	conf_forget(gen->conf);
	login_forget(&gen->conf->logins);
}

/*
 * Closes what belongs to the master and to other children.  A page that is
 * written here is no longer shared with the master.  There may be hundreds of
 * generations, and as many children, so nothing is written to those that drain.
 */
static void
close_others(struct gen *all, const struct gen *own, const struct child *self)
{
	for (size_t i = 0; i < nprivate; i++)
		if (*private[i] >= 0)
			close(*private[i]);
	for (struct gen *gen = all; gen != NULL; gen = gen->next) {
		for (size_t i = 0; i < gen->nchildren; i++)
			if (&gen->children[i] != self &&
			    gen->children[i].control >= 0)
				close(gen->children[i].control);
		if (gen != own)
			close_gen(gen);
	}
}

/* Only the master acts on signals; a terminal sends them to all processes. */
static void
ignore_signals(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP,
		SIGUSR1, SIGUSR2, SIGPIPE };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		signal(signals[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

static _Noreturn void
worker_main(struct gen *gen, const struct child *self, int control)
{
	uint32_t index = (uint32_t)(self - gen->children);
	struct worker_args args = {
		.conf = gen->conf,
		.share = gen->share,
		.slot = self->slot,
		.baton = &gen->links.baton,
		.index = index,
		.generation = gen->number,
		.master = control,
		.logs = gen->logs,
		.listeners = gen->listeners.fds,
		.listening = gen->listeners.at,
		.nlisteners = gen->listeners.n,
		.inlets = gen->listeners.inlets,
		.max_conns = gen->budget.conns,
		.max_pipes = gen->budget.pipes,
		.max_attempts = gen->budget.attempts,
		.max_questions = gen->budget.questions,
	};

	memcpy(args.desks, gen->links.fresh, sizeof(args.desks));
	sys_title("worker %u", (unsigned)index);
	links_keep_worker(&gen->links, index);
	login_forget(&gen->conf->logins);
	identity_assume(&gen->identity, gen->conf->chroot);
	worker_run(&args);
}

/*
 * The desks stay outside of Chroot, where the files for name look-ups are.  Only
 * the one for passwords keeps the users.
 */
static _Noreturn void
desk_main(struct gen *gen, enum helper_kind kind, int control)
{
	struct desk_args args = { .kind = kind,
		.master = control,
		.channels = gen->links.channels[kind],
		.nworkers = gen->nworkers,
		.block = gen->conf->per_host.block,
		.connect_timeout = gen->conf->connect_timeout,
		.logins = &gen->conf->logins,
		.pins = &gen->conf->pins };
	bool passwords = kind == HELPER_PASSWORDS;
	bool asks = passwords && gen->conf->auth_helper.n > 0;

	sys_title(passwords ? "desk, passwords" : "desk");
	conf_forget(gen->conf);
	if (!passwords)
		login_forget(&gen->conf->logins);
	links_keep_desk(&gen->links, kind);
	listen_close(&gen->listeners);
	log_close(&gen->logs);
	args.command = asks ? &gen->conf->auth_helper : NULL;
	if (asks)
		identity_drop(&gen->desks);
	else
		identity_assume(&gen->desks, NULL);
	log_detach();
	desk_run(&args);
}

/* The control process keeps the sockets that are closed in all others. */
static _Noreturn void
control_main(struct gen *gen, int control)
{
	/* 127.0.0.0/8 and ::1 */
	static const struct block loopback[] = {
		{ { [10] = 0xff, [11] = 0xff, [12] = 127 }, 104 },
		{ { [15] = 1 }, 128 }
	};
	const struct conf_status *conf = &gen->conf->status;
	bool any = conf->nallow > 0;
	struct control_args args = { .share = gen->share,
		.board = gen->board,
		.baton = &gen->links.baton,
		.master = control,
		.listeners = gen->status_at.fds,
		.nlisteners = gen->status_at.n,
		.local = gen->local,
		.owner = geteuid(),
		.allow = any ? conf->allow : loopback,
		.nallow = any ? conf->nallow : 2,
		.details = conf->details,
		.upstreams = &gen->conf->upstreams,
		.filter = gen->conf->filter.file,
		.places = &gen->conf->places };

	sys_title("control");
	links_keep_control(&gen->links);
	listen_close(&gen->listeners);
	conf_forget(gen->conf);
	login_forget(&gen->conf->logins);
	identity_assume(&gen->identity, gen->conf->chroot);
	control_run(&args);
}

/* The judge writes to the log, and needs nothing else of its generation. */
static _Noreturn void
judge_main(struct gen *gen, const struct gen *all, int control)
{
	sys_title("judge");
	links_close(&gen->links);
	listen_close(&gen->listeners);
	conf_forget(gen->conf);
	login_forget(&gen->conf->logins);
	identity_assume(&gen->identity, gen->conf->chroot);
	judge_run(gen, all, control);
}

/* Leaves a child only as much of the shared memory as it needs. */
static void
share_limit(const struct gen *own, const struct child *self)
{
	bool counts = is_worker(own, self);
	bool shows = self->outside && !self->judges;

	if (!counts && !shows)
		share_leave(own->share);
	else if (share_keep(own->share, counts ? self->slot : SLOTS_MAX) != 0)
		_exit(STATUS_SYSTEM);
}

/* The child's life; before holds the signals that it may get. */
static _Noreturn void
child_main(struct gen *own, struct child *self, struct gen *all, int control,
    const sigset_t *before)
{
	/* The other end, which close_others() leaves alone. */
	close(self->control);
	self->control = -1;
	sandbox_use(own->conf->sandbox);
	log_use(&own->logs);
	safefile_leave();
	share_limit(own, self);
	close_others(all, own, self);
	list_keep(own->conf->lists);
	ignore_signals();
	sigprocmask(SIG_SETMASK, before, NULL);
	if (self->outside && !self->judges) {
		if (board_keep(own->board) != 0)
			_exit(STATUS_SYSTEM);
		control_main(own, control);
	}
	child_close_status(own);
	board_unmap(own->board);
	if (self->judges)
		judge_main(own, all, control);
	if (child_is_desk(own, self))
		desk_main(own, child_desk(own, self), control);
	worker_main(own, self, control);
}

/*
 * Forks a child.  It lets go of what all the other generations have.  Signals
 * are held back until it ignores them.  Returns 0, or -1 with errno.
 */
int
child_start(struct gen *own, struct child *child, struct gen *all, int64_t now)
{
	sigset_t every, before;
	int control[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control) != 0)
		return -1;
	if (!child->outside)
		sys_refuse_descriptors(control[0]);
	if (is_worker(own, child) &&
	    links_renew(&own->links, (size_t)(child - own->children)) != 0) {
		links_given(&own->links);
		close(control[0]);
		close(control[1]);
		return -1;
	}
	sigfillset(&every);
	sigprocmask(SIG_SETMASK, &every, &before);
	child->ready = child->drained = child->stopped = false;
	child->unsent = 0;
	child->started = now;
	child->restart_at = 0;
	child->control = control[0];
	pid = fork();
	if (pid == 0)
		child_main(own, child, all, control[1], &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(control[1]);
	links_given(&own->links);
	if (pid < 0) {
		child_hang_up(child);
		return -1;
	}
	child->pid = pid;
	forked[nforked++ % (sizeof(forked) / sizeof(*forked))] = pid;
	return 0;
}
