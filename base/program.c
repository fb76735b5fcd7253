/* SPDX-License-Identifier: ISC */
/*
 * The name of the program, and the path of its configuration file.  Only this
 * file is compiled once for each name: neither may depend on how the program is
 * started.
 */

#include "program.h"

#ifndef PROGRAM
#define PROGRAM "adit"
#endif

const char program[] = PROGRAM;
const char program_conf[] = SYSCONFDIR "/" PROGRAM ".conf";
