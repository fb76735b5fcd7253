/* SPDX-License-Identifier: ISC */
#ifndef PROGRAM_H
#define PROGRAM_H

/* Exit statuses, as sysexits and tinyproxy have them. */
enum {
	STATUS_REFUSED = 1, /* -t explains a refusal */
	STATUS_USAGE = 64,
	STATUS_DATA = 65, /* a filter */
	STATUS_CONF = 70, /* EX_SOFTWARE, as in tinyproxy */
	STATUS_SYSTEM = 71
};

extern const char program[];
extern const char program_conf[]; /* path of the default configuration */

#endif
