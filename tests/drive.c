/* SPDX-License-Identifier: ISC */
/*
 * Does what somebody would do who has taken a process over: stops it where it
 * waits, and makes it call the system.  Also starts a command where the system
 * refuses some calls.
 *
 *     drive PID            reads lines "CALL ARGUMENT..." and prints for each
 *                          its result, an error such as EACCES, or "killed"
 *     drive -r CALL... -- COMMAND...
 *                          CALL fails with EPERM in the command
 *
 * "poke ADDRESS VALUE" writes 8 bytes of its memory, in place of a call.
 *
 * An argument is a number, $ for the result of the call before, @TEXT for the
 * address of this text, or +HEX for that of these bytes.  The status is 77
 * where this cannot be done.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CANNOT = 77 };

static _Noreturn void
cannot(const char *what)
{
	fprintf(stderr, "drive: %s: %s\n", what, strerror(errno));
	exit(CANNOT);
}

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

#include <elf.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#define CALL(name)                                                             \
	{                                                                      \
#name, SYS_##name                                              \
	}

static const struct call {
	const char *name;
	long number;
} calls[] = { CALL(accept4), CALL(bind), CALL(bpf), CALL(clone), CALL(close),
	CALL(connect), CALL(execve), CALL(fallocate), CALL(fcntl),
	CALL(ftruncate), CALL(ioctl), CALL(keyctl), CALL(kill), CALL(linkat),
	CALL(listen), CALL(memfd_create), CALL(mmap), CALL(mprotect),
	CALL(mremap), CALL(openat), CALL(prctl), CALL(prlimit64),
	CALL(process_vm_readv), CALL(ptrace), CALL(read), CALL(seccomp),
	CALL(setsockopt), CALL(setuid), CALL(shutdown), CALL(socket),
	CALL(socketpair), CALL(tgkill), CALL(unlinkat), CALL(unshare),
	CALL(write), { "landlock", 444 }, { "io_uring_setup", 425 } };

#undef CALL

static const struct error {
	const char *name;
	int number;
} errors[] = { { "EACCES", EACCES }, { "EPERM", EPERM }, { "ENOSYS", ENOSYS },
	{ "EINVAL", EINVAL }, { "EBADF", EBADF }, { "EAGAIN", EAGAIN },
	{ "ESRCH", ESRCH }, { "ENOENT", ENOENT },
	{ "ECONNREFUSED", ECONNREFUSED }, { "ENOTSOCK", ENOTSOCK },
	{ "EINPROGRESS", EINPROGRESS } };

static long
call_number(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (strcmp(calls[i].name, name) == 0)
			return calls[i].number;
	fprintf(stderr, "drive: unknown call %s\n", name);
	exit(1);
}

/* Registers. */

#ifdef __x86_64__
enum { INSTRUCTION = 2 /* bytes of a call */ };
#define SP(regs) ((regs)->rsp)
#define PC(regs) ((regs)->rip)
#define RESULT(regs) ((long)(regs)->rax)

static bool
is_call(long word)
{
	return (word & 0xffff) == 0x050f;
}

static void
regs_call(struct user_regs_struct *r, long number, const long args[6])
{
	r->orig_rax = (unsigned long)-1;
	r->rax = (unsigned long)number;
	r->rdi = (unsigned long)args[0];
	r->rsi = (unsigned long)args[1];
	r->rdx = (unsigned long)args[2];
	r->r10 = (unsigned long)args[3];
	r->r8 = (unsigned long)args[4];
	r->r9 = (unsigned long)args[5];
}

/* The call in which the process was is made again. */
static void
regs_again(struct user_regs_struct *r)
{
	r->rax = r->orig_rax;
	r->orig_rax = (unsigned long)-1;
}
#else
enum { INSTRUCTION = 4 };
#define SP(regs) ((regs)->sp)
#define PC(regs) ((regs)->pc)
#define RESULT(regs) ((long)(regs)->regs[0])

static bool
is_call(long word)
{
	return (word & 0xffffffff) == 0xd4000001;
}

static void
regs_call(struct user_regs_struct *r, long number, const long args[6])
{
	for (int i = 0; i < 6; i++)
		r->regs[i] = (unsigned long)args[i];
	r->regs[8] = (unsigned long)number;
}

/* Its first argument is lost, so it fails, and the process goes on. */
static void
regs_again(struct user_regs_struct *r)
{
	r->regs[8] = SYS_getpid;
}
#endif

/* The process that is driven. */
static struct {
	pid_t pid;
	struct user_regs_struct saved; /* at a call */
	unsigned long room;            /* for texts, in its stack */
	long result;
	bool dead;
} d;

static void
regs_move(int request, struct user_regs_struct *r)
{
	struct iovec iov = { r, sizeof(*r) };

	if (ptrace(request, d.pid, NT_PRSTATUS, &iov) != 0)
		cannot("registers");
}

/* Stops the process where it waits in a call. */
static void
drive_begin(pid_t pid)
{
	long word;
	int status;

	d.pid = pid;
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0)
		cannot("ptrace");
	for (int i = 0; i < 1000; i++) {
		if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) != 0 ||
		    waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			cannot("stop");
		regs_move(PTRACE_GETREGSET, &d.saved);
		PC(&d.saved) -= INSTRUCTION;
		word = ptrace(PTRACE_PEEKTEXT, pid, PC(&d.saved), 0);
		if (is_call(word))
			return;
		ptrace(PTRACE_CONT, pid, 0, 0);
		usleep(2000);
	}
	errno = ETIMEDOUT;
	cannot("it does not wait");
}

/* Puts bytes into its stack.  Returns their address. */
static long
bytes_put(const void *from, size_t len)
{
	unsigned char bytes[512] = { 0 };

	if (len >= sizeof(bytes) - sizeof(long))
		exit(1);
	memcpy(bytes, from, len);
	d.room -= sizeof(bytes);
	for (size_t i = 0; i <= len; i += sizeof(long)) {
		long word;

		memcpy(&word, bytes + i, sizeof(word));
		if (ptrace(PTRACE_POKEDATA, d.pid, d.room + i, word) != 0)
			cannot("memory");
	}
	return (long)d.room;
}

static long
hex_put(const char *hex)
{
	unsigned char bytes[256];
	unsigned byte;
	size_t n = 0;

	while (n < sizeof(bytes) && sscanf(hex + 2 * n, "%2x", &byte) == 1)
		bytes[n++] = (unsigned char)byte;
	return bytes_put(bytes, n);
}

static long
argument(const char *text)
{
	if (strcmp(text, "$") == 0)
		return d.result;
	if (strcmp(text, "stack") == 0)
		return (long)(SP(&d.saved) & ~4095ul);
	if (text[0] == '@')
		return bytes_put(text + 1, strlen(text));
	if (text[0] == '+')
		return hex_put(text + 1);
	return strtol(text, NULL, 0);
}

/* Makes one call. */
static void
drive_call(long number, const long args[6])
{
	struct user_regs_struct r = d.saved;
	int status;

	regs_call(&r, number, args);
	regs_move(PTRACE_SETREGSET, &r);
	ptrace(PTRACE_SINGLESTEP, d.pid, 0, 0);
	if (waitpid(d.pid, &status, 0) != d.pid || !WIFSTOPPED(status) ||
	    WSTOPSIG(status) == SIGSYS) {
		d.dead = true;
		return;
	}
	regs_move(PTRACE_GETREGSET, &r);
	d.result = RESULT(&r);
}

static void
poke(long address, long value)
{
	if (ptrace(PTRACE_POKEDATA, d.pid, address, value) != 0)
		cannot("memory");
	d.result = 0;
}

static void
result_print(void)
{
	if (d.dead) {
		puts("killed");
		return;
	}
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (d.result == -errors[i].number) {
			puts(errors[i].name);
			return;
		}
	printf("%ld\n", d.result);
}

/* Makes the call of a line. */
static void
drive_line(char *line)
{
	char *name = strtok(line, " \n"), *word;
	long args[6] = { 0 };

	if (name == NULL)
		return;
	d.room = SP(&d.saved) - 8192;
	for (int i = 0; i < 6 && (word = strtok(NULL, " \n")) != NULL; i++)
		args[i] = argument(word);
	if (strcmp(name, "poke") == 0)
		poke(args[0], args[1]);
	else
		drive_call(call_number(name), args);
	result_print();
}

static int
drive(pid_t pid)
{
	char line[512];

	setvbuf(stdout, NULL, _IOLBF, 0);
	drive_begin(pid);
	while (!d.dead && fgets(line, sizeof(line), stdin) != NULL)
		drive_line(line);
	if (d.dead)
		return 0;
	regs_again(&d.saved);
	regs_move(PTRACE_SETREGSET, &d.saved);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return 0;
}

/* A system that refuses calls. */

enum { STEPS_MAX = 64 };

static struct step {
	uint16_t code;
	uint8_t yes, no;
	uint32_t k;
} steps[STEPS_MAX];

static int
refuse(int argc, char **argv)
{
	struct {
		unsigned short n;
		struct step *steps;
	} program = { 0, steps };
	unsigned short n = 0;
	int i;

	steps[n++] = (struct step){ 0x20, 0, 0, 0 };
	for (i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		long number = call_number(argv[i]);

		if (n + 4 > STEPS_MAX)
			return 1;
		steps[n++] = (struct step){ 0x15, 0, 1, (uint32_t)number };
		steps[n++] = (struct step){ 0x06, 0, 0, 0x00050000u | EPERM };
	}
	steps[n++] = (struct step){ 0x06, 0, 0, 0x7fff0000u };
	program.n = n;
	if (i + 1 >= argc || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, 1, 0, &program) != 0)
		cannot("seccomp");
	execvp(argv[i + 1], argv + i + 1);
	cannot(argv[i + 1]);
}

int
main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "-r") == 0)
		return refuse(argc, argv);
	return argc == 2 ? drive((pid_t)atol(argv[1])) : 1;
}

#else

int
main(void)
{
	errno = ENOSYS;
	cannot("this system");
}

#endif
