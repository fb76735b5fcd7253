/* SPDX-License-Identifier: ISC */
/* adit -t -r: rules for what a DecisionLog has reported. */
#ifndef LEARN_H
#define LEARN_H

int learn_run(const char *file, char **words, int nwords);

#endif
