/* SPDX-License-Identifier: ISC */
/* The configuration that all processes of a generation go by. */
#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "acl.h"
#include "addr.h"
#include "authhelper.h"
#include "bounds.h"
#include "filter.h"
#include "group.h"
#include "inlet.h"
#include "local.h"
#include "log.h"
#include "login.h"
#include "page.h"
#include "pins.h"
#include "place.h"
#include "quota.h"
#include "reverse.h"
#include "rewrite.h"
#include "upstream.h"

enum {
	STATUS_MAX = 8,       /* addresses of StatusListen */
	STATUS_PORT = 9888,   /* their port, unless they say another */
	BIND_MAX = 16,        /* addresses of Bind */
	TRANSPARENT_MAX = 16, /* lines with TransparentPort */
	DIRECTIVES_MAX = 96   /* directives that there may be */
};

/* StatusListen and ControlSocket. */
struct conf_status {
	size_t nlisten;
	struct addr listen[STATUS_MAX];
	unsigned long lines[STATUS_MAX];
	struct block *allow; /* owned */
	size_t nallow;
	bool details;
	char *socket, *group; /* owned, or NULL */
	unsigned mode;
};

/* TransparentPort. */
struct transparent {
	uint16_t port;
	bool tls;
	unsigned long line;
};

/* A socket to listen on, and the line that says so; 0: none does. */
struct conf_listener {
	struct addr at;
	enum inlet inlet;
	const char *directive;
	unsigned long line;
};

/* A configuration; it owns all it points to.  Times are in seconds. */
struct conf {
	char *file; /* absolute path, or NULL: the built-in configuration */
	struct places places;                /* of all lines; see place_of() */
	unsigned long lines[DIRECTIVES_MAX]; /* see directives_line() */
	char *user, *group, *desk_user;
	char *realm;       /* BasicAuthRealm */
	char *contact;     /* Contact, or NULL */
	char *health_path; /* HealthPath, or NULL */
	char *logfile, *pidfile, *chroot;
	struct access_path access[RECORD_LOGS_MAX];
	size_t naccess;
	bool access_start;
	unsigned access_interval; /* 0: none */
	enum log_level loglevel;
	enum log_time log_time;
	bool syslog, bind_same, free_bind, drain_on_term, sandbox;
	uint16_t port;
	unsigned timeout, header_timeout, connect_timeout;
	unsigned tunnel_timeout, drain_timeout, half_closed_timeout;
	unsigned drain_delay;
	bool peer_user;               /* PeerUser */
	bool judge_tunnels;           /* ReloadTunnels */
	unsigned max_draining;        /* generations at once; 0: no limit */
	unsigned max_clients;         /* 0: what the descriptors allow */
	struct quota_limits per_host; /* MaxClientsPerHost and the like */
	unsigned rate_limit;          /* bytes per second; 0: no limit */
	unsigned workers;             /* 0: auto */
	size_t nlisten, nbind;
	struct addr listen[LISTEN_MAX]; /* port 0: the one of Port */
	struct local_rights
	    listen_rights[LISTEN_MAX]; /* owned: of Unix sockets */
	unsigned long listen_lines[LISTEN_MAX];
	uint64_t proxied; /* a bit for each of listen: ListenProxy */
	struct transparent transparent[TRANSPARENT_MAX];
	size_t ntransparent;
	struct block *proxy_from; /* owned: ProxyFrom */
	size_t nproxy_from;
	struct addr bind[BIND_MAX];
	struct acl acl;
	struct upstreams upstreams;
	char *via_name;
	bool disable_via;
	struct header_rules headers;
	struct filter filter;
	struct reverse reverse;
	struct pages pages;
	struct page pac; /* PacFile */
	struct stat_host stat_host;
	struct conf_status status;
	char **becauses; /* what rules for targets say for themselves */
	size_t nbecauses;
	char **auth_files; /* paths: AuthFile */
	size_t nauth_files;
	unsigned long lists;           /* whose they are, for list_keep() */
	struct logins logins;          /* the users in them */
	struct authhelper auth_helper; /* AuthHelper */
	struct groups groups;          /* UserGroup */
	struct rule *no_auth;          /* owned: NoAuth */
	size_t nno_auth;
	char **hosts_files; /* paths: HostsFile */
	size_t nhosts_files;
	struct pins pins; /* the names in them */
};

struct conf *conf_read(const char *file,
    void (*tell)(enum log_level, const char *text), int *status);
struct conf *conf_builtin(void);
void conf_free(struct conf *);
const char *conf_access(const struct conf *, size_t i, size_t *nth);
size_t conf_listeners(
    const struct conf *, struct conf_listener listeners[LISTEN_MAX]);
bool conf_has_socket(const struct conf *, uint16_t number);
void conf_forget(struct conf *);
bool conf_has_logins(const struct conf *);
bool conf_wants_users(const struct conf *);
const struct rule *conf_exempts(const struct conf *, const struct addr *);
bool conf_has_user(const struct conf *, const char *name);
bool conf_may_have_user(const struct conf *, const char *name);
const char *conf_near_user(const struct conf *, const char *name);
FILE *conf_open(const char *file);

#endif
