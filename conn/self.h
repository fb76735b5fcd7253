/* SPDX-License-Identifier: ISC */
#ifndef SELF_H
#define SELF_H

#include <stdbool.h>

struct addr;
struct request;
struct worker_args;

enum {
	VIA_SIZE = 1024,   /* bytes of all Via that are handed on */
	OWN_VIA_SIZE = 160 /* bytes of our part of a Via */
};

void self_init(const struct worker_args *);
bool self_socket(const struct addr *);
bool self_via(const struct request *, const char *head);
bool self_via_entry(char text[OWN_VIA_SIZE], bool minor);
int self_via_field(char **field, const struct request *, const char *head);
void self_remember(int fd, const struct addr *to);
bool self_made(const struct addr *from);

#endif
