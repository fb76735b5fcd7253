/* SPDX-License-Identifier: ISC */
/* What adit -t says about one request. */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include <stdbool.h>

#include "addr.h"
#include "refusal.h"

struct conf;

/* A request to explain; the texts stay the caller's. */
struct asked {
	struct addr client;
	bool transparent; /* it knows of no proxy: TransparentPort */
	bool sent;        /* by a load balancer: it names the client */
	struct addr sender;
	const char *user; /* or "-" */
	const char *target;
};

/* What would become of a request. */
struct outcome {
	enum refusal refusal; /* or REFUSE_NOTHING */
	bool reset;           /* the load balancer is refused */
	bool reported;        /* only a ReportTo allows it */
	const char *file;     /* of the rule that decides */
	unsigned long line;   /* of that rule; 0: there is none */
};

void explain_use(const struct conf *);
const char *explain_client(struct asked *, char **text);
bool explain(const struct asked *);
struct outcome explain_briefly(const struct asked *, const struct addr *at);

#endif
