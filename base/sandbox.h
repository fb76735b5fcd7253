/* SPDX-License-Identifier: ISC */
/* What a process may still ask of the system once it has all it needs. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>

enum sandbox_role {
	SANDBOX_WORKER,
	SANDBOX_CONTROL,
	SANDBOX_JUDGE,
	SANDBOX_PASSWORDS, /* a helper that checks them itself */
	SANDBOX_NAMES,     /* a helper that looks names up */
	SANDBOX_DESK
};

bool sandbox_use(bool on);
void sandbox_hide(void);
void sandbox_enter(enum sandbox_role, bool local);
void sandbox_report(void);

#endif
