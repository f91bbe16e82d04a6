/*
 * kernels_set.c: element-wise kernels, and the table of one instruction set. Plain loops that the compiler vectorises.
 */
#include <math.h>
#include <string.h>

#include "kernels_vector.h"
#include "random.h"

static void scale(int64_t count, const uint8_t *restrict from, float divisor, float shift, float *restrict to) {
    for (int64_t i = 0; i < count; i++) {
        to[i] = (float)from[i] / divisor - shift;
    }
}

static float sigmoid(float x) {
    return 1.0f / (1.0f + expf(-x));
}

static void bias_activation(int64_t n, int64_t width, const float *restrict bias, struct activation activation,
                            float *restrict y) {
    for (int64_t row = 0; row < n; row++, y += width) {
        if (bias != NULL) {
            for (int64_t i = 0; i < width; i++) {
                y[i] += bias[i];
            }
        }
        if (activation.kind == ACTIVATION_RELU || activation.kind == ACTIVATION_LEAKY_RELU) {
            for (int64_t i = 0; i < width; i++) {
                y[i] = y[i] < 0 ? activation.slope * y[i] : y[i];
            }
        } else if (activation.kind == ACTIVATION_SIGMOID) {
            for (int64_t i = 0; i < width; i++) {
                y[i] = sigmoid(y[i]);
            }
        } else if (activation.kind == ACTIVATION_TANH) {
            for (int64_t i = 0; i < width; i++) {
                y[i] = tanhf(y[i]);
            }
        }
    }
}

static void activation_backward(int64_t n, int64_t width, int64_t first, int64_t last, struct activation activation,
                                const float *restrict y, float *restrict dy, float *restrict dbias) {
    if (dbias != NULL) {
        for (int64_t i = first; i < last; i++) {
            dbias[i] = 0;
        }
    }
    for (int64_t row = 0; row < n; row++, y += width, dy += width) {
        if (activation.kind == ACTIVATION_RELU || activation.kind == ACTIVATION_LEAKY_RELU) {
            for (int64_t i = first; i < last; i++) {
                dy[i] = y[i] <= 0 ? activation.slope * dy[i] : dy[i];
            }
        } else if (activation.kind == ACTIVATION_SIGMOID) {
            for (int64_t i = first; i < last; i++) {
                dy[i] *= y[i] * (1.0f - y[i]);
            }
        } else if (activation.kind == ACTIVATION_TANH) {
            for (int64_t i = first; i < last; i++) {
                dy[i] *= 1.0f - y[i] * y[i];
            }
        }
        if (dbias != NULL) {
            for (int64_t i = first; i < last; i++) {
                dbias[i] += dy[i];
            }
        }
    }
}

static void mask_gradient(int64_t n, int64_t width, bool rectify, float slope, const float *restrict y,
                          const float *restrict dy, float *restrict out, float *restrict sums) {
    for (int64_t row = 0; row < n; row++, y += width, dy += width, out += width) {
        if (rectify) {
            for (int64_t i = 0; i < width; i++) {
                out[i] = y[i] <= 0 ? slope * dy[i] : dy[i];
            }
        } else {
            memcpy(out, dy, (size_t)width * sizeof *out);
        }
        for (int64_t i = 0; i < width && sums != NULL; i++) {
            sums[i] += out[i];
        }
    }
}

static void dropout(int64_t first, int64_t last, uint32_t below, float factor, uint64_t key, const float *from,
                    float *to) {
    for (int64_t i = first; i < last; i++) {
        uint64_t bits = random_mix(key + (uint64_t)(i / 2)) >> (i % 2 * 32);
        to[i] = (uint32_t)bits < below ? 0.0f : from[i] * factor;
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
    .scale = scale,
    .bias_activation = bias_activation,
    .activation_backward = activation_backward,
    .mask = mask_gradient,
    .dropout = dropout,
    .adam = adam,
    .sgd = sgd,
};
