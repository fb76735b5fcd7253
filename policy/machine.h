/* SPDX-License-Identifier: ISC */
/* The machine that runs an automaton over a subject. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stddef.h>
#include <stdint.h>

struct automaton;
struct effort;
struct machine;

struct machine *machine_new(const struct automaton *);
void machine_free(struct machine *);
uint32_t machine_find(const struct automaton *, const char *subject, size_t len,
    uint32_t line, struct effort *);

#endif
