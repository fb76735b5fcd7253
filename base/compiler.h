/* SPDX-License-Identifier: ISC */
/* What compilers are told that can be told more than C says. */
#ifndef COMPILER_H
#define COMPILER_H

/* A function whose argument number at is a format of printf(3). */
#ifdef __GNUC__
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))
#else
#define PRINTF_LIKE(at, first)
#endif

#endif
