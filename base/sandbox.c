/* SPDX-License-Identifier: ISC */
/*
 * What each process gives up once it has all it needs, so that somebody who
 * takes it over gains nothing: system calls, files, new processes, and being
 * looked into by others of its user.  Which calls a role needs is in seccomp.c;
 * what other systems than Linux have is here.  A system that lacks something
 * costs a line in the log, and never the start.
 */
#define _DEFAULT_SOURCE

#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif
#ifdef __FreeBSD__
#include <sys/procctl.h>
#endif

#include "landlock.h"
#include "log.h"
#include "sandbox.h"
#include "seccomp.h"
#include "sys.h"

/* What sanitizers do by themselves, such as ptrace(), is not foreseen. */
#ifdef __has_feature
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||           \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(memory_sanitizer) ||         \
    HAS_FEATURE(thread_sanitizer)
static const bool possible = false;
#else
static const bool possible = true;
#endif

#ifdef SANDBOX_STRICT
#define SECCOMP_NAME "seccomp (strict)"
#else
#define SECCOMP_NAME "seccomp"
#endif

/* What a process could not give up: bits. */
enum { LACKS_SECCOMP = 1, LACKS_LANDLOCK = 2, LACKS_ALL = 4 };

static bool wanted; /* Sandbox yes */

/*
 * Lets nobody read the memory of this process, nor a core file of it; or allows
 * it again.
 */
static void
memory_hide(bool hide)
{
	static rlim_t usual; /* what the limit was when it was not hidden */
	struct rlimit core;

#ifdef __linux__
	prctl(PR_SET_DUMPABLE, !hide, 0, 0, 0);
#endif
#if defined(__FreeBSD__) && defined(PROC_TRACE_CTL)
	int trace = hide ? PROC_TRACE_CTL_DISABLE : PROC_TRACE_CTL_ENABLE;

	procctl(P_PID, getpid(), PROC_TRACE_CTL, &trace);
#endif
	if (getrlimit(RLIMIT_CORE, &core) != 0)
		return;
	if (hide && core.rlim_cur != 0)
		usual = core.rlim_cur;
	core.rlim_cur = hide ? 0 : usual;
	setrlimit(RLIMIT_CORE, &core);
}

/*
 * Sets whether this process and those that it forks hide and restrict
 * themselves: Sandbox.  Returns whether that is a change.
 */
bool
sandbox_use(bool on)
{
	if (!possible || wanted == on)
		return false;
	memory_hide(on);
	wanted = on;
	return true;
}

/* Must be called after a change of the user, which undoes that. */
void
sandbox_hide(void)
{
	if (wanted)
		memory_hide(true);
}

/* Sets a limit that cannot be raised again. */
static void
limit_set(int resource, rlim_t most)
{
	struct rlimit limit = { most, most };

	setrlimit(resource, &limit);
}

/* Takes core files, more descriptors and new processes. */
static void
limits_enter(enum sandbox_role role)
{
	struct rlimit files;

	limit_set(RLIMIT_CORE, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		limit_set(RLIMIT_NOFILE, files.rlim_cur);
#ifdef RLIMIT_NPROC
	/* Modules of the C library for names may start some. */
	if (role != SANDBOX_DESK && role != SANDBOX_NAMES)
		limit_set(RLIMIT_NPROC, 0);
#else
	(void)role;
#endif
}

#if defined(__OpenBSD__)
/* What each role may do, as pledge(2) names it. */
static const char *const promises[] = { [SANDBOX_WORKER] =
					    "stdio inet unix recvfd",
	[SANDBOX_CONTROL] = "stdio inet unix sendfd recvfd",
	[SANDBOX_JUDGE] = "stdio unix sendfd recvfd proc",
	[SANDBOX_PASSWORDS] = "stdio",
	[SANDBOX_NAMES] = "stdio rpath getpw dns inet unix",
	[SANDBOX_DESK] = "stdio rpath getpw dns inet unix recvfd proc" };

/* Gives up what a role does not need.  Returns what the system lacks. */
static int
system_enter(enum sandbox_role role, bool local)
{
	bool reads = role == SANDBOX_NAMES || role == SANDBOX_DESK;

	(void)local;
	/* syslogd may be restarted. */
	if (!reads && role != SANDBOX_PASSWORDS) {
		unveil("/dev/log", "rw");
		unveil(NULL, NULL);
	}
	return pledge(promises[role], NULL) != 0 ? LACKS_ALL : 0;
}

#elif defined(__linux__)
static int
system_enter(enum sandbox_role role, bool local)
{
	bool reads = role == SANDBOX_NAMES || role == SANDBOX_DESK;
	int lacks = 0;

	if (landlock_enter(reads) != 0)
		lacks |= LACKS_LANDLOCK;
	if (seccomp_has(role) ? seccomp_enter(role, log_to_syslog(), local) != 0
			      : !seccomp_has(SANDBOX_WORKER))
		lacks |= LACKS_SECCOMP;
	return lacks;
}

#else
static int
system_enter(enum sandbox_role role, bool local)
{
	(void)role;
	(void)local;
#if defined(__FreeBSD__) && defined(PROC_NO_NEW_PRIVS_CTL)
	int no_new = PROC_NO_NEW_PRIVS_ENABLE;

	if (procctl(P_PID, getpid(), PROC_NO_NEW_PRIVS_CTL, &no_new) == 0)
		return 0;
#endif
	return LACKS_ALL;
}
#endif

/*
 * Gives up for good what this process does not need in its role, unless it is
 * not wanted.  With local a worker connects to Unix sockets.  It must have
 * changed its user before, and opened all files.
 */
void
sandbox_enter(enum sandbox_role role, bool local)
{
	if (!wanted)
		return;
	sandbox_hide();
	limits_enter(role);
	system_enter(role, local);
}

/* Finds out, in a process that ends at once, what the system lacks. */
static int
sandbox_try(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		sys_confine();
		limits_enter(SANDBOX_WORKER);
		_exit(system_enter(SANDBOX_WORKER, false));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return LACKS_ALL;
	return WEXITSTATUS(status);
}

/* What Linux has, for the log. */
static void
linux_report(int lacks)
{
	char landlock[32] = "";

	if (!(lacks & LACKS_LANDLOCK))
		snprintf(landlock, sizeof(landlock), "Landlock %d, ",
		    landlock_version());
	log_line(LOG_LEVEL_INFO, "Sandbox: %s%slimits",
	    lacks & LACKS_SECCOMP ? "" : SECCOMP_NAME ", ", landlock);
	if (lacks == 0)
		return;
	log_line(LOG_LEVEL_NOTICE, "Sandbox: this system has no %s%s%s",
	    lacks & LACKS_SECCOMP ? "filter of system calls" : "",
	    lacks == (LACKS_SECCOMP | LACKS_LANDLOCK) ? " and no " : "",
	    lacks & LACKS_LANDLOCK ? "Landlock" : "");
}

/* Writes to the log what holds, or what the system lacks. */
void
sandbox_report(void)
{
	int lacks;

	if (!wanted) {
		log_line(LOG_LEVEL_INFO, "Sandbox: %s",
		    possible ? "no" : "none, since this build has a sanitizer");
		return;
	}
	lacks = sandbox_try();
	if (lacks & LACKS_ALL)
		log_line(LOG_LEVEL_NOTICE,
		    "Sandbox: limits; this system has nothing else");
	else if (landlock_version() > 0 || seccomp_has(SANDBOX_WORKER))
		linux_report(lacks);
	else
		log_line(LOG_LEVEL_INFO, "Sandbox: limits and promises");
}
