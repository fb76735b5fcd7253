/* SPDX-License-Identifier: ISC */
/* LINK: master/handover.c */
/*
 * An entry for libFuzzer.  Any bytes are read as what a master has left to the
 * program that takes its place, after the version.  What is believed is within all bounds, and
 * means the same when it is written and read again.
 */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../proxy.h"
#include "handover.h"
#include "must.h"

enum { FIRST_FD = 40, OPEN_FDS = 4, PID = 4242 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The process that the text is for. */
pid_t
getpid(void)
{
	return PID;
}

static FILE *text;

/* Writes the version that is wanted, and then the input. */
static void
text_write(const uint8_t *data, size_t size)
{
	char version[64];

	handover_version(version, sizeof(version));
	rewind(text);
	must(ftruncate(fileno(text), 0) == 0 &&
		fprintf(text, "%s\n", version) > 0 &&
		fwrite(data, 1, size, text) == size && fflush(text) == 0 &&
		lseek(fileno(text), 0, SEEK_SET) == 0,
	    "a file");
}

static void
fd_check(int fd)
{
	must(fd == -1 || (fd > 2 && fcntl(fd, F_GETFD) >= 0), "a descriptor");
}

static void
check(const struct handover *h)
{
	size_t live = 0, children = 0;

	must(h->nnames <= LOCAL_MAX && h->nsockets <= HANDOVER_SOCKETS &&
		h->ngens > 0 && h->ngens <= HANDOVER_GENS &&
		h->nchildren <= HANDOVER_CHILDREN,
	    "the numbers");
	fd_check(h->pid_fd);
	fd_check(h->share);
	fd_check(h->log);
	for (size_t i = 0; i < h->nnames; i++)
		must(h->names[i].number > 0 &&
			h->names[i].number <= LOCAL_MAX &&
			memchr(h->names[i].local.path, '\0', LOCAL_SIZE) !=
			    NULL,
		    "a name");
	for (size_t i = 0; i < h->nsockets; i++)
		must(fcntl(h->sockets[i].fd, F_GETFD) >= 0, "a socket");
	for (size_t i = 0; i < h->ngens; i++) {
		live += h->gens[i].live;
		children += h->gens[i].nchildren;
		must(h->gens[i].ndesks <= h->gens[i].nchildren, "the desks");
	}
	must(h->control == -1 || h->control > 1, "the control process");
	must(live == 1 && children == h->nchildren, "the generations");
	for (size_t i = 0; i < h->nchildren; i++)
		fd_check(h->children[i].control);
	for (size_t i = 0; i < h->nchildren; i++)
		must(h->children[i].slot <= SLOTS_MAX &&
			(h->children[i].pid == -1 || h->children[i].pid > 1),
		    "a child");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct handover first, second;

	text_write(data, size);
	if (handover_read(&first, fileno(text)) != 0)
		return 0;
	check(&first);
	must(ftruncate(fileno(text), 0) == 0 && fseek(text, 0, SEEK_SET) == 0 &&
		handover_write(&first, fileno(text)) == 0,
	    "it is written");
	must(handover_read(&second, fileno(text)) == 0, "it is read again");
	must(memcmp(&first, &second, sizeof(first)) == 0, "it is the same");
	return 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd = open("/dev/null", O_RDWR);

	(void)argc, (void)argv;
	text = tmpfile();
	must(text != NULL && fd >= 0, "files");
	for (int i = 0; i < OPEN_FDS; i++)
		must(dup2(fd, FIRST_FD + i) >= 0, "a descriptor");
	return 0;
}
