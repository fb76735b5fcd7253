/* SPDX-License-Identifier: ISC */
/* Host names as text: canonical form and comparison. */
#ifndef NAME_H
#define NAME_H

#include <stdbool.h>

bool name_fold(char *name);
bool name_matches(const char *rule, const char *name);
bool name_ends_in_number(const char *host);

#endif
