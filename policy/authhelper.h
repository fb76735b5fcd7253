/* SPDX-License-Identifier: ISC */
/* AuthHelper: the command, and what is said to it and by it. */
#ifndef AUTHHELPER_H
#define AUTHHELPER_H

#include <stdbool.h>
#include <stddef.h>

#include "bounds.h"

enum {
	/* Bytes of a line to a helper: each byte as %XX, a blank, the end. */
	AUTHHELPER_LINE_SIZE = 6 * CREDENTIAL_SIZE + 3
};

/* A command; it owns what it points to. */
struct authhelper {
	char *text;   /* as it is written, or NULL: there is none */
	char **words; /* the last is NULL */
	size_t n;
	char *store; /* what the words are in */
};

/* What a helper says of a user and a password. */
enum authhelper_answer {
	AUTHHELPER_RIGHT,
	AUTHHELPER_WRONG,
	AUTHHELPER_BROKEN,   /* it cannot tell */
	AUTHHELPER_MALFORMED /* it does not speak the protocol */
};

const char *authhelper_read(struct authhelper *, const char *text);
bool authhelper_takes(const char *user);
size_t authhelper_line(
    char line[AUTHHELPER_LINE_SIZE], const char *user, const char *password);
enum authhelper_answer authhelper_answer(const char *line, size_t len);
void authhelper_free(struct authhelper *);

#endif
