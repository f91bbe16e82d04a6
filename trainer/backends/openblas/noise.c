/*
 * noise.c: random numbers, each a function of the step's key and its index alone.
 */
#include <math.h>

#include "cpu.h"
#include "random.h"

static void uniform(uint64_t key, struct range range, float scale, float shift, float *to) {
    for (int64_t i = range.first; i < range.last; i++) {
        to[i] = (random_uniform(key, (uint64_t)i) + shift) * scale;
    }
}

/* range.first is even: the two of a pair share their radius. */
static void normal(uint64_t key, struct range range, float *to) {
    const double turn = 6.283185307179586;
    for (int64_t i = range.first; i < range.last; i += 2) {
        double u = 1 - (double)random_uniform(key, (uint64_t)i),
               angle = turn * (double)random_uniform(key, (uint64_t)i + 1);
        double radius = sqrt(-2 * log(u));
        to[i] = (float)(radius * cos(angle));
        if (i + 1 < range.last) to[i + 1] = (float)(radius * sin(angle));
    }
}

void cpu_noise(struct backend *backend, enum noise_kind kind, int64_t count, float scale, float shift, float *to) {
    struct cpu *cpu = cpu_of(backend);
    uint64_t key = cpu->step.noise_key;
    int threads = cpu_threads_for(cpu, kind == NOISE_NORMAL ? 8 * count : count);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range range = cpu_part(count, i, threads);
        if (kind == NOISE_UNIFORM) {
            uniform(key, range, scale, shift, to);
        } else {
            normal(key, range, to);
        }
    }
}
