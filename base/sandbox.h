/* SPDX-License-Identifier: ISC */
/* What a process may still ask of the system once it has all it needs. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

enum sandbox_role {
	SANDBOX_WORKER,
	SANDBOX_CONTROL,
	SANDBOX_JUDGE,
	SANDBOX_PASSWORDS, /* a helper that checks them itself */
	SANDBOX_NAMES,     /* a helper that looks names up */
	SANDBOX_DESK
};

/* What differs between processes of one role. */
struct sandbox_own {
	const int
	    *listeners; /* that it shares with others; at most LISTEN_MAX */
	size_t nlisteners;
	bool local; /* it connects to Unix sockets */
};

bool sandbox_use(bool on);
void sandbox_hide(void);
void sandbox_enter(enum sandbox_role, const struct sandbox_own *);
void sandbox_report(void);

#endif
