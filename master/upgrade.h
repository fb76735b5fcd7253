/* SPDX-License-Identifier: ISC */
/* Puts another program, such as a newer version, in the master's place. */
#ifndef UPGRADE_H
#define UPGRADE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handover;

/* How far the trial run of the new program is. */
enum upgrade { UPGRADE_NONE, UPGRADE_RUNS, UPGRADE_FAILED, UPGRADE_RIGHT };

/* What the first start found, which the new program finds again. */
struct upgrade_place {
	const char *pidfile; /* or NULL */
	int pid_fd;
	int share; /* descriptor of the shared memory, or -1 */
};

void upgrade_remember(char **argv);
void upgrade_place(const struct upgrade_place *);
bool upgrade_resumes(struct handover *, int *status);
void upgrade_signals(uint64_t mask);
void upgrade_try(const char *conf, int64_t now);
bool upgrade_reap(pid_t, int status);
enum upgrade upgrade_state(int64_t now);
int64_t upgrade_next(void);
void upgrade_end(void);
const char *upgrade_why(void);
void upgrade_run(const char *conf, int64_t now);

#endif
