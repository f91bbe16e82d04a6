/*
 * openblas.h: the CPU backend: matrix products by OpenBLAS, everything else by own kernels (kernels.h).
 *
 * Works on every x86-64 (and, slower, elsewhere): kernels for AVX-512, AVX2 and baseline are in one binary.
 */
#ifndef BACKENDS_OPENBLAS_H
#define BACKENDS_OPENBLAS_H

#include "backend.h"

extern const struct backend_ops backend_openblas;

#endif
