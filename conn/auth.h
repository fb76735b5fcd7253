/* SPDX-License-Identifier: ISC */
/* The credentials of a client, as far as a worker judges them. */
#ifndef AUTH_H
#define AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "rule.h"
#include "secret.h"

struct acl;
struct answer;
struct conn;
struct logins;

/* What a client sent as credentials; both strings are padded with NULs. */
struct credentials {
	struct digest digest; /* of user and password */
	int64_t check_at;     /* ms: the check must not begin earlier */
	int64_t until;        /* ms: the check must be over by then, or 0 */
	bool delayed;         /* because of wrong ones, which is done once */
	bool counted; /* as one that waits, for the client and its net */
	char user[CREDENTIAL_SIZE], password[CREDENTIAL_SIZE];
};

/* When credentials may be checked; see auth_delay(). */
enum auth_wait { AUTH_NOW, AUTH_LATER, AUTH_NEVER };

void auth_use(
    const struct acl *, const struct logins *, bool asks, unsigned timeout);
enum verdict auth_begin(struct conn *, const char *value, size_t len);
enum auth_wait auth_delay(struct conn *);
enum verdict auth_check(struct conn *);
bool auth_crowded(struct conn *);
bool auth_end(struct conn *, const struct answer *);
void auth_forget(struct conn *);

#endif
