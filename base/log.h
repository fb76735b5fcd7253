/* SPDX-License-Identifier: ISC */
/* The log, the access log, and the levels of log lines. */
#ifndef LOG_H
#define LOG_H

#include <sys/types.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "record.h"

enum {
	LOG_LINE_SIZE = 1024,  /* bytes of a log line */
	ACCESS_LOGS_MAX = 4,   /* files of AccessLog */
	DECISION_LOGS_MAX = 1, /* of DecisionLog */
	RECORD_LOGS_MAX = ACCESS_LOGS_MAX + DECISION_LOGS_MAX
};

enum log_level {
	LOG_LEVEL_CRITICAL,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_CONNECT,
	LOG_LEVEL_INFO
};

/* How the log writes the time: LogTime. */
enum log_time { LOG_TIME_CLASSIC, LOG_TIME_RFC3339 };

/* An access log, or the DecisionLog, that is configured. */
struct access_path {
	char *path;
	enum record_format format;
	unsigned long line; /* of the configuration */
};

/* Where lines should go. */
struct log_places {
	const char *file; /* or NULL: nothing is written */
	const struct access_path *access;
	size_t naccess;
	bool syslog; /* instead of the file */
	enum log_level level;
	enum log_time time;
	uid_t user; /* whose files are harmless wherever they are */
};

/* The open logs.  A descriptor is -1 where nothing is written. */
struct logs {
	int fd;
	struct access_log {
		int fd;
		enum record_format format;
	} access[RECORD_LOGS_MAX];
	size_t naccess;
	bool syslog;
	enum log_level level;
	enum log_time time;
	bool journal; /* the file leads to the journal of systemd */
	bool bare;    /* no time or level: for standard error at the start */
};

/*
 * Keeps lines of one kind rare; all zeros at first.  It may lie in memory that
 * processes share, and holds for all of them then.
 */
struct log_rate {
	atomic_llong until; /* ms: no line before that */
	atomic_uint left_out;
};

void log_init(bool foreground);
const char *log_open(struct logs *, const struct log_places *);
bool log_check(const char *path, uid_t user);
const char *log_why(void);
void log_detach(void);
void log_close(struct logs *);
void log_use(const struct logs *);
void log_line(enum log_level, const char *format, ...) PRINTF_LIKE(2, 3);
void log_rarely(struct log_rate *, enum log_level, const char *format, ...)
    PRINTF_LIKE(3, 4);
void log_batch(void);
int64_t log_due(void);
void log_flush(void);
void log_hear(const int *fds, size_t n);
bool log_wants(enum log_level);
bool log_is_journal(int fd);
bool log_to_syslog(void);
uint64_t log_lost(void);
void log_watch(char *first, size_t size);
bool log_records(enum record_event);
void log_access(const struct record *);
size_t log_escape(char *out, size_t size, const char *text, size_t len);

#endif
