/*
 * kernels_dense.c: a tile of rows × one panel's columns is summed in registers, from the first to the last of the
 * depth.
 */
#include "kernels_dense.h"

#include <string.h>

#include "kernels_vector.h"

#if KERNELS_REGISTERS >= 28
#define PANEL_VECTORS 4
#define TILE_ROWS 6
#else
#define PANEL_VECTORS 2
#define TILE_ROWS 6
#endif
#define PANEL (PANEL_VECTORS * KERNELS_WIDTH)

/* The first `columns` of a row of sums. */
ALWAYS_INLINE void put(const struct dense_job *job, const vector *sum, float *out, int vectors) {
    UNROLL
    for (int v = 0; v < vectors; v++) {
        float *to = out + v * KERNELS_WIDTH;
        int64_t left = job->columns - v * KERNELS_WIDTH;
        if (left >= KERNELS_WIDTH) {
            store(to, job->add ? load(to) + sum[v] : sum[v]);
        } else {
            for (int i = 0; i < left; i++) {
                to[i] = job->add ? to[i] + sum[v][i] : sum[v][i];
            }
        }
    }
}

/* Constants after inlining: rows, vectors. */
ALWAYS_INLINE void tile(const struct dense_job *job, const float *a, float *out, int rows, int vectors) {
    vector sum[TILE_ROWS][PANEL_VECTORS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            sum[r][v] = (vector){0};
        }
    }
    const float *panel = job->panel;
    int64_t a_row = job->a_row, depth = job->depth;
    for (int64_t i = 0; i < depth; i++, panel += PANEL) {
        vector b[PANEL_VECTORS];
        UNROLL
        for (int v = 0; v < vectors; v++) {
            b[v] = load(panel + v * KERNELS_WIDTH);
        }
        UNROLL
        for (int r = 0; r < rows; r++) {
            vector value = splat(a[r * a_row + i]);
            UNROLL
            for (int v = 0; v < vectors; v++) {
                sum[r][v] += value * b[v];
            }
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        put(job, sum[r], out + r * job->out_row, vectors);
    }
}

#define ROWS(vectors)                                                                                                  \
    static __attribute__((noinline)) void rows_##vectors(const struct dense_job *job, const float *a, float *out,      \
                                                         int rows) {                                                   \
        switch (rows) {                                                                                                \
        case 1:                                                                                                        \
            tile(job, a, out, 1, vectors);                                                                             \
            break;                                                                                                     \
        case 2:                                                                                                        \
            tile(job, a, out, 2, vectors);                                                                             \
            break;                                                                                                     \
        case 3:                                                                                                        \
            tile(job, a, out, 3, vectors);                                                                             \
            break;                                                                                                     \
        case 4:                                                                                                        \
            tile(job, a, out, 4, vectors);                                                                             \
            break;                                                                                                     \
        case 5:                                                                                                        \
            tile(job, a, out, 5, vectors);                                                                             \
            break;                                                                                                     \
        default:                                                                                                       \
            tile(job, a, out, TILE_ROWS, vectors);                                                                     \
            break;                                                                                                     \
        }                                                                                                              \
    }

ROWS(1)
ROWS(2)
#if PANEL_VECTORS == 4
ROWS(3)
ROWS(4)
#endif

static void multiply(const struct dense_job *job) {
    int64_t vectors = (job->columns + KERNELS_WIDTH - 1) / KERNELS_WIDTH, row = 0;
    for (int64_t left = (job->rows + TILE_ROWS - 1) / TILE_ROWS; left > 0; left--) {
        int rows = (int)((job->rows - row + left - 1) / left); /* tiles of nearly equal size */
        const float *a = job->a + row * job->a_row;
        float *out = job->out + row * job->out_row;
#if PANEL_VECTORS == 4
        (vectors == 4 ? rows_4 : vectors == 3 ? rows_3 : vectors == 2 ? rows_2 : rows_1)(job, a, out, rows);
#else
        (vectors == 2 ? rows_2 : rows_1)(job, a, out, rows);
#endif
        row += rows;
    }
}

static void pack(int64_t rows, int64_t columns, const float *from, int64_t from_row, float *panel) {
    for (int64_t row = 0; row < rows; row++, from += from_row, panel += PANEL) {
        if (columns == PANEL) {
            memcpy(panel, from, PANEL * sizeof *panel);
        } else {
            memcpy(panel, from, (size_t)columns * sizeof *panel);
            memset(panel + columns, 0, (size_t)(PANEL - columns) * sizeof *panel);
        }
    }
}

const struct dense_kernels SET(dense_kernels) = {.panel = PANEL, .multiply = multiply, .pack = pack};
