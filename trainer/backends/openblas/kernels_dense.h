/*
 * kernels_dense.h: the inner loop of own matrix products (dense.c, conv_dense.c).
 *
 * The right factor comes in panels: `panel` columns wide, row after row, so that it is read straight through.
 */
#ifndef BACKENDS_KERNELS_DENSE_H
#define BACKENDS_KERNELS_DENSE_H

#include <stdbool.h>
#include <stdint.h>

/* out (rows, columns) = or += a (rows, depth) × panel (depth, panel width), columns <= panel width. The kernel reads
 * the whole panel's width and writes the columns alone. */
struct dense_job {
    const float *a;
    int64_t a_row; /* floats from one row to the next */
    int64_t rows, depth, columns;
    const float *panel;
    bool add;
    float *out;
    int64_t out_row;
};

struct dense_kernels {
    int64_t panel; /* columns of a panel */
    void (*multiply)(const struct dense_job *job);
    /* panel (rows, panel width) = from (rows, columns), the rest of a row 0. */
    void (*pack)(int64_t rows, int64_t columns, const float *from, int64_t from_row, float *panel);
};

#endif
