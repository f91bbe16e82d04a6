/*
 * openblas.c: the CPU backend's table: life cycle, memory, matrix products, and element-wise work shared out to
 * threads.
 *
 * OpenBLAS's OpenMP build and our loops run on the same pool of threads (gcc's libgomp).
 */
#include "openblas.h"

#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "engine.h"
#include "random.h"

#define ALIGN 64

static struct cpu *of(struct backend *backend) {
    return (struct cpu *)backend;
}

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

int cpu_init(struct cpu *cpu, const struct backend_options *options, char *error) {
    const struct kernels *kernels = kernels_find(options->cpu);
    if (kernels == NULL) {
        snprintf(error, ENGINE_ERROR_SIZE, "openblas: no kernels \"%.32s\" for this CPU (avx512, avx2, baseline)",
                 options->cpu);
        return ENGINE_EBACKEND;
    }
    struct blas blas;
    if (blas_open(kernels->name, &blas, error, ENGINE_ERROR_SIZE) < 0) return ENGINE_EBACKEND;
    *cpu = (struct cpu){.backend.ops = &backend_openblas,
                        .kernels = kernels,
                        .blas = blas,
                        .threads = options->threads > 0 ? options->threads : threads_allowed()};
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
    cpu_release(of(backend));
    free(backend);
}

static const char *cpu_text(const struct backend *backend) {
    return ((const struct cpu *)backend)->text;
}

static const char *cpu_numerics(const struct backend *backend) {
    return ((const struct cpu *)backend)->numerics;
}

static int cpu_status(struct backend *backend) {
    return of(backend)->status;
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
    memcpy(of(backend)->fetched[slot], source, (size_t)count * sizeof *source);
}

static bool cpu_fetched(struct backend *backend, int slot, bool wait, float *host, int count) {
    (void)wait;
    memcpy(host, of(backend)->fetched[slot], (size_t)count * sizeof *host);
    return true;
}

/* Nothing is recorded: each operation runs when it is called. */
static bool cpu_step_begin(struct backend *backend, uint64_t shape, const struct step_values *values) {
    (void)shape;
    of(backend)->step = *values;
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

/* ---- work on elements: part `i` of `threads`, cut at multiples of 64 elements ---- */

struct range {
    int64_t first, last;
};

static struct range part(int64_t count, int i, int threads) {
    int64_t blocks = (count + 63) / 64;
    struct range range = {blocks * i / threads * 64, blocks * (i + 1) / threads * 64};
    if (range.first > count) range.first = count;
    if (range.last > count) range.last = count;
    return range;
}

/* Waking the others costs more than little work. */
static int threads_for(const struct cpu *cpu, int64_t work) {
    return work < 16384 ? 1 : cpu->threads;
}

static void cpu_scale(struct backend *backend, int64_t count, const uint8_t *from, float divisor, float shift,
                      float *to) {
    struct cpu *cpu = of(backend);
    int threads = threads_for(cpu, count);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r = part(count, i, threads);
        cpu->kernels->scale(r.last - r.first, from + r.first, divisor, shift, to + r.first);
    }
}

static void cpu_gemm(struct backend *backend, const struct gemm *gemm, const float *a, const float *b, float *c) {
    struct cpu *cpu = of(backend);
    static int threads; /* OpenBLAS has one number for the process: another backend may have changed it */
    if (threads != cpu->threads) {
        threads = cpu->threads;
        cpu->blas.set_threads(threads);
    }
    cpu->blas.sgemm(101, gemm->transpose_a ? 112 : 111, gemm->transpose_b ? 112 : 111, (int)gemm->m, (int)gemm->n,
                    (int)gemm->k, 1.0f, a, (int)gemm->lda, b, (int)gemm->ldb, gemm->beta, c, (int)gemm->ldc);
}

static void cpu_bias_activation(struct backend *backend, int64_t n, int64_t width, const float *bias,
                                struct activation activation, float *y) {
    struct cpu *cpu = of(backend);
    int threads = threads_for(cpu, n * width);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        int64_t first = n * i / threads, last = n * (i + 1) / threads;
        cpu->kernels->bias_activation(last - first, width, bias, activation, y + first * width);
    }
}

static void cpu_activation_backward(struct backend *backend, int64_t n, int64_t width, struct activation activation,
                                    const float *y, float *dy, float *dbias) {
    struct cpu *cpu = of(backend);
    int threads = threads_for(cpu, n * width);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r = part(width, i, threads);
        cpu->kernels->activation_backward(n, width, r.first, r.last, activation, y, dy, dbias);
    }
}

static void cpu_dropout(struct backend *backend, int64_t count, double p, uint64_t place, const float *from,
                        float *to) {
    struct cpu *cpu = of(backend);
    uint64_t key = random_mix(cpu->step.dropout_key ^ random_mix(place));
    double below = p * 4294967296.0;
    uint32_t limit = below >= 4294967295.0 ? UINT32_MAX : (uint32_t)below;
    int threads = threads_for(cpu, count);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r = part(count, i, threads);
        cpu->kernels->dropout(r.first, r.last, limit, (float)(1.0 / (1.0 - p)), key, from, to);
    }
}

static void cpu_adam(struct backend *backend, int64_t count, const struct adam *adam, float *w, const float *g,
                     float *m, float *v) {
    struct cpu *cpu = of(backend);
    double step = (double)cpu->step.step;
    struct adam_job job = {.beta1 = (float)adam->beta1,
                           .beta1_rest = (float)(1 - adam->beta1),
                           .beta2 = (float)adam->beta2,
                           .beta2_rest = (float)(1 - adam->beta2),
                           .weight_decay = (float)adam->weight_decay,
                           .step_size = (float)(cpu->step.lr / (1 - pow(adam->beta1, step))),
                           .root_correction = (float)(1 / sqrt(1 - pow(adam->beta2, step))),
                           .epsilon = (float)adam->epsilon};
    int threads = threads_for(cpu, count);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r = part(count, i, threads);
        cpu->kernels->adam(r.last - r.first, &job, w + r.first, g + r.first, m + r.first, v + r.first);
    }
}

static void cpu_sgd(struct backend *backend, int64_t count, double momentum, double weight_decay, float *w,
                    const float *g, float *velocity) {
    struct cpu *cpu = of(backend);
    int threads = threads_for(cpu, count);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r = part(count, i, threads);
        cpu->kernels->sgd(r.last - r.first, (float)cpu->step.lr, (float)momentum, (float)weight_decay, w + r.first,
                          g + r.first, velocity + r.first);
    }
}

static bool cpu_is_finite(struct backend *backend, int64_t count, const float *x) {
    (void)backend;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(x[i])) return false;
    }
    return true;
}

/* ---- loss: few numbers, in double, in the order of the samples ---- */

/* Gives the sample's loss; p (classes) = softmax; *ret_best: the first of the largest. */
static double softmax_row(int64_t classes, const float *logits, int64_t label, double *p, int64_t *ret_best) {
    int64_t best = 0;
    for (int64_t c = 1; c < classes; c++) {
        if (logits[c] > logits[best]) best = c;
    }
    double sum = 0;
    for (int64_t c = 0; c < classes; c++) {
        p[c] = exp((double)(logits[c] - logits[best]));
        sum += p[c];
    }
    for (int64_t c = 0; c < classes; c++) {
        p[c] /= sum;
    }
    *ret_best = best;
    return label < classes ? log(sum) - (double)(logits[label] - logits[best]) : (double)NAN;
}

static void cpu_softmax_cross_entropy(struct backend *backend, int64_t n, int64_t classes, const float *logits,
                                      const uint8_t *labels, float *probabilities, float *dlogits, float *losses,
                                      float *sums) {
    struct cpu *cpu = of(backend);
    if (!cpu_scratch(cpu, (size_t)classes * sizeof(double), 0)) return;
    double *p = (double *)(void *)cpu->shared, loss = 0;
    int64_t right = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t best = 0;
        double one = softmax_row(classes, logits + i * classes, labels[i], p, &best);
        loss += one;
        if (losses != NULL) losses[i] = (float)one;
        right += best == labels[i];
        for (int64_t c = 0; c < classes; c++) {
            if (probabilities != NULL) probabilities[i * classes + c] = (float)p[c];
            if (dlogits != NULL) dlogits[i * classes + c] = (float)((p[c] - (c == labels[i])) / (double)n);
        }
    }
    sums[0] = (float)loss;
    sums[1] = (float)right;
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
    .conv_forward = cpu_conv_forward,
    .conv_backward_data = cpu_conv_backward_data,
    .conv_backward_weights = cpu_conv_backward_weights,
    .pool_forward = cpu_pool_forward,
    .pool_backward = cpu_pool_backward,
    .softmax_cross_entropy = cpu_softmax_cross_entropy,
    .adam = cpu_adam,
    .sgd = cpu_sgd,
    .is_finite = cpu_is_finite,
};
