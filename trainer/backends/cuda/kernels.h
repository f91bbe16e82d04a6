/*
 * kernels.h: the launches of our own kernels, for C. Each puts its work on `stream` and returns at once; whether the
 * launch went well stands in cudaGetLastError. All memory is the device's; shapes as in backend.h.
 *
 * Nothing here allocates or waits, so all of it may be recorded. Sums are made in two stages in a fixed order; the
 * scratch memory for the first is the caller's.
 */
#ifndef BACKENDS_CUDA_KERNELS_H
#define BACKENDS_CUDA_KERNELS_H

#include <cuda_runtime_api.h>
#include <stddef.h>

#include "backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* *target = values. A launch carries its arguments with it, so the host's copy need not live on. */
void kernels_set_values(cudaStream_t stream, struct step_values values, struct step_values *target);

/* ---- kernels_elements.cu ---- */

void kernels_scale(cudaStream_t stream, int64_t count, const uint8_t *from, float divisor, float shift, float *to);
void kernels_bias_activation(cudaStream_t stream, int64_t n, int64_t width, const float *bias,
                             struct activation activation, float *y);
void kernels_dropout(cudaStream_t stream, const struct step_values *values, int64_t count, double p, uint64_t place,
                     const float *from, float *to);
void kernels_noise(cudaStream_t stream, const struct step_values *values, enum noise_kind kind, int64_t count,
                   float scale, float shift, float *to);
void kernels_adam(cudaStream_t stream, const struct step_values *values, int64_t count, const struct adam *adam,
                  float *w, const float *g, float *m, float *v);
void kernels_sgd(cudaStream_t stream, const struct step_values *values, int64_t count, float momentum,
                 float weight_decay, float *w, const float *g, float *velocity);
/* *flag = 1 where there is a NaN or an infinity, else it stays. */
void kernels_find_infinite(cudaStream_t stream, int64_t count, const float *x, int *flag);

/* ---- kernels_columns.cu: sums over rows ---- */

/* Bytes of scratch that any of these needs. */
size_t kernels_columns_scratch(int64_t rows, int64_t width);
/* dy *= activation' at y where `write`; sums (width) = column sums of it unless NULL. y may be NULL with NONE. */
void kernels_activation_backward(cudaStream_t stream, int64_t rows, int64_t width, struct activation activation,
                                 const float *y, float *dy, bool write, float *sums, void *scratch);
void kernels_batch_norm_forward(cudaStream_t stream, const struct batch_norm *norm, const float *x, const float *scale,
                                const float *shift, float *running_mean, float *running_variance, float *saved,
                                float *y, void *scratch);
void kernels_batch_norm_evaluate(cudaStream_t stream, const struct batch_norm *norm, const float *x, const float *scale,
                                 const float *shift, const float *mean, const float *variance, float *y);
void kernels_batch_norm_backward(cudaStream_t stream, const struct batch_norm *norm, const float *x, const float *scale,
                                 const float *saved, const float *dy, float *dx, float *dscale, float *dshift,
                                 void *scratch);

/* ---- kernels_losses.cu ---- */

void kernels_softmax_cross_entropy(cudaStream_t stream, int64_t n, int64_t classes, const float *logits,
                                   const uint8_t *labels, float *probabilities, float *dlogits, float *losses,
                                   float *sums);
/* each (n doubles): scratch. */
void kernels_squared_error(cudaStream_t stream, int64_t n, int64_t width, const float *y, const float *target,
                           float *dy, float *losses, float *sums, double *each);
void kernels_logit_loss(cudaStream_t stream, enum logit_loss kind, int64_t n, float target, float weight,
                        const float *logits, float *dlogits, float *sums);
void kernels_sample_latent(cudaStream_t stream, int64_t n, int64_t width, const float *code, const float *noise,
                           float *z, float *kl, float *sums, double *each);
void kernels_sample_latent_backward(cudaStream_t stream, int64_t n, int64_t width, const float *code,
                                    const float *noise, const float *dz, float kl_weight, float *dcode);

/* ---- kernels_windows.cu: what stands around a convolution of the library, and pools on their own ---- */

/* How the library wants its images and filters: (n, space, c) as we have them or (n, c, space); float32 or bfloat16. */
struct arrangement {
    bool channels_first, bfloat16;
};
void kernels_arrange(cudaStream_t stream, struct arrangement arrangement, int64_t n, int64_t space, int64_t c,
                     const float *from, void *to);
void kernels_restore(cudaStream_t stream, struct arrangement arrangement, int64_t n, int64_t space, int64_t c,
                     const void *from, float *to);
/* y, winner = pool(activation(raw + bias)), raw (n, rows, columns, k) as arranged. y may be raw where nothing is
 * rearranged and pool is 1. */
void kernels_conv_finish(cudaStream_t stream, const struct conv *conv, struct arrangement arrangement, const void *raw,
                         const float *bias, float *y, uint8_t *winner);
/* full (n, rows, columns, k) as arranged = the gradient behind activation and pool; all of it is written. */
void kernels_conv_spread(cudaStream_t stream, const struct conv *conv, struct arrangement arrangement, const float *y,
                         const uint8_t *winner, const float *dy, void *full);
void kernels_pool_forward(cudaStream_t stream, const struct pool *pool, const float *x, float *y, uint8_t *winner);
void kernels_pool_backward(cudaStream_t stream, const struct pool *pool, const uint8_t *winner, const float *dy,
                           float *dx);

/* ---- kernels_direct.cu: convolutions of our own, for shapes that the library refuses ---- */

/* raw (n, rows, columns, k) = x * w */
void kernels_direct_forward(cudaStream_t stream, const struct conv *conv, const float *x, const float *w, float *raw);
/* full (n, rows, columns, k): the gradient of raw. */
void kernels_direct_data(cudaStream_t stream, const struct conv *conv, const float *full, const float *w, float *dx);
void kernels_direct_weights(cudaStream_t stream, const struct conv *conv, const float *x, const float *full, float *dw);

/* ---- kernels_first.cu: convolutions of one channel, small enough for a window to stay in registers ---- */

/* Whether the two below have it. */
bool kernels_first_fits(const struct conv *conv);
void kernels_first_forward(cudaStream_t stream, const struct conv *conv, const float *x, const float *w,
                           const float *bias, float *y, uint8_t *winner);
size_t kernels_first_scratch(const struct conv *conv);
/* Goes through the winners alone: of a pool's window only one element has a gradient. dbias may be NULL. */
void kernels_first_weights(cudaStream_t stream, const struct conv *conv, const float *x, const float *y,
                           const uint8_t *winner, const float *dy, float *dw, float *dbias, void *scratch);

#ifdef __cplusplus
}
#endif
#endif
