/* SPDX-License-Identifier: ISC */
/*
 * The log file or syslog in tinyproxy's format, and the access log with its
 * one line for each connection.  A line is one write(), but that a worker
 * writes those of a few milliseconds to a file together.  Nothing is synced or
 * waited for: a log that takes nothing more loses lines rather than time.
 * What strangers sent must be escaped before it comes here.
 */
#define _XOPEN_SOURCE 700

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "addr.h"
#include "clock.h"
#include "log.h"
#include "program.h"
#include "safefile.h"
#include "sys.h"

static const struct level {
	const char *word;
	int priority; /* for syslog */
} levels[] = {
	[LOG_LEVEL_CRITICAL] = { "CRITICAL", LOG_CRIT },
	[LOG_LEVEL_ERROR] = { "ERROR", LOG_ERR },
	[LOG_LEVEL_WARNING] = { "WARNING", LOG_WARNING },
	[LOG_LEVEL_NOTICE] = { "NOTICE", LOG_NOTICE },
	[LOG_LEVEL_CONNECT] = { "CONNECT", LOG_INFO },
	[LOG_LEVEL_INFO] = { "INFO", LOG_INFO },
};

enum {
	BATCH_SIZE = 16384, /* bytes of lines that are written together */
	BATCH_TIME = 20,    /* ms from the first of them to that */
	LEVEL_LEN = 10,     /* bytes of "CRITICAL  " */
	TIME_LEN = 15       /* bytes of "Nov 23 21:43:05" */
};

/* A descriptor to write lines to, and those that are not written yet. */
struct sink {
	int fd;       /* or -1: nowhere */
	bool is_file; /* a regular one: it never makes us wait */
	size_t len;
	char lines[BATCH_SIZE];
};

static struct sink log_sink = { .fd = -1 }, access_sink = { .fd = -1 };
static bool batching;
static int64_t due = -1; /* ms: when what waits is to be written, or -1 */
static bool to_syslog;
static enum log_level threshold = LOG_LEVEL_INFO;
static bool bare;
static char process[32]; /* " [pid]: " of this process */

/* Where descriptors 1 and 2 led at the start, and whether a log uses them. */
static struct standard {
	const char *path;
	int fd;
	bool used;
} standard[] = { { "/dev/stdout", -1, false }, { "/dev/stderr", -1, false } };
static int null = -1; /* for a daemon, where they lead later; or -1 */

/*
 * To be called once, before anything else here and before descriptors 1 and 2
 * become /dev/null: remembers where they led, for LogFile "/dev/stdout".
 */
void
log_init(bool foreground)
{
	tzset();
	if (!foreground)
		null = open("/dev/null", O_RDWR);
	for (int i = 0; i < 2; i++)
		standard[i].fd = fcntl(STDOUT_FILENO + i, F_DUPFD, 3);
}

/*
 * To be called in each process of a daemon when its start has succeeded, and
 * without effect in the foreground: leads descriptors 0 to 2 to /dev/null, and
 * lets go of those that no log uses, so that whoever waits for the end of
 * what the starter wrote gets it.
 */
void
log_detach(void)
{
	if (null < 0)
		return;
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	close(null);
	null = -1;
	for (int i = 0; i < 2; i++)
		if (!standard[i].used) {
			close(standard[i].fd);
			standard[i].fd = -1;
		}
}

static int
file_open(const char *path)
{
	for (int i = 0; i < 2; i++)
		if (strcmp(path, standard[i].path) == 0) {
			standard[i].used = true;
			return fcntl(standard[i].fd, F_DUPFD, 3);
		}
	return safefile_append(path);
}

/*
 * Opens the log, syslog or the file or neither, and the access log if file
 * is not NULL; sets the level.  Returns NULL, or the path that could not be
 * opened with errno, and then nothing is open.
 */
const char *
log_open(struct logs *logs, const struct log_places *places)
{
	*logs = (struct logs){ -1, -1, places->syslog, places->level, false };
	if (places->syslog)
		logs->fd = sys_syslog_open();
	else if (places->file != NULL &&
	    (logs->fd = file_open(places->file)) < 0)
		return places->file;
	if (places->access != NULL &&
	    (logs->access = file_open(places->access)) < 0) {
		int error = errno;

		log_close(logs);
		errno = error;
		return places->access;
	}
	return NULL;
}

/* Closes what log_open() opened. */
void
log_close(struct logs *logs)
{
	if (logs->fd >= 0)
		close(logs->fd);
	if (logs->access >= 0)
		close(logs->access);
	logs->fd = logs->access = -1;
}

static void
sink_use(struct sink *sink, int fd)
{
	struct stat st;

	sink->fd = fd;
	sink->is_file = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/*
 * Writes to these logs from now on, as the process that calls it, and what
 * waits to the former ones.  The caller owns them and keeps them open.
 */
void
log_use(const struct logs *logs)
{
	log_flush();
	sink_use(&log_sink, logs->fd);
	sink_use(&access_sink, logs->access);
	threshold = logs->level;
	bare = logs->bare;
	to_syslog = logs->syslog;
	snprintf(process, sizeof(process), " [%ld]: ", (long)getpid());
}

static void
sink_flush(struct sink *sink)
{
	struct pollfd pfd = { .fd = sink->fd, .events = POLLOUT };
	size_t len = sink->len;

	sink->len = 0;
	if (len == 0 || sink->fd < 0 ||
	    (!sink->is_file && poll(&pfd, 1, 0) != 1))
		return;
	if (write(sink->fd, sink->lines, len) < 0)
		return; /* there is nobody left to tell */
}

/* Writes a line, or lets it wait where others cannot come between. */
static void
sink_write(struct sink *sink, const char *line, size_t len)
{
	if (len > sizeof(sink->lines) - sink->len)
		sink_flush(sink);
	memcpy(sink->lines + sink->len, line, len);
	sink->len += len;
	if (!batching || !sink->is_file)
		sink_flush(sink);
	else if (due < 0)
		due = clock_now() + BATCH_TIME;
}

/*
 * From now on lines for files wait for log_flush(), which whoever calls this
 * must call when log_due() has come, and before it ends.
 */
void
log_batch(void)
{
	batching = true;
}

/* When lines that wait are to be written, in ms of clock_ms(), or -1. */
int64_t
log_due(void)
{
	return due;
}

/* Writes what waits. */
void
log_flush(void)
{
	sink_flush(&log_sink);
	sink_flush(&access_sink);
	due = -1;
}

/* The time as the log has it, made anew once a second. */
static const char *
local_time(time_t now)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static char text[32] = "Jan 01 00:00:00";
	static time_t made = -1;
	struct tm tm;

	if (now != made && localtime_r(&now, &tm) != NULL) {
		snprintf(text, sizeof(text), "%.3s %02u %02u:%02u:%02u",
		    months + 3 * tm.tm_mon, (unsigned)tm.tm_mday % 100,
		    (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		    (unsigned)tm.tm_sec % 100);
		made = now;
	}
	return text;
}

/* Whether lines of a level are written at all. */
bool
log_wants(enum log_level level)
{
	return level <= threshold && log_sink.fd >= 0;
}

/*
 * What stands before the message in a file; returns its length.  This is done
 * several times for each connection, and printf() would be half of its cost.
 */
static int
file_head(char *line, enum log_level level, const struct timespec *now)
{
	long ms = now->tv_nsec / 1000000;
	size_t len = strlen(levels[level].word);
	char *p = line;

	memset(p, ' ', LEVEL_LEN);
	memcpy(p, levels[level].word, len);
	p += LEVEL_LEN;
	memcpy(p, local_time(now->tv_sec), TIME_LEN);
	p += TIME_LEN;
	*p++ = '.';
	*p++ = (char)('0' + ms / 100);
	*p++ = (char)('0' + ms / 10 % 10);
	*p++ = (char)('0' + ms % 10);
	len = strlen(process);
	memcpy(p, process, len);
	return (int)(p + len - line);
}

/* What stands before the message; returns its length. */
static int
line_head(char line[LOG_LINE_SIZE], enum log_level level)
{
	struct timespec now;

	if (bare)
		return snprintf(line, LOG_LINE_SIZE, "%s: ", program);
	clock_gettime(CLOCK_REALTIME, &now);
	/* RFC 3164: the facility is user, as tinyproxy's. */
	if (to_syslog)
		return snprintf(line, LOG_LINE_SIZE, "<%d>%s %s%s",
		    LOG_USER | levels[level].priority, local_time(now.tv_sec),
		    program, process + 1);
	return file_head(line, level, &now);
}

/*
 * Sends to syslogd, without ever waiting for it.  One that was started anew
 * has another socket; that is tried once a second.
 */
static void
syslog_send(const char *line, size_t len)
{
	static time_t tried;
	time_t now = time(NULL);

	if (sys_syslog_send(log_sink.fd, line, len) == 0 || errno == EAGAIN ||
	    now == tried)
		return;
	tried = now;
	if (sys_syslog_connect(log_sink.fd) == 0)
		sys_syslog_send(log_sink.fd, line, len);
}

/* Writes one line; the format has no newline. */
void
log_line(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_SIZE];
	va_list ap;
	int head, n;

	if (!log_wants(level))
		return;
	head = line_head(line, level);
	va_start(ap, format);
	n = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	n += head;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	if (to_syslog) {
		syslog_send(line, (size_t)n);
		return;
	}
	line[n++] = '\n';
	sink_write(&log_sink, line, (size_t)n);
}

/*
 * Writes text to out so that a line stays one line and a field one field:
 * everything but printing ASCII, and blanks too, quotes and backslashes,
 * becomes \xNN.  Cuts to what fits, ends with a NUL; returns the length.
 */
size_t
log_escape(char *out, size_t size, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < len && n + 5 <= size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c > 0x20 && c < 0x7f && c != '"' && c != '\\') {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	out[n] = '\0';
	return n;
}

/* The time as the access log has it, made anew once a second. */
static const char *
utc_time(time_t now)
{
	static char text[32];
	static time_t made = -1;
	struct tm tm;

	if (now != made && gmtime_r(&now, &tm) != NULL) {
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		made = now;
	}
	return text;
}

/* Writes the line of a connection that has ended; adit(8) has its fields. */
void
log_access(const struct record *r)
{
	char line[LOG_LINE_SIZE], client[ADDR_TEXT_SIZE];
	char dialled[ADDR_TEXT_SIZE] = "-", user[256] = "-";
	char target[512] = "-", status[16] = "-";
	struct timespec now;
	int n;

	if (access_sink.fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	if (r->user != NULL)
		log_escape(user, sizeof(user), r->user, strlen(r->user));
	if (r->target != NULL)
		log_escape(
		    target, sizeof(target), r->target, strlen(r->target));
	if (r->dialled->port != 0)
		addr_text_port(r->dialled, dialled);
	if (r->status != 0)
		snprintf(status, sizeof(status), "%d", r->status);
	n = snprintf(line, sizeof(line),
	    "%s.%03ldZ %s %s %s %s %s/%.*s %llu %llu %lld.%03d\n",
	    utc_time(now.tv_sec), now.tv_nsec / 1000000,
	    addr_text(r->client, client), user, target, dialled, status,
	    (int)strcspn(r->reason, ";"), r->reason, (unsigned long long)r->up,
	    (unsigned long long)r->down, (long long)(r->ms / 1000),
	    (int)(r->ms % 1000));
	if (n > 0 && (size_t)n < sizeof(line))
		sink_write(&access_sink, line, (size_t)n);
}
