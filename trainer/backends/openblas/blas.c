/*
 * blas.c: opens OpenBLAS with kernels that fit the CPU.
 *
 * OpenBLAS 0.3.21 does not know newer Intel cores and falls back to SSE code, three to five times slower.
 * OPENBLAS_CORETYPE is read by its constructor only, so it is set first and the library opened with dlopen; a value
 * that the user has set wins. The variable is taken away again: child processes get the environment as it was.
 */
#include "blas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORETYPE "OPENBLAS_CORETYPE"

static void *library; /* one per process, never closed: its threads may be in use */

static const char *core_for(const char *cpu) {
    if (strcmp(cpu, "avx512") == 0) return "SKYLAKEX";
    if (strcmp(cpu, "avx2") == 0) return "HASWELL";
    return NULL; /* older CPUs are all known to it */
}

static void *open_library(const char *cpu) {
    static const char *const paths[] = {
#ifdef OPENBLAS_OPENMP_PATH
        OPENBLAS_OPENMP_PATH,
#endif
        "libopenblas.so.0"};
    const char *core = core_for(cpu);
    bool ours = core != NULL && getenv(CORETYPE) == NULL;
    if (ours) setenv(CORETYPE, core, 1);
    void *opened = NULL;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && opened == NULL; i++) {
        opened = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (ours) unsetenv(CORETYPE);
    return opened;
}

/* POSIX promises that a function's address fits a data pointer; ISO C does not, hence the copy. */
static bool find(const char *name, void *ret_function) {
    void *symbol = dlsym(library, name);
    memcpy(ret_function, &symbol, sizeof symbol);
    return symbol != NULL;
}

int blas_open(const char *cpu, struct blas *ret_blas, char *error, int size) {
    if (library == NULL) library = open_library(cpu);
    if (library == NULL) {
        snprintf(error, (size_t)size, "openblas: libopenblas.so.0 cannot be opened (Debian: libopenblas0-openmp)");
        return -1;
    }
    char *(*corename)(void);
    int (*parallel)(void);
    struct blas blas = {0};
    if (!find("cblas_sgemm", &blas.sgemm) || !find("openblas_set_num_threads", &blas.set_threads) ||
        !find("openblas_get_corename", &corename) || !find("openblas_get_parallel", &parallel)) {
        snprintf(error, (size_t)size, "openblas: the library found lacks a function (%s)", dlerror());
        return -1;
    }
    blas.core = corename();
    blas.openmp = parallel() == 2;
    *ret_blas = blas;
    return 0;
}
