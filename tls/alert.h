/* SPDX-License-Identifier: ISC */
/* Fatal alerts to a TLS client before its handshake is encrypted. */
#ifndef ALERT_H
#define ALERT_H

#include <stddef.h>

enum { ALERT_SIZE = 7 /* bytes of an alert, in its record */ };

/* RFC 8446 6 and RFC 6066 3. */
enum alert {
	ALERT_UNEXPECTED = 10,
	ALERT_DENIED = 49,
	ALERT_DECODE = 50,
	ALERT_INTERNAL = 80,
	ALERT_NAME = 112
};

size_t alert_write(char record[ALERT_SIZE], enum alert);

#endif
