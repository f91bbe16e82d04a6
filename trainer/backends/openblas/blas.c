/*
 * blas.c: opens OpenBLAS with kernels that fit the CPU.
 *
 * OpenBLAS 0.3.21 does not know newer Intel cores and falls back to SSE code, three to five times slower.
 * OPENBLAS_CORETYPE is read by its constructor only, so it is set first and the library opened with dlopen; a value
 * that the user has set wins. The variable is taken away again: child processes get the environment as it was.
 */
#include "blas.h"
#include "engine.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CORETYPE "OPENBLAS_CORETYPE"
#define WORK_BYTES ((size_t)128 << 20)   /* address space that products take, for each thread and once more */
#define LIBRARY_BYTES ((size_t)32 << 20) /* the library itself */
#define FIRST 160                        /* rows of a product large enough for all threads */

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

/* OpenBLAS asks again and again, without end, for work space that the system refuses (ulimit -v). */
static bool room_for(size_t bytes) {
    void *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return false;
    munmap(room, bytes);
    return true;
}

/* A first product, so that the work space is taken while there is room. It stays. */
static bool first_product(const struct blas *blas, int threads) {
    float *numbers = calloc(3 * FIRST * FIRST, sizeof *numbers);
    if (numbers == NULL) return false;
    blas->set_threads(threads);
    blas->sgemm(101, 111, 111, FIRST, FIRST, FIRST, 1, numbers, FIRST, numbers + FIRST * FIRST, FIRST, 0,
                numbers + 2 * FIRST * FIRST, FIRST);
    free(numbers);
    return true;
}

int blas_open(const char *cpu, int threads, struct blas *ret_blas, char *error, int size) {
    const bool first = library == NULL;
    const size_t bytes = ((size_t)threads + 1) * WORK_BYTES + LIBRARY_BYTES;
    if (first && !room_for(bytes)) {
        snprintf(error, (size_t)size, "not enough memory: openblas with %d thread%s needs %zu MiB of address space",
                 threads, threads == 1 ? "" : "s", bytes >> 20);
        return ENGINE_ENOMEM;
    }
    if (first) library = open_library(cpu);
    if (library == NULL) {
        snprintf(error, (size_t)size, "openblas: libopenblas.so.0 cannot be opened (Debian: libopenblas0-openmp)");
        return ENGINE_EBACKEND;
    }
    char *(*corename)(void);
    int (*parallel)(void);
    struct blas blas = {0};
    if (!find("cblas_sgemm", &blas.sgemm) || !find("openblas_set_num_threads", &blas.set_threads) ||
        !find("openblas_get_corename", &corename) || !find("openblas_get_parallel", &parallel)) {
        snprintf(error, (size_t)size, "openblas: the library found lacks a function (%s)", dlerror());
        return ENGINE_EBACKEND;
    }
    blas.core = corename();
    blas.openmp = parallel() == 2;
    if (first && !first_product(&blas, threads)) {
        snprintf(error, (size_t)size, "openblas: out of memory");
        return ENGINE_ENOMEM;
    }
    *ret_blas = blas;
    return 0;
}
