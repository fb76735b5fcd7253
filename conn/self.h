/* SPDX-License-Identifier: ISC */
/* How the proxy recognizes its own sockets and connections. */
#ifndef SELF_H
#define SELF_H

#include <stdbool.h>
#include <stddef.h>

struct addr;
struct share;

void self_use(const struct addr *listening, size_t nlisteners, struct share *);
bool self_socket(const struct addr *);
void self_remember(int fd, const struct addr *to);
void self_intercepts(void);
bool self_led_back(const struct addr *from, const struct addr *to);
bool self_made(const struct addr *from);

#endif
