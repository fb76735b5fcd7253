/* SPDX-License-Identifier: ISC */
/* The connection to a control socket. */
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	LINE_LOST = -1,     /* the other end has closed without a status */
	LINE_COMMAND = 8192 /* bytes of a command, with its end */
};

int line_open(const char *path);
int line_send(int fd, const char *command);
char *line_next(int fd);
void line_close(int fd);

#endif
