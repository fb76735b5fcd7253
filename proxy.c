/* SPDX-License-Identifier: ISC */
/*
 * The master: reads the options and the configuration, becomes a daemon,
 * binds, writes the PID file, starts the first generation, and then only
 * waits.  It restarts children, reloads, reopens logs and stops.  It keeps
 * its rights for that, and never reads a byte that a client sent.
 *
 *     master --+-- worker x N    see worker.c
 *              +-- desk, helper x M    see desk.c
 */
#define _XOPEN_SOURCE 700

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "bounds.h"
#include "clock.h"
#include "compiler.h"
#include "conf.h"
#include "directives.h"
#include "explain.h"
#include "gen.h"
#include "hints.h"
#include "log.h"
#include "program.h"
#include "quota.h"
#include "safefile.h"
#include "service.h"
#include "share.h"
#include "sys.h"

enum {
	STOP_TIME =
	    5000 /* ms for the workers to leave before they are killed */
};

struct options {
	bool foreground, test, print;
	const char *file; /* as given, or NULL */
	char **request;   /* client, user and target to explain, or NULL */
};

enum phase { STARTING, RUNNING, DRAINING, STOPPING };

static struct {
	enum phase phase;
	bool foreground;
	char *file;  /* absolute path of the configuration, or NULL */
	int starter; /* where the waiting parent learns the outcome, or -1 */
	struct share *share;
	struct gen *live, *coming;
	int64_t kill_at; /* STOPPING: ms, the end of patience */
	char *pidfile;
	int pid_fd; /* of the PID file, so that it stays another than others */
} m = { .starter = -1, .pid_fd = -1 };

/* What the signals ask for, until it is done. */
static volatile sig_atomic_t wants_stop, wants_drain, wants_reload;
static int signals[2]; /* a byte for each signal goes in at 1, to wake us */

/* Start-up.  Errors are fatal from here to the line that says otherwise. */

static void
stderr_line(const char *format, va_list ap)
{
	fprintf(stderr, "%s: ", program);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
}

static void
pidfile_remove(void)
{
	if (m.pidfile == NULL)
		return;
	if (safefile_remove(m.pidfile, m.pid_fd) != 0)
		log_line(LOG_LEVEL_WARNING, "PidFile %s: %s", m.pidfile,
		    strerror(errno));
	free(m.pidfile);
	m.pidfile = NULL;
}

/* Tells whoever waits for the daemon how the start went. */
static void
starter_tell(int status)
{
	unsigned char byte = (unsigned char)status;

	if (m.starter < 0)
		return;
	if (write(m.starter, &byte, 1) != 1)
		log_line(LOG_LEVEL_WARNING, "Nobody waits for the start");
	close(m.starter);
	m.starter = -1;
}

static _Noreturn void fail(int, const char *, ...) PRINTF_LIKE(2, 3);

/* Ends a start that has failed. */
static _Noreturn void
quit(int status)
{
	pidfile_remove();
	starter_tell(status);
	exit(status);
}

static _Noreturn void
fail(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	stderr_line(format, ap);
	va_end(ap);
	quit(status);
}

static void
usage(FILE *f)
{
	fprintf(f,
	    "usage: %s [-dhTtv] [-c file]\n"
	    "       %s -t [-c file] client user target\n"
	    "  -c file  read this configuration file\n"
	    "  -d       stay in the foreground\n"
	    "  -h       show this help\n"
	    "  -T       print the configuration in effect, defaults included\n"
	    "  -t       check the configuration and exit; or explain what it\n"
	    "           answers to a client (an address), a user (or -) and a\n"
	    "           target (host:port, or a URL)\n"
	    "  -v       show the version\n"
	    "The default file is %s; see adit(8).\n",
	    program, program, program_conf);
}

static void
options_parse(struct options *o, int argc, char **argv)
{
	int c;

	*o = (struct options){ .file = NULL };
	while ((c = getopt(argc, argv, "c:dhTtv")) != -1)
		switch (c) {
		case 'c':
			o->file = optarg;
			break;
		case 'd':
			o->foreground = true;
			break;
		case 'T':
			o->print = true;
			break;
		case 't':
			o->test = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		case 'v':
			printf("%s %s\n", program, ADIT_VERSION);
			exit(0);
		default:
			usage(stderr);
			exit(STATUS_USAGE);
		}
	o->test = o->test || o->print;
	if (o->test && !o->print && argc - optind == 3) {
		o->request = argv + optind;
	} else if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument: %s\n", program,
		    argv[optind]);
		usage(stderr);
		exit(STATUS_USAGE);
	}
}

static void
say_on_stderr(enum log_level level, const char *text)
{
	(void)level;
	fprintf(stderr, "%s\n", text);
}

static void
say_in_log(enum log_level level, const char *text)
{
	log_line(level, "%s", text);
}

/* Makes a path absolute, for a daemon that reads it again; links stay. */
static char *
path_absolute(const char *path)
{
	char cwd[4096], *whole;
	size_t size;

	if (path[0] == '/')
		return strdup(path);
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return NULL;
	size = strlen(cwd) + 1 + strlen(path) + 1;
	whole = malloc(size);
	if (whole != NULL)
		snprintf(whole, size, "%s/%s", cwd, path);
	return whole;
}

/*
 * The configuration to start with, or NULL after messages on stderr, with the
 * exit status.
 */
static struct conf *
conf_first(const char *given, int *status)
{
	const char *file = given != NULL ? given : program_conf;
	struct conf *conf;

	if (given == NULL && access(file, F_OK) != 0 && errno == ENOENT) {
		conf = conf_builtin();
		if (conf == NULL)
			fail(STATUS_SYSTEM, "%s", strerror(ENOMEM));
		return conf;
	}
	m.file = path_absolute(file);
	if (m.file == NULL || access(m.file, R_OK) != 0)
		fail(STATUS_CONF, "%s: %s", file, strerror(errno));
	return conf_read(m.file, say_on_stderr, status);
}

/* As many descriptors as we may have; children inherit that. */
static void
descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* The parent's part: waits for the daemon, and ends as it says. */
static _Noreturn void
wait_for_daemon(int from)
{
	unsigned char status;

	if (read(from, &status, 1) != 1)
		status = STATUS_SYSTEM;
	_exit(status);
}

/*
 * Becomes a daemon, whose parent waits.  Standard error is kept until the
 * start has succeeded, so that its messages are seen.
 */
static void
daemonise(void)
{
	int outcome[2];
	pid_t pid;

	if (pipe(outcome) != 0 || (pid = fork()) < 0)
		fail(STATUS_SYSTEM, "cannot become a daemon: %s",
		    strerror(errno));
	if (pid > 0) {
		close(outcome[1]);
		wait_for_daemon(outcome[0]);
	}
	close(outcome[0]);
	m.starter = outcome[1];
	gen_private(&m.starter);
	if (setsid() < 0 || (pid = fork()) < 0)
		fail(STATUS_SYSTEM, "cannot become a daemon: %s",
		    strerror(errno));
	if (pid > 0)
		_exit(0);
	if (chdir("/") != 0)
		fail(STATUS_SYSTEM, "/: %s", strerror(errno));
}

/*
 * Descriptors 0 to 2 must be open before any other is, or a socket would be
 * taken for the standard error; and no others, which the workers would get,
 * but the sockets that a service manager has handed over.
 */
static void
standard_descriptors(void)
{
	int fd;

	sys_close_from(SERVICE_FIRST + (int)service_init());
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

/*
 * Writes the PID file.  What is there is never written to: it may be another
 * user's, or a second name of something else.
 */
static void
pidfile_write(const char *path)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (path == NULL)
		return;
	m.pid_fd = safefile_create(path);
	if (m.pid_fd < 0)
		fail(STATUS_SYSTEM, "PidFile %s: %s", path, strerror(errno));
	gen_private(&m.pid_fd);
	m.pidfile = strdup(path);
	if (m.pidfile == NULL || fchmod(m.pid_fd, 0644) != 0 ||
	    write(m.pid_fd, text, (size_t)len) != len)
		fail(STATUS_SYSTEM, "PidFile %s: %s", path, strerror(errno));
}

static void
on_signal(int signo)
{
	int error = errno;

	if (signo == SIGTERM || signo == SIGINT)
		wants_stop = 1;
	else if (signo == SIGQUIT)
		wants_drain = 1;
	else if (signo == SIGHUP || signo == SIGUSR1)
		wants_reload = 1;
	/* A full pipe wakes the master as well. */
	if (write(signals[1], "", 1) != 1)
		errno = error;
	errno = error;
}

static void
signals_catch(void)
{
	static const int caught[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1,
		SIGCHLD };
	struct sigaction sa;

	if (pipe(signals) != 0)
		fail(STATUS_SYSTEM, "pipe: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		fcntl(signals[i], F_SETFL, O_NONBLOCK);
		gen_private(&signals[i]);
	}
	memset(&sa, 0, sizeof(sa));
	sigfillset(&sa.sa_mask);
	sa.sa_flags = SA_RESTART;
	sa.sa_handler = on_signal;
	for (size_t i = 0; i < sizeof(caught) / sizeof(*caught); i++)
		sigaction(caught[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* The first lines that somebody sees who just tries it. */
static void
greet(const struct gen *gen)
{
	char at[ADDR_TEXT_SIZE];

	if (!m.foreground || gen->conf->file != NULL)
		return;
	addr_text_port(&gen->listening[0], at);
	printf("%s %s listens on %s (no configuration file); try:\n"
	       "    curl -x http://%s https://example.com/\n",
	    program, ADIT_VERSION, at, at);
	fflush(stdout);
}

static void
log_start(const struct gen *gen)
{
	char at[ADDR_TEXT_SIZE];

	log_line(
	    LOG_LEVEL_NOTICE, "Initializing %s %s ...", program, ADIT_VERSION);
	for (size_t i = 0; i < gen->nlisteners; i++)
		log_line(LOG_LEVEL_INFO, "Listening on %s",
		    addr_text_port(&gen->listening[i], at));
	if (gen->given)
		log_line(LOG_LEVEL_INFO,
		    "The sockets come from the service manager; Port and "
		    "Listen have no effect.");
	if (!gen->drop)
		log_line(LOG_LEVEL_INFO,
		    "Not running as root, so not changing UID/GID.");
}

/* Until there is a log, its lines go to standard error. */
static const struct logs on_stderr = { STDERR_FILENO, -1, false,
	LOG_LEVEL_NOTICE, true };

/* What all processes share from now on, or NULL with errno. */
static struct share *
share_new(void)
{
	struct share *share = sys_share(sizeof(*share));
	unsigned char bytes[TOKEN_SIZE / 2];

	if (share == NULL || sys_random(bytes, sizeof(bytes)) != 0)
		return NULL;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(share->token + 2 * i, 3, "%02x", (unsigned)bytes[i]);
	return share;
}

/* The first generation, still without anything that others could see. */
static struct gen *
prepare(const char *file)
{
	int status = STATUS_CONF;
	struct conf *conf = conf_first(file, &status);
	struct gen *gen;

	if (conf == NULL)
		quit(status);
	m.share = share_new();
	if (m.share == NULL || (gen = gen_new(conf, m.share)) == NULL)
		fail(STATUS_SYSTEM, "%s", strerror(errno));
	if (quota_init(m.share) != 0)
		fail(STATUS_SYSTEM, "random bytes: %s", strerror(errno));
	status = gen_identity(gen);
	if (status != 0)
		quit(status);
	return gen;
}

/*
 * Opens the logs that a configuration names; in the foreground standard output
 * is the log when it names none.  Returns as log_open() does.
 */
static const char *
logs_open(struct logs *logs, const struct conf *conf)
{
	struct log_places places = { .file = conf->logfile,
		.access = conf->accesslog,
		.syslog = conf->syslog,
		.level = conf->loglevel };

	if (places.file == NULL && m.foreground)
		places.file = "/dev/stdout";
	return log_open(logs, &places);
}

static void
start(struct gen *gen)
{
	const struct conf *conf = gen->conf;
	const char *path;

	if (gen_listen(gen, NULL) != 0)
		quit(STATUS_SYSTEM);
	path = logs_open(&gen->logs, conf);
	if (path != NULL)
		fail(STATUS_SYSTEM, "%s: %s", path, strerror(errno));
	if (!m.foreground && conf->logfile == NULL && !conf->syslog)
		fprintf(stderr,
		    "%s: warning: no LogFile and no Syslog, so "
		    "that nothing is logged\n",
		    program);
	pidfile_write(conf->pidfile);
	greet(gen);
	log_use(&gen->logs);
	log_start(gen);
	if (gen_start(gen, clock_ms()) != 0)
		fail(STATUS_SYSTEM, "cannot start the workers: %s",
		    strerror(errno));
	m.coming = gen;
}

/* ---- From here on no error is fatal, once the children are ready. ---- */

static void
log_all(const struct logs *logs)
{
	log_use(logs);
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		if (gen != m.coming)
			gen_logs(gen, logs);
}

/* The first generation is ready. */
static void
started(struct gen *gen)
{
	gen->state = GEN_LIVE;
	m.live = gen;
	m.coming = NULL;
	m.phase = RUNNING;
	gen_accept(gen);
	log_line(LOG_LEVEL_INFO, "Starting main loop. Accepting connections.");
	log_detach();
	starter_tell(0);
	service_ready();
}

/* A new generation is ready: the old one leaves the sockets to it. */
static void
take_over(struct gen *gen)
{
	struct gen *old = m.live;

	m.coming = NULL;
	m.live = gen;
	gen->state = GEN_LIVE;
	gen_accept(gen);
	log_all(&gen->logs);
	log_close(&old->logs);
	gen_drain(old, gen, clock_ms());
}

/* Opens the log files again, for a rotation; all processes go over. */
static void
logs_reopen(void)
{
	struct logs logs;
	const char *path = logs_open(&logs, m.live->conf);

	if (path != NULL) {
		log_line(LOG_LEVEL_ERROR, "Cannot reopen %s: %s", path,
		    strerror(errno));
		return;
	}
	log_all(&logs);
	log_close(&m.live->logs);
	m.live->logs = logs;
}

/* Reads the configuration and starts a generation with it. */
static int
reload_begin(void)
{
	struct conf *conf = m.file != NULL ? conf_read(m.file, say_in_log, NULL)
					   : conf_builtin();
	struct gen *gen;
	const char *path;

	if (conf == NULL)
		return -1;
	gen = gen_new(conf, m.share);
	if (gen == NULL) {
		conf_free(conf);
		return -1;
	}
	m.coming = gen;
	if (gen_identity(gen) != 0 || gen_listen(gen, m.live) != 0)
		return -1;
	path = logs_open(&gen->logs, conf);
	if (path != NULL) {
		log_line(LOG_LEVEL_ERROR, "Cannot open %s: %s", path,
		    strerror(errno));
		return -1;
	}
	if (gen_start(gen, clock_ms()) == 0)
		return 0;
	log_line(
	    LOG_LEVEL_ERROR, "Cannot start the workers: %s", strerror(errno));
	return -1;
}

static void
reload_failed(void)
{
	log_line(LOG_LEVEL_WARNING, "Reloading config file failed!");
	if (m.coming != NULL) {
		m.coming->state = GEN_FAILED;
		gen_stop(m.coming, true);
	}
	m.coming = NULL;
	if (m.phase == RUNNING)
		service_ready();
}

/* SIGHUP, SIGUSR1: the logs anew in any case, and the configuration. */
static void
reload(void)
{
	logs_reopen();
	if (m.phase == DRAINING)
		return;
	log_line(LOG_LEVEL_NOTICE, "Reloading config file (%s)",
	    m.file != NULL ? m.file : "none, built-in");
	service_reloading();
	if (reload_begin() != 0)
		reload_failed();
}

/* SIGTERM, SIGINT: all ends now. */
static void
stop(void)
{
	log_line(LOG_LEVEL_NOTICE, "Shutting down.");
	service_stopping();
	m.phase = STOPPING;
	m.kill_at = clock_ms() + STOP_TIME;
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		gen_stop(gen, false);
}

/* SIGQUIT: all ends when the tunnels have. */
static void
drain(void)
{
	log_line(LOG_LEVEL_NOTICE,
	    "Draining: no new connections, and the end "
	    "when the tunnels have ended.");
	m.phase = DRAINING;
	if (m.coming != NULL)
		reload_failed();
	service_stopping();
	m.live->announced = true;
	gen_drain(m.live, NULL, clock_ms());
}

/* Does what the signals ask for, or leaves it for when it can be done. */
static void
obey(void)
{
	if (wants_stop && m.phase != STOPPING)
		stop();
	if (wants_drain && m.phase == RUNNING)
		drain();
	if (wants_reload && m.coming == NULL &&
	    (m.phase == RUNNING || m.phase == DRAINING)) {
		wants_reload = 0;
		reload();
	}
}

static void
reap(int64_t now)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0)
		for (struct gen *gen = gen_first(); gen != NULL;
		     gen = gen->next)
			if (gen_reap(gen, pid, status, now))
				break;
}

/* What became of the generation that is starting. */
static void
coming_check(void)
{
	if (m.coming == NULL || m.phase == STOPPING)
		return;
	if (m.coming->state == GEN_FAILED) {
		if (m.phase == STARTING) {
			fprintf(
			    stderr, "%s: a child could not start\n", program);
			quit(m.coming->status);
		}
		reload_failed();
	} else if (gen_ready(m.coming)) {
		if (m.phase == STARTING)
			started(m.coming);
		else
			take_over(m.coming);
	}
}

/* Says of each replaced generation when it has left the sockets. */
static void
drained_check(void)
{
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next) {
		if (gen->state != GEN_DRAINING || gen->announced ||
		    !gen_drained(gen))
			continue;
		gen->announced = true;
		log_line(LOG_LEVEL_NOTICE, "Reloading config file finished");
		if (m.phase == RUNNING && m.coming == NULL)
			service_ready();
	}
}

/* Ends and frees the generations that nothing is left of. */
static void
gens_tidy(int64_t now)
{
	struct gen *gen, *next;

	for (gen = gen_first(); gen != NULL; gen = next) {
		next = gen->next;
		if (gen->state == GEN_DRAINING && !gen->stopped &&
		    (gen_over(gen) || now >= gen->kill_at))
			gen_stop(gen, true);
		/* The live one goes last: its logs are the master's. */
		if (!gen->stopped || !gen_empty(gen) ||
		    (gen == m.live &&
			(gen != gen_first() || gen->next != NULL)))
			continue;
		if (gen == m.live)
			m.live = NULL;
		if (gen == m.coming)
			m.coming = NULL;
		if (m.live == NULL)
			log_use(&on_stderr);
		gen_free(gen);
	}
}

/* How long the master may sleep, in ms; -1 for ever. */
static int
sleep_time(int64_t now)
{
	int64_t until = m.phase == STOPPING ? m.kill_at : -1;

	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next) {
		int64_t at = gen_restart_next(gen);

		if (gen->state == GEN_DRAINING && !gen->stopped)
			at = gen->kill_at;
		until = clock_earlier(until, at);
	}
	return clock_sleep(until, now);
}

/* Sleeps until something happens. */
static void
wait_for_events(void)
{
	static struct pollfd pfds[1 + SLOTS_MAX * 2];
	size_t n = 1;
	char bytes[64];

	pfds[0] = (struct pollfd){ .fd = signals[0], .events = POLLIN };
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		if (n + CHILDREN_MAX <= sizeof(pfds) / sizeof(*pfds))
			n += gen_watch(gen, pfds + n);
	poll(pfds, (nfds_t)n, sleep_time(clock_ms()));
	while (read(signals[0], bytes, sizeof(bytes)) == sizeof(bytes))
		;
}

/* The patience with those who should have left is over. */
static void
kill_all(int64_t now)
{
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		gen_stop(gen, true);
	m.kill_at = now + STOP_TIME;
}

/* One turn of the master's loop. */
static void
turn(void)
{
	int64_t now;

	wait_for_events();
	now = clock_ms();
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		gen_notes(gen);
	reap(now);
	obey();
	if (m.phase == STOPPING && now >= m.kill_at)
		kill_all(now);
	coming_check();
	drained_check();
	gens_tidy(now);
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		gen_restart(gen, now);
}

/* What -T prints, or -t says, of a configuration.  Returns the exit status. */
static int
test(const struct options *o, const struct conf *conf)
{
	char **request = o->request;
	struct addr client;

	if (o->print && directives_print(conf, stdout) != 0)
		fail(STATUS_SYSTEM, "standard output: %s", strerror(errno));
	if (o->print)
		return 0;
	if (request == NULL) {
		hints_print(conf);
		printf("%s: %s: the configuration is right\n", program,
		    m.file != NULL ? m.file : "none, built-in");
		return 0;
	}
	if (addr_parse(&client, request[0]) != 0)
		fail(STATUS_USAGE, "\"%s\" is not an IPv4 or IPv6 address",
		    request[0]);
	return explain(conf, &client, request[1], request[2]) ? 0
							      : STATUS_REFUSED;
}

int
main(int argc, char **argv)
{
	struct options options;
	struct gen *gen;

	standard_descriptors();
	options_parse(&options, argc, argv);
	m.foreground = options.foreground;
	umask(027);
	log_init(m.foreground || options.test);
	log_use(&on_stderr);
	gen = prepare(options.file);
	if (options.test)
		return test(&options, gen->conf);
	descriptors_raise();
	if (!m.foreground)
		daemonise();
	signals_catch();
	start(gen);
	while (gen_first() != NULL)
		turn();
	pidfile_remove();
	free(m.file);
	return 0;
}
