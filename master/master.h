/* SPDX-License-Identifier: ISC */
/* The master's loop: what it does from the start of its children to the end. */
#ifndef MASTER_H
#define MASTER_H

#include <stdbool.h>

struct gen;
struct logs;

enum master_start { MASTER_READY, MASTER_FAILED, MASTER_STOPPED };

void master_expect_reload(void);
int master_init(const char *file, bool foreground);
void master_log_to_stderr(void);
const char *master_logs_open(struct logs *, const struct gen *);
enum master_start master_start(struct gen *, int *status);
void master_resume(struct gen *live);
void master_run(void);

#endif
