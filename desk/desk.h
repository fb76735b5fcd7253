/* SPDX-License-Identifier: ISC */
/* The desk: the process that answers the questions of all workers. */
#ifndef DESK_H
#define DESK_H

struct desk_args;

_Noreturn void desk_run(const struct desk_args *);

#endif
