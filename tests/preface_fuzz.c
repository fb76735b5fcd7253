/* SPDX-License-Identifier: ISC */
/* LINK: http/preface.c base/addr.c base/local.c */
/*
 * An entry for libFuzzer.  Any bytes are read as a PROXY header in the same way
 * in all pieces, never past their end, and one that is taken means the same when
 * it is written again.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum parse_result
feed(struct preface *p, const uint8_t *data, size_t len)
{
	char *copy = malloc(len + 1);
	enum parse_result result;

	assert(copy != NULL);
	memcpy(copy + 1, data, len);
	result = preface_parse(p, copy + 1, len);
	assert(result != PARSE_BAD || p->why != NULL);
	assert(result != PARSE_OK || (p->length > 0 && p->length <= len));
	free(copy);
	return result;
}

static void
write_again(const struct preface *p)
{
	char bytes[PREFACE_WRITTEN_MAX];
	struct preface again;
	size_t len;

	assert(preface_fits(&p->client));
	for (unsigned version = 1; version <= 2; version++) {
		len = preface_write(bytes, version, &p->client, &p->server);
		assert(preface_parse(&again, bytes, len) == PARSE_OK);
		assert(again.length == len && !again.local);
		assert(addr_same_ip(&again.client, &p->client));
		assert(again.client.port == p->client.port);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct preface whole, part;
	enum parse_result result = feed(&whole, data, size), before;

	for (size_t len = 0; len < size; len++) {
		before = feed(&part, data, len);
		if (before == PARSE_MORE)
			continue;
		assert(before == result);
		if (result == PARSE_OK)
			assert(part.length == whole.length);
	}
	if (result == PARSE_OK && !whole.local)
		write_again(&whole);
	return 0;
}
