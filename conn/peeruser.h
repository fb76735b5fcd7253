/* SPDX-License-Identifier: ISC */
/* Login names of the users at Unix sockets. */
#ifndef PEERUSER_H
#define PEERUSER_H

#include <stdbool.h>
#include <stdint.h>

struct answer;

void peeruser_init(void);
bool peeruser_is_nobody(uint32_t uid);
bool peeruser_find(uint32_t uid, const char **name);
const char *peeruser_answered(uint32_t uid, const struct answer *);

#endif
