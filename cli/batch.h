/* SPDX-License-Identifier: ISC */
/* adit -t -f: the verdicts on a list of requests. */
#ifndef BATCH_H
#define BATCH_H

int batch_run(const char *file);

#endif
