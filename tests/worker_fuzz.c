/* SPDX-License-Identifier: ISC */
/* LINK: all */
/*
 * An entry for libFuzzer.  A whole worker lives in this process, with real
 * sockets on loopback, and the input is a script: what its clients, the servers,
 * the desks, the master and another worker do, and how much time passes.
 * Whatever that is, the worker comes to rest after it; when everybody falls
 * silent, all connections end; and nothing is left of them then: no descriptor,
 * no memory, no count.
 */
#define _GNU_SOURCE

#include <sys/socket.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../proxy.h"
#include "intern.h"
#include "must.h"
#include "parking.h"
#include "world.h"

/* The worker sleeps and ends as the script says. */

static int world_poll(int timeout);
static _Noreturn void world_leave(void);

#define watch_poll(timeout) world_poll(timeout)
#define _exit(status) world_leave()
#include "../worker.c"
#undef watch_poll
#undef _exit

const char program[] = "worker_fuzz", program_conf[] = "";

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	ME,     /* this worker, and its slot */
	FELLOW, /* another worker, which the script plays */
	CLIENTS = 6,
	SERVERS = 8,
	DESKS = HELPER_KINDS,
	CONNS_MAX = 8,
	PENDING_MAX = 32, /* questions that have no answer yet */
	TEXT_MAX = 1024,
	REST_TURNS =
	    4000, /* turns after which a worker must have come to rest */
	AGE_TURNS = 4000, /* and after which silence must have ended all */
	DAY = 24 * 3600 * 1000, /* ms */
	STORE_ALL =
	    16 * 1024 * 1024 /* what store.c permits if it has nothing */
};

/* What is listened on, and what comes first there. */
static const enum inlet inlets[] = { INLET_PROXY, INLET_PREFACE, INLET_TLS,
	INLET_HTTP, INLET_PROXY };
enum { INLETS_ALL = sizeof(inlets) / sizeof(*inlets), INLET_UNIX = 4 };

/* Configurations; words as in words[] below. */
static const char *const conf_texts[] = {
	"",
	"Allow c.test\nDeny 127.0.0.3\nAllow .test\nAllow 127.0.0.2\n"
	"ConnectTimeout 5\nHeaderTimeout 3\nStatHost \"stat.test\"\n",
	"BasicAuth u p\nBasicAuth bob secret\nNoAuth 127.0.0.3\n"
	"AllowTo *:USERPORT user bob\nDenyTo *:25\nReportTo *\nPeerUser Yes\n",
	"AuthFile \"DIR/users\"\nConnectTimeout 7\nMaxRatePerHost 4\n",
	"Upstream http 127.0.0.1:CLOSED\nUpstream http u:p@127.0.0.1:PORT\n"
	"Upstream http parent.test:PORT\nUpstream none \".direct.test\"\n",
	"Upstream socks5 u:p@127.0.0.1:PORT\nConnectTimeout 3\n"
	"Upstream socks4 127.0.0.1:PORT \".four.test\"\n"
	"SendProxy v2 127.0.0.1:PORT\n",
	"ReversePath \"/a/\" \"http://127.0.0.1:PORT/x/\"\n"
	"ReversePath \"/b/\" \"http://h.test:PORT/\"\nReverseMagic Yes\n"
	"ReverseBaseURL \"http://me.test/\"\nHealthPath \"/health\"\n",
	"Filter \"DIR/filter\"\nFilterURLs On\nFilterType ere\n"
	"XTinyproxy Yes\nAddHeader \"X-A\" \"b\"\nAnonymous \"Host\"\n"
	"Bind 127.0.0.1\n",
	"RateLimit 1024\nTimeout 20\nTunnelTimeout 60\nHalfClosedTimeout 5\n"
	"AccessLogInterval 10\n",
	"MaxClients 4\nMaxClientsPerHost 2\nMaxRatePerHost 3\nTimeout 60\n",
	"ProxyFrom 127.0.0.0/31\nAllowTo h.test tls\nDenyTo 127.0.0.9\n"
	"AllowTo *:PORT tls noech\nAllowTo *\nBindSame Yes\n",
	"Upstream http h.test:PORT\nUpstream http 127.0.0.1:STUCK\n"
	"SendProxy v1 h.test:PORT\nConnectTimeout 3\nDisableViaHeader Yes\n"
	"Timeout 5\n",
};
enum { CONFS = sizeof(conf_texts) / sizeof(*conf_texts) };

#define REQUEST(line) line " HTTP/1.1\r\nHost: h.test\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

/* What clients and servers say.  A number before "!" is a length. */
static const char *const say_texts[] = {
	REQUEST("CONNECT h.test:PORT") "\r\n",
	REQUEST("CONNECT 127.0.0.1:PORT") "\r\n",
	REQUEST("CONNECT 127.0.0.1:PORT") "\r\nearly",
	REQUEST("CONNECT 127.0.0.1:CLOSED") "\r\n",
	REQUEST("CONNECT 127.0.0.1:STUCK") "\r\n",
	REQUEST("CONNECT 127.0.0.1:SELF") "\r\n",
	REQUEST("CONNECT a.four.test:PORT") "\r\n",
	REQUEST(
	    "CONNECT h.test:PORT") "Proxy-Authorization: Basic dTpw\r\n\r\n",
	REQUEST("GET http://127.0.0.1:PORT/") "\r\n",
	REQUEST("GET http://h.test:PORT/") "\r\n",
	REQUEST("GET http://127.0.0.1:PORT/") "Connection: close\r\n\r\n",
	REQUEST("GET http://x.direct.test:PORT/p?q") "\r\n",
	REQUEST("HEAD http://127.0.0.1:PORT/") "\r\n" REQUEST(
	    "GET http://127.0.0.1:PORT/2") "\r\n",
	REQUEST("POST http://127.0.0.1:PORT/") "Content-Length: 5\r\n\r\n",
	REQUEST(
	    "PUT http://127.0.0.1:PORT/") "Expect: 100-continue\r\n" CHUNKED,
	REQUEST(
	    "GET http://127.0.0.1:PORT/") "Connection: upgrade\r\nUpgrade: x\r\n\r\n",
	REQUEST(
	    "GET http://127.0.0.1:PORT/") "Proxy-Authorization: Basic dTpw\r\n\r\n",
	REQUEST(
	    "GET http://127.0.0.1:PORT/") "Proxy-Authorization: Basic Ym9iOnNlY3JldA==\r\n\r\n",
	REQUEST(
	    "GET http://127.0.0.1:PORT/") "Proxy-Authorization: Basic dTpx\r\n\r\n",
	REQUEST("GET /a/x") "Cookie: yummy_magical_cookie=/b/\r\n\r\n",
	REQUEST("GET /b/") "\r\n",
	REQUEST("GET /health") "\r\n",
	REQUEST("GET http://stat.test/") "\r\n",
	REQUEST("GET http://evil.test/x/y") "\r\n",
	REQUEST("TRACE http://127.0.0.1:PORT/") "Max-Forwards: 0\r\n\r\n",
	REQUEST("OPTIONS http://127.0.0.1:PORT") "Max-Forwards: 1\r\n\r\n",
	REQUEST("GET /") "\r\n",
	"GET http://127.0.0.1:PORT/ HTTP/1.0\r\n\r\n",
	"PROXY TCP4 127.0.0.5 127.0.0.1 1000 80\r\n",
	"PROXY UNKNOWN\r\n",
	"26!\r\n\r\n\0\r\nQUIT\n\041\021\0\014\177\0\0\6\177\0\0\1\0\1\0\2",
	"5\r\nhello\r\n",
	"0\r\n\r\n",
	"0\r\nX: y\r\n\r\n",
	"hello",
	"\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n",
	"HTTP/1.1 200 OK\r\n\r\n",
	"HTTP/1.1 200 OK\r\n" CHUNKED "5;x=y\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 100 C\r\n\r\n",
	"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n",
	"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nback",
	"HTTP/1.1 204 No\r\n\r\n",
	"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n",
	"HTTP/1.1 302 F\r\nLocation: http://h.test/x\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 407 P\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
	"HTTP/1.0 200 OK\r\n\r\nbody",
	"2!\5\0",
	"2!\5\2",
	"2!\1\0",
	"10!\5\0\0\1\1\2\3\4\0\1",
	"2!\5\1",
	"8!\0\132\0\0\0\0\0\0",
	"8!\0\133\0\0\0\0\0\0",
	/* A ClientHello for h.test, a ServerHello, and a beginning of one. */
	"72!\026\003\001\0\103\001\0\0\077\003\003"
	"................................"
	"\0\0\002\023\001\001\0\0\024\0\0\0\013\0\011\0\0\006h.test"
	"\377\001\0\001\0",
	"11!\026\003\003\0\006\002\0\0\002\003\003",
	"3!\026\003\001",
	"SSH-2.0-x\r\n",
};
enum { SAYS = sizeof(say_texts) / sizeof(*say_texts) };

/* The words that stand for ports and for a folder. */
static unsigned server_port, closed_port, stuck_port;
static char dir[] = "/tmp/worker_fuzz.XXXXXX";

static struct {
	size_t len;
	char bytes[TEXT_MAX];
} says[SAYS];

static struct conf *confs[CONFS];

/* The world around the worker. */
static int listeners[INLETS_ALL], server_listener;
static struct addr listening[INLETS_ALL];
static int clients[CLIENTS], servers[SERVERS];
static int desks[DESKS], master, reader; /* our ends, or -1 */
static struct question pending[PENDING_MAX];
static size_t npending;
static bool narrow; /* new sockets have small buffers */

/* The worker. */
static struct share *share;
static struct baton baton;
static struct worker_args args;
static int worker_listeners[INLETS_ALL], worker_master;
static jmp_buf left;
static bool gone;   /* its process would have ended */
static int asked;   /* ms that it wanted to sleep in the last turn */
static int nevents; /* that it found then */

/* Sockets. */

static int
world_poll(int timeout)
{
	asked = timeout;
	nevents = watch_poll(0);
	return nevents;
}

static _Noreturn void
world_leave(void)
{
	longjmp(left, 1);
}

static void
fd_narrow(int fd)
{
	int size = 1;

	if (!narrow)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/* Connects to a port, from an address of loopback that ends in host. */
static int
reach(unsigned port, unsigned host)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	const void *sa = &at;

	must(fd >= 0, "a socket");
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + host);
	fd_narrow(fd);
	/* Where there is but one address of loopback, it is from that. */
	if (bind(fd, sa, sizeof(at)) != 0)
		errno = 0;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons((uint16_t)port);
	if (connect(fd, sa, sizeof(at)) != 0 && errno != EINPROGRESS)
		fd_close(&fd);
	return fd;
}

static struct sockaddr_un
unix_at(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/unix", dir);
	return un;
}

static int
reach_unix(void)
{
	struct sockaddr_un un = unix_at();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	const void *sa = &un;

	fd_narrow(fd);
	if (connect(fd, sa, sizeof(un)) != 0)
		fd_close(&fd);
	return fd;
}

static void
pair_make(int *ours, int *theirs)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0,
	    "a pair of sockets");
	*ours = pair[0];
	*theirs = pair[1];
}

/* The worker: begins, takes a turn, ends. */

static void
logs_make(struct logs *logs)
{
	*logs = (struct logs){ .level = LOG_LEVEL_INFO, .naccess = 2 };
	logs->fd = open("/dev/null", O_WRONLY);
	logs->access[0].fd = open("/dev/null", O_WRONLY);
	logs->access[1].fd = open("/dev/null", O_WRONLY);
	logs->access[1].format = RECORD_JSON;
}

static void
worker_begin(struct conf *conf)
{
	args.conf = conf;
	for (size_t i = 0; i < INLETS_ALL; i++)
		worker_listeners[i] = dup(listeners[i]);
	pair_make(&master, &worker_master);
	args.master = worker_master;
	for (int i = 0; i < DESKS; i++)
		pair_make(&desks[i], &args.desks[i]);
	logs_make(&args.logs);
	log_use(&args.logs);
	baton_forget(&baton, ME);
	baton_forget(&baton, FELLOW);
	baton_hear(&baton, ME);
	baton_hear(&baton, FELLOW);
	baton_give(&baton, ME);
	memset(&w, 0, sizeof(w));
	w.args = &args;
	w.logs = args.logs;
	quota_begin(args.slot, &conf->per_host);
	must(life_init(&args) == 0, "life_init");
	own_init();
	listen_update();
	gone = false;
}

/* What the kernel does at the end of a process. */
static void
worker_close(void)
{
	sessions_end();
	if (lot_fd() >= 0)
		own_leave(OWN_LOT, lot_fd());
	own_leave(OWN_MASTER, args.master);
	own_leave(OWN_BELL, baton.bells[ME][0]);
	for (unsigned i = 0; i < DESKS && !w.dismissed; i++) {
		own_leave(OWN_DESKS + i, args.desks[i]);
		close(args.desks[i]);
	}
	for (size_t i = 0; i < INLETS_ALL; i++)
		if (w.open >> i & 1)
			listener_close(i);
	close(worker_master);
	log_flush();
	log_close(&w.logs);
}

/* One turn of the loop of worker_run(). */
static void
turn(void)
{
	if (gone)
		return;
	if (setjmp(left) != 0) {
		gone = true;
		return;
	}
	if (!w.draining ||
	    ((conn_count() > 0 || w.abandoned != 0) && now < w.drained_at))
		worker_turn();
	else
		worker_leave(END_DRAINED);
}

/* Runs turns until the worker would sleep. */
static void
settle(void)
{
	int i = 0;

	do {
		turn();
		must(++i < REST_TURNS, "the worker comes to rest");
	} while (!gone && (nevents != 0 || asked == 0));
}

/*
 * Lets time pass, during which nobody else does anything, until there are no
 * connections.  Then clients may still wait for a place.
 */
static void
silence(void)
{
	int i = 0;

	while (!gone && conn_count() > 0) {
		turn();
		must(++i < AGE_TURNS, "silence ends each connection");
		if (nevents == 0)
			now += asked > 0 ? asked : asked < 0;
	}
}

/* Lets time pass until the worker waits for nothing. */
static void
rest(void)
{
	for (int i = 0; !gone && (nevents != 0 || asked >= 0); i++) {
		turn();
		must(i < AGE_TURNS, "a worker without clients rests");
		if (nevents == 0 && asked > 0)
			now += asked;
	}
}

/* The desks. */

static void
questions_read(void)
{
	struct question q;
	ssize_t n;

	for (int i = 0; i < DESKS; i++)
		while (desks[i] >= 0 && npending < PENDING_MAX &&
		    (n = recv(desks[i], &q, sizeof(q), 0)) > 0) {
			must(question_fits(&q, n), "a question fits");
			must(question_traits(q.kind)->helper ==
				(enum helper_kind)i,
			    "a question goes to its desk");
			pending[npending++] = q;
		}
}

/* Fills an answer; most are such as a desk gives. */
static void
answer_fill(struct answer *a, const struct question *q, unsigned kind)
{
	static const char *const at[] = { "127.0.0.1", "127.0.0.9", "::1",
		"240.0.0.1" };

	if (q->kind == QUESTION_LOGIN) {
		if (kind & 1)
			answer_put_login(a, "bob");
		return;
	}
	a->matches = kind >> 2 & 1;
	a->late = kind >> 3 & 1;
	if ((kind & 3) == 3)
		a->error = kind & 4 ? EAI_NONAME : EAI_MEMORY;
	if ((kind & 3) != 2)
		return;
	a->naddrs = 1 + (kind >> 4) % ADDRS_MAX;
	for (unsigned i = 0; i < a->naddrs; i++)
		addr_parse(&a->addrs[i], at[((kind >> 2) + i) % 4]);
}

/* A desk answers one of the questions, perhaps twice, or one not asked. */
static void
desk_answer(unsigned which, unsigned kind)
{
	struct answer a = { .error = 0 };
	struct question *q;
	int fd;

	questions_read();
	if (npending == 0)
		return;
	q = &pending[which % npending];
	fd = desks[question_traits(q->kind)->helper];
	a.ticket = q->ticket;
	a.ticket.serial += kind == 0x81;
	a.ticket.queue += kind == 0x82 ? QUEUES : 0;
	answer_fill(&a, q, kind);
	if (fd >= 0)
		answer_send(fd, &a);
	if (kind < 0xc0)
		*q = pending[--npending];
}

/* The master, the other worker, and a reader of sessions. */

static void
master_order(unsigned order)
{
	struct order_message message = { .level = LOG_LEVEL_INFO };
	int fds[3] = { -1, -1, -1 };
	size_t n = 0;

	switch (order % 8) {
	case 0:
		message.order = ORDER_LISTEN;
		break;
	case 1:
		message.order = ORDER_LOGS;
		message.log = true;
		message.naccess = order >> 3 & 1;
		n = 1 + message.naccess;
		for (size_t i = 0; i < n; i++)
			fds[i] = open("/dev/null", O_WRONLY);
		n -= order >> 4 & 1; /* it has too few descriptors */
		break;
	case 2:
		message.order = ORDER_SESSIONS;
		message.kill = order >> 3 & 1;
		message.judge = order >> 4 & 1;
		fd_close(&reader);
		pair_make(&reader, &fds[n++]);
		break;
	case 3:
		message.order = ORDER_DRAIN;
		message.abandoned = order >> 3;
		message.abandoned &= (1u << INLETS_ALL) - 1;
		break;
	case 4:
		fd_close(&master);
		return;
	default:
		message.order = ORDER_LOOK;
	}
	if (master >= 0)
		sys_send(master, &message, sizeof(message), fds, n);
	for (size_t i = 0; i < 3; i++)
		fd_close(&fds[i]);
}

static void
fellow_act(unsigned act)
{
	struct share_slot *slot = &share->slots[FELLOW];

	switch (act % 6) {
	case 0:
		baton_state(&baton, FELLOW, (enum slot_state)(act / 6 % 3));
		break;
	case 1:
		atomic_store(&slot->clients, act / 6 % 8);
		break;
	case 2:
		baton_pass(&baton, FELLOW, ME);
		break;
	case 3:
		baton_give(&baton, act & 32 ? FELLOW : NOBODY);
		break;
	case 4:
		baton_yield(&baton, ME);
		break;
	case 5:
		baton_spare(
		    &baton, FELLOW, (enum spare)(act / 6 % SPARES), act / 18);
		break;
	}
}

/* Reads some of the sessions, and ends the first of them. */
static void
reader_act(unsigned act)
{
	static struct session rows[SESSIONS_BATCH];
	struct session_end end = { .serial = act };
	ssize_t n;

	if (reader < 0)
		return;
	n = recv(reader, rows, sizeof(rows), 0);
	if (n >= (ssize_t)sizeof(*rows)) {
		must((size_t)n % sizeof(*rows) == 0, "whole sessions");
		end.serial = rows[0].serial;
	}
	if (act & 1)
		sys_send(reader, &end, sizeof(end) - (act >> 7), NULL, 0);
	if (act & 2)
		fd_close(&reader);
}

/* Clients and servers. */

static void
client_connect(unsigned which)
{
	int *client = &clients[which % CLIENTS];
	size_t inlet = which / CLIENTS % 8;

	if (*client >= 0)
		return;
	if (inlet == INLET_UNIX)
		*client = reach_unix();
	else
		*client = reach(listening[inlet < INLET_UNIX ? inlet : 0].port,
		    which / CLIENTS / 8);
}

static void
server_accept(unsigned which)
{
	int fd = accept4(server_listener, NULL, NULL, SOCK_NONBLOCK);
	int *server = &servers[which % SERVERS];

	if (fd < 0)
		return;
	fd_narrow(fd);
	fd_reset(server);
	*server = fd;
	if (which & 128)
		fd_reset(server);
}

static void
say(int fd, const void *bytes, size_t len)
{
	/* Whether it takes them is not our business. */
	if (fd >= 0 && send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		errno = 0;
}

static void
say_raw(int fd)
{
	size_t len = next();

	len = len < script_len ? len : script_len;
	say(fd, script, len);
	script += len;
	script_len -= len;
}

static void
say_text(int fd, unsigned which)
{
	which %= SAYS;
	say(fd, says[which].bytes, says[which].len);
}

static void
hear(int fd, size_t len)
{
	static char waste[65536];

	if (fd >= 0 && recv(fd, waste, len % sizeof(waste), MSG_DONTWAIT) < 0)
		errno = 0;
}

/* What one of them does with its socket. */
static void
peer_act(int *fd, unsigned act)
{
	static char much[60000];

	switch (act % 8) {
	case 0:
		say_text(*fd, next());
		break;
	case 1:
		say_raw(*fd);
		break;
	case 2:
		if (*fd >= 0)
			shutdown(*fd, SHUT_WR);
		break;
	case 3:
		fd_reset(fd);
		break;
	case 4:
		fd_close(fd);
		break;
	case 5:
		hear(*fd, next() * 256);
		break;
	case 6:
		say(*fd, much, sizeof(much));
		break;
	case 7:
		hear(*fd, 65535);
		break;
	}
}

/* One peer writes as much as it can, and another one reads. */
static void
stream(int from, int to)
{
	static char much[60000];

	for (int i = 0; i < 32 && !gone; i++) {
		for (int part = 0; part < 4; part++)
			say(from, much, sizeof(much));
		turn();
		for (int part = 0; part < 4; part++)
			hear(to, 65535);
	}
}

/* One step of the script; most are followed by a turn of the worker. */
static void
step(void)
{
	unsigned op = next(), with = next();

	switch (op % 16) {
	case 0:
	case 1:
		client_connect(with);
		break;
	case 2:
	case 3:
	case 4:
		peer_act(&clients[with % CLIENTS], with / CLIENTS);
		break;
	case 5:
		say_text(clients[with % CLIENTS], next());
		break;
	case 6:
		server_accept(with);
		break;
	case 7:
	case 8:
		peer_act(&servers[with % SERVERS], with / SERVERS);
		break;
	case 9:
	case 10:
		desk_answer(with, next());
		break;
	case 11:
		now += with & 128 ? (with & 127) * 250 : with;
		break;
	case 12:
		if (with < 160)
			settle();
		else if (with < 200)
			stream(clients[with % CLIENTS],
			    servers[with / CLIENTS % SERVERS]);
		else if (with < 240)
			stream(servers[with % SERVERS],
			    clients[with / SERVERS % CLIENTS]);
		else
			fd_close(&desks[with % DESKS]);
		break;
	case 13:
		master_order(with);
		break;
	case 14:
		fellow_act(with);
		break;
	case 15:
		if (with & 1)
			reader_act(with >> 1);
		else
			narrow = with >> 1 & 1;
		break;
	}
	if (op < 192)
		turn();
}

/* What must hold. */

/* Each connection has a deadline, and they are counted right. */
static void
conns_check(void)
{
	size_t count = 0, unsettled = 0, spares[SPARES + 1] = { 0 };

	for (struct conn *c = NULL; (c = conn_next(c)) != NULL;) {
		count++;
		unsettled += c->setup != NULL;
		spares[conn_spare(c)]++;
		must(c->tunnel.heap_at != 0, "a connection has a deadline");
		must(c->tunnel.deadline > 0 && c->tunnel.deadline <= now + DAY,
		    "and it comes within a day");
		must(c->tunnel.end[CLIENT].fd >= 0, "and a client");
	}
	must(count == conn_count(), "the count of connections");
	must(unsettled == conn_unsettled(), "the count of those on their way");
	for (enum spare spare = 0; spare < SPARES; spare++)
		must(spares[spare] == conn_spares(spare),
		    "the count of those that may give way");
}

/* Nothing of all connections is left. */
static void
remains_check(void)
{
	static const atomic_ullong none[QUOTA_SETS][QUOTA_WAYS];
	struct share_slot *slot = &share->slots[ME];

	must(conn_count() == 0 && conn_unsettled() == 0, "no connection");
	must(gone || deadline_next() < 0, "no deadline");
	must(gone || watch_tunnels() == 0, "nobody is watched");
	must(atomic_load(&slot->hosts) == 0 &&
		memcmp(slot->counts, none, sizeof(none)) == 0,
	    "no client is counted for its address");
	must(gone || atomic_load(&slot->clients) == 0, "nor for MaxClients");
	must(gone || atomic_load(&slot->tunnels) == 0, "no tunnel is counted");
	must(store_permits(STORE_ALL), "no head is kept");
}

/* The end of the script. */

/* Everybody leaves. */
static void
world_close(void)
{
	int fd;

	for (int i = 0; i < CLIENTS; i++)
		fd_reset(&clients[i]);
	for (int i = 0; i < SERVERS; i++)
		fd_reset(&servers[i]);
	while ((fd = accept(server_listener, NULL, NULL)) >= 0)
		fd_reset(&fd);
	for (int i = 0; i < INLETS_ALL; i++)
		while ((fd = accept(listeners[i], NULL, NULL)) >= 0)
			fd_reset(&fd);
	fd_close(&reader);
}

/* Lets what is remembered be forgotten, also questions without an answer. */
static void
forget(void)
{
	must(life_init(&args) == 0, "life_init");
	now += DAY;
	pipe_rest();
	namecache_tidy();
	authcache_tidy(now);
}

static void
finish(bool silently)
{
	settle();
	if (!gone)
		conns_check();
	if (silently)
		silence();
	if (silently)
		remains_check();
	world_close();
	settle();
	rest();
	must(gone || !has_baton() || w.listening != LISTEN_NOT,
	    "the holder of the baton listens again");
	remains_check();
	worker_close();
	for (int i = 0; i < DESKS; i++)
		fd_close(&desks[i]);
	fd_close(&master);
	npending = 0;
	narrow = false;
	forget();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned first;
	size_t memory;

	script = data;
	script_len = size;
	fds_keep();
	first = next();
	worker_begin(confs[first / 2 % CONFS]);
	memory = memory_used();
	while (script_len > 0 && !gone)
		step();
	finish(first & 1);
	fds_check();
	memory_check(memory);
	return 0;
}

/* The beginning. */

static void
file_write(const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file_put(path, text, strlen(text));
}

/* Writes a text with its words replaced.  Returns its length. */
static size_t
fill(char *out, const char *text, size_t len)
{
	const struct {
		const char *word;
		unsigned value;
	} words[] = { { "USERPORT", server_port }, { "PORT", server_port },
		{ "CLOSED", closed_port }, { "STUCK", stuck_port },
		{ "SELF", listening[0].port }, { "DIR", 0 } };
	size_t n = 0, i;

	for (size_t at = 0; at < len;) {
		for (i = 0; i < 6; i++)
			if (strncmp(text + at, words[i].word,
				strlen(words[i].word)) == 0)
				break;
		if (i == 6) {
			out[n++] = text[at++];
			continue;
		}
		at += strlen(words[i].word);
		n += words[i].value == 0
		    ? (size_t)sprintf(out + n, "%s", dir)
		    : (size_t)sprintf(out + n, "%u", words[i].value);
	}
	out[n] = '\0';
	return n;
}

static void
texts_make(void)
{
	for (size_t i = 0; i < SAYS; i++) {
		const char *text = say_texts[i], *mark = strchr(text, '!');
		size_t len = strlen(text);

		if (mark != NULL && text[0] <= '9') {
			len = strtoul(text, NULL, 10);
			text = mark + 1;
		}
		says[i].len = fill(says[i].bytes, text, len);
	}
}

static void
complain(enum log_level level, const char *text)
{
	if (level <= LOG_LEVEL_ERROR)
		fprintf(stderr, "%s\n", text);
}

static void
confs_make(void)
{
	char text[TEXT_MAX], path[64];
	size_t n;

	file_write("users",
	    "u:$6$abcdefgh$"
	    "oQbvXSLQpnR0DUOWE8Rkpbw.Bq3lMzRzXyLcYzZ9fD1gQ3L1m4cY"
	    "6d5pM2QnGm3oVbE2h7Vd8mZQ1nT9bW0uQ/\n");
	file_write("filter", "bad\\.test\n(evil|worse)+\\.test\n/x/.*y$\n");
	for (size_t i = 0; i < CONFS; i++) {
		const char *lines = conf_texts[i];

		/* Without crypt(3) there are no users. */
		if (!sys_has_crypt() && strncmp(lines, "AuthFile", 8) == 0)
			lines = strchr(lines, '\n') + 1;
		n = (size_t)sprintf(text, "Port 1\n");
		fill(text + n, lines, strlen(lines));
		file_write("conf", text);
		snprintf(path, sizeof(path), "%s/conf", dir);
		confs[i] = conf_read(path, complain, NULL);
		must(confs[i] != NULL, conf_texts[i]);
	}
}

static void
dir_remove(void)
{
	static const char *const names[] = { "users", "filter", "conf",
		"unix" };
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void
sockets_make(void)
{
	struct sockaddr_un un = unix_at();
	const void *sa = &un;
	unsigned port;
	int fd;

	for (size_t i = 0; i < INLETS_ALL; i++) {
		if (i == INLET_UNIX) {
			fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
			must(bind(fd, sa, sizeof(un)) == 0 &&
				listen(fd, CLIENTS) == 0,
			    "a Unix socket");
			listening[i].local = local_hold(un.sun_path);
		} else {
			fd = loopback(&port, 4 * CLIENTS);
			addr_parse(&listening[i], "127.0.0.1");
			listening[i].port = (uint16_t)port;
		}
		listeners[i] = fd;
	}
	server_listener = loopback(&server_port, 4 * SERVERS);
	/* It is held, so that nobody else listens there. */
	loopback(&closed_port, -1);
	/* Nobody accepts there, and there is no room for another. */
	loopback(&stuck_port, 0);
	for (int i = 0; i < 3; i++)
		reach(stuck_port, 0);
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = -1;
	for (int i = 0; i < SERVERS; i++)
		servers[i] = -1;
	reader = -1;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	signal(SIGPIPE, SIG_IGN);
	must(mkdtemp(dir) != NULL, "a folder");
	atexit(dir_remove);
	sockets_make();
	texts_make();
	confs_make();
	share = share_new();
	must(share != NULL && quota_init(share) == 0, "share_new");
	atomic_store(&share->nslots, 2);
	baton_init(&baton, share);
	must(baton_add(&baton, ME) == 0 && baton_add(&baton, FELLOW) == 0,
	    "the bells");
	baton_plan(&baton, WORKERS_MAX, CONNS_MAX);
	for (size_t i = 0; i < 2; i++)
		atomic_store(&share->places[i], CONNS_MAX);
	args = (struct worker_args){ .share = share,
		.slot = ME,
		.baton = &baton,
		.index = ME,
		.listeners = worker_listeners,
		.listening = listening,
		.nlisteners = INLETS_ALL,
		.inlets = inlets,
		.max_conns = CONNS_MAX,
		.max_pipes = 4,
		.max_attempts = 4,
		.max_questions = 4 };
	tzset();
	/* Names of the system's users are kept for good. */
	must(intern("bob") != NULL, "a name");
	pipe_init(args.max_pipes);
	log_batch();
	must(loop_init(CONNS_MAX) == 0 &&
		lot_init(watch_max(CONNS_MAX), parking_end) == 0,
	    "the loop");
	return 0;
}
