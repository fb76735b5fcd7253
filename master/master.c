/* SPDX-License-Identifier: ISC */
/*
 * The master's loop: it waits for signals, for notes from its children and for
 * their deaths.  It restarts children, reloads, reopens the logs, drains and
 * stops.  No error in here is fatal once the first generation is ready.
 * tests/models/master.pml models what it does with signals and generations.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board.h"
#include "child.h"
#include "clock.h"
#include "conf.h"
#include "court.h"
#include "gen.h"
#include "guard.h"
#include "identity.h"
#include "log.h"
#include "master.h"
#include "orders.h"
#include "program.h"
#include "progress.h"
#include "room.h"
#include "sandbox.h"
#include "service.h"
#include "share.h"
#include "steward.h"
#include "upgrade.h"

enum {
	ROOM_TIME = 5000, /* ms for old generations to make room */
	RETRY_TIME =
	    5000 /* ms until the start after an upgrade is tried again */
};

enum phase { STARTING, RUNNING, LEAVING, DRAINING, STOPPING };

static struct {
	enum phase phase;
	bool foreground;
	const char *file; /* absolute path of the configuration, or NULL */
	struct gen *live, *coming;
	bool term_drains;   /* a first SIGTERM was taken for SIGQUIT */
	bool reload_due;    /* it was asked for, and has not begun */
	int64_t room_until; /* ms: the reload waits for room until then, or 0 */
	bool upgrade_due;   /* likewise */
	int upgrader;       /* who has asked for it, or -1 */
	int64_t retry_at;   /* ms: adopted workers are to be replaced, or 0 */
	int64_t leave_at;   /* ms: LEAVING: when the drain begins */
	char why[480];      /* the first error of the reload */
	int status;         /* to exit with, had it been a start */
} m = { .upgrader = -1 };

/* What the signals ask for, until it is done. */
static volatile sig_atomic_t wants_stop, wants_drain, wants_reload,
    wants_upgrade;
static volatile sig_atomic_t terms; /* how often SIGTERM has come; 2: more */
/* Each signal writes a byte to 1, which wakes us. */
static int signals[2] = { -1, -1 };

static void
master_on_signal(int signo)
{
	int error = errno;

	if (signo == SIGTERM)
		terms = terms > 0 ? 2 : 1;
	else if (signo == SIGINT)
		wants_stop = 1;
	else if (signo == SIGQUIT)
		wants_drain = 1;
	else if (signo == SIGHUP || signo == SIGUSR1)
		wants_reload = 1;
	else if (signo == SIGUSR2)
		wants_upgrade = 1;
	/* If the pipe is full, the bytes in it wake the master as well. */
	if (write(signals[1], "", 1) != 1)
		errno = error;
	errno = error;
}

static void
signal_catch(int signo)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sigfillset(&sa.sa_mask);
	sa.sa_flags = SA_RESTART;
	sa.sa_handler = master_on_signal;
	sigaction(signo, &sa, NULL);
}

/*
 * Remembers a signal for a reload or an upgrade from now on, which would end the program
 * otherwise.  Those for a stop still end it, until master_init().
 */
void
master_expect_reload(void)
{
	signal_catch(SIGHUP);
	signal_catch(SIGUSR1);
	signal_catch(SIGUSR2);
}

/*
 * Catches the signals from now on; master_start() is the first to act on them.
 * Keeps the path of the configuration (or NULL), which a reload reads again.
 * Returns 0, or -1 with errno.
 */
int
master_init(const char *file, bool foreground)
{
	static const int caught[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1,
		SIGUSR2, SIGCHLD };

	child_private(&m.upgrader);
	m.file = file;
	m.foreground = foreground;
	if (pipe(signals) != 0)
		return -1;
	court_init();
	for (int i = 0; i < 2; i++) {
		fcntl(signals[i], F_SETFL, O_NONBLOCK);
		child_private(&signals[i]);
	}
	for (size_t i = 0; i < sizeof(caught) / sizeof(*caught); i++)
		signal_catch(caught[i]);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* Where the lines go before the logs are open, and after they are closed. */
void
master_log_to_stderr(void)
{
	const struct logs on_stderr = { .fd = STDERR_FILENO,
		.level = LOG_LEVEL_NOTICE,
		.journal = log_is_journal(STDERR_FILENO),
		.bare = true };

	log_use(&on_stderr);
}

/* In the foreground standard output is the log when nothing else is named. */
static struct log_places
master_places(const struct gen *gen)
{
	const struct conf *conf = gen->conf;
	struct log_places places = { .file = conf->logfile,
		.access = conf->access,
		.naccess = conf->naccess,
		.syslog = conf->syslog,
		.level = conf->loglevel,
		.time = conf->log_time,
		.user = identity_uid(&gen->identity) };

	if (places.file == NULL && m.foreground)
		places.file = "/dev/stdout";
	return places;
}

/* Opens the logs that a configuration names.  Returns as log_open() does. */
const char *
master_logs_open(struct logs *logs, const struct gen *gen)
{
	struct log_places places = master_places(gen);

	return log_open(logs, &places);
}

/* Logs. */

/* Switches all processes to these logs, except those that are starting. */
static void
master_use_logs(const struct logs *logs)
{
	log_use(logs);
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		if (gen != m.coming)
			gen_logs(gen, logs);
}

/* Says that a log cannot be opened, and where its lines go instead. */
static void
say_kept(const char *directive, const char *path, const char *kept)
{
	if (kept == NULL)
		log_line(LOG_LEVEL_ERROR, "%s %s: %s; nothing is written",
		    directive, path, log_why());
	else if (strcmp(path, kept) == 0)
		log_line(LOG_LEVEL_ERROR,
		    "%s %s: %s; still writing to the file that was open",
		    directive, path, log_why());
	else
		log_line(LOG_LEVEL_ERROR, "%s %s: %s; still writing to %s",
		    directive, path, log_why(), kept);
}

/* A copy of a descriptor or of a path, if there is one. */
static int
copy_of_fd(int fd)
{
	return fd >= 0 ? fcntl(fd, F_DUPFD, 3) : -1;
}

static char *
copy_of_path(const char *path)
{
	return path != NULL ? strdup(path) : NULL;
}

/* Opens the main log, as master_logs_renew() says. */
static void
main_log_renew(struct logs *logs, const struct gen *gen, const struct gen *used)
{
	struct log_places places = master_places(gen),
			  kept = master_places(used);
	struct conf *conf = gen->conf;

	places.naccess = 0;
	if (log_open(logs, &places) == NULL)
		return;
	say_kept("LogFile", places.file, kept.syslog ? "syslog" : kept.file);
	logs->fd = copy_of_fd(used->logs.fd);
	logs->syslog = used->logs.syslog;
	logs->journal = used->logs.journal;
	if (conf == used->conf)
		return;
	free(conf->logfile);
	conf->logfile = copy_of_path(used->conf->logfile);
	conf->syslog = used->conf->syslog;
}

/* The access log of a configuration that has a path, or NULL. */
static const struct access_path *
access_find(const struct conf *conf, const char *path)
{
	for (size_t i = 0; i < conf->naccess; i++)
		if (strcmp(conf->access[i].path, path) == 0)
			return &conf->access[i];
	return NULL;
}

/*
 * The access log of the configuration in use that goes on in place of the one
 * at index i, or NULL: the one with its path; else the one that was at its
 * place, unless that has a line of its own.
 */
static const struct access_path *
access_kept(const struct conf *conf, size_t i, const struct conf *used)
{
	const struct access_path *kept =
	    access_find(used, conf->access[i].path);

	if (kept != NULL || i >= used->naccess ||
	    (used->access[i].format == RECORD_DECISION) !=
		(conf->access[i].format == RECORD_DECISION) ||
	    access_find(conf, used->access[i].path) != NULL)
		return kept;
	return &used->access[i];
}

/* Writes on to an access log that is open, or to none. */
static void
access_log_keep(
    struct logs *logs, const struct gen *gen, size_t i, const struct gen *used)
{
	const struct conf *was = used->conf;
	struct access_path *at = &gen->conf->access[i];
	const struct access_path *kept = access_kept(gen->conf, i, was);
	struct access_log *log = &logs->access[i];
	size_t nth;
	int fd = kept != NULL ? used->logs.access[kept - was->access].fd : -1;

	say_kept(conf_access(gen->conf, i, &nth), at->path,
	    fd >= 0 ? kept->path : NULL);
	log->fd = copy_of_fd(fd);
	if (fd < 0 || gen->conf == was || strcmp(at->path, kept->path) == 0)
		return;
	log->format = at->format = kept->format;
	free(at->path);
	at->path = copy_of_path(kept->path);
}

/* Opens the access logs likewise. */
static void
access_logs_renew(
    struct logs *logs, const struct gen *gen, const struct gen *used)
{
	const struct conf *conf = gen->conf;
	struct log_places places = { .naccess = 1,
		.user = identity_uid(&gen->identity) };
	struct logs one;

	logs->naccess = conf->naccess;
	for (size_t i = 0; i < conf->naccess; i++) {
		places.access = &conf->access[i];
		logs->access[i] =
		    (struct access_log){ -1, conf->access[i].format };
		if (log_open(&one, &places) == NULL)
			logs->access[i].fd = one.access[0].fd;
		else
			access_log_keep(logs, gen, i, used);
	}
}

/*
 * Opens the logs that a configuration names, at a reload or a rotation.  For
 * one that cannot be opened that of another generation stays in use, which may
 * be the same: new rules must not wait for a log.  The configuration is changed
 * to say what is in use, so that a rotation of that file is followed.
 */
static void
master_logs_renew(
    struct logs *logs, const struct gen *gen, const struct gen *used)
{
	main_log_renew(logs, gen, used);
	access_logs_renew(logs, gen, used);
}

/*
 * Opens the logs of a generation again, as a rotation needs it: of the live
 * one, to which all write, or of one that is starting.
 */
static void
master_reopen_logs(struct gen *gen)
{
	struct logs logs;

	master_logs_renew(&logs, gen, gen);
	if (gen != m.live)
		gen_logs(gen, &logs);
	if (gen == m.live || m.live == NULL)
		master_use_logs(&logs);
	log_close(&gen->logs);
	gen->logs = logs;
}

/* Start and reload. */

/* Goes to another phase, which health checks are answered by. */
static void
master_phase(enum phase phase)
{
	m.phase = phase;
	if (m.live == NULL)
		return;
	atomic_store(&m.live->share->phase,
	    phase == STARTING      ? PHASE_STARTING
		: phase == RUNNING ? PHASE_SERVING
		: phase == LEAVING ? PHASE_LEAVING
				   : PHASE_DRAINING);
}

/* The first generation is ready. */
static void
master_started(struct gen *gen)
{
	gen->state = GEN_LIVE;
	m.live = gen;
	m.coming = NULL;
	gen->since = clock_ms();
	master_phase(RUNNING);
	guard_begin(gen);
	log_line(LOG_LEVEL_INFO, "Starting main loop. Accepting connections.");
}

static void master_wishes(void);

/* Answers the clients that wait for a reload: it has succeeded. */
static void
master_reloaded(void)
{
	char text[64];

	snprintf(text, sizeof(text), "generation %llu serves",
	    (unsigned long long)m.live->number);
	steward_done(0, text);
}

/* A new generation is ready: the old one leaves the sockets to it. */
static void
master_take_over(struct gen *gen)
{
	struct gen *old = m.live;

	m.coming = NULL;
	m.retry_at = 0;
	m.live = gen;
	gen->state = GEN_LIVE;
	gen->since = clock_ms();
	guard_begin(gen);
	master_use_logs(&gen->logs);
	if (sandbox_use(gen->conf->sandbox))
		sandbox_report();
	/* What the old control process has asked for is not lost. */
	master_wishes();
	steward_use(gen, clock_ms());
	steward_reloaded(true, "");
	gen_drain(old, gen, clock_ms());
	room_limit(gen->conf->max_draining, clock_ms());
	court_begin(gen, clock_ms());
}

/*
 * Starts the children of m.coming.  If there is no room for them, those that
 * have drained for the longest time end, and the reload is tried again then.
 */
static int
master_launch(void)
{
	int64_t now = clock_ms();
	int error;

	if (gen_start(m.coming, now) == 0)
		return 0;
	error = errno;
	if (room_lacks(error) && room_make(m.coming->nworkers, error, now))
		m.room_until = now + ROOM_TIME;
	else
		log_line(LOG_LEVEL_ERROR, "Cannot start the workers: %s",
		    strerror(error));
	return -1;
}

/* Starts the next generation, m.coming, with its configuration. */
static int
master_begin(struct gen *gen)
{
	int status = gen_identity(gen);

	if (status == 0 && gen_listen(gen, m.live) != 0)
		return -1;
	if (status == 0)
		status = steward_open(gen, m.live);
	if (status != 0) {
		m.status = status;
		return -1;
	}
	master_logs_renew(&gen->logs, gen, m.live);
	return master_launch();
}

static void
say_in_log(enum log_level level, const char *text)
{
	log_line(level, "%s", text);
}

/* Reads the configuration again, and starts a generation with it. */
static int
master_reload_begin(void)
{
	struct conf *conf;

	m.status = STATUS_CONF;
	conf = m.file != NULL ? conf_read(m.file, say_in_log, &m.status)
			      : conf_builtin();
	if (conf == NULL)
		return -1;
	m.status = STATUS_SYSTEM;
	m.coming = gen_new(conf, m.live->share);
	if (m.coming == NULL) {
		conf_free(conf);
		return -1;
	}
	steward_own(m.coming);
	return master_begin(m.coming);
}

/* Ends a generation that could not start. */
static void
master_give_up(void)
{
	if (m.coming == NULL)
		return;
	if (m.coming->state == GEN_FAILED && m.coming->status != 0)
		m.status = m.coming->status;
	m.coming->state = GEN_FAILED;
	steward_drop(m.coming);
	gen_kill(m.coming, clock_ms());
	m.coming = NULL;
}

static void
master_reload_failed(void)
{
	log_line(LOG_LEVEL_WARNING, "Reloading config file failed!");
	master_give_up();
	log_watch(NULL, 0);
	steward_reloaded(false, m.why);
	steward_done(m.status, "the reload has failed; see above or the log");
	service_failed("Reload", m.why);
	if (m.live->adopted)
		m.retry_at = clock_ms() + RETRY_TIME;
}

/* What the signals ask for. */

/*
 * SIGHUP, SIGUSR1: reopens the logs in any case.  The reload itself comes when
 * no other generation is starting.
 */
static void
master_reload_asked(void)
{
	if (m.live != NULL)
		master_reopen_logs(m.live);
	if (m.coming != NULL)
		master_reopen_logs(m.coming);
	if (m.phase >= LEAVING)
		return;
	if (m.coming != NULL && !m.reload_due)
		log_line(LOG_LEVEL_NOTICE,
		    "Reloading config file when the %s in progress is over",
		    m.phase == STARTING ? "start" : "reload");
	m.reload_due = true;
}

/*
 * A worker has shut down a listening socket.  A reload opens a new one, and
 * replaces the workers: they can do no harm to that.
 */
static void
master_sockets_broken(void)
{
	if (m.reload_due || m.coming != NULL)
		return;
	log_line(LOG_LEVEL_ERROR,
	    "A worker has shut down a listening socket; opening it anew, for "
	    "other workers");
	master_reload_asked();
}

/* Whether a generation is about to end, which makes room for another. */
static bool
is_making_room(void)
{
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		if (gen->stopped)
			return true;
	return false;
}

/* Whether a reload that was asked for can begin. */
static bool
reload_can_begin(int64_t now)
{
	return m.reload_due && m.coming == NULL &&
	    upgrade_state(now) == UPGRADE_NONE && m.phase == RUNNING &&
	    (now >= m.room_until || !is_making_room());
}

/* Tries to reload, now or, with m.room_until, when there is room. */
static void
master_try_reload(int64_t now)
{
	m.room_until = 0;
	if (room_is_short(m.live) && room_make(m.live->nworkers, EMFILE, now))
		m.room_until = now + ROOM_TIME;
	else if (master_reload_begin() != 0 && m.room_until == 0)
		master_reload_failed();
	if (m.room_until != 0)
		master_give_up();
	m.reload_due = m.room_until != 0;
}

/* Reloads what was asked for. */
static void
master_reload(int64_t now)
{
	if (m.room_until == 0) {
		log_line(LOG_LEVEL_NOTICE, "Reloading config file (%s)",
		    m.file != NULL ? m.file : "none, built-in");
		service_reloading();
		log_watch(m.why, sizeof(m.why));
		master_reloaded();
		steward_begin();
	}
	master_try_reload(now);
}

/* Whether an upgrade that was asked for can begin. */
static bool
upgrade_can_begin(int64_t now)
{
	return m.upgrade_due && m.coming == NULL && m.phase == RUNNING &&
	    !m.reload_due && upgrade_state(now) == UPGRADE_NONE;
}

/* Answers the one who has asked for an upgrade at the control socket. */
static void
upgrader_reply(int status, const char *text)
{
	steward_reply(m.upgrader, status, text);
	m.upgrader = -1;
}

/* SIGUSR2: asks for an upgrade, now or after what is in progress. */
static void
master_upgrade_asked(int64_t now)
{
	if (m.phase >= LEAVING) {
		log_line(LOG_LEVEL_WARNING, "No upgrade during a drain");
		return;
	}
	m.upgrade_due = true;
	if (!upgrade_can_begin(now))
		log_line(LOG_LEVEL_NOTICE,
		    "Upgrading when what is in progress is over");
}

/* Begins the trial run of the new program. */
static void
master_upgrade(int64_t now)
{
	m.upgrade_due = false;
	log_line(LOG_LEVEL_NOTICE, "Upgrading: trying the new program");
	upgrade_try(m.file, now);
}

static void
master_upgrade_failed(void)
{
	upgrade_end();
	log_line(LOG_LEVEL_ERROR,
	    "Upgrade failed: %s; going on with the program that runs",
	    upgrade_why());
	service_failed("Upgrade", upgrade_why());
	upgrader_reply(STATUS_SYSTEM, upgrade_why());
}

/* Whether a signal has come that master_obey() has not seen yet. */
static bool
is_signalled(void)
{
	return wants_stop || wants_drain || wants_reload || wants_upgrade ||
	    terms > 0;
}

/*
 * Becomes the new program.  Returns only if that has failed: whether there was
 * a judge.
 */
static bool
master_become(int64_t now)
{
	bool judged = court_end();

	log_line(LOG_LEVEL_NOTICE, "Upgrading");
	log_flush();
	upgrader_reply(0, "the new program takes over");
	upgrade_run(m.file, now);
	return judged;
}

/*
 * Looks how far the trial run is, and becomes the new program if that is right.
 * What this program has noted of a signal ends with it; so signals wait for the
 * next program from here on, and those that have come are obeyed first.  Returns
 * whether anything has changed.  tests/models/master.pml models this.
 */
static bool
master_check_upgrade(int64_t now)
{
	enum upgrade state = upgrade_state(now);
	bool signalled, judged = false;
	sigset_t every, before;

	if (state != UPGRADE_RIGHT && state != UPGRADE_FAILED)
		return false;
	if (state == UPGRADE_RIGHT) {
		sigfillset(&every);
		sigprocmask(SIG_SETMASK, &every, &before);
		signalled = is_signalled();
		if (!signalled)
			judged = master_become(now);
		sigprocmask(SIG_SETMASK, &before, NULL);
		if (signalled)
			return true;
	}
	if (judged)
		court_begin(m.live, now);
	master_upgrade_failed();
	return true;
}

/* Why nothing is begun any more, or NULL: it can be. */
static const char *
master_ends(void)
{
	if (m.phase == STOPPING)
		return "adit is stopping";
	return m.phase >= LEAVING ? "adit is draining" : NULL;
}

/* Gives up every reload and upgrade, and answers the clients that wait. */
static void
master_drop_plans(void)
{
	upgrade_end();
	upgrader_reply(STATUS_REFUSED, master_ends());
	steward_begin();
	steward_done(STATUS_REFUSED, master_ends());
	m.reload_due = m.upgrade_due = false;
	m.room_until = m.retry_at = 0;
}

/* SIGTERM, SIGINT: everything ends now.  The service manager knows why. */
static void
master_stop(void)
{
	int64_t kill_at = clock_ms() + STOP_TIME;

	log_line(LOG_LEVEL_NOTICE, "Shutting down.");
	master_phase(STOPPING);
	master_drop_plans();
	progress_end();
	court_end();
	service_stopping();
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		kill_at += gen_stop_time(gen);
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		gen_stop(gen, kill_at);
}

/* After DrainDelay: everything ends when the tunnels have ended. */
static void
master_drain(void)
{
	log_line(LOG_LEVEL_NOTICE,
	    "Draining: no new connections; stopping when all "
	    "tunnels have ended.");
	master_phase(DRAINING);
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		gen_continue(gen);
	m.live->announced = true;
	gen_drain(m.live, NULL, clock_ms());
}

/*
 * SIGQUIT: says first only that this proxy is not ready any more, so that those
 * who send it clients send them elsewhere before the listeners close.
 */
static void
master_leave(int64_t now)
{
	unsigned delay = m.live->conf->drain_delay;

	if (m.coming != NULL || m.room_until != 0)
		master_reload_failed();
	m.leave_at = now + delay * INT64_C(1000);
	master_phase(LEAVING);
	master_drop_plans();
	progress_begin(m.leave_at);
	if (delay == 0)
		return;
	log_line(LOG_LEVEL_NOTICE,
	    "Not ready any more: draining in %u second%s", delay,
	    delay == 1 ? "" : "s");
	service_leaving(delay);
}

/*
 * Whether a signal asks for a stop, or for a drain before there is anything.
 * With DrainOnTerm a first SIGTERM asks for no more than a drain.
 */
static bool
is_stop_due(void)
{
	if (terms == 1 && m.live != NULL && m.live->conf->drain_on_term)
		wants_drain = m.term_drains = true;
	return wants_stop || terms > (m.term_drains ? 1 : 0) ||
	    (wants_drain && m.phase == STARTING);
}

/* Begins what was asked for before, if it can; returns whether it did. */
static bool
master_begin_due(int64_t now)
{
	if (m.retry_at != 0 && now >= m.retry_at) {
		m.retry_at = 0;
		m.reload_due = true;
	}
	if (reload_can_begin(now))
		master_reload(now);
	else if (upgrade_can_begin(now))
		master_upgrade(now);
	else
		return false;
	return true;
}

/*
 * Does what the signals ask for; returns whether there was anything.  A reload
 * that is asked for during the start or another reload is done after that.
 * Before the start is over there are no tunnels to wait for.
 */
static bool
master_obey(int64_t now)
{
	if (m.phase == STOPPING)
		return false;
	if (is_stop_due()) {
		master_stop();
		return true;
	}
	if (wants_drain && m.phase == RUNNING) {
		master_leave(now);
		return true;
	}
	if (m.phase == LEAVING && now >= m.leave_at) {
		master_drain();
		return true;
	}
	if (wants_reload) {
		wants_reload = 0;
		master_reload_asked();
		return true;
	}
	if (wants_upgrade) {
		wants_upgrade = 0;
		master_upgrade_asked(now);
		return true;
	}
	return master_begin_due(now);
}

/* The loop. */

static void
master_reap(int64_t now)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) >
	    0) {
		if (upgrade_reap(pid, status) ||
		    steward_reap(pid, status, now) || court_reap(pid, status))
			continue;
		for (struct gen *gen = gen_first(); gen != NULL;
		     gen = gen->next)
			if (gen_reap(gen, pid, status, now))
				break;
	}
}

/*
 * Sees whether the generation that is starting is ready, or its start has
 * failed.  It is master_start() that deals with a failure of the first one.
 * Returns whether there was one of either.
 */
static bool
master_check_coming(void)
{
	if (m.coming == NULL || m.phase == STOPPING)
		return false;
	if (m.coming->state == GEN_FAILED) {
		if (m.phase == STARTING)
			return false;
		master_reload_failed();
		return true;
	}
	if (!gen_ready(m.coming))
		return false;
	if (m.phase == STARTING)
		master_started(m.coming);
	else
		master_take_over(m.coming);
	return true;
}

/* Whether a replaced generation may still take clients. */
static bool
is_leaving(const struct gen *gen)
{
	return gen->state == GEN_DRAINING && !gen->announced;
}

/*
 * Announces each replaced generation that has left the sockets.  After the last
 * one all new clients meet the new rules; then the reload is answered.  Returns
 * whether there was one.
 */
static bool
master_check_drained(void)
{
	bool any = false, leaving = false;

	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next) {
		if (is_leaving(gen) && !gen_drained(gen))
			leaving = true;
		if (!is_leaving(gen) || !gen_drained(gen))
			continue;
		gen->announced = any = true;
		log_line(LOG_LEVEL_NOTICE, "Reloading config file finished");
		if (m.phase == RUNNING && m.coming == NULL) {
			log_watch(NULL, 0);
			service_ready();
		}
	}
	if (any && !leaving && m.coming == NULL)
		master_reloaded();
	return any;
}

/*
 * Whether a generation can be freed: all its children have ended.  The live
 * one is the last, since the master writes to its logs.
 */
static bool
is_finished(const struct gen *gen)
{
	if (!gen->stopped || !gen_empty(gen))
		return false;
	return gen != m.live || (gen == gen_first() && gen->next == NULL);
}

/* Frees a generation; after the live one the log is standard error again. */
static void
master_free(struct gen *gen)
{
	if (gen == m.live)
		m.live = NULL;
	if (gen == m.coming)
		m.coming = NULL;
	if (m.live == NULL)
		master_log_to_stderr();
	steward_forget(gen);
	gen_free(gen);
}

/* Whether it is time to kill what is left of a generation. */
static bool
is_overdue(const struct gen *gen, int64_t now)
{
	return (gen->kill_at >= 0 && now >= gen->kill_at) ||
	    (gen->state == GEN_DRAINING && !gen->stopped && gen_over(gen));
}

/*
 * Ends the generations that have drained, or should have ended, and frees those
 * that have.  Returns whether there was one.
 */
static bool
master_tidy(int64_t now)
{
	struct gen *gen, *next;
	bool any = false;

	for (gen = gen_first(); gen != NULL; gen = next) {
		next = gen->next;
		if (is_overdue(gen, now)) {
			gen_kill(gen, now);
			any = true;
		}
		if (is_finished(gen)) {
			master_free(gen);
			any = true;
		}
	}
	return any;
}

/*
 * Ends the wait for children that do not answer, and sends them again what was
 * lost.  Returns whether any was given up.
 */
static bool
master_check_late(int64_t now)
{
	bool any = false;

	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next) {
		if (gen_late(gen, now))
			any = true;
		gen_resend(gen,
		    gen == m.coming || m.live == NULL ? &gen->logs
						      : &m.live->logs,
		    now);
	}
	return any;
}

/* How long the master may sleep, in ms; -1: for ever. */
static int
master_sleep_time(int64_t now)
{
	int64_t until =
	    m.phase == RUNNING && m.room_until != 0 ? m.room_until : -1;

	if (m.phase == LEAVING)
		until = m.leave_at;
	if (m.retry_at != 0)
		until = clock_earlier(until, m.retry_at);
	until = clock_earlier(until, upgrade_next());
	until = clock_earlier(until, progress_next());
	until = clock_earlier(until, steward_restart_next());
	until = clock_earlier(until, court_next());
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next) {
		until = clock_earlier(until, gen->kill_at);
		until = clock_earlier(until, gen_restart_next(gen));
		until = clock_earlier(until, gen_due_next(gen));
		until = clock_earlier(until, guard_look_next(gen));
	}
	return clock_sleep(until, now);
}

/* Sleeps until something happens. */
static void
master_sleep(void)
{
	static struct pollfd pfds[3 + 2 * SLOTS_MAX + 2 * CHILDREN_MAX];
	size_t n = 1;
	char bytes[64];

	pfds[0] = (struct pollfd){ .fd = signals[0], .events = POLLIN };
	n += steward_watch(pfds + n);
	n += court_watch(pfds + n);
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		if (n + CHILDREN_MAX <= sizeof(pfds) / sizeof(*pfds))
			n += gen_watch(gen, pfds + n);
	poll(pfds, (nfds_t)n, master_sleep_time(clock_ms()));
	while (read(signals[0], bytes, sizeof(bytes)) == sizeof(bytes))
		;
}

/*
 * Does what can be done now.  Returns whether anything was done, since that may
 * allow more: nothing else wakes the master for it.
 */
static bool
master_step(int64_t now)
{
	bool obeyed = master_obey(now), late = master_check_late(now),
	     came = master_check_coming(), left = master_check_drained(),
	     ended = master_tidy(now), tried = master_check_upgrade(now);

	return obeyed || late || came || left || ended || tried;
}

/* Does, or remembers, what somebody wants at the control socket. */
static void
wish_grant(const struct wish_message *wish, int client)
{
	const char *ends = master_ends();

	if (ends != NULL &&
	    (wish->wish == WISH_RELOAD || wish->wish == WISH_UPGRADE)) {
		steward_reply(client, STATUS_REFUSED, ends);
		return;
	}
	switch (wish->wish) {
	case WISH_RELOAD:
		steward_keep(client);
		wants_reload = 1;
		return;
	case WISH_REOPEN:
		if (m.live != NULL)
			master_reopen_logs(m.live);
		break;
	case WISH_DRAIN:
		wants_drain = 1;
		break;
	case WISH_STOP:
		wants_stop = 1;
		break;
	case WISH_LEVEL:
		if (m.live == NULL || wish->level > LOG_LEVEL_INFO)
			break;
		m.live->logs.level = wish->level;
		master_use_logs(&m.live->logs);
		break;
	case WISH_UPGRADE:
		steward_reply(m.upgrader, STATUS_REFUSED,
		    "another upgrade was asked for");
		m.upgrader = client;
		wants_upgrade = 1;
		return;
	case WISH_SESSIONS:
		steward_reply(client, STATUS_REFUSED, "this is not possible");
		return;
	}
	steward_reply(client, 0, "");
}

static void
master_wishes(void)
{
	struct wish_message wish;
	int client;

	while (steward_wish(&wish, &client))
		wish_grant(&wish, client);
}

/* Shows the control process what is so now. */
static void
master_show(void)
{
	static const enum board_phase phases[] = { [STARTING] = BOARD_STARTING,
		[RUNNING] = BOARD_RUNNING,
		[LEAVING] = BOARD_LEAVING,
		[DRAINING] = BOARD_DRAINING,
		[STOPPING] = BOARD_STOPPING };

	steward_show(phases[m.phase], m.live != NULL ? m.live : m.coming);
}

/* One turn: sleeps, then does all that can be done without waiting. */
static void
master_turn(void)
{
	int64_t now;

	master_sleep();
	now = clock_ms();
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		gen_notes(gen);
	master_reap(now);
	master_wishes();
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		if (guard_look(gen, now))
			master_sockets_broken();
	while (master_step(now))
		;
	steward_restart(now);
	court_serve(now);
	court_check(now);
	master_show();
	if (m.phase == DRAINING)
		progress_look(now);
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		gen_restart(gen, now);
}

/*
 * Waits until the first generation, whose children have been started, is ready
 * and accepts clients.  Returns MASTER_FAILED if that cannot be: then all its
 * children have ended, so that nobody holds the sockets, and the generation is
 * freed; *status is what to exit with.  Returns MASTER_STOPPED if a signal has
 * ended the start.
 */
enum master_start
master_start(struct gen *gen, int *status)
{
	m.coming = gen;
	steward_use(gen, clock_ms());
	while (m.phase == STARTING && gen->state != GEN_FAILED)
		master_turn();
	if (m.phase != STARTING)
		return m.phase == RUNNING ? MASTER_READY : MASTER_STOPPED;
	*status = gen->status;
	gen_kill(gen, clock_ms());
	/* They may have ended already. */
	master_tidy(clock_ms());
	while (gen_first() != NULL)
		master_turn();
	return MASTER_FAILED;
}

/*
 * Goes on with a generation that another program has started, and puts one of
 * this program in its place.
 */
void
master_resume(struct gen *live)
{
	m.live = live;
	master_phase(RUNNING);
	m.reload_due = true;
	/* Children may have died, and signals come, before they were caught. */
	if (write(signals[1], "", 1) != 1)
		log_line(LOG_LEVEL_WARNING, "pipe: %s", strerror(errno));
}

/* Runs until a signal has asked for the end and nothing is left. */
void
master_run(void)
{
	while (gen_first() != NULL)
		master_turn();
	court_end();
	if (m.phase == DRAINING)
		service_stopping();
}
