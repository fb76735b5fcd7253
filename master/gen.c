/* SPDX-License-Identifier: ISC */
/*
 * A generation: one configuration, the sockets it listens on, and the workers
 * and the desks that serve it.  A reload starts a new one and drains the old.
 * Here the master starts its children, takes their notes, gives them orders,
 * restarts those that die, and ends them.  tests/models/master.pml models this.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "baton.h"
#include "bounds.h"
#include "budget.h"
#include "child.h"
#include "clock.h"
#include "conf.h"
#include "directives.h"
#include "gen.h"
#include "guard.h"
#include "identity.h"
#include "inlet.h"
#include "links.h"
#include "listen.h"
#include "log.h"
#include "orders.h"
#include "program.h"
#include "share.h"
#include "socketfile.h"
#include "sys.h"

enum {
	DELAY_MIN = 100,     /* ms: restarts slow down from here */
	DELAY_MAX = 4000,    /* ms: to here */
	PATIENCE = 5000,     /* ms for a worker that does not obey */
	ANSWER_TIME = 10000, /* ms for children to be ready, or to drain */
	ANSWER_EACH = 40,    /* ms more for each of them */
	RESEND_TIME = 500,   /* ms until a lost order is sent again */
	GOOD_LIFE = 10000, /* ms after which a death is not part of a series */
	STOP_CLIENTS = 4,  /* connections that a worker ends in 1 ms */
	STOP_EACH = 4,     /* ms for a child to end */
	KILL_TIME = 1000   /* ms until it is killed again */
};

static struct gen *gens; /* all generations */
static struct gen_deaths deaths;

/*
 * A generation without sockets or children yet.  It owns the configuration
 * from now on.  Returns NULL with errno ENOMEM.
 */
struct gen *
gen_new(struct conf *conf, struct share *share)
{
	static unsigned long last;
	struct gen *gen = calloc(1, sizeof(*gen));

	if (gen == NULL)
		return NULL;
	gen->number = ++last;
	gen->conf = conf;
	gen->share = share;
	gen->kill_at = gen->resend_at = -1;
	gen->local = -1;
	local_hold_all(&gen->locals);
	gen->logs = (struct logs){ .fd = -1, .level = LOG_LEVEL_INFO };
	links_init(&gen->links, share);
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		gen->children[i] = (struct child){
			.pid = -1, .control = -1, .slot = SLOTS_MAX
		};
	gen->next = gens;
	gens = gen;
	return gen;
}

/* Returns the name of its configuration, for messages. */
static const char *
gen_file(const struct gen *gen)
{
	return gen->conf->file != NULL ? gen->conf->file
				       : "built-in configuration";
}

/* Finds out what its children run as.  Returns as identity_find() does. */
int
gen_identity(struct gen *gen)
{
	const struct identity_names names = { .file = gen_file(gen),
		.places = &gen->conf->places,
		.user = gen->conf->user,
		.group = gen->conf->group,
		.chroot = gen->conf->chroot,
		.desk_user = gen->conf->desk_user,
		.user_line = directives_line(gen->conf, "User"),
		.group_line = directives_line(gen->conf, "Group"),
		.chroot_line = directives_line(gen->conf, "Chroot"),
		.desk_line = directives_line(gen->conf, "DeskUser") };
	int status = identity_find(&gen->identity, &names);

	if (status != 0)
		return status;
	return identity_find_desk(&gen->desks, &gen->identity, &names);
}

/*
 * Opens its listening sockets, and shares those that the old generation (or
 * NULL) has too.  Returns as listen_open() does.
 */
int
gen_listen(struct gen *gen, const struct gen *old)
{
	const struct conf *conf = gen->conf;
	struct conf_listener from[LISTEN_MAX];
	struct addr addrs[LISTEN_MAX];
	enum inlet inlets[LISTEN_MAX];
	struct listen_wish wish = { .at = addrs,
		.inlets = inlets,
		.n = conf_listeners(conf, from),
		.any_family = conf->nlisten == 0,
		.free_bind = conf->free_bind,
		.rights = conf->listen_rights,
		.senders = conf->nproxy_from > 0,
		.places = &conf->places };

	for (size_t i = 0; i < wish.n; i++) {
		addrs[i] = from[i].at;
		inlets[i] = from[i].inlet;
		wish.lines[i] = from[i].line;
		wish.directives[i] = from[i].directive;
	}
	return listen_open(
	    &gen->listeners, &wish, old != NULL ? &old->listeners : NULL);
}

/* Whether another generation listens on an address too. */
static bool
others_have(const struct gen *gen, const struct addr *at)
{
	for (const struct gen *other = gens; other != NULL; other = other->next)
		if (other != gen && listen_has(&other->listeners, at))
			return true;
	return false;
}

/* Removes the files of sockets that only this generation has. */
static void
sockets_remove(const struct gen *gen)
{
	const struct listeners *l = &gen->listeners;

	for (size_t i = 0; i < l->n; i++)
		if (l->at[i].local != 0 && !others_have(gen, &l->at[i]))
			socketfile_remove(l->at[i].local);
}

/* Closes and frees a generation whose children are all gone. */
void
gen_free(struct gen *gen)
{
	struct gen **at = &gens;

	while (*at != gen)
		at = &(*at)->next;
	sockets_remove(gen);
	*at = gen->next;
	listen_close(&gen->listeners);
	child_close_status(gen);
	links_close(&gen->links);
	log_close(&gen->logs);
	conf_free(gen->conf);
	local_drop(gen->local_at);
	local_drop_all(&gen->locals);
	free(gen);
}

/* Whether every worker has left the listening sockets. */
bool
gen_drained(const struct gen *gen)
{
	for (size_t i = 0; i < gen->nworkers; i++)
		if (gen->children[i].pid > 0 && !gen->children[i].drained)
			return false;
	return true;
}

/*
 * Marks the slots that the workers of a generation have.  That of a worker that
 * has died while it drained is free, unless another one still looks for the
 * baton, which is in the slot of the first.
 */
static void
slots_mark(const struct gen *gen, bool used[SLOTS_MAX])
{
	bool left = gen->state == GEN_DRAINING && gen_drained(gen);

	for (size_t i = 0; i < gen->nworkers; i++)
		if (gen->children[i].slot < SLOTS_MAX &&
		    (!left || gen->children[i].pid > 0))
			used[gen->children[i].slot] = true;
}

/* A slot in the share that no other worker has; SLOTS_MAX: none is free. */
size_t
gen_slot(struct share *share)
{
	static bool used[SLOTS_MAX];
	size_t slot;

	memset(used, 0, sizeof(used));
	for (struct gen *gen = gens; gen != NULL; gen = gen->next)
		slots_mark(gen, used);
	for (slot = 0; slot < SLOTS_MAX && used[slot]; slot++)
		;
	if (slot < SLOTS_MAX && slot >= atomic_load(&share->nslots))
		atomic_store(&share->nslots, (unsigned)slot + 1);
	return slot;
}

/* Opens the bells of the workers, before any of them is forked. */
static int
gen_link(struct gen *gen)
{
	for (size_t i = 0; i < gen->nworkers; i++) {
		gen->children[i].slot = gen_slot(gen->share);
		if (gen->children[i].slot == SLOTS_MAX) {
			errno = EAGAIN;
			return -1;
		}
		atomic_store(&gen->share->places[gen->children[i].slot],
		    (unsigned)gen->budget.conns);
		if (baton_add(&gen->links.baton, gen->children[i].slot) != 0)
			return -1;
	}
	return 0;
}

/* When the children must have said what is expected now, in ms. */
static int64_t
answer_due(const struct gen *gen, int64_t now)
{
	return now + ANSWER_TIME + (int64_t)gen->nchildren * ANSWER_EACH;
}

/* The start of a generation has failed, with that status to exit with. */
static void
gen_fail(struct gen *gen, int status)
{
	gen->state = GEN_FAILED;
	gen->status = status;
}

/*
 * Starts all children.  Returns 0, or -1 with errno; then gen_kill() ends
 * those that were started.
 */
int
gen_start(struct gen *gen, int64_t now)
{
	budget_make(&gen->budget, gen->conf->workers, gen->conf->max_clients,
	    gen->listeners.n);
	gen->nworkers = gen->budget.workers;
	baton_plan(&gen->links.baton, gen->budget.busy, gen->budget.conns);
	gen->links.ndesks = conf_has_logins(gen->conf) ? HELPER_KINDS : 1;
	gen->nchildren = gen->nworkers + gen->links.ndesks;
	if (gen_link(gen) != 0)
		return -1;
	for (size_t i = 0; i < gen->nchildren; i++)
		if (child_start(gen, &gen->children[i], gens, now) != 0)
			return -1;
	now = clock_ms();
	for (size_t i = 0; i < gen->nchildren; i++)
		gen->children[i].due = answer_due(gen, now);
	return 0;
}

/* What a child is called in the log. */
static const char *
child_name(const struct gen *gen, const struct child *child, char text[32])
{
	if (child_is_desk(gen, child))
		return child_desk(gen, child) == HELPER_NAMES
		    ? "Desk"
		    : "Desk for passwords";
	snprintf(text, 32, "Worker %zu", (size_t)(child - gen->children));
	return text;
}

/*
 * Sends an order, and descriptors with it, to a worker or desk that runs.  An
 * order that is lost is sent again.
 */
static void
worker_order(struct gen *gen, struct child *child,
    const struct order_message *order, const int *fds, size_t nfds)
{
	unsigned bit = 1u << order->order;
	char name[32];

	if (child->pid < 0 || child->control < 0)
		return;
	if (child_order(child, order, fds, nfds) == 0) {
		/* To write the same again would unshare a page with forks. */
		if (child->unsent & bit)
			child->unsent &= ~bit;
		return;
	}
	if (!(child->unsent & bit))
		log_line(LOG_LEVEL_WARNING,
		    "%s (pid %ld) does not take an order (%s); trying again",
		    child_name(gen, child, name), (long)child->pid,
		    strerror(errno));
	child->unsent |= bit;
	gen->resend_at = clock_ms() + RESEND_TIME;
}

/* Gives the desks the channels of a worker that was started after them. */
static void
channels_give(struct gen *gen, size_t worker)
{
	struct order_message order = { .order = ORDER_CHANNEL,
		.worker = (uint32_t)worker };

	for (size_t desk = 0; desk < gen->links.ndesks; desk++)
		worker_order(gen, &gen->children[gen->nworkers + desk], &order,
		    &gen->links.channels[desk][worker], 1);
}

/* Orders a worker to drain, or a desk to end with the workers. */
static void
worker_drain(struct gen *gen, struct child *child)
{
	struct order_message order = { .order = ORDER_DRAIN,
		.abandoned = gen->abandoned };

	worker_order(gen, child, &order, NULL, 0);
}

/* Sends a worker the logs to write to from now on. */
static void
worker_logs(struct gen *gen, struct child *child, const struct logs *logs)
{
	struct order_message order = { .order = ORDER_LOGS,
		.log = logs->fd >= 0,
		.syslog = logs->syslog,
		.journal = logs->journal,
		.level = logs->level,
		.time = logs->time };
	int fds[1 + RECORD_LOGS_MAX];
	size_t n = 0;

	if (order.log)
		fds[n++] = logs->fd;
	for (size_t i = 0; i < logs->naccess; i++)
		if (logs->access[i].fd >= 0) {
			fds[n++] = logs->access[i].fd;
			order.formats[order.naccess++] = logs->access[i].format;
		}
	worker_order(gen, child, &order, fds, n);
}

/* Sends lost orders again, when it is time; the logs are those in use. */
void
gen_resend(struct gen *gen, const struct logs *logs, int64_t now)
{
	if (gen->resend_at < 0 || now < gen->resend_at)
		return;
	gen->resend_at = -1;
	for (size_t i = 0; i < gen->nchildren; i++) {
		struct child *child = &gen->children[i];

		if (child->unsent & 1u << ORDER_DRAIN)
			worker_drain(gen, child);
		if (child->unsent & 1u << ORDER_LOGS)
			worker_logs(gen, child, logs);
		/* It is not known whose was lost: the same again is no harm. */
		if (child->unsent & 1u << ORDER_CHANNEL)
			for (size_t j = 0; j < gen->nworkers; j++)
				channels_give(gen, j);
	}
}

/*
 * Kills the children that have not said in time that they are ready, or that
 * they drain: their note or their order is lost, or they hang.  A start has
 * failed then.  Returns whether there was one.
 */
bool
gen_late(struct gen *gen, int64_t now)
{
	bool any = false;
	char name[32];

	for (size_t i = 0; i < gen->nchildren; i++) {
		struct child *child = &gen->children[i];

		if (child->due == 0 || now < child->due)
			continue;
		log_line(LOG_LEVEL_ERROR,
		    "%s (pid %ld) did not say in time that it %s; killing it",
		    child_name(gen, child, name), (long)child->pid,
		    gen->state == GEN_DRAINING ? "drains" : "is ready");
		child->due = 0;
		kill(child->pid, SIGKILL);
		if (gen->state == GEN_STARTING)
			gen_fail(gen, STATUS_SYSTEM);
		any = true;
	}
	return any;
}

/* When gen_late() or gen_resend() is needed next, or -1. */
int64_t
gen_due_next(const struct gen *gen)
{
	int64_t next = gen->resend_at;

	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].due != 0)
			next = clock_earlier(next, gen->children[i].due);
	return next;
}

/* Sends a signal to all children. */
static void
gen_signal(const struct gen *gen, int signo)
{
	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].pid > 0)
			kill(gen->children[i].pid, signo);
}

/* Lets children that somebody has stopped go on, to hear what is to be done. */
void
gen_continue(const struct gen *gen)
{
	gen_signal(gen, SIGCONT);
}

/* Frees what only the successor of a generation needs in the master now. */
static void
gen_retire(struct gen *gen)
{
	log_close(&gen->logs);
	conf_free(gen->conf);
	gen->conf = NULL;
}

/*
 * Lets the workers finish what they have, and take nothing new.  Clients that
 * wait at a socket which the successor (or NULL) does not listen on are still
 * served.  Nothing of this generation is started again, so from here on only
 * its children have its sockets.
 */
void
gen_drain(struct gen *gen, const struct gen *successor, int64_t now)
{
	const struct listeners *l = &gen->listeners;

	gen->state = GEN_DRAINING;
	gen->since = now;
	gen->kill_at =
	    now + gen->conf->drain_timeout * INT64_C(1000) + PATIENCE;
	for (size_t i = 0; i < l->n; i++)
		if (successor != NULL &&
		    !listen_has(&successor->listeners, &l->at[i])) {
			gen->abandoned |= UINT64_C(1) << i;
			sys_reuseport(l->fds[i], true);
		}
	sockets_remove(gen);
	listen_close(&gen->listeners);
	links_close(&gen->links);
	if (successor != NULL) {
		child_close_status(gen);
		gen_retire(gen);
	}
	gen_continue(gen);
	for (size_t i = 0; i < gen->nchildren; i++) {
		struct child *child = &gen->children[i];

		child->restart_at = child->due = 0;
		/* A desk of another program may not know the order. */
		if (child->pid < 0 ||
		    (gen->adopted && child_is_desk(gen, child)))
			continue;
		worker_drain(gen, child);
		if (!child_is_desk(gen, child))
			child->due = answer_due(gen, now);
	}
}

/* Gives workers that have been told to drain the time to say that they do. */
void
gen_expect_drained(struct gen *gen, int64_t now)
{
	for (size_t i = 0; i < gen->nworkers; i++)
		if (gen->state == GEN_DRAINING && !gen->stopped &&
		    gen->children[i].pid > 0 && !gen->children[i].drained)
			gen->children[i].due = answer_due(gen, now);
}

/* Sends all workers the logs to write to from now on. */
void
gen_logs(struct gen *gen, const struct logs *logs)
{
	for (size_t i = 0; i < gen->nworkers; i++)
		worker_logs(gen, &gen->children[i], logs);
}

/* How many connections its workers carry. */
unsigned long
gen_clients(const struct gen *gen)
{
	unsigned long n = 0;

	for (size_t i = 0; i < gen->links.baton.nworkers; i++)
		if (gen->children[i].pid > 0)
			n += share_slot_clients(
			    gen->share, gen->children[i].slot);
	return n;
}

/* How many ms the children need to leave, if the processors are free. */
int64_t
gen_stop_time(const struct gen *gen)
{
	int64_t ms = (int64_t)gen_clients(gen) / STOP_CLIENTS;

	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].pid > 0)
			ms += STOP_EACH;
	return ms;
}

/*
 * Ends all children at once: they leave when they see that the master has hung
 * up, and are killed if they have not left at kill_at.  One that was stopped
 * must go on to see that.
 */
void
gen_stop(struct gen *gen, int64_t kill_at)
{
	gen->stopped = true;
	gen->kill_at = kill_at;
	for (size_t i = 0; i < gen->nchildren; i++) {
		gen->children[i].restart_at = gen->children[i].due = 0;
		child_hang_up(&gen->children[i]);
	}
	gen->resend_at = -1;
	gen_signal(gen, SIGCONT);
}

/* Kills all children; what the system does not end then is killed again. */
void
gen_kill(struct gen *gen, int64_t now)
{
	gen_stop(gen, now + KILL_TIME);
	gen_signal(gen, SIGKILL);
}

/* Starts the children again whose restart is due. */
void
gen_restart(struct gen *gen, int64_t now)
{
	for (size_t i = 0; i < gen->nchildren; i++) {
		struct child *child = &gen->children[i];

		if (child->restart_at == 0 || child->restart_at > now)
			continue;
		if (child_start(gen, child, gens, now) != 0) {
			log_line(LOG_LEVEL_ERROR, "Cannot start a child: %s",
			    strerror(errno));
			child->restart_at = now + DELAY_MAX;
			continue;
		}
		child->due = answer_due(gen, now);
		child->restarts++;
		if (!child_is_desk(gen, child))
			channels_give(gen, i);
	}
}

/* When gen_restart() is needed next, or -1. */
int64_t
gen_restart_next(const struct gen *gen)
{
	int64_t next = -1;

	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].restart_at != 0)
			next = clock_earlier(next, gen->children[i].restart_at);
	return next;
}

/* How a process has ended, in words. */
static void
cause_text(char *text, size_t size, int status)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "died from signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(
		    text, size, "exited with status %d", WEXITSTATUS(status));
}

/* Writes to the log that a child has died which should not. */
static void
log_death(
    const struct gen *gen, const struct child *child, int status, int64_t now)
{
	char cause[80], name[32], restart[40] = "";

	if (status == 0 && gen->state != GEN_LIVE)
		return;
	cause_text(cause, sizeof(cause), status);
	if (child->restart_at > now)
		snprintf(restart, sizeof(restart), "; restarting in %d ms",
		    (int)(child->restart_at - now));
	else if (child->restart_at != 0)
		snprintf(restart, sizeof(restart), "; restarting");
	log_line(LOG_LEVEL_ERROR, "%s (pid %ld) %s%s",
	    child_name(gen, child, name), (long)child->pid, cause, restart);
}

/* A helper is a desk's child; the next question gets another. */
static void
log_helper_death(const struct note_message *note)
{
	char cause[80];

	cause_text(cause, sizeof(cause), note->status);
	log_line(
	    LOG_LEVEL_ERROR, "Helper (pid %ld) %s", (long)note->pid, cause);
}

/* What is to be said of an AuthHelper, perhaps in its own words. */
static void
log_said(const struct note_message *note)
{
	char text[NOTE_TEXT_SIZE];
	size_t len = 0;

	for (; len < sizeof(text) - 1 && note->text[len] != '\0'; len++) {
		char c = note->text[len];

		text[len] = (char)(c >= 0x20 && c < 0x7f ? c : '?');
	}
	text[len] = '\0';
	log_line(LOG_LEVEL_WARNING, "AuthHelper (pid %ld): %s", (long)note->pid,
	    text);
}

/* At once the first time, and slower each time that it dies soon again. */
static void
restart_plan(struct child *child, int64_t now)
{
	int delay = now - child->started >= GOOD_LIFE ? 0 : child->delay;

	child->restart_at = now + delay;
	child->delay = delay == 0   ? DELAY_MIN
	    : 2 * delay < DELAY_MAX ? 2 * delay
				    : DELAY_MAX;
}

static struct child *
child_find(struct gen *gen, pid_t pid)
{
	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].pid == pid)
			return &gen->children[i];
	return NULL;
}

/* Whether a process is a child of this generation that runs. */
bool
gen_has(struct gen *gen, pid_t pid)
{
	return pid > 0 && child_find(gen, pid) != NULL;
}

/* A child has died. */
static void
child_gone(struct gen *gen, struct child *child, int status, int64_t now)
{
	if (gen->state == GEN_LIVE && !gen->stopped && !gen->adopted)
		restart_plan(child, now);
	if (!gen->stopped)
		log_death(gen, child, status, now);
	if (gen->state == GEN_LIVE && !gen->stopped &&
	    child_is_desk(gen, child))
		deaths.desks++;
	else if (gen->state == GEN_LIVE && !gen->stopped)
		deaths.workers++;
	if (gen->state == GEN_STARTING)
		gen_fail(gen,
		    WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_SYSTEM);
	child_hang_up(child);
	child->pid = -1;
	child->due = 0;
	if (!child_is_desk(gen, child))
		guard_worker_gone(gen, (uint32_t)(child - gen->children));
}

/*
 * Takes what waitpid() said of a process.  Returns whether it is a child of
 * this generation.  One that has died may be due for a restart then, or the
 * start of the whole generation has failed; one that was stopped still lives.
 */
bool
gen_reap(struct gen *gen, pid_t pid, int status, int64_t now)
{
	struct child *child = child_find(gen, pid);

	if (child == NULL)
		return false;
	child->stopped = WIFSTOPPED(status);
	if (WIFCONTINUED(status))
		return true;
	if (!WIFSTOPPED(status))
		child_gone(gen, child, status, now);
	else if (!child_is_desk(gen, child))
		guard_worker_doubt(gen, (uint32_t)(child - gen->children));
	return true;
}

/* Adds what to poll for notes from the children; returns how many. */
size_t
gen_watch(const struct gen *gen, struct pollfd *pfd)
{
	size_t n = 0;

	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].control >= 0)
			pfd[n++] =
			    (struct pollfd){ .fd = gen->children[i].control,
				    .events = POLLIN };
	return n;
}

static void
note_take(
    const struct gen *gen, struct child *child, const struct note_message *note)
{
	if (note->note == NOTE_DRAINED)
		child->drained = true;
	/* The other one does not make a child less late. */
	if (note->note ==
	    (gen->state == GEN_DRAINING ? NOTE_DRAINED : NOTE_READY))
		child->due = 0;
	/* A worker has no helpers to speak of. */
	if (note->note == NOTE_HELPER && child_is_desk(gen, child)) {
		log_helper_death(note);
		deaths.helpers++;
	}
	if (note->note == NOTE_SAYS && child_is_desk(gen, child))
		log_said(note);
	if (note->note != NOTE_READY)
		return;
	child->ready = true;
	if (!child_is_desk(gen, child))
		guard_worker_ready(gen);
}

/* Takes at most one note from each child. */
void
gen_notes(struct gen *gen)
{
	for (size_t i = 0; i < gen->nchildren; i++) {
		struct child *child = &gen->children[i];
		struct note_message note = { .note = NOTE_READY };
		ssize_t n;

		if (child->control < 0)
			continue;
		n = sys_receive(child->control, &note, sizeof(note), NULL, 0);
		if (n == sizeof(note))
			note_take(gen, child, &note);
		else if (n == 0) /* It is about to die; gen_reap() follows. */
			child_hang_up(child);
	}
}

/* Whether every child has said that it is ready. */
bool
gen_ready(const struct gen *gen)
{
	for (size_t i = 0; i < gen->nchildren; i++)
		if (!gen->children[i].ready)
			return false;
	return true;
}

/* Whether no worker is left, and none will be started. */
bool
gen_over(const struct gen *gen)
{
	for (size_t i = 0; i < gen->nworkers; i++)
		if (gen->children[i].pid > 0 ||
		    gen->children[i].restart_at != 0)
			return false;
	return true;
}

/* Whether no child at all is left. */
bool
gen_empty(const struct gen *gen)
{
	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].pid > 0)
			return false;
	return true;
}

/* The first of all generations, or NULL; the others follow at next. */
struct gen *
gen_first(void)
{
	return gens;
}

const struct gen_deaths *
gen_deaths(void)
{
	return &deaths;
}
