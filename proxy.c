/* SPDX-License-Identifier: ISC */
/*
 * The program and its start: reads the options and the configuration, becomes
 * a daemon, binds, writes the PID file and starts the first generation of
 * children.  The rest is the master's loop.  The master keeps the rights that
 * it was started with, and never reads a byte that a client sent.
 *
 *     master             master/master.c
 *       |
 *       +-- worker x N   worker.c
 *       |
 *       +-- control      control/control.c, with StatusListen or ControlSocket
 *       |
 *       +-- desk         desk/desk.c
 *             |
 *             +-- helper x M   desk/helper.c
 */
#define _XOPEN_SOURCE 700

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "batch.h"
#include "bounds.h"
#include "child.h"
#include "clock.h"
#include "compiler.h"
#include "conf.h"
#include "directives.h"
#include "explain.h"
#include "adopt.h"
#include "gen.h"
#include "handover.h"
#include "hints.h"
#include "learn.h"
#include "log.h"
#include "master.h"
#include "near.h"
#include "program.h"
#include "quota.h"
#include "quote.h"
#include "safefile.h"
#include "sandbox.h"
#include "service.h"
#include "share.h"
#include "steer.h"
#include "steward.h"
#include "sys.h"
#include "text.h"
#include "trial.h"
#include "upgrade.h"
#include "via.h"

struct options {
	bool foreground, test, print, upgrade;
	const char *file; /* as given, or NULL */
	bool steer;       /* -s: the operands are a command */
	struct steer asked;
	int nwords;
	char **words;
	char **request;      /* client, user and target to explain, or NULL */
	const char *list;    /* -f: a file of such requests, or NULL */
	const char *reports; /* -r: a DecisionLog, or NULL */
};

static struct {
	bool foreground;
	char *file;  /* absolute path of the configuration, or NULL */
	int starter; /* tells the waiting parent the exit status, or -1 */
	char *pidfile;
	int pid_fd; /* kept open, so that no other file is taken for it */
} p = { .starter = -1, .pid_fd = -1 };

/* Every error in this file is fatal: the program has not started yet. */

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
	if (p.pidfile == NULL)
		return;
	if (safefile_remove(p.pidfile, p.pid_fd) != 0)
		log_line(LOG_LEVEL_WARNING, "PidFile %s: %s", p.pidfile,
		    strerror(errno));
	free(p.pidfile);
	p.pidfile = NULL;
}

/* Tells the process that waits for the daemon how the start went. */
static void
starter_tell(int status)
{
	unsigned char byte = (unsigned char)status;

	if (p.starter < 0)
		return;
	if (write(p.starter, &byte, 1) != 1)
		log_line(LOG_LEVEL_WARNING, "Nobody waits for the daemon");
	close(p.starter);
	p.starter = -1;
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

/* Prints the place of a directive, as "file:line: ", without an end. */
static void
print_place(FILE *out, const char *directive, size_t nth)
{
	if (p.file != NULL)
		quote_place(out, p.file, directive, nth);
	else
		fprintf(out, "%s: ", program);
}

static _Noreturn void fail_at(const char *, size_t, const char *, ...)
    PRINTF_LIKE(3, 4);

/*
 * Ends a start because of the nth line with a directive, or the last for 0; the
 * message has the place of that.
 */
static _Noreturn void
fail_at(const char *directive, size_t nth, const char *format, ...)
{
	va_list ap;

	print_place(stderr, directive, nth);
	fprintf(stderr, "%s: ", directive);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	quit(STATUS_SYSTEM);
}

static void
usage(FILE *f)
{
	fprintf(f,
	    "usage: %s [-dhTtUv] [-c file]\n"
	    "       %s -t [-c file] client user target\n"
	    "       %s -t [-c file] -f file\n"
	    "       %s -t -r file [user] [client]\n"
	    "       %s -s [-j] [-S path] [-c file] command [argument ...]\n"
	    "  -c file  read this configuration file\n"
	    "  -d       stay in the foreground\n"
	    "  -f file  judge the requests in this file (- is the standard\n"
	    "           input); each line has client, user, target and, if\n"
	    "           you like, the verdict that it must have\n"
	    "  -h       show this help, as --help does\n"
	    "  -r file  print an AllowTo for each target that this DecisionLog\n"
	    "           reports, for these users and clients only if asked\n"
	    "  -s       ask a running adit, or steer it: status, ready,\n"
	    "           sessions, top, kill, reload, reopen, drain, stop,\n"
	    "           upgrade or log; -j: as JSON; -S path: its socket\n"
	    "  -T       print the configuration in effect, defaults included\n"
	    "  -t       check the configuration and exit; or explain what it\n"
	    "           answers to a client (an address, after a load\n"
	    "           balancer client@balancer), a user (or -) and a target\n"
	    "           (host:port, or a URL)\n"
	    "  -U       check as -t does, for an upgrade of a running adit\n"
	    "  -v       show the version, as --version does\n"
	    "The default file is %s; see adit(8).\n",
	    program, program, program, program, program, program_conf);
}

static _Noreturn void
usage_fail(const char *what, const char *argument)
{
	fprintf(stderr, "%s: %s%s\n", program, what, argument);
	usage(stderr);
	exit(STATUS_USAGE);
}

static _Noreturn void
help(void)
{
	usage(stdout);
	exit(0);
}

static _Noreturn void
version(void)
{
	printf("%s %s\n", program, ADIT_VERSION);
	exit(0);
}

/* An option that begins with two dashes. */
static _Noreturn void
long_option(const char *name)
{
	static const char *const names[] = { "help", "version" };
	const char *near = text_near(name, names, 2);

	if (strcmp(name, "help") == 0)
		help();
	if (strcmp(name, "version") == 0)
		version();
	fprintf(stderr, "%s: unknown option: --%s", program, name);
	if (near != NULL)
		fprintf(stderr, "; did you mean --%s?", near);
	fputc('\n', stderr);
	usage(stderr);
	exit(STATUS_USAGE);
}

/* Takes what follows the options: nothing, or a request to explain. */
static void
operands_take(struct options *o, int n, char **operands)
{
	o->words = operands;
	o->nwords = n;
	if (o->steer)
		return;
	if (o->list != NULL && (!o->test || o->print || o->upgrade))
		usage_fail("-f goes with -t: ", o->list);
	if (o->reports != NULL &&
	    (!o->test || o->print || o->upgrade || o->list != NULL))
		usage_fail("-r goes with -t alone: ", o->reports);
	if (o->reports != NULL)
		return;
	if (o->list != NULL && n > 0)
		usage_fail("with -f there is no other request: ", operands[0]);
	if (n == 3 && o->test && !o->print)
		o->request = operands;
	else if (n > 3 && o->test && !o->print)
		usage_fail("unexpected argument: ", operands[3]);
	else if (n > 0 && o->test && !o->print)
		usage_fail("a request needs client, user and target; without "
			   "a user write -",
		    "");
	else if (n > 0)
		usage_fail("unexpected argument: ", operands[0]);
}

static void
options_parse(struct options *o, int argc, char **argv)
{
	int c;

	*o = (struct options){ .file = NULL };
	while ((c = getopt(argc, argv, "+c:df:hjr:S:sTtUv-:")) != -1)
		switch (c) {
		case 'c':
			o->file = optarg;
			break;
		case 'd':
			o->foreground = true;
			break;
		case 'f':
			o->list = optarg;
			break;
		case 'j':
			o->asked.json = true;
			break;
		case 'r':
			o->reports = optarg;
			break;
		case 'S':
			o->asked.socket = optarg;
			break;
		case 's':
			o->steer = true;
			break;
		case 'T':
			o->print = true;
			break;
		case 't':
			o->test = true;
			break;
		case 'U':
			o->upgrade = o->test = true;
			break;
		case 'h':
			help();
		case 'v':
			version();
		case '-':
			long_option(optarg);
		default:
			usage(stderr);
			exit(STATUS_USAGE);
		}
	o->test = o->test || o->print;
	operands_take(o, argc - optind, argv + optind);
}

static void
say_on_stderr(enum log_level level, const char *text)
{
	(void)level;
	fprintf(stderr, "%s\n", text);
}

static void
say_nothing(enum log_level level, const char *text)
{
	(void)level;
	(void)text;
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
	p.file = path_absolute(file);
	if (p.file == NULL || access(p.file, R_OK) != 0)
		fail(STATUS_CONF, "%s: %s", file, strerror(errno));
	return conf_read(p.file, say_on_stderr, status);
}

/* Allows this process, and so its children, all descriptors it can have. */
static void
descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* In the parent: waits for the daemon, and exits with the status it sends. */
static _Noreturn void
wait_for_daemon(int from)
{
	unsigned char status;

	if (read(from, &status, 1) != 1)
		status = STATUS_SYSTEM;
	_exit(status);
}

/*
 * Becomes a daemon, while the parent waits for the outcome.  Standard error
 * stays open until the start has succeeded, so that its messages are seen.
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
	p.starter = outcome[1];
	child_private(&p.starter);
	if (setsid() < 0 || (pid = fork()) < 0)
		fail(STATUS_SYSTEM, "cannot become a daemon: %s",
		    strerror(errno));
	if (pid > 0)
		_exit(0);
	if (chdir("/") != 0)
		fail(STATUS_SYSTEM, "/: %s", strerror(errno));
}

/*
 * Opens descriptors 0 to 2 where the starter has not, or the first socket
 * would be taken for the standard error.  Closes all others, which the workers
 * would inherit, except the sockets that a service manager has handed over.
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
 * Writes the PID file.  It is always a new one: a file that is there already
 * may be another user's, or a second name of some other file.
 */
static void
pidfile_write(const struct conf *conf)
{
	const char *path = conf->pidfile;
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (path == NULL)
		return;
	p.pid_fd = safefile_create(path);
	if (p.pid_fd < 0)
		fail_at("PidFile", 0, "%s: %s", path, safefile_why());
	child_private(&p.pid_fd);
	p.pidfile = strdup(path);
	if (p.pidfile == NULL || fchmod(p.pid_fd, 0644) != 0 ||
	    write(p.pid_fd, text, (size_t)len) != len)
		fail_at("PidFile", 0, "%s: %s", path, strerror(errno));
}

/* The first lines for somebody who just tries the program. */
static void
greet(const struct gen *gen)
{
	char at[ADDR_TEXT_SIZE];

	if (!p.foreground || gen->conf->file != NULL)
		return;
	addr_text_port(&gen->listeners.at[0], at);
	printf("%s %s listens on %s (no configuration file); try:\n"
	       "    curl -x http://%s https://example.com/\n",
	    program, ADIT_VERSION, at, at);
	fflush(stdout);
}

static void
log_start(const struct gen *gen)
{
	static const char *const purposes[INLETS] = { [INLET_PROXY] = "",
		[INLET_PREFACE] = " for load balancers",
		[INLET_HTTP] = " for transparent HTTP",
		[INLET_TLS] = " for transparent TLS" };
	char at[ADDR_TEXT_SIZE];

	log_line(
	    LOG_LEVEL_NOTICE, "Initializing %s %s ...", program, ADIT_VERSION);
	for (size_t i = 0; i < gen->listeners.n; i++)
		log_line(LOG_LEVEL_INFO, "Listening on %s%s",
		    addr_text_port(&gen->listeners.at[i], at),
		    purposes[gen->listeners.inlets[i]]);
	if (gen->listeners.given)
		log_line(LOG_LEVEL_INFO,
		    "The sockets come from the service manager; Port and "
		    "Listen have no effect.");
	if (!gen->identity.drop)
		log_line(LOG_LEVEL_INFO,
		    "Not running as root, so not changing UID/GID.");
	sandbox_report();
}

/* Makes up what tells this proxy from others.  Returns 0, or -1 with errno. */
static int
token_make(void)
{
	unsigned char bytes[TOKEN_SIZE / 2];
	char token[TOKEN_SIZE];

	if (sys_random(bytes, sizeof(bytes)) != 0)
		return -1;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(token + 2 * i, 3, "%02x", (unsigned)bytes[i]);
	via_identify(token);
	return 0;
}

/*
 * Makes the first generation.  Nothing of it can be seen from outside yet: -t
 * does as much.
 */
static struct gen *
prepare(const char *file)
{
	int status = STATUS_CONF;
	struct conf *conf = conf_first(file, &status);
	struct share *share;
	struct gen *gen;

	if (conf == NULL)
		quit(status);
	share = share_new();
	if (share == NULL || (gen = gen_new(conf, share)) == NULL)
		fail(STATUS_SYSTEM, "%s", strerror(errno));
	if (quota_init(share) != 0 || token_make() != 0)
		fail(STATUS_SYSTEM, "random bytes: %s", strerror(errno));
	status = gen_identity(gen);
	if (status != 0)
		quit(status);
	return gen;
}

/* Opens the sockets of the control process. */
static void
status_begin(struct gen *gen)
{
	int status = steward_open(gen, NULL);

	if (status != 0)
		quit(status);
}

static void
logs_begin(struct gen *gen)
{
	const struct conf *conf = gen->conf;
	const char *path = master_logs_open(&gen->logs, gen), *directive;
	size_t nth;

	for (size_t i = 0; i < conf->naccess; i++)
		if (path == conf->access[i].path) {
			directive = conf_access(conf, i, &nth);
			fail_at(directive, nth, "%s: %s", path, log_why());
		}
	if (path != NULL)
		fail_at("LogFile", 0, "%s: %s", path, log_why());
	if (!p.foreground && conf->logfile == NULL && !conf->syslog)
		fprintf(stderr,
		    "%s: warning: no LogFile and no Syslog: "
		    "nothing will be logged\n",
		    program);
}

/* The path keeps several proxies on a machine apart. */
static void
set_title(void)
{
	if (p.file != NULL)
		sys_title("master %s", p.file);
	else
		sys_title("master");
}

/* What the next program at an upgrade goes on with. */
static void
place_keep(void)
{
	upgrade_place(&(struct upgrade_place){ .pidfile = p.pidfile,
	    .pid_fd = p.pid_fd,
	    .share = share_descriptor() });
}

/* Binds, and starts the children of the first generation. */
static void
start(struct gen *gen)
{
	sandbox_use(gen->conf->sandbox);
	if (steward_init() != 0)
		fail(STATUS_SYSTEM, "%s", strerror(errno));
	steward_own(gen);
	if (master_init(p.file, p.foreground) != 0)
		fail(STATUS_SYSTEM, "pipe: %s", strerror(errno));
	if (gen_listen(gen, NULL) != 0)
		quit(STATUS_SYSTEM);
	status_begin(gen);
	logs_begin(gen);
	pidfile_write(gen->conf);
	place_keep();
	greet(gen);
	log_use(&gen->logs);
	log_start(gen);
	if (gen_start(gen, clock_ms()) != 0)
		fail(STATUS_SYSTEM, "cannot start the workers: %s",
		    strerror(errno));
}

/* Waits until the children are ready, and tells whom it concerns. */
static void
wait_for_children(struct gen *gen)
{
	int status = STATUS_SYSTEM;

	switch (master_start(gen, &status)) {
	case MASTER_READY:
		log_detach();
		starter_tell(0);
		service_ready();
		break;
	case MASTER_FAILED:
		fail(status, "a child could not start");
	case MASTER_STOPPED:
		break;
	}
}

/* Says what a start would meet.  Returns the status that it would end with. */
static int
try(const struct gen *gen)
{
	static struct finding found[TRIAL_MAX];
	size_t n = trial_run(gen, found);
	int status = 0;

	for (size_t i = 0; i < n; i++) {
		const struct finding *f = &found[i];

		FILE *out = f->status == 0 ? stdout : stderr;

		print_place(out, f->directive, f->nth);
		fprintf(out, "%s%s: %s\n", f->status == 0 ? "note: " : "",
		    f->directive, f->text);
		if (status == 0)
			status = f->status;
	}
	return status;
}

/*
 * Explains a request: client, user and target.  A client behind a load balancer
 * is CLIENT@SENDER.  Returns the exit status.
 */
static int
explain_request(char **request)
{
	struct asked asked = { .user = request[1], .target = request[2] };
	const char *wrong = explain_client(&asked, &request[0]);

	if (wrong != NULL &&
	    (request[0][0] == '/' || strncmp(request[0], "unix:", 5) == 0))
		fail(STATUS_USAGE,
		    "%s \"%s\" is not the path of a Unix socket, or the number "
		    "after it is none; write /PATH,uid=1000",
		    wrong, request[0]);
	if (wrong != NULL && strcmp(wrong, "client") == 0)
		fail(STATUS_USAGE,
		    "client \"%s\" is not an IPv4 or IPv6 address%s",
		    request[0], near_client(request));
	if (wrong != NULL)
		fail(STATUS_USAGE,
		    "sender \"%s\" is not an IPv4 or IPv6 address; write "
		    "CLIENT@SENDER, such as 192.0.2.7@10.0.0.5",
		    request[0]);
	return explain(&asked) ? 0 : STATUS_REFUSED;
}

/* What the program that asks with -U goes by, before all that -t says. */
static void
version_tell(void)
{
	char version[64];

	handover_version(version, sizeof(version));
	printf("%s\n", version);
	fflush(stdout);
}

/* What -T prints, or -t says, of a configuration.  Returns the exit status. */
static int
test(const struct options *o, const struct gen *gen)
{
	const struct conf *conf = gen->conf;
	int status;

	if (o->print && directives_print(conf, stdout) != 0)
		fail(STATUS_SYSTEM, "standard output: %s", strerror(errno));
	if (o->print)
		return 0;
	explain_use(conf);
	if (o->list != NULL)
		return batch_run(o->list);
	if (o->request == NULL) {
		hints_print(conf);
		status = try(gen);
		printf("%s: %s: the configuration is right%s%s%s\n", program,
		    p.file != NULL ? p.file : "none, built-in",
		    status != 0 ? ", but a start" : "",
		    status != 0 && geteuid() != 0 ? " as this user" : "",
		    status != 0 ? " would fail" : "");
		return status;
	}
	return explain_request(o->request);
}

/* The logs until there is a generation of this program. */
static void
logs_resume(const struct handover *h, struct gen *gen)
{
	if (master_logs_open(&gen->logs, gen) != NULL) {
		gen->logs.fd = h->log;
		gen->logs.syslog = h->syslog;
		gen->logs.journal = log_is_journal(h->log);
		gen->logs.level = (enum log_level)h->level;
	} else if (h->log >= 0) {
		close(h->log);
	}
	log_use(&gen->logs);
}

/* The generations of the program before. */
static struct gen *
gens_resume(const struct handover *h)
{
	struct conf *conf = NULL;
	struct share *share;
	struct gen *gen;
	bool same;

	adopt_names(h);
	if (p.file != NULL)
		conf = conf_read(p.file, say_nothing, NULL);
	if (conf == NULL)
		conf = conf_builtin();
	share = share_resume(h->share, h->layout);
	same = share != NULL;
	if (!same)
		share = share_new();
	if (conf == NULL || share == NULL)
		fail(STATUS_SYSTEM, "hand-over: %s", strerror(errno));
	via_identify(h->token);
	quota_resume(share, h->key);
	gen = adopt_all(h, share, same, clock_ms());
	if (gen == NULL)
		exit(STATUS_SYSTEM);
	adopt_names_drop(h);
	gen->conf = conf;
	return gen;
}

/*
 * Goes on where the program before has stopped, in the same process.  Nothing
 * of the service has ended, so an error here is worse than one at a start.
 */
static int
resume(const struct handover *h)
{
	struct gen *gen;

	descriptors_raise();
	p.file = h->conf[0] != '\0' ? strdup(h->conf) : NULL;
	p.pidfile = h->pidfile[0] != '\0' ? strdup(h->pidfile) : NULL;
	p.pid_fd = h->pid_fd;
	child_private(&p.pid_fd);
	if (steward_init() != 0)
		fail(STATUS_SYSTEM, "%s", strerror(errno));
	gen = gens_resume(h);
	steward_own(gen);
	steward_inherit((pid_t)h->control, clock_ms());
	sandbox_use(gen->conf->sandbox);
	place_keep();
	if (master_init(p.file, p.foreground) != 0)
		fail(STATUS_SYSTEM, "pipe: %s", strerror(errno));
	if (gen_identity(gen) != 0)
		log_line(LOG_LEVEL_WARNING, "User: see above");
	logs_resume(h, gen);
	log_detach();
	set_title();
	upgrade_signals(h->mask);
	log_line(LOG_LEVEL_NOTICE,
	    "Upgraded to %s %s, which goes on with the sockets and the tunnels",
	    program, ADIT_VERSION);
	sandbox_report();
	master_resume(gen);
	return 0;
}

/* -s: asks a running adit. */
static int
steer(struct options *o)
{
	o->asked.file = o->file != NULL ? o->file : program_conf;
	return steer_run(&o->asked, o->nwords, o->words);
}

int
main(int argc, char **argv)
{
	static struct handover handover;
	struct options options;
	struct gen *gen;
	bool resumes;
	int wrong;

	upgrade_remember(argv);
	sys_title_init(argc, argv);
	resumes = upgrade_resumes(&handover, &wrong);
	if (!resumes)
		standard_descriptors();
	options_parse(&options, argc, argv);
	if (options.steer && !resumes)
		return steer(&options);
	if (options.reports != NULL && !resumes)
		return learn_run(
		    options.reports, options.words, options.nwords);
	p.foreground = options.foreground;
	if (options.upgrade)
		version_tell();
	umask(027);
	log_init(p.foreground || options.test);
	if (!options.test) {
		sandbox_use(true);
		master_expect_reload();
	}
	master_log_to_stderr();
	if (resumes) {
		if (wrong != 0)
			fail(STATUS_SYSTEM, "the hand-over is not right");
		resume(&handover);
		master_run();
		pidfile_remove();
		return 0;
	}
	gen = prepare(options.file);
	if (options.test)
		return test(&options, gen);
	descriptors_raise();
	if (!p.foreground)
		daemonise();
	set_title();
	start(gen);
	wait_for_children(gen);
	master_run();
	pidfile_remove();
	free(p.file);
	return 0;
}
