/*
 * elements.h: what the kernels do to one element, one row or one window: plain functions that compile as C, too.
 *
 * So the arithmetic is tested on any CPU; a kernel only says which thread does which element. The random numbers are
 * those of random.h, bit for bit (its functions cannot be called on a device).
 */
#ifndef BACKENDS_CUDA_ELEMENTS_H
#define BACKENDS_CUDA_ELEMENTS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend.h"

#ifdef __CUDACC__
#define ELEMENT static __host__ __device__ __forceinline__
#else
#define ELEMENT static inline
#endif

/* ---- random numbers ---- */

ELEMENT uint64_t element_mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

ELEMENT float element_uniform(uint64_t key, uint64_t index) {
    return (float)(element_mix(key + index) >> 40) / 16777216.0f;
}

/* Values 2 × pair and 2 × pair + 1 of the standard normal stream (Box and Muller 1958). */
ELEMENT void element_normals(uint64_t key, uint64_t pair, float *ret_first, float *ret_second) {
    double u = 1.0 - (double)element_uniform(key, 2 * pair); /* above 0: its logarithm is finite */
    double angle = 6.283185307179586 * (double)element_uniform(key, 2 * pair + 1), radius = sqrt(-2.0 * log(u));
    *ret_first = (float)(radius * cos(angle));
    *ret_second = (float)(radius * sin(angle));
}

/* Elements whose 32 bits are below this are dropped. */
ELEMENT uint32_t element_dropout_limit(double p) {
    double below = p * 4294967296.0;
    return below >= 4294967295.0 ? UINT32_MAX : (uint32_t)below;
}

ELEMENT uint64_t element_dropout_key(uint64_t step_key, uint64_t place) {
    return element_mix(step_key ^ element_mix(place));
}

/* The 64 bits that elements 2 × pair (low half) and 2 × pair + 1 (high half) share. */
ELEMENT uint64_t element_dropout_bits(uint64_t key, uint64_t pair) {
    return element_mix(key + pair);
}

/* ---- activations ---- */

ELEMENT float element_activate(struct activation activation, float x) {
    switch (activation.kind) {
    case ACTIVATION_RELU:
        return x < 0 ? 0 : x; /* not 0 × x: that of -infinity is NaN */
    case ACTIVATION_LEAKY_RELU:
        return x < 0 ? activation.slope * x : x;
    case ACTIVATION_SIGMOID:
        return 1.0f / (1.0f + expf(-x));
    case ACTIVATION_TANH:
        return tanhf(x);
    case ACTIVATION_NONE:
        break;
    }
    return x;
}

/* dy through the activation whose output was y. */
ELEMENT float element_back(struct activation activation, float y, float dy) {
    switch (activation.kind) {
    case ACTIVATION_RELU:
        return y <= 0 ? 0 : dy; /* not 0 × dy: that of infinity is NaN */
    case ACTIVATION_LEAKY_RELU:
        return y <= 0 ? activation.slope * dy : dy;
    case ACTIVATION_SIGMOID:
        return dy * (y * (1.0f - y));
    case ACTIVATION_TANH:
        return dy * (1.0f - y * y);
    case ACTIVATION_NONE:
        break;
    }
    return dy;
}

/* ---- windows: places in an image (h, w) of the element that window (row, column) has at `winner` ---- */

/* Whether `value` replaces `best`, which came before it: the first of equals stays, NaN always wins. */
ELEMENT bool element_wins(float value, float best) {
    return value > best || value != value;
}

/* Of a pool with windows size × size: offset of the winner in its image, in pixels. */
ELEMENT int64_t element_winner_pixel(int64_t cell, int64_t out_w, int64_t stride, int64_t size, int64_t w,
                                     uint8_t winner) {
    int64_t row = cell / out_w * stride + winner / size, column = cell % out_w * stride + winner % size;
    return row * w + column;
}

/* First and last+1 of the windows (along one axis) that reach place `at`; out windows of `size`, `stride` apart. */
ELEMENT void element_windows(int64_t at, int64_t size, int64_t stride, int64_t out, int64_t *ret_first,
                             int64_t *ret_last) {
    *ret_first = at < size ? 0 : (at - size) / stride + 1;
    int64_t last = at / stride + 1;
    *ret_last = last < out ? last : out;
}

/* ---- losses ---- */

struct element_row {
    float top;    /* largest logit */
    int64_t best; /* its place, the first of equals */
    double sum;   /* of e^(logit - top) */
};

ELEMENT struct element_row element_softmax_row(int64_t classes, const float *logits) {
    struct element_row row = {logits[0], 0, 0};
    for (int64_t c = 1; c < classes; c++) {
        if (logits[c] > row.top) {
            row.top = logits[c];
            row.best = c;
        }
    }
    for (int64_t c = 0; c < classes; c++) {
        row.sum += exp((double)(logits[c] - row.top));
    }
    return row;
}

ELEMENT double element_probability(struct element_row row, float logit) {
    return exp((double)(logit - row.top)) / row.sum;
}

/* Cross-entropy; NaN for a label that is no class. */
ELEMENT double element_cross_entropy(struct element_row row, int64_t classes, const float *logits, int64_t label) {
    return label < classes ? log(row.sum) - (double)(logits[label] - row.top) : (double)NAN;
}

/* Loss of one logit against target 0 or 1, and its slope. */
ELEMENT double element_logit_loss(enum logit_loss kind, double x, double target, double *ret_slope) {
    if (kind == LOGIT_SQUARED) {
        *ret_slope = 2 * (x - target);
        return (x - target) * (x - target);
    }
    /* The loss is log(1 + e^z), its slope by z sigmoid(z); neither overflows nor subtracts numbers that are near. */
    double z = target > 0.5 ? -x : x, small = exp(-fabs(z));
    double sigmoid = z >= 0 ? 1 / (1 + small) : small / (1 + small);
    *ret_slope = z != z ? z : target > 0.5 ? -sigmoid : sigmoid;
    return (z > 0 || z != z ? z : 0) + log1p(small);
}

/* KL of one code number: -½ (1 + log variance - mu² - variance). */
ELEMENT double element_kl(double mu, double log_variance) {
    return -0.5 * (1 + log_variance - mu * mu - exp(log_variance));
}

ELEMENT float element_latent(float mu, float log_variance, float noise) {
    return mu + expf(0.5f * log_variance) * noise;
}

ELEMENT float element_latent_mu_back(float mu, float dz, float kl_weight) {
    return dz + kl_weight * mu;
}

ELEMENT float element_latent_variance_back(float log_variance, float noise, float dz, float kl_weight) {
    float deviation = expf(0.5f * log_variance);
    return dz * noise * 0.5f * deviation + kl_weight * 0.5f * (deviation * deviation - 1.0f);
}

/* ---- batch normalisation of one channel ---- */

struct element_norm {
    float mean, inverse; /* 1 / sqrt(variance + epsilon) */
    float unbiased;      /* variance, for the running one */
};

/* From Σ x and Σ x² over the rows. */
ELEMENT struct element_norm element_norm_of(double sum, double squares, int64_t rows, double epsilon) {
    double mean = sum / (double)rows, variance = squares / (double)rows - mean * mean;
    variance = variance < 0 ? 0 : variance; /* rounding; a NaN stays */
    double unbiased = rows > 1 ? variance * (double)rows / (double)(rows - 1) : variance;
    struct element_norm norm = {(float)mean, (float)(1 / sqrt(variance + epsilon)), (float)unbiased};
    return norm;
}

ELEMENT float element_running(float running, float batch, double momentum) {
    return (float)((1 - momentum) * (double)running + momentum * (double)batch);
}

ELEMENT float element_normalise(float x, float mean, float inverse, float scale, float shift) {
    return (x - mean) * inverse * scale + shift;
}

/* Means over the rows of dy and of dy × normalised x. */
ELEMENT float element_norm_back(float x, float mean, float inverse, float scale, float dy, float mean_dy,
                                float mean_product) {
    return scale * inverse * (dy - mean_dy - (x - mean) * inverse * mean_product);
}

/* ---- optimisers ---- */

/* Rounded once from double (1 - 0.999f is not the float nearest to 0.001). */
struct element_adam {
    float beta1, beta1_rest, beta2, beta2_rest;
    float weight_decay, epsilon;
    float step_size, root_correction;
};

ELEMENT struct element_adam element_adam_of(const struct adam *adam, double lr, uint64_t step) {
    struct element_adam made;
    made.beta1 = (float)adam->beta1;
    made.beta1_rest = (float)(1 - adam->beta1);
    made.beta2 = (float)adam->beta2;
    made.beta2_rest = (float)(1 - adam->beta2);
    made.weight_decay = (float)adam->weight_decay;
    made.epsilon = (float)adam->epsilon;
    made.step_size = (float)(lr / (1 - pow(adam->beta1, (double)step)));
    made.root_correction = (float)(1 / sqrt(1 - pow(adam->beta2, (double)step)));
    return made;
}

/* The new weight; m and v are updated. */
ELEMENT float element_adam_step(const struct element_adam *adam, float w, float g, float *m, float *v) {
    float slope = g + adam->weight_decay * w;
    *m = adam->beta1 * *m + adam->beta1_rest * slope;
    *v = adam->beta2 * *v + adam->beta2_rest * slope * slope;
    return w - adam->step_size * *m / (sqrtf(*v) * adam->root_correction + adam->epsilon);
}

ELEMENT float element_sgd_step(float lr, float momentum, float weight_decay, float w, float g, float *velocity) {
    *velocity = momentum * *velocity + (g + weight_decay * w);
    return w - lr * *velocity;
}

#endif
