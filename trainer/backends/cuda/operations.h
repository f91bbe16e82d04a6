/*
 * operations.h: the table's entries that only hand their work to a kernel (backend.h says what each does).
 */
#ifndef BACKENDS_CUDA_OPERATIONS_H
#define BACKENDS_CUDA_OPERATIONS_H

#include "backend.h"

void cuda_scale(struct backend *backend, int64_t count, const uint8_t *from, float divisor, float shift, float *to);
void cuda_bias_activation(struct backend *backend, int64_t n, int64_t width, const float *bias,
                          struct activation activation, float *y);
void cuda_activation_backward(struct backend *backend, int64_t n, int64_t width, struct activation activation,
                              const float *y, float *dy, float *dbias);
void cuda_dropout(struct backend *backend, int64_t count, double p, uint64_t place, const float *from, float *to);
void cuda_noise(struct backend *backend, enum noise_kind kind, int64_t count, float scale, float shift, float *to);
void cuda_pool_forward(struct backend *backend, const struct pool *pool, const float *x, float *y, uint8_t *winner);
void cuda_pool_backward(struct backend *backend, const struct pool *pool, const uint8_t *winner, const float *dy,
                        float *dx);
void cuda_batch_norm_forward(struct backend *backend, const struct batch_norm *norm, const float *x, const float *scale,
                             const float *shift, float *running_mean, float *running_variance, float *saved, float *y);
void cuda_batch_norm_evaluate(struct backend *backend, const struct batch_norm *norm, const float *x,
                              const float *scale, const float *shift, const float *running_mean,
                              const float *running_variance, float *y);
void cuda_batch_norm_backward(struct backend *backend, const struct batch_norm *norm, const float *x,
                              const float *scale, const float *saved, const float *dy, float *dx, float *dscale,
                              float *dshift);
void cuda_softmax_cross_entropy(struct backend *backend, int64_t n, int64_t classes, const float *logits,
                                const uint8_t *labels, float *probabilities, float *dlogits, float *losses,
                                float *sums);
void cuda_squared_error(struct backend *backend, int64_t n, int64_t width, const float *y, const float *target,
                        float *dy, float *losses, float *sums);
void cuda_logit_loss(struct backend *backend, enum logit_loss kind, int64_t n, float target, float weight,
                     const float *logits, float *dlogits, float *sums);
void cuda_sample_latent(struct backend *backend, int64_t n, int64_t width, const float *code, const float *noise,
                        float *z, float *kl, float *sums);
void cuda_sample_latent_backward(struct backend *backend, int64_t n, int64_t width, const float *code,
                                 const float *noise, const float *dz, float kl_weight, float *dcode);
void cuda_adam(struct backend *backend, int64_t count, const struct adam *adam, float *w, const float *g, float *m,
               float *v);
void cuda_sgd(struct backend *backend, int64_t count, double momentum, double weight_decay, float *w, const float *g,
              float *velocity);

#endif
