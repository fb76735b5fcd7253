/* SPDX-License-Identifier: ISC */
/* The name of the program, its default configuration, and its exit statuses. */
#ifndef PROGRAM_H
#define PROGRAM_H

/* Exit statuses, as in sysexits.h and tinyproxy. */
enum {
	STATUS_REFUSED = 1, /* -t explained that a request is refused */
	STATUS_USAGE = 64,
	STATUS_DATA = 65, /* EX_DATAERR: a bad filter */
	STATUS_CONF = 70, /* EX_SOFTWARE, as tinyproxy has it */
	STATUS_SYSTEM = 71
};

extern const char program[];
extern const char program_conf[]; /* path of the default configuration */

#endif
