/* SPDX-License-Identifier: ISC */
/*
 * Generations at an upgrade: the old program describes them, and the new one
 * makes them again from that.  Their children go on all the time and notice
 * nothing.  None of them is ever started again here: what the children had
 * between them is theirs alone now, so the new program starts a generation of
 * its own at once.
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/socket.h>
#include <sys/types.h>

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "adopt.h"
#include "baton.h"
#include "bounds.h"
#include "gen.h"
#include "handover.h"
#include "inlet.h"
#include "listen.h"
#include "local.h"
#include "log.h"
#include "share.h"

/* What sockets are for, by what comes first there. */
static const char *const inlet_kinds[INLETS] = { [INLET_PROXY] = "listen",
	[INLET_PREFACE] = "proxied",
	[INLET_HTTP] = "transparent",
	[INLET_TLS] = "transparent_tls" };
static const char *const status_kinds[INLETS] = { [INLET_PROXY] = "status" };

/* Whether the new program must know of a child. */
static bool
is_described(const struct gen *gen, const struct child *child)
{
	/* Their places count as long as the baton is passed on. */
	if (gen->state == GEN_LIVE || !gen_drained(gen))
		return true;
	return child->pid > 0 || child_is_desk(gen, child);
}

static int
child_describe(struct handover *h, const struct child *child)
{
	if (h->nchildren == HANDOVER_CHILDREN)
		return -1;
	h->children[h->nchildren++] =
	    (struct handover_child){ .pid = (long)child->pid,
		    .control = child->control,
		    .slot = child->slot,
		    .ready = child->ready,
		    .drained = child->drained,
		    .unsent = child->unsent };
	return 0;
}

static int
gen_describe(struct handover *h, const struct gen *gen, int64_t now)
{
	struct handover_gen *g = &h->gens[h->ngens];
	size_t before = h->nchildren;

	if (h->ngens == HANDOVER_GENS)
		return -1;
	h->ngens++;
	*g = (struct handover_gen){ .live = gen->state == GEN_LIVE,
		.stopped = gen->stopped,
		.announced = gen->announced,
		.ends = gen->kill_at < 0 ? -1
		    : gen->kill_at > now ? gen->kill_at - now
					 : 0,
		.abandoned = gen->abandoned,
		.ndesks = gen->nchildren - gen->nworkers };
	for (size_t i = 0; i < gen->nchildren; i++)
		if (is_described(gen, &gen->children[i]) &&
		    child_describe(h, &gen->children[i]) != 0)
			return -1;
	g->nchildren = h->nchildren - before;
	return 0;
}

static void
socket_describe(struct handover *h, const char *kind, int fd, const char *at)
{
	struct handover_socket *s = &h->sockets[h->nsockets++];

	s->fd = fd;
	snprintf(s->kind, sizeof(s->kind), "%s", kind);
	snprintf(s->at, sizeof(s->at), "%s", at);
}

static void
listeners_describe(
    struct handover *h, const char *const *kinds, const struct listeners *l)
{
	char at[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < l->n; i++)
		socket_describe(h, kinds[l->inlets[i]], l->fds[i],
		    addr_text_port(&l->at[i], at));
}

static void
sockets_describe(struct handover *h, const struct gen *gen)
{
	h->given = gen->listeners.given;
	listeners_describe(h, inlet_kinds, &gen->listeners);
	listeners_describe(h, status_kinds, &gen->status_at);
	if (gen->local >= 0)
		socket_describe(
		    h, "control", gen->local, local_path(gen->local_at));
}

static void
names_describe(struct handover *h)
{
	h->nnames = 0;
	for (uint16_t number = 1; number <= LOCAL_MAX; number++) {
		const struct local *l = local_get(number);

		if (l != NULL)
			h->names[h->nnames++] =
			    (struct handover_name){ number, *l };
	}
}

/* Describes all generations.  Returns 0, or -1: there are too many children. */
int
adopt_describe(struct handover *h, int64_t now)
{
	h->nsockets = h->ngens = h->nchildren = 0;
	names_describe(h);
	for (const struct gen *gen = gen_first(); gen != NULL;
	     gen = gen->next) {
		if (gen_describe(h, gen, now) != 0)
			return -1;
		if (gen->state == GEN_LIVE)
			sockets_describe(h, gen);
	}
	return 0;
}

/*
 * Takes the paths of Unix sockets, with their numbers; to be done before a
 * configuration is read, which would number them.
 */
void
adopt_names(const struct handover *h)
{
	for (size_t i = 0; i < h->nnames; i++)
		if (local_put(h->names[i].number, &h->names[i].local) != 0)
			log_line(LOG_LEVEL_ERROR,
			    "Hand-over: number %u of a Unix socket is taken",
			    (unsigned)h->names[i].number);
}

/* Ends the holds of adopt_names(): the generations have their own now. */
void
adopt_names_drop(const struct handover *h)
{
	for (size_t i = 0; i < h->nnames; i++)
		local_drop(h->names[i].number);
}

/*
 * Finds out where a socket is bound.  A Unix socket has got another path since.
 * Returns 0, or -1: it cannot be used.
 */
static int
socket_adopt(struct addr *at, const struct handover_socket *s)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(ss);
	void *sa = &ss;

	if (getsockname(s->fd, sa, &len) != 0)
		return -1;
	addr_from_sockaddr(at, &ss);
	if (ss.ss_family == AF_UNIX)
		addr_from_local(at, local_find(s->at), ADDR_NO_UID);
	return ss.ss_family == AF_INET || ss.ss_family == AF_INET6 ||
		at->local != 0
	    ? 0
	    : -1;
}

/*
 * Takes the listening sockets, as they are bound.  Returns -1 after a line in
 * the log if one is not what it should be.
 */
static int
listeners_adopt(struct listeners *l, const char *kind, enum inlet inlet,
    const struct handover *h)
{
	for (size_t i = 0; i < h->nsockets; i++) {
		if (strcmp(h->sockets[i].kind, kind) != 0)
			continue;
		if (l->n == LISTEN_MAX ||
		    socket_adopt(&l->at[l->n], &h->sockets[i]) != 0) {
			log_line(LOG_LEVEL_ERROR,
			    "Descriptor %d of the hand-over does not listen "
			    "on %.80s",
			    h->sockets[i].fd, h->sockets[i].at);
			return -1;
		}
		l->inlets[l->n] = inlet;
		l->fds[l->n++] = h->sockets[i].fd;
	}
	return 0;
}

/* Takes all sockets of the live generation.  Returns as listeners_adopt(). */
static int
sockets_adopt(struct gen *gen, const struct handover *h)
{
	gen->listeners.given = h->given;
	for (size_t i = 0; i < h->nsockets; i++)
		if (strcmp(h->sockets[i].kind, "control") == 0) {
			gen->local = h->sockets[i].fd;
			gen->local_at = local_hold(h->sockets[i].at);
		}
	for (enum inlet inlet = 0; inlet < INLETS; inlet++)
		if (listeners_adopt(
			&gen->listeners, inlet_kinds[inlet], inlet, h) != 0)
			return -1;
	return listeners_adopt(&gen->status_at, "status", INLET_PROXY, h);
}

/* Takes a child, with its place in the shared memory or another one. */
static void
child_adopt(struct gen *gen, size_t i, const struct handover_child *c,
    bool same_share, int64_t now)
{
	struct child *child = &gen->children[i];

	child->pid = (pid_t)c->pid;
	child->control = c->control;
	child->ready = c->ready;
	child->drained = c->drained;
	child->unsent = c->unsent;
	child->started = now;
	if (c->unsent != 0)
		gen->resend_at = now;
	if (child_is_desk(gen, child))
		return;
	child->slot = same_share ? c->slot : gen_slot(gen->share);
	if (!same_share)
		atomic_store(&gen->share->places[child->slot], UINT_MAX);
	baton_adopt(&gen->links.baton, child->slot, same_share);
}

static struct gen *
gen_adopt(const struct handover_gen *g, const struct handover_child *children,
    struct share *share, bool same_share, int64_t now)
{
	struct gen *gen = gen_new(NULL, share);

	if (gen == NULL)
		return NULL;
	gen->state = g->live ? GEN_LIVE : GEN_DRAINING;
	gen->adopted = true;
	gen->stopped = g->stopped;
	gen->announced = g->announced;
	gen->abandoned = g->abandoned;
	gen->kill_at = g->ends < 0 ? -1 : now + g->ends;
	gen->nchildren = g->nchildren;
	gen->nworkers = g->nchildren - g->ndesks;
	for (size_t i = 0; i < g->nchildren; i++)
		child_adopt(gen, i, &children[i], same_share, now);
	gen_expect_drained(gen, now);
	return gen;
}

/*
 * Makes all generations again.  Returns the live one, which still needs a
 * configuration, or NULL with a line in the log.
 */
struct gen *
adopt_all(
    const struct handover *h, struct share *share, bool same_share, int64_t now)
{
	size_t first = h->nchildren;
	struct gen *live = NULL;

	/* The newest becomes the first of all. */
	for (size_t i = h->ngens; i-- > 0;) {
		const struct handover_gen *g = &h->gens[i];
		struct gen *gen;

		first -= g->nchildren;
		gen = gen_adopt(g, &h->children[first], share, same_share, now);
		if (gen == NULL) {
			log_line(
			    LOG_LEVEL_ERROR, "Hand-over: %s", strerror(errno));
			return NULL;
		}
		if (g->live)
			live = gen;
	}
	return live != NULL && sockets_adopt(live, h) == 0 ? live : NULL;
}
