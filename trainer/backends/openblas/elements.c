/*
 * elements.c: element-wise work: the kernels of kernels.h, shared out to threads.
 */
#include <math.h>

#include "cpu.h"
#include "random.h"

void cpu_scale(struct backend *backend, int64_t count, const uint8_t *from, float divisor, float shift, float *to) {
    struct cpu *cpu = cpu_of(backend);
    int threads = cpu_threads_for(cpu, count);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r = cpu_part(count, i, threads);
        cpu->kernels->scale(r.last - r.first, from + r.first, divisor, shift, to + r.first);
    }
}

void cpu_bias_activation(struct backend *backend, int64_t n, int64_t width, const float *bias,
                         struct activation activation, float *y) {
    struct cpu *cpu = cpu_of(backend);
    int threads = cpu_threads_for(cpu, n * width);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        int64_t first = n * i / threads, last = n * (i + 1) / threads;
        cpu->kernels->bias_activation(last - first, width, bias, activation, y + first * width);
    }
}

void cpu_activation_backward(struct backend *backend, int64_t n, int64_t width, struct activation activation,
                             const float *y, float *dy, float *dbias) {
    struct cpu *cpu = cpu_of(backend);
    int threads = cpu_threads_for(cpu, n * width);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r = cpu_part(width, i, threads);
        cpu->kernels->activation_backward(n, width, r.first, r.last, activation, y, dy, dbias);
    }
}

void cpu_dropout(struct backend *backend, int64_t count, double p, uint64_t place, const float *from, float *to) {
    struct cpu *cpu = cpu_of(backend);
    uint64_t key = random_mix(cpu->step.dropout_key ^ random_mix(place));
    double below = p * 4294967296.0;
    uint32_t limit = below >= 4294967295.0 ? UINT32_MAX : (uint32_t)below;
    int threads = cpu_threads_for(cpu, count);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r = cpu_part(count, i, threads);
        cpu->kernels->dropout(r.first, r.last, limit, (float)(1.0 / (1.0 - p)), key, from, to);
    }
}

bool cpu_is_finite(struct backend *backend, int64_t count, const float *x) {
    (void)backend;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(x[i])) return false;
    }
    return true;
}
