/* SPDX-License-Identifier: ISC */
/*
 * Writes what ends a handshake.  Before the server's hello an alert is not
 * encrypted, RFC 8446 6, so this proxy can send one itself.
 */
#define _POSIX_C_SOURCE 200809L

#include <stddef.h>
#include <string.h>

#include "alert.h"

/* Writes a fatal alert in a record of its own.  Returns its length. */
size_t
alert_write(char record[ALERT_SIZE], enum alert alert)
{
	const char bytes[ALERT_SIZE] = { 21, 3, 1, 0, 2, 2, (char)alert };

	memcpy(record, bytes, sizeof(bytes));
	return sizeof(bytes);
}
