/*
 * noise.c: random numbers, each a function of the step's key and its index alone.
 */
#include "cpu.h"

void cpu_noise(struct backend *backend, enum noise_kind kind, int64_t count, float scale, float shift, float *to) {
    struct cpu *cpu = cpu_of(backend);
    uint64_t key = cpu->step.noise_key;
    int threads = cpu_threads_for(cpu, 4 * count);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r = cpu_part(count, i, threads);
        if (kind == NOISE_UNIFORM) {
            cpu->kernels->noise_uniform(r.first, r.last, key, scale, shift, to);
        } else {
            cpu->kernels->noise_normal(r.first, r.last, key, to);
        }
    }
}
