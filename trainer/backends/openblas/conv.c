/*
 * conv.c: which path a convolution takes, and what the paths share.
 *
 * Forward: Winograd where it saves enough multiplications, else directly. Gradients: behind ReLU and max pool at most
 * one in pool × pool is not zero, and the sparse path visits these alone, which gives the same sums as visiting all;
 * without a pool they are matrix products.
 */
#include <string.h>

#include "conv_paths.h"
#include "engine.h"

struct plan conv_plan(const struct cpu *cpu, const struct conv *conv) {
    int64_t width = cpu->kernels->width;
    struct plan plan = {.frame_w = conv->w + 2 * conv->pad,
                        .run = conv->kw * conv->c,
                        .kp = round_up(conv->k, width),
                        .out_h = conv_out_h(conv),
                        .out_w = conv_out_w(conv),
                        .windows = conv->pool * conv->pool};
    plan.frame_row = plan.frame_w * conv->c;
    plan.frame = round_up((conv->h + 2 * conv->pad) * plan.frame_row + width, KERNELS_WIDTH_MAX);
    plan.run_padded = round_up(plan.run, width);
    plan.cells = plan.out_h * plan.out_w;
    plan.out_size = plan.cells * conv->k;
    return plan;
}

/* Entries hold offsets in 32 bits. */
static bool fits(struct cpu *cpu, const struct conv *conv, const struct plan *plan) {
    bool small = plan->frame < INT32_MAX && conv->k * conv->kh * plan->run_padded < INT32_MAX && conv->pool <= 15;
    if (!small && cpu->status == 0) cpu->status = ENGINE_ESHAPE;
    return small;
}

void conv_into_frame(const struct conv *conv, const struct plan *plan, const float *image, float *frame) {
    float *to = frame + (conv->pad * plan->frame_w + conv->pad) * conv->c;
    size_t row = (size_t)(conv->w * conv->c);
    for (int64_t y = 0; y < conv->h; y++) {
        memcpy(to + y * plan->frame_row, image + (size_t)y * row, row * sizeof(float));
    }
}

void conv_from_frame(const struct conv *conv, const struct plan *plan, const float *frame, float *image) {
    const float *from = frame + (conv->pad * plan->frame_w + conv->pad) * conv->c;
    size_t row = (size_t)(conv->w * conv->c);
    for (int64_t y = 0; y < conv->h; y++) {
        memcpy(image + (size_t)y * row, from + y * plan->frame_row, row * sizeof(float));
    }
}

void conv_transpose_filters(const struct conv *conv, const struct plan *plan, const float *w, float *filters,
                            int64_t first, int64_t last) {
    int64_t length = conv->kh * plan->run;
    for (int64_t i = first; i < last; i++) {
        float *to = filters + i * plan->kp;
        for (int64_t k = 0; k < conv->k; k++) {
            to[k] = w[k * length + i];
        }
        for (int64_t k = conv->k; k < plan->kp; k++) {
            to[k] = 0;
        }
    }
}

void cpu_conv_forward(struct backend *backend, const struct conv *conv, const float *x, const float *w,
                      const float *bias, float *y, uint8_t *winner) {
    struct cpu *cpu = cpu_of(backend);
    struct plan plan = conv_plan(cpu, conv);
    if (!fits(cpu, conv, &plan)) return;
    if (winograd_suits(conv)) {
        winograd_forward(cpu, conv, x, w, bias, y, winner);
    } else {
        conv_direct_forward(cpu, conv, x, w, bias, y, winner);
    }
}

/* Whether most of the gradient of what stands before the pool is zero. ReLU alone makes zeros of half of it only. */
static bool gradient_is_sparse(const struct conv *conv) {
    return conv->pool > 1;
}

void cpu_conv_backward_data(struct backend *backend, const struct conv *conv, const float *y, const uint8_t *winner,
                            const float *dy, const float *w, float *dx) {
    struct cpu *cpu = cpu_of(backend);
    struct plan plan = conv_plan(cpu, conv);
    if (!fits(cpu, conv, &plan)) return;
    if (gradient_is_sparse(conv)) {
        conv_sparse_data(cpu, conv, y, winner, dy, w, dx);
    } else {
        conv_dense_data(cpu, conv, y, dy, w, dx);
    }
}

void cpu_conv_backward_weights(struct backend *backend, const struct conv *conv, const float *x, const float *y,
                               const uint8_t *winner, const float *dy, float *dw, float *dbias) {
    struct cpu *cpu = cpu_of(backend);
    struct plan plan = conv_plan(cpu, conv);
    if (!fits(cpu, conv, &plan)) return;
    if (gradient_is_sparse(conv)) {
        conv_sparse_weights(cpu, conv, x, y, winner, dy, dw, dbias);
    } else {
        conv_dense_weights(cpu, conv, x, y, dy, dw, dbias);
    }
}
