/* SPDX-License-Identifier: ISC */
/* LINK: all */
/*
 * An entry for libFuzzer.  Any bytes come from a client of a TransparentPort with
 * tls: whole or byte by byte, the name in them is the same or there is none, and
 * it can stand in a request.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "must.h"
#include "world.h"

const char program[] = "vet_fuzz", program_conf[] = "";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether a name can stand in the line of a request, and a port after it. */
static void
name_check(const struct hello *h)
{
	must(h->name_len > 0 && h->name_len < HOST_SIZE, "a name's length");
	for (size_t i = 0; i < h->name_len; i++) {
		char c = h->name[i];

		must((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '-' || c == '.' ||
			c == '_',
		    "a name's letters");
	}
}

/* Feeds the bytes in pieces; name gets the name, or nothing. */
static enum vet_state
feed(const char *bytes, size_t size, size_t piece, char name[HOST_SIZE])
{
	enum vet_state state = VET_GOES_ON;
	struct setup s = { .head = NULL };
	struct vet_refusal r;
	struct hello h;
	size_t n;

	name[0] = '\0';
	for (size_t at = 0; at < size && state == VET_GOES_ON; at += n) {
		n = size - at < piece ? size - at : piece;
		state = vet_name(&s, bytes, at, at + n, &h, &r);
	}
	if (state == VET_REFUSED)
		must(r.why[0] != '\0' && r.alert_len <= sizeof(r.alert),
		    "a reason");
	if (state == VET_GREETED) {
		name_check(&h);
		memcpy(name, h.name, h.name_len);
		name[h.name_len] = '\0';
	}
	return state;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char whole[HOST_SIZE], single[HOST_SIZE];
	const char *bytes = (const char *)data;

	must(feed(bytes, size, size, whole) == feed(bytes, size, 1, single),
	    "the same in pieces");
	must(strcmp(whole, single) == 0, "and the same name");
	return 0;
}
