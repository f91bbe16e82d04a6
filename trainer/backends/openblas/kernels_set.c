/*
 * kernels_set.c: element-wise kernels, and the table of one instruction set. Plain loops that the compiler vectorises.
 */
#include <math.h>
#include <string.h>

#include "kernels_vector.h"

static void scale(int64_t count, const uint8_t *restrict from, float divisor, float shift, float *restrict to) {
    for (int64_t i = 0; i < count; i++) {
        to[i] = (float)from[i] / divisor - shift;
    }
}

static void mask_gradient(int64_t n, int64_t width, bool rectify, float slope, const float *restrict y,
                          const float *restrict dy, float *restrict out, float *restrict sums) {
    for (int64_t row = 0; row < n; row++, y += width, dy += width, out += width) {
        if (rectify) {
            bool leaky = slope > 0; /* else 0, and not 0 × dy: that of infinity is NaN */
            for (int64_t i = 0; i < width; i++) {
                out[i] = y[i] <= 0 ? (leaky ? slope * dy[i] : 0) : dy[i];
            }
        } else {
            memcpy(out, dy, (size_t)width * sizeof *out);
        }
        for (int64_t i = 0; i < width && sums != NULL; i++) {
            sums[i] += out[i];
        }
    }
}

static void adam(int64_t count, const struct adam_job *job, float *restrict w, const float *restrict g,
                 float *restrict m, float *restrict v) {
    const struct adam_job a = *job;
    for (int64_t i = 0; i < count; i++) {
        float slope = g[i] + a.weight_decay * w[i];
        float first = a.beta1 * m[i] + a.beta1_rest * slope;
        float second = a.beta2 * v[i] + a.beta2_rest * slope * slope;
        m[i] = first;
        v[i] = second;
        w[i] -= a.step_size * first / (sqrtf(second) * a.root_correction + a.epsilon);
    }
}

static void sgd(int64_t count, float lr, float momentum, float weight_decay, float *restrict w, const float *restrict g,
                float *restrict velocity) {
    for (int64_t i = 0; i < count; i++) {
        velocity[i] = momentum * velocity[i] + (g[i] + weight_decay * w[i]);
        w[i] -= lr * velocity[i];
    }
}

#define TEXT2(text) #text
#define TEXT(text) TEXT2(text)

const struct kernels SET(kernels) = {
    .name = TEXT(KERNELS_SET),
    .width = KERNELS_WIDTH,
    .conv_row = SET(conv_row),
    .conv_finish = SET(conv_finish),
    .gather = SET(gather),
    .winograd = &SET(winograd_kernels),
    .dense = &SET(dense_kernels),
    .scale = scale,
    .bias_activation = SET(bias_activation),
    .activation_backward = SET(activation_backward),
    .mask = mask_gradient,
    .dropout = SET(dropout),
    .noise_uniform = SET(noise_uniform),
    .noise_normal = SET(noise_normal),
    .exp = SET(exp),
    .squared_error = SET(squared_error),
    .is_finite = SET(is_finite),
    .norm_moments = SET(norm_moments),
    .norm_slopes = SET(norm_slopes),
    .norm_apply = SET(norm_apply),
    .norm_backward = SET(norm_backward),
    .adam = adam,
    .sgd = sgd,
};
