/*
 * kernels_loss.c: the parts of the losses that touch every number.
 */
#include "kernels_math.h"

void SET(exp)(int64_t count, float *x) {
    int64_t i = 0;
    for (; i + KERNELS_WIDTH <= count; i += KERNELS_WIDTH) {
        store(x + i, vector_exp(load(x + i)));
    }
    if (i < count) store_some(x + i, vector_exp(load_some(x + i, count - i)), count - i);
}

ALWAYS_INLINE vector squared(vector y, vector target, float factor, vector *ret_slope) {
    vector error = y - target;
    *ret_slope = error * factor;
    return error * error;
}

double SET(squared_error)(int64_t count, float factor, const float *y, const float *target, float *dy) {
    vector sums[4] = {{0}}, slope;
    int64_t i = 0;
    for (int lane = 0; i + KERNELS_WIDTH <= count; i += KERNELS_WIDTH, lane = (lane + 1) % 4) {
        sums[lane] += squared(load(y + i), load(target + i), factor, &slope);
        if (dy != NULL) store(dy + i, slope);
    }
    if (i < count) {
        sums[0] += squared(load_some(y + i, count - i), load_some(target + i, count - i), factor, &slope);
        if (dy != NULL) store_some(dy + i, slope, count - i);
    }
    double sum = 0;
    for (int lane = 0; lane < KERNELS_WIDTH; lane++) {
        sum += ((double)sums[0][lane] + (double)sums[1][lane]) + ((double)sums[2][lane] + (double)sums[3][lane]);
    }
    return sum;
}

bool SET(is_finite)(int64_t count, const float *x) {
    const int64_t block = 4096;
    for (int64_t at = 0; at < count; at += block) {
        int64_t last = count - at < block ? count : at + block;
        uint32_t found = 0;
        for (int64_t i = at; i < last; i++) {
            uint32_t bits;
            memcpy(&bits, x + i, sizeof bits);
            found |= (bits & 0x7f800000u) == 0x7f800000u;
        }
        if (found != 0) return false;
    }
    return true;
}
