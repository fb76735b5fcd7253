/* SPDX-License-Identifier: ISC */
/* Whether what a client sends through a new tunnel is TLS for its target. */
#ifndef VET_H
#define VET_H

#include <stddef.h>

#include "alert.h"
#include "flight.h"
#include "refusal.h"
#include "tunnel.h"

struct hello;
struct setup;

enum vet_state {
	VET_GOES_ON,
	VET_GREETED, /* the handshake goes on where nobody can read it */
	VET_ENDED,   /* the client, or in both directions */
	VET_LAST,    /* the server: the client still gets what it has sent */
	VET_REFUSED,
	VET_CLIENT_LOST,
	VET_SERVER_LOST
};

enum {
	VET_WHY_SIZE = 360, /* bytes of a reason, with its NUL */
	/* The most bytes that are kept of a hello that is not whole. */
	VET_KEPT_MAX = FLIGHT_HELD_MAX + FLIGHT_HEADER + 1
};

/* Why a tunnel was refused. */
struct vet_refusal {
	enum refusal refusal;
	char why[VET_WHY_SIZE];
	const char *name;       /* that the client gave, or NULL; static */
	size_t name_len;        /* bytes */
	char alert[ALERT_SIZE]; /* for a client that speaks TLS */
	size_t alert_len;       /* 0: for one that does not */
};

enum vet_state vet_name(struct setup *, const char *bytes, size_t kept,
    size_t len, struct hello *, struct vet_refusal *);
enum vet_state vet_begin(struct tunnel *, struct setup *, struct vet_refusal *);
enum vet_state vet_ready(struct tunnel *, struct setup *, enum side,
    short revents, struct vet_refusal *);
enum vet_state vet_late(const struct setup *, struct vet_refusal *);
enum vet_state vet_cut(const struct setup *, struct vet_refusal *);
enum vet_state vet_crowded(const struct setup *, struct vet_refusal *);

#endif
