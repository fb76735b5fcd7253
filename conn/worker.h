/* SPDX-License-Identifier: ISC */
/* A worker: the process that serves clients. */
#ifndef WORKER_H
#define WORKER_H

struct worker_args;

_Noreturn void worker_run(const struct worker_args *);

#endif
