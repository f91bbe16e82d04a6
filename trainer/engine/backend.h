/*
 * backend.h: what the layers need from a compute library, as one table of kernel-level operations.
 *
 * The interface lives here, with its consumer; implementations live in trainer/backends/NAME and are known to
 * registry.c alone. Inside the engine images are (N, H, W, C), convolution filters (out, kh, kw, in), dense weights
 * (out, in); state.c turns them into the golden layouts at the border. Every pointer below is the backend's own memory
 * (from `alloc`) unless it says "host". An operation that fails (memory, device) makes `status` negative for good; the
 * engine asks once a step. Every output is written with `=` unless it says `+=`. One backend, one thread.
 *
 * A step may be recorded: what changes from step to step (learning rate, step count, random keys) is handed over by
 * step_begin alone, every other argument of the operations between step_begin and step_end depends only on the step's
 * `shape`. So a device may replay the whole step as one graph. Operations outside of a step run at once.
 */
#ifndef TRAINER_BACKEND_H
#define TRAINER_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h" /* enum precision */

#define BACKEND_TEXT_SIZE 128

struct backend_options {
    int threads;     /* 0: as many as the process may use */
    const char *cpu; /* NULL or "": the best of this CPU; else the kernels to use, "avx512", "avx2", "baseline" */
    enum precision precision; /* what products are rounded to; a backend refuses what it does not have */
};

enum activation_kind {
    ACTIVATION_NONE,
    ACTIVATION_RELU,
    ACTIVATION_LEAKY_RELU, /* x < 0: slope × x; 0 < slope < 1 */
    ACTIVATION_SIGMOID,
    ACTIVATION_TANH
};
struct activation {
    enum activation_kind kind;
    float slope; /* leaky ReLU's; else 0 */
};

/* A convolution with what may be fused behind it: bias, (leaky) ReLU, then max pool of pool × pool windows, stride
 * pool. */
struct conv {
    int64_t n, h, w, c; /* input */
    int64_t k;          /* filters */
    int64_t kh, kw;
    int64_t stride, pad;
    struct activation activation; /* NONE, RELU or LEAKY_RELU */
    int64_t pool;                 /* 1: none; at most 15. Rows and columns that fill no window are dropped */
};

static inline int64_t conv_rows(const struct conv *conv) {
    return (conv->h + 2 * conv->pad - conv->kh) / conv->stride + 1;
}
static inline int64_t conv_columns(const struct conv *conv) {
    return (conv->w + 2 * conv->pad - conv->kw) / conv->stride + 1;
}
/* Height and width of the output, after the pool. */
static inline int64_t conv_out_h(const struct conv *conv) {
    return conv_rows(conv) / conv->pool;
}
static inline int64_t conv_out_w(const struct conv *conv) {
    return conv_columns(conv) / conv->pool;
}

/* A max pool on its own: size × size windows, no padding. */
struct pool {
    int64_t n, h, w, c;
    int64_t size, stride;
};

static inline int64_t pool_out_h(const struct pool *pool) {
    return (pool->h - pool->size) / pool->stride + 1;
}
static inline int64_t pool_out_w(const struct pool *pool) {
    return (pool->w - pool->size) / pool->stride + 1;
}

struct gemm {
    bool transpose_a, transpose_b;
    int64_t m, n, k; /* C (m, n) = op(A) (m, k) × op(B) (k, n) + beta C; leading dimensions as in BLAS, row-major */
    int64_t lda, ldb, ldc;
    float beta;
};

/* What differs from one step to the next. */
struct step_values {
    double lr;
    uint64_t step; /* from 1 */
    uint64_t dropout_key, noise_key;
};

/* Learning rate and step are those of step_begin. */
struct adam {
    double beta1, beta2, epsilon, weight_decay; /* weight_decay: L2, added to the gradient */
};

/* Batch normalisation over rows (Ioffe and Szegedy 2015; variances and running statistics as PyTorch has them). */
struct batch_norm {
    int64_t rows, channels;
    double momentum; /* running = (1 - momentum) × running + momentum × batch; the variance unbiased there */
    double epsilon;  /* under the root, beside the biased variance */
};

enum noise_kind { NOISE_UNIFORM, NOISE_NORMAL };
enum logit_loss { LOGIT_BCE, LOGIT_SQUARED }; /* -log of sigmoid(x) or of 1 - sigmoid(x); (x - target)² */

#define BACKEND_FETCH_SLOTS 16
#define BACKEND_FETCH_FLOATS 4

struct backend {
    const struct backend_ops *ops;
};

struct backend_ops {
    const char *name;
    /* 0, or negative engine_error with one line in `error` (ENGINE_ERROR_SIZE). */
    int (*open)(const struct backend_options *options, struct backend **ret_backend, char *error);
    void (*close)(struct backend *backend); /* NULL is fine */
    /* "openblas (SkylakeX, avx512 kernels, 2 threads)" and "openblas/SkylakeX/avx512/2"; borrowed while it is open. */
    const char *(*text)(const struct backend *backend);
    const char *(*numerics)(const struct backend *backend);
    int (*status)(struct backend *backend); /* 0, or the first failure; waits for what is under way */

    void *(*alloc)(struct backend *backend, size_t bytes); /* zeroed, aligned to 64; NULL: no memory */
    void (*free)(struct backend *backend, void *memory);
    void (*upload)(struct backend *backend, void *target, const void *host, size_t bytes);
    void (*download)(struct backend *backend, void *host, const void *source, size_t bytes); /* waits for it */
    void (*zero)(struct backend *backend, void *target, size_t bytes);
    void (*copy)(struct backend *backend, void *target, const void *source, size_t bytes); /* both the backend's */

    /* The first `count` (at most BACKEND_FETCH_FLOATS) floats at source, on their way to the host without waiting; slot
     * in 0 .. BACKEND_FETCH_SLOTS - 1. */
    void (*fetch)(struct backend *backend, int slot, const float *source, int count);
    /* Whether that slot has arrived; with `wait` it has. host (count). */
    bool (*fetched)(struct backend *backend, int slot, bool wait, float *host, int count);

    /* What follows, up to step_end, is one training step. `shape` stands for all that its operations' arguments depend
     * on. True: the step was replayed, the caller issues no operation and does not call step_end. */
    bool (*step_begin)(struct backend *backend, uint64_t shape, const struct step_values *values);
    void (*step_end)(struct backend *backend);

    /* to[i] = from[i] / divisor - shift */
    void (*scale)(struct backend *backend, int64_t count, const uint8_t *from, float divisor, float shift, float *to);
    void (*gemm)(struct backend *backend, const struct gemm *gemm, const float *a, const float *b, float *c);
    /* y (n, width) = activation(y + bias), in place; bias may be NULL */
    void (*bias_activation)(struct backend *backend, int64_t n, int64_t width, const float *bias,
                            struct activation activation, float *y);
    /* dy (n, width) *= activation'(at the output y), in place; then dbias (width) = column sums of it, unless NULL */
    void (*activation_backward)(struct backend *backend, int64_t n, int64_t width, struct activation activation,
                                const float *y, float *dy, float *dbias);
    /* to = from / (1 - p) where the mask keeps it, else 0: forward and backward alike. to may be from. With key =
     * random_mix(dropout_key ^ random_mix(place)), element i is dropped when 32 bits of random_mix(key + i / 2) (the
     * low half for even i) are below p × 2^32. */
    void (*dropout)(struct backend *backend, int64_t count, double p, uint64_t place, const float *from, float *to);
    /* Uniform: to[i] = (u + shift) × scale with u = random_uniform(noise_key, i). Normal: standard normal by Box and
     * Muller 1958 from values 2 j and 2 j + 1 (u1 = 1 - u, so never 0): cosine for to[2 j], sine for to[2 j + 1]; scale
     * and shift are not used. */
    void (*noise)(struct backend *backend, enum noise_kind kind, int64_t count, float scale, float shift, float *to);

    /* x (n, h, w, c), w (k, kh, kw, c), bias (k), y (n, out_h, out_w, k); winner (as y): place in the pool's window,
     * row × pool + column, the first of equals; not touched where pool is 1 (may be NULL then). bias may be NULL. A NaN
     * in x is not lost, but may spread to outputs near by whose own windows hold none (within a tile of Winograd's
     * method). */
    void (*conv_forward)(struct backend *backend, const struct conv *conv, const float *x, const float *w,
                         const float *bias, float *y, uint8_t *winner);
    /* dx = of x, given dy of y (not yet masked by the activation: y tells; y may be NULL where there is none). With
     * pool 1 and no activation it is also the forward pass of a transposed convolution. */
    void (*conv_backward_data)(struct backend *backend, const struct conv *conv, const float *y, const uint8_t *winner,
                               const float *dy, const float *w, float *dx);
    /* dbias may be NULL; y as above. */
    void (*conv_backward_weights)(struct backend *backend, const struct conv *conv, const float *x, const float *y,
                                  const uint8_t *winner, const float *dy, float *dw, float *dbias);
    void (*pool_forward)(struct backend *backend, const struct pool *pool, const float *x, float *y, uint8_t *winner);
    void (*pool_backward)(struct backend *backend, const struct pool *pool, const uint8_t *winner, const float *dy,
                          float *dx);

    /* x, y (rows, channels). saved (2 × channels) = batch mean, 1 / sqrt(biased variance + epsilon): for backward. */
    void (*batch_norm_forward)(struct backend *backend, const struct batch_norm *norm, const float *x,
                               const float *scale, const float *shift, float *running_mean, float *running_variance,
                               float *saved, float *y);
    /* With the running statistics, which stay. */
    void (*batch_norm_evaluate)(struct backend *backend, const struct batch_norm *norm, const float *x,
                                const float *scale, const float *shift, const float *running_mean,
                                const float *running_variance, float *y);
    /* dx may be dy; dscale and dshift may both be NULL. */
    void (*batch_norm_backward)(struct backend *backend, const struct batch_norm *norm, const float *x,
                                const float *scale, const float *saved, const float *dy, float *dx, float *dscale,
                                float *dshift);

    /* Losses. Mean over n is the caller's: a sum[0] is of all samples; `losses` (n) each sample's own, may be NULL. */

    /* sums[0] = losses, sums[1] = number of right answers (first of equal maxima). Each of probabilities (n, classes)
     * and dlogits (n, classes: (p - onehot) / n) may be NULL. A label >= classes has loss NaN. dlogits may be logits.
     */
    void (*softmax_cross_entropy)(struct backend *backend, int64_t n, int64_t classes, const float *logits,
                                  const uint8_t *labels, float *probabilities, float *dlogits, float *losses,
                                  float *sums);
    /* y, target (n, width). sums[0] = Σ (y - target)²; dy = 2 (y - target) / n, may be NULL, may be y. */
    void (*squared_error)(struct backend *backend, int64_t n, int64_t width, const float *y, const float *target,
                          float *dy, float *losses, float *sums);
    /* logits (n). sums[0] += weight × Σ loss(logit, target), target 0 or 1; dlogits = weight × the slope, may be NULL.
     */
    void (*logit_loss)(struct backend *backend, enum logit_loss kind, int64_t n, float target, float weight,
                       const float *logits, float *dlogits, float *sums);
    /* Reparameterisation (Kingma and Welling 2014): code (n, 2 × width) = mu, then log variance, of each sample.
     * z (n, width) = mu + exp(log variance / 2) × noise; sums[0] = Σ KL(N(mu, variance) ‖ N(0, 1)) =
     * -½ Σ (1 + log variance - mu² - variance). kl (n): each sample's, may be NULL. */
    void (*sample_latent)(struct backend *backend, int64_t n, int64_t width, const float *code, const float *noise,
                          float *z, float *kl, float *sums);
    /* dcode (n, 2 × width) = through z, plus kl_weight × the slope of KL. */
    void (*sample_latent_backward)(struct backend *backend, int64_t n, int64_t width, const float *code,
                                   const float *noise, const float *dz, float kl_weight, float *dcode);

    /* Optimisers; learning rate (and Adam's t) of step_begin. */

    /* Kingma and Ba 2015 as PyTorch writes it: w -= lr / (1 - beta1^t) × m / (sqrt(v / (1 - beta2^t)) + epsilon). */
    void (*adam)(struct backend *backend, int64_t count, const struct adam *adam, float *w, const float *g, float *m,
                 float *v);
    /* The same with g = the matrix product, which is never stored whole: C of `gemm` has the shape of w (m, n), ldc =
     * n, beta 0. NULL: the backend has no such operation. */
    void (*gemm_adam)(struct backend *backend, const struct gemm *gemm, const float *a, const float *b,
                      const struct adam *adam, float *w, float *m, float *v);
    /* velocity = momentum × velocity + g + weight_decay × w; w -= lr × velocity. */
    void (*sgd)(struct backend *backend, int64_t count, double momentum, double weight_decay, float *w, const float *g,
                float *velocity);
    bool (*is_finite)(struct backend *backend, int64_t count, const float *x);
};

#endif
