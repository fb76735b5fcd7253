/* SPDX-License-Identifier: ISC */
/* LINK: desk/desk.c desk/matter.c desk/helper.c desk/hosts.c desk/checker.c ipc/question.c ipc/turns.c base/addr.c base/array.c base/clock.c base/local.c base/memo.c base/name.c base/landlock.c base/format.c base/log.c base/program.c base/record.c base/safefile.c base/sandbox.c base/seccomp.c base/secret.c base/socket.c base/sys.c base/text.c policy/authcache.c policy/authhelper.c policy/login.c policy/pins.c */
/*
 * Runs a desk and is a worker of it that somebody has taken over, and one that
 * nobody has: whatever the first sends, the second gets its answers.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <netinet/in.h>

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../proxy.h"
#include "args.h"
#include "authhelper.h"
#include "desk.h"
#include "login.h"
#include "must.h"
#include "orders.h"
#include "pins.h"
#include "question.h"

enum {
	BAD,
	GOOD,
	WORKERS,
	FLOOD = 17000,
	FEW = 1000,
	PATIENCE = 10000, /* ms for an answer that comes at once */
	LINGER = 60       /* s that a close() would wait */
};

static int master[2], channels[WORKERS][2];
static pid_t desk;

/* A helper that lets good users in, and gives others no answer: these stay. */
static char *silent[] = { "/bin/sh", "-c",
	"while read -r who; do"
	" case $who in good*) echo OK ;; *) sleep 1000 ;; esac; "
	"done",
	NULL };

static void
desk_begin(void)
{
	static struct logins logins;
	static struct pins pins;
	static struct authhelper command;
	static int mine[WORKERS];
	static struct desk_args args = { .kind = HELPER_PASSWORDS,
		.channels = mine,
		.nworkers = WORKERS,
		.connect_timeout = 1000,
		.logins = &logins,
		.command = &command,
		.pins = &pins };

	command.words = silent;
	command.n = 3;
	args.master = master[1];
	for (int i = 0; i < WORKERS; i++)
		mine[i] = channels[i][0];
	desk = fork();
	must(desk >= 0, "a desk");
	if (desk != 0)
		return;
	close(master[0]);
	for (int i = 0; i < WORKERS; i++)
		close(channels[i][1]);
	signal(SIGPIPE, SIG_IGN);
	desk_run(&args);
}

/* Waits until there is something to read. */
static bool
comes(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, PATIENCE) == 1;
}

/* A question about a user, each time of another client. */
static struct question
question(const char *user, unsigned n)
{
	struct question q = { .kind = QUESTION_USER,
		.ticket = { .queue = QUEUE_USERS, .place = n, .serial = n } };
	const unsigned char ip[4] = { 10, 1, (unsigned char)(n >> 8),
		(unsigned char)n };

	addr_from4(&q.client, ip);
	question_add(&q, user);
	question_add(&q, "password");
	return q;
}

/* Sends a question, and waits while there is no room. */
static void
ask(int fd, const struct question *q)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	while (question_send(fd, q) != 0)
		must(poll(&pfd, 1, PATIENCE) == 1, "the desk reads");
}

/* Asks about a user who is let in. */
static void
lets_in(int fd, const char *user, const char *what)
{
	static unsigned serial = 70000;
	struct question q = question(user, ++serial);
	struct answer answer;

	ask(fd, &q);
	while (comes(fd) && answer_receive(fd, &answer) == 1)
		if (answer.ticket.serial == serial && answer.matches)
			return;
	must(false, what);
}

/* Asks about the user whom the desk knows since the first time. */
static void
serves(int fd, const char *what)
{
	lets_in(fd, "good", what);
}

/* How many answers that there is no room have come. */
static unsigned
refused(int fd)
{
	struct answer answer;
	unsigned n = 0;

	while (answer_receive(fd, &answer) == 1)
		n += answer.error == EAI_MEMORY;
	return n;
}

/* More questions than the desk keeps. */
static void
flood(void)
{
	struct question q;
	unsigned n = 0;
	char user[16];

	for (unsigned i = 0; i < FLOOD; i++) {
		snprintf(user, sizeof(user), "u%u", i);
		q = question(user, i);
		ask(channels[BAD][1], &q);
		n += refused(channels[BAD][1]);
	}
	serves(channels[GOOD][1], "others are served beside a flood");
	must(n + refused(channels[BAD][1]) > FLOOD / 4, "most find no room");
	for (unsigned i = 0; i < FEW; i++) {
		q = question("late", FLOOD + i);
		ask(channels[GOOD][1], &q);
	}
	serves(channels[GOOD][1], "and after it");
	must(refused(channels[GOOD][1]) == 0, "there is room for others");
}

/* Users whom the desk does not know, while all others get no answer. */
static void
share(void)
{
	lets_in(
	    channels[GOOD][1], "good1", "a flood leaves helpers for others");
	lets_in(channels[GOOD][1], "good2", "again and again");
}

/* In the name of another worker: the answer still comes to who asks. */
static void
impersonate(void)
{
	struct question q = question("good", 1);
	struct answer answer;
	struct pollfd pfd = { .fd = channels[GOOD][1], .events = POLLIN };

	q.ticket.worker = GOOD;
	ask(channels[BAD][1], &q);
	do
		must(comes(channels[BAD][1]) &&
			answer_receive(channels[BAD][1], &answer) == 1,
		    "an answer to who has asked");
	while (answer.ticket.serial != 1 || answer.error == EAI_MEMORY);
	must(poll(&pfd, 1, 0) == 0, "and none to another one");
}

/* A question that another desk is there for. */
static void
mislead(void)
{
	struct question q = { .kind = QUESTION_NAME,
		.ticket = { .queue = QUEUE_HOSTS, .serial = 3 } };
	struct answer answer;

	question_add(&q, "localhost");
	ask(channels[BAD][1], &q);
	serves(channels[BAD][1], "a question for another desk does no harm");
	while (answer_receive(channels[BAD][1], &answer) == 1)
		must(answer.ticket.serial != 3, "and has no answer");
}

/* A socket that a close() of waits for. */
static int
sticky_socket(void)
{
	struct linger linger = { .l_onoff = 1, .l_linger = LINGER };
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	static char data[65536];

	must(bind(listener, (struct sockaddr *)&at, len) == 0 &&
		listen(listener, 1) == 0 &&
		getsockname(listener, (struct sockaddr *)&at, &len) == 0 &&
		connect(fd, (struct sockaddr *)&at, len) == 0 &&
		accept(listener, NULL, NULL) >= 0,
	    "a connection");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, data, sizeof(data)) > 0)
		;
	return fd;
}

/* Descriptors that the desk must not wait for. */
static void
burden(void)
{
	struct question q = question("good", 2);
	int fd = sticky_socket();

	sys_send(channels[BAD][1], &q, sizeof(q), &fd, 1);
	close(fd);
	serves(channels[GOOD][1], "others are served beside descriptors");
}

/* An empty message, and the end of the worker; another takes its place. */
static void
succeed(void)
{
	struct order_message order = { .order = ORDER_CHANNEL, .worker = BAD };
	char c;
	int pair[2];

	send(channels[BAD][1], "", 0, MSG_NOSIGNAL);
	serves(channels[GOOD][1], "others are served after an empty message");
	close(channels[BAD][1]);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "a socket");
	must(sys_send(master[0], &order, sizeof(order), pair, 1) == 0, "order");
	close(pair[0]);
	channels[BAD][1] = pair[1];
	serves(channels[BAD][1], "a new worker is served");
	lets_in(channels[BAD][1], "good3",
	    "helpers that were busy for its predecessor are free");
	must(recv(channels[BAD][1], &c, 1, MSG_DONTWAIT) < 0,
	    "and gets no answer to its predecessor");
	shutdown(channels[BAD][1], SHUT_RDWR);
	serves(channels[GOOD][1], "others are served after a shutdown");
}

/* It ends with the last worker, once no other one can come. */
static void
finish(void)
{
	struct order_message order = { .order = ORDER_DRAIN };
	int status;

	must(sys_send(master[0], &order, sizeof(order), NULL, 0) == 0, "order");
	serves(channels[GOOD][1], "the desk stays for the last worker");
	for (int i = 0; i < WORKERS; i++)
		close(channels[i][1]);
	must(waitpid(desk, &status, 0) == desk && status == 0, "it ends");
}

int
main(void)
{
	struct note_message note;

	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, master) == 0, "a socket");
	for (int i = 0; i < WORKERS; i++) {
		must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channels[i]) == 0,
		    "a socket");
		fcntl(channels[i][1], F_SETFL, O_NONBLOCK);
	}
	desk_begin();
	close(master[1]);
	for (int i = 0; i < WORKERS; i++)
		close(channels[i][0]);
	must(comes(master[0]) &&
		recv(master[0], &note, sizeof(note), 0) == sizeof(note) &&
		note.note == NOTE_READY,
	    "the desk is ready");
	serves(channels[GOOD][1], "a user is let in");
	impersonate();
	mislead();
	burden();
	flood();
	share();
	succeed();
	finish();
	return 0;
}
