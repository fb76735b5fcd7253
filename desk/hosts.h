/* SPDX-License-Identifier: ISC */
/* What the HostsFiles and the hosts file say to a question. */
#ifndef HOSTS_H
#define HOSTS_H

#include <stdbool.h>
#include <stddef.h>

struct answer;
struct pin;
struct pins;
struct question;

void hosts_use(const struct pins *);
const struct pin *hosts_pinned(const char *name, size_t *n);
bool hosts_answer(const struct question *, struct answer *);

#endif
