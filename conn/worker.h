/* SPDX-License-Identifier: ISC */
#ifndef WORKER_H
#define WORKER_H

struct worker_args;

_Noreturn void worker_run(const struct worker_args *);

#endif
