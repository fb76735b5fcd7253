/* SPDX-License-Identifier: ISC */
/* LINK: desk/matter.c desk/helper.c desk/hosts.c desk/checker.c ipc/question.c ipc/turns.c base/addr.c base/array.c base/local.c base/memo.c base/name.c base/landlock.c base/format.c base/log.c base/record.c base/safefile.c base/sandbox.c base/seccomp.c base/secret.c base/socket.c base/sys.c base/text.c policy/authcache.c policy/authhelper.c policy/login.c policy/pins.c */
/*
 * An entry for libFuzzer.  A desk lives in this process, and the input is a
 * script: what workers send to it, what its helpers answer or that they die, the
 * master's orders, and how much time passes.  Each question has one answer, for
 * the worker that has asked, and no other message is answered; and nothing is
 * left when all is over: no descriptor, no memory, no helper.
 */
#define _GNU_SOURCE

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../proxy.h"
#include "must.h"
#include "world.h"

/* The desk sleeps, has helpers, and ends as the script says. */

static int world_poll(struct pollfd *set, nfds_t n, int timeout);
static int helper_pair(int pair[2]);
static pid_t helper_fork(void);
static int helper_end(pid_t pid);
static pid_t helper_wait(pid_t pid, int *status);
static _Noreturn void world_leave(void);

#define poll(set, n, timeout) world_poll(set, n, timeout)
#define socketpair(family, type, protocol, pair) helper_pair(pair)
#define fork() helper_fork()
#define kill(pid, signal) helper_end(pid)
#define waitpid(pid, status, options) helper_wait(pid, status)
#define _exit(status) world_leave()
#include "../desk/desk.c"
#undef poll
#undef socketpair
#undef fork
#undef kill
#undef waitpid
#undef _exit

const char program[] = "desk_fuzz", program_conf[] = "";

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	WORKERS = 3,
	STAFF = 2 * HELPERS_MAX, /* helpers, with those that have ended */
	ASKED_MAX = 256,         /* questions of one script */
	FIRST_PID = 1000,
	REST_TURNS = 4000, /* turns after which a desk must have come to rest */
	DAY = 24 * 3600 * 1000 /* ms */
};

static int workers[WORKERS]; /* our ends, or -1 */
static unsigned lives[WORKERS];
static int channels[WORKERS], master;
static struct desk_args args = { .channels = channels,
	.nworkers = WORKERS,
	.block = { 32, 64 },
	.connect_timeout = 5 };

/* The other ends of helpers, by pid; -1: it has ended. */
static int staff[STAFF];
static bool killed[STAFF];
static size_t nstaff;
static bool forks_fail;
static int made = -1; /* the other end of the last pair */

/* Questions, by the serial of their tickets. */
static struct {
	unsigned worker, life; /* who has asked */
	bool proper;           /* the desk must answer */
	unsigned times, answers;
} all[ASKED_MAX];
static unsigned nasked;

static jmp_buf left;
static bool gone;   /* its process would have ended */
static int wish;    /* ms that it wanted to sleep in the last turn */
static int nevents; /* that it found then */

/* What desk.c calls. */

static int
world_poll(struct pollfd *set, nfds_t n, int timeout)
{
	wish = timeout;
	nevents = poll(set, n, 0);
	return nevents;
}

static _Noreturn void
world_leave(void)
{
	longjmp(left, 1);
}

static int
helper_pair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) != 0)
		return -1;
	made = dup(pair[1]);
	return 0;
}

static pid_t
helper_fork(void)
{
	if (forks_fail || nstaff == STAFF) {
		fd_close(&made);
		return -1;
	}
	staff[nstaff] = made;
	killed[nstaff] = false;
	made = -1;
	return FIRST_PID + (pid_t)nstaff++;
}

static int
helper_end(pid_t pid)
{
	size_t i = (size_t)(pid - FIRST_PID);

	must(pid >= FIRST_PID && i < nstaff, "only helpers are killed");
	killed[i] = staff[i] >= 0;
	fd_close(&staff[i]);
	return 0;
}

static pid_t
helper_wait(pid_t pid, int *status)
{
	size_t i = (size_t)(pid - FIRST_PID);

	must(i < nstaff && staff[i] < 0, "only for the dead it waits");
	*status = killed[i] ? SIGKILL : 0;
	return pid;
}

/* Workers. */

static void
worker_connect(unsigned i, int *theirs)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0,
	    "a pair of sockets");
	workers[i] = pair[0];
	*theirs = pair[1];
	lives[i]++;
}

/* Reads the answers that a worker has got. */
static void
worker_read(unsigned i)
{
	struct answer a;

	while (workers[i] >= 0 && answer_receive(workers[i], &a) == 1) {
		must(a.ticket.serial < nasked, "an answer to a question");
		must(all[a.ticket.serial].worker == i &&
			all[a.ticket.serial].life == lives[i],
		    "an answer for the worker that has asked");
		must(all[a.ticket.serial].proper,
		    "an answer to what is a question");
		all[a.ticket.serial].answers++;
		must(all[a.ticket.serial].answers <= all[a.ticket.serial].times,
		    "one answer to a question");
	}
}

static struct question
question_make(unsigned what)
{
	static const char *const texts[] = { "a.test", "b.test", "localhost",
		".test", "u", "v", "1000" };
	struct question q = { .kind = (enum question_kind)(what % 5),
		.ticket = { .place = what } };
	const struct question_traits *traits;
	const unsigned char ip[4] = { 10, 0, 0, (unsigned char)(what & 3) };

	addr_from4(&q.client, ip);
	if (q.kind > QUESTION_LOGIN)
		return q;
	traits = question_traits(q.kind);
	q.ticket.queue = what & 8 ? traits->overflow : traits->queue;
	for (unsigned i = 0; i < traits->parts; i++)
		question_add(&q, texts[(what / 5 + i) % 7]);
	return q;
}

/* Whether a question is one that this desk must answer. */
static bool
is_proper(const struct question *q, size_t len)
{
	const struct question_traits *traits;

	if (!question_fits(q, (ssize_t)len))
		return false;
	traits = question_traits(q->kind);
	return traits->helper == args.kind &&
	    (q->ticket.queue == traits->queue ||
		q->ticket.queue == traits->overflow);
}

/* Sends a message, and notes whether it must be answered, and how often. */
static void
worker_send(unsigned i, struct question *q, size_t len, unsigned times)
{
	unsigned sent = 0;

	q->ticket.serial = nasked;
	for (unsigned n = 0; n < times; n++) {
		sent += send(workers[i], q, len, MSG_NOSIGNAL) >= 0;
		q->again = true;
	}
	all[nasked].worker = i;
	all[nasked].life = lives[i];
	all[nasked].times = sent;
	all[nasked].answers = 0;
	all[nasked].proper = sent > 0 && is_proper(q, len);
	nasked++;
}

/*
 * A worker asks, perhaps for one more client too; or sends something that has a
 * byte changed, or another length.
 */
static void
worker_ask(unsigned i, unsigned what, unsigned how)
{
	struct question q = question_make(what);
	size_t len = offsetof(struct question, text) + q.len;
	unsigned char changed[sizeof(q)];

	if (workers[i] < 0 || nasked == ASKED_MAX)
		return;
	if (how >= 250) {
		len = next() * 4 % (sizeof(q) + 1);
	} else if (how >= 200) {
		memcpy(changed, &q, sizeof(q));
		changed[next() * 3 % len] = (unsigned char)next();
		memcpy(&q, changed, sizeof(q));
	}
	worker_send(i, &q, len, how < 200 && how % 8 == 7 ? 2 : 1);
}

/* Helpers. */

static void
helper_answer_fill(struct answer *a, unsigned kind)
{
	a->matches = kind & 1;
	if (kind & 2)
		a->error = kind & 4 ? EAI_AGAIN : EAI_NONAME;
	else if (kind & 8)
		a->naddrs = 1 + kind / 16;
}

/* A helper reads a question and answers, sends something else, or dies. */
static void
helper_act(unsigned which, unsigned act)
{
	struct answer a = { .error = 0 };
	struct question q;
	ssize_t n;
	int *fd;

	if (nstaff == 0)
		return;
	fd = &staff[which % nstaff];
	if (*fd < 0)
		return;
	n = recv(*fd, &q, sizeof(q), 0);
	must(n <= 0 || question_fits(&q, n), "a helper gets questions");
	if (n == 0 || act >= 240) {
		fd_close(fd);
		return;
	}
	helper_answer_fill(&a, act);
	if (act >= 220)
		sys_send(*fd, &a, act - 220, NULL, 0);
	else if (n > 0 || act & 16)
		answer_send(*fd, &a);
}

/* The desk: begins, takes turns, ends. */

static void
desk_begin(enum helper_kind kind)
{
	int pair[2];

	memset(&d, 0, sizeof(d));
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0,
	    "a pair of sockets");
	master = pair[0];
	args.master = pair[1];
	args.kind = kind;
	d.args = &args;
	d.staff_max = 3;
	for (unsigned i = 0; i < WORKERS; i++) {
		worker_connect(i, &channels[i]);
		channel_use(i, channels[i]);
	}
	gone = forks_fail = false;
	nstaff = nasked = 0;
}

static void
turn(void)
{
	if (gone)
		return;
	if (setjmp(left) != 0) {
		gone = true;
		return;
	}
	desk_turn();
	for (unsigned i = 0; i < WORKERS; i++)
		worker_read(i);
}

/* Helpers read whatever comes, and those that are told to leave do so. */
static bool
staff_leave(void)
{
	bool any = false;
	ssize_t n = 1;
	char c;

	for (size_t i = 0; i < nstaff; i++, n = 1) {
		while (staff[i] >= 0 && n > 0)
			n = recv(staff[i], &c, 1, 0);
		if (staff[i] < 0 || n != 0)
			continue;
		fd_close(&staff[i]);
		any = true;
	}
	return any;
}

/* Lets time pass, with helpers that do not answer. */
static void
silence(void)
{
	for (int i = 0; !gone; i++) {
		must(i < REST_TURNS, "the desk comes to rest");
		turn();
		if (staff_leave() || nevents != 0)
			continue;
		if (wish < 0)
			break;
		now += wish;
	}
}

static void
master_act(unsigned act)
{
	struct order_message order = { .order = ORDER_CHANNEL,
		.worker = act / 4 % (WORKERS + 1) };
	int fd = -1;

	switch (act % 4) {
	case 0:
	case 1:
		if (order.worker < WORKERS) {
			worker_read(order.worker);
			fd_close(&workers[order.worker]);
			worker_connect(order.worker, &fd);
		}
		break;
	case 2:
		order.order = act < 250 ? ORDER_LOOK : ORDER_DRAIN;
		break;
	case 3:
		if (act == 255)
			fd_close(&master);
		break;
	}
	if (master >= 0)
		sys_send(master, &order, sizeof(order), &fd, fd >= 0);
	fd_close(&fd);
}

static void
step(void)
{
	unsigned op = next(), with = next();

	switch (op % 8) {
	case 0:
	case 1:
	case 2:
		worker_ask(with % WORKERS, next(), with);
		break;
	case 3:
	case 4:
		helper_act(with, next());
		break;
	case 5:
		now += with & 128 ? (with & 127) * 100 : with;
		break;
	case 6:
		master_act(with);
		break;
	case 7:
		if (with < 128)
			forks_fail = with & 1;
		else if (with >= 240)
			fd_close(&workers[with % WORKERS]);
		break;
	}
	if (op < 192)
		turn();
}

/* Each question of a worker that is still there had its answers. */
static void
answers_check(void)
{
	for (unsigned i = 0; i < nasked; i++)
		must(!all[i].proper || workers[all[i].worker] < 0 ||
			all[i].life != lives[all[i].worker] ||
			all[i].answers > 0 || channels[all[i].worker] < 0,
		    "each question has an answer");
	for (int line = 0; line < LINES; line++)
		must(matter_taken((enum desk_line)line) == 0 &&
			line_next((enum desk_line)line) == NULL,
		    "no question is left");
	must(d.staff <= HELPERS_KEPT && d.nhelpers == d.staff,
	    "idle helpers go");
}

/* The last worker leaves, and the desk after it. */
static void
finish(void)
{
	struct order_message order = { .order = ORDER_DRAIN };

	forks_fail = false;
	silence();
	if (!gone) {
		answers_check();
		if (master >= 0)
			sys_send(master, &order, sizeof(order), NULL, 0);
		for (int i = 0; i < WORKERS; i++)
			fd_close(&workers[i]);
		silence();
	}
	must(gone, "the desk ends with its last worker");
	for (size_t i = 0; i < nstaff; i++)
		must(staff[i] < 0, "no helper is left");
}

/* What the kernel does at the end of a process. */
static void
desk_end(void)
{
	struct answer answer = { .error = EAI_FAIL };
	struct matter *m;

	for (size_t i = 0; i < d.nhelpers; i++)
		if (d.helpers[i].matter != NULL)
			matter_close(d.helpers[i].matter, &answer);
	for (int line = 0; line < LINES; line++)
		while ((m = matter_next(
			    (enum desk_line)line, SIZE_MAX, SIZE_MAX)) != NULL)
			matter_close(m, &answer);
	for (size_t i = 0; i < d.nhelpers; i++)
		close(d.helpers[i].fd);
	for (unsigned i = 0; i < WORKERS; i++) {
		channel_use(i, -1);
		fd_close(&workers[i]);
	}
	close(args.master);
	fd_close(&master);
	now += 2 * DAY;
	authcache_tidy(now);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t memory = memory_used();

	fds_keep();
	script = data;
	script_len = size;
	desk_begin(next() & 1 ? HELPER_PASSWORDS : HELPER_NAMES);
	while (script_len > 0 && !gone)
		step();
	finish();
	desk_end();
	fds_check();
	memory_check(memory);
	return 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct logins logins;
	static struct pins pins;
	struct question q = { .kind = QUESTION_NAME };
	struct answer answer = { .error = 0 };

	(void)argc, (void)argv;
	signal(SIGPIPE, SIG_IGN);
	args.logins = &logins;
	args.pins = &pins;
	must(matter_init(&args) == 0, "matter_init");
	hosts_use(&pins);
	/* What is read of the hosts file stays. */
	question_add(&q, "localhost");
	hosts_answer(&q, &answer);
	return 0;
}
