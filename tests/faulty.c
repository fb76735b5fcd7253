/* SPDX-License-Identifier: ISC */
/*
 * Lets calls of a running adit fail, one at a time, and looks what becomes of
 * its clients.
 *
 * usage: faulty FILE PID PORT LOG MOST [FUNCTION...]
 *
 * adit has loaded faults.c with this file, its master is PID, it has one worker,
 * desk and PORT, and an AuthFile with the users u0, u1 and so on, all with the
 * password "secret".  Each call of each function, or of these, fails in turn, the
 * first MOST of each: in the worker, in the desk and its helpers, in the master
 * during a reload, and in the children that a reload starts.  Then:
 *
 * - each client gets what it asked for, another answer, or an end;
 * - clients after that get what they ask for, and no descriptor is left over;
 * - there is a worker and a desk, after the next reload too.
 *
 * Prints what is not so, and how many calls have failed; the status is 0, 1, or
 * 77 if adit has not loaded the library.
 */
#define _GNU_SOURCE

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"
#include "must.h"

enum {
	PATIENCE = 8000,  /* ms for an answer, or for a state */
	BULK = 400000,    /* bytes through a tunnel, more than is kept */
	PAGE = 40000,     /* bytes of a page */
	USERS = 1000,     /* that have a password */
	HEAD_SIZE = 1000, /* bytes of a request */
	FAMILY_MAX = 64
};

static const char *const names[] = {
#define NAME(name, error) #name,
	FAULTS(NAME)
};

static struct fault_order *order;
static int master, port, server_port, most;
static const char *log_path;
static int nfailed, ninjected, fds_quiet;

static int64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
nap(int ms)
{
	poll(NULL, 0, ms);
}

/* The server: echoes what it gets, or answers a request with a page. */

static void
page_send(int fd)
{
	static char page[PAGE];

	memset(page, 'x', sizeof(page));
	dprintf(fd,
	    "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"
	    "Connection: close\r\n\r\n",
	    PAGE);
	if (write(fd, page, sizeof(page)) < 0)
		return;
}

static void
serve(int fd)
{
	static char bytes[65536];
	bool page = false;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		page = page || bytes[0] == 'G' || bytes[0] == 'P';
		if (page && n >= 4 &&
		    memcmp(bytes + n - 4, "\r\n\r\n", 4) == 0) {
			page_send(fd);
			break;
		}
		if (!page && write(fd, bytes, (size_t)n) != n)
			break;
	}
	shutdown(fd, SHUT_WR);
	_exit(0);
}

static struct sockaddr_in
address(int at)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)at),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void
server_start(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), got;
	struct sockaddr_in sa = address(0);
	socklen_t len = sizeof(sa);

	must(bind(fd, (void *)&sa, sizeof(sa)) == 0 && listen(fd, 99) == 0 &&
		getsockname(fd, (void *)&sa, &len) == 0,
	    "the server listens");
	server_port = ntohs(sa.sin_port);
	if (fork() != 0) {
		close(fd);
		return;
	}
	signal(SIGCHLD, SIG_IGN);
	while (getppid() != 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, 500) < 1 || (got = accept(fd, NULL, NULL)) < 0)
			continue;
		if (fork() == 0)
			serve(got);
		close(got);
	}
	_exit(0);
}

/* Clients.  A status of HTTP, or one of these: */
enum { ENDED = 0, SILENT = -1, WRONG = -2 };

static int
client_open(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in sa = address(port);

	must(fd >= 0, "a client has a socket");
	if (connect(fd, (void *)&sa, sizeof(sa)) != 0 && errno != EINPROGRESS)
		must(false, "a client reaches adit");
	return fd;
}

/* Waits for these events; whether there is one in time. */
static bool
ready(int fd, short events, int64_t end)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = end - now();

	return left > 0 && poll(&p, 1, (int)left) == 1;
}

/* Reads a head and no more.  Returns its status. */
static int
head_read(int fd)
{
	char head[HEAD_SIZE];
	size_t len = 0;
	int64_t end = now() + PATIENCE;

	while (len < sizeof(head) - 1) {
		if (!ready(fd, POLLIN, end))
			return SILENT;
		if (read(fd, head + len, 1) != 1)
			return ENDED;
		len++;
		if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0)
			break;
	}
	head[len] = '\0';
	return len < 12 || memcmp(head, "HTTP/1.1 ", 9) != 0 ? WRONG
							     : atoi(head + 9);
}

/* Sends so many bytes and gets as many, or only gets them.  Returns 200 too. */
static int
exchange(int fd, size_t to_send, size_t to_get)
{
	static char bytes[65536], got[65536];
	int64_t end = now() + PATIENCE;
	ssize_t n;

	memset(bytes, 'x', sizeof(bytes));
	while (to_get > 0) {
		if (!ready(fd, to_send > 0 ? POLLIN | POLLOUT : POLLIN, end))
			return SILENT;
		n = to_send == 0
		    ? 0
		    : send(fd, bytes,
			  to_send < sizeof(bytes) ? to_send : sizeof(bytes),
			  MSG_NOSIGNAL);
		to_send -= n > 0 ? (size_t)n : 0;
		n = recv(
		    fd, got, to_get < sizeof(got) ? to_get : sizeof(got), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return ENDED;
		if (n > 0 && memcmp(got, bytes, (size_t)n) != 0)
			return WRONG;
		to_get -= n > 0 ? (size_t)n : 0;
	}
	return 200;
}

/* The code of "uN:secret". */
static const char *
credentials(int user)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static char code[40];
	unsigned char text[40] = { 0 };
	int len = snprintf((char *)text, sizeof(text), "u%d:secret", user);
	size_t n = 0;

	for (int i = 0; i < len; i += 3) {
		unsigned bits = (unsigned)text[i] << 16 |
		    (unsigned)text[i + 1] << 8 | text[i + 2];

		for (int at = 0; at < 4; at++)
			code[n++] = i + at > len
			    ? '='
			    : digits[bits >> (18 - 6 * at) & 63];
	}
	code[n] = '\0';
	return code;
}

/* Sends a request line and fields, with the credentials of a user. */
static void
ask(int fd, int user, const char *format, ...)
{
	char head[HEAD_SIZE];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(head, sizeof(head), format, ap);
	va_end(ap);
	len += snprintf(head + len, sizeof(head) - (size_t)len,
	    " HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Basic %s\r\n\r\n",
	    credentials(user));
	if (!ready(fd, POLLOUT, now() + PATIENCE) ||
	    send(fd, head, (size_t)len, MSG_NOSIGNAL) < 0)
		return;
}

/* Opens a tunnel; *status is what came of it. */
static int
tunnel_open(int user, const char *host, int *status)
{
	int fd = client_open();

	ask(fd, user, "CONNECT %s:%d", host, server_port);
	*status = head_read(fd);
	return fd;
}

static int
tunnel(int user, const char *host, size_t len)
{
	int status, fd = tunnel_open(user, host, &status);

	if (status == 200)
		status = exchange(fd, len, len);
	close(fd);
	return status;
}

/* Two requests in one connection. */
static int
pages(void)
{
	int fd = client_open(), status = 200;

	for (int i = 0; i < 2 && status == 200; i++) {
		ask(fd, 0, "GET http://127.0.0.1:%d/", server_port);
		status = head_read(fd);
		if (status == 200)
			status = exchange(fd, 0, PAGE);
	}
	close(fd);
	return status;
}

static int
nonsense(void)
{
	int fd = client_open(), status;

	if (send(fd, "BAD\r\n\r\n", 7, MSG_NOSIGNAL) < 0)
		ready(fd, POLLOUT, now() + PATIENCE);
	status = head_read(fd);
	close(fd);
	return status;
}

enum { RESTS, BIG, PLAIN, BAD, USER, CLIENTS };

static const int right[] = { 200, 200, 200, 400, 200 };
static const char *const says[] = { "a tunnel that rests",
	"many bytes in a tunnel", "plain HTTP", "what is no request",
	"a user's first request" };

/*
 * One client after the other, while the first rests.  No two calls have the
 * same new user.
 */
static void
clients(int got[])
{
	static int user;
	int fd = tunnel_open(0, "127.0.0.1", &got[RESTS]);

	if (got[RESTS] == 200)
		got[RESTS] = exchange(fd, 1, 1);
	got[BIG] = tunnel(0, "localhost", BULK);
	got[PLAIN] = pages();
	got[BAD] = nonsense();
	user = user % (USERS - 1) + 1;
	got[USER] = tunnel(user, "127.0.0.1", 1);
	if (got[RESTS] == 200)
		got[RESTS] = exchange(fd, 1, 1);
	close(fd);
}

/* The family. */

struct family {
	int worker, desk, n, fds;
	int pids[FAMILY_MAX]; /* all but the master */
};

/* Adds the children of a process; returns how many there are. */
static int
children(int pid, int *pids, int room)
{
	char path[64];
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	while (n < room && fscanf(f, "%d", &pids[n]) == 1)
		n++;
	fclose(f);
	return n;
}

static int
descriptors(int pid)
{
	char path[64];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static bool
is_called(int pid, const char *title)
{
	char path[64], text[64] = "";
	FILE *f;
	bool is;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	is = fgets(text, sizeof(text), f) != NULL &&
	    strncmp(text, title, strlen(title)) == 0;
	fclose(f);
	return is;
}

/*
 * Finds the processes.  Helpers come and go; fds is how many descriptors all
 * others have, without the one that the desk has for each helper.
 */
static struct family
family(void)
{
	struct family f = { .fds = descriptors(master) };
	int nhelpers = 0, n;

	f.n = n = children(master, f.pids, FAMILY_MAX);
	for (int i = 0; i < n; i++) {
		if (is_called(f.pids[i], "adit: worker 0"))
			f.worker = f.pids[i];
		if (is_called(f.pids[i], "adit: desk"))
			f.desk = f.pids[i];
		f.fds += descriptors(f.pids[i]);
	}
	if (f.desk != 0)
		nhelpers = children(f.desk, f.pids + n, FAMILY_MAX - n);
	f.n += nhelpers;
	f.fds -= nhelpers;
	return f;
}

/* How many descriptors there are when nothing happens: the least in a second. */
static int
quiet(void)
{
	int least = family().fds;

	for (int i = 0; i < 20; i++) {
		struct family f = family();

		least = f.fds < least ? f.fds : least;
		nap(50);
	}
	return least;
}

/* Results. */

static void
wrong(const char *where, enum fault fault, int nth, const char *what, int n)
{
	printf("%s, %s call %d: %s (%d)\n", where, names[fault], nth, what, n);
	fflush(stdout);
	nfailed++;
}

static void
arm(enum fault fault, int nth, bool others, const int *pids, int n)
{
	for (int i = 0; i < FAULT_PIDS; i++)
		order->pids[i] = i < n ? pids[i] : 0;
	order->others = others;
	order->fault = (int)fault;
	order->nth = nth;
	order->count = order->fired = 0;
	order->armed = 1;
}

/* Whether a call has failed. */
static bool
disarm(void)
{
	order->armed = 0;
	ninjected += order->fired != 0;
	return order->fired != 0;
}

/* Waits until the family is whole and has no more descriptors than at first. */
static bool
settles(struct family *after)
{
	int64_t end = now() + PATIENCE;

	for (;;) {
		*after = family();
		if (after->worker != 0 && after->desk != 0 &&
		    after->fds <= fds_quiet)
			return true;
		if (now() > end)
			return false;
		nap(10);
	}
}

/* Clients that come afterwards must get what they ask for. */
static void
check_after(const char *where, enum fault fault, int nth)
{
	struct family after;
	int got[CLIENTS];

	clients(got);
	for (int i = 0; i < CLIENTS; i++)
		if (got[i] != right[i])
			wrong(where, fault, nth, says[i], got[i]);
	if (!settles(&after))
		wrong(where, fault, nth, "descriptors too many, or no family",
		    after.fds - fds_quiet);
}

/* Each call in some of the processes, while clients are served. */
static void
try_served(const char *where, enum fault fault, bool desk)
{
	struct family before = family(), after;
	int got[CLIENTS], pids[FAULT_PIDS], n = 0;

	for (int nth = 1; nth <= most; nth++) {
		before.n = (after = family()).n;
		n = 0;
		for (int i = 0; i < after.n && n < FAULT_PIDS; i++)
			if ((after.pids[i] == after.worker) != desk)
				pids[n++] = after.pids[i];
		arm(fault, nth, false, pids, n);
		clients(got);
		if (!disarm())
			return;
		for (int i = 0; i < CLIENTS; i++)
			if (got[i] < ENDED)
				wrong(where, fault, nth, says[i], got[i]);
		check_after(where, fault, nth);
		after = family();
		if (after.worker != before.worker || after.desk != before.desk)
			wrong(where, fault, nth, "a child has ended", 0);
		before.worker = after.worker;
		before.desk = after.desk;
	}
}

/* How many reloads have ended, by the log. */
static int
reloads(void)
{
	FILE *f = fopen(log_path, "r");
	char line[600];
	int n = 0;

	must(f != NULL, "there is a log");
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, "Reloading config file f") != NULL;
	fclose(f);
	return n;
}

/* Reloads; where no line of the log says that it is over, waits for a while. */
static void
reload(int patience)
{
	int n = reloads();
	int64_t end = now() + patience;

	kill(master, SIGHUP);
	while (reloads() == n && now() < end)
		nap(5);
}

/* Each call in the master, or in its new children, during a reload. */
static void
try_reload(const char *where, enum fault fault, bool new)
{
	struct family before = family(), after;
	int pids[FAULT_PIDS], n;
	bool fired = false;

	for (int nth = 1; nth <= most; nth++) {
		pids[0] = master;
		after = family();
		for (n = 1; n <= after.n && n < FAULT_PIDS; n++)
			pids[n] = after.pids[n - 1];
		arm(fault, nth, new, pids, new ? n : 1);
		reload(2000);
		if (!disarm())
			break;
		fired = true;
		check_after(where, fault, nth);
	}
	if (!fired)
		return;
	before = family();
	reload(PATIENCE);
	settles(&after);
	if (after.worker == before.worker)
		wrong(where, fault, 0, "the next reload does nothing", 0);
}

/* Whether a function is to be tried. */
static bool
is_named(const char *name, char **chosen)
{
	bool all = *chosen == NULL;

	while (*chosen != NULL && strcmp(*chosen, name) != 0)
		chosen++;
	return all || *chosen != NULL;
}

static void
try_all(char **chosen)
{
	for (enum fault fault = 0; fault < FAULT_KINDS; fault++) {
		if (!is_named(names[fault], chosen))
			continue;
		try_served("worker", fault, false);
		try_served("desk and helpers", fault, true);
		try_reload("master", fault, false);
		try_reload("new children", fault, true);
	}
}

int
main(int argc, char **argv)
{
	int got[CLIENTS], fd;

	must(argc >= 6, "usage: faulty FILE PID PORT LOG MOST [FUNCTION...]");
	fd = open(argv[1], O_RDWR);
	order =
	    mmap(NULL, FAULT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(fd >= 0 && order != MAP_FAILED, "there is the file");
	if (!order->loaded)
		return 77;
	master = atoi(argv[2]);
	port = atoi(argv[3]);
	log_path = argv[4];
	most = atoi(argv[5]);
	server_start();
	/* Helpers are there, and what is allocated once has been. */
	for (int i = 0; i < 3; i++)
		clients(got);
	for (int i = 0; i < CLIENTS; i++) {
		if (got[i] != right[i])
			printf("%s: %d\n", says[i], got[i]);
		must(got[i] == right[i], "without faults clients are served");
	}
	fds_quiet = quiet();
	try_all(argv + 6);
	printf("%d calls have failed\n", ninjected);
	return nfailed > 0 || ninjected == 0;
}
