/* SPDX-License-Identifier: ISC */
/* Whether what a client sends through a new tunnel is TLS for its target. */
#ifndef VET_H
#define VET_H

#include <stddef.h>

#include "refusal.h"
#include "tunnel.h"

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
	VET_ALERT_SIZE = 7  /* bytes of an alert, in its record */
};

/* Why a tunnel was refused. */
struct vet_refusal {
	enum refusal refusal;
	char why[VET_WHY_SIZE];
	const char *name;           /* that the client gave, or NULL; static */
	size_t name_len;            /* bytes */
	char alert[VET_ALERT_SIZE]; /* for a client that speaks TLS */
	size_t alert_len;           /* 0: for one that does not */
};

enum vet_state vet_begin(struct tunnel *, struct setup *, struct vet_refusal *);
enum vet_state vet_ready(struct tunnel *, struct setup *, enum side,
    short revents, struct vet_refusal *);
enum vet_state vet_late(const struct setup *, struct vet_refusal *);
enum vet_state vet_crowded(const struct setup *, struct vet_refusal *);

#endif
