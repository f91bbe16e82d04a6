/*
 * kernels_winograd.h: the inner loops of Winograd's minimal filtering (winograd.c says what it is), one tile at a time.
 *
 * A tile is 4 × 4 outputs of a convolution with stride 1 and 3 × 3 or 5 × 5 filters, computed at 6 × 6 or 8 × 8 points;
 * `side` below is that 6 or 8. Transformed arrays hold point after point, `stride` floats apart.
 */
#ifndef BACKENDS_KERNELS_WINOGRAD_H
#define BACKENDS_KERNELS_WINOGRAD_H

#include <stdbool.h>
#include <stdint.h>

#define WINOGRAD_TILE 4

/* out[point] (channels) = Bᵀ d B of the side × side pixels d at `pixels`. Channels in whole vectors: reads and writes
 * up to width - 1 more. */
struct winograd_input_job {
    int64_t side;
    const float *pixels;
    int64_t row, channels; /* floats from one image row to the next, and of a pixel */
    float *out;
    int64_t stride;
};

/* y = AᵀmA of m[point] (kp), then bias, max of pool × pool windows, ReLU; as finish_job of kernels.h has it. */
struct winograd_output_job {
    int64_t side;
    const float *m;
    int64_t stride, k;
    const float *bias; /* padded to whole vectors */
    bool rectify;
    float slope;
    int64_t pool;          /* 1, 2 or 4 */
    int64_t rows, columns; /* of the tile's outputs (after the pool), those that exist */
    uint16_t zeros;        /* bit 4 × row + column: that product is 0 whatever the rounding says */
    float *y;
    uint8_t *winner; /* NULL where pool is 1 */
    int64_t y_row;   /* outputs from one row to the next: of y and winner alike */
};

/* One channel: out[point] (kp) = G w Gᵀ of w (kh, kw, channels, kp), whose pixels are `pixel` floats apart. */
struct winograd_filter_job {
    int64_t side;
    const float *w;
    int64_t pixel, kp;
    float *out;
    int64_t stride;
};

struct winograd_kernels {
    void (*input)(const struct winograd_input_job *job);
    void (*output)(const struct winograd_output_job *job);
    void (*filter)(const struct winograd_filter_job *job);
};

#endif
