/* SPDX-License-Identifier: ISC */
/* printf(3) for lines that are written for each connection. */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdarg.h>
#include <stddef.h>

size_t format_text(char *to, size_t size, const char *format, va_list ap);

#endif
