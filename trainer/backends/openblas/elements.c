/*
 * elements.c: element-wise work: the kernels of kernels.h, shared out to threads.
 */
#include <string.h>

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

/* Of `count` elements in cheap ones: exp takes as long as some additions. */
static int64_t work_of(int64_t count, struct activation activation) {
    bool slow = activation.kind == ACTIVATION_SIGMOID || activation.kind == ACTIVATION_TANH;
    return slow ? 4 * count : count;
}

void cpu_bias_activation(struct backend *backend, int64_t n, int64_t width, const float *bias,
                         struct activation activation, float *y) {
    struct cpu *cpu = cpu_of(backend);
    int threads = cpu_threads_for(cpu, work_of(n * width, activation));
    bool flat = bias == NULL;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r =
            flat ? cpu_part(n * width, i, threads) : (struct range){n * i / threads, n * (i + 1) / threads};
        cpu->kernels->bias_activation(r.last - r.first, flat ? 1 : width, bias, activation,
                                      y + r.first * (flat ? 1 : width));
    }
}

/* dbias = the parts' sums (parts, width), in the order of the parts. */
static void add_columns(int parts, int64_t width, const float *sums, float *dbias) {
    for (int64_t i = 0; i < width; i++) {
        dbias[i] = sums[i];
    }
    for (int part = 1; part < parts; part++) {
        for (int64_t i = 0; i < width; i++) {
            dbias[i] += sums[part * width + i];
        }
    }
}

void cpu_activation_backward(struct backend *backend, int64_t n, int64_t width, struct activation activation,
                             const float *y, float *dy, float *dbias) {
    struct cpu *cpu = cpu_of(backend);
    int parts = cpu_threads_for(cpu, n * width);
    size_t bytes = (size_t)parts * (size_t)width * sizeof(float);
    if (dbias != NULL) {
        if (!cpu_scratch(cpu, bytes, 0)) return;
        memset(cpu->shared, 0, bytes);
    }
    float *sums = (float *)(void *)cpu->shared;
#pragma omp parallel for schedule(static) num_threads(parts)
    for (int part = 0; part < parts; part++) {
        int64_t first = n * part / parts, last = n * (part + 1) / parts, at = first * width;
        cpu->kernels->activation_backward(last - first, width, activation, y != NULL ? y + at : NULL, dy + at,
                                          dbias != NULL ? sums + part * width : NULL);
    }
    if (dbias != NULL) add_columns(parts, width, sums, dbias);
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
    struct cpu *cpu = cpu_of(backend);
    int threads = cpu_threads_for(cpu, count / 4), bad = 0;
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : bad)
    for (int i = 0; i < threads; i++) {
        struct range r = cpu_part(count, i, threads);
        bad += !cpu->kernels->is_finite(r.last - r.first, x + r.first);
    }
    return bad == 0;
}
