/*
 * operations.c: see operations.h. Each is issued on every lane and its launch checked.
 */
#include "operations.h"

#include "device.h"

void cuda_scale(struct backend *backend, int64_t count, const uint8_t *from, float divisor, float shift, float *to) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_scale(cuda->lane->stream, count, from, divisor, shift, to);
        cuda_launched(cuda, "scale");
    }
}

void cuda_bias_activation(struct backend *backend, int64_t n, int64_t width, const float *bias,
                          struct activation activation, float *y) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_bias_activation(cuda->lane->stream, n, width, bias, activation, y);
        cuda_launched(cuda, "bias and activation");
    }
}

void cuda_activation_backward(struct backend *backend, int64_t n, int64_t width, struct activation activation,
                              const float *y, float *dy, float *dbias) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        void *sums = memory_scratch(cuda, SCRATCH_SUMS, kernels_columns_scratch(n, width));
        if (sums == NULL) continue;
        kernels_activation_backward(cuda->lane->stream, n, width, activation, y, dy, true, dbias, sums);
        cuda_launched(cuda, "an activation's backward pass");
    }
}

void cuda_dropout(struct backend *backend, int64_t count, double p, uint64_t place, const float *from, float *to) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_dropout(cuda->lane->stream, cuda->values, count, p, place, from, to);
        cuda_launched(cuda, "dropout");
    }
}

void cuda_noise(struct backend *backend, enum noise_kind kind, int64_t count, float scale, float shift, float *to) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_noise(cuda->lane->stream, cuda->values, kind, count, scale, shift, to);
        cuda_launched(cuda, "noise");
    }
}

void cuda_pool_forward(struct backend *backend, const struct pool *pool, const float *x, float *y, uint8_t *winner) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_pool_forward(cuda->lane->stream, pool, x, y, winner);
        cuda_launched(cuda, "a max pool");
    }
}

void cuda_pool_backward(struct backend *backend, const struct pool *pool, const uint8_t *winner, const float *dy,
                        float *dx) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_pool_backward(cuda->lane->stream, pool, winner, dy, dx);
        cuda_launched(cuda, "a max pool's backward pass");
    }
}

/* ---- batch normalisation ---- */

static void *column_sums(struct cuda *cuda, const struct batch_norm *norm) {
    return memory_scratch(cuda, SCRATCH_SUMS, kernels_columns_scratch(norm->rows, norm->channels));
}

void cuda_batch_norm_forward(struct backend *backend, const struct batch_norm *norm, const float *x, const float *scale,
                             const float *shift, float *running_mean, float *running_variance, float *saved, float *y) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        void *sums = column_sums(cuda, norm);
        if (sums == NULL) continue;
        kernels_batch_norm_forward(cuda->lane->stream, norm, x, scale, shift, running_mean, running_variance, saved, y,
                                   sums);
        cuda_launched(cuda, "batch normalisation");
    }
}

void cuda_batch_norm_evaluate(struct backend *backend, const struct batch_norm *norm, const float *x,
                              const float *scale, const float *shift, const float *running_mean,
                              const float *running_variance, float *y) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_batch_norm_evaluate(cuda->lane->stream, norm, x, scale, shift, running_mean, running_variance, y);
        cuda_launched(cuda, "batch normalisation");
    }
}

void cuda_batch_norm_backward(struct backend *backend, const struct batch_norm *norm, const float *x,
                              const float *scale, const float *saved, const float *dy, float *dx, float *dscale,
                              float *dshift) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        void *sums = column_sums(cuda, norm);
        if (sums == NULL) continue;
        kernels_batch_norm_backward(cuda->lane->stream, norm, x, scale, saved, dy, dx, dscale, dshift, sums);
        cuda_launched(cuda, "batch normalisation's backward pass");
    }
}

/* ---- losses ---- */

void cuda_softmax_cross_entropy(struct backend *backend, int64_t n, int64_t classes, const float *logits,
                                const uint8_t *labels, float *probabilities, float *dlogits, float *losses,
                                float *sums) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_softmax_cross_entropy(cuda->lane->stream, n, classes, logits, labels, probabilities, dlogits, losses,
                                      sums);
        cuda_launched(cuda, "softmax and cross-entropy");
    }
}

static double *each_sample(struct cuda *cuda, int64_t n) {
    return memory_scratch(cuda, SCRATCH_SUMS, (size_t)n * sizeof(double));
}

void cuda_squared_error(struct backend *backend, int64_t n, int64_t width, const float *y, const float *target,
                        float *dy, float *losses, float *sums) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        double *each = each_sample(cuda, n);
        if (each == NULL) continue;
        kernels_squared_error(cuda->lane->stream, n, width, y, target, dy, losses, sums, each);
        cuda_launched(cuda, "squared error");
    }
}

void cuda_logit_loss(struct backend *backend, enum logit_loss kind, int64_t n, float target, float weight,
                     const float *logits, float *dlogits, float *sums) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_logit_loss(cuda->lane->stream, kind, n, target, weight, logits, dlogits, sums);
        cuda_launched(cuda, "the loss of logits");
    }
}

void cuda_sample_latent(struct backend *backend, int64_t n, int64_t width, const float *code, const float *noise,
                        float *z, float *kl, float *sums) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        double *each = each_sample(cuda, n);
        if (each == NULL) continue;
        kernels_sample_latent(cuda->lane->stream, n, width, code, noise, z, kl, sums, each);
        cuda_launched(cuda, "sampling a code");
    }
}

void cuda_sample_latent_backward(struct backend *backend, int64_t n, int64_t width, const float *code,
                                 const float *noise, const float *dz, float kl_weight, float *dcode) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_sample_latent_backward(cuda->lane->stream, n, width, code, noise, dz, kl_weight, dcode);
        cuda_launched(cuda, "a code's backward pass");
    }
}

/* ---- optimisers ---- */

void cuda_adam(struct backend *backend, int64_t count, const struct adam *adam, float *w, const float *g, float *m,
               float *v) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_adam(cuda->lane->stream, cuda->values, count, adam, w, g, m, v);
        cuda_launched(cuda, "Adam");
    }
}

void cuda_sgd(struct backend *backend, int64_t count, double momentum, double weight_decay, float *w, const float *g,
              float *velocity) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        kernels_sgd(cuda->lane->stream, cuda->values, count, (float)momentum, (float)weight_decay, w, g, velocity);
        cuda_launched(cuda, "SGD");
    }
}
