/* SPDX-License-Identifier: ISC */
/*
 * A generation: one configuration, the sockets it listens on, and the workers
 * and the desk that serve it.  A reload starts a new one and drains the old.
 * Here the master starts its children, takes their notes, gives them orders,
 * restarts those that die, and ends them.
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
#include "gen.h"
#include "guard.h"
#include "identity.h"
#include "links.h"
#include "listen.h"
#include "log.h"
#include "orders.h"
#include "program.h"
#include "share.h"
#include "sys.h"

enum {
	DELAY_MIN = 100,   /* ms: restarts slow down from here */
	DELAY_MAX = 4000,  /* ms: to here */
	PATIENCE = 5000,   /* ms for a worker that does not obey */
	GOOD_LIFE = 10000, /* ms after which a death is not part of a series */
	STOP_TIME =
	    400, /* ms for the children to leave before they are killed */
	STOP_CLIENTS = 4 /* connections that get them 1 ms more */
};

static struct gen *gens; /* all generations */

/*
 * A generation without sockets or children yet.  It owns the configuration
 * from now on.  Returns NULL with errno ENOMEM.
 */
struct gen *
gen_new(struct conf *conf, struct share *share)
{
	struct gen *gen = calloc(1, sizeof(*gen));

	if (gen == NULL)
		return NULL;
	gen->conf = conf;
	gen->share = share;
	gen->kill_at = -1;
	gen->logs = (struct logs){ -1, -1, false, LOG_LEVEL_INFO, false };
	links_init(&gen->links, share);
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		gen->children[i] = (struct child){
			.pid = -1, .control = -1, .slot = SLOTS_MAX
		};
	gen->next = gens;
	gens = gen;
	return gen;
}

/* Finds out what its children run as.  Returns as identity_find() does. */
int
gen_identity(struct gen *gen)
{
	const struct identity_names names = { .file = gen->conf->file,
		.user = gen->conf->user,
		.group = gen->conf->group,
		.chroot = gen->conf->chroot };

	return identity_find(&gen->identity, &names);
}

/*
 * Opens its listening sockets, and shares those that the old generation (or
 * NULL) has too.  Returns as listen_open() does.
 */
int
gen_listen(struct gen *gen, const struct gen *old)
{
	struct addr addrs[LISTEN_MAX];
	size_t n = conf_addresses(gen->conf, addrs);

	/* Without Listen the addresses are those of all families. */
	return listen_open(&gen->listeners, addrs, n, gen->conf->nlisten == 0,
	    old != NULL ? &old->listeners : NULL);
}

/* Closes and frees a generation whose children are all gone. */
void
gen_free(struct gen *gen)
{
	struct gen **at = &gens;

	while (*at != gen)
		at = &(*at)->next;
	*at = gen->next;
	listen_close(&gen->listeners);
	links_close(&gen->links);
	log_close(&gen->logs);
	conf_free(gen->conf);
	free(gen);
}

/* A slot in the share that no other worker has; SLOTS_MAX: none is free. */
static size_t
slot_take(struct share *share)
{
	static bool used[SLOTS_MAX];
	size_t slot;

	memset(used, 0, sizeof(used));
	for (struct gen *gen = gens; gen != NULL; gen = gen->next)
		for (size_t i = 0; i < gen->nworkers; i++)
			if (gen->children[i].slot < SLOTS_MAX)
				used[gen->children[i].slot] = true;
	for (slot = 0; slot < SLOTS_MAX && used[slot]; slot++)
		;
	if (slot < SLOTS_MAX && slot >= atomic_load(&share->nslots))
		atomic_store(&share->nslots, (unsigned)slot + 1);
	return slot;
}

/* Opens what the children have between them, before any of them is forked. */
static int
gen_link(struct gen *gen)
{
	if (links_open(&gen->links) != 0)
		return -1;
	for (size_t i = 0; i < gen->nworkers; i++) {
		gen->children[i].slot = slot_take(gen->share);
		if (gen->children[i].slot == SLOTS_MAX) {
			errno = EAGAIN;
			return -1;
		}
		if (links_add(&gen->links, gen->children[i].slot) != 0)
			return -1;
	}
	return 0;
}

/*
 * Starts all children.  Returns 0, or -1 with errno; then gen_stop() ends
 * those that were started.
 */
int
gen_start(struct gen *gen, int64_t now)
{
	budget_make(&gen->budget, gen->conf->workers, gen->conf->max_clients,
	    gen->listeners.n);
	gen->nworkers = gen->budget.workers;
	gen->nchildren = gen->nworkers + 1;
	if (gen_link(gen) != 0)
		return -1;
	for (size_t i = 0; i < gen->nchildren; i++)
		if (child_start(gen, &gen->children[i], gens, now) != 0)
			return -1;
	return 0;
}

/* Sends an order, and descriptors with it, to all workers that run. */
static void
gen_order(const struct gen *gen, const struct order_message *order,
    const int *fds, size_t nfds)
{
	for (size_t i = 0; i < gen->nworkers; i++)
		if (gen->children[i].pid > 0)
			child_order(&gen->children[i], order, fds, nfds);
}

/* Lets children that somebody has stopped go on, to hear what is to be done. */
void
gen_continue(const struct gen *gen)
{
	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].pid > 0)
			kill(gen->children[i].pid, SIGCONT);
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
	struct order_message order = { .order = ORDER_DRAIN };

	gen->state = GEN_DRAINING;
	gen->kill_at =
	    now + gen->conf->drain_timeout * INT64_C(1000) + PATIENCE;
	for (size_t i = 0; i < l->n; i++)
		if (successor != NULL &&
		    !listen_has(&successor->listeners, &l->at[i])) {
			order.abandoned |= UINT64_C(1) << i;
			sys_reuseport(l->fds[i], true);
		}
	listen_close(&gen->listeners);
	links_close(&gen->links);
	if (successor != NULL)
		gen_retire(gen);
	gen_order(gen, &order, NULL, 0);
	gen_continue(gen);
	for (size_t i = 0; i < gen->nchildren; i++)
		gen->children[i].restart_at = 0;
}

/* Sends all workers the logs to write to from now on. */
void
gen_logs(const struct gen *gen, const struct logs *logs)
{
	struct order_message order = { .order = ORDER_LOGS,
		.log = logs->fd >= 0,
		.access = logs->access >= 0,
		.syslog = logs->syslog,
		.level = logs->level };
	int fds[2];
	size_t n = 0;

	if (order.log)
		fds[n++] = logs->fd;
	if (order.access)
		fds[n++] = logs->access;
	gen_order(gen, &order, fds, n);
}

/* How many connections its workers carry. */
unsigned long
gen_clients(const struct gen *gen)
{
	unsigned long n = 0;

	for (uint32_t i = 0; i < gen->links.baton.nworkers; i++)
		if (gen->children[i].pid > 0)
			n += baton_load(&gen->links.baton, i);
	return n;
}

/*
 * Ends all children at once: they leave when they see that the master has hung
 * up, or are killed.  One that was stopped must go on to see that.
 */
void
gen_stop(struct gen *gen, bool kill_all, int64_t now)
{
	gen->stopped = true;
	gen->kill_at =
	    now + STOP_TIME + (int64_t)gen_clients(gen) / STOP_CLIENTS;
	for (size_t i = 0; i < gen->nchildren; i++) {
		struct child *child = &gen->children[i];

		child->restart_at = 0;
		child_hang_up(child);
		if (child->pid > 0)
			kill(child->pid, kill_all ? SIGKILL : SIGCONT);
	}
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
		}
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
	char cause[80], name[32] = "Desk", restart[40] = "";

	if (status == 0 && gen->state != GEN_LIVE)
		return;
	cause_text(cause, sizeof(cause), status);
	if (!child_is_desk(gen, child))
		snprintf(name, sizeof(name), "Worker %zu",
		    (size_t)(child - gen->children));
	if (child->restart_at > now)
		snprintf(restart, sizeof(restart), "; restarting in %d ms",
		    (int)(child->restart_at - now));
	else if (child->restart_at != 0)
		snprintf(restart, sizeof(restart), "; restarting");
	log_line(LOG_LEVEL_ERROR, "%s (pid %ld) %s%s", name, (long)child->pid,
	    cause, restart);
}

/* A helper is the desk's child; the next question gets another. */
static void
log_helper_death(const struct note_message *note)
{
	char cause[80];

	cause_text(cause, sizeof(cause), note->status);
	log_line(
	    LOG_LEVEL_ERROR, "Helper (pid %ld) %s", (long)note->pid, cause);
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

/* A child has died. */
static void
child_gone(struct gen *gen, struct child *child, int status, int64_t now)
{
	if (gen->state == GEN_LIVE && !gen->stopped)
		restart_plan(child, now);
	if (!gen->stopped)
		log_death(gen, child, status, now);
	if (gen->state == GEN_STARTING) {
		gen->state = GEN_FAILED;
		gen->status =
		    WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_SYSTEM;
	}
	child_hang_up(child);
	child->pid = -1;
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
	if (note->note == NOTE_HELPER)
		log_helper_death(note);
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

/* Whether every worker has left the listening sockets. */
bool
gen_drained(const struct gen *gen)
{
	for (size_t i = 0; i < gen->nworkers; i++)
		if (gen->children[i].pid > 0 && !gen->children[i].drained)
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
