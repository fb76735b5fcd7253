/* SPDX-License-Identifier: ISC */
#ifndef OWN_H
#define OWN_H

#include <stdbool.h>

struct addr;
struct request;
struct worker_args;

enum {
	VIA_SIZE = 1024,   /* bytes of all Via that are handed on */
	OWN_VIA_SIZE = 160 /* bytes of our part of a Via */
};

void own_init(const struct worker_args *);
bool own_socket(const struct addr *);
bool own_via(const struct request *, const char *head);
bool own_via_entry(char text[OWN_VIA_SIZE], bool minor);
int own_via_field(char **field, const struct request *, const char *head);
void own_remember(int fd, const struct addr *to);
bool own_made(const struct addr *from);

#endif
