/*
 * openblas.c: the CPU backend's table: life cycle, memory, matrix products.
 *
 * OpenBLAS's OpenMP build and our loops run on the same pool of threads (gcc's libgomp).
 */
#include "openblas.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "dense.h"
#include "engine.h"

#define ALIGN 64

/* ---- life ---- */

/* CPUs that the container's quota comes to, rounded up; a large number without one (cgroup v2, its own root). */
static int threads_of_quota(void) {
    long quota, period;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file == NULL) return INT_MAX;
    int found = fscanf(file, "%ld %ld", &quota, &period); /* "max 100000" gives none */
    fclose(file);
    if (found != 2 || quota <= 0 || period <= 0) return INT_MAX;
    return (int)((quota + period - 1) / period);
}

static int threads_allowed(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int quota = threads_of_quota(), allowed = CPU_COUNT(&set);
    return quota < allowed ? quota : allowed;
}

/* OpenBLAS waits without end for threads that OpenMP does not grant (OMP_THREAD_LIMIT, OMP_DYNAMIC). */
static int threads_granted(int wanted) {
#ifdef _OPENMP
    omp_set_dynamic(0);
    int limit = omp_get_thread_limit();
    return wanted < limit ? wanted : limit;
#else
    return wanted;
#endif
}

int cpu_init(struct cpu *cpu, const struct backend_options *options, char *error) {
    const struct kernels *kernels = kernels_find(options->cpu);
    if (kernels == NULL) {
        snprintf(error, ENGINE_ERROR_SIZE, "openblas: no kernels \"%.32s\" for this CPU (avx512, avx2, baseline)",
                 options->cpu);
        return ENGINE_EBACKEND;
    }
    struct blas blas;
    const int threads = threads_granted(options->threads > 0 ? options->threads : threads_allowed());
    const int code = blas_open(kernels->name, threads, &blas, error, ENGINE_ERROR_SIZE);
    if (code < 0) return code;
    *cpu = (struct cpu){.backend.ops = &backend_openblas,
                        .kernels = kernels,
                        .blas = blas,
                        .threads = threads};
    snprintf(cpu->text, sizeof cpu->text, "openblas (%s, %s kernels, %d thread%s%s)", blas.core, kernels->name,
             cpu->threads, cpu->threads == 1 ? "" : "s", blas.openmp ? "" : ", OpenBLAS without OpenMP: slower");
    snprintf(cpu->numerics, sizeof cpu->numerics, "openblas/%s/%s/%d", blas.core, kernels->name, cpu->threads);
    return ENGINE_OK;
}

void cpu_release(struct cpu *cpu) {
    free(cpu->shared);
    free(cpu->own);
    *cpu = (struct cpu){0};
}

static int cpu_open(const struct backend_options *options, struct backend **ret_backend, char *error) {
    if (options->precision != PRECISION_FLOAT32) {
        snprintf(error, ENGINE_ERROR_SIZE, "openblas computes in float32 only; tf32 and bf16 need cuda");
        return ENGINE_EBACKEND;
    }
    struct cpu *cpu = malloc(sizeof *cpu);
    if (cpu == NULL) {
        snprintf(error, ENGINE_ERROR_SIZE, "openblas: out of memory");
        return ENGINE_ENOMEM;
    }
    int code = cpu_init(cpu, options, error);
    if (code < 0) {
        free(cpu);
        return code;
    }
    *ret_backend = &cpu->backend;
    return ENGINE_OK;
}

static void cpu_close(struct backend *backend) {
    if (backend == NULL) return;
    cpu_release(cpu_of(backend));
    free(backend);
}

static const char *cpu_text(const struct backend *backend) {
    return ((const struct cpu *)backend)->text;
}

static const char *cpu_numerics(const struct backend *backend) {
    return ((const struct cpu *)backend)->numerics;
}

static int cpu_status(struct backend *backend) {
    return cpu_of(backend)->status;
}

/* ---- memory ---- */

static void *cpu_alloc(struct backend *backend, size_t bytes) {
    (void)backend;
    size_t size = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    void *memory = size >= bytes ? aligned_alloc(ALIGN, size > 0 ? size : ALIGN) : NULL;
    if (memory != NULL) memset(memory, 0, size);
    return memory;
}

static void cpu_free(struct backend *backend, void *memory) {
    (void)backend;
    free(memory);
}

static void cpu_upload(struct backend *backend, void *target, const void *host, size_t bytes) {
    (void)backend;
    memcpy(target, host, bytes);
}

static void cpu_download(struct backend *backend, void *host, const void *source, size_t bytes) {
    (void)backend;
    memcpy(host, source, bytes);
}

static void cpu_zero(struct backend *backend, void *target, size_t bytes) {
    (void)backend;
    memset(target, 0, bytes);
}

static void cpu_copy(struct backend *backend, void *target, const void *source, size_t bytes) {
    (void)backend;
    memcpy(target, source, bytes);
}

static void cpu_fetch(struct backend *backend, int slot, const float *source, int count) {
    memcpy(cpu_of(backend)->fetched[slot], source, (size_t)count * sizeof *source);
}

static bool cpu_fetched(struct backend *backend, int slot, bool wait, float *host, int count) {
    (void)wait;
    memcpy(host, cpu_of(backend)->fetched[slot], (size_t)count * sizeof *host);
    return true;
}

/* Nothing is recorded: each operation runs when it is called. */
static bool cpu_step_begin(struct backend *backend, uint64_t shape, const struct step_values *values) {
    (void)shape;
    cpu_of(backend)->step = *values;
    return false;
}

static void cpu_step_end(struct backend *backend) {
    (void)backend;
}

static bool grow(struct cpu *cpu, char **memory, size_t bytes) {
    char *grown = cpu_alloc(&cpu->backend, bytes);
    if (grown == NULL) {
        if (cpu->status == 0) cpu->status = ENGINE_ENOMEM;
        return false;
    }
    free(*memory);
    *memory = grown;
    return true;
}

bool cpu_scratch(struct cpu *cpu, size_t shared, size_t own) {
    if (shared > cpu->shared_bytes) {
        if (!grow(cpu, &cpu->shared, shared)) return false;
        cpu->shared_bytes = shared;
    }
    if (own > cpu->own_bytes) {
        size_t each = (own + 4095) / 4096 * 4096 + ALIGN; /* not a power of two apart: they would share cache sets */
        if (!grow(cpu, &cpu->own, each * (size_t)cpu->threads)) return false;
        cpu->own_bytes = each;
    }
    return true;
}

static void cpu_gemm(struct backend *backend, const struct gemm *gemm, const float *a, const float *b, float *c) {
    struct cpu *cpu = cpu_of(backend);
    if (dense_suits(cpu, gemm)) {
        dense_gemm(cpu, gemm, a, b, c);
        return;
    }
    static int threads; /* OpenBLAS has one number for the process: another backend may have changed it */
    if (threads != cpu->threads) {
        threads = cpu->threads;
        cpu->blas.set_threads(threads);
    }
    cpu->blas.sgemm(101, gemm->transpose_a ? 112 : 111, gemm->transpose_b ? 112 : 111, (int)gemm->m, (int)gemm->n,
                    (int)gemm->k, 1.0f, a, (int)gemm->lda, b, (int)gemm->ldb, gemm->beta, c, (int)gemm->ldc);
}

const struct backend_ops backend_openblas = {
    .name = "openblas",
    .open = cpu_open,
    .close = cpu_close,
    .text = cpu_text,
    .numerics = cpu_numerics,
    .status = cpu_status,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .upload = cpu_upload,
    .download = cpu_download,
    .zero = cpu_zero,
    .copy = cpu_copy,
    .fetch = cpu_fetch,
    .fetched = cpu_fetched,
    .step_begin = cpu_step_begin,
    .step_end = cpu_step_end,
    .scale = cpu_scale,
    .gemm = cpu_gemm,
    .bias_activation = cpu_bias_activation,
    .activation_backward = cpu_activation_backward,
    .dropout = cpu_dropout,
    .noise = cpu_noise,
    .conv_forward = cpu_conv_forward,
    .conv_backward_data = cpu_conv_backward_data,
    .conv_backward_weights = cpu_conv_backward_weights,
    .pool_forward = cpu_pool_forward,
    .pool_backward = cpu_pool_backward,
    .batch_norm_forward = cpu_batch_norm_forward,
    .batch_norm_evaluate = cpu_batch_norm_evaluate,
    .batch_norm_backward = cpu_batch_norm_backward,
    .softmax_cross_entropy = cpu_softmax_cross_entropy,
    .squared_error = cpu_squared_error,
    .logit_loss = cpu_logit_loss,
    .sample_latent = cpu_sample_latent,
    .sample_latent_backward = cpu_sample_latent_backward,
    .adam = cpu_adam,
    .gemm_adam = cpu_gemm_adam,
    .sgd = cpu_sgd,
    .is_finite = cpu_is_finite,
};
