/* SPDX-License-Identifier: ISC */
/* How far a drain is: what the log and the service manager are told. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

void progress_begin(int64_t at);
void progress_look(int64_t now);
void progress_end(void);
int64_t progress_next(void);

#endif
