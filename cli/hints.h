/* SPDX-License-Identifier: ISC */
#ifndef HINTS_H
#define HINTS_H

struct conf;

void hints_print(const struct conf *);

#endif
