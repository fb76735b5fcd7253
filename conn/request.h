/* SPDX-License-Identifier: ISC */
#ifndef REQUEST_H
#define REQUEST_H

#include <stddef.h>

struct answer;
struct conf;
struct conn;

void request_init(const struct conf *);
void request_read(struct conn *);
int request_follow(struct conn *, char *bytes, size_t len);
void request_answer(struct conn *, const struct answer *);
void request_expire(struct conn *);

#endif
