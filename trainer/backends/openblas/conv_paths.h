/*
 * conv_paths.h: the ways in which this backend computes a convolution, and what they share. conv.c decides between
 * them.
 *
 * Each thread takes whole images. An image is copied into a frame of zeros first, so that no kernel tests for borders.
 * All results are written with `=`; arguments as in backend.h. A path may fail for lack of memory alone: then `status`.
 */
#ifndef BACKENDS_CONV_PATHS_H
#define BACKENDS_CONV_PATHS_H

#include "cpu.h"

/* Derived sizes, in floats unless said otherwise. */
struct plan {
    int64_t frame_w, frame_row, frame; /* the padded image: width in pixels, one row, all of it with slack */
    int64_t run, run_padded;           /* kw × c */
    int64_t kp;                        /* filters, padded */
    int64_t out_h, out_w, cells;
    int64_t windows;  /* pool × pool */
    int64_t out_size; /* cells × k */
};

struct plan conv_plan(const struct cpu *cpu, const struct conv *conv);
/* The frame's border is zero already and stays so. */
void conv_into_frame(const struct conv *conv, const struct plan *plan, const float *image, float *frame);
void conv_from_frame(const struct conv *conv, const struct plan *plan, const float *frame, float *image);
/* filters (kh × kw × c, kp) = w (k, kh × kw × c) transposed, the padding 0; rows first..last. */
void conv_transpose_filters(const struct conv *conv, const struct plan *plan, const float *w, float *filters,
                            int64_t first, int64_t last);

/* Carves scratch into arrays, each on a cache line of its own. */
static inline void *carve(char **at, int64_t count, size_t size) {
    void *taken = *at;
    *at += round_up(count * (int64_t)size, 64);
    return taken;
}

static inline size_t room(int64_t count, size_t size) {
    return (size_t)round_up(count * (int64_t)size, 64);
}

/* conv_direct.c: register tiles of pixels × filters; takes every convolution. */
void conv_direct_forward(struct cpu *cpu, const struct conv *conv, const float *x, const float *w, const float *bias,
                         float *y, uint8_t *winner);

/* winograd.c: Winograd's minimal filtering, fewer multiplications. Takes what `suits`. */
bool winograd_suits(const struct conv *conv);
void winograd_forward(struct cpu *cpu, const struct conv *conv, const float *x, const float *w, const float *bias,
                      float *y, uint8_t *winner);

/* conv_dense.c: gradients as matrix products; take every convolution without a pool. */
void conv_dense_data(struct cpu *cpu, const struct conv *conv, const float *y, const float *dy, const float *w,
                     float *dx);
void conv_dense_weights(struct cpu *cpu, const struct conv *conv, const float *x, const float *y, const float *dy,
                        float *dw, float *dbias);

/* conv_sparse.c: gradients from the list of what is not zero; take every convolution. */
void conv_sparse_data(struct cpu *cpu, const struct conv *conv, const float *y, const uint8_t *winner, const float *dy,
                      const float *w, float *dx);
void conv_sparse_weights(struct cpu *cpu, const struct conv *conv, const float *x, const float *y,
                         const uint8_t *winner, const float *dy, float *dw, float *dbias);

#endif
