/* SPDX-License-Identifier: ISC */
/* The requests to StatusListen, and the heads of their answers. */
#ifndef ANSWER_H
#define ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum page_kind {
	PAGE_METRICS,
	PAGE_LIVE,
	PAGE_READY,
	PAGE_STATUS,
	PAGE_JSON,
	PAGES /* none of them */
};

struct page_request {
	enum page_kind page;
	int error;   /* the status to answer with instead, or 0 */
	bool head;   /* HEAD: no content */
	char sort;   /* of the tunnels: b(ytes), a(ge), r(ate) */
	int refresh; /* s; 0: not */
};

void answer_parse(struct page_request *, const char *head);
void answer_print(FILE *, const struct page_request *, int status,
    const char *content, size_t len);

#endif
