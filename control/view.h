/* SPDX-License-Identifier: ISC */
/* What people and programs see of the proxy: a page, JSON, and lines. */
#ifndef VIEW_H
#define VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "place.h"
#include "refusal.h"

struct board;
struct crowd;
struct gathered;

struct sheet;
struct upstreams;

/* All that a view shows. */
struct view {
	const struct sheet *sheet;
	const struct board *board;
	const struct crowd *crowd; /* NULL: who goes where is not shown */
	const struct upstreams *upstreams;
	const char *filter; /* the file of Filter, or NULL */
	const struct places *places;
	const char *unready; /* or NULL */
	uint64_t missed;     /* workers that did not answer */
};

const char *view_reason(enum refusal);
struct where view_place(const struct view *, enum refusal, unsigned long line);
void view_json(FILE *, const struct view *);
void view_lines(FILE *, const struct view *);
void view_session(FILE *, const struct gathered *, uint64_t rate, bool json);

#endif
