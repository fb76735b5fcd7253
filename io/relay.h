/* SPDX-License-Identifier: ISC */
/* The flow of bytes between the two sockets of a tunnel, and RateLimit. */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tunnel.h"

enum {
	RELAY_SIZE = 256 * 1024, /* bytes copied at once for a busy tunnel */
	SPLICE_SIZE = 256 * 1024 /* bytes spliced at once for a busier one */
};

enum relay_state { RELAY_GOES_ON, RELAY_DONE, RELAY_LOST };

void relay_limit(unsigned rate);
bool relay_is_paced(const struct tunnel *);
bool relay_flows(const struct tunnel *);
bool relay_is_rapid(void);
uint64_t relay_moved(enum side);
int64_t relay_resumes(const struct tunnel *);
short relay_events(const struct tunnel *, enum side);
enum relay_state relay_ready(
    struct tunnel *, enum side, short revents, enum side *lost);
enum relay_state relay_flush(struct tunnel *, enum side, enum side *lost);
size_t relay_most(size_t);
bool relay_rests(const struct tunnel *, enum side);
void relay_charge(struct tunnel *, enum side, size_t got);
void relay_count(struct tunnel *, enum side, size_t got);
int relay_pass(struct tunnel *, enum side, const char *bytes, size_t);
void relay_drop(struct tunnel *, enum side);
int relay_keep(struct tunnel *, enum side, const char *bytes, size_t);
bool relay_holds(const struct tunnel *, enum side);
bool relay_owes(const struct tunnel *, enum side);
void relay_quiet(struct tunnel *);
void relay_free(struct tunnel *);

#endif
