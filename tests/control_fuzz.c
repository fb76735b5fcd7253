/* SPDX-License-Identifier: ISC */
/* LINK: control/answer.c control/talk.c base/addr.c base/local.c base/format.c base/log.c base/record.c base/clock.c base/name.c base/safefile.c base/array.c base/socket.c base/secret.c base/sys.c */
/*
 * An entry for libFuzzer.  Any text is read as the head of a request and as a
 * command, never past its end, and what is taken is within its bounds.
 */
#define _POSIX_C_SOURCE 200809L

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../proxy.h"
#include "answer.h"
#include "talk.h"

/* Of the log's messages. */
const char program[] = "adit";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_request(const char *head)
{
	struct page_request r;

	answer_parse(&r, head);
	assert(r.error == 0 ? r.page < PAGES : r.error >= 400);
	assert(strchr("bar", r.sort) != NULL && r.sort != '\0');
	assert(r.refresh >= 0 && r.refresh <= 3600);
}

static void
try_command(char *line)
{
	struct session s = { .target = "host.example:443", .user = "alice" };
	struct talk t;
	const char *wrong = talk_parse(&t, line);

	assert(memchr(t.text, '\0', sizeof(t.text)) != NULL);
	if (wrong == NULL)
		talk_matches(&t, &s, 1);
	else
		assert(wrong[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	try_request(text);
	try_command(text);
	free(text);
	return 0;
}
