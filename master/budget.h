/* SPDX-License-Identifier: ISC */
/* How many workers there are, and how much each of them may have. */
#ifndef BUDGET_H
#define BUDGET_H

#include <stddef.h>

struct budget {
	size_t workers;
	size_t busy; /* of these: all others are a reserve */
	/* Of one worker: */
	size_t conns, pipes, attempts;
	size_t questions; /* at a desk at once */
};

void budget_make(
    struct budget *, unsigned workers, unsigned max_clients, size_t nlisteners);

#endif
