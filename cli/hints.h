/* SPDX-License-Identifier: ISC */
/* Notes for administrators who come from tinyproxy. */
#ifndef HINTS_H
#define HINTS_H

struct conf;

void hints_print(const struct conf *);

#endif
