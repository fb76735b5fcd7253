/* SPDX-License-Identifier: ISC */
/* The live view of -s top. */
#ifndef TOP_H
#define TOP_H

#include "table.h"

int top_run(const char *path, enum table_order);

#endif
