/* SPDX-License-Identifier: ISC */
/* LINK: desk/matter.c ipc/question.c ipc/turns.c base/addr.c base/clock.c base/local.c base/program.c base/secret.c base/sys.c */
/*
 * Lets workers ask a desk about many names, and gives each question a helper
 * that never answers: something must be left for every client and worker.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <string.h>

#include "../proxy.h"
#include "args.h"
#include "login.h"
#include "matter.h"
#include "must.h"
#include "question.h"

enum { BAD, GOOD, WORKERS, HELPERS = 112, MANY = 1000 };

static int channels[WORKERS] = { -1, -1 };
static size_t held[WORKERS];

/* A worker asks about a new name for a client. */
static void
asks(uint32_t worker, const char *client)
{
	static unsigned n;
	struct question q = { .kind = QUESTION_NAME,
		.ticket = { .queue = QUEUE_NAMES } };
	char name[32];

	snprintf(name, sizeof(name), "n%u.test", n++);
	must(addr_parse(&q.client, client) == 0, "an address");
	question_add(&q, name);
	matter_sign(&q, worker);
	must(matter_add(&q, LINE_NAMES) == 0, "there is room");
}

/* Gives helpers to whatever may have one. */
static void
serves(void)
{
	struct matter *m;
	size_t left = HELPERS - matter_taken(LINE_NAMES);

	while ((m = matter_next(LINE_NAMES, left, left)) != NULL) {
		must(matter_take(m) == 0, "memory");
		held[m->question.ticket.worker]++;
		left--;
	}
}

int
main(void)
{
	static struct logins logins;
	struct desk_args args = { .channels = channels,
		.nworkers = WORKERS,
		.block = { 32, 64 },
		.logins = &logins };
	char client[40];

	must(matter_init(&args) == 0, "memory");
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(client, sizeof(client), "2001:db8::%x", i + 1);
		asks(BAD, client);
	}
	serves();
	must(held[BAD] == HELPERS / 2, "all addresses of a block share a half");
	asks(GOOD, "2001:db8::ffff");
	serves();
	must(held[GOOD] == 1, "the same client has one at another worker");
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(
		    client, sizeof(client), "10.0.%u.%u", i / 256, i % 256);
		asks(BAD, client);
	}
	serves();
	must(held[BAD] < HELPERS * 5 / 6, "no worker gets all");
	asks(GOOD, "10.1.0.1");
	serves();
	must(held[GOOD] == 2, "another worker's client is next");
	return 0;
}
