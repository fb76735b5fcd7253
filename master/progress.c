/* SPDX-License-Identifier: ISC */
/*
 * How far a drain is: every few seconds the log and the service manager are
 * told how many connections are left, and the latter that the stop takes
 * longer.  Nothing here decides when the drain is over.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>

#include "gen.h"
#include "log.h"
#include "progress.h"
#include "service.h"

enum {
	SETTLE_TIME = 500, /* ms until the first report */
	TELL_TIME = 10000  /* ms between two reports */
};

static int64_t tell_at = -1;       /* ms; -1: nothing drains */
static unsigned long told_clients; /* what the log has said last */

/*
 * A drain begins at that time.  At first the workers look for clients that are on
 * their way, and a worker counts one before it knows whether there is one.
 */
void
progress_begin(int64_t at)
{
	tell_at = at + SETTLE_TIME;
	told_clients = 0;
}

/* Nothing is reported any more. */
void
progress_end(void)
{
	tell_at = -1;
}

/* When progress_look() is needed next, or -1. */
int64_t
progress_next(void)
{
	return tell_at;
}

/* Reports how many connections are left, if it is time to. */
void
progress_look(int64_t now)
{
	unsigned long left = 0;

	if (tell_at < 0 || now < tell_at)
		return;
	tell_at = now + TELL_TIME;
	for (struct gen *gen = gen_first(); gen != NULL; gen = gen->next)
		left += gen_clients(gen);
	service_draining(left);
	if (left != told_clients)
		log_line(LOG_LEVEL_NOTICE, "Draining: %lu connection%s left",
		    left, left == 1 ? "" : "s");
	told_clients = left;
}
