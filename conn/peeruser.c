/* SPDX-License-Identifier: ISC */
/*
 * The login names of the users at Unix sockets, for PeerUser: those that the
 * desk has found a short while ago.  Nothing here looks one up, since the
 * system may have to ask a directory elsewhere for that.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "clock.h"
#include "intern.h"
#include "peeruser.h"
#include "question.h"
#include "sys.h"

enum {
	PLACES = 256, /* users that are remembered; two may share a place */
	NAME_LIFE = 60000, /* ms that a name is believed */
	NONE_LIFE = 5000   /* ms that there is none is believed */
};

static struct {
	uint32_t overflow;
	struct {
		uint32_t uid;
		int64_t until;    /* ms; 0: the place is free */
		const char *name; /* or NULL: the user has none */
	} places[PLACES];
} k;

/* Must be called in a worker before anything else here. */
void
peeruser_init(void)
{
	k.overflow = sys_overflow_uid();
}

/*
 * Whether a number tells nothing of a user: the system does not know it, or it
 * stands for all users of other user namespaces.
 */
bool
peeruser_is_nobody(uint32_t uid)
{
	return uid == ADDR_NO_UID || uid == k.overflow;
}

/*
 * Finds a user among those that were looked up.  Returns whether it is, with
 * the name, or NULL for a user who has none.
 */
bool
peeruser_find(uint32_t uid, const char **name)
{
	size_t at = uid % PLACES;

	*name = k.places[at].name;
	return k.places[at].uid == uid && clock_now() < k.places[at].until;
}

/*
 * Takes the desk's answer, and remembers it unless the look-up has failed.
 * Returns the name, or NULL.
 */
const char *
peeruser_answered(uint32_t uid, const struct answer *answer)
{
	const char *login = answer_login(answer);
	const char *name = login != NULL ? intern(login) : NULL;
	size_t at = uid % PLACES;

	if (answer->error != 0 || (login != NULL && name == NULL))
		return NULL;
	k.places[at].uid = uid;
	k.places[at].name = name;
	k.places[at].until =
	    clock_now() + (name != NULL ? NAME_LIFE : NONE_LIFE);
	return name;
}
