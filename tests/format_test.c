/* SPDX-License-Identifier: ISC */
/* LINK: base/format.c */
/* Compares what format_text() writes with what vsnprintf(3) does. */
#define _POSIX_C_SOURCE 200809L

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../proxy.h"
#include "compiler.h"
#include "format.h"
#include "must.h"

enum { ROOM = 64 };

static void same(const char *format, ...) PRINTF_LIKE(1, 2);

/* For each size of the room; what lies behind it stays as it was. */
static void
same(const char *format, ...)
{
	char right[ROOM], text[ROOM + 1];
	va_list ap;

	for (size_t size = 1; size <= ROOM; size++) {
		size_t len;

		va_start(ap, format);
		vsnprintf(right, size, format, ap);
		va_end(ap);
		memset(text, 'x', sizeof(text));
		va_start(ap, format);
		len = format_text(text, size, format, ap);
		va_end(ap);
		must(len == strlen(right), format);
		must(memcmp(text, right, len + 1) == 0, format);
		must(text[size] == 'x', format);
	}
}

int
main(void)
{
	char open_ended[4] = { 'a', 'b', 'c', 'd' };

	same("%s", "");
	same("text");
	same("a %s b", "text");
	same("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
	same("%u %u", 0u, UINT_MAX);
	same("(fd:%d) %s%s%s.", 7, "one", "", "three");
	same("[%.3s] [%.0s] [%.s] [%.10s]", "abcdef", "abc", "abc", "abc");
	same("[%.*s] [%.*s]", 2, "abc", 0, "abc");
	same("[%.4s] [%.*s]", open_ended, 4, open_ended);
	same("[%.*s]", -1, "abc");
	/* The rest is left to vsnprintf(). */
	same("%d%% of %s", 5, "it");
	same("%s %lu %s", "a", 5ul, "b");
	same("%s %5d|%-5s|%05u|%.3d", "a", 5, "b", 7u, 9);
	same("%zu %jd %c %x", (size_t)1, (intmax_t)-2, 'c', 255u);
	return 0;
}
