/* SPDX-License-Identifier: ISC */
/* A desk: a process that answers questions of all workers. */
#ifndef DESK_H
#define DESK_H

struct desk_args;

_Noreturn void desk_run(const struct desk_args *);

#endif
