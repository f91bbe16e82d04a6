/*
 * blas.h: finds OpenBLAS at run time, so that its kernels can be chosen before its constructor runs.
 */
#ifndef BACKENDS_BLAS_H
#define BACKENDS_BLAS_H

#include <stdbool.h>

struct blas {
    /* cblas_sgemm, row-major (101), 111 plain, 112 transposed */
    void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a,
                  int lda, const float *b, int ldb, float beta, float *c, int ldc);
    void (*set_threads)(int threads);
    const char *core; /* "SkylakeX": the kernels it took */
    bool openmp;      /* shares its thread pool with our loops */
};

/* Opens the library once per process. `cpu` is the name of our kernel set ("avx512", …): OpenBLAS is asked for its
 * equal unless the user's environment names one. `threads` is how many will compute; the work space of their products
 * is taken at once, as OpenBLAS cannot bear to be refused it later. ENGINE_OK, or another code of engine.h and one line
 * in `error` (`size` bytes). Not thread-safe. */
__attribute__((warn_unused_result)) int blas_open(const char *cpu, int threads, struct blas *ret_blas, char *error,
                                                  int size);

#endif
