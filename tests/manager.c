/* SPDX-License-Identifier: ISC */
/*
 * A service manager for the tests.  It opens sockets and becomes the command,
 * which gets the sockets as from systemd.  It leaves a process that writes the
 * messages of NOTIFY_SOCKET to a file until the command ends.
 *
 *     manager [OPTION...] COMMAND...
 *         -o FILE    the file, with a line for each message; the first option
 *         -l HOST    a listening TCP socket; writes "port N" to the file
 *         -b HOST    one that is bound but does not listen
 *         -u PATH    a listening Unix socket
 *         -n NAMES   LISTEN_FDNAMES
 *         -p PID     LISTEN_PID, in place of the right one
 *         -s PATH    NOTIFY_SOCKET, @NAME for one without a file
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/un.h>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *out;
static int nsockets;

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Descriptors from 3 on are for the command. */
static void
write_to(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	int high = fcntl(fd, F_DUPFD, 100);

	close(fd);
	if (high < 0 || (out = fdopen(high, "w")) == NULL)
		fail(path);
}

/* Makes a descriptor the next one that is handed over. */
static void
hand_over(int fd)
{
	if (fd != 3 + nsockets) {
		if (dup2(fd, 3 + nsockets) < 0)
			fail("dup2");
		close(fd);
	}
	nsockets++;
}

static void
tcp(const char *host, int listens)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *ai;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	void *sa = &ss;
	char port[16];
	int fd;

	if (getaddrinfo(host, "0", &hints, &ai) != 0)
		fail(host);
	fd = socket(ai->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 ||
	    (listens && listen(fd, 100) != 0) || getsockname(fd, sa, &len) != 0)
		fail(host);
	freeaddrinfo(ai);
	if (getnameinfo(sa, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV) !=
	    0)
		fail(host);
	fprintf(out, "port %s\n", port);
	hand_over(fd);
}

/* The address of a Unix socket; returns its length. */
static socklen_t
unix_address(struct sockaddr_un *un, const char *path)
{
	size_t len = strlen(path);

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	if (len >= sizeof(un->sun_path)) {
		fprintf(stderr, "%s: too long\n", path);
		exit(1);
	}
	memcpy(un->sun_path, path, len);
	if (path[0] == '@')
		un->sun_path[0] = '\0';
	else
		len++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static int
unix_socket(const char *path, int type)
{
	struct sockaddr_un un;
	socklen_t len = unix_address(&un, path);
	const void *sa = &un;
	int fd = socket(AF_UNIX, type, 0);

	if (fd < 0 || bind(fd, sa, len) != 0 ||
	    (type == SOCK_STREAM && listen(fd, 10) != 0))
		fail(path);
	return fd;
}

/* Writes messages to the file until the command has ended. */
static void
listen_to(int fd, pid_t command)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char text[1024];
	ssize_t n;

	do {
		while (poll(&pfd, 1, 50) == 1) {
			n = recv(fd, text, sizeof(text) - 1, 0);
			if (n < 0)
				exit(1);
			for (ssize_t i = 0; i < n; i++)
				if (text[i] == '\n')
					text[i] = ' ';
			text[n] = '\0';
			fprintf(out, "%s\n", text);
			fflush(out);
		}
	} while (kill(command, 0) == 0);
	exit(0);
}

/* Leaves a process that is not a child of the command. */
static void
leave_behind(int fd)
{
	pid_t command = getpid(), pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid != 0)
		return;
	signal(SIGCHLD, SIG_DFL);
	pid = fork();
	if (pid != 0)
		_exit(pid < 0);
	for (int i = 0; i < nsockets; i++)
		close(3 + i);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	listen_to(fd, command);
}

static void
set_number(const char *name, long n)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", n);
	setenv(name, text, 1);
}

int
main(int argc, char **argv)
{
	const char *notify = NULL;
	long pid = getpid();
	int c, fd = -1;

	while ((c = getopt(argc, argv, "+o:l:b:u:n:p:s:")) != -1)
		if (c == 'l' || c == 'b')
			tcp(optarg, c == 'l');
		else if (c == 'u')
			hand_over(unix_socket(optarg, SOCK_STREAM));
		else if (c == 'n')
			setenv("LISTEN_FDNAMES", optarg, 1);
		else if (c == 'p')
			pid = atol(optarg);
		else if (c == 's')
			notify = optarg;
		else if (c == 'o')
			write_to(optarg);
		else
			exit(64);
	if (nsockets > 0) {
		set_number("LISTEN_FDS", nsockets);
		set_number("LISTEN_PID", pid);
	}
	if (notify != NULL) {
		fd = unix_socket(notify, SOCK_DGRAM);
		setenv("NOTIFY_SOCKET", notify, 1);
	}
	fflush(out);
	if (fd >= 0) {
		leave_behind(fd);
		close(fd);
	}
	execvp(argv[optind], argv + optind);
	fail(argv[optind]);
}
