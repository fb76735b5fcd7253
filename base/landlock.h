/* SPDX-License-Identifier: ISC */
/* Landlock: files, ports and signals that a process gives up, on Linux. */
#ifndef LANDLOCK_H
#define LANDLOCK_H

#include <stdbool.h>

int landlock_version(void);
int landlock_enter(bool reads);

#endif
