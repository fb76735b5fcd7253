/* SPDX-License-Identifier: ISC */
#ifndef PARENT_H
#define PARENT_H

#include <stddef.h>

#include "refusal.h"

struct request;
struct upstream;

enum {
	PARENT_CREDENTIALS_SIZE = 1024, /* bytes of a field, with its NUL */
	PARENT_SIZE = 16384 /* bytes of a message of a parent proxy */
};

enum parent_state {
	PARENT_SENDS, /* what stands in bytes */
	PARENT_READS,
	PARENT_AGREED,  /* the tunnel stands */
	PARENT_REFUSED, /* it does not want this target */
	PARENT_BROKEN   /* it is of no use */
};

/* What is said to a parent until the tunnel through it stands. */
struct parent {
	enum parent_state state;
	int step; /* the message that is awaited */
	const struct upstream *upstream;
	const struct request *request;
	const char *via;
	enum refusal refusal; /* PARENT_REFUSED, PARENT_BROKEN */
	int received;         /* the status that an http one has sent, or 0 */
	size_t at, len;       /* of bytes */
	size_t scanned;       /* of a head: bytes known to hold no end */
	unsigned interim;     /* heads that said only that one will come */
	char bytes[PARENT_SIZE];
};

size_t parent_credentials(
    char out[PARENT_CREDENTIALS_SIZE], const struct upstream *);
void parent_begin(struct parent *, const struct upstream *,
    const struct request *, const char *via);
enum parent_state parent_take(struct parent *);
enum parent_state parent_talk(struct parent *, int fd);

#endif
