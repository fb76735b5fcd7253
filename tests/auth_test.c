/* SPDX-License-Identifier: ISC */
/* LINK: conn/auth.c base/secret.c policy/authcache.c parse.c base/addr.c base/name.c http/refusal.c */
/*
 * Delays credentials for every debt that an address can have, to the
 * millisecond.  The end of a wait must be in the future: a deadline that is now
 * would have no effect.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

enum { NOW = 1000000, FREE = 16000, MOST = 65000 };

static int64_t debt;

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
	return kind == QUOTA_FAILURES ? debt : 0;
}

int64_t
quota_take(enum quota_kind kind, const struct addr *client)
{
	(void)kind, (void)client;
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

const char *
login_name(const struct logins *logins, const char *name)
{
	(void)logins, (void)name;
	return NULL;
}

int
main(void)
{
	static const struct acl acl;
	static const struct logins logins;

	auth_use(&acl, &logins, 30);
	for (debt = 0; debt <= MOST; debt++) {
		struct credentials credentials = { .check_at = 0 };
		struct setup setup = { .credentials = &credentials };
		struct conn c = { .setup = &setup };
		enum auth_wait wait = auth_delay(&c);

		must(wait != AUTH_NEVER, "it may be checked");
		must(debt > FREE || wait == AUTH_NOW, "some are free");
		must(debt < FREE + 10 || wait == AUTH_LATER, "others wait");
		must((wait == AUTH_LATER) == (credentials.check_at > NOW),
		    "who waits does so until later");
		must(credentials.waits == (wait == AUTH_LATER),
		    "who waits counts as such");
		must(credentials.until == credentials.check_at + 30000,
		    "the check has its time");
	}
	return 0;
}
