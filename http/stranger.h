/* SPDX-License-Identifier: ISC */
/* What clients send that do not speak HTTP. */
#ifndef STRANGER_H
#define STRANGER_H

#include <stddef.h>

const char *stranger_why(const char *bytes, size_t len);

#endif
