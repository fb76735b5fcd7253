/* SPDX-License-Identifier: ISC */
/* What a configuration says and probably does not mean. */
#ifndef DOUBTS_H
#define DOUBTS_H

struct reader;

const char *doubts_host(const char *word);
const char *doubts_target(const char *word);
void doubts_quotes(struct reader *, const char *user, const char *password);
void doubts_blocks(struct reader *, const char *arg);
void doubts_word(struct reader *, const char *name, const char *everything);
void doubts_port(struct reader *, const char *arg);
void doubts_file(struct reader *);

#endif
