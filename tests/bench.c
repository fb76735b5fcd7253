/* SPDX-License-Identifier: ISC */
/*
 * The two ends of the benchmark: the origin, and the generator, which loads a
 * proxy and the direct connection in the same way.  Every byte that comes back
 * is compared or sampled.  If one tunnel fails, the whole run fails: there are
 * figures for all tunnels or for none.  tests/bench starts the proxies.  Linux
 * only.
 */
#define _GNU_SOURCE

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage_text[] =
    "usage: bench origin [-j PROCESSES]     prints its port, serves until "
    "killed\n"
    "       bench port                      prints a port that is free\n"
    "       bench minimal -x PORT [-j N] [-l FILE]\n"
    "                                       the least that a proxy can do\n"
    "       bench far -o PORT [-i MICROSECONDS]\n"
    "                                       prints the port of a long way to "
    "the\n"
    "                                       origin; -i is the time there and\n"
    "                                       back, 50000 unless given\n"
    "       bench first OPTIONS             tries until a tunnel works, for\n"
    "                                       the time of -d\n"
    "       bench tunnels OPTIONS [-c 64]   opens, echoes, closes\n"
    "       bench relay OPTIONS [-c 4] [-m down|up|both]\n"
    "       bench trips OPTIONS [-c 8] [-q QUIET] [-i MICROSECONDS] [-b BULK]\n"
    "       bench hold OPTIONS [-n 10000]   opens, holds, uses, closes\n"
    "\n"
    "options:\n"
    "  -o PORT      the origin's port\n"
    "  -x PORT      the proxy's port on 127.0.0.1; without it, directly\n"
    "  -r           the proxy relays to the origin without CONNECT\n"
    "  -H NAME      the name of the origin, for the proxy; else 127.0.0.K;\n"
    "               a * in it is a number, another one for each tunnel\n"
    "  -N N         so many numbers in turn, without an end unless given\n"
    "  -u TEXT      credentials for the proxy, in base64\n"
    "  -Q N         so many other tunnels wait for names without an answer\n"
    "  -W NAME      their names, with a * too\n"
    "  -p PID       the first process of the proxy, for its CPU and memory\n"
    "  -g DIR       the proxy's control group, for its CPU time\n"
    "  -d SECONDS   how long to measure, 2 unless given\n"
    "  -w SECONDS   how long to run before that, 0.3 unless given\n"
    "  -s SECONDS   how long quiet tunnels settle, 1 unless given\n"
    "  -j N         processes that generate the load, 1 unless given\n"
    "  -c N         tunnels at once\n"
    "  -m WAY       which way bytes flow\n"
    "  -q N         quiet tunnels beside the busy ones\n"
    "  -i US        every tunnel sends once in so many microseconds, and not\n"
    "               as soon as it can\n"
    "  -b N         tunnels at full speed beside the busy ones\n"
    "  -n N         tunnels to hold\n"
    "  -l FILE      the log of a minimal proxy that also does what it owes\n"
    "               its users\n";

enum {
	MSG_SIZE = 64,            /* bytes of one round trip */
	BULK_SIZE = 256 * 1024,   /* bytes of one read or write at full speed */
	PERIOD = 1024 * 1024 - 3, /* bytes; odd, so that no shift goes unseen */
	TAKEN = 1024 * 1024,      /* bytes that the origin answers with one */
	ORIGIN_ADDRS = 12,        /* 127.0.0.1 and up */
	SOURCE_ADDRS = 16,        /* client addresses of one process */
	PER_PROCESS = 12500,      /* quiet tunnels of one process */
	PER_ADDR = 12500,         /* tunnels to one address of the origin */
	OPEN_AT_ONCE = 64,        /* tunnels that a process opens at once */
	EVENTS = 256,             /* events per epoll_wait() */
	LOG_LINE = 105,           /* bytes of a line of the log */
	TICK = 10,                /* ms between two looks at the phase */
	SLICE = 20000000,         /* ns between two looks at the stolen time */
	STALL = 20,               /* s without progress that end a run */
	PROCS_MAX = 256,
	SUB = 64, /* buckets for each power of two */
	BUCKETS = 40 * SUB
};

/* The current phase of a run; only the first process changes it. */
enum phase {
	PHASE_OPEN,
	PHASE_MEASURE,
	PHASE_AFTER, /* measured; nothing counts any more */
	PHASE_USE,   /* quiet tunnels: one round trip each */
	PHASE_CLOSE
};

enum role {
	ROLE_CHURN, /* open, one round trip, close, again */
	ROLE_BUSY,  /* one round trip after the other */
	ROLE_BULK,  /* full speed */
	ROLE_QUIET, /* one round trip, then nothing */
	ROLE_WAIT   /* asks for a name without an answer, and waits */
};

enum step {
	STEP_CLOSED,
	STEP_CONNECT, /* the connect() goes on */
	STEP_HEAD,    /* the proxy's reply is awaited */
	STEP_ECHO,    /* the echo is awaited */
	STEP_IDLE,    /* the tunnel stands, nothing is awaited */
	STEP_BULK,
	STEP_EOF /* our end is shut, the other's is awaited */
};

/* The counters of one process; the first process reads them at any time. */
struct counts {
	_Atomic uint64_t opened;
	_Atomic uint64_t done;  /* tunnels, or round trips */
	_Atomic uint64_t bytes; /* both ways together */
	_Atomic uint64_t used;  /* by a round trip, or refused a name */
	_Atomic uint64_t closed;
	_Atomic uint64_t stalled; /* tunnels without progress */
	_Atomic bool failed;
	char why[200];
	uint64_t hist[BUCKETS]; /* latencies, see hist_add() */
};

/* One mapping for all processes of a run. */
struct shared {
	_Atomic int phase;
	struct counts procs[PROCS_MAX];
};

struct conn {
	int fd;
	enum step step;
	unsigned id;
	uint32_t tail; /* the last four bytes of the head */
	uint32_t got;  /* bytes of what is awaited */
	uint32_t trips;
	char status[12]; /* "HTTP/1.x NNN" */
	uint64_t start;  /* ns, of the round trip or the tunnel */
	uint64_t seq;
	uint64_t in, out; /* bytes at full speed */
	uint64_t mark;    /* progress when measuring began */
};

/* One process of the generator. */
struct gen {
	enum role role;
	unsigned index;
	int ep;
	int timer; /* -1: not paced */
	int phase;
	unsigned n;    /* connections, all in conns */
	unsigned next; /* the next to open, or to send when paced */
	unsigned opening;
	struct conn *conns;
	struct counts *counts;
};

/* The options of the command line. */
static struct {
	unsigned origin; /* ports */
	unsigned proxy;  /* 0: directly */
	const char *name;
	const char *wait_name;
	const char *user; /* and password, in base64 */
	bool raw;         /* a relay that knows no CONNECT */
	unsigned pid;
	const char *cgroup;
	const char *log; /* of minimal, which is careful then */
	double secs, warm, settle;
	unsigned procs, conns, quiet, bulk, hold, waiting;
	unsigned names;    /* for the * of a name; 0: any number */
	unsigned interval; /* us; 0: not paced */
	char way;          /* what a bulk tunnel sends first */
} opt = { .secs = 2, .warm = 0.3, .settle = 1, .procs = 1, .way = 's' };

static struct shared *shared;
static rlim_t limit; /* descriptors of one process */
static unsigned procs_used;
static pid_t pids[PROCS_MAX];
static unsigned tunnels_planned; /* all roles; spreads them on addresses */
static unsigned char pattern[PERIOD + BULK_SIZE];
static unsigned char scratch[BULK_SIZE];

static void end_children(void);

static void __attribute__((format(printf, 1, 2), noreturn))
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("bench: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	end_children();
	exit(1);
}

static uint64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void
pause_for(double secs)
{
	struct timespec ts;

	ts.tv_sec = (time_t)secs;
	ts.tv_nsec = (long)((secs - (double)ts.tv_sec) * 1e9);
	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		;
}

/* Raises the limit of descriptors as far as the system allows. */
static rlim_t
limit_raise(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1)
		die("getrlimit: %s", strerror(errno));
	r.rlim_cur = r.rlim_max;
	if (r.rlim_cur == RLIM_INFINITY || r.rlim_cur > 1 << 20)
		r.rlim_cur = 1 << 20;
	if (setrlimit(RLIMIT_NOFILE, &r) == -1)
		die("setrlimit: %s", strerror(errno));
	return r.rlim_cur;
}

/* A linear congruential generator: no two places of the pattern are equal. */
static void
pattern_make(void)
{
	uint32_t x = 1;
	size_t i;

	for (i = 0; i < PERIOD; i++) {
		x = x * 1664525 + 1013904223;
		pattern[i] = (unsigned char)(x >> 24);
	}
	memcpy(pattern + PERIOD, pattern, BULK_SIZE);
}

/* The n bytes in scratch were sent at pos; a sample shows shifts and losses. */
static bool
pattern_holds(uint64_t pos, size_t n)
{
	return memcmp(scratch, pattern + pos % PERIOD,
		   n < MSG_SIZE ? n : MSG_SIZE) == 0;
}

/*
 * Latencies: 64 buckets for each power of two, so the error is below 1.6 %.
 */
static unsigned
hist_bucket(uint64_t ns)
{
	unsigned power = 0;

	while (ns >> power >= 2 * SUB)
		power++;
	if (power >= BUCKETS / SUB - 1)
		return BUCKETS - 1;
	return power * SUB + (unsigned)(ns >> power);
}

static double
hist_value(unsigned bucket)
{
	unsigned power = bucket < 2 * SUB ? 0 : bucket / SUB - 1;

	return ((double)(bucket - power * SUB) + 0.5) *
	    (double)((uint64_t)1 << power);
}

/* How many samples each bucket has, in all processes. */
struct hist {
	uint64_t n[BUCKETS];
};

static void
hist_collect(struct hist *h)
{
	unsigned p, b;

	memset(h, 0, sizeof(*h));
	for (p = 0; p < procs_used; p++)
		for (b = 0; b < BUCKETS; b++)
			h->n[b] += shared->procs[p].hist[b];
}

/* Adds what has come between two looks. */
static void
hist_grow(struct hist *h, const struct hist *from, const struct hist *to)
{
	unsigned b;

	for (b = 0; b < BUCKETS; b++)
		h->n[b] += to->n[b] - from->n[b];
}

/* The latency in microseconds that a share of the samples does not exceed. */
static double
hist_quantile(const struct hist *h, double share)
{
	uint64_t total = 0, seen = 0;
	unsigned b;

	for (b = 0; b < BUCKETS; b++)
		total += h->n[b];
	for (b = 0; b < BUCKETS; b++) {
		seen += h->n[b];
		if (seen > 0 && (double)seen >= share * (double)total)
			return hist_value(b) / 1000;
	}
	return 0;
}

static struct sockaddr_in
loopback(uint32_t host, unsigned port)
{
	struct sockaddr_in sin;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(host);
	sin.sin_port = htons((uint16_t)port);
	return sin;
}

/*
 * The origin.  The first byte of a connection says what it does: 'e' echoes,
 * 's' sends the pattern, 'k' reads it and confirms it with one byte now and
 * then, 'b' sends and reads.
 */
struct guest {
	char kind;        /* 0: not known yet, 'l': listens */
	uint64_t in, out; /* bytes of the pattern */
};

static struct guest *guests; /* by descriptor */

static void
guest_close(int fd)
{
	guests[fd].kind = 0;
	close(fd);
}

static void
guest_accept(int ep, int lfd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd, on = 1, i;

	for (i = 0; i < OPEN_AT_ONCE; i++) {
		fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1 && (errno == EMFILE || errno == ENFILE))
			die("origin: %s", strerror(errno));
		if (fd == -1)
			return;
		if ((rlim_t)fd >= limit)
			die("origin: descriptor %d", fd);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		memset(&guests[fd], 0, sizeof(guests[fd]));
		ev.data.fd = fd;
		if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == -1)
			die("origin: epoll_ctl: %s", strerror(errno));
	}
}

/* Bytes that have arrived count, not bytes that were sent. */
static int
guest_taken(int fd)
{
	struct guest *g = &guests[fd];

	for (; g->in / TAKEN > g->out; g->out++)
		if (send(fd, "", 1, MSG_NOSIGNAL) != 1)
			return -1;
	return 0;
}

/* Handles n bytes in scratch; -1: close the connection. */
static int
guest_take(int ep, int fd, size_t n)
{
	struct guest *g = &guests[fd];
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT };

	if (g->kind == 0) {
		g->kind = (char)scratch[0];
		if (g->kind == 'e')
			return guest_take(ep, fd, n);
		ev.data.fd = fd;
		if (g->kind != 'k')
			epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
		n--;
		memmove(scratch, scratch + 1, n);
	}
	if (g->kind == 'e')
		return send(fd, scratch, n, MSG_NOSIGNAL) == (ssize_t)n ? 0
									: -1;
	if (n > 0 && (g->kind == 's' || !pattern_holds(g->in, n)))
		return -1;
	g->in += n;
	return g->kind == 'k' ? guest_taken(fd) : 0;
}

static void
guest_event(int ep, int fd, uint32_t events)
{
	struct guest *g = &guests[fd];
	ssize_t n;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		n = recv(fd, scratch, sizeof(scratch), 0);
		if (n == -1 && errno != EAGAIN && errno != EINTR) {
			guest_close(fd);
			return;
		}
		if (n == 0 || (n > 0 && guest_take(ep, fd, (size_t)n) == -1)) {
			guest_close(fd);
			return;
		}
	}
	if (events & EPOLLOUT && (g->kind == 's' || g->kind == 'b')) {
		n = send(
		    fd, pattern + g->out % PERIOD, BULK_SIZE, MSG_NOSIGNAL);
		if (n > 0)
			g->out += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			guest_close(fd);
	}
}

/* Returns a listening socket, or -1 if the address is in use. */
static int
origin_listen(uint32_t host, uint16_t port)
{
	struct sockaddr_in sin = loopback(host, port);
	int fd, on = 1;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		die("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    listen(fd, 4096) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	if (getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		die("getsockname: %s", strerror(errno));
	return ntohs(sin.sin_port);
}

static void __attribute__((noreturn)) origin_serve(const int *lfds)
{
	struct epoll_event evs[EVENTS];
	int ep, i, n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	guests = calloc(limit, sizeof(*guests));
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (guests == NULL || ep == -1)
		die("origin: %s", strerror(errno));
	for (i = 0; i < ORIGIN_ADDRS; i++) {
		evs[0].events = EPOLLIN;
		evs[0].data.fd = lfds[i];
		guests[lfds[i]].kind = 'l';
		epoll_ctl(ep, EPOLL_CTL_ADD, lfds[i], &evs[0]);
	}
	for (;;) {
		n = epoll_wait(ep, evs, EVENTS, -1);
		for (i = 0; i < n; i++) {
			if (guests[evs[i].data.fd].kind == 'l')
				guest_accept(ep, evs[i].data.fd);
			else
				guest_event(ep, evs[i].data.fd, evs[i].events);
		}
	}
}

/* Each process has a listening socket; the kernel spreads connections. */
static int
origin_main(void)
{
	int lfds[PROCS_MAX][ORIGIN_ADDRS];
	uint16_t port = 0;
	unsigned p;
	int a, fd;

	for (p = 0; p < opt.procs; p++) {
		for (a = 0; a < ORIGIN_ADDRS; a++) {
			fd = origin_listen(INADDR_LOOPBACK + (unsigned)a, port);
			if (fd == -1)
				die("listen: %s", strerror(errno));
			if (port == 0)
				port = port_of(fd);
			lfds[p][a] = fd;
		}
	}
	for (p = 0; p < opt.procs; p++) {
		pids[p] = fork();
		if (pids[p] == -1)
			die("fork: %s", strerror(errno));
		procs_used = p + 1;
		if (pids[p] == 0) {
			procs_used = 0;
			origin_serve(lfds[p]);
		}
	}
	printf("%u\n", (unsigned)port);
	fflush(stdout);
	wait(NULL);
	die("origin: a process ended");
}

/*
 * The generator's processes.
 */
static void __attribute__((format(printf, 2, 3), noreturn))
gen_fail(struct gen *g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(g->counts->why, sizeof(g->counts->why), fmt, ap);
	va_end(ap);
	g->counts->failed = true;
	_exit(1);
}

static const char *
step_name(enum step step)
{
	static const char *const names[] = { "closed", "connecting",
		"waiting for the reply", "waiting for the echo", "idle",
		"at full speed", "waiting for the end" };

	return names[step];
}

static void __attribute__((noreturn))
conn_fail(struct gen *g, const struct conn *c, const char *what)
{
	gen_fail(g, "tunnel %u, %s: %s", c->id, step_name(c->step), what);
}

static void
hist_add(struct gen *g, uint64_t ns)
{
	if (g->phase == PHASE_MEASURE)
		g->counts->hist[hist_bucket(ns)]++;
}

/* No two round trips, one after the other or side by side, send the same. */
static void
message_make(unsigned char *msg, const struct conn *c)
{
	memcpy(msg, pattern + (c->id * 71 + c->seq * 13) % PERIOD, MSG_SIZE);
	msg[0] = 'e';
}

static void
conn_watch(struct gen *g, struct conn *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	ev.data.ptr = c;
	if (epoll_ctl(g->ep, op, c->fd, &ev) == -1)
		conn_fail(g, c, strerror(errno));
}

static void
conn_send(struct gen *g, struct conn *c, const void *data, size_t n)
{
	ssize_t sent = send(c->fd, data, n, MSG_NOSIGNAL);

	if (sent == -1)
		conn_fail(g, c, strerror(errno));
	if (sent != (ssize_t)n)
		conn_fail(g, c, "short write");
}

static void
conn_ping(struct gen *g, struct conn *c)
{
	unsigned char msg[MSG_SIZE];

	c->seq++;
	c->got = 0;
	c->step = STEP_ECHO;
	message_make(msg, c);
	conn_send(g, c, msg, sizeof(msg));
}

/* The addresses of the origin are used in turn. */
static uint32_t
conn_target(const struct conn *c)
{
	unsigned addrs = (tunnels_planned + PER_ADDR - 1) / PER_ADDR;

	if (addrs < 4)
		addrs = 4;
	if (addrs > ORIGIN_ADDRS)
		addrs = ORIGIN_ADDRS;
	return INADDR_LOOPBACK + (c->id + (uint32_t)c->seq) % addrs;
}

/* Clients that wait for names are one client for the proxy. */
static uint32_t
conn_source(const struct gen *g, const struct conn *c)
{
	if (g->role == ROLE_WAIT)
		return 0;
	return (c->id + (uint32_t)c->seq) % SOURCE_ADDRS;
}

/*
 * Each process connects from addresses of its own, so that there are enough
 * ports.  A name resolves only to 127.0.0.1, where the ports must be enough
 * too.
 */
static void
conn_open(struct gen *g, struct conn *c)
{
	struct sockaddr_in src, dst;
	int on = 1;

	c->step = STEP_CONNECT;
	c->got = c->tail = 0;
	c->in = c->out = 0;
	c->start = now();
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		conn_fail(g, c, strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	src = loopback(0x7f100001 + (g->index << 8) + conn_source(g, c), 0);
	if (bind(c->fd, (struct sockaddr *)&src, sizeof(src)) == -1)
		conn_fail(g, c, strerror(errno));
	dst = opt.proxy != 0 ? loopback(INADDR_LOOPBACK, opt.proxy)
			     : loopback(conn_target(c), opt.origin);
	if (connect(c->fd, (struct sockaddr *)&dst, sizeof(dst)) == -1 &&
	    errno != EINPROGRESS)
		conn_fail(g, c, strerror(errno));
	conn_watch(g, c, EPOLL_CTL_ADD, EPOLLOUT);
	g->opening++;
}

static void
conn_close(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
	c->step = STEP_CLOSED;
}

/* The tunnel is open: sends the first bytes through it. */
static void
conn_start(struct gen *g, struct conn *c)
{
	uint32_t events = EPOLLIN;

	if (g->role != ROLE_BULK) {
		conn_ping(g, c);
		return;
	}
	conn_send(g, c, &opt.way, 1);
	c->step = STEP_BULK;
	g->opening--;
	g->counts->opened++;
	if (opt.way != 's')
		events |= EPOLLOUT;
	conn_watch(g, c, EPOLL_CTL_MOD, events);
}

/* The name or the address that the proxy is asked for. */
static void
conn_host(const struct gen *g, const struct conn *c, char *host, size_t size)
{
	const char *name = g->role == ROLE_WAIT ? opt.wait_name : opt.name;
	uint64_t number = c->seq * tunnels_planned + c->id;

	if (opt.names != 0)
		number %= opt.names;
	if (name == NULL)
		snprintf(
		    host, size, "127.0.0.%u", (unsigned)(conn_target(c) & 255));
	else if (strchr(name, '*') == NULL)
		snprintf(host, size, "%s", name);
	else
		snprintf(host, size, "%.*s%" PRIu64 "%s",
		    (int)strcspn(name, "*"), name, number,
		    strchr(name, '*') + 1);
}

/* Writes the request, and returns its length. */
static size_t
request_make(char *req, size_t size, const char *host)
{
	int n;

	n = snprintf(req, size,
	    "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n%s%s%s\r\n", host,
	    opt.origin, host, opt.origin,
	    opt.user != NULL ? "Proxy-Authorization: Basic " : "",
	    opt.user != NULL ? opt.user : "", opt.user != NULL ? "\r\n" : "");
	if (n < 0 || (size_t)n >= size)
		die("the name is too long");
	return (size_t)n;
}

static void
conn_connected(struct gen *g, struct conn *c)
{
	char req[1024], host[256];
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err != 0)
		conn_fail(g, c, strerror(err));
	conn_watch(g, c, EPOLL_CTL_MOD, EPOLLIN);
	if (opt.proxy == 0 || opt.raw) {
		conn_start(g, c);
		return;
	}
	conn_host(g, c, host, sizeof(host));
	c->step = STEP_HEAD;
	conn_send(g, c, req, request_make(req, sizeof(req), host));
	if (g->role == ROLE_WAIT) {
		g->opening--;
		g->counts->opened++;
	}
}

/* The origin never sends first, so nothing may follow the head. */
static void
conn_head(struct gen *g, struct conn *c, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (c->got < sizeof(c->status))
			c->status[c->got] = (char)scratch[i];
		c->got++;
		c->tail = c->tail << 8 | scratch[i];
		if (c->tail == 0x0d0a0d0a)
			break;
	}
	if (i == n)
		return;
	if (c->got < sizeof(c->status) ||
	    memcmp(c->status, "HTTP/1.", 7) != 0 || c->status[9] != '2')
		gen_fail(
		    g, "tunnel %u: the proxy said \"%.12s\"", c->id, c->status);
	if (i + 1 != n)
		conn_fail(g, c, "bytes behind the head");
	conn_start(g, c);
}

/* An echo is complete. */
static void
conn_echoed(struct gen *g, struct conn *c)
{
	uint64_t t = now(), ns = t - c->start, step = opt.interval * 1000ull;

	c->step = STEP_IDLE;
	if (g->role == ROLE_CHURN) {
		hist_add(g, ns);
		c->step = STEP_EOF;
		if (shutdown(c->fd, SHUT_WR) == -1)
			conn_fail(g, c, strerror(errno));
		return;
	}
	if (c->seq == 1) {
		g->opening--;
		g->counts->opened++;
	} else if (g->role == ROLE_QUIET) {
		g->counts->used++;
	} else {
		g->counts->done++;
		c->trips++;
		hist_add(g, ns);
		/* The turns that this round trip has missed have waited too. */
		for (; step != 0 && ns > step; ns -= step)
			hist_add(g, ns - step);
	}
	if (g->role == ROLE_BUSY && step == 0) {
		c->start = t;
		conn_ping(g, c);
	}
}

static void
conn_echo(struct gen *g, struct conn *c, size_t n)
{
	unsigned char msg[MSG_SIZE];

	message_make(msg, c);
	if (n > MSG_SIZE - c->got || memcmp(scratch, msg + c->got, n) != 0)
		conn_fail(g, c, "wrong bytes");
	c->got += (uint32_t)n;
	if (c->got == MSG_SIZE)
		conn_echoed(g, c);
}

static void
conn_ended(struct gen *g, struct conn *c)
{
	if (c->step != STEP_EOF)
		conn_fail(g, c, "end of file");
	conn_close(c);
	g->counts->done++;
	c->trips++;
	g->opening--;
	conn_open(g, c);
}

/* On the way up, each byte that comes back confirms many that have arrived. */
static void
conn_bulk(struct gen *g, struct conn *c, size_t n)
{
	c->in += n;
	if (opt.way == 'k') {
		if (c->in * TAKEN > c->out)
			conn_fail(g, c, "more taken than sent");
		n *= TAKEN;
	} else if (!pattern_holds(c->in - n, n)) {
		conn_fail(g, c, "wrong bytes");
	}
	g->counts->bytes += n;
}

static void
conn_read(struct gen *g, struct conn *c)
{
	ssize_t n = recv(c->fd, scratch, sizeof(scratch), 0);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1)
		conn_fail(g, c, strerror(errno));
	if (n == 0) {
		conn_ended(g, c);
		return;
	}
	switch (c->step) {
	case STEP_HEAD:
		conn_head(g, c, (size_t)n);
		break;
	case STEP_ECHO:
		conn_echo(g, c, (size_t)n);
		break;
	case STEP_BULK:
		conn_bulk(g, c, (size_t)n);
		break;
	default:
		conn_fail(g, c, "bytes that nobody sent");
	}
}

static void
conn_write(struct gen *g, struct conn *c)
{
	ssize_t n;

	n = send(c->fd, pattern + c->out % PERIOD, BULK_SIZE, MSG_NOSIGNAL);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1)
		conn_fail(g, c, strerror(errno));
	c->out += (size_t)n;
	if (opt.way == 'b')
		g->counts->bytes += (size_t)n;
}

static void
conn_event(struct gen *g, struct conn *c, uint32_t events)
{
	if (c->step == STEP_CONNECT) {
		conn_connected(g, c);
		return;
	}
	if (g->role == ROLE_WAIT) {
		conn_close(c);
		g->counts->used++;
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		conn_read(g, c);
	if (events & EPOLLOUT && c->step == STEP_BULK)
		conn_write(g, c);
}

/* Opens more tunnels while some are missing, a few at once. */
static void
gen_open(struct gen *g)
{
	while (g->next < g->n &&
	    (g->opening < OPEN_AT_ONCE || g->role == ROLE_CHURN)) {
		conn_open(g, &g->conns[g->next]);
		g->next++;
	}
}

/* Paced tunnels send in turn; one that still waits misses its turn. */
static void
gen_turn(struct gen *g)
{
	uint64_t turns;
	struct conn *c;

	if (read(g->timer, &turns, sizeof(turns)) != sizeof(turns) ||
	    g->counts->opened < g->n)
		return;
	for (; turns > 0; turns--) {
		c = &g->conns[g->next++ % g->n];
		if (c->step != STEP_IDLE)
			continue;
		c->start = now();
		conn_ping(g, c);
	}
}

static void
gen_pace(struct gen *g)
{
	struct itimerspec its;
	struct epoll_event ev = { .events = EPOLLIN };
	uint64_t ns = opt.interval * 1000ull / g->n;

	g->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (g->timer == -1)
		gen_fail(g, "timerfd_create: %s", strerror(errno));
	its.it_interval.tv_sec = its.it_value.tv_sec =
	    (time_t)(ns / 1000000000);
	its.it_interval.tv_nsec = its.it_value.tv_nsec =
	    (long)(ns % 1000000000);
	timerfd_settime(g->timer, 0, &its, NULL);
	ev.data.ptr = NULL;
	epoll_ctl(g->ep, EPOLL_CTL_ADD, g->timer, &ev);
}

/* Closes all tunnels after their end of file, or at full speed at once. */
static void
gen_close(struct gen *g)
{
	unsigned i;

	for (i = 0; i < g->n; i++) {
		if (g->conns[i].fd != -1)
			conn_close(&g->conns[i]);
		g->counts->closed++;
	}
	_exit(0);
}

/* The progress of a tunnel: bytes that arrived, or else bytes that it sent. */
static uint64_t
conn_progress(const struct conn *c)
{
	return c->trips + c->in + (opt.way == 'k' ? c->out : 0);
}

static void
gen_phase(struct gen *g)
{
	struct conn *c;
	unsigned i;

	for (i = 0; i < g->n; i++) {
		c = &g->conns[i];
		if (g->phase == PHASE_MEASURE)
			c->mark = conn_progress(c);
		else if (g->phase == PHASE_AFTER && g->role != ROLE_QUIET &&
		    g->role != ROLE_WAIT)
			g->counts->stalled += conn_progress(c) == c->mark;
		else if (g->phase == PHASE_USE && g->role == ROLE_QUIET)
			conn_ping(g, c);
	}
	if (g->phase == PHASE_CLOSE)
		gen_close(g);
}

static void __attribute__((noreturn)) gen_run(struct gen *g)
{
	struct epoll_event evs[EVENTS];
	int i, n, phase;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	g->ep = epoll_create1(EPOLL_CLOEXEC);
	if (g->ep == -1)
		gen_fail(g, "epoll_create1: %s", strerror(errno));
	g->timer = -1;
	if (g->role == ROLE_BUSY && opt.interval != 0)
		gen_pace(g);
	for (;;) {
		phase = shared->phase;
		if (phase != g->phase) {
			g->phase = phase;
			gen_phase(g);
		}
		gen_open(g);
		n = epoll_wait(g->ep, evs, EVENTS, TICK);
		for (i = 0; i < n; i++) {
			if (evs[i].data.ptr == NULL)
				gen_turn(g);
			else
				conn_event(g, evs[i].data.ptr, evs[i].events);
		}
	}
}

static void
gen_spawn(enum role role, unsigned n, unsigned first)
{
	struct gen g;
	unsigned i;

	if (procs_used == PROCS_MAX)
		die("too many processes");
	memset(&g, 0, sizeof(g));
	g.role = role;
	g.index = procs_used;
	g.n = n;
	g.counts = &shared->procs[procs_used];
	pids[procs_used] = fork();
	if (pids[procs_used] == -1)
		die("fork: %s", strerror(errno));
	if (pids[procs_used] != 0) {
		procs_used++;
		return;
	}
	procs_used = 0;
	g.conns = calloc(n, sizeof(*g.conns));
	if (g.conns == NULL)
		gen_fail(&g, "calloc: %s", strerror(errno));
	for (i = 0; i < n; i++) {
		g.conns[i].fd = -1;
		g.conns[i].id = first + i;
	}
	gen_run(&g);
}

/* Shares n tunnels among processes, as evenly as possible. */
static void
gen_spread(enum role role, unsigned n, unsigned procs)
{
	unsigned i, first = 0, part;

	for (i = 0; i < procs; i++) {
		part = n / procs + (i < n % procs);
		if (part > 0)
			gen_spawn(role, part, first);
		first += part;
	}
}

/*
 * The first process: it starts the others, measures, and reports.
 */
static void
end_children(void)
{
	unsigned i;

	for (i = 0; i < procs_used; i++)
		kill(pids[i], SIGKILL);
	for (i = 0; i < procs_used; i++)
		waitpid(pids[i], NULL, 0);
	procs_used = 0;
}

static void
on_signal(int sig)
{
	unsigned i;

	for (i = 0; i < procs_used; i++)
		kill(pids[i], SIGKILL);
	_exit(128 + sig);
}

/* Sums one counter over all processes; a failed tunnel ends the program. */
static uint64_t
total(size_t offset)
{
	const _Atomic uint64_t *value;
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < procs_used; i++) {
		if (shared->procs[i].failed)
			die("%s", shared->procs[i].why);
		value = (const _Atomic uint64_t *)(const void
			*)((const char *)&shared->procs[i] + offset);
		sum += *value;
	}
	return sum;
}

#define TOTAL(field) total(offsetof(struct counts, field))

/* Waits until the counter reaches n; a long time without progress is fatal. */
static void
await(size_t offset, uint64_t n, const char *what)
{
	uint64_t have, last = 0, since = now();

	while ((have = total(offset)) < n) {
		if (have != last) {
			last = have;
			since = now();
		}
		if (now() - since > STALL * 1000000000ull)
			die("only %" PRIu64 " of %" PRIu64 " tunnels %s", have,
			    n, what);
		pause_for(0.002);
	}
}

#define AWAIT(field, n, what) await(offsetof(struct counts, field), n, what)

/* Reads a small file of /proc or a control group; "" if it does not exist. */
static const char *
slurp(const char *path)
{
	static char buf[8192];
	ssize_t n;
	int fd;

	buf[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return buf;
	n = read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = '\0';
	close(fd);
	return buf;
}

/* The number after a word at the start of a line, or 0. */
static uint64_t
field(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (; text != NULL && *text != '\0'; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, word, len) == 0)
			return strtoull(text + len, NULL, 10);
	}
	return 0;
}

/* The sums over the processes of the proxy. */
struct usage {
	uint64_t cpu;    /* ns */
	uint64_t user;   /* bytes of memory */
	uint64_t kernel; /* bytes of the whole system's slab and buffers */
	uint64_t fds;
	unsigned processes;
	bool deep; /* memory and descriptors, too */
};

static uint64_t
fds_of(pid_t pid)
{
	char path[64];
	struct dirent *d;
	uint64_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while ((d = readdir(dir)) != NULL)
		n += isdigit((unsigned char)d->d_name[0]) != 0;
	closedir(dir);
	return n;
}

static void
usage_process(struct usage *u, pid_t pid, uint64_t children)
{
	char path[64];
	struct timespec ts;
	clockid_t id;

	u->processes++;
	if (clock_getcpuclockid(pid, &id) == 0 && clock_gettime(id, &ts) == 0)
		u->cpu +=
		    (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	u->cpu += children * 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	if (!u->deep)
		return;
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	u->user += field(slurp(path), "Pss:") * 1024;
	u->fds += fds_of(pid);
}

/* One line of the table of processes. */
struct process {
	pid_t pid, parent;
	uint64_t children; /* ticks of children that have ended */
};

static int
process_read(struct process *p, const char *name)
{
	unsigned long long cu, cs;
	char path[300];
	const char *s;
	int parent;

	snprintf(path, sizeof(path), "/proc/%s/stat", name);
	s = strrchr(slurp(path), ')');
	if (s == NULL ||
	    sscanf(s + 1,
		" %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u "
		"%*u %llu %llu",
		&parent, &cu, &cs) != 3)
		return -1;
	p->pid = (pid_t)strtol(name, NULL, 10);
	p->parent = parent;
	p->children = cu + cs;
	return 0;
}

/* Adds up a process and all below it; the table has count lines. */
static void
usage_tree(
    struct usage *u, const struct process *table, size_t count, pid_t pid)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (table[i].pid == pid)
			usage_process(u, pid, table[i].children);
		if (table[i].parent == pid)
			usage_tree(u, table, count, table[i].pid);
	}
}

static void
usage_processes(struct usage *u)
{
	static struct process table[32768];
	struct dirent *d;
	size_t count = 0;
	DIR *dir;

	dir = opendir("/proc");
	if (dir == NULL)
		return;
	while ((d = readdir(dir)) != NULL) {
		if (isdigit((unsigned char)d->d_name[0]) &&
		    count < sizeof(table) / sizeof(table[0]) &&
		    process_read(&table[count], d->d_name) == 0)
			count++;
	}
	closedir(dir);
	usage_tree(u, table, count, (pid_t)opt.pid);
	if (u->processes == 0)
		die("the proxy is gone");
}

/* The control group counts exactly: version 2 in microseconds, 1 in ns. */
static uint64_t
usage_cgroup(void)
{
	char path[4096];
	uint64_t us;

	snprintf(path, sizeof(path), "%s/cpu.stat", opt.cgroup);
	us = field(slurp(path), "usage_usec ");
	if (us != 0)
		return us * 1000;
	snprintf(path, sizeof(path), "%s/cpuacct.usage", opt.cgroup);
	return strtoull(slurp(path), NULL, 10);
}

/*
 * Sockets are in the slab of the kernel, and their buffers in the pages of TCP.
 * A thread for each tunnel also has a stack and page tables.
 */
static uint64_t
usage_kernel(void)
{
	const char *s = slurp("/proc/meminfo");
	uint64_t n;

	n = (field(s, "Slab:") + field(s, "KernelStack:") +
		field(s, "PageTables:")) *
	    1024;
	s = strstr(slurp("/proc/net/sockstat"), "TCP:");
	s = s != NULL ? strstr(s, "mem ") : NULL;
	if (s != NULL)
		n +=
		    strtoull(s + 4, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
	return n;
}

static struct usage
usage_now(bool deep)
{
	struct usage u;

	memset(&u, 0, sizeof(u));
	u.deep = deep;
	if (opt.pid != 0 && (deep || opt.cgroup == NULL))
		usage_processes(&u);
	if (opt.cgroup != NULL)
		u.cpu = usage_cgroup();
	if (deep)
		u.kernel = usage_kernel();
	return u;
}

/* One measurement: the counters' growth between two looks. */
struct window {
	double secs;
	double cpu; /* s */
	uint64_t done, bytes;
	struct hist all, calm;
	uint64_t stolen; /* ms */
};

/*
 * The time in ms that the host of this virtual machine has given to others
 * while a processor here had work.  The system tells every 10 ms of it.
 */
static uint64_t
stolen_ms(void)
{
	unsigned long long ticks = 0;

	sscanf(slurp("/proc/stat"), "cpu %*u %*u %*u %*u %*u %*u %*u %llu",
	    &ticks);
	return ticks * 1000 / (unsigned long)sysconf(_SC_CLK_TCK);
}

/*
 * Waits for the end of a window, and collects the samples of those slices in
 * which the host took no time, nor in the slice before.
 */
static void
window_watch(struct window *w, uint64_t end)
{
	static struct hist before, after;
	uint64_t first = stolen_ms(), stolen, t;
	bool calm = true, was_calm;

	for (; (t = now()) < end; w->stolen = stolen) {
		hist_collect(&before);
		pause_for((double)(end - t < SLICE ? end - t : SLICE) / 1e9);
		hist_collect(&after);
		stolen = stolen_ms() - first;
		was_calm = calm;
		calm = stolen == w->stolen;
		if (calm && was_calm)
			hist_grow(&w->calm, &before, &after);
	}
}

static void
measure(struct window *w)
{
	struct usage before, after;
	uint64_t t, done, bytes;

	pause_for(opt.warm);
	before = usage_now(false);
	shared->phase = PHASE_MEASURE;
	t = now();
	done = TOTAL(done);
	bytes = TOTAL(bytes);
	window_watch(w, t + (uint64_t)(opt.secs * 1e9));
	w->done = TOTAL(done) - done;
	w->bytes = TOTAL(bytes) - bytes;
	w->secs = (double)(now() - t) / 1e9;
	after = usage_now(false);
	shared->phase = PHASE_AFTER;
	pause_for(3 * TICK / 1000.0);
	w->cpu = (double)(after.cpu - before.cpu) / 1e9;
	hist_collect(&w->all);
	if ((w->done == 0 && w->bytes == 0) || TOTAL(stalled) == opt.conns)
		die("nothing %s", w->bytes == 0 ? "went through" : "came back");
}

static void
report_trips(const struct window *w)
{
	double calm = hist_quantile(&w->calm, 0.99);

	printf("rate=%.1f cpu_us=%.3f p50_us=%.2f p99_us=%.2f p999_us=%.2f"
	       " stalled=%" PRIu64 " count=%" PRIu64 " secs=%.3f cpu=%.3f"
	       " answered=%" PRIu64 " stolen_ms=%" PRIu64,
	    (double)w->done / w->secs, w->cpu * 1e6 / (double)w->done,
	    hist_quantile(&w->all, 0.5), hist_quantile(&w->all, 0.99),
	    hist_quantile(&w->all, 0.999), TOTAL(stalled), w->done, w->secs,
	    w->cpu, TOTAL(used), w->stolen);
	if (calm > 0)
		printf(" calm_p99_us=%.2f", calm);
	putchar('\n');
}

/* One try of a tunnel, with an echo; -1 if it did not come about. */
static int
first_try(int fd, const char *req, size_t len)
{
	struct sockaddr_in to =
	    loopback(INADDR_LOOPBACK, opt.proxy != 0 ? opt.proxy : opt.origin);
	struct timeval wait = { .tv_sec = 5 };
	char reply[1024], ping[] = "e";
	ssize_t n = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		return -1;
	if (opt.proxy != 0 && !opt.raw) {
		if (send(fd, req, len, MSG_NOSIGNAL) != (ssize_t)len)
			return -1;
		n = recv(fd, reply, sizeof(reply) - 1, 0);
		reply[n > 0 ? n : 0] = '\0';
		if (strncmp(reply, "HTTP/1.", 7) != 0 || reply[9] != '2')
			die("the proxy said \"%.*s\"",
			    (int)strcspn(reply, "\r\n"), reply);
	}
	if (send(fd, ping, 1, MSG_NOSIGNAL) != 1 || recv(fd, ping, 1, 0) != 1)
		return -1;
	return 0;
}

/* A program that starts is not there yet, or refuses a connection. */
static void
first_main(void)
{
	char req[1024];
	uint64_t end = now() + (uint64_t)(opt.secs * 1e9);
	size_t len;
	int fd;

	len = request_make(
	    req, sizeof(req), opt.name != NULL ? opt.name : "127.0.0.1");
	do {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd == -1)
			die("socket: %s", strerror(errno));
		if (first_try(fd, req, len) == 0)
			return;
		close(fd);
		pause_for(0.002);
	} while (now() < end);
	die("no tunnel works");
}

static void
tunnels_main(void)
{
	static struct window w;

	if (opt.conns == 0)
		opt.conns = 64;
	tunnels_planned = opt.conns + opt.waiting;
	gen_spread(ROLE_WAIT, opt.waiting, 1);
	AWAIT(opened, opt.waiting, "asked");
	gen_spread(ROLE_CHURN, opt.conns, opt.procs);
	measure(&w);
	report_trips(&w);
}

static void
relay_main(void)
{
	static struct window w;

	if (opt.conns == 0)
		opt.conns = 4;
	tunnels_planned = opt.conns;
	gen_spread(ROLE_BULK, opt.conns, opt.procs);
	AWAIT(opened, opt.conns, "opened");
	measure(&w);
	printf("gbit=%.3f cpu_s_per_gb=%.4f stalled=%" PRIu64 " bytes=%" PRIu64
	       " secs=%.3f cpu=%.3f\n",
	    (double)w.bytes * 8 / 1e9 / w.secs, w.cpu * 1e9 / (double)w.bytes,
	    TOTAL(stalled), w.bytes, w.secs, w.cpu);
}

/* The smallest number of processes with descriptors for n quiet tunnels. */
static unsigned
quiet_procs(unsigned n)
{
	unsigned part = PER_PROCESS;

	if (limit < 2 * PER_PROCESS)
		part = (unsigned)limit / 2;
	return (n + part - 1) / part;
}

static void
trips_main(void)
{
	static struct window w;
	unsigned all;

	if (opt.conns == 0)
		opt.conns = 8;
	all = opt.conns + opt.quiet + opt.bulk;
	tunnels_planned = all;
	gen_spread(ROLE_QUIET, opt.quiet, quiet_procs(opt.quiet));
	AWAIT(opened, opt.quiet, "opened");
	if (opt.quiet > 0)
		pause_for(opt.settle);
	gen_spread(ROLE_BUSY, opt.conns, opt.procs);
	gen_spread(ROLE_BULK, opt.bulk, opt.bulk);
	AWAIT(opened, all, "opened");
	measure(&w);
	report_trips(&w);
}

/* Waits until the proxy has closed its descriptors; returns how many stay. */
static int64_t
fds_left(uint64_t before)
{
	int64_t left = 0;
	int i;

	for (i = 0; i < 100; i++) {
		left = (int64_t)usage_now(true).fds - (int64_t)before;
		if (left <= 0)
			break;
		pause_for(0.1);
	}
	return left;
}

static void
hold_main(void)
{
	struct usage before, held, opened;
	uint64_t t;
	double open_secs, use_secs;
	double n;

	if (opt.hold == 0)
		opt.hold = 10000;
	n = opt.hold;
	tunnels_planned = opt.hold;
	pause_for(opt.settle);
	before = usage_now(true);
	t = now();
	gen_spread(ROLE_QUIET, opt.hold, quiet_procs(opt.hold));
	AWAIT(opened, opt.hold, "opened");
	open_secs = (double)(now() - t) / 1e9;
	opened = usage_now(false);
	pause_for(opt.settle);
	held = usage_now(true);
	t = now();
	shared->phase = PHASE_USE;
	AWAIT(used, opt.hold, "used");
	use_secs = (double)(now() - t) / 1e9;
	shared->phase = PHASE_CLOSE;
	AWAIT(closed, opt.hold, "closed");
	end_children();
	printf("held=%u open_secs=%.3f open_rate=%.1f open_cpu_us=%.3f "
	       "use_secs=%.3f user=%.0f kernel=%.0f fds=%" PRIu64
	       " processes=%u left=%" PRId64 "\n",
	    opt.hold, open_secs, n / open_secs,
	    (double)(opened.cpu - before.cpu) / 1e3 / n, use_secs,
	    ((double)held.user - (double)before.user) / n,
	    ((double)held.kernel - (double)before.kernel) / n,
	    held.fds - before.fds, held.processes,
	    opt.pid != 0 ? fds_left(before.fds) : 0);
}

/*
 * The least that a proxy for CONNECT can do, with as few system calls as there
 * can be: what it takes is what the kernel costs.  It knows only addresses,
 * reads a head in one piece, has no log and no time limit, and drops a tunnel
 * whose reader is slow.  It says 200 before there is a connection.
 *
 * With a log it also does what a proxy owes its users: it answers when there is
 * a connection, lets no small packet wait for an ACK, resets both sides if it
 * dies, and writes four lines for each tunnel, many of them together.
 */
static int *others; /* by descriptor: the other side, -1: none, -2: closed */
static bool *closing, *dialling;
static int log_fd = -1;

/* Collects a line of the log, as long as most of them. */
static void
minimal_log(void)
{
	static char lines[16 * 1024];
	static size_t len;

	if (log_fd == -1)
		return;
	if (len + LOG_LINE > sizeof(lines)) {
		if (write(log_fd, lines, len) != (ssize_t)len)
			die("%s: %s", opt.log, strerror(errno));
		len = 0;
	}
	memset(lines + len, '-', LOG_LINE - 1);
	lines[len + LOG_LINE - 1] = '\n';
	len += LOG_LINE;
}

/* Whether a close() of this socket, also by its process's death, resets it. */
static void
minimal_resets(int fd, bool on)
{
	struct linger linger = { .l_onoff = on };

	if (log_fd != -1)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void
minimal_watch(int ep, int op, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	ev.data.fd = fd;
	if (epoll_ctl(ep, op, fd, &ev) == -1)
		die("minimal: epoll_ctl: %s", strerror(errno));
}

static void
minimal_accept(int ep, int lfd)
{
	int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1)
		return;
	minimal_log();
	others[fd] = -1;
	closing[fd] = dialling[fd] = false;
	minimal_watch(ep, EPOLL_CTL_ADD, fd, EPOLLIN);
}

/* Tells a client that there is a tunnel.  Returns -1 if it is gone. */
static int
minimal_answer(int client)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\n\r\n";

	return send(client, ok, sizeof(ok) - 1, MSG_NOSIGNAL) == -1 ? -1 : 0;
}

/* A head has come: connects to its target.  Returns -1 if that fails. */
static int
minimal_connect(int ep, int client, char *head)
{
	struct sockaddr_in to;
	unsigned host, port;
	int fd;

	if (sscanf(head, "CONNECT 127.0.0.%u:%u HTTP/1.1\r\n", &host, &port) !=
	    2)
		return -1;
	minimal_log();
	to = loopback((INADDR_LOOPBACK & ~255u) + host, port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if ((connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1 &&
		errno != EINPROGRESS) ||
	    (log_fd == -1 && minimal_answer(client) == -1)) {
		close(fd);
		return -1;
	}
	others[fd] = client;
	others[client] = fd;
	closing[fd] = false;
	dialling[fd] = log_fd != -1;
	minimal_watch(ep, EPOLL_CTL_ADD, fd, dialling[fd] ? EPOLLOUT : EPOLLIN);
	return 0;
}

static void
minimal_close(int fd)
{
	int pair[] = { fd, others[fd] };

	minimal_log();
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0) {
			minimal_resets(pair[i], false);
			close(pair[i]);
			others[pair[i]] = -2;
		}
}

/* There is a connection to the server, or it has failed. */
static void
minimal_connected(int ep, int fd)
{
	int on = 1;

	dialling[fd] = false;
	minimal_log();
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	minimal_resets(fd, true);
	minimal_watch(ep, EPOLL_CTL_MOD, fd, EPOLLIN);
	if (minimal_answer(others[fd]) == -1)
		minimal_close(fd);
}

static void
minimal_event(int ep, int fd)
{
	ssize_t n = recv(fd, scratch, sizeof(scratch) - 1, 0);
	int other = others[fd];

	if (n == -1 && errno == EAGAIN)
		return;
	if (n > 0 && other == -1) {
		scratch[n] = '\0';
		if (minimal_connect(ep, fd, (char *)scratch) == -1)
			minimal_close(fd);
	} else if (n > 0) {
		if (send(other, scratch, (size_t)n, MSG_NOSIGNAL) != n)
			minimal_close(fd);
	} else if (n == -1 || other == -1 || closing[other]) {
		minimal_close(fd);
	} else {
		closing[fd] = true;
		epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
		shutdown(other, SHUT_WR);
	}
}

static void __attribute__((noreturn)) minimal_serve(int lfd)
{
	struct epoll_event evs[EVENTS];
	int ep = epoll_create1(EPOLL_CLOEXEC), fd, i, n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	others = calloc(limit, sizeof(*others));
	closing = calloc(limit, sizeof(*closing));
	dialling = calloc(limit, sizeof(*dialling));
	if (ep == -1 || others == NULL || closing == NULL || dialling == NULL)
		die("minimal: %s", strerror(errno));
	/* What is accepted inherits that. */
	minimal_resets(lfd, true);
	minimal_watch(ep, EPOLL_CTL_ADD, lfd, EPOLLIN);
	/* An event may be for a tunnel that one before it has closed. */
	for (;;) {
		n = epoll_wait(ep, evs, EVENTS, -1);
		for (i = 0; i < n; i++) {
			fd = evs[i].data.fd;
			if (fd == lfd)
				minimal_accept(ep, lfd);
			else if (others[fd] == -2)
				continue;
			else if (dialling[fd])
				minimal_connected(ep, fd);
			else
				minimal_event(ep, fd);
		}
	}
}

static void __attribute__((noreturn)) minimal_main(void)
{
	int lfd;

	if (opt.log != NULL &&
	    (log_fd = open(opt.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		 0600)) == -1)
		die("%s: %s", opt.log, strerror(errno));
	for (; procs_used < opt.procs; procs_used++) {
		lfd = origin_listen(INADDR_LOOPBACK, (uint16_t)opt.proxy);
		if (lfd == -1)
			die("listen: %s", strerror(errno));
		pids[procs_used] = fork();
		if (pids[procs_used] == -1)
			die("fork: %s", strerror(errno));
		if (pids[procs_used] == 0) {
			procs_used = 0;
			minimal_serve(lfd);
		}
		close(lfd);
	}
	wait(NULL);
	die("minimal: a process ended");
}

/*
 * A long way to the origin: every byte arrives half a round trip later than it
 * was sent.  The first ones wait for the handshake as well, which takes a whole
 * round trip.  Each connection has a process.
 */
enum {
	FAR_TRIP = 50000, /* us there and back, unless given */
	FAR_CHUNK = 16384,
	FAR_CHUNKS = 64, /* on the way at once, in one direction */
	FAR_MAX = 200    /* connections at once */
};

struct far_chunk {
	uint64_t due;
	size_t at, len; /* a length of 0 is the end */
	unsigned char bytes[FAR_CHUNK];
};

/* One direction: a ring of chunks, in the order of their due times. */
struct far_way {
	bool ended; /* nothing more comes */
	bool done;  /* and the end is passed on */
	unsigned first, n;
	struct far_chunk chunks[FAR_CHUNKS];
};

static struct far_way far_ways[2]; /* from the client, from the origin */

static void
far_take(struct far_way *w, int from, uint64_t trip, uint64_t ready)
{
	struct far_chunk *c = &w->chunks[(w->first + w->n) % FAR_CHUNKS];
	ssize_t n = recv(from, c->bytes, sizeof(c->bytes), 0);
	uint64_t t = now();

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1)
		_exit(0);
	c->due = (t > ready ? t : ready) + trip / 2;
	c->at = 0;
	c->len = (size_t)n;
	w->ended = n == 0;
	w->n++;
}

static void
far_give(struct far_way *w, int to)
{
	struct far_chunk *c = &w->chunks[w->first];
	ssize_t n;

	if (c->len == 0) {
		shutdown(to, SHUT_WR);
		w->done = true;
		w->n = 0;
		return;
	}
	n = send(to, c->bytes + c->at, c->len - c->at, MSG_NOSIGNAL);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1)
		_exit(0);
	c->at += (size_t)n;
	if (c->at == c->len) {
		w->first = (w->first + 1) % FAR_CHUNKS;
		w->n--;
	}
}

/*
 * Waits until a direction can take or give something.  The descriptor that way
 * i reads is fds[i], and it writes to the other.
 */
static void
far_wait(const int *fds, struct pollfd *pfds)
{
	uint64_t t = now(), next = t + 3600000000000u;
	struct timespec ts;
	int i;

	pfds[0].events = pfds[1].events = 0;
	for (i = 0; i < 2; i++) {
		struct far_way *w = &far_ways[i];

		if (!w->ended && w->n < FAR_CHUNKS)
			pfds[i].events |= POLLIN;
		if (w->n > 0 && w->chunks[w->first].due <= t)
			pfds[!i].events |= POLLOUT;
		else if (w->n > 0 && w->chunks[w->first].due < next)
			next = w->chunks[w->first].due;
	}
	/* An end that was seen before must not wake again. */
	for (i = 0; i < 2; i++) {
		pfds[i].fd = pfds[i].events != 0 ? fds[i] : -1;
		pfds[i].revents = 0;
	}
	ts.tv_sec = (time_t)((next - t) / 1000000000u);
	ts.tv_nsec = (long)((next - t) % 1000000000u);
	if (ppoll(pfds, 2, &ts, NULL) == -1 && errno != EINTR)
		die("far: poll: %s", strerror(errno));
}

static void __attribute__((noreturn)) far_serve(int client)
{
	uint64_t trip = (uint64_t)opt.interval * 1000, ready = now() + trip;
	struct sockaddr_in to = loopback(INADDR_LOOPBACK, opt.origin);
	struct pollfd pfds[2];
	int fds[2], i, on = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fds[0] = client;
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fds[1] == -1 ||
	    connect(fds[1], (struct sockaddr *)&to, sizeof(to)) == -1)
		die("far: connect: %s", strerror(errno));
	for (i = 0; i < 2; i++) {
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
	}
	while (!far_ways[0].done || !far_ways[1].done) {
		far_wait(fds, pfds);
		for (i = 0; i < 2; i++) {
			if (pfds[i].revents != 0 && pfds[i].events & POLLIN)
				far_take(&far_ways[i], fds[i], trip, ready);
			if (pfds[!i].revents != 0 && pfds[!i].events & POLLOUT)
				far_give(&far_ways[i], fds[!i]);
		}
	}
	_exit(0);
}

static void __attribute__((noreturn)) far_main(void)
{
	int lfd = origin_listen(INADDR_LOOPBACK, 0), fd;
	unsigned n = 0;
	pid_t pid;

	if (lfd == -1)
		die("far: listen: %s", strerror(errno));
	if (opt.interval == 0)
		opt.interval = FAR_TRIP;
	fcntl(lfd, F_SETFL, 0);
	printf("%u\n", (unsigned)port_of(lfd));
	fflush(stdout);
	for (;;) {
		fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
		if (fd == -1)
			die("far: accept: %s", strerror(errno));
		while (
		    n > 0 && waitpid(-1, NULL, n < FAR_MAX ? WNOHANG : 0) > 0)
			n--;
		pid = fork();
		if (pid == -1)
			die("far: fork: %s", strerror(errno));
		if (pid == 0) {
			close(lfd);
			far_serve(fd);
		}
		n++;
		close(fd);
	}
}

static unsigned
number(const char *s, unsigned max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (errno != 0 || *end != '\0' || end == s || *s == '-' || n > max)
		die("not a number up to %u: %s", max, s);
	return (unsigned)n;
}

static double
seconds(const char *s)
{
	char *end;
	double d = strtod(s, &end);

	if (*end != '\0' || end == s || !(d >= 0 && d <= 3600))
		die("not a number of seconds: %s", s);
	return d;
}

static char
way(const char *s)
{
	if (strcmp(s, "down") == 0)
		return 's';
	if (strcmp(s, "up") == 0)
		return 'k';
	if (strcmp(s, "both") == 0)
		return 'b';
	die("not down, up or both: %s", s);
}

static void __attribute__((noreturn)) usage(void)
{
	fputs(usage_text, stderr);
	exit(64);
}

/* The options that are numbers, with their limits. */
static const struct number {
	int c;
	unsigned *value;
	unsigned max;
} numbers[] = { { 'o', &opt.origin, 65535 }, { 'x', &opt.proxy, 65535 },
	{ 'p', &opt.pid, 1u << 30 }, { 'j', &opt.procs, PROCS_MAX / 2 },
	{ 'c', &opt.conns, 10000 }, { 'q', &opt.quiet, 1000000 },
	{ 'i', &opt.interval, 10000000 }, { 'b', &opt.bulk, 64 },
	{ 'n', &opt.hold, 1000000 }, { 'N', &opt.names, 1000000 },
	{ 'Q', &opt.waiting, 10000 } };

static void
option(int c)
{
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].c == c) {
			*numbers[i].value = number(optarg, numbers[i].max);
			return;
		}
	}
	if (c == 'H')
		opt.name = optarg;
	else if (c == 'W')
		opt.wait_name = optarg;
	else if (c == 'u')
		opt.user = optarg;
	else if (c == 'r')
		opt.raw = true;
	else if (c == 'g')
		opt.cgroup = optarg;
	else if (c == 'l')
		opt.log = optarg;
	else if (c == 'd')
		opt.secs = seconds(optarg);
	else if (c == 'w')
		opt.warm = seconds(optarg);
	else if (c == 's')
		opt.settle = seconds(optarg);
	else if (c == 'm')
		opt.way = way(optarg);
	else
		usage();
}

static void
setup(void)
{
	struct sigaction sa;
	int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	size_t i;

	pattern_make();
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	for (i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaction(sigs[i], &sa, NULL);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap: %s", strerror(errno));
}

static int
free_port(void)
{
	int fd = origin_listen(INADDR_LOOPBACK, 0);

	if (fd == -1)
		die("no free port");
	printf("%u\n", (unsigned)port_of(fd));
	return 0;
}

int
main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int c;

	while ((c = getopt(argc - (argc > 1), argv + (argc > 1),
		    "o:x:H:N:u:Q:W:rp:g:d:w:s:j:c:m:q:i:b:n:l:")) != -1)
		option(c);
	limit = limit_raise();
	setup();
	if (strcmp(mode, "origin") == 0)
		return origin_main();
	if (strcmp(mode, "port") == 0)
		return free_port();
	if (strcmp(mode, "minimal") == 0 && opt.proxy != 0 && opt.procs != 0)
		minimal_main();
	if (opt.procs == 0 || opt.origin == 0)
		usage();
	if (strcmp(mode, "far") == 0)
		far_main();
	else if (strcmp(mode, "first") == 0)
		first_main();
	else if (strcmp(mode, "tunnels") == 0)
		tunnels_main();
	else if (strcmp(mode, "relay") == 0)
		relay_main();
	else if (strcmp(mode, "trips") == 0)
		trips_main();
	else if (strcmp(mode, "hold") == 0)
		hold_main();
	else
		usage();
	end_children();
	return 0;
}
