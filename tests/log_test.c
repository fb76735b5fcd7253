/* SPDX-License-Identifier: ISC */
/* LINK: base/format.c base/log.c base/record.c base/addr.c base/local.c base/program.c base/safefile.c base/sys.c */
/*
 * Counts the lines that are written when the same thing happens often, by a
 * clock that the test sets, in one process and in two that share a rate.
 */
#define _DEFAULT_SOURCE /* for MAP_ANONYMOUS */

#include <sys/mman.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../proxy.h"
#include "must.h"

enum { MINUTE = 60000, TEXT_SIZE = 8192 };

static int64_t now = 1;
static int out; /* the log */

/* Stands for the clock of a process. */
int64_t
clock_now(void)
{
	return now;
}

/* Everything that was written since the last call. */
static const char *
written(void)
{
	static char text[TEXT_SIZE];
	static off_t at;
	ssize_t n = pread(out, text, sizeof(text) - 1, at);

	must(n >= 0, "the log is read");
	at += n;
	text[n] = '\0';
	return text;
}

static size_t
count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text += strlen(what))
		n++;
	return n;
}

static void
complain(struct log_rate *rate, int times)
{
	while (times-- > 0)
		log_rarely(rate, LOG_LEVEL_ERROR, "number %d", times);
}

static void
test_once_a_minute(void)
{
	struct log_rate rate = { 0 };

	complain(&rate, 1);
	must(strstr(written(), ": number 0\n") != NULL, "the first is written");
	complain(&rate, 12);
	must(*written() == '\0', "those within a minute are not");
	now += MINUTE - 1;
	complain(&rate, 1);
	must(*written() == '\0', "nor is the last of that minute");
	now += 1;
	complain(&rate, 1);
	must(strstr(written(),
		 ": number 0 (13 such lines were left out before this "
		 "one)\n") != NULL,
	    "the next one says how many were left out");
	now += MINUTE;
	complain(&rate, 1);
	must(strstr(written(), ": number 0\n") != NULL,
	    "nothing is said where none was left out");
}

static void
test_rates_are_apart(void)
{
	struct log_rate one = { 0 }, other = { 0 };

	complain(&one, 3);
	complain(&other, 3);
	must(count(written(), "\n") == 2, "each rate has its own line");
}

static void
test_level(void)
{
	struct log_rate rate = { 0 };

	log_rarely(&rate, LOG_LEVEL_INFO, "not wanted");
	complain(&rate, 1);
	must(strstr(written(), ": number 0\n") != NULL,
	    "a line of a level that is not wanted does not count");
}

/* The message gives way, not the number. */
static void
test_long(void)
{
	struct log_rate rate = { 0 };
	char message[2 * LOG_LINE_SIZE];
	const char *text;

	memset(message, 'x', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	for (int i = 0; i < 3; i++)
		log_rarely(&rate, LOG_LEVEL_ERROR, "%s", message);
	text = written();
	must(strlen(text) == LOG_LINE_SIZE - 1 && strchr(text, '\n')[1] == '\0',
	    "a long message is cut");
	now += MINUTE;
	log_rarely(&rate, LOG_LEVEL_ERROR, "%s", message);
	text = written();
	must(strlen(text) == LOG_LINE_SIZE - 1 &&
		strstr(
		    text, "x (2 such lines were left out before this one)\n"),
	    "but not what follows it");
}

static void
test_shared(void)
{
	struct log_rate *rate = mmap(NULL, sizeof(*rate),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	must(rate != MAP_FAILED, "there is shared memory");
	pid = fork();
	must(pid >= 0, "there is another process");
	if (pid == 0) {
		complain(rate, 5);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0, "it has ended");
	complain(rate, 2);
	must(count(written(), "\n") == 1, "two processes write one line");
	now += MINUTE;
	complain(rate, 1);
	must(strstr(written(), "(6 such lines") != NULL,
	    "and those of both are counted");
}

int
main(void)
{
	struct logs logs = { .fd = -1, .level = LOG_LEVEL_CONNECT };
	char path[] = "/tmp/log_test.XXXXXX";

	out = mkstemp(path);
	must(out >= 0 && fcntl(out, F_SETFL, O_APPEND) == 0, "there is a log");
	unlink(path);
	logs.fd = out;
	log_use(&logs);
	test_once_a_minute();
	test_rates_are_apart();
	test_level();
	test_long();
	test_shared();
	return 0;
}
