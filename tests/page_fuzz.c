/* SPDX-License-Identifier: ISC */
/* LINK: http/page.c */
/*
 * An entry for libFuzzer.  Any template is filled with any values: the page has
 * the markup of the template and no more, whatever the values are, and fits.
 * The input is a value, a NUL byte, and the template.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
count(const char *text, size_t len, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == c;
	return n;
}

static void
try(const char *value, const char *text, size_t len, bool own)
{
	static char page[PAGE_MAX];
	const struct page_value values[] = { { "a", value, own },
		{ "clientip", value, own }, { "none", NULL, own } };
	char *copy = malloc(len + 1);
	size_t n;

	must(copy != NULL, "memory");
	memcpy(copy, text, len);
	n = page_fill(page, copy, len, values, 3);
	must(n <= PAGE_MAX && n <= len + VALUES_MAX, "it fits");
	for (const char *c = "<>\"'"; *c != '\0'; c++)
		must(count(page, n, *c) <= count(copy, len, *c),
		    "no markup comes from a value");
	for (size_t i = 0; i < n && !own; i++)
		must((page[i] >= 0x20 && page[i] < 0x7f) ||
			memchr(copy, page[i], len) != NULL,
		    "what is not ASCII comes from the template");
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\0', size);
	size_t len;

	if (end == NULL)
		return 0;
	len = size - (size_t)(end + 1 - data);
	try((const char *)data, (const char *)end + 1, len, false);
	try((const char *)data, (const char *)end + 1, len, true);
	return 0;
}
