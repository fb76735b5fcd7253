/* SPDX-License-Identifier: ISC */
/*
 * The language of the control socket: one line of words, which ends in a line
 * feed.  It is read here and nowhere else; the master gets numbers.
 */
#define _POSIX_C_SOURCE 200809L

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "addr.h"
#include "local.h"
#include "session.h"
#include "talk.h"

enum {
	WORDS_MAX = 8 /* of one command */
};

static const char *const commands[] = { [COMMAND_STATUS] = "status",
	[COMMAND_READY] = "ready",
	[COMMAND_SESSIONS] = "sessions",
	[COMMAND_KILL] = "kill",
	[COMMAND_RELOAD] = "reload",
	[COMMAND_REOPEN] = "reopen",
	[COMMAND_DRAIN] = "drain",
	[COMMAND_STOP] = "stop",
	[COMMAND_UPGRADE] = "upgrade",
	[COMMAND_LOG] = "log" };

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

/* Cuts a line into words.  Returns how many; WORDS_MAX + 1: too many. */
static size_t
words_split(char *line, char *words[WORDS_MAX])
{
	size_t n = 0;

	for (char *at = line; *at != '\0';) {
		at += strspn(at, " \t");
		if (*at == '\0')
			break;
		if (n == WORDS_MAX)
			return WORDS_MAX + 1;
		words[n++] = at;
		at += strcspn(at, " \t");
		if (*at != '\0')
			*at++ = '\0';
	}
	return n;
}

/* Reads "3.1207". */
static bool
id_parse(struct talk *t, const char *text)
{
	char *end;
	unsigned long slot;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	slot = strtoul(text, &end, 10);
	if (*end != '.' || !isdigit((unsigned char)end[1]) || slot > UINT32_MAX)
		return false;
	t->slot = (uint32_t)slot;
	t->serial = strtoull(end + 1, &end, 10);
	t->filter = FILTER_ID;
	return *end == '\0' && errno == 0;
}

/* Reads which sessions are meant: an id, or a kind and a value. */
static const char *
filter_parse(struct talk *t, char *const *words, size_t n)
{
	if (n == 1 && id_parse(t, words[0]))
		return NULL;
	if (n != 2)
		return "write an id as sessions shows it, or client ADDRESS, "
		       "user NAME or target HOST[:PORT]";
	if (strcasecmp(words[0], "client") == 0) {
		t->filter = FILTER_CLIENT;
		t->socket = local_find(words[1]);
		return t->socket != 0 ||
			addr_parse_block(&t->client, words[1]) == 0
		    ? NULL
		    : "the client is not an address or a block, or the path "
		      "of a Unix socket to listen on";
	}
	if (strcasecmp(words[0], "user") == 0)
		t->filter = FILTER_USER;
	else if (strcasecmp(words[0], "target") == 0)
		t->filter = FILTER_TARGET;
	else
		return "write client, user or target before the value";
	if (strlen(words[1]) >= sizeof(t->text))
		return "the value is too long";
	/* As workers write them. */
	log_escape(t->text, sizeof(t->text), words[1], strlen(words[1]));
	return NULL;
}

static const char *
level_parse(struct talk *t, char *const *words, size_t n)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = { { "critical", LOG_LEVEL_CRITICAL },
		{ "error", LOG_LEVEL_ERROR }, { "warning", LOG_LEVEL_WARNING },
		{ "notice", LOG_LEVEL_NOTICE },
		{ "connect", LOG_LEVEL_CONNECT }, { "info", LOG_LEVEL_INFO } };

	for (size_t i = 0; n == 1 && i < sizeof(levels) / sizeof(*levels); i++)
		if (strcasecmp(words[0], levels[i].name) == 0) {
			t->level = levels[i].level;
			return NULL;
		}
	return "the level is critical, error, warning, notice, connect or info";
}

/* Reads what follows the name of a command. */
static const char *
operands_parse(struct talk *t, char *const *words, size_t n)
{
	switch (t->command) {
	case COMMAND_SESSIONS:
		return n == 0 ? NULL : filter_parse(t, words, n);
	case COMMAND_KILL:
		return filter_parse(t, words, n);
	case COMMAND_LOG:
		return level_parse(t, words, n);
	case COMMAND_STATUS:
	case COMMAND_READY:
	case COMMAND_RELOAD:
	case COMMAND_REOPEN:
	case COMMAND_DRAIN:
	case COMMAND_STOP:
	case COMMAND_UPGRADE:
		break;
	}
	return n == 0 ? NULL : "nothing may follow this command";
}

/*
 * Reads a command from a line without its end, which is changed.  Returns NULL,
 * or what is wrong with it.
 */
const char *
talk_parse(struct talk *t, char *line)
{
	char *words[WORDS_MAX], **at = words;
	size_t n = words_split(line, words);

	*t = (struct talk){ .filter = FILTER_ALL };
	if (n > WORDS_MAX)
		return "too many words";
	if (n > 0 && strcmp(at[0], "-j") == 0) {
		t->json = true;
		at++;
		n--;
	}
	if (n == 0)
		return "a command is missing";
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcasecmp(at[0], commands[i]) == 0) {
			t->command = (enum command)i;
			return operands_parse(t, at + 1, n - 1);
		}
	return "unknown command; adit(8) lists all of them";
}

/*
 * Whether a target is a host with any port, or the host and port.  An IPv6
 * address may be written without brackets.
 */
static bool
target_matches(const char *target, const char *wanted)
{
	size_t len = strlen(wanted);
	const char *scheme = strstr(target, "://");

	if (scheme != NULL)
		target = scheme + 3;
	if (target[0] == '[' && wanted[0] != '[')
		target++;
	if (strncasecmp(target, wanted, len) != 0)
		return false;
	return strchr("]:/", target[len]) != NULL;
}

/* Whether a session is among those that a command means. */
bool
talk_matches(const struct talk *t, const struct session *s, uint32_t slot)
{
	switch (t->filter) {
	case FILTER_ID:
		return slot == t->slot && s->serial == t->serial;
	case FILTER_CLIENT:
		return t->socket != 0
		    ? s->client.local == t->socket
		    : addr_in_blocks(&s->client, &t->client, 1);
	case FILTER_USER:
		return strcmp(s->user, t->text) == 0;
	case FILTER_TARGET:
		return target_matches(s->target, t->text);
	case FILTER_ALL:
		break;
	}
	return true;
}
