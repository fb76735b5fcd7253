/* SPDX-License-Identifier: ISC */
/*
 * Puts another program in the place of this one without an end of the process:
 * its number, its PID file, its sockets and its children stay.  The new program
 * first has to show, in a child and within some seconds, that it starts, knows
 * the same hand-over and finds no error in the configuration.  Until exec() has
 * succeeded nothing is given up, so whatever the new program is, the old one
 * goes on.
 */
#define _XOPEN_SOURCE 700

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "child.h"
#include "gen.h"
#include "handover.h"
#include "log.h"
#include "program.h"
#include "quota.h"
#include "share.h"
#include "steward.h"
#include "sys.h"
#include "upgrade.h"
#include "via.h"

static const char variable[] = "ADIT_HANDOVER"; /* a descriptor */

enum {
	TRIAL_TIME = 10000, /* ms for the trial run */
	SIGNALS = 64,       /* that a mask has bits for */
	SAID_MAX = 4096     /* bytes that are read of what it has said */
};

extern char **environ;

/* What this program was started with. */
static struct {
	char **argv;
	char *path; /* absolute, of the program; NULL: not found */
	mode_t umask;
	struct rlimit descriptors;
	uint64_t mask;
	struct upgrade_place place;
} s = { .place = { .pid_fd = -1, .share = -1 } };

/* The trial run. */
static struct {
	enum upgrade state;
	pid_t pid;
	int said; /* what it writes, or -1 */
	int64_t until;
	char why[300]; /* UPGRADE_FAILED */
} trial = { .said = -1 };

/* The start. */

static char *
path_of(const char *dir, size_t len, const char *name)
{
	size_t size = len + strlen(name) + 2;
	char *path = malloc(size);

	if (path != NULL)
		snprintf(path, size, "%.*s/%s", (int)len, dir, name);
	return path;
}

/* The absolute path of a program that is not in PATH. */
static char *
path_here(const char *name)
{
	char cwd[PATH_MAX];

	if (name[0] == '/')
		return strdup(name);
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return NULL;
	return path_of(cwd, strlen(cwd), name);
}

/* Looks for the program as the shell that has started it did. */
static char *
path_find(const char *name)
{
	const char *dirs = getenv("PATH");
	char *path;

	if (strchr(name, '/') != NULL)
		return path_here(name);
	while (dirs != NULL && *dirs != '\0') {
		size_t len = strcspn(dirs, ":");

		path = dirs[0] == '/' ? path_of(dirs, len, name) : NULL;
		if (path != NULL && access(path, X_OK) == 0)
			return path;
		free(path);
		dirs += len + (dirs[len] == ':');
	}
	return NULL;
}

/*
 * The path of this program.  Links stay, so that one that is changed leads to
 * the new program.  What argv[0] says may be anything: where the system tells
 * the file, that must be the same.
 */
static char *
path_own(const char *name)
{
	static const char exe[] = "/proc/self/exe";
	char *path = path_find(name), real[PATH_MAX];
	struct stat own, found;
	ssize_t len;

	if (stat(exe, &own) != 0)
		return path;
	if (path != NULL && stat(path, &found) == 0 &&
	    found.st_dev == own.st_dev && found.st_ino == own.st_ino)
		return path;
	free(path);
	len = readlink(exe, real, sizeof(real) - 1);
	if (len <= 0)
		return NULL;
	real[len] = '\0';
	return strdup(real);
}

static uint64_t
mask_read(void)
{
	uint64_t mask = 0;
	sigset_t set;

	if (sigprocmask(SIG_SETMASK, NULL, &set) != 0)
		return 0;
	for (int signo = 1; signo <= SIGNALS; signo++)
		if (sigismember(&set, signo) == 1)
			mask |= UINT64_C(1) << (signo - 1);
	return mask;
}

/* Blocks the signals of a mask and no others. */
void
upgrade_signals(uint64_t mask)
{
	sigset_t set;

	s.mask = mask;
	sigemptyset(&set);
	for (int signo = 1; signo <= SIGNALS; signo++)
		if (mask >> (signo - 1) & 1)
			sigaddset(&set, signo);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

/* Remembers how this program was started, before it changes any of that. */
void
upgrade_remember(char **argv)
{
	size_t n = 0;

	while (argv[n] != NULL)
		n++;
	s.argv = calloc(n + 1, sizeof(*s.argv));
	for (size_t i = 0; s.argv != NULL && i < n; i++)
		s.argv[i] = strdup(argv[i]);
	s.path = n > 0 ? path_own(argv[0]) : NULL;
	s.umask = umask(0);
	umask(s.umask);
	s.mask = mask_read();
	if (getrlimit(RLIMIT_NOFILE, &s.descriptors) != 0)
		s.descriptors.rlim_cur = 0;
}

/* Keeps what goes on to the next program as it is. */
void
upgrade_place(const struct upgrade_place *place)
{
	s.place = *place;
	child_private(&s.place.share);
	child_private(&trial.said);
}

/*
 * Whether this program takes the place of another one, with what that has left.
 * *status becomes -1 if it did, and something is wrong with that.
 */
bool
upgrade_resumes(struct handover *h, int *status)
{
	const char *text = getenv(variable);
	long fd;

	*status = 0;
	if (text == NULL)
		return false;
	fd = strtol(text, NULL, 10);
	unsetenv(variable);
	if (fd <= 2 || fd > INT_MAX || fcntl((int)fd, F_GETFD) < 0)
		return false;
	*status = handover_read(h, (int)fd);
	close((int)fd);
	return true;
}

/* As it was at the start: what the new program gets. */
static void
limits_restore(void)
{
	struct rlimit limit;

	umask(s.umask);
	if (s.descriptors.rlim_cur == 0 ||
	    getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = s.descriptors.rlim_cur < limit.rlim_max
	    ? s.descriptors.rlim_cur
	    : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* The trial run. */

static void
trial_fail(const char *why)
{
	if (trial.said >= 0)
		close(trial.said);
	trial.said = -1;
	trial.state = UPGRADE_FAILED;
	snprintf(trial.why, sizeof(trial.why), "%s: %s",
	    s.path != NULL ? s.path : program, why);
}

/* In the child: becomes the new program. */
static _Noreturn void
trial_main(const char *conf)
{
	static char check[] = "-U", file[] = "-c";
	char *argv[5] = { s.argv[0], check }, *copy;
	int null = open("/dev/null", O_RDONLY);

	for (int signo = 1; signo < SIGNALS; signo++)
		if (signo != SIGKILL && signo != SIGSTOP)
			signal(signo, SIG_DFL);
	setpgid(0, 0);
	limits_restore();
	dup2(null, 0);
	dup2(trial.said, 1);
	dup2(trial.said, 2);
	sys_close_from(3);
	upgrade_signals(s.mask);
	if (conf != NULL && (copy = strdup(conf)) != NULL) {
		argv[2] = file;
		argv[3] = copy;
	}
	execv(s.path, argv);
	fprintf(stderr, "%s\n", strerror(errno));
	_exit(127);
}

/* Begins the trial run of the new program with a configuration, or NULL. */
void
upgrade_try(const char *conf, int64_t now)
{
	sigset_t every, before;

	trial.state = UPGRADE_RUNS;
	trial.until = now + TRIAL_TIME;
	if (s.argv == NULL || s.path == NULL) {
		trial_fail("the program cannot be found");
		return;
	}
	trial.said = sys_memory(0);
	if (trial.said < 0) {
		trial_fail(strerror(errno));
		return;
	}
	sigfillset(&every);
	sigprocmask(SIG_SETMASK, &every, &before);
	trial.pid = fork();
	if (trial.pid == 0)
		trial_main(conf);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (trial.pid < 0)
		trial_fail(strerror(errno));
}

/* The first line that is no warning, which a line that begins with it is not. */
static const char *
complaint(char *text)
{
	for (char *line = strtok(text, "\n"); line != NULL;
	     line = strtok(NULL, "\n"))
		if (strstr(line, ": warning: ") == NULL &&
		    strstr(line, ": note: ") == NULL &&
		    strncmp(line, "handover ", 9) != 0)
			return line;
	return NULL;
}

/* Judges a trial run that has ended with a status, by what it has said. */
static void
trial_judge(int status)
{
	char said[SAID_MAX + 1], version[64], why[240];
	ssize_t n = pread(trial.said, said, SAID_MAX, 0);
	const char *line;

	said[n > 0 ? n : 0] = '\0';
	handover_version(version, sizeof(version));
	strcat(version, "\n");
	if (WIFSIGNALED(status))
		snprintf(
		    why, sizeof(why), "died from signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0) {
		line = complaint(said);
		snprintf(why, sizeof(why), "exited with status %d%s%.180s",
		    WEXITSTATUS(status), line != NULL ? ": " : "",
		    line != NULL ? line : "");
	} else if (strncmp(said, version, strlen(version)) != 0)
		snprintf(why, sizeof(why),
		    "its hand-over is another one than this, which is "
		    "\"%.*s\"",
		    (int)strlen(version) - 1, version);
	else {
		close(trial.said);
		trial.said = -1;
		trial.state = UPGRADE_RIGHT;
		return;
	}
	trial_fail(why);
}

/* Takes what waitpid() said; returns whether that is the trial run. */
bool
upgrade_reap(pid_t pid, int status)
{
	if (trial.state != UPGRADE_RUNS || pid != trial.pid ||
	    WIFSTOPPED(status))
		return false;
	kill(-pid, SIGKILL);
	trial_judge(status);
	return true;
}

/* Gives the trial run up. */
void
upgrade_end(void)
{
	if (trial.state == UPGRADE_RUNS) {
		kill(-trial.pid, SIGKILL);
		kill(trial.pid, SIGKILL);
	}
	if (trial.said >= 0)
		close(trial.said);
	trial.said = -1;
	trial.state = UPGRADE_NONE;
}

/* How far the trial run is; one that takes too long has failed. */
enum upgrade
upgrade_state(int64_t now)
{
	if (trial.state == UPGRADE_RUNS && now >= trial.until) {
		upgrade_end();
		trial_fail("it did not end within 10 seconds");
	}
	return trial.state;
}

/* When upgrade_state() is needed next, or -1. */
int64_t
upgrade_next(void)
{
	return trial.state == UPGRADE_RUNS ? trial.until : -1;
}

/* Why the trial run, or the exec() after it, has failed. */
const char *
upgrade_why(void)
{
	return trial.why;
}

/* The exec(). */

static void
keep(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
}

/* Lets exec() close all descriptors but those that are handed over. */
static void
descriptors_keep(const struct handover *h, int file)
{
	sys_close_on_exec(3);
	keep(file);
	keep(h->pid_fd);
	keep(h->share);
	keep(h->log);
	for (size_t i = 0; i < h->nsockets; i++)
		keep(h->sockets[i].fd);
	for (size_t i = 0; i < h->nchildren; i++)
		keep(h->children[i].control);
}

/* Describes all.  Returns a file with it, or -1 with errno. */
static int
handover_make(struct handover *h, const char *conf, int64_t now)
{
	const struct gen *gen = gen_first();
	int fd;

	while (gen != NULL && gen->state != GEN_LIVE)
		gen = gen->next;
	if (gen == NULL || adopt_describe(h, now) != 0) {
		errno = E2BIG;
		return -1;
	}
	h->pid = (long)getpid();
	h->control = (long)steward_pass();
	snprintf(h->conf, sizeof(h->conf), "%s", conf != NULL ? conf : "");
	snprintf(h->pidfile, sizeof(h->pidfile), "%s",
	    s.place.pidfile != NULL ? s.place.pidfile : "");
	h->pid_fd = s.place.pid_fd;
	h->share = s.place.share;
	h->layout = share_layout();
	memcpy(h->token, via_identity(), sizeof(h->token));
	quota_key(h->key);
	h->log = gen->logs.fd > 2 ? gen->logs.fd : -1;
	h->syslog = gen->logs.syslog;
	h->level = gen->logs.level;
	h->mask = s.mask;
	fd = sys_memory(0);
	if (fd >= 0 && handover_write(h, fd) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * Becomes the new program.  Returns only if that has failed; then all is as it
 * was, and upgrade_why() says why.
 */
void
upgrade_run(const char *conf, int64_t now)
{
	static struct handover h;
	int file = handover_make(&h, conf, now);
	struct rlimit limit;
	sigset_t every, before;
	char text[24];

	trial.state = UPGRADE_NONE;
	snprintf(text, sizeof(text), "%d", file);
	if (file < 0 || setenv(variable, text, 1) != 0) {
		trial_fail(strerror(errno));
		return;
	}
	/* Until the new program catches signals they must not end it. */
	sigfillset(&every);
	sigprocmask(SIG_SETMASK, &every, &before);
	descriptors_keep(&h, file);
	getrlimit(RLIMIT_NOFILE, &limit);
	limits_restore();
	execve(s.path, s.argv, environ);
	trial_fail(strerror(errno));
	setrlimit(RLIMIT_NOFILE, &limit);
	umask(027);
	unsetenv(variable);
	close(file);
	sigprocmask(SIG_SETMASK, &before, NULL);
}
