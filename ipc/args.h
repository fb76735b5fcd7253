/* SPDX-License-Identifier: ISC */
/* What the master gives to a worker and to the desk when it starts them. */
#ifndef ARGS_H
#define ARGS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "inlet.h"
#include "log.h"
#include "question.h"

struct baton;
struct block;
struct board;
struct authhelper;
struct conf;
struct logins;
struct pins;
struct places;
struct share;
struct upstreams;

/* What a worker is given.  Everything stays the caller's. */
struct worker_args {
	const struct conf *conf;
	struct share *share;
	size_t slot; /* its place in the share */
	const struct baton *baton;
	uint32_t index;           /* its place among the workers */
	unsigned long generation; /* the first is 1 */
	int master; /* orders come, notes go; it ends at end of file */
	int desks[HELPER_KINDS]; /* questions go, answers come; or -1 */
	struct logs logs;
	const int *listeners;
	const struct addr *listening; /* what they are bound to */
	size_t nlisteners;
	const enum inlet *inlets; /* what comes first there */
	size_t max_conns;         /* connections its descriptors allow */
	size_t max_pipes;         /* and pipes */
	size_t max_attempts;  /* to connect, besides one for each connection */
	size_t max_questions; /* of its own in one queue at once */
};

/* What the control process is given.  Everything stays the caller's. */
struct control_args {
	const struct share *share;
	struct board *board;
	const struct baton *baton; /* bells of the workers */
	int master;                /* wishes go; it ends at end of file */
	const int *listeners;      /* StatusListen */
	size_t nlisteners;
	int local;                 /* ControlSocket, or -1 */
	uid_t owner;               /* who has started adit */
	const struct block *allow; /* StatusAllow */
	size_t nallow;
	bool details; /* StatusDetails: who goes where is shown */
	const struct upstreams *upstreams;
	const char *filter;          /* the file of Filter, or NULL */
	const struct places *places; /* of the configuration's lines */
};

/* What a desk is given.  Everything stays the caller's. */
struct desk_args {
	enum helper_kind kind; /* of its helpers, and so of its questions */
	int master;    /* orders come, notes go; it ends at end of file */
	int *channels; /* to each worker, or -1; the desk's from now on */
	size_t nworkers;
	struct netblock block;            /* what is one client */
	unsigned connect_timeout;         /* s: a client waits no longer */
	struct logins *logins;            /* for helpers that check passwords */
	const struct authhelper *command; /* AuthHelper, or NULL */
	const struct pins *pins; /* names that no name server is asked for */
};

#endif
