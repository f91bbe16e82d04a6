/*
 * backend.h: what the layers need from a compute library, as one table of kernel-level operations.
 *
 * The interface lives here, with its consumer; implementations live in trainer/backends/NAME and are known to
 * registry.c alone. Inside the engine images are (N, H, W, C), convolution filters (out, kh, kw, in), dense weights
 * (out, in); state.c turns them into the golden layouts at the border. Every pointer below is the backend's own memory
 * (from `alloc`) unless it says "host". An operation that fails (memory, device) makes `status` negative for good; the
 * engine asks once a step. Every output is written with `=` unless it says `+=`. One backend, one thread.
 */
#ifndef TRAINER_BACKEND_H
#define TRAINER_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BACKEND_TEXT_SIZE 128

struct backend_options {
    int threads;     /* 0: as many as the process may use */
    const char *cpu; /* NULL or "": the best of this CPU; else the kernels to use, "avx512", "avx2", "baseline" */
};

enum activation { ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_SIGMOID };

/* A convolution with what may be fused behind it: bias, ReLU, then max pool of pool × pool windows, stride pool. */
struct conv {
    int64_t n, h, w, c; /* input */
    int64_t k;          /* filters */
    int64_t kh, kw;
    int64_t stride, pad;
    bool relu;
    int64_t pool; /* 1: none; at most 15. Rows and columns that fill no window are dropped */
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

struct adam {
    double lr, beta1, beta2, epsilon, weight_decay; /* weight_decay: L2, added to the gradient */
    uint64_t step;                                  /* from 1 */
};

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

    /* to[i] = from[i] / divisor - shift */
    void (*scale)(struct backend *backend, int64_t count, const uint8_t *from, float divisor, float shift, float *to);
    void (*gemm)(struct backend *backend, const struct gemm *gemm, const float *a, const float *b, float *c);
    /* y (n, width) = activation(y + bias), in place */
    void (*bias_activation)(struct backend *backend, int64_t n, int64_t width, const float *bias, enum activation kind,
                            float *y);
    /* dy (n, width) *= activation'(at the output y), in place; then dbias (width) = column sums of it, unless NULL */
    void (*activation_backward)(struct backend *backend, int64_t n, int64_t width, enum activation kind, const float *y,
                                float *dy, float *dbias);
    /* to = from / (1 - p) where the mask of (key, index) keeps it, else 0: forward and backward alike. to may be from.
     * Element i is dropped when 32 bits of splitmix64(key + i / 2) (the low half for even i) are below p × 2^32. */
    void (*dropout)(struct backend *backend, int64_t count, double p, uint64_t key, const float *from, float *to);

    /* x (n, h, w, c), w (k, kh, kw, c), bias (k), y (n, out_h, out_w, k); winner (as y): place in the pool's window,
     * row × pool + column, the first of equals; not touched where pool is 1 (may be NULL then). */
    void (*conv_forward)(struct backend *backend, const struct conv *conv, const float *x, const float *w,
                         const float *bias, float *y, uint8_t *winner);
    /* dx = of x, given dy of y (not yet masked by ReLU: y tells). */
    void (*conv_backward_data)(struct backend *backend, const struct conv *conv, const float *y, const uint8_t *winner,
                               const float *dy, const float *w, float *dx);
    void (*conv_backward_weights)(struct backend *backend, const struct conv *conv, const float *x, const float *y,
                                  const uint8_t *winner, const float *dy, float *dw, float *dbias);
    void (*pool_forward)(struct backend *backend, const struct pool *pool, const float *x, float *y, uint8_t *winner);
    void (*pool_backward)(struct backend *backend, const struct pool *pool, const uint8_t *winner, const float *dy,
                          float *dx);

    /* Mean over n is the caller's: sums[0] = sum of losses, sums[1] = number of right answers (first of equal maxima).
     * Each of probabilities (n, classes) and dlogits (n, classes: (p - onehot) / n) may be NULL. A label >= classes
     * has loss NaN. dlogits may be logits. */
    void (*softmax_cross_entropy)(struct backend *backend, int64_t n, int64_t classes, const float *logits,
                                  const uint8_t *labels, float *probabilities, float *dlogits, float *sums);

    /* Kingma and Ba 2015 as PyTorch writes it: w -= lr / (1 - beta1^t) × m / (sqrt(v / (1 - beta2^t)) + epsilon). */
    void (*adam)(struct backend *backend, int64_t count, const struct adam *adam, float *w, const float *g, float *m,
                 float *v);
    /* velocity = momentum × velocity + g; w -= lr × velocity. */
    void (*sgd)(struct backend *backend, int64_t count, double lr, double momentum, float *w, const float *g,
                float *velocity);
    bool (*is_finite)(struct backend *backend, int64_t count, const float *x);
};

#endif
