/*
 * cpu.h: the CPU backend's own struct, and the parts of its table that stand in files of their own.
 *
 * Scratch memory grows to what the largest operation needed and stays. Work is divided by image, row or element in a
 * way that depends on sizes and the number of threads only, so that equal runs give equal bits.
 */
#ifndef BACKENDS_CPU_H
#define BACKENDS_CPU_H

#ifdef _OPENMP
#include <omp.h>
#endif

#include "backend.h"
#include "blas.h"
#include "kernels.h"

struct cpu {
    struct backend backend;
    const struct kernels *kernels;
    struct blas blas;
    int threads;
    int status;
    struct step_values step;
    float fetched[BACKEND_FETCH_SLOTS][BACKEND_FETCH_FLOATS];
    char *shared; /* scratch of all threads together */
    size_t shared_bytes;
    char *own; /* scratch of each thread, own_bytes apart */
    size_t own_bytes;
    char text[BACKEND_TEXT_SIZE];
    char numerics[BACKEND_TEXT_SIZE];
};

static inline int64_t round_up(int64_t count, int64_t unit) {
    return (count + unit - 1) / unit * unit;
}

/* Which of the team's threads asks; 0 where the compiler has no OpenMP. */
static inline int this_thread(void) {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

static inline struct cpu *cpu_of(struct backend *backend) {
    return (struct cpu *)backend;
}

/* Part `i` of `parts` of `count`, cut at multiples of 64. */
struct range {
    int64_t first, last;
};

static inline struct range cpu_part(int64_t count, int i, int parts) {
    int64_t blocks = (count + 63) / 64;
    struct range range = {blocks * i / parts * 64, blocks * (i + 1) / parts * 64};
    if (range.first > count) range.first = count;
    if (range.last > count) range.last = count;
    return range;
}

/* Waking the others costs more than little work; `work`: elements touched by cheap arithmetic. */
static inline int cpu_threads_for(const struct cpu *cpu, int64_t work) {
    return work < 16384 ? 1 : cpu->threads;
}

/* The caller's `cpu` with kernels, OpenBLAS and threads as the options say (not their precision: who opens it checks
 * that). Its table is backend_openblas; a backend that is built upon this one has a struct cpu as its first member, a
 * table of its own made of those entries (each takes a struct cpu), and sets backend.ops, text and numerics itself.
 * 0, or negative engine_error and one line in `error` (ENGINE_ERROR_SIZE); then there is nothing to release. */
__attribute__((warn_unused_result)) int cpu_init(struct cpu *cpu, const struct backend_options *options, char *error);
/* Frees the scratch memory, not `cpu`. */
void cpu_release(struct cpu *cpu);

/* Makes room for `shared` bytes and `own` bytes a thread. False: no memory, and status says so. */
bool cpu_scratch(struct cpu *cpu, size_t shared, size_t own);

void cpu_conv_forward(struct backend *backend, const struct conv *conv, const float *x, const float *w,
                      const float *bias, float *y, uint8_t *winner);
void cpu_conv_backward_data(struct backend *backend, const struct conv *conv, const float *y, const uint8_t *winner,
                            const float *dy, const float *w, float *dx);
void cpu_conv_backward_weights(struct backend *backend, const struct conv *conv, const float *x, const float *y,
                               const uint8_t *winner, const float *dy, float *dw, float *dbias);
void cpu_pool_forward(struct backend *backend, const struct pool *pool, const float *x, float *y, uint8_t *winner);
void cpu_pool_backward(struct backend *backend, const struct pool *pool, const uint8_t *winner, const float *dy,
                       float *dx);

/* elements.c */
void cpu_scale(struct backend *backend, int64_t count, const uint8_t *from, float divisor, float shift, float *to);
void cpu_bias_activation(struct backend *backend, int64_t n, int64_t width, const float *bias,
                         struct activation activation, float *y);
void cpu_activation_backward(struct backend *backend, int64_t n, int64_t width, struct activation activation,
                             const float *y, float *dy, float *dbias);
void cpu_dropout(struct backend *backend, int64_t count, double p, uint64_t place, const float *from, float *to);
bool cpu_is_finite(struct backend *backend, int64_t count, const float *x);

/* noise.c */
void cpu_noise(struct backend *backend, enum noise_kind kind, int64_t count, float scale, float shift, float *to);

/* norm.c */
void cpu_batch_norm_forward(struct backend *backend, const struct batch_norm *norm, const float *x, const float *scale,
                            const float *shift, float *running_mean, float *running_variance, float *saved, float *y);
void cpu_batch_norm_evaluate(struct backend *backend, const struct batch_norm *norm, const float *x, const float *scale,
                             const float *shift, const float *running_mean, const float *running_variance, float *y);
void cpu_batch_norm_backward(struct backend *backend, const struct batch_norm *norm, const float *x, const float *scale,
                             const float *saved, const float *dy, float *dx, float *dscale, float *dshift);

/* loss.c */
void cpu_softmax_cross_entropy(struct backend *backend, int64_t n, int64_t classes, const float *logits,
                               const uint8_t *labels, float *probabilities, float *dlogits, float *losses, float *sums);
void cpu_squared_error(struct backend *backend, int64_t n, int64_t width, const float *y, const float *target,
                       float *dy, float *losses, float *sums);
void cpu_logit_loss(struct backend *backend, enum logit_loss kind, int64_t n, float target, float weight,
                    const float *logits, float *dlogits, float *sums);
void cpu_sample_latent(struct backend *backend, int64_t n, int64_t width, const float *code, const float *noise,
                       float *z, float *kl, float *sums);
void cpu_sample_latent_backward(struct backend *backend, int64_t n, int64_t width, const float *code,
                                const float *noise, const float *dz, float kl_weight, float *dcode);

/* optimise.c */
struct adam_job cpu_adam_job(const struct cpu *cpu, const struct adam *adam);
void cpu_adam(struct backend *backend, int64_t count, const struct adam *adam, float *w, const float *g, float *m,
              float *v);
void cpu_sgd(struct backend *backend, int64_t count, double momentum, double weight_decay, float *w, const float *g,
             float *velocity);

#endif
