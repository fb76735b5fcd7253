/* SPDX-License-Identifier: ISC */
/* Reading the lists that rules name. */
#ifndef LISTS_H
#define LISTS_H

struct reader;

void lists_read(struct reader *);

#endif
