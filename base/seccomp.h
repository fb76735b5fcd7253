/* SPDX-License-Identifier: ISC */
/* Filters of system calls, on Linux. */
#ifndef SECCOMP_H
#define SECCOMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox.h"

enum { SECCOMP_STEPS_MAX = 1024 /* of a filter */ };

/* A step of a filter, as the kernel takes it: struct sock_filter. */
struct seccomp_step {
	uint16_t code;
	uint8_t yes, no;
	uint32_t k;
};

bool seccomp_has(enum sandbox_role);
size_t seccomp_build(enum sandbox_role, bool syslog, bool local,
    struct seccomp_step[SECCOMP_STEPS_MAX]);
int seccomp_enter(enum sandbox_role, bool syslog, bool local);

#endif
