/* SPDX-License-Identifier: ISC */
/*
 * Room for a new generation.  Old ones may drain for a day, and each holds
 * places in the share, processes, and descriptors of the master.  A reload must
 * not wait for them, since it may revoke a user: when something runs out, the
 * oldest generations end first.
 */
#define _XOPEN_SOURCE 700

#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "gen.h"
#include "log.h"
#include "room.h"

enum {
	CHILD_DESCRIPTORS = 5, /* of the master, for a child that starts */
	SPARE_DESCRIPTORS = 16 /* for logs, the configuration and questions */
};

/* Whether an error means that the system has no more of something. */
bool
room_lacks(int error)
{
	return error == EAGAIN || error == EMFILE || error == ENFILE ||
	    error == ENOMEM || error == ENOBUFS;
}

/*
 * Whether the master lacks descriptors for a generation as large as the live
 * one.  The system gives out the lowest that is free.
 */
bool
room_is_short(const struct gen *live)
{
	size_t need = live->listeners.n + live->nchildren * CHILD_DESCRIPTORS +
	    SPARE_DESCRIPTORS;
	struct rlimit limit;
	int lowest = open("/", O_RDONLY);

	if (lowest < 0)
		return room_lacks(errno);
	close(lowest);
	return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < (rlim_t)lowest + need;
}

/* What has run out, in words. */
static const char *
lack_text(int error)
{
	return error == EAGAIN ? "too many processes" : strerror(error);
}

static size_t
children_of(const struct gen *gen)
{
	size_t n = 0;

	for (size_t i = 0; i < gen->nchildren; i++)
		if (gen->children[i].pid > 0)
			n++;
	return n;
}

/* The generation that has drained for the longest time, or NULL. */
static struct gen *
oldest(void)
{
	struct gen *found = NULL;

	/* The newest is the first of all. */
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		if (gen->state == GEN_DRAINING && !gen->stopped)
			found = gen;
	return found;
}

/* How many generations drain. */
static size_t
draining(void)
{
	size_t n = 0;

	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		if (gen->state == GEN_DRAINING && !gen->stopped)
			n++;
	return n;
}

static void
room_end(struct gen *gen, int64_t now)
{
	gen_stop(gen, now + STOP_TIME + gen_stop_time(gen));
}

/*
 * Ends the oldest generations that drain beyond so many; 0: any number may.
 */
void
room_limit(unsigned most, int64_t now)
{
	if (most == 0)
		return;
	for (size_t n = draining(); n > most; n--) {
		struct gen *gen = oldest();

		log_line(LOG_LEVEL_WARNING,
		    "MaxDraining %u: ending the oldest generation that drains "
		    "cuts %lu connections",
		    most, gen_clients(gen));
		room_end(gen, now);
	}
}

/*
 * Ends the oldest generations that drain, until so many children are told to
 * leave; the error says why.  Returns whether there was any.
 */
bool
room_make(size_t children, int error, int64_t now)
{
	struct gen *gen;
	size_t ended = 0;

	while (ended < children && (gen = oldest()) != NULL) {
		log_line(LOG_LEVEL_WARNING,
		    "No room for new workers (%s): ending the oldest that "
		    "drain cuts %lu connections",
		    lack_text(error), gen_clients(gen));
		ended += children_of(gen);
		room_end(gen, now);
	}
	return ended > 0;
}
