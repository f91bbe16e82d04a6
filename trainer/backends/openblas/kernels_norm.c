/*
 * kernels_norm.c: batch normalisation of rows, channels last. Sums in double.
 */
#include "kernels_math.h"

void SET(norm_moments)(int64_t rows, int64_t channels, const float *x, const float *pivot, double *restrict sum,
                       double *restrict square) {
    for (int64_t row = 0; row < rows; row++, x += channels) {
        for (int64_t c = 0; c < channels; c++) {
            double value = (double)x[c] - (double)pivot[c];
            sum[c] += value;
            square[c] += value * value;
        }
    }
}

void SET(norm_slopes)(int64_t rows, int64_t channels, const float *x, const float *mean, const float *factor,
                      const float *dy, double *restrict sum, double *restrict product) {
    for (int64_t row = 0; row < rows; row++, x += channels, dy += channels) {
        for (int64_t c = 0; c < channels; c++) {
            sum[c] += (double)dy[c];
            product[c] += (double)(dy[c] * ((x[c] - mean[c]) * factor[c]));
        }
    }
}

void SET(norm_apply)(int64_t rows, int64_t channels, const float *restrict x, const float *restrict mean,
                     const float *restrict factor, const float *restrict scale, const float *restrict shift,
                     float *restrict y) {
    for (int64_t row = 0; row < rows; row++, x += channels, y += channels) {
        for (int64_t c = 0; c < channels; c++) {
            y[c] = (x[c] - mean[c]) * factor[c] * scale[c] + shift[c];
        }
    }
}

void SET(norm_backward)(int64_t rows, int64_t channels, const float *restrict x, const float *restrict mean,
                        const float *restrict factor, const float *restrict scale, const float *restrict slope,
                        const float *restrict product, const float *dy, float *dx) {
    for (int64_t row = 0; row < rows; row++, x += channels, dy += channels, dx += channels) {
        /* dx may be dy: the same place is read, then written */
        INDEPENDENT
        for (int64_t c = 0; c < channels; c++) {
            float normal = (x[c] - mean[c]) * factor[c];
            dx[c] = scale[c] * factor[c] * (dy[c] - slope[c] - normal * product[c]);
        }
    }
}
