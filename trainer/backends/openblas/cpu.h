/*
 * cpu.h: the CPU backend's own struct, and the parts of its table that stand in files of their own.
 *
 * Scratch memory grows to what the largest operation needed and stays. Work is divided by image, row or element in a
 * way that depends on sizes and the number of threads only, so that equal runs give equal bits.
 */
#ifndef BACKENDS_CPU_H
#define BACKENDS_CPU_H

#ifdef _OPENMP
#include <omp.h>
#endif

#include "backend.h"
#include "blas.h"
#include "kernels.h"

struct cpu {
    struct backend backend;
    const struct kernels *kernels;
    struct blas blas;
    int threads;
    int status;
    struct step_values step;
    float fetched[BACKEND_FETCH_SLOTS][BACKEND_FETCH_FLOATS];
    char *shared; /* scratch of all threads together */
    size_t shared_bytes;
    char *own; /* scratch of each thread, own_bytes apart */
    size_t own_bytes;
    char text[BACKEND_TEXT_SIZE];
    char numerics[BACKEND_TEXT_SIZE];
};

static inline int64_t round_up(int64_t count, int64_t unit) {
    return (count + unit - 1) / unit * unit;
}

/* Which of the team's threads asks; 0 where the compiler has no OpenMP. */
static inline int this_thread(void) {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

/* The caller's `cpu` with kernels, OpenBLAS and threads as the options say (not their precision: who opens it checks
 * that). Its table is backend_openblas; a backend that is built upon this one has a struct cpu as its first member, a
 * table of its own made of those entries (each takes a struct cpu), and sets backend.ops, text and numerics itself.
 * 0, or negative engine_error and one line in `error` (ENGINE_ERROR_SIZE); then there is nothing to release. */
__attribute__((warn_unused_result)) int cpu_init(struct cpu *cpu, const struct backend_options *options, char *error);
/* Frees the scratch memory, not `cpu`. */
void cpu_release(struct cpu *cpu);

/* Makes room for `shared` bytes and `own` bytes a thread. False: no memory, and status says so. */
bool cpu_scratch(struct cpu *cpu, size_t shared, size_t own);

void cpu_conv_forward(struct backend *backend, const struct conv *conv, const float *x, const float *w,
                      const float *bias, float *y, uint8_t *winner);
void cpu_conv_backward_data(struct backend *backend, const struct conv *conv, const float *y, const uint8_t *winner,
                            const float *dy, const float *w, float *dx);
void cpu_conv_backward_weights(struct backend *backend, const struct conv *conv, const float *x, const float *y,
                               const uint8_t *winner, const float *dy, float *dw, float *dbias);
void cpu_pool_forward(struct backend *backend, const struct pool *pool, const float *x, float *y, uint8_t *winner);
void cpu_pool_backward(struct backend *backend, const struct pool *pool, const uint8_t *winner, const float *dy,
                       float *dx);

#endif
