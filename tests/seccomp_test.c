/* SPDX-License-Identifier: ISC */
/* LINK: base/seccomp.c base/format.c base/log.c base/sys.c base/clock.c base/safefile.c base/record.c base/addr.c base/local.c base/program.c */
/*
 * Runs the filters of system calls as the kernel does, for each role and each
 * call: what is allowed, what is refused and with what, and what ends the
 * process.  Nothing is installed.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#endif

#include "../proxy.h"
#include "must.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

#ifdef __x86_64__
#define ARCH 0xc000003eu
#else
#define ARCH 0xc00000b7u
#endif

enum { CALLS = 600 };

static const uint32_t ALLOW = 0x7fff0000u, KILL = 0x80000000u;

/* What the kernel puts before a filter. */
struct data {
	int32_t number;
	uint32_t arch;
	uint64_t place, args[6];
};

static const enum sandbox_role roles[] = { SANDBOX_WORKER, SANDBOX_CONTROL,
	SANDBOX_JUDGE, SANDBOX_PASSWORDS };

static struct seccomp_step steps[SECCOMP_STEPS_MAX];
static size_t nsteps;

static void
use(enum sandbox_role role, bool syslog, bool local)
{
	nsteps = seccomp_build(role, syslog, local, steps);
	must(nsteps > 0 && nsteps <= SECCOMP_STEPS_MAX, "the filter fits");
}

/* Runs the filter. */
static uint32_t
verdict(const struct data *data)
{
	uint32_t a = 0;

	for (size_t at = 0; at < nsteps; at++) {
		const struct seccomp_step *s = &steps[at];

		switch (s->code) {
		case 0x20:
			must(s->k % 4 == 0 && s->k < sizeof(*data), "offset");
			memcpy(&a, (const char *)data + s->k, sizeof(a));
			break;
		case 0x54:
			a &= s->k;
			break;
		case 0x15:
			at += a == s->k ? s->yes : s->no;
			break;
		case 0x35:
			at += a >= s->k ? s->yes : s->no;
			break;
		case 0x06:
			return s->k;
		default:
			must(false, "a known step");
		}
	}
	must(false, "the filter ends in a verdict");
	return 0;
}

static uint32_t
ask(long number, uint64_t a0, uint64_t a1, uint64_t a2)
{
	return verdict(&(struct data){
	    (int32_t)number, ARCH, 0, { a0, a1, a2, 0, 0, 0 } });
}

static uint32_t
fails(int error)
{
#ifdef SANDBOX_STRICT
	(void)error;
	return 0x00030000u;
#else
	return 0x00050000u | (uint32_t)error;
#endif
}

/* What is the same in all roles. */
static void
test_all(void)
{
	static const long deadly[] = { SYS_execve, SYS_execveat, SYS_ptrace,
		SYS_process_vm_readv, SYS_process_vm_writev, SYS_mount,
		SYS_umount2, SYS_bpf, SYS_kexec_load, SYS_init_module,
		SYS_finit_module, SYS_keyctl, SYS_perf_event_open,
		SYS_userfaultfd, SYS_unshare, SYS_setns, SYS_open_by_handle_at,
		SYS_personality, 425, 426, 427, 428, 429, 430, 438, 442 };
	struct data data = { SYS_read, ARCH ^ 1, 0, { 0 } };

	must(verdict(&data) == KILL, "another processor's call");
	data.arch = 0x40000003u;
	must(verdict(&data) == KILL, "a call of i386");
	for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
		must(ask(deadly[i], 0, 0, 0) == KILL, "a deadly call");
#ifdef __x86_64__
	must(ask(SYS_read | 0x40000000, 0, 0, 0) == KILL, "a call of x32");
	must(ask(SYS_open, 0, 0, 0) == fails(EACCES), "open");
#endif
	must(ask(-1, 0, 0, 0) == fails(ENOSYS), "the number of no call");
	must(ask(SYS_openat, 0, 0, 0) == fails(EACCES), "openat");
	must(ask(SYS_clone, SIGCHLD, 0, 0) == fails(ENOSYS), "fork");
	must(ask(SYS_ftruncate, 1, 0, 0) == fails(ENOSYS), "ftruncate");
	must(ask(SYS_listen, 1, 0, 0) == fails(ENOSYS), "listen");
	must(ask(SYS_write, 1, 0, 0) == ALLOW, "write");
	must(ask(SYS_exit_group, 1, 0, 0) == ALLOW, "exit");
	must(ask(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE) == ALLOW, "memory");
	must(ask(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC) == fails(EACCES),
	    "memory to be executed");
	must(ask(SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC) == fails(EACCES),
	    "memory that becomes executable");
	must(ask(SYS_socket, AF_NETLINK, SOCK_RAW, 0) == fails(EACCES),
	    "a socket of another family");
	must(ask(SYS_kill, (uint64_t)getpid(), SIGKILL, 0) == fails(EACCES),
	    "kill");
	must(ask(SYS_tgkill, (uint64_t)getppid(), 1, SIGABRT) == fails(EACCES),
	    "a signal to another");
	must(ask(SYS_tgkill, (uint64_t)getpid(), 1, SIGABRT) == ALLOW, "abort");
	must(ask(SYS_fcntl, 1, F_SETFL, 0) == fails(EACCES), "F_SETFL");
	must(ask(SYS_mremap, 0, 0, 0) == (0x00050000u | ENOSYS),
	    "memory that grows over the next slot");
}

static void
test_worker(void)
{
	const uint64_t high = UINT64_C(1) << 32;

	use(SANDBOX_WORKER, false, false);
	must(ask(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) == ALLOW,
	    "a TCP socket");
	must(ask(SYS_socket, AF_INET6, SOCK_STREAM, 0) == ALLOW, "IPv6");
	must(ask(SYS_socket, AF_INET | high, SOCK_STREAM, 0) == fails(EACCES),
	    "the upper half of a family");
	must(ask(SYS_socket, AF_INET, SOCK_STREAM | high, 0) == fails(EACCES),
	    "the upper half of a kind");
	must(ask(SYS_socket, AF_INET, SOCK_RAW, 0) == fails(EACCES), "raw");
	must(ask(SYS_socket, AF_INET, SOCK_DGRAM, 0) == fails(EACCES), "UDP");
	must(ask(SYS_socket, AF_INET, SOCK_STREAM, 262) == fails(EACCES),
	    "another protocol");
	must(ask(SYS_socket, AF_UNIX, SOCK_STREAM, 0) == fails(EACCES),
	    "a Unix socket without a parent there");
	must(ask(SYS_setsockopt, 1, SOL_SOCKET, SO_LINGER) == ALLOW,
	    "SO_LINGER");
	must(ask(SYS_setsockopt, 1, SOL_SOCKET, 26) == fails(EACCES),
	    "SO_ATTACH_FILTER");
	must(ask(SYS_connect, 1, 0, 0) == ALLOW, "connect");
}

/* With a parent at a Unix socket. */
static void
test_local(void)
{
	use(SANDBOX_WORKER, false, true);
	must(ask(SYS_socket, AF_UNIX, SOCK_STREAM, 0) == ALLOW, "Unix");
	must(ask(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0) == fails(EACCES),
	    "another kind of Unix socket");
}

/* Only those that write to syslogd may connect, which makes no new socket. */
static void
test_connect(void)
{
	use(SANDBOX_CONTROL, false, false);
	must(ask(SYS_connect, 1, 0, 0) == fails(ENOSYS), "connect of control");
	must(ask(SYS_socket, AF_INET, SOCK_STREAM, 0) == fails(EACCES),
	    "socket of control");
	use(SANDBOX_CONTROL, true, false);
	must(ask(SYS_connect, 1, 0, 0) == ALLOW, "connect to syslogd");
	use(SANDBOX_PASSWORDS, false, false);
	must(ask(SYS_connect, 1, 0, 0) == fails(ENOSYS), "connect of a helper");
	must(ask(SYS_accept4, 1, 0, 0) == fails(ENOSYS), "accept of a helper");
	use(SANDBOX_JUDGE, false, false);
	must(ask(SYS_kill, 1, 0, 0) == ALLOW, "whether there is a process");
}

/* Whether there are arguments with which a call is allowed. */
static bool
may(long number)
{
	bool of_call = false;

	/*
	 * Its number is compared with, which is not masked as arguments are,
	 * and then these are loaded, or the call is allowed.
	 */
	for (size_t at = 1; at < nsteps && !of_call; at++)
		of_call = steps[at].code == 0x15 &&
		    steps[at - 1].code != 0x54 &&
		    steps[at].k == (uint32_t)number &&
		    (steps[at + 1].code == 0x20 || steps[at + 1].k == ALLOW);
	return of_call;
}

/* Prints how many calls each role may make; SECURITY.md has these numbers. */
static void
count(size_t role)
{
	size_t n = 0;

	for (long i = 0; i < CALLS; i++)
		n += may(i);
	printf("role %zu: %zu steps, %zu calls\n", role, nsteps, n);
	must(n > 10 && n < 60, "as many calls as a role needs");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		use(roles[i], i % 2 != 0, false);
		test_all();
		use(roles[i], false, false);
		count(i);
	}
	test_worker();
	test_local();
	test_connect();
	must(!seccomp_has(SANDBOX_NAMES) && !seccomp_has(SANDBOX_DESK),
	    "modules for names do what they like");
	return 0;
}

#else

int
main(void)
{
	enum sandbox_role role = SANDBOX_WORKER;

	must(!seccomp_has(role), "no filter for an unknown processor");
	return 0;
}

#endif
