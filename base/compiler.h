/* SPDX-License-Identifier: ISC */
/* Annotations for compilers that understand more than standard C. */
#ifndef COMPILER_H
#define COMPILER_H

/*
 * Argument number at is a printf(3) format, number first the first one for it.
 */
#ifdef __GNUC__
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))
#else
#define PRINTF_LIKE(at, first)
#endif

#endif
