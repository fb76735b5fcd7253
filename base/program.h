/* SPDX-License-Identifier: ISC */
/* The name of the program, its configuration, and its exit statuses. */
#ifndef PROGRAM_H
#define PROGRAM_H

/* Exit statuses, as in sysexits.h and tinyproxy. */
enum {
	STATUS_REFUSED = 1, /* -t explained that a request is refused */
	STATUS_USAGE = 64,
	STATUS_DATA = 65,   /* EX_DATAERR: a bad filter, or list of requests */
	STATUS_INPUT = 66,  /* EX_NOINPUT: no such list */
	STATUS_NOUSER = 67, /* User or Group */
	STATUS_CONF = 70,   /* EX_SOFTWARE, as in tinyproxy */
	STATUS_SYSTEM = 71,
	STATUS_NOPERM = 77 /* rights could not be given up */
};

extern const char program[];
extern const char program_conf[]; /* path of the default configuration */

#endif
