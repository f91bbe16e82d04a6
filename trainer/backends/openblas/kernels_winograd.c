/*
 * kernels_winograd.c: the transforms of Winograd's minimal filtering, on vectors of channels.
 *
 * Points 0, ±3/4, ±3/2, ∞ for 3 × 3 filters: half the rounding error of the usual 0, ±1, ±2, ∞ (measured against
 * float64). Points 0, ±1, ±2, ±1/2, ∞ for 5 × 5: Bᵀ is that of Lavin and Gray's F(6×6, 3×3), which has the same points.
 * a and -a share the even and the odd half of their polynomial. Everything is inlined with `side` and `pool` constant.
 */
#include "kernels_winograd.h"

#include <string.h>

#include "kernels_vector.h"

#define SIDE_MAX 8
#define TILE WINOGRAD_TILE

/* Polynomial products: to[i × step] = Bᵀ from. */
ALWAYS_INLINE void input_line(int side, const vector *d, vector *to) {
    if (side == 6) {
        vector even = d[4] - 2.25f * d[2], odd = 0.75f * d[3] - 1.6875f * d[1];
        vector even2 = d[4] - 0.5625f * d[2], odd2 = 1.5f * d[3] - 0.84375f * d[1];
        to[0] = 1.265625f * d[0] + (d[4] - 2.8125f * d[2]);
        to[1] = even + odd;
        to[2] = even - odd;
        to[3] = even2 + odd2;
        to[4] = even2 - odd2;
        to[5] = 1.265625f * d[1] + (d[5] - 2.8125f * d[3]);
    } else {
        vector even = d[2] + d[6] - 4.25f * d[4], odd = d[1] + d[5] - 4.25f * d[3];
        vector even2 = 0.25f * d[2] + d[6] - 1.25f * d[4], odd2 = 0.5f * d[1] + 2 * d[5] - 2.5f * d[3];
        vector even3 = 4 * d[2] + d[6] - 5 * d[4], odd3 = 2 * d[1] + 0.5f * d[5] - 2.5f * d[3];
        to[0] = d[0] - d[6] + 5.25f * (d[4] - d[2]);
        to[1] = even + odd;
        to[2] = even - odd;
        to[3] = even2 + odd2;
        to[4] = even2 - odd2;
        to[5] = even3 + odd3;
        to[6] = even3 - odd3;
        to[7] = d[7] - d[1] + 5.25f * (d[3] - d[5]);
    }
}

/* to (4) = Aᵀ m */
ALWAYS_INLINE void output_line(int side, const vector *m, vector *to) {
    vector sum = m[1] + m[2], difference = m[1] - m[2], sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    if (side == 6) {
        to[0] = m[0] + sum + sum2;
        to[1] = 0.75f * difference + 1.5f * difference2;
        to[2] = 0.5625f * sum + 2.25f * sum2;
        to[3] = 0.421875f * difference + 3.375f * difference2 + m[5];
    } else {
        vector sum3 = m[5] + m[6], difference3 = m[5] - m[6];
        to[0] = m[0] + sum + (sum2 + sum3);
        to[1] = difference + (2 * difference2 + 0.5f * difference3);
        to[2] = sum + (4 * sum2 + 0.25f * sum3);
        to[3] = difference + (8 * difference2 + 0.125f * difference3) + m[7];
    }
}

/* to (side) = G w */
ALWAYS_INLINE void filter_line(int side, const vector *w, vector *to) {
    if (side == 6) {
        vector ends = (w[0] + 0.5625f * w[2]) * (-128.0f / 243), middle = w[1] * (-96.0f / 243);
        vector ends2 = (w[0] + 2.25f * w[2]) * (32.0f / 243), middle2 = w[1] * (48.0f / 243);
        to[0] = w[0] * (64.0f / 81);
        to[1] = ends + middle;
        to[2] = ends - middle;
        to[3] = ends2 + middle2;
        to[4] = ends2 - middle2;
        to[5] = w[2];
    } else {
        vector even = (w[0] + w[2] + w[4]) * (-2.0f / 9), odd = (w[1] + w[3]) * (-2.0f / 9);
        vector even2 = (w[0] + 4 * w[2] + 16 * w[4]) * (1.0f / 90), odd2 = (2 * w[1] + 8 * w[3]) * (1.0f / 90);
        vector even3 = (16 * w[0] + 4 * w[2] + w[4]) * (2.0f / 45), odd3 = (8 * w[1] + 2 * w[3]) * (2.0f / 45);
        to[0] = w[0];
        to[1] = even + odd;
        to[2] = even - odd;
        to[3] = even2 + odd2;
        to[4] = even2 - odd2;
        to[5] = even3 + odd3;
        to[6] = even3 - odd3;
        to[7] = w[4];
    }
}

ALWAYS_INLINE void input_tile(const struct winograd_input_job *job, int side) {
    for (int64_t c = 0; c < job->channels; c += KERNELS_WIDTH) {
        vector half[SIDE_MAX][SIDE_MAX]; /* (point, column) */
        for (int column = 0; column < side; column++) {
            vector d[SIDE_MAX], points[SIDE_MAX];
            UNROLL
            for (int row = 0; row < side; row++) {
                d[row] = load(job->pixels + row * job->row + column * job->channels + c);
            }
            input_line(side, d, points);
            UNROLL
            for (int point = 0; point < side; point++) {
                half[point][column] = points[point];
            }
        }
        for (int row = 0; row < side; row++) {
            vector points[SIDE_MAX];
            input_line(side, half[row], points);
            UNROLL
            for (int point = 0; point < side; point++) {
                store(job->out + (row * side + point) * job->stride + c, points[point]);
            }
        }
    }
}

static void input(const struct winograd_input_job *job) {
    if (job->side == 6) {
        input_tile(job, 6);
    } else {
        input_tile(job, 8);
    }
}

ALWAYS_INLINE void filter_channel(const struct winograd_filter_job *job, int side) {
    int size = side + 1 - TILE;
    for (int64_t k = 0; k < job->kp; k += KERNELS_WIDTH) {
        vector half[SIDE_MAX][SIDE_MAX]; /* (point, column) */
        for (int column = 0; column < size; column++) {
            vector w[SIDE_MAX], points[SIDE_MAX];
            UNROLL
            for (int row = 0; row < size; row++) {
                w[row] = load(job->w + (row * size + column) * job->pixel + k);
            }
            filter_line(side, w, points);
            UNROLL
            for (int point = 0; point < side; point++) {
                half[point][column] = points[point];
            }
        }
        for (int row = 0; row < side; row++) {
            vector points[SIDE_MAX];
            filter_line(side, half[row], points);
            UNROLL
            for (int point = 0; point < side; point++) {
                store(job->out + (row * side + point) * job->stride + k, points[point]);
            }
        }
    }
}

static void filter(const struct winograd_filter_job *job) {
    if (job->side == 6) {
        filter_channel(job, 6);
    } else {
        filter_channel(job, 8);
    }
}

/* The first `count` of a vector. */
ALWAYS_INLINE void store_some(float *to, vector value, int64_t count) {
    if (count >= KERNELS_WIDTH) {
        store(to, value);
    } else {
        for (int i = 0; i < count; i++) {
            to[i] = value[i];
        }
    }
}

/* The largest of a window, the first of equals; NaN wins over numbers. */
ALWAYS_INLINE vector window(vector outputs[TILE][TILE], int row, int column, int pool, mask *ret_place) {
    vector best = outputs[row][column];
    mask place = {0};
    UNROLL
    for (int i = 1; i < pool * pool; i++) {
        vector value = outputs[row + i / pool][column + i % pool];
        mask more = (value > best) | (value != value);
        best = choose(more, value, best);
        place = (place & ~more) | (more & i);
    }
    *ret_place = place;
    return best;
}

ALWAYS_INLINE void finish_tile(const struct winograd_output_job *job, vector outputs[TILE][TILE], int64_t k, int pool) {
    vector bias = load(job->bias + k);
    int64_t left = job->k - k;
    for (int row = 0; row < job->rows; row++) {
        for (int column = 0; column < job->columns; column++) {
            int64_t at = (row * job->y_row + column) * job->k + k;
            mask place;
            vector value = window(outputs, row * pool, column * pool, pool, &place) + bias;
            store_some(job->y + at, job->rectify ? rectified(value, job->slope) : value, left);
            if (pool > 1) {
                bytes places = __builtin_convertvector(place, bytes);
                memcpy(job->winner + at, &places, left >= KERNELS_WIDTH ? KERNELS_WIDTH : (size_t)left);
            }
        }
    }
}

ALWAYS_INLINE void output_tile(const struct winograd_output_job *job, int side, int pool) {
    for (int64_t k = 0; k < job->k; k += KERNELS_WIDTH) {
        vector half[TILE][SIDE_MAX]; /* (output row, point) */
        for (int point = 0; point < side; point++) {
            vector m[SIDE_MAX], to[TILE];
            UNROLL
            for (int row = 0; row < side; row++) {
                m[row] = load(job->m + (row * side + point) * job->stride + k);
            }
            output_line(side, m, to);
            UNROLL
            for (int row = 0; row < TILE; row++) {
                half[row][point] = to[row];
            }
        }
        vector outputs[TILE][TILE];
        UNROLL
        for (int row = 0; row < TILE; row++) {
            output_line(side, half[row], outputs[row]);
        }
        for (unsigned zeros = job->zeros; zeros != 0; zeros &= zeros - 1) {
            int place = __builtin_ctz(zeros);
            outputs[place / TILE][place % TILE] = (vector){0};
        }
        finish_tile(job, outputs, k, pool);
    }
}

#define OUTPUT(side, pool)                                                                                             \
    static __attribute__((noinline)) void output_##side##_##pool(const struct winograd_output_job *job) {              \
        output_tile(job, side, pool);                                                                                  \
    }
OUTPUT(6, 1)
OUTPUT(6, 2)
OUTPUT(6, 4)
OUTPUT(8, 1)
OUTPUT(8, 2)
OUTPUT(8, 4)

static void output(const struct winograd_output_job *job) {
    if (job->side == 6) {
        (job->pool == 1 ? output_6_1 : job->pool == 2 ? output_6_2 : output_6_4)(job);
    } else {
        (job->pool == 1 ? output_8_1 : job->pool == 2 ? output_8_2 : output_8_4)(job);
    }
}

const struct winograd_kernels SET(winograd_kernels) = {.input = input, .output = output, .filter = filter};
