/* SPDX-License-Identifier: ISC */
/* Going through a file line by line, and saying what is wrong and where. */
#ifndef READER_H
#define READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "compiler.h"
#include "include.h"
#include "log.h"
#include "place.h"

struct conf;

/* A file that is read into a configuration, and how far the reader is. */
struct reader {
	struct conf *conf;
	const char *file;
	unsigned long line;  /* at hand, as places has it; 0: the whole file */
	const char *keyword; /* the directive at hand, or NULL */
	int status;          /* to exit with; 0 while nothing is wrong */
	bool lacks_users;    /* a line about users was wrong */
	/* Or NULL: nobody wants to hear it. */
	void (*tell)(enum log_level, const char *text);
	struct includes includes;
	struct places places; /* of the lines that were read */
	char *text;           /* owned: of the line at hand */
	size_t size;
};

void reader_say(struct reader *, enum log_level, const char *, ...)
    PRINTF_LIKE(3, 4);
const char *reader_line(const struct reader *, unsigned long number);
int reader_begin(struct reader *, FILE *);
void reader_end(struct reader *);
char *reader_next(struct reader *);
const char *reader_include(struct reader *, const char *arg);
char *reader_look(struct reader *, char **arg);
char *reader_split(char *line, char **arg);
int reader_users(struct reader *, const char *path);
int reader_pins(struct reader *, const char *path, uint32_t file);

#endif
