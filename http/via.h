/* SPDX-License-Identifier: ISC */
/* The Via field: recognising loops, and our entry. */
#ifndef VIA_H
#define VIA_H

#include <stdbool.h>

#include "bounds.h"

struct request;

enum {
	VIA_SIZE = 1024,     /* bytes of all Via fields that are passed on */
	VIA_ENTRY_SIZE = 160 /* bytes of our entry */
};

void via_identify(const char token[TOKEN_SIZE]);
const char *via_identity(void);
void via_use(const char *name, bool disabled);
bool via_is_loop(const struct request *, const char *head);
bool via_entry(char text[VIA_ENTRY_SIZE], bool minor);
int via_field(char **field, const struct request *, const char *head);

#endif
