/* SPDX-License-Identifier: ISC */
/*
 * The program of AuthHelper, a child of a helper that checks passwords.  It is
 * asked one question at a time, in the protocol of Squid's basic helpers.  If
 * it dies, talks out of turn or says something else than it may, it is ended,
 * nobody gets in by that, and the next question starts another one, not too
 * soon.  What it writes to standard error goes to the log, within bounds.  The
 * helper may block here: the desk kills it when the client's time is over.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "authhelper.h"
#include "checker.h"
#include "clock.h"
#include "compiler.h"
#include "orders.h"
#include "secret.h"
#include "sys.h"

enum {
	REPLY_SIZE = 4096,      /* bytes of an answer */
	SAID_MAX = 10,          /* lines that go to the log in SAID_TIME */
	SAID_TIME = 60000,      /* ms */
	GOOD_LIFE = 10000,      /* ms after which an end is no series */
	DELAY_MIN = 100,        /* ms: starts slow down from here */
	DELAY_MAX = 2000,       /* ms: to here */
	END_TIME = 100,         /* ms from the end of its output to its end */
	STATUS_NO_PROGRAM = 127 /* of a child that cannot become the program */
};

static struct {
	const struct authhelper *command; /* or NULL: there is no program */
	int master;                       /* notes go */
	pid_t pid;                        /* or -1: none runs */
	int in, out, err;                 /* its ends here, or -1 */
	int64_t started, start_at;        /* ms */
	int64_t delay; /* ms: the next one, if it dies soon */
	/* What it says: the line at hand, and the lines of this minute. */
	char text[NOTE_TEXT_SIZE];
	size_t len;
	unsigned said, left_out;
	int64_t said_from;
} k = { .pid = -1, .in = -1, .out = -1, .err = -1 };

/*
 * Must be called once in a helper that checks passwords.  The command, or NULL,
 * stays the caller's.
 */
void
checker_use(const struct authhelper *command, int master)
{
	k.command = command;
	k.master = master;
}

/* Whether there is a program to ask. */
bool
checker_used(void)
{
	return k.command != NULL;
}

/* Sends a text for the log to the master, if there is room there. */
static void
text_send(const char *text)
{
	struct note_message note = { .note = NOTE_SAYS, .pid = k.pid };

	snprintf(note.text, sizeof(note.text), "%s", text);
	(void)sys_send(k.master, &note, sizeof(note), NULL, 0);
}

/* The same, unless there were too many such lines in this minute. */
static void
text_say(const char *text)
{
	char line[NOTE_TEXT_SIZE];

	if (clock_ms() - k.said_from >= SAID_TIME) {
		if (k.left_out > 0) {
			snprintf(line, sizeof(line),
			    "%u lines were left out before this one",
			    k.left_out);
			text_send(line);
		}
		k.said = k.left_out = 0;
		k.said_from = clock_ms();
	}
	if (k.said == SAID_MAX) {
		k.left_out++;
		return;
	}
	k.said++;
	text_send(text);
}

static void say(const char *format, ...) PRINTF_LIKE(1, 2);

static void
say(const char *format, ...)
{
	char text[NOTE_TEXT_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	text_say(text);
}

/* Takes a byte of standard error.  The end of a long line is left out. */
static void
byte_take(char byte)
{
	if (byte != '\n' && k.len < sizeof(k.text) - 1) {
		k.text[k.len++] = byte;
		return;
	}
	if (byte != '\n')
		return;
	k.text[k.len] = '\0';
	if (k.len > 0)
		text_say(k.text);
	k.len = 0;
}

static void
fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Reads some of what the program has written to standard error. */
static void
err_read(void)
{
	char bytes[1024];
	ssize_t n = read(k.err, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n; i++)
		byte_take(bytes[i]);
	if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
		return;
	byte_take('\n');
	fd_close(&k.err);
}

/* Whether something is there to be read at once. */
static bool
is_readable(int fd)
{
	struct pollfd set = { .fd = fd, .events = POLLIN };

	return fd >= 0 && poll(&set, 1, 0) > 0;
}

/* When the next one may be started: at once, and slower each time. */
static void
start_plan(void)
{
	int64_t now = clock_ms();
	int64_t delay = now - k.started >= GOOD_LIFE ? 0 : k.delay;

	k.start_at = now + delay;
	k.delay = delay == 0        ? DELAY_MIN
	    : 2 * delay < DELAY_MAX ? 2 * delay
				    : DELAY_MAX;
}

/* No program is there any more. */
static void
program_clear(void)
{
	/* Its last words may say why it has ended. */
	for (int i = 0; i < SAID_MAX && is_readable(k.err); i++)
		err_read();
	fd_close(&k.in);
	fd_close(&k.out);
	fd_close(&k.err);
	k.len = 0;
	k.pid = -1;
	start_plan();
}

/*
 * Ends the program.  One that runs as another user cannot be killed, so it is
 * not waited for; it must notice the end of its input.
 */
static void
program_end(const char *why)
{
	say("%s; it was ended", why);
	if (kill(k.pid, SIGKILL) == 0)
		while (waitpid(k.pid, NULL, 0) < 0 && errno == EINTR)
			;
	program_clear();
}

/* The program has closed its output: it has ended, or is as good as that. */
static void
program_gone(void)
{
	int status;
	pid_t pid = 0;

	/* It closes its descriptors a moment before it can be waited for. */
	for (int i = 0; i < END_TIME && pid == 0; i++) {
		pid = waitpid(k.pid, &status, WNOHANG);
		if (pid == 0)
			(void)poll(NULL, 0, 1);
	}
	if (pid != k.pid) {
		program_end("closed its output");
		return;
	}
	if (WIFSIGNALED(status))
		say("died from signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		say("exited with status %d", WEXITSTATUS(status));
	program_clear();
}

/* In the child: becomes the program, with nothing but three descriptors. */
static _Noreturn void
program_begin(int in, int out, int err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP,
		SIGUSR1, SIGUSR2, SIGPIPE };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		signal(signals[i], SIG_DFL);
	sys_die_with_parent();
	if (dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2) {
		sys_close_from(3);
		execv(k.command->words[0], k.command->words);
		dprintf(2, "cannot be started: %s\n", strerror(errno));
	}
	_exit(STATUS_NO_PROGRAM);
}

/* Makes three pipes.  Returns 0, or -1 with none of them. */
static int
pipes_make(int pipes[3][2])
{
	for (int i = 0; i < 3; i++) {
		if (pipe(pipes[i]) == 0)
			continue;
		while (i-- > 0) {
			close(pipes[i][0]);
			close(pipes[i][1]);
		}
		return -1;
	}
	return 0;
}

/* Starts the program, not too soon.  Returns whether it runs. */
static bool
program_start(void)
{
	int pipes[3][2];
	int64_t early = k.start_at - clock_ms();

	/* Meanwhile the desk asks others. */
	if (early > 0)
		(void)poll(NULL, 0, (int)early);
	if (pipes_make(pipes) != 0)
		return false;
	k.started = clock_ms();
	k.pid = fork();
	if (k.pid == 0)
		program_begin(pipes[0][0], pipes[1][1], pipes[2][1]);
	close(pipes[0][0]);
	close(pipes[1][1]);
	close(pipes[2][1]);
	k.in = pipes[0][1];
	k.out = pipes[1][0];
	k.err = pipes[2][0];
	if (k.pid > 0)
		return true;
	fd_close(&k.in);
	fd_close(&k.out);
	fd_close(&k.err);
	k.pid = -1;
	return false;
}

/* The program writes, or has ended, without having been asked. */
static void
program_unasked(void)
{
	char byte;

	if (read(k.out, &byte, 1) == 1)
		program_end("spoke without being asked");
	else
		program_gone();
}

/* Whether a program is there that has said nothing out of turn. */
static bool
program_ready(void)
{
	if (k.pid >= 0 && is_readable(k.out))
		program_unasked();
	return k.pid >= 0 || program_start();
}

/* Writes a line to the program.  Returns 0 or -1. */
static int
line_write(const char *line, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(k.in, line, len);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			line += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/*
 * Waits for an answer, and reads some of it.  Returns how many bytes came; 0 at
 * the end of the output, and -1 if there was none yet.
 */
static ssize_t
reply_read(char *to, size_t size)
{
	struct pollfd set[2] = { { .fd = k.out, .events = POLLIN },
		{ .fd = k.err, .events = POLLIN } };
	ssize_t n;

	if (poll(set, 2, -1) < 0)
		return -1;
	if (set[1].revents != 0)
		err_read();
	if (set[0].revents == 0)
		return -1;
	n = read(k.out, to, size);
	return n < 0 && errno != EINTR && errno != EAGAIN ? 0 : n;
}

/*
 * Reads an answer up to its LF, after which nothing may come.  Returns its
 * length without the LF; or -1 after the program has ended.
 */
static ssize_t
reply_take(char reply[REPLY_SIZE])
{
	size_t len = 0;
	const char *end = NULL;
	ssize_t n;

	while (end == NULL) {
		if (len == REPLY_SIZE) {
			program_end("gave an answer that is too long");
			return -1;
		}
		n = reply_read(reply + len, REPLY_SIZE - len);
		if (n == 0) {
			program_gone();
			return -1;
		}
		if (n < 0)
			continue;
		end = memchr(reply + len, '\n', (size_t)n);
		len += (size_t)n;
	}
	if (end != reply + len - 1) {
		program_end("gave more than one answer");
		return -1;
	}
	return (ssize_t)len - 1;
}

/* Takes the answer.  Returns whether it is yes; *failed: there is none. */
static bool
reply_judge(const char *reply, size_t len, bool *failed)
{
	enum authhelper_answer answer = authhelper_answer(reply, len);

	*failed = answer == AUTHHELPER_BROKEN || answer == AUTHHELPER_MALFORMED;
	/* What is malformed may be the password: it is not shown. */
	if (answer == AUTHHELPER_MALFORMED)
		program_end("gave an answer that is not OK, ERR or BH");
	else if (answer == AUTHHELPER_BROKEN)
		say("could not check a password: %.*s",
		    len < 200 ? (int)len : 200, reply);
	return answer == AUTHHELPER_RIGHT;
}

/*
 * Asks the program whether a password is right, which takes as long as it
 * likes.  *failed tells that it has not said so, and then this returns false.
 */
bool
checker_ask(const char *user, const char *password, bool *failed)
{
	char line[AUTHHELPER_LINE_SIZE], reply[REPLY_SIZE];
	size_t len;
	ssize_t n;
	int result;
	bool right = false;

	*failed = true;
	if (!program_ready())
		return false;
	len = authhelper_line(line, user, password);
	result = line_write(line, len);
	secret_wipe(line, sizeof(line));
	if (result != 0) {
		program_gone();
		return false;
	}
	n = reply_take(reply);
	if (n >= 0)
		right = reply_judge(reply, (size_t)n, failed);
	secret_wipe(reply, sizeof(reply));
	return right;
}

/*
 * Waits until the desk has a question or is gone, and passes on what the program
 * writes to standard error until then.
 */
void
checker_wait(int desk)
{
	struct pollfd set[3] = { { .fd = desk, .events = POLLIN } };

	while (k.pid >= 0 && set[0].revents == 0) {
		set[1] = (struct pollfd){ .fd = k.out, .events = POLLIN };
		set[2] = (struct pollfd){ .fd = k.err, .events = POLLIN };
		if (poll(set, 3, -1) < 0)
			continue;
		if (set[2].revents != 0)
			err_read();
		if (set[1].revents != 0)
			program_unasked();
	}
}
