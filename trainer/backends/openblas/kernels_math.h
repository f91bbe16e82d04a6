/*
 * kernels_math.h: exp, log, tanh, sine and cosine of vectors of the set that is being compiled.
 *
 * Polynomials of Moshier's Cephes library (single precision); within 2 units in the last place on the ranges named. NaN
 * gives NaN. The C library's versions take one number at a time.
 */
#ifndef BACKENDS_KERNELS_MATH_H
#define BACKENDS_KERNELS_MATH_H

#include <string.h>

#include "kernels_vector.h"

typedef uint32_t words __attribute__((vector_size(VECTOR_BYTES)));

/* Before a loop whose turns touch each a place of their own. */
#ifdef __clang__
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

/* Nearest whole number of |value| < 2^22, as a float and (in the low bits of its sum with this) as an integer. */
#define ROUNDING 12582912.0f /* 1.5 × 2^23 */

/* 2^power for power in -126 .. 127 */
ALWAYS_INLINE vector power_of_two(mask power) {
    return (vector)(((words)power + 127u) << 23);
}

/* All floats: infinity above 88.7, 0 below -103.3; subnormal results are rounded twice. */
ALWAYS_INLINE vector vector_exp(vector x) {
    x = choose(x > splat(89.0f), splat(89.0f), x);
    x = choose(x < splat(-104.0f), splat(-104.0f), x);
    vector shifted = x * 1.44269504f + ROUNDING, whole = shifted - ROUNDING;
    mask power = (mask)((words)shifted - (words)splat(ROUNDING));
    vector rest = x - whole * 0.693359375f + whole * 2.12194440e-4f; /* log 2 in two parts: the first is exact */
    vector p = splat(1.9875691500e-4f);
    p = p * rest + 1.3981999507e-3f;
    p = p * rest + 8.3334519073e-3f;
    p = p * rest + 4.1665795894e-2f;
    p = p * rest + 1.6666665459e-1f;
    p = p * rest + 5.0000001201e-1f;
    p = p * (rest * rest) + rest + 1.0f;
    mask half = power >> 1; /* in two steps: 2^128 and 2^-150 are no floats, the result may be one */
    return p * power_of_two(half) * power_of_two(power - half);
}

ALWAYS_INLINE vector vector_sigmoid(vector x) {
    return 1.0f / (1.0f + vector_exp(-x));
}

ALWAYS_INLINE vector vector_tanh(vector x) {
    words sign = (words)x & 0x80000000u;
    vector size = (vector)((words)x & 0x7fffffffu), z = size * size;
    vector p = splat(-5.70498872745e-3f);
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    vector near = p * z * size + size, far = 1.0f - 2.0f / (vector_exp(size + size) + 1.0f);
    return (vector)((words)choose(size < splat(0.625f), near, far) | sign);
}

/* For normal x > 0. */
ALWAYS_INLINE vector vector_log(vector x) {
    mask power = (mask)((words)x >> 23) - 126;
    vector m = (vector)(((words)x & 0x007fffffu) | 0x3f000000u); /* in [0.5, 1) */
    mask small = m < splat(0.707106781f);
    power += small; /* the mask is -1 */
    m = choose(small, m + m, m) - 1.0f;
    vector z = m * m, p = splat(7.0376836292e-2f), e = __builtin_convertvector(power, vector);
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    vector y = p * z * m - 2.12194440e-4f * e - 0.5f * z;
    return m + y + 0.693359375f * e;
}

/* Sine and cosine of 2 pi × turn, 0 <= turn < 1. */
ALWAYS_INLINE void vector_turn(vector turn, vector *ret_sine, vector *ret_cosine) {
    vector shifted = turn * 4.0f + ROUNDING;
    words quadrant = (words)shifted - (words)splat(ROUNDING);
    vector a = (turn - (shifted - ROUNDING) * 0.25f) * 6.28318531f, z = a * a; /* exact up to the product */
    vector s = splat(-1.9515295891e-4f), c = splat(2.443315711809948e-5f);
    s = s * z + 8.3321608736e-3f;
    s = s * z - 1.6666654611e-1f;
    s = s * z * a + a;
    c = c * z - 1.388731625493765e-3f;
    c = c * z + 4.166664568298827e-2f;
    c = c * z * z - 0.5f * z + 1.0f;
    mask odd = (mask)((quadrant & 1u) != 0u);
    *ret_sine = (vector)((words)choose(odd, c, s) ^ (quadrant & 2u) << 30);
    *ret_cosine = (vector)((words)choose(odd, s, c) ^ ((quadrant + 1u) & 2u) << 30);
}

/* The first `count` of a vector, at most KERNELS_WIDTH; the others are 0. */
ALWAYS_INLINE vector load_some(const float *from, int64_t count) {
    float values[KERNELS_WIDTH] = {0};
    memcpy(values, from, (size_t)count * sizeof *values);
    return load(values);
}

ALWAYS_INLINE void store_some(float *to, vector value, int64_t count) {
    float values[KERNELS_WIDTH];
    store(values, value);
    memcpy(to, values, (size_t)count * sizeof *values);
}

#endif
