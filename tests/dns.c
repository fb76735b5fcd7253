/* SPDX-License-Identifier: ISC */
/*
 * A name server for the tests: answers over UDP and TCP as the command line
 * says, and prints every question.
 *
 *	dns [-t SECONDS] ADDRESS PORT RULE...
 *
 * SECONDS is how long an answer may be remembered, 0 unless given.
 *
 * A rule is NAME=ANSWER,ANSWER... with addresses of both families, or names
 * for a reverse question (1.0.0.127.in-addr.arpa=host.example).  NAME/=A,B
 * gives one of the answers, in turn.  NAME=never gets no answer, NAME=fail a
 * failure of the server, NAME=many:N the N addresses from 127.1.0.0 on.
 * NAME=MS@A,B is answered after MS milliseconds, over UDP.  *.NAME is any name
 * below that one.  A name without a rule does not exist.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum {
	HEADER = 12,       /* bytes of a message before its question */
	MESSAGE = 32768,   /* bytes of the longest answer */
	UDP_MESSAGE = 512, /* bytes of the longest answer over UDP */
	NAME_SIZE = 256,   /* bytes of a name as text */
	RULES_MAX = 64,    /* rules */
	LATE_MAX = 4096,   /* answers that wait for their time */
	TYPE_A = 1,
	TYPE_PTR = 12,
	TYPE_AAAA = 28,
	RCODE_FAIL = 2,
	RCODE_NONE = 3
};

struct message {
	unsigned char bytes[MESSAGE];
	size_t len;
	size_t question; /* bytes up to the end of the question */
	unsigned answers;
	long delay; /* ms until the answer is to be sent */
};

/* An answer that waits for its time. */
struct late {
	long long due; /* ms */
	struct sockaddr_storage to;
	socklen_t tolen;
	size_t len;
	unsigned char bytes[UDP_MESSAGE];
};

static struct late late[LATE_MAX];
static size_t nlate;
static unsigned ttl; /* s */
static char **rules;
static unsigned turns[RULES_MAX];

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
put(struct message *m, const void *bytes, size_t len)
{
	if (m->len + len > sizeof(m->bytes))
		return;
	memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

static void
put16(struct message *m, unsigned value)
{
	unsigned char bytes[2] = { (unsigned char)(value >> 8),
		(unsigned char)value };

	put(m, bytes, sizeof(bytes));
}

/* The name of the question as text; returns the bytes it took, or 0. */
static size_t
name_read(const unsigned char *at, size_t len, char name[NAME_SIZE])
{
	size_t i = 0, n = 0;

	while (i < len && at[i] != 0) {
		size_t label = at[i++];

		if (label > 63 || i + label > len || n + label + 2 > NAME_SIZE)
			return 0;
		memcpy(name + n, at + i, label);
		n += label;
		i += label;
		name[n++] = '.';
	}
	name[n > 0 ? n - 1 : 0] = '\0';
	return i + 1;
}

/* One record for the name of the question. */
static void
record_begin(struct message *m, unsigned type, size_t len)
{
	put16(m, 0xc000 + HEADER);
	put16(m, type);
	put16(m, 1);
	put16(m, ttl >> 16);
	put16(m, ttl & 0xffff);
	put16(m, (unsigned)len);
	m->answers++;
}

static void
put_name(struct message *m, const char *name)
{
	record_begin(m, TYPE_PTR, strlen(name) + 2);
	while (*name != '\0') {
		size_t label = strcspn(name, ".");
		unsigned char len = (unsigned char)label;

		put(m, &len, 1);
		put(m, name, label);
		name += label + (name[label] == '.');
	}
	put(m, "", 1);
}

/* Adds an answer if it is one for this type of question. */
static void
answer_add(struct message *m, unsigned type, const char *answer)
{
	unsigned char ip[16];

	if (type == TYPE_A && inet_pton(AF_INET, answer, ip) == 1) {
		record_begin(m, type, 4);
		put(m, ip, 4);
	} else if (type == TYPE_AAAA && inet_pton(AF_INET6, answer, ip) == 1) {
		record_begin(m, type, 16);
		put(m, ip, 16);
	} else if (type == TYPE_PTR) {
		put_name(m, answer);
	}
}

static void
answer_many(struct message *m, unsigned type, unsigned n)
{
	for (unsigned i = 0; i < n && type == TYPE_A; i++) {
		unsigned char ip[4] = { 127, 1, (unsigned char)(i >> 8),
			(unsigned char)i };

		record_begin(m, type, sizeof(ip));
		put(m, ip, sizeof(ip));
	}
}

/* Adds the answers of a rule; turn is the only one to give, or -1 for all. */
static void
answer_list(struct message *m, unsigned type, char *answers, int turn)
{
	char *answer, *save = NULL;
	int n = 0;

	for (answer = strtok_r(answers, ",", &save); answer != NULL;
	     answer = strtok_r(NULL, ",", &save)) {
		if (turn < 0 || n == turn)
			answer_add(m, type, answer);
		n++;
	}
}

/* Which answer of a rule "name/=" is next; the question for IPv4 addresses
 * counts, the one for IPv6 does not. */
static int
rule_turn(size_t i, unsigned type, const char *answers)
{
	int n = 1;
	unsigned turn = turns[i];

	for (; *answers != '\0'; answers++)
		n += *answers == ',';
	if (type == TYPE_A)
		turns[i]++;
	return (int)(turn % (unsigned)n);
}

/* What follows the name in a rule, if the rule is for that name, or NULL. */
static const char *
rule_rest(const char *rule, const char *name)
{
	size_t len = strcspn(rule, "/=");

	if (rule[0] == '*') {
		if (strlen(name) < len)
			return NULL;
		name += strlen(name) - (len - 1);
		rule++;
		len--;
	}
	return strlen(name) == len && strncasecmp(rule, name, len) == 0
	    ? rule + len
	    : NULL;
}

/* Adds the answers of the rules; returns the response code, or -1 for none. */
static int
rule_apply(struct message *m, const char *name, unsigned type)
{
	for (size_t i = 0; i < RULES_MAX && rules[i] != NULL; i++) {
		const char *rest = rule_rest(rules[i], name), *text;
		char answers[1024], *end;
		bool in_turns;

		if (rest == NULL)
			continue;
		in_turns = rest[0] == '/';
		text = rest + in_turns + 1;
		m->delay = strtol(text, &end, 10);
		if (end == text || *end != '@')
			m->delay = 0;
		else
			text = end + 1;
		snprintf(answers, sizeof(answers), "%s", text);
		if (strcmp(answers, "never") == 0)
			return -1;
		if (strcmp(answers, "fail") == 0)
			return RCODE_FAIL;
		if (strncmp(answers, "many:", 5) == 0)
			answer_many(m, type, (unsigned)atoi(answers + 5));
		else
			answer_list(m, type, answers,
			    in_turns ? rule_turn(i, type, answers) : -1);
		return 0;
	}
	return RCODE_NONE;
}

/* Turns the question in m into its answer; false if it gets none. */
static bool
answer(struct message *m, size_t limit)
{
	char name[NAME_SIZE];
	size_t taken;
	unsigned type;
	int code;

	if (m->len < HEADER + 5)
		return false;
	taken = name_read(m->bytes + HEADER, m->len - HEADER - 4, name);
	if (taken == 0)
		return false;
	m->question = HEADER + taken + 4;
	type = (unsigned)m->bytes[m->question - 4] << 8 |
	    m->bytes[m->question - 3];
	m->len = m->question;
	m->answers = 0;
	printf("%s %u\n", name, type);
	fflush(stdout);
	code = rule_apply(m, name, type);
	if (code < 0)
		return false;
	m->bytes[2] = 0x84;
	m->bytes[3] = (unsigned char)(0x80 | code);
	if (m->len > limit) {
		m->bytes[2] |= 0x02; /* cut off: ask again over TCP */
		m->len = m->question;
		m->answers = 0;
	}
	memset(m->bytes + 4, 0, 8);
	m->bytes[5] = 1;
	m->bytes[6] = (unsigned char)(m->answers >> 8);
	m->bytes[7] = (unsigned char)m->answers;
	return true;
}

static long long
clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void
udp_serve(int fd)
{
	static struct message m;
	struct sockaddr_storage from;
	socklen_t fromlen = sizeof(from);
	ssize_t n = recvfrom(fd, m.bytes, sizeof(m.bytes), 0,
	    (struct sockaddr *)&from, &fromlen);

	if (n < 0)
		return;
	m.len = (size_t)n;
	m.delay = 0;
	if (!answer(&m, UDP_MESSAGE))
		return;
	if (m.delay > 0 && nlate < LATE_MAX) {
		struct late *l = &late[nlate++];

		l->due = clock_ms() + m.delay;
		memcpy(&l->to, &from, sizeof(from));
		l->tolen = fromlen;
		l->len = m.len;
		memcpy(l->bytes, m.bytes, m.len);
	} else {
		sendto(
		    fd, m.bytes, m.len, 0, (struct sockaddr *)&from, fromlen);
	}
}

/* Sends the late answers whose time has come; returns ms to the next or -1. */
static int
late_send(int fd)
{
	long long now = clock_ms(), next = -1;

	for (size_t i = nlate; i-- > 0;) {
		struct late *l = &late[i];

		if (l->due <= now) {
			sendto(fd, l->bytes, l->len, 0,
			    (struct sockaddr *)&l->to, l->tolen);
			*l = late[--nlate];
		} else if (next < 0 || l->due < next) {
			next = l->due;
		}
	}
	return next < 0 ? -1 : (int)(next - now);
}

/* Some resolvers ask for both families on one connection. */
static void
tcp_serve(int listener)
{
	static struct message m;
	unsigned char len[2];
	int fd = accept(listener, NULL, NULL);
	ssize_t n;

	while (fd >= 0 && recv(fd, len, 2, MSG_WAITALL) == 2) {
		n = recv(
		    fd, m.bytes, (size_t)(len[0] << 8 | len[1]), MSG_WAITALL);
		m.len = n > 0 ? (size_t)n : 0;
		if (!answer(&m, sizeof(m.bytes)))
			break;
		len[0] = (unsigned char)(m.len >> 8);
		len[1] = (unsigned char)m.len;
		send(fd, len, 2, MSG_NOSIGNAL);
		send(fd, m.bytes, m.len, MSG_NOSIGNAL);
	}
	if (fd >= 0)
		close(fd);
}

static int
bound_socket(const char *address, const char *port, int type)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((unsigned short)atoi(port)) };
	int fd = socket(AF_INET, type, 0), on = 1;

	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1 || fd < 0)
		die(address);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		die(address);
	if (type == SOCK_STREAM && listen(fd, 64) != 0)
		die("listen");
	return fd;
}

int
main(int argc, char *argv[])
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };

	if (argc > 2 && strcmp(argv[1], "-t") == 0) {
		ttl = (unsigned)atoi(argv[2]);
		argc -= 2;
		argv += 2;
	}
	if (argc < 3 || argc > RULES_MAX + 2) {
		fprintf(
		    stderr, "usage: dns [-t seconds] address port rule...\n");
		return 64;
	}
	rules = argv + 3;
	fds[0].fd = bound_socket(argv[1], argv[2], SOCK_DGRAM);
	fds[1].fd = bound_socket(argv[1], argv[2], SOCK_STREAM);
	printf("ready\n");
	fflush(stdout);
	while (poll(fds, 2, late_send(fds[0].fd)) >= 0) {
		if (fds[0].revents != 0)
			udp_serve(fds[0].fd);
		if (fds[1].revents != 0)
			tcp_serve(fds[1].fd);
	}
	return 0;
}
