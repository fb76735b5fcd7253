/* SPDX-License-Identifier: ISC */
/* LINK: conn/auth.c base/secret.c base/sys.c base/program.c policy/list.c policy/authcache.c base/memo.c base/intern.c base/text.c base/array.c policy/authhelper.c policy/group.c policy/who.c parse.c base/addr.c base/local.c base/name.c http/refusal.c */
/*
 * Delays credentials for every debt that a client can have, to the
 * millisecond.  The end of a wait must be in the future: a deadline that is now
 * would have no effect.  The same credentials wait together.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

enum { NOW = 1000000, FREE = 16000, MOST = 65000, PLACES = 8 };
enum { NET_FREE = 176000, NET_MOST = 225000 };

static int64_t debt, net_debt;
static int64_t meets; /* ms: when the others that wait are due, or 0 */
static int places;

/* These replace the functions of other files that auth.c calls. */

int64_t
clock_now(void)
{
	return NOW;
}

int64_t
quota_wait(enum quota_kind kind, const struct addr *client)
{
	(void)client;
	return kind == QUOTA_FAILURES    ? debt
	    : kind == QUOTA_NET_FAILURES ? net_debt
					 : 0;
}

int64_t
quota_take(enum quota_kind kind, const struct addr *client)
{
	(void)client;
	if (kind != QUOTA_WAITERS)
		return 0;
	return places == 0 ? 1 : (places--, 0);
}

int64_t
quota_meet(
    const struct addr *client, const struct digest *digest, int64_t delay)
{
	(void)client, (void)digest;
	if (meets == 0 && delay > 0)
		meets = delay;
	else if (meets != 0)
		return meets;
	return 0;
}

void
quota_charge(enum quota_kind kind, const struct addr *client, int n)
{
	(void)kind, (void)client, (void)n;
}

bool
ask_joins(struct conn *c)
{
	(void)c;
	return false;
}

const char *
acl_user(const struct acl *acl, const char name[CREDENTIAL_SIZE],
    const char password[CREDENTIAL_SIZE])
{
	(void)acl, (void)name, (void)password;
	return NULL;
}

const struct login *
login_find(const struct logins *logins, const char *name)
{
	(void)logins, (void)name;
	return NULL;
}

const char *
login_name(const struct logins *logins, const char *name)
{
	(void)logins, (void)name;
	return NULL;
}

/* The outcome for new credentials. */
static struct credentials
delayed(enum auth_wait expected)
{
	struct credentials credentials = { .check_at = 0 };
	struct setup setup = { .credentials = &credentials };
	struct conn c = { .setup = &setup };

	must(auth_delay(&c) == expected, "checked now, later or never");
	return credentials;
}

/* A delay for each debt, to the millisecond. */
static void
debts(void)
{
	for (debt = 0; debt <= MOST; debt++) {
		bool waits = debt >= FREE + 10;
		struct credentials p;

		places = PLACES;
		meets = 0;
		p = delayed(waits ? AUTH_LATER : AUTH_NOW);
		must(waits == (p.check_at > NOW), "it waits until later");
		must(p.counted == waits, "what waits has a place");
		must(p.until == p.check_at + 30000, "the check has its time");
	}
}

/* The debt of the network counts where the client has none. */
static void
net_debts(void)
{
	debt = 0;
	for (net_debt = 0; net_debt <= NET_MOST; net_debt += 100) {
		places = PLACES;
		meets = 0;
		delayed(net_debt > NET_FREE ? AUTH_LATER : AUTH_NOW);
	}
	net_debt = 0;
}

/* The same credentials wait together, even when no place is left. */
static void
meetings(void)
{
	struct credentials first, next;

	debt = MOST;
	places = 1;
	meets = 0;
	first = delayed(AUTH_LATER);
	must(first.counted && places == 0, "the first takes the place");
	for (int i = 0; i < 30; i++) {
		next = delayed(AUTH_LATER);
		must(!next.counted && next.check_at == first.check_at,
		    "the others wait for it");
	}
	meets = 0;
	delayed(AUTH_NEVER);
	must(meets == 0, "without a place nobody can be joined");
}

int
main(void)
{
	static const struct acl acl;
	static const struct logins logins;

	auth_use(&acl, &logins, false, 30);
	debts();
	net_debts();
	meetings();
	return 0;
}
