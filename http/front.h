/* SPDX-License-Identifier: ISC */
/* Requests for the proxy itself, at its own port: its health, and the PAC file. */
#ifndef FRONT_H
#define FRONT_H

#include <stdbool.h>

struct request;

enum front {
	FRONT_NOTHING, /* the request is for a target, or malformed */
	FRONT_HEALTH,
	FRONT_PAC
};

/* What is served. */
struct front_paths {
	const char *health; /* HealthPath, or NULL */
	bool root;          /* "/" belongs to a ReversePath */
	bool pac;           /* there is a PacFile */
};

enum front front_asked(
    const struct front_paths *, const struct request *, const char *head);

#endif
