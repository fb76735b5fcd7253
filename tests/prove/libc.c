/* SPDX-License-Identifier: ISC */
/*
 * What libc does with text, for Frama-C: its own contracts of these functions
 * say too little.  And what other files of adit would do.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "__fc_builtin.h"

#include "secret.h"

static int
lower(char c)
{
	int byte = (unsigned char)c;

	return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}

int
strncasecmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (lower(a[i]) != lower(b[i]))
			return lower(a[i]) - lower(b[i]);
		if (a[i] == '\0')
			return 0;
	}
	return 0;
}

int
memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (size_t i = 0; i < n; i++)
		if (p[i] != q[i])
			return p[i] - q[i];
	return 0;
}

void *
memchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	for (size_t i = 0; i < n; i++)
		if (p[i] == (unsigned char)c)
			return (void *)(p + i);
	return NULL;
}

char *
strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (*s == '\0')
			return NULL;
	}
}

size_t
strlen(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

size_t
strspn(const char *s, const char *set)
{
	size_t n = 0;

	while (s[n] != '\0' && strchr(set, s[n]) != NULL)
		n++;
	return n;
}

size_t
strcspn(const char *s, const char *set)
{
	size_t n = 0;

	while (s[n] != '\0' && strchr(set, s[n]) == NULL)
		n++;
	return n;
}

char *
strcpy(char *to, const char *from)
{
	size_t i = 0;

	do
		to[i] = from[i];
	while (from[i++] != '\0');
	return to;
}

unsigned
if_nametoindex(const char *name)
{
	return Frama_C_unsigned_int_interval(0, 0xffffffffu);
}

void
secret_wipe(void *p, size_t n)
{
	memset(p, 0, n);
}
