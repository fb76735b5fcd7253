/* SPDX-License-Identifier: ISC */
/* What the clients of a listening socket send first. */
#ifndef INLET_H
#define INLET_H

#include <stdbool.h>

enum inlet {
	INLET_PROXY,   /* a request to a proxy */
	INLET_PREFACE, /* a load balancer's PROXY header: ListenProxy */
	/* TransparentPort: these clients take this proxy for the server. */
	INLET_HTTP, /* a request to the server that Host names */
	INLET_TLS,  /* a TLS hello to the server that it names */
	INLETS
};

/* Whether clients there know nothing of a proxy. */
static inline bool
inlet_is_transparent(enum inlet inlet)
{
	return inlet == INLET_HTTP || inlet == INLET_TLS;
}

#endif
