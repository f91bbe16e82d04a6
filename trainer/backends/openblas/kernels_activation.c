/*
 * kernels_activation.c: bias and activation of rows, and their gradient.
 *
 * Rows that are narrow (a picture of one channel has rows of one number) are taken many at a time, beside as many
 * copies of the bias, so that vectors are full.
 */
#include "kernels_math.h"

#define CHUNK 512 /* floats: rows narrower than half of it are joined */

/* A constant after inlining: kind. */
ALWAYS_INLINE vector activated(vector x, enum activation_kind kind, float slope) {
    if (kind == ACTIVATION_RELU) return choose(x < (vector){0}, (vector){0}, x);
    if (kind == ACTIVATION_LEAKY_RELU) return rectified(x, slope);
    if (kind == ACTIVATION_SIGMOID) return vector_sigmoid(x);
    return kind == ACTIVATION_TANH ? vector_tanh(x) : x;
}

ALWAYS_INLINE void activate_as(int64_t count, const float *bias, float *y, enum activation_kind kind, float slope) {
    int64_t i = 0;
    for (; i + KERNELS_WIDTH <= count; i += KERNELS_WIDTH) {
        vector x = load(y + i);
        if (bias != NULL) x += load(bias + i);
        store(y + i, activated(x, kind, slope));
    }
    if (i < count) {
        vector x = load_some(y + i, count - i);
        if (bias != NULL) x += load_some(bias + i, count - i);
        store_some(y + i, activated(x, kind, slope), count - i);
    }
}

static void activate(int64_t count, const float *bias, struct activation activation, float *y) {
    switch (activation.kind) {
    case ACTIVATION_RELU:
        activate_as(count, bias, y, ACTIVATION_RELU, 0);
        break;
    case ACTIVATION_LEAKY_RELU:
        activate_as(count, bias, y, ACTIVATION_LEAKY_RELU, activation.slope);
        break;
    case ACTIVATION_SIGMOID:
        activate_as(count, bias, y, ACTIVATION_SIGMOID, 0);
        break;
    case ACTIVATION_TANH:
        activate_as(count, bias, y, ACTIVATION_TANH, 0);
        break;
    case ACTIVATION_NONE:
        if (bias != NULL) activate_as(count, bias, y, ACTIVATION_NONE, 0);
        break;
    }
}

void SET(bias_activation)(int64_t n, int64_t width, const float *bias, struct activation activation, float *y) {
    float copies[CHUNK];
    if (bias == NULL) {
        activate(n * width, NULL, activation, y);
        return;
    }
    int64_t joined = width <= CHUNK / 2 ? CHUNK / width : 1;
    for (int64_t row = 0; joined > 1 && row < joined && row < n; row++) {
        memcpy(copies + row * width, bias, (size_t)width * sizeof *bias);
    }
    for (int64_t row = 0; row < n; row += joined) {
        int64_t rows = row + joined <= n ? joined : n - row;
        activate(rows * width, joined > 1 ? copies : bias, activation, y + row * width);
    }
}

ALWAYS_INLINE vector sloped(vector y, vector dy, enum activation_kind kind, float slope) {
    if (kind == ACTIVATION_RELU) return choose(y <= (vector){0}, (vector){0}, dy);
    if (kind == ACTIVATION_LEAKY_RELU) return choose(y <= (vector){0}, dy * slope, dy);
    if (kind == ACTIVATION_SIGMOID) return dy * (y * (1.0f - y));
    return kind == ACTIVATION_TANH ? dy * (1.0f - y * y) : dy;
}

ALWAYS_INLINE void slope_as(int64_t count, const float *y, float *dy, float *sums, enum activation_kind kind,
                            float slope) {
    int64_t i = 0;
    for (; i + KERNELS_WIDTH <= count; i += KERNELS_WIDTH) {
        vector d = sloped(kind != ACTIVATION_NONE ? load(y + i) : (vector){0}, load(dy + i), kind, slope);
        if (kind != ACTIVATION_NONE) store(dy + i, d);
        if (sums != NULL) store(sums + i, load(sums + i) + d);
    }
    if (i < count) {
        int64_t left = count - i;
        vector d = sloped(kind != ACTIVATION_NONE ? load_some(y + i, left) : (vector){0}, load_some(dy + i, left), kind,
                          slope);
        if (kind != ACTIVATION_NONE) store_some(dy + i, d, left);
        if (sums != NULL) store_some(sums + i, load_some(sums + i, left) + d, left);
    }
}

static void backward(int64_t count, struct activation activation, const float *y, float *dy, float *sums) {
    switch (activation.kind) {
    case ACTIVATION_RELU:
        slope_as(count, y, dy, sums, ACTIVATION_RELU, 0);
        break;
    case ACTIVATION_LEAKY_RELU:
        slope_as(count, y, dy, sums, ACTIVATION_LEAKY_RELU, activation.slope);
        break;
    case ACTIVATION_SIGMOID:
        slope_as(count, y, dy, sums, ACTIVATION_SIGMOID, 0);
        break;
    case ACTIVATION_TANH:
        slope_as(count, y, dy, sums, ACTIVATION_TANH, 0);
        break;
    case ACTIVATION_NONE:
        if (sums != NULL) slope_as(count, NULL, dy, sums, ACTIVATION_NONE, 0);
        break;
    }
}

void SET(activation_backward)(int64_t n, int64_t width, struct activation activation, const float *y, float *dy,
                              float *sums) {
    float columns[CHUNK] = {0};
    if (sums == NULL) {
        backward(n * width, activation, y, dy, NULL);
        return;
    }
    int64_t joined = width <= CHUNK / 2 ? CHUNK / width : 1;
    for (int64_t row = 0; row < n; row += joined) {
        int64_t rows = row + joined <= n ? joined : n - row, at = row * width;
        /* y may be NULL without an activation */
        backward(rows * width, activation, y != NULL ? y + at : NULL, dy + at, joined > 1 ? columns : sums);
    }
    for (int64_t row = 0; joined > 1 && row < joined && row < n; row++) {
        for (int64_t i = 0; i < width; i++) {
            sums[i] += columns[row * width + i];
        }
    }
}
