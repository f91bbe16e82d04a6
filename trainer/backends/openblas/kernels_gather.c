/*
 * kernels_gather.c: weighted sums of runs of floats, the heart of both convolution gradients.
 *
 * Only the gradients that are not zero are visited. A block of rows × vectors of sums stays in registers while all
 * entries pass; each product's second factor comes straight from memory.
 */
#include "kernels_vector.h"

#if KERNELS_REGISTERS >= 28
#define BLOCK_VECTORS 10
#define BLOCK_SUMS 20
#else
#define BLOCK_VECTORS 10
#define BLOCK_SUMS 10
#endif

/* Constants after inlining: rows, vectors. `run` is what counts of the vectors' floats. */
ALWAYS_INLINE void block(const struct gather_job *job, const float *from, float *out, int rows, int vectors,
                         int64_t run) {
    vector sum[BLOCK_SUMS];
    UNROLL
    for (int s = 0; s < rows * vectors; s++) {
        sum[s] = (vector){0};
    }
    int64_t stride = job->from_stride;
    for (int64_t e = 0; e < job->count; e++) {
        vector value = splat(job->entries[e].value);
        const float *at = from + job->entries[e].offset;
        UNROLL
        for (int r = 0; r < rows; r++) {
            UNROLL
            for (int v = 0; v < vectors; v++) {
                sum[r * vectors + v] += value * load(at + r * stride + v * KERNELS_WIDTH);
            }
        }
    }
    int64_t whole = run / KERNELS_WIDTH;
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            float *to = out + r * job->out_stride + v * KERNELS_WIDTH;
            if (v < whole) {
                store(to, load(to) + sum[r * vectors + v]);
            } else {
                for (int64_t i = 0; i < run - v * KERNELS_WIDTH; i++) {
                    to[i] += sum[r * vectors + v][i];
                }
            }
        }
    }
}

#define BLOCK(r, v)                                                                                                    \
    case v:                                                                                                            \
        block(job, from, out, r, v, run);                                                                              \
        break;
#define ROWS(r, cases)                                                                                                 \
    static __attribute__((noinline)) void rows_##r(const struct gather_job *job, const float *from, float *out,        \
                                                   int vectors, int64_t run) {                                         \
        switch (vectors) { cases default : break; }                                                                    \
    }

#define UP_TO_2(r) BLOCK(r, 1) BLOCK(r, 2)
#define UP_TO_3(r) UP_TO_2(r) BLOCK(r, 3)
#define UP_TO_5(r) UP_TO_3(r) BLOCK(r, 4) BLOCK(r, 5)
#define UP_TO_6(r) UP_TO_5(r) BLOCK(r, 6)
#define UP_TO_10(r) UP_TO_6(r) BLOCK(r, 7) BLOCK(r, 8) BLOCK(r, 9) BLOCK(r, 10)

ROWS(1, UP_TO_10(1))
#if BLOCK_SUMS >= 20
ROWS(2, UP_TO_10(2))
ROWS(3, UP_TO_6(3))
ROWS(5, UP_TO_3(5))
#else
ROWS(2, UP_TO_5(2))
ROWS(3, UP_TO_3(3))
ROWS(5, UP_TO_2(5))
#endif

/* The most rows, of those that there is code for, whose sums fit the registers. */
static int rows_at_once(int64_t left, int vectors) {
    if (left >= 5 && vectors <= (BLOCK_SUMS >= 20 ? 3 : 2)) return 5;
    if (left >= 3 && vectors <= (BLOCK_SUMS >= 20 ? 6 : 3)) return 3;
    if (left >= 2 && vectors <= BLOCK_SUMS / 2) return 2;
    return 1;
}

void SET(gather)(const struct gather_job *job) {
    int64_t vectors = (job->run + KERNELS_WIDTH - 1) / KERNELS_WIDTH;
    int64_t blocks = (vectors + BLOCK_VECTORS - 1) / BLOCK_VECTORS, first = 0;
    for (int64_t left = blocks; left > 0; left--) {
        int wide = (int)(left == 1 ? vectors - first : (vectors - first + left - 1) / left);
        int64_t column = first * KERNELS_WIDTH, run = job->run - column;
        if (run > wide * KERNELS_WIDTH) run = wide * KERNELS_WIDTH;
        for (int64_t row = 0; row < job->rows;) {
            int rows = rows_at_once(job->rows - row, wide);
            const float *from = job->from + row * job->from_stride + column;
            float *out = job->out + row * job->out_stride + column;
            void (*const code)(const struct gather_job *, const float *, float *, int, int64_t) = rows == 5   ? rows_5
                                                                                                  : rows == 3 ? rows_3
                                                                                                  : rows == 2 ? rows_2
                                                                                                              : rows_1;
            code(job, from, out, wide, run);
            row += rows;
        }
        first += wide;
    }
}
