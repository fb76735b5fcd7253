/* SPDX-License-Identifier: ISC */
/*
 * printf(3) for lines that are written for each connection: what most of them
 * consist of is put together by hand, in a quarter of the time.
 */
#define _POSIX_C_SOURCE 200809L

#include "format.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A text in the making; what finds no room is left out. */
struct text {
	char *at, *end;
};

static void
put(struct text *t, const char *bytes, size_t len)
{
	size_t room = (size_t)(t->end - t->at);

	if (len > room)
		len = room;
	memcpy(t->at, bytes, len);
	t->at += len;
}

static void
put_number(struct text *t, unsigned n, bool negative)
{
	char digits[12];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	if (negative)
		digits[--at] = '-';
	put(t, digits + at, sizeof(digits) - at);
}

/*
 * Reads the precision of a directive, if there is one.  Returns it, or INT_MAX,
 * and moves *format behind it.
 */
static int
precision(const char **format, int star)
{
	int n = 0;

	if (**format != '.')
		return INT_MAX;
	if (*++*format == '*') {
		++*format;
		return star;
	}
	for (; **format >= '0' && **format <= '9' && n < 10000; ++*format)
		n = 10 * n + (**format - '0');
	return n;
}

/*
 * Puts a text with directives %s, %.5s, %.*s, %d and %u.  Returns false if there
 * is another one, or a null pointer.
 */
static bool
put_all(struct text *t, const char *format, va_list ap)
{
	for (;;) {
		const char *directive = strchr(format, '%'), *string;
		int most, number;

		if (directive == NULL) {
			put(t, format, strlen(format));
			return true;
		}
		put(t, format, (size_t)(directive - format));
		format = directive + 1;
		most = precision(&format,
		    strncmp(format, ".*", 2) == 0 ? va_arg(ap, int) : 0);
		if (*format == 's') {
			string = va_arg(ap, const char *);
			if (string == NULL || most < 0)
				return false;
			put(t, string,
			    most == INT_MAX ? strlen(string)
					    : strnlen(string, (size_t)most));
		} else if (*format == 'd' && most == INT_MAX) {
			number = va_arg(ap, int);
			put_number(t,
			    number < 0 ? 0 - (unsigned)number
				       : (unsigned)number,
			    number < 0);
		} else if (*format == 'u' && most == INT_MAX) {
			put_number(t, va_arg(ap, unsigned), false);
		} else {
			return false;
		}
		format++;
	}
}

/*
 * Does what vsnprintf(3) does, but returns the length of what was written, and
 * 0 where that fails.  There must be room for a NUL.
 */
size_t
format_text(char *to, size_t size, const char *format, va_list ap)
{
	struct text t = { to, to + size - 1 };
	va_list copy;
	bool done;
	int n;

	va_copy(copy, ap);
	done = put_all(&t, format, copy);
	va_end(copy);
	if (done) {
		*t.at = '\0';
		return (size_t)(t.at - to);
	}
	n = vsnprintf(to, size, format, ap);
	if (n < 0) {
		to[0] = '\0';
		return 0;
	}
	return (size_t)n < size ? (size_t)n : size - 1;
}
