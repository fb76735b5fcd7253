/* SPDX-License-Identifier: ISC */
/* Filter: a file of patterns for targets. */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "log.h"

struct pattern;
struct request;

enum {
	URL_SIZE = 26 * 1024 /* bytes of a URL in which every byte is escaped */
};

enum filter_type { FILTER_BRE, FILTER_ERE, FILTER_FNMATCH };

/* Filter and the directives that belong to it. */
struct filter {
	char *file; /* owned, or NULL: no Filter */
	enum filter_type type;
	bool urls, default_deny;
	bool case_sensitive;      /* for URLs */
	struct pattern *patterns; /* owned; in the order of the file */
	size_t n;
};

int filter_read(struct filter *,
    void (*tell)(void *teller, enum log_level, const char *text), void *teller);
void filter_free(struct filter *);
bool filter_refuses(const struct filter *, const struct request *,
    const char *head, char text[URL_SIZE], unsigned long *line);

#endif
