/* SPDX-License-Identifier: ISC */
/* Texts that are kept for the life of a process. */
#ifndef INTERN_H
#define INTERN_H

const char *intern(const char *text);

#endif
