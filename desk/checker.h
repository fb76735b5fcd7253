/* SPDX-License-Identifier: ISC */
/* The program of AuthHelper, one for each helper that checks passwords. */
#ifndef CHECKER_H
#define CHECKER_H

#include <stdbool.h>

struct authhelper;

void checker_use(const struct authhelper *, int master);
bool checker_used(void);
bool checker_ask(const char *user, const char *password, bool *failed);
void checker_wait(int desk);

#endif
