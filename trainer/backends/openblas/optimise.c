/*
 * optimise.c: the optimisers' constants, rounded once from double; their kernels shared out to threads.
 */
#include <math.h>

#include "cpu.h"

struct adam_job cpu_adam_job(const struct cpu *cpu, const struct adam *adam) {
    double step = (double)cpu->step.step;
    return (struct adam_job){.beta1 = (float)adam->beta1,
                             .beta1_rest = (float)(1 - adam->beta1),
                             .beta2 = (float)adam->beta2,
                             .beta2_rest = (float)(1 - adam->beta2),
                             .weight_decay = (float)adam->weight_decay,
                             .step_size = (float)(cpu->step.lr / (1 - pow(adam->beta1, step))),
                             .root_correction = (float)(1 / sqrt(1 - pow(adam->beta2, step))),
                             .epsilon = (float)adam->epsilon};
}

void cpu_adam(struct backend *backend, int64_t count, const struct adam *adam, float *w, const float *g, float *m,
              float *v) {
    struct cpu *cpu = cpu_of(backend);
    struct adam_job job = cpu_adam_job(cpu, adam);
    int threads = cpu_threads_for(cpu, count);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r = cpu_part(count, i, threads);
        cpu->kernels->adam(r.last - r.first, &job, w + r.first, g + r.first, m + r.first, v + r.first);
    }
}

void cpu_sgd(struct backend *backend, int64_t count, double momentum, double weight_decay, float *w, const float *g,
             float *velocity) {
    struct cpu *cpu = cpu_of(backend);
    int threads = cpu_threads_for(cpu, count);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        struct range r = cpu_part(count, i, threads);
        cpu->kernels->sgd(r.last - r.first, (float)cpu->step.lr, (float)momentum, (float)weight_decay, w + r.first,
                          g + r.first, velocity + r.first);
    }
}
