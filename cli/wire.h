/* SPDX-License-Identifier: ISC */
/* The connection to a control socket. */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	WIRE_LOST = -1,     /* the other end has closed without a status */
	WIRE_COMMAND = 8192 /* bytes of a command, with its end */
};

int wire_open(const char *path);
int wire_send(int fd, const char *command);
char *wire_next(void);
void wire_close(int fd);

#endif
