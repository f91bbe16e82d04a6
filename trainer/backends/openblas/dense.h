/*
 * dense.h: own matrix products for the shapes of dense layers, where they were measured to be faster than OpenBLAS's.
 *
 * Each element is summed in the order of the depth, block by block: bits depend neither on threads nor on the other
 * rows and columns.
 */
#ifndef BACKENDS_DENSE_H
#define BACKENDS_DENSE_H

#include "cpu.h"

/* Whether dense_gemm takes it; small and narrow ones are OpenBLAS's. */
bool dense_suits(const struct cpu *cpu, const struct gemm *gemm);
/* As backend.h's gemm; beta 0. */
void dense_gemm(struct cpu *cpu, const struct gemm *gemm, const float *a, const float *b, float *c);
/* As backend.h's gemm_adam; takes every shape. */
void cpu_gemm_adam(struct backend *backend, const struct gemm *gemm, const float *a, const float *b,
                   const struct adam *adam, float *w, float *m, float *v);

#endif
