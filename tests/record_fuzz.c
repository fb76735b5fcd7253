/* SPDX-License-Identifier: ISC */
/* LINK: base/record.c base/addr.c base/local.c */
/*
 * Fuzzes the lines of access logs: whatever a peer sends, a line is one line,
 * fits, and keeps what stands after its values.
 */
#define _POSIX_C_SOURCE 200809L

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct addr client, dialled = { .port = 443 };
	static const char end[] = ",\"worker\":0}\n";
	const struct timespec now = { .tv_sec = 1795761764 };
	char line[RECORD_SIZE], *text = malloc(size + 1);
	struct record r = { .client = &client,
		.dialled = &dialled,
		.user = text,
		.method = text,
		.target = text,
		.ending = "closed" };
	size_t len;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (int i = 0; i < RECORD_FORMATS; i++) {
		len = record_line(line, (enum record_format)i, &r, &now);
		assert(memchr(line, '\n', len) == line + len - 1);
		for (size_t j = 0; j + 1 < len; j++)
			assert((unsigned char)line[j] >= 0x20 &&
			    (i == RECORD_JSON || line[j] < 0x7f));
	}
	assert(memcmp(line + len - strlen(end), end, strlen(end)) == 0);
	free(text);
	return 0;
}
