/* SPDX-License-Identifier: ISC */
/*
 * A worker's side of credentials: parses them, knows those that were right a
 * short while ago, and says when the desk must be asked.  A password is in
 * memory here only until its check is over, and is wiped then.  Nothing here
 * blocks, and no password hash is computed here.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "addr.h"
#include "ask.h"
#include "auth.h"
#include "authcache.h"
#include "authhelper.h"
#include "bounds.h"
#include "clock.h"
#include "conn.h"
#include "intern.h"
#include "login.h"
#include "parse.h"
#include "question.h"
#include "quota.h"
#include "rule.h"
#include "secret.h"
#include "who.h"

/*
 * Each wrong password adds FAILURE_COST seconds to the debt of its client in
 * QUOTA_FAILURES, which shrinks as time passes.  Up to FREE_DEBT it has no
 * effect.  The rest, divided by DELAY_PART, is how long the next password of
 * that client waits before it is checked.  The client's network has a debt of
 * its own, for guesses from many clients of it.
 */
enum {
	FAILURE_COST = 5,       /* s */
	FREE_DEBT = 16000,      /* ms: about what four failures leave */
	NET_FREE_DEBT = 176000, /* ms: what 36 leave */
	DELAY_PART = 10,        /* half a second for each further failure */
	CROWD_TIME = 100        /* ms until auth_crowded() is asked again */
};

static struct {
	const struct acl *acl;
	const struct logins *logins;
	bool asks;        /* an AuthHelper knows other users */
	int64_t patience; /* ms that a check may take */
} k;

/*
 * Must be called in a worker before anything else here.  With asks, there is an
 * AuthHelper for users that are not here.  A check may take timeout seconds.
 * The users stay the caller's.
 */
void
auth_use(const struct acl *acl, const struct logins *logins, bool asks,
    unsigned timeout)
{
	k.asks = asks;
	k.acl = acl;
	k.logins = logins;
	k.patience = timeout * INT64_C(1000);
}

/* The digest of "user", a NUL, and "password". */
static struct digest
digest_of(const struct credentials *p)
{
	char both[2 * CREDENTIAL_SIZE];
	size_t user = strlen(p->user) + 1, password = strlen(p->password);
	struct digest digest;

	memcpy(both, p->user, user);
	memcpy(both + user, p->password, password);
	digest = secret_digest(k.logins->key, both, user + password);
	secret_wipe(both, sizeof(both));
	return digest;
}

static void
credentials_free(struct credentials *p)
{
	if (p == NULL)
		return;
	secret_wipe(p, sizeof(*p));
	free(p);
}

/*
 * Takes the value of a Proxy-Authorization field.  Returns ACL_ALLOW, and sets
 * the connection's user, if the credentials were found right a short while
 * ago; ACL_DENY if they are malformed; ACL_ASK if auth_check() must decide.
 * For that they are kept in the setup: NULL there means ENOMEM.
 */
enum verdict
auth_begin(struct conn *c, const char *value, size_t len)
{
	struct credentials *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ACL_ASK;
	if (parse_basic(value, len, p->user, p->password) != 0) {
		credentials_free(p);
		return ACL_DENY;
	}
	p->digest = digest_of(p);
	c->user = authcache_find(&p->digest, clock_now());
	if (c->user != NULL) {
		credentials_free(p);
		return ACL_ALLOW;
	}
	c->setup->credentials = p;
	return ACL_ASK;
}

/* How long a password of a client waits because of wrong ones, in ms. */
static int64_t
failure_delay(const struct addr *client)
{
	int64_t over = quota_wait(QUOTA_FAILURES, client) - FREE_DEBT;
	int64_t net = quota_wait(QUOTA_NET_FAILURES, client) - NET_FREE_DEBT;

	if (net > over)
		over = net;
	return over > 0 ? over / DELAY_PART : 0;
}

/* Takes a place among those that wait.  Returns false if there is none. */
static bool
waiter_enter(const struct addr *client)
{
	if (quota_take(QUOTA_WAITERS, client) > 0)
		return false;
	if (quota_take(QUOTA_NET_WAITERS, client) == 0)
		return true;
	quota_charge(QUOTA_WAITERS, client, -1);
	return false;
}

/*
 * Imposes a delay on the kept credentials.  Connections of the client with the
 * same ones, in all workers, wait together and take one place.  Returns false
 * if there is no place.
 */
static bool
delay_impose(struct conn *c, int64_t delay)
{
	struct credentials *p = c->setup->credentials;
	int64_t rest = quota_meet(&c->client, &p->digest, 0);

	if (rest == 0) {
		if (!waiter_enter(&c->client))
			return false;
		p->counted = true;
		rest = quota_meet(&c->client, &p->digest, delay);
	}
	p->check_at += rest > 0 ? rest : delay;
	p->delayed = true;
	return true;
}

/*
 * Decides when the kept credentials may be checked.  Returns AUTH_NOW;
 * AUTH_LATER: at check_at, because of wrong ones of the same client; or
 * AUTH_NEVER: too many of that client wait already.  It may be called again, as
 * auth_crowded() requires: the delay is imposed only once.
 */
enum auth_wait
auth_delay(struct conn *c)
{
	struct credentials *p = c->setup->credentials;
	int64_t delay = failure_delay(&c->client);
	enum auth_wait wait = AUTH_NOW;

	p->check_at = clock_now();
	/* A wait that rounds to nothing would have no deadline of its own. */
	if (!p->delayed && delay > 0 && !ask_joins(c)) {
		if (!delay_impose(c, delay))
			return AUTH_NEVER;
		wait = AUTH_LATER;
	}
	if (wait == AUTH_LATER || p->until == 0)
		p->until = p->check_at + k.patience;
	return wait;
}

/*
 * Whether so many passwords from the client's address are being checked that
 * this one must wait until check_at, and then begin with auth_delay() again.
 * Without this, an attacker could avoid the delay by sending all guesses at
 * once, before the first is found wrong.
 */
bool
auth_crowded(struct conn *c)
{
	if (quota_wait(QUOTA_CHECKS, &c->client) == 0 || ask_joins(c))
		return false;
	c->setup->credentials->check_at = clock_now() + CROWD_TIME;
	return true;
}

/*
 * Counts a wrong password: once for all connections that waited for the same
 * answer, which get it in the same turn.
 */
static void
failure_count(const struct conn *c)
{
	static struct {
		struct digest digest;
		struct addr client;
		int64_t at;
	} last = { .at = -1 };
	const struct digest *digest = &c->setup->credentials->digest;

	if (last.at != clock_now() || !secret_same(&last.digest, digest) ||
	    !addr_same_ip(&last.client, &c->client)) {
		quota_charge(QUOTA_FAILURES, &c->client, FAILURE_COST);
		quota_charge(QUOTA_NET_FAILURES, &c->client, FAILURE_COST);
	}
	last.digest = *digest;
	last.client = c->client;
	last.at = clock_now();
}

/* Whether a BasicAuth names a user. */
static bool
is_basic(const char *name)
{
	for (size_t i = 0; i < k.acl->nusers; i++)
		if (strcmp(k.acl->users[i].name, name) == 0)
			return true;
	return false;
}

/*
 * Whether the desk can know credentials that no BasicAuth has.  An AuthHelper
 * is not asked for a user that the configuration has itself.
 */
static bool
desk_may_know(const struct credentials *p)
{
	if (p->password[0] == '\0')
		return false;
	if (!k.asks || login_find(k.logins, p->user) != NULL)
		return k.logins->wanted;
	return !is_basic(p->user) && authhelper_takes(p->user);
}

/*
 * Checks the kept credentials as far as that needs no password hash.  Returns
 * ACL_ALLOW, and sets the connection's user; ACL_DENY; or ACL_ASK: the desk
 * must be asked.  An empty password is never sent to the desk.
 */
enum verdict
auth_check(struct conn *c)
{
	const struct credentials *p = c->setup->credentials;

	/* Another connection may have had the same ones checked meanwhile. */
	c->user = authcache_find(&p->digest, clock_now());
	if (c->user != NULL)
		return ACL_ALLOW;
	c->user = acl_user(k.acl, p->user, p->password);
	if (c->user != NULL) {
		authcache_put(&p->digest, c->user, clock_now());
		return ACL_ALLOW;
	}
	if (desk_may_know(p))
		return ACL_ASK;
	failure_count(c);
	return ACL_DENY;
}

/*
 * The name of a user whose password is right: as an AuthFile has it, else as
 * the rules have it, since directories do not tell "Alice" from "alice"; else
 * as it was sent.  Returns NULL for want of memory.
 */
static const char *
user_name(const char *sent)
{
	const char *name = login_name(k.logins, sent);

	if (name == NULL && k.asks) {
		name = who_spelling(k.acl->targets.whos, sent);
		name = name != NULL ? name : intern(sent);
	}
	return name;
}

/*
 * Takes the desk's answer.  Returns true, and sets the connection's user, if
 * the credentials are right.
 */
bool
auth_end(struct conn *c, const struct answer *answer)
{
	const struct credentials *p = c->setup->credentials;

	if (answer->error == 0 && answer->matches)
		c->user = user_name(p->user);
	if (c->user == NULL) {
		if (answer->error == 0)
			failure_count(c);
		return false;
	}
	authcache_put(&p->digest, c->user, clock_now());
	return true;
}

/* Wipes and frees the credentials of a connection, if it has any. */
void
auth_forget(struct conn *c)
{
	struct setup *s = c->setup;

	if (s->credentials != NULL && s->credentials->counted) {
		quota_charge(QUOTA_WAITERS, &c->client, -1);
		quota_charge(QUOTA_NET_WAITERS, &c->client, -1);
	}
	credentials_free(s->credentials);
	s->credentials = NULL;
}
