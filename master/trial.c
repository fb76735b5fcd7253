/* SPDX-License-Identifier: ISC */
/*
 * Finds out whether a configuration could be started with, for -t: binds the
 * addresses without listening, looks at the control socket, opens the logs without creating one, looks where
 * the PID file would be, and changes to User and Group in processes that end at
 * once.  It disturbs no adit that runs, and leaves nothing.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "addr.h"
#include "bounds.h"
#include "compiler.h"
#include "conf.h"
#include "gen.h"
#include "identity.h"
#include "listen.h"
#include "local.h"
#include "log.h"
#include "program.h"
#include "safefile.h"
#include "service.h"
#include "socketfile.h"
#include "steward.h"
#include "trial.h"

/* What has been found so far. */
struct findings {
	struct finding *list;
	size_t n;
};

static void found(struct findings *, const char *directive, size_t nth,
    int status, const char *, ...) PRINTF_LIKE(5, 6);

static void
found(struct findings *f, const char *directive, size_t nth, int status,
    const char *format, ...)
{
	struct finding *new = &f->list[f->n];
	va_list ap;

	if (f->n == TRIAL_MAX)
		return;
	f->n++;
	*new = (struct finding){ directive, nth, status, "" };
	va_start(ap, format);
	vsnprintf(new->text, sizeof(new->text), format, ap);
	va_end(ap);
}

/*
 * Whether an ordinary user may not bind a port because a service manager does
 * it for adit: it hands the sockets over at the start, but to no -t before a
 * reload.
 */
static bool
is_given_elsewhere(int error)
{
	return error == EACCES && geteuid() != 0 &&
	    getenv("INVOCATION_ID") != NULL;
}

/* An address that cannot be bound, because of errno. */
static void
address_found(struct findings *f, const char *directive, size_t nth,
    const struct addr *addr)
{
	char at[ADDR_TEXT_SIZE];
	int error = errno;

	addr_text_port(addr, at);
	if (error == EADDRINUSE)
		found(f, directive, nth, 0,
		    "%s is in use, as it is while adit runs", at);
	else if (is_given_elsewhere(error))
		found(f, directive, nth, 0,
		    "%s needs a socket of the service manager", at);
	else if (error == EADDRNOTAVAIL)
		found(f, directive, nth, STATUS_SYSTEM,
		    "cannot listen on %s: no interface has this address; with "
		    "FreeBind yes that does not matter",
		    at);
	else
		found(f, directive, nth, STATUS_SYSTEM,
		    "cannot listen on %s: %s", at, strerror(error));
}

/*
 * Which of the lines with that directive gives an address, from 1 on; 0: none
 * does, or the only one.
 */
static size_t
listen_nth(const struct conf_listener *from, size_t at)
{
	unsigned long last = 0;
	size_t nth = 0;

	for (size_t i = 0; i <= at; i++)
		if (strcmp(from[i].directive, from[at].directive) == 0 &&
		    from[i].line != last) {
			last = from[i].line;
			nth++;
		}
	return strcmp(from[at].directive, "Port") == 0 ? 0 : nth;
}

/* A Unix socket, by its place among the lines. */
static bool
local_try(struct findings *f, const struct conf *conf,
    const struct conf_listener *from, size_t i)
{
	const char *path = local_path(from[i].at.local);
	bool used;

	if (socketfile_check(path, &conf->listen_rights[i], &used) != 0)
		found(f, from[i].directive, listen_nth(from, i), STATUS_SYSTEM,
		    "cannot listen on %s: %s", path, socketfile_why());
	else if (used)
		found(f, from[i].directive, listen_nth(from, i), 0,
		    "%s is in use, as it is while adit runs", path);
	else
		return true;
	return false;
}

static void
listen_try(struct findings *f, const struct conf *conf)
{
	bool any_family = conf->nlisten == 0;
	struct conf_listener from[LISTEN_MAX];
	size_t n = conf_listeners(conf, from), bound = 0;

	for (size_t i = 0; i < n; i++) {
		if (from[i].at.local != 0)
			bound += local_try(f, conf, from, i);
		else if (listen_check(&from[i].at, conf->free_bind) == 0)
			bound++;
		else if (!any_family ||
		    (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) ||
		    (i + 1 == n && bound == 0))
			address_found(f, from[i].directive, listen_nth(from, i),
			    &from[i].at);
	}
}

/* Takes the sockets of a service manager; what is wrong is in the log. */
static void
given_try(struct findings *f, const struct conf *conf)
{
	const struct listen_wish nothing = { .n = 0,
		.senders = conf->nproxy_from > 0 };
	struct listeners l = { .n = 0 };

	if (listen_open(&l, &nothing, NULL) != 0)
		found(f, "Listen", 0, STATUS_SYSTEM,
		    "the sockets of the service manager cannot be used");
	listen_close(&l);
}

static void
log_try(struct findings *f, const char *directive, size_t nth, const char *path,
    uid_t user)
{
	if (path != NULL && !log_check(path, user))
		found(f, directive, nth, STATUS_SYSTEM, "%.400s: %s", path,
		    log_why());
}

static void
files_try(struct findings *f, const struct conf *conf, uid_t user)
{
	const char *directive;
	size_t nth;

	if (!conf->syslog)
		log_try(f, "LogFile", 0, conf->logfile, user);
	for (size_t i = 0; i < conf->naccess; i++) {
		directive = conf_access(conf, i, &nth);
		log_try(f, directive, nth, conf->access[i].path, user);
	}
	if (conf->pidfile != NULL && safefile_create_check(conf->pidfile) != 0)
		found(f, "PidFile", 0, STATUS_SYSTEM, "%.400s: %s",
		    conf->pidfile, safefile_why());
}

/* A file that root reads, but User could not if it were to start adit. */
static void
reading_try(struct findings *f, const struct gen *gen, const char *directive,
    size_t nth, const char *path)
{
	if (!identity_reads(&gen->identity, path))
		found(f, directive, nth, 0,
		    "%.400s: user %s cannot read it, so only root can start "
		    "adit",
		    path, gen->conf->user != NULL ? gen->conf->user : "nobody");
}

/* What follows from DeskUser. */
static void
desks_find_out(struct findings *f, const struct gen *gen)
{
	if (gen->conf->desk_user != NULL && gen->desks.drop &&
	    identity_try(&gen->desks, NULL) != 0)
		found(f, "DeskUser", 0, STATUS_NOPERM,
		    "this process may not change to this user");
}

/* What follows from User, for a start by root. */
static void
identity_find_out(struct findings *f, const struct gen *gen)
{
	const struct conf *conf = gen->conf;
	const char *root = conf->chroot;
	int status;

	if (!gen->identity.drop && root == NULL)
		return;
	status = identity_try(&gen->identity, root);
	for (size_t i = 0; status == 0 && i < conf->nauth_files; i++)
		reading_try(f, gen, "AuthFile", i + 1, conf->auth_files[i]);
	if (status == 0 && conf->filter.file != NULL)
		reading_try(f, gen, "Filter", 0, conf->filter.file);
	if (status == STATUS_NOPERM)
		found(f, "User", 0, status,
		    "this process may not change to User and Group");
	else if (status != 0)
		found(f, "Chroot", 0, status,
		    "this process may not change its root");
}

/* What the control process needs. */
static void
status_try(struct findings *f, const struct gen *gen)
{
	const struct conf_status *conf = &gen->conf->status;
	const char *wrong;
	bool used;
	gid_t gid;

	for (size_t i = 0; i < conf->nlisten; i++)
		if (listen_check(&conf->listen[i], gen->conf->free_bind) != 0)
			address_found(
			    f, "StatusListen", i + 1, &conf->listen[i]);
	if (conf->socket == NULL)
		return;
	if (conf->group != NULL && identity_group(conf->group, &gid) != 0)
		found(f, "ControlGroup", 0, STATUS_NOUSER,
		    "%.200s: no such group", conf->group);
	wrong = steward_check(conf, &used);
	if (wrong != NULL)
		found(f, "ControlSocket", 0, STATUS_SYSTEM, "%.400s: %s",
		    conf->socket, wrong);
	else if (used)
		found(f, "ControlSocket", 0, 0,
		    "%.400s is in use, as it is while adit runs", conf->socket);
}

/*
 * Finds out what a start with the configuration of a generation would meet, in
 * the order of a start.  Returns how many findings there are.
 */
size_t
trial_run(const struct gen *gen, struct finding list[TRIAL_MAX])
{
	struct findings f = { .list = list };

	if (service_sockets() > 0)
		given_try(&f, gen->conf);
	else
		listen_try(&f, gen->conf);
	status_try(&f, gen);
	files_try(&f, gen->conf, identity_uid(&gen->identity));
	identity_find_out(&f, gen);
	desks_find_out(&f, gen);
	return f.n;
}
