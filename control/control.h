/* SPDX-License-Identifier: ISC */
/* The control process. */
#ifndef CONTROL_H
#define CONTROL_H

struct control_args;

_Noreturn void control_run(const struct control_args *);

#endif
