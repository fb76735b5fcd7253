/* SPDX-License-Identifier: ISC */
/* The page of /status. */
#ifndef HTML_H
#define HTML_H

#include <stdio.h>

struct page_request;
struct view;

void html_print(FILE *, const struct view *, const struct page_request *);

#endif
