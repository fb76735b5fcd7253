/* SPDX-License-Identifier: ISC */
#ifndef NOTES_H
#define NOTES_H

struct conf;

void notes_print(const struct conf *);

#endif
