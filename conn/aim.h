/* SPDX-License-Identifier: ISC */
/* Which port a client of a TransparentPort wants to go to. */
#ifndef AIM_H
#define AIM_H

#include <stddef.h>

#include "addr.h"
#include "inlet.h"

void aim_use(const struct addr *listening, const enum inlet *, size_t n);
struct addr aim_of(int fd, enum inlet);

#endif
