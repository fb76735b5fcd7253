/* SPDX-License-Identifier: ISC */
/* Load balancers, which say in a PROXY header whom they speak for. */
#ifndef SENDER_H
#define SENDER_H

#include <stddef.h>

struct addr;
struct block;
struct log_rate;
struct preface;

enum sender_state {
	SENDER_TALKS, /* the header is not whole yet */
	SENDER_READY, /* it is, and was taken from the socket */
	SENDER_WRONG, /* it is malformed or unfit */
	SENDER_LEFT   /* the connection ended before its first byte */
};

void sender_use(
    const struct block *trusted, size_t n, struct log_rate *complaints);
const char *sender_enter(const struct addr *sender);
void sender_leave(const struct addr *sender);
void sender_complain(const struct addr *sender, const char *why);
enum sender_state sender_read(
    int fd, char **kept, size_t *len, struct preface *);

#endif
