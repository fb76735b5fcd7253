/* SPDX-License-Identifier: ISC */
/* The metrics, as Prometheus reads them. */
#ifndef METRICS_H
#define METRICS_H

#include <stdio.h>

struct sheet;
struct upstreams;

void metrics_print(FILE *, const struct sheet *, const struct upstreams *);

#endif
