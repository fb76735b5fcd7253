/* SPDX-License-Identifier: ISC */
/*
 * Filters of system calls on Linux: for each role the calls that it needs, with
 * their arguments where these matter.  Each other call fails with ENOSYS, on
 * which a C library tries what older kernels have; those that take a path fail
 * with EACCES.  So a call that a new library makes costs a feature, and not the
 * thousands of tunnels of a worker.  Only calls that no library makes by itself
 * end the process.  Processors that are not named here have no filter.
 *
 * With SANDBOX_STRICT, for tests, each call outside of the table ends the
 * process, after a line in the log.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox.h"
#include "seccomp.h"

#if defined(__linux__) && defined(__x86_64__) && defined(__LP64__)
#define ARCH 0xc000003eu    /* AUDIT_ARCH_X86_64 */
#define FOREIGN 0x40000000u /* numbers from here on: those of x32 */
#elif defined(__linux__) && defined(__aarch64__) && defined(__LP64__) &&       \
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCH 0xc00000b7u /* AUDIT_ARCH_AARCH64 */
#endif

#ifdef ARCH

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <unistd.h>

#ifdef SANDBOX_STRICT
#include "log.h"
#endif

/* Who may make a call. */
enum {
	W = 1 << SANDBOX_WORKER,
	C = 1 << SANDBOX_CONTROL,
	J = 1 << SANDBOX_JUDGE,
	P = 1 << SANDBOX_PASSWORDS,
	S = 1 << 8, /* one that writes to syslogd, which may be restarted */
	L = 1 << 9, /* a worker that connects to Unix sockets */
	ALL = W | C | J | P
};

enum { CHECKS_MAX = 3 };

/* What an argument must be: (argument & mask) == value.  No mask: anything. */
struct check {
	unsigned arg;
	uint32_t mask, value;
};

#define IS(arg, value)                                                         \
	{                                                                      \
		arg, UINT32_MAX, (uint32_t)(value)                             \
	}
#define HAS_NONE(arg, bits)                                                    \
	{                                                                      \
		arg, (uint32_t)(bits), 0                                       \
	}
#define HAS_ONLY(arg, bits)                                                    \
	{                                                                      \
		arg, ~(uint32_t)(bits), 0                                      \
	}
#define IS_SELF(arg)                                                           \
	{                                                                      \
		arg, UINT32_MAX, SELF                                          \
	}

#define ANY                                                                    \
	{                                                                      \
		{                                                              \
			0                                                      \
		}                                                              \
	}

/* Stands for the number of this process. */
#define SELF UINT32_MAX

#define SOCKET_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

/* A call that is allowed; of several with one number any may fit. */
static const struct call {
	long number;
	unsigned roles;
	struct check checks[CHECKS_MAX];
} calls[] = {
	/* What a tunnel is made of comes first: it matters before Linux 5.11. */
	{ SYS_recvfrom, ALL, ANY },
	{ SYS_sendto, ALL, ANY },
#ifdef SYS_poll
	{ SYS_poll, ALL, ANY },
#endif
	{ SYS_ppoll, ALL, ANY },
	{ SYS_splice, W, ANY },
	{ SYS_close, ALL, ANY },
#ifdef SYS_epoll_wait
	{ SYS_epoll_wait, W, ANY },
#endif
	{ SYS_epoll_pwait, W, ANY },
	{ SYS_epoll_ctl, W, ANY },
	{ SYS_accept4, W | C, ANY },
	{ SYS_connect, W | S, ANY },
	{ SYS_shutdown, W | C, ANY },
	{ SYS_recvmsg, ALL, ANY },
	{ SYS_sendmsg, ALL, ANY },
	{ SYS_read, ALL, ANY },
	{ SYS_write, ALL, ANY },
	{ SYS_writev, ALL, ANY },

	/* Sockets, of the families that are served. */
	{ SYS_socket, W,
	    { IS(0, AF_INET), HAS_ONLY(1, SOCK_STREAM | SOCKET_FLAGS),
		IS(2, 0) } },
	{ SYS_socket, W,
	    { IS(0, AF_INET6), HAS_ONLY(1, SOCK_STREAM | SOCKET_FLAGS),
		IS(2, 0) } },
	{ SYS_socket, L,
	    { IS(0, AF_UNIX), HAS_ONLY(1, SOCK_STREAM | SOCKET_FLAGS),
		IS(2, 0) } },
	{ SYS_socketpair, C | J,
	    { IS(0, AF_UNIX), HAS_ONLY(1, SOCK_SEQPACKET | SOCKET_FLAGS),
		IS(2, 0) } },
	{ SYS_bind, W, ANY },
	{ SYS_getsockname, W, ANY },

	/* Options: none that makes a socket deaf, or lends it to another. */
	{ SYS_setsockopt, W, { IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY) } },
	{ SYS_setsockopt, W, { IS(1, SOL_SOCKET), IS(2, SO_KEEPALIVE) } },
	{ SYS_setsockopt, ALL, { IS(1, SOL_SOCKET), IS(2, SO_LINGER) } },
	{ SYS_setsockopt, W,
	    { IS(1, IPPROTO_IP), IS(2, 24) } }, /* IP_BIND_ADDRESS_NO_PORT */
	{ SYS_setsockopt, W, { IS(1, IPPROTO_TCP), IS(2, TCP_DEFER_ACCEPT) } },
	{ SYS_setsockopt, W, { IS(1, IPPROTO_TCP), IS(2, TCP_KEEPIDLE) } },
	{ SYS_setsockopt, W, { IS(1, IPPROTO_TCP), IS(2, TCP_KEEPINTVL) } },
	{ SYS_setsockopt, W, { IS(1, IPPROTO_TCP), IS(2, TCP_KEEPCNT) } },
	{ SYS_getsockopt, W, { IS(1, SOL_SOCKET), IS(2, SO_ERROR) } },
	{ SYS_getsockopt, W | C, { IS(1, SOL_SOCKET), IS(2, SO_PEERCRED) } },
	{ SYS_getsockopt, W,
	    { IS(1, IPPROTO_IP), IS(2, 80) } }, /* SO_ORIGINAL_DST */
	{ SYS_getsockopt, W, { IS(1, IPPROTO_IPV6), IS(2, 80) } },
	{ SYS_ioctl, W, { IS(1, TIOCOUTQ) } },

	/* Pipes; F_SETFL could take O_APPEND from a log. */
	{ SYS_pipe2, W, { HAS_ONLY(1, O_NONBLOCK | O_CLOEXEC) } },
	{ SYS_fcntl, W, { IS(1, F_SETPIPE_SZ) } },
	{ SYS_fcntl, W, { IS(1, F_GETPIPE_SZ) } },
	{ SYS_lseek, W, ANY },

	/* Memory, which is never executed. */
	{ SYS_brk, ALL, ANY },
	{ SYS_munmap, ALL, ANY },
	{ SYS_madvise, ALL, ANY },
	{ SYS_mmap, ALL, { HAS_NONE(2, PROT_EXEC) } },
	{ SYS_mprotect, ALL, { HAS_NONE(2, PROT_EXEC) } },

	/* Time, where the kernel gives none without a call. */
	{ SYS_clock_gettime, ALL, ANY },
	{ SYS_gettimeofday, ALL, ANY },
#ifdef SYS_time
	{ SYS_time, ALL, ANY },
#endif

	/* What libraries do by themselves, and what abort() does. */
	{ SYS_futex, ALL, ANY },
	{ SYS_getrandom, ALL, ANY },
	{ SYS_getpid, ALL, ANY },
	{ SYS_gettid, ALL, ANY },
	{ SYS_restart_syscall, ALL, ANY },
	{ SYS_rt_sigreturn, ALL, ANY },
	{ SYS_rt_sigprocmask, ALL, ANY },
	{ SYS_rt_sigaction, ALL, ANY },
	{ SYS_tgkill, ALL, { IS_SELF(0) } },
	{ SYS_tkill, ALL, { IS_SELF(0) } },
	{ SYS_kill, J, { IS(1, 0) } }, /* whether there is a process */
	{ SYS_exit_group, ALL, ANY },
	{ SYS_exit, ALL, ANY },
};

/* Calls that take a path, or are allowed with other arguments. */
static const long refused[] = {
#ifdef SYS_open
	SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access, SYS_readlink,
#endif
#ifdef SYS_newfstatat
	SYS_newfstatat,
#endif
#ifdef SYS_statx
	SYS_statx,
#endif
#ifdef SYS_openat2
	SYS_openat2,
#endif
#ifdef SYS_faccessat2
	SYS_faccessat2,
#endif
	SYS_openat, SYS_faccessat, SYS_readlinkat, SYS_socket, SYS_socketpair,
	SYS_setsockopt, SYS_getsockopt, SYS_ioctl, SYS_pipe2, SYS_fcntl,
	SYS_mmap, SYS_mprotect, SYS_tgkill, SYS_tkill, SYS_kill
};

/*
 * Calls that a library can do without: they fail in strict builds too.  By
 * mremap() a worker could map the next slots of the shared memory, to be written.
 */
static const long spared[] = { SYS_mremap };

/* Calls that no library makes by itself.  Newer ones have one number. */
static const long deadly[] = { SYS_execve, SYS_execveat, SYS_ptrace,
	SYS_process_vm_readv, SYS_process_vm_writev, SYS_mount, SYS_umount2,
	SYS_pivot_root, SYS_chroot, SYS_bpf, SYS_kexec_load,
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
	SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_add_key,
	SYS_request_key, SYS_keyctl, SYS_perf_event_open, SYS_userfaultfd,
	SYS_unshare, SYS_setns, SYS_open_by_handle_at, SYS_personality,
	SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_quotactl,
	/* io_uring, */
	425, 426, 427,
	/* open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, */
	428, 429, 430, 431, 432, 433,
	/* pidfd_getfd, process_madvise, mount_setattr */
	438, 440, 442 };

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

/* What the kernel puts before a filter: struct seccomp_data. */
enum {
	AT_NUMBER = 0,
	AT_ARCH = 4,
	AT_ARGS = 16, /* 8 bytes each, the lower half first */
	AT_HIGH = 4
};

/* Codes of steps, and what a filter may return. */
enum { LOAD = 0x20, EQUAL = 0x15, AT_LEAST = 0x35, AND = 0x54, RETURN = 0x06 };

static const uint32_t ALLOW = 0x7fff0000u, KILL = 0x80000000u,
		      TRAP = 0x00030000u, FAIL = 0x00050000u;

/* The filter that is being made. */
static struct {
	struct seccomp_step *to;
	size_t n;
} f;

static void
step(unsigned code, uint32_t k, size_t yes, size_t no)
{
	if (f.n < SECCOMP_STEPS_MAX)
		f.to[f.n] = (struct seccomp_step){ (uint16_t)code, (uint8_t)yes,
			(uint8_t)no, k };
	f.n++;
}

/* What a filter returns for a call that fails with this error. */
static uint32_t
refuse(int error)
{
#ifdef SANDBOX_STRICT
	error = -1;
#endif
	return error < 0 ? TRAP : FAIL | (uint32_t)error;
}

/* How many steps the checks of a call take. */
static size_t
checks_steps(const struct call *call)
{
	size_t n = 0;

	for (size_t i = 0; i < CHECKS_MAX && call->checks[i].mask != 0; i++)
		n += 5;
	return n;
}

/* Adds a call.  One that does not fit goes on to the next. */
static void
call_add(const struct call *call)
{
	size_t left = checks_steps(call);

	step(EQUAL, (uint32_t)call->number, 0, left > 0 ? left + 2 : 1);
	for (size_t i = 0; left > 0; i++, left -= 5) {
		const struct check *c = &call->checks[i];
		uint32_t at = AT_ARGS + 8 * (uint32_t)c->arg;
		uint32_t value =
		    c->value == SELF ? (uint32_t)getpid() : c->value;

		step(LOAD, at + AT_HIGH, 0, 0);
		step(EQUAL, 0, 0, left - 1);
		step(LOAD, at, 0, 0);
		step(AND, c->mask, 0, 0);
		step(EQUAL, value, 0, left - 4);
	}
	step(RETURN, ALLOW, 0, 0);
	if (checks_steps(call) > 0)
		step(LOAD, AT_NUMBER, 0, 0);
}

static void
numbers_add(const long *numbers, size_t n, uint32_t what)
{
	for (size_t i = 0; i < n; i++) {
		step(EQUAL, (uint32_t)numbers[i], 0, 1);
		step(RETURN, what, 0, 0);
	}
}

/* Whether a role has a filter, on this processor. */
bool
seccomp_has(enum sandbox_role role)
{
	return (ALL & 1u << role) != 0;
}

/*
 * Makes the filter of a role; with syslog it writes there, and with
 * local it connects to Unix sockets.  Returns how many steps it has.
 */
size_t
seccomp_build(enum sandbox_role role, bool syslog, bool local,
    struct seccomp_step to[SECCOMP_STEPS_MAX])
{
	unsigned roles = 1u << role | (syslog ? S : 0) | (local ? L : 0);

	f.to = to;
	f.n = 0;
	step(LOAD, AT_ARCH, 0, 0);
	step(EQUAL, ARCH, 1, 0);
	step(RETURN, KILL, 0, 0);
	step(LOAD, AT_NUMBER, 0, 0);
#ifdef FOREIGN
	/* The last number of all is that of no call: a tracer has set it. */
	step(AT_LEAST, FOREIGN, 0, 2);
	step(EQUAL, UINT32_MAX, 1, 0);
	step(RETURN, KILL, 0, 0);
#endif
	for (size_t i = 0; i < COUNT(calls); i++)
		if (calls[i].roles & roles)
			call_add(&calls[i]);
	numbers_add(spared, COUNT(spared), FAIL | ENOSYS);
	numbers_add(refused, COUNT(refused), refuse(EACCES));
	numbers_add(deadly, COUNT(deadly), KILL);
	step(RETURN, refuse(ENOSYS), 0, 0);
	return f.n;
}

#ifdef SANDBOX_STRICT
static void
trapped(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	log_line(LOG_LEVEL_CRITICAL, "system call %d is not in the table",
	    info->si_syscall);
	log_flush();
	signal(SIGSYS, SIG_DFL);
	raise(SIGSYS);
}
#endif

/* Installs a filter for good.  Returns 0, or -1 with errno. */
static int
filter_install(struct seccomp_step *steps, size_t n)
{
	enum { SET_FILTER = 1, SPEC_ALLOW = 1 << 2, MODE_FILTER = 2 };
	struct {
		unsigned short n;
		struct seccomp_step *steps;
	} program = { (unsigned short)n, steps };

	if (syscall(SYS_seccomp, SET_FILTER, SPEC_ALLOW, &program) == 0)
		return 0;
	/* Older kernels lack that, and service managers may refuse it. */
	return prctl(PR_SET_SECCOMP, MODE_FILTER, &program, 0, 0);
}

/*
 * Restricts this process to the calls of its role for good.  It must have given
 * up new privileges.  Returns 0, or -1 with errno.
 */
int
seccomp_enter(enum sandbox_role role, bool syslog, bool local)
{
	static struct seccomp_step steps[SECCOMP_STEPS_MAX];
	size_t n = seccomp_build(role, syslog, local, steps);

#ifdef SANDBOX_STRICT
	struct sigaction sa = { .sa_sigaction = trapped,
		.sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &sa, NULL);
#endif
	if (n > SECCOMP_STEPS_MAX) {
		errno = E2BIG;
		return -1;
	}
	return filter_install(steps, n);
}

#else

bool
seccomp_has(enum sandbox_role role)
{
	(void)role;
	return false;
}

size_t
seccomp_build(enum sandbox_role role, bool syslog, bool local,
    struct seccomp_step to[SECCOMP_STEPS_MAX])
{
	(void)role;
	(void)syslog;
	(void)local;
	(void)to;
	return 0;
}

int
seccomp_enter(enum sandbox_role role, bool syslog, bool local)
{
	(void)role;
	(void)syslog;
	(void)local;
	errno = ENOSYS;
	return -1;
}

#endif
