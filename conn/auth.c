/* SPDX-License-Identifier: ISC */
/*
 * A worker's side of credentials: what a client sends as them, whether they
 * were right a moment ago, and whom to ask if not.  Passwords are in memory
 * here for as long as a question is under way, and wiped then.  It never waits
 * for an answer, and knows no hash.
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
#include "bounds.h"
#include "clock.h"
#include "conn.h"
#include "login.h"
#include "parse.h"
#include "question.h"
#include "quota.h"
#include "rule.h"
#include "secret.h"

/*
 * A wrong password costs some of QUOTA_FAILURES, which the address gets back
 * in as many seconds.  What lacks beyond the free part, by DELAY_PART, is how
 * long the next password of that address waits before it is checked.
 */
enum {
	FAILURE_COST = 5,  /* s */
	FREE_DEBT = 16000, /* ms: that of four failures */
	DELAY_PART = 10,   /* half a second for each further one */
	CROWD_TIME = 100   /* ms to the next look, see auth_crowded() */
};

static struct {
	const struct acl *acl;
	const struct logins *logins;
	int64_t patience; /* ms: for a check */
} k;

/*
 * To be called in a worker before anything else here: the users, which stay
 * the caller's, and how many seconds a check may take.
 */
void
auth_use(const struct acl *acl, const struct logins *logins, unsigned timeout)
{
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
 * Takes the value of a Proxy-Authorization field.  Returns ACL_ALLOW when it
 * has been found right a short while ago, and sets the connection's user then;
 * ACL_DENY when it is malformed; ACL_ASK when auth_check() is to decide, for
 * which the credentials are kept in the setup, or NULL if there is no memory.
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

/*
 * Says when the credentials that were kept may be checked: at once; later,
 * when check_at has come, since there were wrong ones from the same address;
 * or never, since too many from there wait already.  It is asked again while
 * there is a crowd; but who has waited once does not wait for that again.
 */
enum auth_wait
auth_delay(struct conn *c)
{
	struct credentials *p = c->setup->credentials;
	int64_t debt = quota_wait(QUOTA_FAILURES, &c->client);
	int64_t delay = (debt - FREE_DEBT) / DELAY_PART;
	enum auth_wait wait = AUTH_NOW;

	p->check_at = clock_now();
	/* A wait that rounds to nothing would have no deadline of its own. */
	if (!p->waits && delay > 0) {
		if (quota_take(QUOTA_WAITERS, &c->client) > 0)
			return AUTH_NEVER;
		p->waits = true;
		p->check_at += delay;
		wait = AUTH_LATER;
	}
	if (wait == AUTH_LATER || p->until == 0)
		p->until = p->check_at + k.patience;
	return wait;
}

/*
 * Whether the desk has so many passwords from the address of a client already
 * that this one has to wait until check_at, and be judged anew then.  Else
 * whoever guesses would only have to send all guesses at once, before the
 * first is found wrong.
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
 * Counts a wrong password, once for all connections that have waited for the
 * same answer.
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
	    !addr_same_ip(&last.client, &c->client))
		quota_charge(QUOTA_FAILURES, &c->client, FAILURE_COST);
	last.digest = *digest;
	last.client = c->client;
	last.at = clock_now();
}

/*
 * Judges the credentials that were kept, as far as that takes no time: sets
 * the connection's user with ACL_ALLOW.  ACL_ASK: the desk is to be asked.  An
 * empty password is never right.
 */
enum verdict
auth_check(struct conn *c)
{
	const struct credentials *p = c->setup->credentials;

	/* Somebody may have had the same ones checked meanwhile. */
	c->user = authcache_find(&p->digest, clock_now());
	if (c->user != NULL)
		return ACL_ALLOW;
	c->user = acl_user(k.acl, p->user, p->password);
	if (c->user != NULL) {
		authcache_put(&p->digest, c->user, clock_now());
		return ACL_ALLOW;
	}
	if (k.logins->wanted && p->password[0] != '\0')
		return ACL_ASK;
	failure_count(c);
	return ACL_DENY;
}

/*
 * Takes the desk's answer.  Returns whether it lets the client in, and sets
 * the connection's user then.
 */
bool
auth_end(struct conn *c, const struct answer *answer)
{
	const struct credentials *p = c->setup->credentials;

	if (answer->error == 0 && answer->matches)
		c->user = login_name(k.logins, p->user);
	if (c->user == NULL) {
		if (answer->error == 0)
			failure_count(c);
		return false;
	}
	authcache_put(&p->digest, c->user, clock_now());
	return true;
}

/* Forgets the credentials of a connection, if it has some. */
void
auth_forget(struct conn *c)
{
	struct setup *s = c->setup;

	if (s->credentials != NULL && s->credentials->waits)
		quota_charge(QUOTA_WAITERS, &c->client, -1);
	credentials_free(s->credentials);
	s->credentials = NULL;
}
