/*
 * kernels.h: the inner loops, compiled once for each instruction set and picked at run time.
 *
 * A set is a table of functions over ranges: no threads, no allocation, no state. Vectors are `width` floats; what is
 * said to be padded is padded to a multiple of it. Offsets count floats.
 */
#ifndef BACKENDS_KERNELS_H
#define BACKENDS_KERNELS_H

#include <stdint.h>

#include "backend.h"
#include "kernels_dense.h"
#include "kernels_winograd.h"

#define KERNELS_WIDTH_MAX 16

/* One row of a convolution before bias: out (columns, kp) = Σ over kh rows of x, run floats each, of x × filters. */
struct row_job {
    const float *x;       /* the first window's first pixel, in a padded image */
    int64_t row_stride;   /* from one image row to the next */
    int64_t pixel_stride; /* from one window to the next: stride × channels */
    int64_t kh, run;      /* rows of a window; kw × channels */
    const float *filters; /* (kh × run, kp) */
    int64_t kp;           /* filters, padded */
    int64_t columns;
    float *out;
};

/* What follows a row (or pool rows) of a convolution: max over windows, bias, ReLU, into y (columns, k) and winner. */
struct finish_job {
    const float *rows; /* (pool, row_floats) */
    int64_t row_floats, kp, k;
    const float *bias; /* kp */
    bool rectify;      /* x < 0: slope × x; plain ReLU has slope 0 */
    float slope;
    int64_t pool, columns;
    float *y;
    uint8_t *winner; /* NULL where pool is 1 */
};

/* A gradient that is not zero: after a max pool and ReLU three in four and more are, and are skipped. */
struct entry {
    float value;
    int32_t offset;
};

/* out[r × out_stride + i] += Σ over entries e of e.value × from[e.offset + r × from_stride + i], i < run, r < rows.
 * Reads up to width - 1 floats beyond a run. */
struct gather_job {
    const struct entry *entries;
    int64_t count;
    const float *from;
    int64_t from_stride;
    float *out;
    int64_t out_stride;
    int64_t rows, run;
};

/* Adam's constants, rounded once from double (1 - 0.999f is not the float nearest to 0.001). */
struct adam_job {
    float beta1, beta1_rest, beta2, beta2_rest; /* rest: 1 - beta */
    float weight_decay, step_size, root_correction, epsilon;
};

struct kernels {
    const char *name; /* "avx512", "avx2", "baseline" */
    int64_t width;
    void (*conv_row)(const struct row_job *job);
    void (*conv_finish)(const struct finish_job *job);
    void (*gather)(const struct gather_job *job);
    const struct winograd_kernels *winograd;
    const struct dense_kernels *dense;
    void (*scale)(int64_t count, const uint8_t *from, float divisor, float shift, float *to);
    void (*bias_activation)(int64_t n, int64_t width, const float *bias, struct activation activation, float *y);
    /* dy (n, width) in place; sums (width) += its columns, unless NULL. y may be NULL where there is no activation. */
    void (*activation_backward)(int64_t n, int64_t width, struct activation activation, const float *y, float *dy,
                                float *sums);
    /* out (n, width) = dy, times slope where a rectifier (if there is one) gave y <= 0; sums (width) += its columns,
     * unless NULL.
     */
    void (*mask)(int64_t n, int64_t width, bool rectify, float slope, const float *y, const float *dy, float *out,
                 float *sums);
    /* Elements first..last, first even; so the noises. */
    void (*dropout)(int64_t first, int64_t last, uint32_t below, float factor, uint64_t key, const float *from,
                    float *to);
    void (*noise_uniform)(int64_t first, int64_t last, uint64_t key, float scale, float shift, float *to);
    void (*noise_normal)(int64_t first, int64_t last, uint64_t key, float *to);
    void (*exp)(int64_t count, float *x); /* in place */
    /* Gives Σ (y - target)²; dy = factor × (y - target), unless NULL; dy may be y. */
    double (*squared_error)(int64_t count, float factor, const float *y, const float *target, float *dy);
    bool (*is_finite)(int64_t count, const float *x);
    /* Batch normalisation, x and dy (rows, channels), all else (channels). sum, square += of x - pivot. */
    void (*norm_moments)(int64_t rows, int64_t channels, const float *x, const float *pivot, double *sum,
                         double *square);
    /* sum += dy, product += dy × (x - mean) × factor */
    void (*norm_slopes)(int64_t rows, int64_t channels, const float *x, const float *mean, const float *factor,
                        const float *dy, double *sum, double *product);
    /* y = (x - mean) × factor × scale + shift */
    void (*norm_apply)(int64_t rows, int64_t channels, const float *x, const float *mean, const float *factor,
                       const float *scale, const float *shift, float *y);
    /* dx = scale × factor × (dy - slope - (x - mean) × factor × product); dx may be dy. */
    void (*norm_backward)(int64_t rows, int64_t channels, const float *x, const float *mean, const float *factor,
                          const float *scale, const float *slope, const float *product, const float *dy, float *dx);
    void (*adam)(int64_t count, const struct adam_job *job, float *w, const float *g, float *m, float *v);
    void (*sgd)(int64_t count, float lr, float momentum, float weight_decay, float *w, const float *g, float *velocity);
};

/* The set called `name`, or with NULL or "" the best that this CPU runs. NULL: no such set, or not for this CPU. */
const struct kernels *kernels_find(const char *name);

#endif
