/* SPDX-License-Identifier: ISC */
/*
 * Divides up what there is: how many workers a configuration gets, and how
 * many connections, pipes, attempts to connect and questions each of them may
 * have.  The limit is
 * the number of descriptors that one process may have.
 */
#define _XOPEN_SOURCE 700

#include <sys/resource.h>

#include <stddef.h>

#include "bounds.h"
#include "budget.h"
#include "log.h"
#include "sys.h"

enum {
	QUESTIONS_MIN = 128,      /* of a worker at a desk at once */
	QUESTIONS_ALL = 256,      /* of all workers, if that leaves so many */
	OWN_DESCRIPTORS = 32,     /* of a worker, besides its sockets */
	OWN_BELLS = 8,            /* among these; more workers need more */
	DESCRIPTORS_MAX = 1 << 18 /* of one process that are made use of */
};

/* How many descriptors one process may have, as far as it matters. */
static size_t
descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1024;
	return limit.rlim_cur < DESCRIPTORS_MAX ? (size_t)limit.rlim_cur
						: DESCRIPTORS_MAX;
}

/* A pipe has two ends; all pipes together take a small part of the limit. */
static size_t
pipes_per_worker(void)
{
	size_t n = descriptor_limit() / 64;

	return n < PIPES_MAX ? n : PIPES_MAX;
}

/* Attempts to connect, besides one for each connection: a small part, too. */
static size_t
attempts_per_worker(void)
{
	return descriptor_limit() / 16;
}

/* How many connections, of two sockets each, the descriptors allow. */
static size_t
conns_per_worker(size_t nlisteners, size_t nworkers)
{
	size_t own = OWN_DESCRIPTORS + nlisteners + 2 * pipes_per_worker() +
	    attempts_per_worker();
	size_t limit = descriptor_limit();

	if (nworkers > OWN_BELLS)
		own += nworkers - OWN_BELLS;
	return limit > own + 2 ? (limit - own) / 2 : 1;
}

/*
 * Enough to keep all helpers busy and as many in reserve; and a minimum for
 * each worker, so that its names do not wait for the slow ones of another.
 */
static size_t
questions_per_worker(size_t nworkers)
{
	size_t n = QUESTIONS_ALL / nworkers;

	return n < QUESTIONS_MIN ? QUESTIONS_MIN : n;
}

/* How many clients so many workers can serve. */
static size_t
clients_of(size_t nworkers, size_t nlisteners)
{
	return nworkers * conns_per_worker(nlisteners, nworkers);
}

/*
 * The fewest workers, but at least n, that can serve so many clients.  If no
 * number can, the one that serves the most: each worker has a bell, which
 * takes a descriptor of all the others.
 */
static size_t
workers_for(size_t n, size_t clients, size_t nlisteners)
{
	size_t best = n;

	for (size_t i = n; i <= WORKERS_MAX; i++) {
		if (clients_of(best, nlisteners) >= clients)
			break;
		if (clients_of(i, nlisteners) > clients_of(best, nlisteners))
			best = i;
	}
	return best;
}

/* One per processor, or as many as Workers says or MaxClients needs. */
static size_t
workers_wanted(unsigned workers, unsigned max_clients, size_t nlisteners)
{
	size_t n = workers;

	if (n == 0)
		n = sys_processors();
	if (n > WORKERS_MAX)
		n = WORKERS_MAX;
	if (workers == 0)
		n = workers_for(n, max_clients, nlisteners);
	if (clients_of(n, nlisteners) < max_clients)
		log_line(LOG_LEVEL_WARNING,
		    "MaxClients %u is more than %zu workers can serve with "
		    "their descriptors: they serve %zu",
		    max_clients, n, clients_of(n, nlisteners));
	return n;
}

/*
 * How many of the places for clients one of several workers may have.  Whatever
 * a worker says that it has, others have some.
 */
static size_t
places_most(size_t conns, size_t nworkers, unsigned max_clients)
{
	size_t most = max_clients - max_clients / 5;

	if (nworkers == 1 || max_clients < 2)
		return conns;
	if (most == max_clients)
		most--;
	return conns < most ? conns : most;
}

/* Decides all that for a configuration that listens on so many sockets. */
void
budget_make(struct budget *budget, unsigned workers, unsigned max_clients,
    size_t nlisteners)
{
	budget->workers = workers_wanted(workers, max_clients, nlisteners);
	budget->busy = workers != 0 ? budget->workers : sys_processors();
	budget->conns =
	    places_most(conns_per_worker(nlisteners, budget->workers),
		budget->workers, max_clients);
	budget->pipes = pipes_per_worker();
	budget->attempts = attempts_per_worker();
	budget->questions = questions_per_worker(budget->workers);
}
