/*
 * conv_dense.c: both gradients of a convolution as matrix products, where hardly any gradient of the output is zero.
 *
 * A window is a row of kh × kw × c floats ("im2col", but an image or a few at a time, so that it stays in the cache).
 * For the input: windows = gradient (cells, k) × w (k, window), added into the frame. For the filters: dw (k, window)
 * = gradientᵀ (k, cells) × windows.
 */
#include <string.h>

#include "conv_paths.h"

#define DEPTH_ENOUGH 96 /* cells in one product: below, the sums would be loaded and stored too often */

static int64_t offset_of(const struct conv *conv, const struct plan *plan, int64_t cell) {
    return cell / plan->out_w * conv->stride * plan->frame_row + cell % plan->out_w * conv->stride * conv->c;
}

static const float *at_or_null(const float *y, int64_t at) {
    return y != NULL ? y + at : NULL;
}

static void mask(const struct cpu *cpu, const struct conv *conv, const struct plan *plan, int64_t image, const float *y,
                 const float *dy, float *gradient, float *dbias) {
    int64_t at = image * plan->out_size;
    cpu->kernels->mask(plan->cells, conv->k, conv->activation.kind != ACTIVATION_NONE, conv->activation.slope,
                       at_or_null(y, at), dy + at, gradient, dbias);
}

/* ---- gradient of the input ---- */

struct data_scratch {
    const float *panels; /* w, of all threads */
    float *frame, *gradient, *windows;
};

static void data_image(const struct cpu *cpu, const struct conv *conv, const struct plan *plan, int64_t window,
                       struct data_scratch scratch) {
    int64_t width = cpu->kernels->dense->panel;
    struct dense_job product = {
        .a = scratch.gradient, .a_row = conv->k, .rows = plan->cells, .depth = conv->k, .out_row = window};
    for (int64_t column = 0; column < window; column += width) {
        product.columns = window - column < width ? window - column : width;
        product.panel = scratch.panels + column * conv->k;
        product.out = scratch.windows + column;
        cpu->kernels->dense->multiply(&product);
    }
    static const struct entry whole = {.value = 1, .offset = 0};
    struct gather_job add = {.entries = &whole,
                             .count = 1,
                             .from_stride = plan->run,
                             .out_stride = plan->frame_row,
                             .rows = conv->kh,
                             .run = plan->run};
    for (int64_t cell = 0; cell < plan->cells; cell++) {
        add.from = scratch.windows + cell * window;
        add.out = scratch.frame + offset_of(conv, plan, cell);
        cpu->kernels->gather(&add);
    }
}

void conv_dense_data(struct cpu *cpu, const struct conv *conv, const float *y, const float *dy, const float *w,
                     float *dx) {
    struct plan plan = conv_plan(cpu, conv);
    int64_t window = conv->kh * plan.run, width = cpu->kernels->dense->panel, panels = (window + width - 1) / width;
    int64_t windows_count = plan.cells * window + KERNELS_WIDTH_MAX;
    if (!cpu_scratch(cpu, room(panels * width * conv->k, 4),
                     room(plan.frame, 4) + room(plan.out_size, 4) + room(windows_count, 4))) {
        return;
    }
    float *packed = (float *)(void *)cpu->shared;
#pragma omp parallel num_threads(cpu->threads)
    {
        char *own = cpu->own + (size_t)this_thread() * cpu->own_bytes;
        struct data_scratch scratch = {.panels = packed};
        scratch.frame = carve(&own, plan.frame, 4);
        scratch.gradient = carve(&own, plan.out_size, 4);
        scratch.windows = carve(&own, windows_count, 4);
#pragma omp for schedule(static)
        for (int64_t panel = 0; panel < panels; panel++) {
            int64_t column = panel * width, columns = window - column < width ? window - column : width;
            cpu->kernels->dense->pack(conv->k, columns, w + column, window, packed + column * conv->k);
        }
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < conv->n; i++) {
            memset(scratch.frame, 0, (size_t)plan.frame * 4);
            mask(cpu, conv, &plan, i, y, dy, scratch.gradient, NULL);
            data_image(cpu, conv, &plan, window, scratch);
            conv_from_frame(conv, &plan, scratch.frame, dx + i * conv->h * conv->w * conv->c);
        }
    }
}

/* ---- gradient of the filters and biases ---- */

struct weights_plan {
    int64_t window, panels;
    int64_t images, depth; /* in one product; depth: images × cells */
    int64_t transposed;    /* floats from one filter's gradients to the next; not a power of two */
    size_t own;
};

struct weights_scratch {
    float *dw, *dbias; /* this part's: (k, window), k */
    float *frame, *gradient;
    float *transposed; /* (k, depth) */
    float *windows;    /* (depth, panel width) of each panel */
};

static struct weights_plan weights_plan(const struct cpu *cpu, const struct conv *conv, const struct plan *plan) {
    int64_t width = cpu->kernels->dense->panel;
    struct weights_plan weights = {.window = conv->kh * plan->run};
    weights.panels = (weights.window + width - 1) / width;
    weights.images = (DEPTH_ENOUGH + plan->cells - 1) / plan->cells;
    if (weights.images > conv->n) weights.images = conv->n;
    weights.depth = weights.images * plan->cells;
    weights.transposed = round_up(weights.depth, 16) + 16;
    weights.own = room(conv->k * weights.window, 4) + room(conv->k, 4) + room(plan->frame, 4) +
                  room(plan->out_size, 4) + room(conv->k * weights.transposed, 4) +
                  room(weights.panels * width * weights.depth, 4);
    return weights;
}

static struct weights_scratch weights_scratch(const struct cpu *cpu, const struct conv *conv, const struct plan *plan,
                                              const struct weights_plan *weights, int part) {
    char *at = cpu->own + (size_t)part * cpu->own_bytes;
    struct weights_scratch scratch;
    scratch.dw = carve(&at, conv->k * weights->window, 4);
    scratch.dbias = carve(&at, conv->k, 4);
    scratch.frame = carve(&at, plan->frame, 4);
    scratch.gradient = carve(&at, plan->out_size, 4);
    scratch.transposed = carve(&at, conv->k * weights->transposed, 4);
    scratch.windows = carve(&at, weights->panels * cpu->kernels->dense->panel * weights->depth, 4);
    return scratch;
}

/* The frame's windows into rows `first`… of all panels. */
static void list_windows(const struct cpu *cpu, const struct conv *conv, const struct plan *plan,
                         const struct weights_plan *weights, int64_t first, struct weights_scratch scratch) {
    int64_t width = cpu->kernels->dense->panel;
    for (int64_t cell = 0; cell < plan->cells; cell++) {
        const float *from = scratch.frame + offset_of(conv, plan, cell);
        for (int64_t column = 0; column < weights->window;) {
            int64_t row = column / plan->run, in_row = column % plan->run, in_panel = column % width;
            int64_t count = plan->run - in_row < width - in_panel ? plan->run - in_row : width - in_panel;
            float *to = scratch.windows + column / width * width * weights->depth + (first + cell) * width + in_panel;
            memcpy(to, from + row * plan->frame_row + in_row, (size_t)count * 4);
            column += count;
        }
    }
}

static void transpose_gradient(const struct conv *conv, const struct plan *plan, const struct weights_plan *weights,
                               int64_t first, struct weights_scratch scratch) {
    for (int64_t cell = 0; cell < plan->cells; cell++) {
        for (int64_t k = 0; k < conv->k; k++) {
            scratch.transposed[k * weights->transposed + first + cell] = scratch.gradient[cell * conv->k + k];
        }
    }
}

/* dw += of `depth` cells */
static void add_product(const struct cpu *cpu, const struct conv *conv, const struct weights_plan *weights,
                        int64_t depth, struct weights_scratch scratch) {
    int64_t width = cpu->kernels->dense->panel;
    struct dense_job product = {.a = scratch.transposed,
                                .a_row = weights->transposed,
                                .rows = conv->k,
                                .depth = depth,
                                .add = true,
                                .out_row = weights->window};
    for (int64_t column = 0; column < weights->window; column += width) {
        product.columns = weights->window - column < width ? weights->window - column : width;
        product.panel = scratch.windows + column * weights->depth;
        product.out = scratch.dw + column;
        cpu->kernels->dense->multiply(&product);
    }
}

/* The parts are added in their order, whoever made them. */
static void add_parts(const struct cpu *cpu, const struct conv *conv, const struct plan *plan,
                      const struct weights_plan *weights, int64_t k, float *dw, float *dbias) {
    for (int part = 0; part < cpu->threads; part++) {
        struct weights_scratch made = weights_scratch(cpu, conv, plan, weights, part);
        if (dbias != NULL) dbias[k] = part == 0 ? made.dbias[k] : dbias[k] + made.dbias[k];
        for (int64_t i = k * weights->window; i < (k + 1) * weights->window; i++) {
            dw[i] = part == 0 ? made.dw[i] : dw[i] + made.dw[i];
        }
    }
}

void conv_dense_weights(struct cpu *cpu, const struct conv *conv, const float *x, const float *y, const float *dy,
                        float *dw, float *dbias) {
    struct plan plan = conv_plan(cpu, conv);
    struct weights_plan weights = weights_plan(cpu, conv, &plan);
    int64_t panels_count = weights.panels * cpu->kernels->dense->panel * weights.depth;
    if (!cpu_scratch(cpu, 0, weights.own)) return;
#pragma omp parallel num_threads(cpu->threads)
    {
        /* By part, not by thread: OpenMP may give fewer threads than were asked for. */
#pragma omp for schedule(static, 1)
        for (int part = 0; part < cpu->threads; part++) {
            struct weights_scratch scratch = weights_scratch(cpu, conv, &plan, &weights, part);
            memset(scratch.dw, 0, (size_t)(conv->k * weights.window) * 4);
            memset(scratch.dbias, 0, (size_t)conv->k * 4);
            memset(scratch.frame, 0, (size_t)plan.frame * 4);
            memset(scratch.windows, 0, (size_t)panels_count * 4); /* the last panel's end */
            int64_t first = conv->n * part / cpu->threads, last = conv->n * (part + 1) / cpu->threads;
            int64_t depth = 0;
            for (int64_t i = first; i < last; i++) {
                conv_into_frame(conv, &plan, x + i * conv->h * conv->w * conv->c, scratch.frame);
                mask(cpu, conv, &plan, i, y, dy, scratch.gradient, scratch.dbias);
                list_windows(cpu, conv, &plan, &weights, depth, scratch);
                transpose_gradient(conv, &plan, &weights, depth, scratch);
                depth += plan.cells;
                if (depth == weights.depth || i == last - 1) {
                    add_product(cpu, conv, &weights, depth, scratch);
                    depth = 0;
                }
            }
        }
#pragma omp for schedule(static)
        for (int64_t k = 0; k < conv->k; k++) {
            add_parts(cpu, conv, &plan, &weights, k, dw, dbias);
        }
    }
}
