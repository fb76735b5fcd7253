/* SPDX-License-Identifier: ISC */
/*
 * What the program is called, and where its configuration is.  This file alone
 * is compiled once for each name, so that neither depends on how the program
 * is started.
 */

#include "program.h"

#ifndef PROGRAM
#define PROGRAM "adit"
#endif

const char program[] = PROGRAM;
const char program_conf[] = SYSCONFDIR "/" PROGRAM ".conf";
