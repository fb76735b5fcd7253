/* SPDX-License-Identifier: ISC */
/* Filter: a file of patterns for targets. */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "log.h"
#include "pattern.h"
#include "patterns.h"

struct request;

enum {
	URL_SIZE = 26 * 1024 /* bytes of a URL in which every byte is escaped */
};

/* Filter and the directives that belong to it. */
struct filter {
	char *file; /* owned, or NULL: no Filter */
	enum filter_type type;
	bool urls, default_deny;
	bool case_sensitive;    /* for URLs */
	struct patterns folded; /* without regard to case, */
	struct patterns exact;  /* and with regard to it, for URLs, or none */
};

int filter_read(struct filter *,
    void (*tell)(void *teller, enum log_level, const char *text), void *teller);
void filter_free(struct filter *);
bool filter_refuses(const struct filter *, const struct request *,
    const char *head, char text[URL_SIZE], unsigned long *line);

#endif
