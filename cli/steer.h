/* SPDX-License-Identifier: ISC */
/* -s: what is asked of a running adit. */
#ifndef STEER_H
#define STEER_H

#include <stdbool.h>

/* What stands on the command line. */
struct steer {
	const char *socket; /* -S, or NULL */
	const char *file;   /* -c, or the default */
	bool json;          /* -j */
};

int steer_run(const struct steer *, int n, char **words);

#endif
