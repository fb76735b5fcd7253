/* SPDX-License-Identifier: ISC */
/* The judge: a short-lived process that ends tunnels after a reload. */
#ifndef JUDGE_H
#define JUDGE_H

struct gen;

_Noreturn void judge_run(
    const struct gen *own, const struct gen *all, int master);

#endif
