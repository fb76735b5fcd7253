/* SPDX-License-Identifier: ISC */
/*
 * The log file or syslog, in tinyproxy's format, and the access logs, whose
 * lines record.c makes.  Each line is one write(), except that a worker collects
 * the lines of a few milliseconds for a regular file and writes them together.
 * No process may wait for a log: nothing is synced, and when a log takes no
 * more, lines are lost.  Text from clients and servers must be escaped before
 * it comes here.
 */
#define _XOPEN_SOURCE 700

#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "format.h"
#include "log.h"
#include "program.h"
#include "record.h"
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
	BATCH_SIZE = 16384,  /* bytes of lines written together */
	BATCH_TIME = 20,     /* ms from the first of these lines until then */
	RARELY_TIME = 60000, /* ms between two lines of one rate */
	LEVEL_LEN = 10,      /* bytes of "CRITICAL  " */
	HEAD_SIZE = 128      /* bytes for all that precedes a message */
};

/* A descriptor for lines, and the lines not yet written to it. */
struct sink {
	int fd;       /* or -1: lines are dropped */
	bool is_file; /* a regular file, for which write() never waits */
	size_t len;
	char lines[BATCH_SIZE];
};

static struct sink log_sink = { .fd = -1 };
static struct sink access_sinks[RECORD_LOGS_MAX];
static enum record_format formats[RECORD_LOGS_MAX];
static size_t naccess; /* of both */
static bool batching;
static uint64_t lost;    /* lines that could not be written */
static int64_t due = -1; /* ms: when to write collected lines, or -1 */
static bool to_syslog;
static enum log_level threshold = LOG_LEVEL_INFO;
static enum log_time log_time;
static bool journal; /* it takes the level from a line's start */
static bool bare;
static char process[32]; /* " [pid]: " of this process */

/* What precedes a message of each level in a log file. */
static struct head {
	int64_t at; /* ms: when it was made, by clock_now() */
	int len;
	char text[HEAD_SIZE];
} heads[sizeof(levels) / sizeof(levels[0])];

/* Where descriptors 0 to 2 led at the start, and whether a log uses that. */
static struct standard {
	int fd;
	bool used;
} standard[] = { { -1, false }, { -1, false }, { -1, false } };
static const char hex[] = "0123456789abcdef";
static const char *why = "";
static int null = -1; /* /dev/null, in a daemon until it has detached; or -1 */

/*
 * Must be called once, before anything else here and before descriptors 0 to 2
 * lead to /dev/null.  Remembers where they lead, for LogFile "/dev/stdout".
 */
void
log_init(bool foreground)
{
	tzset();
	if (!foreground)
		null = open("/dev/null", O_RDWR);
	for (int i = 0; i <= 2; i++)
		standard[i].fd = fcntl(i, F_DUPFD, 3);
}

/*
 * Must be called in each process of a daemon once its start has succeeded; does
 * nothing in the foreground.  Leads descriptors 0 to 2 to /dev/null and closes
 * the remembered ones that no log uses, so that a program that reads the
 * starter's output until its end gets that end.
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
	for (int i = 0; i <= 2; i++)
		if (!standard[i].used) {
			close(standard[i].fd);
			standard[i].fd = -1;
		}
}

/* Returns whether a descriptor, or -1, may be meant by a path. */
static bool
is_kept(int fd)
{
	if (fd <= 2)
		return true;
	why = "of those of the starter only the descriptors 0 to 2 stay open";
	return false;
}

/* Opens a file; or what the standard input, output or error was at first. */
static int
file_open(const char *path, uid_t user)
{
	int at = safefile_standard(path), fd;

	if (!is_kept(at))
		return -1;
	if (at < 0) {
		fd = safefile_append(path, user);
		if (fd < 0)
			why = safefile_why();
		return fd;
	}
	standard[at].used = true;
	fd = fcntl(standard[at].fd, F_DUPFD, 3);
	if (fd < 0)
		why = standard[at].fd < 0
		    ? "it was closed when the start had succeeded"
		    : strerror(errno);
	return fd;
}

/*
 * Returns whether a descriptor is what systemd says leads to the journal,
 * "DEVICE:INODE" in JOURNAL_STREAM.
 */
bool
log_is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char text[48];
	struct stat st;

	if (stream == NULL || fd < 0 || fstat(fd, &st) != 0)
		return false;
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	return strcmp(text, stream) == 0;
}

/*
 * Opens the log (syslog, the file or neither) and the access logs; sets the
 * level.  The caller owns *logs and closes it with
 * log_close().  Returns NULL; or the path that could not be opened, with the
 * reason in log_why(), and then nothing is open.
 */
const char *
log_open(struct logs *logs, const struct log_places *places)
{
	*logs = (struct logs){ .fd = -1,
		.syslog = places->syslog,
		.level = places->level,
		.time = places->time };
	if (places->syslog)
		logs->fd = sys_syslog_open();
	else if (places->file != NULL &&
	    (logs->fd = file_open(places->file, places->user)) < 0)
		return places->file;
	logs->journal = log_is_journal(logs->fd);
	for (size_t i = 0; i < places->naccess; i++) {
		const struct access_path *at = &places->access[i];
		int fd = file_open(at->path, places->user);

		if (fd < 0) {
			log_close(logs);
			return at->path;
		}
		logs->access[logs->naccess++] =
		    (struct access_log){ fd, at->format };
	}
	return NULL;
}

/*
 * Returns whether log_open() could open this file, in a process that has just
 * been started.  Creates nothing.  If not, the reason is in log_why().
 */
bool
log_check(const char *path, uid_t user)
{
	int at = safefile_standard(path);

	if (at >= 0)
		return is_kept(at);
	if (safefile_append_check(path, user) == 0)
		return true;
	why = safefile_why();
	return false;
}

/* In words, why a log could not be opened the last time. */
const char *
log_why(void)
{
	return why;
}

/* Closes the descriptors that log_open() opened. */
void
log_close(struct logs *logs)
{
	if (logs->fd >= 0)
		close(logs->fd);
	for (size_t i = 0; i < logs->naccess; i++)
		if (logs->access[i].fd >= 0)
			close(logs->access[i].fd);
	logs->fd = -1;
	logs->naccess = 0;
}

static void
sink_use(struct sink *sink, int fd)
{
	sink->fd = fd;
	sink->is_file = fd >= 0 && sys_is_file(fd);
}

/*
 * Directs the lines of this process to these logs from now on; lines collected
 * so far go to the former ones.  The caller owns the descriptors and must keep
 * them open.  Must be called again after fork(), since lines carry the pid.
 */
void
log_use(const struct logs *logs)
{
	log_flush();
	sink_use(&log_sink, logs->fd);
	naccess = 0;
	for (size_t i = 0; i < logs->naccess; i++)
		if (logs->access[i].fd >= 0) {
			sink_use(&access_sinks[naccess], logs->access[i].fd);
			formats[naccess++] = logs->access[i].format;
		}
	threshold = logs->level;
	log_time = logs->time;
	journal = logs->journal;
	bare = logs->bare;
	to_syslog = logs->syslog;
	snprintf(process, sizeof(process), " [%ld]: ", (long)getpid());
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		heads[i].at = -1;
}

static uint64_t
lines_count(const char *text, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

static void
sink_flush(struct sink *sink)
{
	struct pollfd pfd = { .fd = sink->fd, .events = POLLOUT };
	size_t len = sink->len;

	sink->len = 0;
	if (len == 0 || sink->fd < 0)
		return;
	/* No other log is left to report a failure to; it is counted. */
	if ((!sink->is_file && poll(&pfd, 1, 0) != 1) ||
	    write(sink->fd, sink->lines, len) != (ssize_t)len)
		lost += lines_count(sink->lines, len);
}

/* Returns how many lines this process could not write to its logs. */
uint64_t
log_lost(void)
{
	return lost;
}

/* Writes a line, or collects it when lines for this sink are batched. */
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
 * Collects lines for files from now on.  The caller must call log_flush() when
 * log_due() has come, and before the process ends.
 */
void
log_batch(void)
{
	batching = true;
}

/* Returns when collected lines must be written, in ms of clock_ms(), or -1. */
int64_t
log_due(void)
{
	return due;
}

/* Writes all collected lines. */
void
log_flush(void)
{
	sink_flush(&log_sink);
	for (size_t i = 0; i < naccess; i++)
		sink_flush(&access_sinks[i]);
	due = -1;
}

/* Returns whether this process may have to connect to syslogd again. */
bool
log_to_syslog(void)
{
	return to_syslog;
}

/* Returns the time in the format of the log; formats it once a second. */
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

/* Returns the local time as RFC 3339 has it, up to the seconds, likewise. */
static const char *
precise_time(time_t now, const char **zone)
{
	static char text[32] = "1970-01-01T00:00:00", offset[8] = "+00:00";
	static time_t made = -1;
	struct tm tm;

	if (now != made && localtime_r(&now, &tm) != NULL) {
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		strftime(offset, sizeof(offset), "%z", &tm);
		memmove(offset + 4, offset + 3, 3);
		offset[3] = ':';
		made = now;
	}
	*zone = offset;
	return text;
}

/* Returns whether lines of a level are written at all. */
bool
log_wants(enum log_level level)
{
	return level <= threshold && log_sink.fd >= 0;
}

static char *
add_text(char *p, const char *text)
{
	size_t len = strlen(text);

	memcpy(p, text, len);
	return p + len;
}

/* Adds the level as the journal takes it, see sd-daemon(3). */
static char *
add_priority(char *p, enum log_level level)
{
	*p++ = '<';
	*p++ = (char)('0' + levels[level].priority);
	*p++ = '>';
	return p;
}

/*
 * Writes what precedes the message in a log file; returns its length.  printf()
 * would be half of the cost of a line.
 */
static int
head_make(char *line, enum log_level level, const struct timespec *now)
{
	long ms = now->tv_nsec / 1000000;
	size_t len = strlen(levels[level].word);
	const char *time, *zone = "";
	char *p = line;

	if (journal)
		p = add_priority(p, level);
	memset(p, ' ', LEVEL_LEN);
	memcpy(p, levels[level].word, len);
	p += LEVEL_LEN;
	time = log_time == LOG_TIME_CLASSIC ? local_time(now->tv_sec)
					    : precise_time(now->tv_sec, &zone);
	p = add_text(p, time);
	*p++ = '.';
	*p++ = (char)('0' + ms / 100);
	*p++ = (char)('0' + ms / 10 % 10);
	*p++ = (char)('0' + ms % 10);
	p = add_text(p, zone);
	return (int)(add_text(p, process) - line);
}

/*
 * The same; what a worker has made in this millisecond, by the clock of its loop,
 * it uses again, since it writes several lines per connection.
 */
static int
file_head(char *line, enum log_level level)
{
	struct head *head = &heads[level];
	struct timespec now;

	if (!batching || head->at != clock_now()) {
		clock_gettime(CLOCK_REALTIME, &now);
		head->len = head_make(head->text, level, &now);
		head->at = clock_now();
	}
	memcpy(line, head->text, (size_t)head->len);
	return head->len;
}

/* Writes what precedes the message; returns its length. */
static int
line_head(char line[LOG_LINE_SIZE], enum log_level level)
{
	struct timespec now;

	if (bare)
		return snprintf(line + (journal ? 3 : 0), LOG_LINE_SIZE - 3,
			   "%s: ", program) +
		    (int)(journal ? add_priority(line, level) - line : 0);
	if (!to_syslog)
		return file_head(line, level);
	clock_gettime(CLOCK_REALTIME, &now);
	/* RFC 3164: the facility is user, as in tinyproxy. */
	return snprintf(line, LOG_LINE_SIZE, "<%d>%s %s%s",
	    LOG_USER | levels[level].priority, local_time(now.tv_sec), program,
	    process + 1);
}

/*
 * Sends a line to syslogd without waiting.  A restarted syslogd has a new
 * socket, so after an error the socket is connected again, at most once a
 * second.
 */
static void
syslog_send(const char *line, size_t len)
{
	static time_t tried;
	time_t now = time(NULL);

	if (sys_tell(log_sink.fd, line, len) == 0)
		return;
	if (errno != EAGAIN && now != tried) {
		tried = now;
		if (sys_syslog_connect(log_sink.fd) == 0 &&
		    sys_tell(log_sink.fd, line, len) == 0)
			return;
	}
	lost++;
}

/* Whether all bytes are printable ASCII; eight are looked at together. */
static bool
is_printable(const char *text, size_t len)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint64_t bytes, bad = 0;
	size_t i = 0;

	/* Bit 7 of a byte is set if that is 0x80 or more, 0x7f, or below ' '. */
	for (; len - i >= sizeof(bytes); i += sizeof(bytes)) {
		memcpy(&bytes, text + i, sizeof(bytes));
		bad |= bytes | (bytes + each) | (bytes - each * ' ');
	}
	for (; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return (bad & each * 0x80) == 0;
}

/*
 * Replaces by \xNN what is not printable ASCII in a text of the given length,
 * and cuts it to size bytes.  Messages should have nothing of the kind; what
 * comes here all the same must not garble a line.  Returns the length.
 */
static size_t
make_printable(char *text, size_t len, size_t size)
{
	char raw[LOG_LINE_SIZE];
	size_t n = 0;

	if (is_printable(text, len))
		return len;
	memcpy(raw, text, len);
	for (size_t i = 0; i < len && n + 4 <= size; i++) {
		if (is_printable(raw + i, 1)) {
			text[n++] = raw[i];
			continue;
		}
		text[n++] = '\\';
		text[n++] = 'x';
		text[n++] = hex[(unsigned char)raw[i] >> 4];
		text[n++] = hex[raw[i] & 15];
	}
	return n;
}

/* Writes one line: the message, cut to what fits, and after it the tail. */
static void
line_write(
    enum log_level level, const char *format, va_list ap, const char *tail)
{
	char line[LOG_LINE_SIZE];
	int head = line_head(line, level);
	size_t len, tail_len = tail != NULL ? strlen(tail) : 0;
	size_t room = sizeof(line) - (size_t)head - tail_len - 1;

	len = format_text(line + head, room, format, ap);
	len = (size_t)head + make_printable(line + head, len, room);
	if (tail_len > 0)
		memcpy(line + len, tail, tail_len);
	len += tail_len;
	if (to_syslog) {
		syslog_send(line, len);
		return;
	}
	line[len++] = '\n';
	sink_write(&log_sink, line, len);
}

/* Where the first line of level ERROR is copied to, or NULL. */
static struct {
	char *text;
	size_t size;
} first_error;

/* Sockets to which warnings and worse are sent too. */
static struct {
	const int *fds;
	size_t n;
} ears;

/*
 * Sends each line of level WARNING or worse, after a '-' and without its time,
 * to these sockets too; none ends that.  They stay the caller's.
 */
void
log_hear(const int *fds, size_t n)
{
	ears.fds = fds;
	ears.n = n;
}

/* Sends a line to those who hear; one that does not read loses it. */
static void
ears_tell(const char *format, va_list ap)
{
	char line[LOG_LINE_SIZE] = "-";
	size_t room = sizeof(line) - 2;
	size_t len = format_text(line + 1, room, format, ap);

	len = 1 + make_printable(line + 1, len, room);
	line[len++] = '\n';
	for (size_t i = 0; i < ears.n; i++)
		sys_tell(ears.fds[i], line, len);
}

/*
 * Copies the next line that reports an error, without its time, to this memory
 * too, which holds an empty text until then; NULL ends that.
 */
void
log_watch(char *first, size_t size)
{
	if (first != NULL)
		first[0] = '\0';
	first_error.text = first;
	first_error.size = size;
}

/*
 * Writes one line to the log, cut to LOG_LINE_SIZE.  The format has no newline.
 */
void
log_line(enum log_level level, const char *format, ...)
{
	va_list ap;

	if (ears.n > 0 && level <= LOG_LEVEL_WARNING) {
		va_start(ap, format);
		ears_tell(format, ap);
		va_end(ap);
	}
	if (first_error.text != NULL && level <= LOG_LEVEL_ERROR) {
		va_start(ap, format);
		format_text(first_error.text, first_error.size, format, ap);
		va_end(ap);
		first_error.text = NULL;
	}
	if (!log_wants(level))
		return;
	va_start(ap, format);
	line_write(level, format, ap, NULL);
	va_end(ap);
}

/*
 * Whether a line may be written now.  If so, *left_out becomes the number of
 * those that were not, since the last one that was.
 */
static bool
rate_allows(struct log_rate *rate, unsigned *left_out)
{
	long long now = clock_now(), until = atomic_load(&rate->until);

	/* A worker may have written anything there. */
	if ((now < until && until <= now + RARELY_TIME) ||
	    !atomic_compare_exchange_strong(
		&rate->until, &until, now + RARELY_TIME)) {
		atomic_fetch_add(&rate->left_out, 1);
		return false;
	}
	*left_out = atomic_exchange(&rate->left_out, 0);
	return true;
}

/*
 * Writes one line, but at most once a minute for a rate: what happens a
 * thousand times a second must not fill the log.  The next line that is
 * written says how many were left out before it.
 */
void
log_rarely(struct log_rate *rate, enum log_level level, const char *format, ...)
{
	char tail[64] = "";
	unsigned left_out;
	va_list ap;

	if (!log_wants(level) || !rate_allows(rate, &left_out))
		return;
	if (left_out > 0)
		snprintf(tail, sizeof(tail),
		    " (%u such lines were left out before this one)", left_out);
	va_start(ap, format);
	line_write(level, format, ap, tail);
	va_end(ap);
}

/*
 * Copies text to out in a form that can never end a line or a field: every byte
 * that is not printable ASCII, and each blank, quote and backslash, becomes
 * \xNN.  Cuts the text to what fits and ends it with a NUL.  Returns the
 * length.
 */
size_t
log_escape(char *out, size_t size, const char *text, size_t len)
{
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

/* Whether some log has lines of an event: otherwise it need not be recorded. */
bool
log_records(enum record_event event)
{
	for (size_t i = 0; i < naccess; i++)
		if (record_wanted(formats[i], event))
			return true;
	return false;
}

/* Writes the lines of a record; adit(8) lists their fields. */
void
log_access(const struct record *r)
{
	struct timespec now;
	char line[RECORD_SIZE];

	if (naccess == 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	for (size_t i = 0; i < naccess; i++)
		if (record_wanted(formats[i], r->event))
			sink_write(&access_sinks[i], line,
			    record_line(line, formats[i], r, &now));
}
