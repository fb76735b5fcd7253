/* SPDX-License-Identifier: ISC */
/* LINK: parse.c base/addr.c base/local.c base/secret.c base/name.c http/refusal.c */
/*
 * An entry for libFuzzer.  For any bytes the parser keeps its contract, and its
 * answer does not depend on the pieces.
 */
#define _POSIX_C_SOURCE 200809L

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "parse_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same bytes in a block of their own, so that reads past the end show. */
static enum parse_result
feed(struct request *request, const uint8_t *data, size_t len)
{
	char *copy = malloc(len + 1);
	char *head = copy + 1; /* len 0 is a place, too */
	enum parse_result result;

	assert(copy != NULL);
	memcpy(head, data, len);
	result = parse_head(request, head, len);
	assert(check_request(request, result, len) == NULL);
	free(copy);
	return result;
}

static void
basic_try(const struct request *request, const uint8_t *data)
{
	char user[CREDENTIAL_SIZE], password[CREDENTIAL_SIZE];
	const char *value = (const char *)data + request->credentials.at;

	if (parse_basic(value, request->credentials.len, user, password) != 0)
		return;
	assert(strnlen(user, sizeof(user)) < sizeof(user));
	assert(strnlen(password, sizeof(password)) < sizeof(password));
	assert(user[0] != '\0' && strchr(user, ':') == NULL);
}

/* Userinfo and fragment leave no trace. */
static void
cut_try(const struct request *request, const uint8_t *data, size_t size)
{
	char *copy = malloc(size);

	assert(copy != NULL);
	memcpy(copy, data, size);
	assert(check_cut(request, copy, size) == NULL);
	free(copy);
}

static void
authority_try(const uint8_t *data, size_t size)
{
	struct request request = { 0 };

	if (parse_authority(&request, (const char *)data, size) != 0)
		return;
	assert(request.port != 0);
	assert(check_host(&request) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request whole = { 0 }, parts = { 0 }, prefix = { 0 };
	enum parse_result result = feed(&whole, data, size), in_parts;
	size_t cut = size == 0 ? 0 : data[size - 1] % size;

	in_parts = feed(&parts, data, cut);
	if (in_parts == PARSE_MORE)
		in_parts = feed(&parts, data, size);
	assert(in_parts == result);
	assert(result != PARSE_BAD || parts.refusal == whole.refusal);
	if (result == PARSE_OK) {
		assert(same_request(&whole, &parts));
		assert(feed(&prefix, data, whole.length - 1) == PARSE_MORE);
		assert(feed(&prefix, data, whole.length) == PARSE_OK);
		assert(same_request(&whole, &prefix));
		basic_try(&whole, data);
		cut_try(&whole, data, size);
	}
	authority_try(data, size);
	return 0;
}
