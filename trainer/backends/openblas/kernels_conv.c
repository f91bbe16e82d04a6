/*
 * kernels_conv.c: direct convolution forward, its pooled and activated output.
 *
 * A tile of pixels × filters is kept in registers while all of a window is summed, in the order row, column, channel;
 * the filters stream from the second-level cache.
 */
#include <string.h>

#include "kernels_vector.h"

#if KERNELS_REGISTERS >= 28
#define TILE_PIXELS 14
#else
#define TILE_PIXELS 6
#endif

/* out (pixels, kp), `vectors` vectors of filters. Constants after inlining: pixels, vectors. */
ALWAYS_INLINE void tile(const struct row_job *job, const float *x, const float *filters, float *out, int pixels,
                        int vectors) {
    vector sum[TILE_PIXELS][2];
    UNROLL
    for (int p = 0; p < pixels; p++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            sum[p][v] = (vector){0};
        }
    }
    int64_t kp = job->kp, run = job->run, step = job->pixel_stride;
    for (int64_t row = 0; row < job->kh; row++) {
        const float *pixel = x + row * job->row_stride;
        for (int64_t i = 0; i < run; i++, filters += kp) {
            vector w[2];
            UNROLL
            for (int v = 0; v < vectors; v++) {
                w[v] = load(filters + v * KERNELS_WIDTH);
            }
            UNROLL
            for (int p = 0; p < pixels; p++) {
                vector value = splat(pixel[i + p * step]);
                UNROLL
                for (int v = 0; v < vectors; v++) {
                    sum[p][v] += value * w[v];
                }
            }
        }
    }
    UNROLL
    for (int p = 0; p < pixels; p++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            store(out + p * kp + v * KERNELS_WIDTH, sum[p][v]);
        }
    }
}

ALWAYS_INLINE void tile_any(const struct row_job *job, const float *x, const float *filters, float *out, int pixels,
                            int vectors) {
    switch (pixels) {
#define CASE(count)                                                                                                    \
    case count:                                                                                                        \
        tile(job, x, filters, out, count, vectors);                                                                    \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
#if TILE_PIXELS > 6
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
        CASE(13)
        CASE(14)
#endif
#undef CASE
    default:
        break;
    }
}

static __attribute__((noinline)) void tile_one(const struct row_job *job, const float *x, const float *filters,
                                               float *out, int pixels) {
    tile_any(job, x, filters, out, pixels, 1);
}

static __attribute__((noinline)) void tile_two(const struct row_job *job, const float *x, const float *filters,
                                               float *out, int pixels) {
    tile_any(job, x, filters, out, pixels, 2);
}

void SET(conv_row)(const struct row_job *job) {
    int64_t tiles = (job->columns + TILE_PIXELS - 1) / TILE_PIXELS;
    for (int64_t k = 0; k < job->kp; k += 2 * KERNELS_WIDTH) {
        bool two = job->kp - k >= 2 * KERNELS_WIDTH;
        int64_t column = 0;
        for (int64_t left = tiles; left > 0; left--) {
            int pixels = (int)((job->columns - column + left - 1) / left); /* tiles of nearly equal size */
            const float *x = job->x + column * job->pixel_stride;
            float *out = job->out + column * job->kp + k;
            (two ? tile_two : tile_one)(job, x, job->filters + k, out, pixels);
            column += pixels;
        }
    }
}

ALWAYS_INLINE float rectified_one(float value, float slope) {
    if (value < 0) return slope > 0 ? slope * value : 0; /* not 0 × value: that of -infinity is NaN */
    return value;                                        /* keeps NaN */
}

/* One output pixel without a pool. */
static void finish_plain(const struct finish_job *job, const float *from, float *y) {
    int64_t k = 0;
    for (; k + KERNELS_WIDTH <= job->k; k += KERNELS_WIDTH) {
        vector value = load(from + k) + load(job->bias + k);
        if (job->rectify) value = rectified(value, job->slope);
        store(y + k, value);
    }
    for (; k < job->k; k++) {
        float value = from[k] + job->bias[k];
        y[k] = job->rectify ? rectified_one(value, job->slope) : value;
    }
}

/* `width` filters of one window, from k on; the first of equals wins, NaN wins over numbers. */
ALWAYS_INLINE void finish_window(const struct finish_job *job, const float *from, int64_t k, float *y,
                                 uint8_t *winner) {
    vector best = load(from + k);
    mask place = {0};
    for (int64_t row = 0; row < job->pool; row++) {
        for (int64_t column = row == 0 ? 1 : 0; column < job->pool; column++) {
            vector value = load(from + row * job->row_floats + column * job->kp + k);
            mask more = (value > best) | (value != value);
            best = choose(more, value, best);
            place = (place & ~more) | (more & (int32_t)(row * job->pool + column));
        }
    }
    best += load(job->bias + k);
    if (job->rectify) best = rectified(best, job->slope);
    int64_t left = job->k - k;
    if (left >= KERNELS_WIDTH) {
        bytes places = __builtin_convertvector(place, bytes);
        store(y + k, best);
        memcpy(winner + k, &places, sizeof places);
    } else {
        for (int i = 0; i < left; i++) {
            y[k + i] = best[i];
            winner[k + i] = (uint8_t)place[i];
        }
    }
}

void SET(conv_finish)(const struct finish_job *job) {
    for (int64_t column = 0; column < job->columns; column++) {
        const float *from = job->rows + column * job->pool * job->kp;
        float *y = job->y + column * job->k;
        if (job->pool == 1) {
            finish_plain(job, from, y);
        } else {
            for (int64_t k = 0; k < job->k; k += KERNELS_WIDTH) {
                finish_window(job, from, k, y, job->winner + column * job->k);
            }
        }
    }
}
