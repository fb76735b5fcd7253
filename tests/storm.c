/* SPDX-License-Identifier: ISC */
/*
 * Clients for a proxy that is being reloaded, killed and stopped.
 *
 * usage: storm PORT TARGET_PORT CLIENTS CONNECTIONS [FILE]
 *
 * So many clients at once, each a process, together make so many connections,
 * or as many as they can until there is the file: a CONNECT to a server that
 * echoes, a few bytes there and back, and the end.  Prints what has become of
 * them: "made N tunnels N answered N ended N"; answered is another answer than
 * 200.  A client that gets neither an answer nor an end within a minute fails,
 * and the status is 1.
 */
#define _GNU_SOURCE

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PATIENCE = 60,   /* seconds for an answer or an end */
	ADDRESSES = 200, /* of clients and servers, so that ports suffice */
	SIZE = 4096      /* bytes of a message or answer at most */
};

enum outcome { MADE, TUNNEL, ANSWERED, ENDED, SILENT, OUTCOMES };

struct tally {
	_Atomic long n[OUTCOMES];
	_Atomic long left;
};

static struct tally *tally;
static int port, target;

static struct sockaddr_in
address(long n, int at)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)at),
		.sin_addr.s_addr =
		    htonl(INADDR_LOOPBACK + (uint32_t)(n % ADDRESSES)) };
}

/* A connection to the proxy from another address than the last one. */
static int
proxy_connect(long n)
{
	struct sockaddr_in from = address(n, 0), to = address(0, port);
	struct timeval patience = { .tv_sec = PATIENCE };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (fd < 0 || bind(fd, (void *)&from, sizeof(from)) != 0 ||
	    connect(fd, (void *)&to, sizeof(to)) != 0) {
		perror("storm: connect");
		exit(1);
	}
	return fd;
}

/* Reads up to the text, or all of it.  Returns false at an end before. */
static bool
reads(int fd, char *got, const char *text)
{
	size_t len = 0;
	ssize_t n;

	got[0] = '\0';
	while (strstr(got, text) == NULL) {
		n = len < SIZE - 1 ? recv(fd, got + len, SIZE - 1 - len, 0) : 0;
		if (n <= 0)
			return false;
		len += (size_t)n;
		got[len] = '\0';
	}
	return true;
}

static enum outcome
ended(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK ? SILENT : ENDED;
}

static enum outcome
tunnel_try(int fd, long n)
{
	char got[SIZE];

	errno = 0;
	dprintf(fd, "CONNECT 127.0.0.%ld:%d HTTP/1.1\r\n\r\n",
	    1 + n % ADDRESSES, target);
	if (!reads(fd, got, "\r\n\r\n"))
		return ended();
	if (strncmp(got, "HTTP/1.1 200 ", 13) != 0)
		return ANSWERED;
	if (send(fd, "there and back\n", 15, MSG_NOSIGNAL) != 15 ||
	    !reads(fd, got, "back\n"))
		return ended();
	return TUNNEL;
}

static void
client_run(const char *file)
{
	while (file == NULL || access(file, F_OK) != 0) {
		long n = atomic_fetch_sub(&tally->left, 1);
		int fd;

		if (n <= 0)
			break;
		fd = proxy_connect(n);
		tally->n[MADE]++;
		tally->n[tunnel_try(fd, n)]++;
		close(fd);
	}
}

int
main(int argc, char *argv[])
{
	bool bad = false;
	int status;

	if (argc < 5)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	port = atoi(argv[1]);
	target = atoi(argv[2]);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		return 2;
	tally->left = atol(argv[4]);
	for (int i = 0; i < atoi(argv[3]); i++)
		if (fork() == 0) {
			client_run(argv[5]);
			exit(0);
		}
	while (wait(&status) > 0)
		bad = bad || status != 0;
	printf("made %ld tunnels %ld answered %ld ended %ld\n", tally->n[MADE],
	    tally->n[TUNNEL], tally->n[ANSWERED], tally->n[ENDED]);
	if (tally->n[SILENT] > 0)
		printf("silent %ld\n", tally->n[SILENT]);
	return bad || tally->n[SILENT] > 0;
}
