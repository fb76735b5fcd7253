/* SPDX-License-Identifier: ISC */
/* What is said to a parent proxy until its tunnel stands. */
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
	PARENT_SENDS,   /* a message is being sent */
	PARENT_READS,   /* an answer is awaited */
	PARENT_AGREED,  /* the tunnel is established */
	PARENT_REFUSED, /* the parent refuses this target */
	PARENT_BROKEN   /* the parent has failed: another may be tried */
};

/* The talk with a parent until the tunnel through it is established. */
struct parent {
	enum parent_state state;
	int step; /* the message that is awaited, enum step */
	const struct upstream *upstream;
	const struct request *request;
	const char *via;
	enum refusal refusal;    /* PARENT_REFUSED, PARENT_BROKEN */
	int received;            /* status of an http parent's refusal, or 0 */
	size_t at, len;          /* of bytes */
	size_t scanned;          /* bytes of a head searched for its end */
	unsigned interim;        /* interim (1xx) answers so far */
	char bytes[PARENT_SIZE]; /* the message that is sent or received */
};

size_t parent_credentials(
    char out[PARENT_CREDENTIALS_SIZE], const struct upstream *);
void parent_begin(struct parent *, const struct upstream *,
    const struct request *, const char *via);
void parent_preface(struct parent *, const char *header, size_t len);
enum parent_state parent_take(struct parent *);
enum parent_state parent_talk(struct parent *, int fd);

#endif
