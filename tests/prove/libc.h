/* SPDX-License-Identifier: ISC */
/*
 * What libc and other files of adit promise about bytes and text, as far as the
 * proofs need it: WP cannot make use of what Frama-C's own headers say.  BYTE is
 * char, or unsigned char where the bytes of a source are.
 */
#ifndef PROVE_H
#define PROVE_H

/* Frama-C's own are not read. */
#define __FC_STRING_H_
#define __FC_STRINGS_H_

#include <stddef.h>

#ifndef BYTE
#define BYTE char
#endif

/*@ predicate bytes{L}(BYTE *s, integer n) =
        n == 0 || \valid_read(s + (0 .. n - 1));
    predicate room{L}(BYTE *s, integer n) =
        n == 0 || \valid(s + (0 .. n - 1)); */

/*@ requires bytes(a, n) && bytes(b, n);
    assigns \result \from a[0 .. n - 1], b[0 .. n - 1];
    ensures \result == 0 <==>
        \forall integer i; 0 <= i < n ==> a[i] == b[i]; */
int memcmp(const BYTE *a, const BYTE *b, size_t n);

/*@ requires bytes(s, n);
    assigns \result \from s, s[0 .. n - 1], c;
    ensures \result == \null ||
        (\exists integer i; 0 <= i < n && \result == s + i && s[i] == c);
    ensures \result == \null ==>
        \forall integer i; 0 <= i < n ==> s[i] != c; */
BYTE *memchr(const BYTE *s, int c, size_t n);

/*@ requires room(to, n) && bytes(from, n);
    requires \separated(to + (0 .. n - 1), from + (0 .. n - 1));
    assigns to[0 .. n - 1] \from from[0 .. n - 1];
    ensures \forall integer i; 0 <= i < n ==> to[i] == from[i]; */
void memcpy(BYTE *to, const BYTE *from, size_t n);

/*@ requires room(to, n) && bytes(from, n);
    assigns to[0 .. n - 1] \from from[0 .. n - 1]; */
void memmove(BYTE *to, const BYTE *from, size_t n);

/*@ requires room(to, n);
    assigns to[0 .. n - 1] \from c; */
void memset(BYTE *to, int c, size_t n);

/* The text is always one that adit holds: it ends in a NUL. */
/*@ assigns \result \from s, c; */
char *strchr(const char *s, int c);

/*@ assigns \result \from s; */
char *strrchr(const char *s, int c);

/*@ assigns \result \from s[0 ..]; */
size_t strlen(const char *s);

/*@ assigns \result \from s[0 ..], set[0 ..]; */
size_t strspn(const char *s, const char *set);

/*@ requires n == 0 || \valid_read(a + (0 .. n - 1));
    assigns \result \from a[0 .. n - 1], b[0 .. n - 1]; */
int strncasecmp(const char *a, const char *b, size_t n);

#include "secret.h"

/*@ requires room((BYTE *)p, n);
    assigns ((BYTE *)p)[0 .. n - 1]; */
void secret_wipe(void *p, size_t n);

#endif
