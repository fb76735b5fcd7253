/* SPDX-License-Identifier: ISC */
#ifndef DESK_H
#define DESK_H

struct desk_args;

_Noreturn void desk_run(const struct desk_args *);

#endif
