/* SPDX-License-Identifier: ISC */
/*
 * The other end for the tests: clients and servers on raw sockets, scripted on
 * the command line.  A script is a list of actions that run one after the
 * other; both ends have the same actions.  Every wait has a deadline.  A
 * failure is reported in one line on standard error, with exit status 1.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const char usage_text[] =
    "usage: peer client [options] ADDRESS PORT ACTION...\n"
    "       peer clients   each line of standard input is a client: its\n"
    "                  words as above, with tabs between them\n"
    "       peer server [options] ACTION...\n"
    "       peer echod [options]        one process echoes on many "
    "connections\n"
    "       peer full [-a ADDRESS]      listens, and its backlog is full\n"
    "       peer closed [-a ADDRESS]    holds a port on which nobody listens\n"
    "       peer port [-a ADDRESS] [-n N] [DIRECTORY]  prints N ports, or one,\n"
    "                  that are free and that no other call with this directory\n"
    "                  has got\n"
    "       peer nodelay [-T TARGET_ADDRESS] ADDRESS PORT\n"
    "                                   does the proxy wait for ACKs?\n"
    "An ADDRESS may be the path of a Unix socket; then PORT is not used.\n"
    "A server prints its port on standard output as soon as it is ready.\n"
    "\n"
    "options:\n"
    "  -a ADDRESS   the server's address, 127.0.0.1 unless given\n"
    "  -p PORT      the server's port, one of the kernel's unless given;\n"
    "               with -b the client's\n"
    "  -b ADDRESS   the client's own address\n"
    "  -n N         client: N connections, each action is done on all of them\n"
    "               server: end after N connections, with 1 if one failed\n"
    "  -c N         client: the whole script N times\n"
    "  -s           server: one connection after the other, all in the same\n"
    "               process, which costs less\n"
    "  -t SECONDS   how long one action may take, 30 unless given\n"
    "  -R N         size of the receive buffer\n"
    "  -M N         largest segment that is taken, TCP_MAXSEG\n"
    "\n"
    "actions (N may end in K or M; TEXT knows \\r \\n \\t \\0 \\\\ \\xNN):\n"
    "  send TEXT       sends it in one piece\n"
    "  sendline FILE   sends the next line of the file, a TEXT\n"
    "  urgent TEXT     sends it, the last byte as urgent data\n"
    "  drip MS TEXT    sends it byte by byte with pauses\n"
    "  fillup C N      sends N times the character C\n"
    "  tunnel H:P      CONNECT, and exactly the reply of success\n"
    "  expect TEXT     the next bytes are exactly these\n"
    "  skip TEXT       reads up to and including the text\n"
    "  head            reads and prints a head up to its empty line\n"
    "  refused CODE    reads and prints a complete error reply with this\n"
    "                  status, and end of file right behind it\n"
    "  take N          reads N bytes, whatever they are\n"
    "  print           reads and prints everything up to the end of file\n"
    "  sink            reads everything up to the end of file\n"
    "  eof             end of file comes, and no byte before it\n"
    "  reset           a reset comes; bytes before it are dropped, or\n"
    "                  it comes behind an eof that was awaited before\n"
    "  end             reads up to the end; prints \"N bytes, eof\" or reset\n"
    "  gone            like end, but neither prints nor minds which it was\n"
    "  quiet MS        nothing comes for so long\n"
    "  pattern N       sends N bytes of this side's pattern\n"
    "  check N         reads N bytes, which are the other side's pattern\n"
    "  duplex OUT IN   pattern OUT and check IN at the same time\n"
    "  stream          sends the pattern until that fails; then prints\n"
    "                  \"sent N\"\n"
    "  fill MAX        sends the pattern until nothing more is taken for a\n"
    "                  second; prints \"filled N\"; N over MAX fails\n"
    "  checkfill FILE  reads as much pattern as \"filled N\" in FILE says\n"
    "  rtt N SIZE      N round trips of SIZE bytes with an echo\n"
    "  echo            sends back what comes, and the end of file\n"
    "  shut            shutdown(SHUT_WR)\n"
    "  rst             closes with a reset\n"
    "  close           closes\n"
    "  hold            neither reads nor writes until it is killed\n"
    "  pause MS        waits so long\n"
    "  wait FILE       waits until there is such a file\n"
    "  touch FILE      makes such a file\n"
    "  say TEXT        prints a line\n"
    "  try ACTION ...  the action may fail\n";

enum {
	BUFFER_SIZE = 256 * 1024, /* bytes; the longest head, and more */
	TEXT_SIZE = 256 * 1024,   /* bytes of one unescaped argument */
	STALL_TIME = 1000,        /* ms without progress that end a fill */
	TICK = 20,                /* ms between two looks at a file */
	ECHOD_MAX = 16384,        /* connections of an echod */
	NODELAY_ROUNDS = 60
};

/* How reading can end. */
enum ending { END_NOT, END_EOF, END_RESET };

/* One connection. */
struct side {
	int fd; /* -1: closed */
	enum ending ending;
	bool reset;   /* sending has shown that a reset came */
	uint64_t out; /* bytes of the pattern sent */
	uint64_t in;  /* bytes of the pattern read */
	size_t have;  /* bytes in buf */
	char *buf;    /* BUFFER_SIZE bytes, owned */
};

struct action {
	const char *name;
	int nargs;
	bool once; /* not for each connection of -n */
	int (*run)(struct side *, char **arg);
};

struct options {
	const char *address, *source, *target, *port;
	uint64_t connections, times;
	int rcvbuf, maxseg;
	bool serial;
};

static const struct options defaults = { "127.0.0.1", NULL, "127.0.0.1", "0", 0,
	1, 0, 0 };
static struct options opt;
static int64_t timeout = 30000; /* ms for one action */
static int64_t deadline;        /* ms, of the action under way */
static int lifeline = -1;       /* ends when the server ends */
static bool is_server;
static char complaint[2048]; /* why the last action failed */

static int side_run(struct side *, size_t nsides, char **script);

/* Stores the reason of a failure; returns -1, for the caller to return. */
static int
complain(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(complaint, sizeof(complaint), format, ap);
	va_end(ap);
	return -1;
}

/* Ends the program with a message. */
static void
die(const char *format, ...)
{
	char text[2560];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	(void)fprintf(stderr, "peer: %s\n", text);
	(void)fflush(NULL);
	_exit(1);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		die("clock_gettime: %s", strerror(errno));
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
sleep_ms(int64_t ms)
{
	struct timespec ts;

	ts.tv_sec = (time_t)(ms / 1000);
	ts.tv_nsec = (long)(ms % 1000) * 1000000;
	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		continue;
}

/* Reads a number, with K or M after it or not; an error ends the program. */
static uint64_t
number(const char *text)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || errno != 0)
		die("%s: not a number", text);
	if (*end == 'K') {
		n *= 1024;
		end++;
	} else if (*end == 'M') {
		n *= 1024 * 1024;
		end++;
	}
	if (*end != '\0')
		die("%s: not a number", text);
	return n;
}

static int
hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at;

	if (c == '\0')
		return -1;
	at = strchr(digits, tolower((unsigned char)c));
	return at == NULL ? -1 : (int)(at - digits);
}

/* Undoes the escapes of an argument, into one static buffer. */
static const char *
unescape(const char *text, size_t *len)
{
	static char buf[TEXT_SIZE];
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (n == sizeof(buf))
			die("an argument is too long");
		if (*text != '\\') {
			buf[n++] = *text;
			continue;
		}
		switch (*++text) {
		case 'r':
			buf[n++] = '\r';
			break;
		case 'n':
			buf[n++] = '\n';
			break;
		case 't':
			buf[n++] = '\t';
			break;
		case '0':
			buf[n++] = '\0';
			break;
		case '\\':
			buf[n++] = '\\';
			break;
		case 'x':
			if (hex_value(text[1]) == -1 ||
			    hex_value(text[2]) == -1)
				die("\\x needs two digits");
			buf[n++] = (char)(hex_value(text[1]) * 16 +
			    hex_value(text[2]));
			text += 2;
			break;
		default:
			die("\\%c: no such escape", *text);
		}
	}
	*len = n;
	return buf;
}

/* Escapes what was read, for a message; into one static buffer. */
static const char *
escape(const char *data, size_t len)
{
	static char text[1200];
	size_t i, n = 0;

	for (i = 0; i < len && n < sizeof(text) - 8; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\r' || c == '\n') {
			text[n++] = '\\';
			text[n++] = c == '\r' ? 'r' : 'n';
		} else if (c < ' ' || c > '~') {
			n += (size_t)snprintf(text + n, 5, "\\x%02x", c);
		} else {
			text[n++] = (char)c;
		}
	}
	text[n] = '\0';
	return text;
}

/* Writes bytes to standard output; CR before LF is left out for grep. */
static void
print_bytes(const char *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i] != '\r' || i + 1 == len || data[i + 1] != '\n')
			(void)putchar((unsigned char)data[i]);
	(void)fflush(stdout);
}

/*
 * The pattern: no eight bytes at a multiple of eight occur twice, so that lost,
 * doubled or reordered bytes show.  The two sides send different patterns.
 */
static void
pattern_make(bool server, uint64_t at, char *buf, size_t len)
{
	uint64_t block = 0;
	size_t i;

	for (i = 0; i < len; i++, at++) {
		if (i == 0 || at % 8 == 0)
			block = (at / 8 + (server ? 1U << 30 : 1)) *
			    UINT64_C(0x9e3779b97f4a7c15);
		buf[i] = (char)(block >> (at % 8 * 8));
	}
}

/* Whether bytes are the next ones in the pattern of the other side. */
static int
pattern_check(struct side *s, const char *data, size_t len)
{
	char want[4096];
	size_t part;

	while (len > 0) {
		part = len < sizeof(want) ? len : sizeof(want);
		pattern_make(!is_server, s->in, want, part);
		if (memcmp(data, want, part) != 0)
			return complain("wrong bytes in the 4096 from %llu on",
			    (unsigned long long)s->in);
		s->in += part;
		data += part;
		len -= part;
	}
	return 0;
}

/*
 * Waits for events, but not longer than until (ms).  Returns the events, or 0
 * if the time is over.  Ends the program if the server has ended.
 */
static int
side_poll(struct side *s, short events, int64_t until)
{
	struct pollfd pfd[2];
	int64_t left;
	int n;

	for (;;) {
		left = until - now_ms();
		if (left < 0)
			left = 0;
		pfd[0].fd = s->fd;
		pfd[0].events = events;
		pfd[0].revents = 0;
		pfd[1].fd = lifeline;
		pfd[1].events = POLLIN;
		pfd[1].revents = 0;
		n = poll(pfd, 2, (int)left);
		if (n == -1 && errno != EINTR)
			die("poll: %s", strerror(errno));
		if (n > 0 && pfd[1].revents != 0)
			_exit(0);
		if (n > 0)
			return pfd[0].revents;
		if (n == 0 && left == 0)
			return 0;
	}
}

/* Waits for input or for room; a message and -1 if the deadline is over. */
static int
side_wait(struct side *s, short events)
{
	if (s->fd == -1)
		return complain("the connection is closed");
	if (side_poll(s, events, deadline) == 0)
		return complain("nothing %s for %lld ms; read so far: \"%s\"",
		    events == POLLIN ? "came" : "was taken", (long long)timeout,
		    escape(s->buf, s->have));
	return 0;
}

/* Reads once into the buffer, or sets the ending.  -1: failed. */
static int
side_read(struct side *s)
{
	ssize_t n;

	for (;;) {
		if (s->have == BUFFER_SIZE)
			return complain("more than %d bytes came", BUFFER_SIZE);
		if (side_wait(s, POLLIN) == -1)
			return -1;
		n = recv(s->fd, s->buf + s->have, BUFFER_SIZE - s->have, 0);
		if (n > 0) {
			s->have += (size_t)n;
			return 0;
		}
		if (n == 0) {
			s->ending = s->reset ? END_RESET : END_EOF;
			return 0;
		}
		if (errno == ECONNRESET || errno == EPIPE) {
			s->ending = END_RESET;
			return 0;
		}
		if (errno != EAGAIN && errno != EINTR)
			return complain("recv: %s", strerror(errno));
	}
}

/* Drops bytes from the front of the buffer. */
static void
side_drop(struct side *s, size_t len)
{
	s->have -= len;
	memmove(s->buf, s->buf + len, s->have);
}

/* Reads until the buffer has that many bytes; an ending is a failure. */
static int
side_need(struct side *s, size_t len)
{
	while (s->have < len) {
		if (s->ending != END_NOT)
			return complain("%s after \"%s\"",
			    s->ending == END_EOF ? "end of file" : "a reset",
			    escape(s->buf, s->have));
		if (side_read(s) == -1)
			return -1;
	}
	return 0;
}

static int
side_send_flags(struct side *s, const char *data, size_t len, int flags)
{
	ssize_t n;

	while (len > 0) {
		if (side_wait(s, POLLOUT) == -1)
			return -1;
		n = send(s->fd, data, len, MSG_NOSIGNAL | flags);
		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN && errno != EINTR) {
			if (errno == ECONNRESET || errno == EPIPE)
				s->reset = true;
			return complain("send: %s", strerror(errno));
		}
	}
	return 0;
}

static int
side_send(struct side *s, const char *data, size_t len)
{
	return side_send_flags(s, data, len, 0);
}

/* Reads until the text is in the buffer; returns the place after it. */
static int
side_find(struct side *s, const char *text, size_t len, size_t *end)
{
	size_t i = 0;

	for (;;) {
		for (; i + len <= s->have; i++) {
			if (memcmp(s->buf + i, text, len) == 0) {
				*end = i + len;
				return 0;
			}
		}
		if (side_need(s, s->have + 1) == -1)
			return -1;
	}
}

static int
do_send(struct side *s, char **arg)
{
	size_t len;
	const char *text = unescape(arg[0], &len);

	return side_send(s, text, len);
}

static int
do_sendline(struct side *s, char **arg)
{
	static FILE *f;
	static char *line;
	static size_t size;

	if (f == NULL && (f = fopen(arg[0], "r")) == NULL)
		return complain("%s: %s", arg[0], strerror(errno));
	if (getline(&line, &size, f) <= 0)
		return complain("%s has no more lines", arg[0]);
	line[strcspn(line, "\n")] = '\0';
	return do_send(s, &line);
}

static int
do_urgent(struct side *s, char **arg)
{
	size_t len;
	const char *text = unescape(arg[0], &len);

	return side_send_flags(s, text, len, MSG_OOB);
}

static int
do_drip(struct side *s, char **arg)
{
	int64_t ms = (int64_t)number(arg[0]);
	size_t i, len;
	const char *text = unescape(arg[1], &len);

	for (i = 0; i < len; i++) {
		if (side_send(s, text + i, 1) == -1)
			return -1;
		sleep_ms(ms);
		deadline = now_ms() + timeout;
	}
	return 0;
}

static int
do_fillup(struct side *s, char **arg)
{
	char chunk[4096];
	uint64_t left = number(arg[1]);
	size_t part, len;

	memset(chunk, *unescape(arg[0], &len), sizeof(chunk));
	for (; left > 0; left -= part) {
		part = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);
		if (side_send(s, chunk, part) == -1)
			return -1;
	}
	return 0;
}

static int
expect(struct side *s, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (side_need(s, i + 1) == -1)
			return -1;
		if (s->buf[i] != text[i])
			return complain("came \"%s\"", escape(s->buf, s->have));
	}
	side_drop(s, len);
	return 0;
}

static int
do_expect(struct side *s, char **arg)
{
	size_t len;
	const char *text = unescape(arg[0], &len);

	return expect(s, text, len);
}

static int
do_tunnel(struct side *s, char **arg)
{
	static const char ok[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	char head[1024];
	int n;

	n = snprintf(head, sizeof(head),
	    "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", arg[0], arg[0]);
	if (side_send(s, head, (size_t)n) == -1)
		return -1;
	return expect(s, ok, sizeof(ok) - 1);
}

static int
do_skip(struct side *s, char **arg)
{
	size_t len, end;
	const char *text = unescape(arg[0], &len);

	if (side_find(s, text, len, &end) == -1)
		return -1;
	side_drop(s, end);
	return 0;
}

static int
do_head(struct side *s, char **arg)
{
	size_t end;

	(void)arg;
	if (side_find(s, "\r\n\r\n", 4, &end) == -1)
		return -1;
	print_bytes(s->buf, end);
	side_drop(s, end);
	return 0;
}

static int
do_take(struct side *s, char **arg)
{
	uint64_t left = number(arg[0]);
	size_t part;

	while (left > 0) {
		if (side_need(s, 1) == -1)
			return -1;
		part = s->have < left ? s->have : (size_t)left;
		side_drop(s, part);
		left -= part;
	}
	return 0;
}

/* Reads to the end, dropping or printing; counts the bytes. */
static int
read_to_end(struct side *s, char how, uint64_t *count)
{
	*count = 0;
	for (;;) {
		if (how == 'p')
			print_bytes(s->buf, s->have);
		*count += s->have;
		s->have = 0;
		if (s->ending != END_NOT)
			return 0;
		if (side_read(s) == -1)
			return -1;
		deadline = now_ms() + timeout;
	}
}

static int
end_must_be_eof(struct side *s, char how)
{
	uint64_t count;

	if (read_to_end(s, how, &count) == -1)
		return -1;
	if (s->ending != END_EOF)
		return complain(
		    "a reset after %llu bytes", (unsigned long long)count);
	return 0;
}

static int
do_print(struct side *s, char **arg)
{
	(void)arg;
	return end_must_be_eof(s, 'p');
}

static int
do_sink(struct side *s, char **arg)
{
	(void)arg;
	return end_must_be_eof(s, 'd');
}

static int
do_eof(struct side *s, char **arg)
{
	(void)arg;
	if (s->have == 0 && s->ending == END_NOT && side_read(s) == -1)
		return -1;
	if (s->have > 0)
		return complain("came \"%s\"", escape(s->buf, s->have));
	if (s->ending != END_EOF)
		return complain("a reset came");
	return 0;
}

/* After the end of file a reset cannot be read, but poll() shows it. */
static int
reset_after_eof(struct side *s)
{
	socklen_t len = sizeof(int);
	int revents, error = 0;

	revents = side_poll(s, 0, deadline);
	if (revents == 0)
		return complain("nothing behind the end of file");
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1 ||
	    error == 0)
		return complain("the connection has ended without a reset");
	return 0;
}

static int
do_reset(struct side *s, char **arg)
{
	uint64_t count;

	(void)arg;
	if (s->ending == END_EOF && s->have == 0)
		return reset_after_eof(s);
	if (read_to_end(s, 'd', &count) == -1)
		return -1;
	if (s->ending != END_RESET)
		return complain(
		    "end of file after %llu bytes", (unsigned long long)count);
	return 0;
}

static int
do_end(struct side *s, char **arg)
{
	uint64_t count;

	(void)arg;
	if (read_to_end(s, 'd', &count) == -1)
		return -1;
	(void)printf("%llu bytes, %s\n", (unsigned long long)count,
	    s->ending == END_EOF ? "eof" : "reset");
	(void)fflush(stdout);
	return 0;
}

static int
do_gone(struct side *s, char **arg)
{
	uint64_t count;

	(void)arg;
	return read_to_end(s, 'd', &count);
}

/* The value of a field in the head at the front of the buffer, or NULL. */
static const char *
head_field(struct side *s, size_t head, const char *name)
{
	size_t i, len = strlen(name);

	for (i = 0; i + len < head; i++)
		if (s->buf[i] == '\n' &&
		    strncasecmp(s->buf + i + 1, name, len) == 0 &&
		    s->buf[i + 1 + len] == ':')
			return s->buf + i + 2 + len;
	return NULL;
}

static int
do_refused(struct side *s, char **arg)
{
	size_t head, body;
	const char *value;
	char want[64];

	(void)snprintf(want, sizeof(want), "HTTP/1.1 %s ", arg[0]);
	if (side_find(s, "\r\n\r\n", 4, &head) == -1)
		return -1;
	if (strncmp(s->buf, want, strlen(want)) != 0)
		return complain("came \"%s\"", escape(s->buf, head));
	value = head_field(s, head, "Content-Length");
	if (value == NULL)
		return complain("no Content-Length");
	body = (size_t)strtoul(value, NULL, 10);
	if (side_need(s, head + body) == -1)
		return -1;
	print_bytes(s->buf, head + body);
	(void)putchar('\n');
	(void)fflush(stdout);
	side_drop(s, head + body);
	return do_eof(s, arg);
}

static int
do_quiet(struct side *s, char **arg)
{
	int64_t until = now_ms() + (int64_t)number(arg[0]);

	if (s->have == 0 && s->ending == END_NOT &&
	    side_poll(s, POLLIN, until) != 0 && side_read(s) == -1)
		return -1;
	if (s->have > 0)
		return complain("came \"%s\"", escape(s->buf, s->have));
	if (s->ending != END_NOT)
		return complain("%s came",
		    s->ending == END_EOF ? "end of file" : "a reset");
	return 0;
}

/*
 * Sends a piece of the pattern, at most max bytes, as much as fits.  Returns
 * its length, or 0 if there is no room.
 */
static ssize_t
pattern_send(struct side *s, uint64_t max)
{
	char chunk[65536];
	size_t len = max < sizeof(chunk) ? (size_t)max : sizeof(chunk);
	ssize_t n;

	pattern_make(is_server, s->out, chunk, len);
	n = send(s->fd, chunk, len, MSG_NOSIGNAL);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == -1 && (errno == ECONNRESET || errno == EPIPE))
		s->reset = true;
	if (n == -1)
		return complain("send: %s after %llu bytes", strerror(errno),
		    (unsigned long long)s->out);
	s->out += (uint64_t)n;
	return n;
}

/* Sends and checks patterns at the same time; either may be 0. */
static int
duplex(struct side *s, uint64_t out, uint64_t in)
{
	size_t part;
	ssize_t n;

	while (out > 0 || in > 0) {
		part = s->have < in ? s->have : (size_t)in;
		if (pattern_check(s, s->buf, part) == -1)
			return -1;
		side_drop(s, part);
		in -= part;
		if (out == 0 && in == 0)
			return 0;
		if (in > 0 && s->ending != END_NOT)
			return complain("%s, %llu bytes too early",
			    s->ending == END_EOF ? "end of file" : "a reset",
			    (unsigned long long)in);
		if (side_wait(s,
			(short)((out > 0 ? POLLOUT : 0) |
			    (in > 0 ? POLLIN : 0))) == -1)
			return -1;
		deadline = now_ms() + timeout;
		if (out > 0) {
			n = pattern_send(s, out);
			if (n == -1)
				return -1;
			out -= (uint64_t)n;
		}
		if (in > 0 && side_poll(s, POLLIN, 0) != 0 &&
		    side_read(s) == -1)
			return -1;
	}
	return 0;
}

static int
do_pattern(struct side *s, char **arg)
{
	return duplex(s, number(arg[0]), 0);
}

static int
do_check(struct side *s, char **arg)
{
	return duplex(s, 0, number(arg[0]));
}

static int
do_duplex(struct side *s, char **arg)
{
	return duplex(s, number(arg[0]), number(arg[1]));
}

static int
do_stream(struct side *s, char **arg)
{
	(void)arg;
	for (;;) {
		if (side_wait(s, POLLOUT) == -1)
			return -1;
		if (pattern_send(s, UINT64_MAX) == -1)
			break;
		if (now_ms() > deadline)
			return complain("it goes on and on");
	}
	(void)printf("sent %llu\n", (unsigned long long)s->out);
	(void)fflush(stdout);
	return 0;
}

static int
do_fill(struct side *s, char **arg)
{
	uint64_t max = number(arg[0]);

	while (side_poll(s, POLLOUT, now_ms() + STALL_TIME) != 0) {
		if (pattern_send(s, UINT64_MAX) == -1)
			return -1;
		if (s->out > max)
			return complain("%llu bytes went out and no end",
			    (unsigned long long)s->out);
	}
	(void)printf("filled %llu\n", (unsigned long long)s->out);
	(void)fflush(stdout);
	return 0;
}

static int
do_checkfill(struct side *s, char **arg)
{
	char line[256];
	unsigned long long n = 0;
	FILE *f = fopen(arg[0], "r");

	if (f == NULL)
		return complain("%s: %s", arg[0], strerror(errno));
	while (n == 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "filled ", 7) == 0)
			n = strtoull(line + 7, NULL, 10);
	(void)fclose(f);
	if (n == 0)
		return complain("%s: no line \"filled N\"", arg[0]);
	return duplex(s, 0, n);
}

static int
do_rtt(struct side *s, char **arg)
{
	uint64_t i, rounds = number(arg[0]);
	size_t size = (size_t)number(arg[1]);
	char *piece;
	int r = 0;

	if (size > BUFFER_SIZE)
		return complain(
		    "a round trip is at most %d bytes", BUFFER_SIZE);
	piece = malloc(size);
	if (piece == NULL)
		return complain("malloc: %s", strerror(errno));
	for (i = 0; i < rounds && r == 0; i++) {
		pattern_make(is_server, s->out, piece, size);
		s->out += size;
		r = side_send(s, piece, size);
		if (r == 0)
			r = expect(s, piece, size);
		deadline = now_ms() + timeout;
	}
	free(piece);
	return r;
}

static int
do_echo(struct side *s, char **arg)
{
	(void)arg;
	for (;;) {
		if (side_send(s, s->buf, s->have) == -1)
			return -1;
		s->have = 0;
		if (s->ending == END_RESET)
			return complain("a reset came");
		if (s->ending == END_EOF)
			break;
		deadline = INT64_MAX / 2;
		if (side_read(s) == -1)
			return -1;
		deadline = now_ms() + timeout;
	}
	(void)shutdown(s->fd, SHUT_WR);
	return 0;
}

static int
do_shut(struct side *s, char **arg)
{
	(void)arg;
	if (shutdown(s->fd, SHUT_WR) == -1)
		return complain("shutdown: %s", strerror(errno));
	return 0;
}

static int
do_close(struct side *s, char **arg)
{
	(void)arg;
	if (s->fd != -1)
		(void)close(s->fd);
	s->fd = -1;
	return 0;
}

static int
do_rst(struct side *s, char **arg)
{
	struct linger linger = { 1, 0 };

	if (setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) ==
	    -1)
		return complain("SO_LINGER: %s", strerror(errno));
	return do_close(s, arg);
}

static int
do_hold(struct side *s, char **arg)
{
	struct side nothing = *s;

	(void)arg;
	nothing.fd = -1;
	for (;;)
		(void)side_poll(&nothing, 0, now_ms() + 10000);
	return 0;
}

static int
do_pause(struct side *s, char **arg)
{
	struct side nothing = *s;

	nothing.fd = -1;
	(void)side_poll(&nothing, 0, now_ms() + (int64_t)number(arg[0]));
	return 0;
}

static int
do_wait(struct side *s, char **arg)
{
	struct side nothing = *s;
	struct stat st;

	nothing.fd = -1;
	while (stat(arg[0], &st) == -1) {
		if (now_ms() > deadline)
			return complain("there is no %s", arg[0]);
		(void)side_poll(&nothing, 0, now_ms() + TICK);
	}
	return 0;
}

static int
do_touch(struct side *s, char **arg)
{
	int fd = open(arg[0], O_WRONLY | O_CREAT, 0666);

	(void)s;
	if (fd == -1)
		return complain("%s: %s", arg[0], strerror(errno));
	(void)close(fd);
	return 0;
}

static int
do_say(struct side *s, char **arg)
{
	(void)s;
	(void)printf("%s\n", arg[0]);
	(void)fflush(stdout);
	return 0;
}

static const struct action actions[] = {
	{ "send", 1, false, do_send },
	{ "sendline", 1, false, do_sendline },
	{ "urgent", 1, false, do_urgent },
	{ "drip", 2, false, do_drip },
	{ "fillup", 2, false, do_fillup },
	{ "tunnel", 1, false, do_tunnel },
	{ "expect", 1, false, do_expect },
	{ "skip", 1, false, do_skip },
	{ "head", 0, false, do_head },
	{ "refused", 1, false, do_refused },
	{ "take", 1, false, do_take },
	{ "print", 0, false, do_print },
	{ "sink", 0, false, do_sink },
	{ "eof", 0, false, do_eof },
	{ "reset", 0, false, do_reset },
	{ "end", 0, false, do_end },
	{ "gone", 0, false, do_gone },
	{ "quiet", 1, false, do_quiet },
	{ "pattern", 1, false, do_pattern },
	{ "check", 1, false, do_check },
	{ "duplex", 2, false, do_duplex },
	{ "stream", 0, false, do_stream },
	{ "fill", 1, false, do_fill },
	{ "checkfill", 1, false, do_checkfill },
	{ "rtt", 2, false, do_rtt },
	{ "echo", 0, false, do_echo },
	{ "shut", 0, false, do_shut },
	{ "rst", 0, false, do_rst },
	{ "close", 0, false, do_close },
	{ "hold", 0, true, do_hold },
	{ "pause", 1, true, do_pause },
	{ "wait", 1, true, do_wait },
	{ "touch", 1, true, do_touch },
	{ "say", 1, true, do_say },
};

static const struct action *
action_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	die("%s: no such action", name);
	return NULL;
}

/* Checks the script before it begins; an error ends the program. */
static void
script_check(char **script)
{
	const struct action *a;
	int i;

	while (*script != NULL) {
		if (strcmp(*script, "try") == 0)
			script++;
		if (*script == NULL)
			die("try what?");
		a = action_find(*script++);
		for (i = 0; i < a->nargs; i++)
			if (*script++ == NULL)
				die("%s: an argument is missing", a->name);
	}
}

/* Runs a script on all sides, action by action.  -1 and a message: failed. */
static int
side_run(struct side *sides, size_t nsides, char **script)
{
	char why[sizeof(complaint)];
	const struct action *a;
	bool may_fail;
	size_t i;
	int step;

	for (step = 1; *script != NULL; step++) {
		may_fail = strcmp(*script, "try") == 0;
		if (may_fail)
			script++;
		a = action_find(*script++);
		for (i = 0; i < (a->once ? 1 : nsides); i++) {
			deadline = now_ms() + timeout;
			if (a->run(&sides[i], script) == 0 || may_fail)
				continue;
			(void)snprintf(why, sizeof(why), "%s", complaint);
			return complain("%s, connection %zu, action %d (%s%s"
					"%.80s): %s",
			    is_server ? "server" : "client", i + 1, step,
			    a->name, a->nargs > 0 ? " " : "",
			    a->nargs > 0 ? script[0] : "", why);
		}
		script += a->nargs;
	}
	return 0;
}

static void
side_make(struct side *s, int fd)
{
	int on = 1;

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->buf = malloc(BUFFER_SIZE);
	if (s->buf == NULL)
		die("malloc: %s", strerror(errno));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		die("fcntl: %s", strerror(errno));
}

static void
side_free(struct side *s)
{
	if (s->fd != -1)
		(void)close(s->fd);
	free(s->buf);
}

static void
address_find(const char *address, const char *port, struct sockaddr_storage *ss,
    socklen_t *len)
{
	struct addrinfo hints, *res;
	struct sockaddr_un *un = (struct sockaddr_un *)ss;
	int e;

	if (address[0] == '/') {
		memset(un, 0, sizeof(*un));
		un->sun_family = AF_UNIX;
		if (strlen(address) >= sizeof(un->sun_path))
			die("%s: too long", address);
		strcpy(un->sun_path, address);
		*len = sizeof(*un);
		return;
	}
	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	e = getaddrinfo(address, port, &hints, &res);
	if (e != 0)
		die("%s port %s: %s", address, port, gai_strerror(e));
	memcpy(ss, res->ai_addr, res->ai_addrlen);
	*len = res->ai_addrlen;
	freeaddrinfo(res);
}

static void
set_options(int fd)
{
	if (opt.rcvbuf != 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &opt.rcvbuf,
		sizeof(opt.rcvbuf)) == -1)
		die("SO_RCVBUF: %s", strerror(errno));
	if (opt.maxseg != 0 &&
	    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &opt.maxseg,
		sizeof(opt.maxseg)) == -1)
		die("TCP_MAXSEG: %s", strerror(errno));
}

/* A socket bound to the server's address. */
static int
bound_socket(const char *address, const char *port)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, on = 1;

	address_find(address, port, &ss, &len);
	fd = socket(ss.ss_family, SOCK_STREAM, 0);
	if (fd == -1)
		die("socket: %s", strerror(errno));
	set_options(fd);
	if (strcmp(port, "0") != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) == -1)
		die("bind %s port %s: %s", address, port, strerror(errno));
	return fd;
}

static unsigned
socket_port(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == -1)
		die("getsockname: %s", strerror(errno));
	if (ss.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
	if (ss.ss_family == AF_UNIX)
		return 0;
	return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

/* The readiness line. */
static void
print_port(int fd)
{
	(void)printf("%u\n", socket_port(fd));
	(void)fflush(stdout);
}

static int
listening_socket(int backlog)
{
	int fd = bound_socket(opt.address, opt.port);

	if (listen(fd, backlog) == -1)
		die("listen: %s", strerror(errno));
	return fd;
}

static int
connected_socket(const char *address, const char *port)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	if (opt.source != NULL) {
		fd = bound_socket(opt.source, opt.port);
	} else {
		address_find(address, port, &ss, &len);
		fd = socket(ss.ss_family, SOCK_STREAM, 0);
		if (fd == -1)
			die("socket: %s", strerror(errno));
		set_options(fd);
	}
	address_find(address, port, &ss, &len);
	if (connect(fd, (struct sockaddr *)&ss, len) == -1)
		die("connect to %s port %s: %s", address, port,
		    strerror(errno));
	return fd;
}

static int
client(char **argv)
{
	const char *address = argv[0], *port = argv[1];
	size_t i, n = opt.connections == 0 ? 1 : (size_t)opt.connections;
	struct side *sides = calloc(n, sizeof(*sides));
	uint64_t round;

	if (sides == NULL)
		die("calloc: %s", strerror(errno));
	script_check(argv + 2);
	for (round = 0; round < opt.times; round++) {
		for (i = 0; i < n; i++)
			side_make(&sides[i], connected_socket(address, port));
		if (side_run(sides, n, argv + 2) == -1)
			die("%s", complaint);
		for (i = 0; i < n; i++)
			side_free(&sides[i]);
	}
	free(sides);
	return 0;
}

/* A child of the server, for one connection.  Never returns. */
static void
serve(int fd, char **script)
{
	struct side s;

	side_make(&s, fd);
	if (side_run(&s, 1, script) == -1)
		die("%s", complaint);
	side_free(&s);
	(void)fflush(stdout);
	_exit(0);
}

/* Serves a connection in this process; whether its script failed is reported. */
static void
serve_here(int fd, char **script)
{
	struct side s;

	side_make(&s, fd);
	if (side_run(&s, 1, script) == -1)
		(void)fprintf(stderr, "peer: %s\n", complaint);
	side_free(&s);
}

/* Reaps children that have ended; returns how many, and whether one failed. */
static uint64_t
reap(bool *failed)
{
	uint64_t n = 0;
	int status;

	while (waitpid(-1, &status, WNOHANG) > 0) {
		n++;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			*failed = true;
	}
	return n;
}

static int
server(char **script)
{
	uint64_t accepted = 0, ended = 0;
	int fd, listener, life[2];
	bool failed = false;
	struct pollfd pfd;

	script_check(script);
	is_server = true;
	listener = listening_socket(SOMAXCONN);
	if (pipe(life) == -1)
		die("pipe: %s", strerror(errno));
	print_port(listener);
	while (opt.connections == 0 || ended < opt.connections) {
		pfd.fd = opt.connections == 0 || accepted < opt.connections
		    ? listener
		    : -1;
		pfd.events = POLLIN;
		if (poll(&pfd, 1, TICK) > 0) {
			fd = accept(listener, NULL, NULL);
			if (fd == -1)
				continue;
			if (opt.serial) {
				serve_here(fd, script);
				continue;
			}
			accepted++;
			switch (fork()) {
			case -1:
				die("fork: %s", strerror(errno));
				break;
			case 0:
				(void)close(life[1]);
				(void)close(listener);
				lifeline = life[0];
				serve(fd, script);
				break;
			default:
				(void)close(fd);
			}
		}
		ended += reap(&failed);
	}
	return failed;
}

/* Echoes once on one connection; false if it has ended. */
static bool
echod_turn(int fd)
{
	static char buf[65536];
	struct side s;
	ssize_t n;

	n = recv(fd, buf, sizeof(buf), 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	memset(&s, 0, sizeof(s));
	s.fd = fd;
	deadline = now_ms() + timeout;
	return side_send(&s, buf, (size_t)n) == 0;
}

static int
echod(void)
{
	static struct pollfd pfd[ECHOD_MAX];
	nfds_t i, n = 1;
	int fd;

	pfd[0].fd = listening_socket(SOMAXCONN);
	pfd[0].events = POLLIN;
	print_port(pfd[0].fd);
	for (;;) {
		pfd[0].events = n < ECHOD_MAX ? POLLIN : 0;
		if (poll(pfd, n, -1) == -1 && errno != EINTR)
			die("poll: %s", strerror(errno));
		for (i = n - 1; i > 0; i--) {
			if (pfd[i].revents == 0 || echod_turn(pfd[i].fd))
				continue;
			(void)close(pfd[i].fd);
			pfd[i] = pfd[--n];
		}
		if (pfd[0].revents == 0)
			continue;
		fd = accept(pfd[0].fd, NULL, NULL);
		if (fd == -1)
			continue;
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
		pfd[n].fd = fd;
		pfd[n].revents = 0;
		pfd[n++].events = POLLIN;
	}
	return 0;
}

/* A listener with a full backlog: further connections get no answer at all. */
static int
full(void)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct pollfd pfd;
	int i, listener = listening_socket(0);

	if (getsockname(listener, (struct sockaddr *)&ss, &len) == -1)
		die("getsockname: %s", strerror(errno));
	for (i = 0; i < 64; i++) {
		pfd.fd = socket(ss.ss_family, SOCK_STREAM, 0);
		pfd.events = POLLOUT;
		(void)fcntl(pfd.fd, F_SETFL, O_NONBLOCK);
		if (connect(pfd.fd, (struct sockaddr *)&ss, len) == 0)
			continue;
		if (errno != EINPROGRESS)
			die("connect: %s", strerror(errno));
		if (poll(&pfd, 1, 300) == 0)
			break;
	}
	if (i == 64)
		die("the backlog does not get full on this system");
	print_port(listener);
	for (;;)
		(void)pause();
	return 0;
}

static int
closed(void)
{
	int fd = bound_socket(opt.address, "0");

	print_port(fd);
	for (;;)
		(void)pause();
	return 0;
}

/* Whether no other call has got this port: each leaves a directory. */
static bool
port_claim(const char *claims, const char *text)
{
	char path[PATH_MAX];

	if (claims == NULL)
		return true;
	(void)snprintf(path, sizeof(path), "%s/port-%s", claims, text);
	if (mkdir(path, 0777) == 0)
		return true;
	if (errno != EEXIST)
		die("%s: %s", path, strerror(errno));
	return false;
}

/*
 * A free port below those that kernels give to clients, so that no other
 * process gets it by chance before the caller's bind().
 */
static void
port_print(const char *claims)
{
	enum { FIRST = 10240, COUNT = 22000 };
	struct sockaddr_storage ss;
	struct timespec ts;
	uint64_t seed;
	char text[16];
	socklen_t len;
	int fd, i;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	seed = (uint64_t)ts.tv_nsec * 2654435761U + (uint64_t)getpid() * 40503U;
	for (i = 0; i < 1000; i++) {
		seed =
		    seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		(void)snprintf(text, sizeof(text), "%u",
		    FIRST + (unsigned)((seed >> 33) % COUNT));
		address_find(opt.address, text, &ss, &len);
		fd = socket(ss.ss_family, SOCK_STREAM, 0);
		if (fd == -1)
			die("socket: %s", strerror(errno));
		if (bind(fd, (struct sockaddr *)&ss, len) == 0 &&
		    listen(fd, 1) == 0 && port_claim(claims, text)) {
			(void)puts(text);
			return;
		}
		(void)close(fd);
	}
	die("no free port");
}

static int
port(const char *claims)
{
	uint64_t i = 0;

	do
		port_print(claims);
	while (++i < opt.connections);
	return 0;
}

#ifdef __linux__
/* Segments that a socket has sent: tcpi_segs_out, which not every header has. */
static uint32_t
segments_out(int fd)
{
	enum { SEGS_OUT_AT = 136 };
	unsigned char info[256];
	socklen_t len = sizeof(info);
	uint32_t n;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == -1)
		die("TCP_INFO: %s", strerror(errno));
	if (len < SEGS_OUT_AT + sizeof(n))
		die("TCP_INFO: this kernel is too old");
	memcpy(&n, info + SEGS_OUT_AT, sizeof(n));
	return n;
}

static void
await_bytes(struct side *s, int count)
{
	int have = 0;

	deadline = now_ms() + timeout;
	while (have < count) {
		if (ioctl(s->fd, FIONREAD, &have) == -1)
			die("FIONREAD: %s", strerror(errno));
		if (now_ms() > deadline)
			die("a byte does not come");
		sleep_ms(1);
	}
}

/*
 * Sends two bytes, the second after the first has arrived, and reads neither.
 * A proxy that waits for acknowledgements cannot send the second byte before
 * the first is acknowledged.  If in one round the second byte arrives although
 * the receiver has sent nothing, the proxy does not wait, even on a slow
 * machine.
 */
static bool
nodelay_proven(struct side *from, struct side *to)
{
	uint32_t before;
	bool proven = false;
	int i, off = 0;

	for (i = 0; i < NODELAY_ROUNDS && !proven; i++) {
		(void)setsockopt(
		    to->fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
		before = segments_out(to->fd);
		deadline = now_ms() + timeout;
		if (side_send(from, "x", 1) == -1)
			die("%s", complaint);
		await_bytes(to, 1);
		if (side_send(from, "y", 1) == -1)
			die("%s", complaint);
		await_bytes(to, 2);
		proven = segments_out(to->fd) == before;
		deadline = now_ms() + timeout;
		if (expect(to, "xy", 2) == -1 || side_send(to, "z", 1) == -1 ||
		    expect(from, "z", 1) == -1)
			die("%s", complaint);
	}
	return proven;
}

static int
nodelay(char **argv)
{
	char *script[] = { (char *)"tunnel", NULL, NULL };
	struct side near, far;
	char target[128];
	int listener;

	opt.address = opt.target;
	listener = listening_socket(8);
	(void)snprintf(
	    target, sizeof(target), "%s:%u", opt.target, socket_port(listener));
	script[1] = target;
	side_make(&near, connected_socket(argv[0], argv[1]));
	if (side_run(&near, 1, script) == -1)
		die("%s", complaint);
	side_make(&far, accept(listener, NULL, NULL));
	if (!nodelay_proven(&near, &far))
		die("small writes to the target wait for acknowledgements");
	if (!nodelay_proven(&far, &near))
		die("small writes to the client wait for acknowledgements");
	side_free(&near);
	side_free(&far);
	return 0;
}
#else
static int
nodelay(char **argv)
{
	(void)argv;
	die("nodelay: only on Linux");
	return 1;
}
#endif

/* Raises the limit of descriptors as far as allowed. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void
usage(void)
{
	(void)fputs(usage_text, stderr);
	exit(64);
}

/* Reads the options; returns the number of words up to their end. */
static int
options(int argc, char **argv)
{
	int c;

	opt = defaults;
	optind = 1;
	/* The + keeps glibc from looking for options among the actions. */
	while ((c = getopt(argc, argv, "+a:b:c:n:p:st:M:R:T:")) != -1) {
		switch (c) {
		case 'a':
			opt.address = optarg;
			break;
		case 'b':
			opt.source = optarg;
			break;
		case 'c':
			opt.times = number(optarg);
			break;
		case 'n':
			opt.connections = number(optarg);
			break;
		case 'p':
			opt.port = optarg;
			break;
		case 's':
			opt.serial = true;
			break;
		case 't':
			timeout = (int64_t)number(optarg) * 1000;
			break;
		case 'M':
			opt.maxseg = (int)number(optarg);
			break;
		case 'R':
			opt.rcvbuf = (int)number(optarg);
			break;
		case 'T':
			opt.target = optarg;
			break;
		default:
			usage();
		}
	}
	return optind;
}

/* Runs the client of a line, whose words are put apart in place. */
static int
client_of_line(char *line)
{
	enum { WORDS_MAX = 64 };
	char *word[WORDS_MAX + 1] = { (char *)"client" };
	int i, n = 1;

	line[strcspn(line, "\n")] = '\0';
	for (; line != NULL; n++) {
		if (n == WORDS_MAX)
			die("a line of more than %d words", WORDS_MAX);
		word[n] = line;
		line = strchr(line, '\t');
		if (line != NULL)
			*line++ = '\0';
	}
	i = options(n, word);
	if (n - i < 2)
		usage();
	return client(word + i);
}

static int
clients(void)
{
	char *line = NULL;
	size_t size = 0;
	int result = 0;

	while (result == 0 && getline(&line, &size, stdin) > 0)
		result = client_of_line(line);
	free(line);
	return result;
}

int
main(int argc, char **argv)
{
	const char *what;
	int n;

	if (argc < 2)
		usage();
	(void)signal(SIGPIPE, SIG_IGN);
	raise_limit();
	what = argv[1];
	n = 1 + options(argc - 1, argv + 1);
	argc -= n;
	argv += n;
	if (strcmp(what, "client") == 0 && argc >= 2)
		return client(argv);
	if (strcmp(what, "clients") == 0 && argc == 0)
		return clients();
	if (strcmp(what, "server") == 0)
		return server(argv);
	if (strcmp(what, "echod") == 0 && argc == 0)
		return echod();
	if (strcmp(what, "full") == 0 && argc == 0)
		return full();
	if (strcmp(what, "closed") == 0 && argc == 0)
		return closed();
	if (strcmp(what, "port") == 0 && argc <= 1)
		return port(argv[0]);
	if (strcmp(what, "nodelay") == 0 && argc == 2)
		return nodelay(argv);
	usage();
	return 64;
}
