/*
 * conv_sparse.c: both gradients of a convolution, from the list of what is not zero in the gradient of its output.
 */
#include <string.h>

#include "conv_paths.h"

/* Where in the frame the window of a cell and a place in its pool begins. */
static int32_t window_offset(const struct conv *conv, const struct plan *plan, int64_t cell, int64_t place) {
    int64_t row = cell / plan->out_w * conv->pool + place / conv->pool;
    int64_t column = cell % plan->out_w * conv->pool + place % conv->pool;
    return (int32_t)(row * conv->stride * plan->frame_row + column * conv->stride * conv->c);
}

/* offsets (cells, windows) */
static void list_offsets(const struct conv *conv, const struct plan *plan, int32_t *offsets) {
    for (int64_t cell = 0; cell < plan->cells; cell++) {
        for (int64_t place = 0; place < plan->windows; place++) {
            offsets[cell * plan->windows + place] = window_offset(conv, plan, cell, place);
        }
    }
}

/* Whether a gradient counts: not zero. NaN counts. On bits, so that no branch is taken: half of them are zero. */
static inline int32_t counts(float gradient) {
    uint32_t bits;
    memcpy(&bits, &gradient, sizeof bits);
    return bits << 1 != 0;
}

/* ---- gradient of the input ---- */

struct data_scratch {
    const int32_t *offsets; /* (cells, windows), of all threads */
    float *frame;
    float *gradient;       /* (cells, k): dy masked by ReLU */
    struct entry *entries; /* of an image: cell after cell, and in a cell place after place */
    int32_t *starts;       /* cells × windows + 1 */
    struct entry *places;  /* (windows, k): one cell being sorted */
};

/* gradient (cells, k), masked. An entry's offset is that of its filter's first run. */
static void list_by_cell(const struct conv *conv, const struct plan *plan, const float *gradient, const uint8_t *winner,
                         struct data_scratch scratch) {
    int32_t filter = (int32_t)(conv->kh * plan->run_padded);
    int32_t total = 0;
    for (int64_t cell = 0; cell < plan->cells; cell++, gradient += conv->k) {
        int32_t found[15 * 15];
        memset(found, 0, (size_t)plan->windows * sizeof found[0]);
        for (int64_t k = 0; k < conv->k; k++) {
            int64_t place = plan->windows > 1 ? winner[cell * conv->k + k] : 0;
            scratch.places[place * conv->k + found[place]] = (struct entry){gradient[k], (int32_t)k * filter};
            found[place] += counts(gradient[k]);
        }
        for (int64_t place = 0; place < plan->windows; place++) {
            scratch.starts[cell * plan->windows + place] = total;
            memcpy(scratch.entries + total, scratch.places + place * conv->k,
                   (size_t)found[place] * sizeof(struct entry));
            total += found[place];
        }
    }
    scratch.starts[plan->cells * plan->windows] = total;
}

/* Filter row by filter row: that row of all filters stays in the first-level cache. */
static void data_image(const struct cpu *cpu, const struct conv *conv, const struct plan *plan, const float *filters,
                       struct data_scratch scratch) {
    struct gather_job job = {.from_stride = plan->run_padded,
                             .out_stride = plan->frame_row,
                             .rows = 1,
                             .run = plan->run};
    for (int64_t row = 0; row < conv->kh; row++) {
        job.from = filters + row * plan->run_padded;
        for (int64_t at = 0; at < plan->cells * plan->windows; at++) {
            const int32_t *start = &scratch.starts[at];
            if (start[0] == start[1]) continue;
            job.entries = scratch.entries + start[0];
            job.count = start[1] - start[0];
            job.out = scratch.frame + scratch.offsets[at] + row * plan->frame_row;
            cpu->kernels->gather(&job);
        }
    }
}

void conv_sparse_data(struct cpu *cpu, const struct conv *conv, const float *y, const uint8_t *winner, const float *dy,
                      const float *w, float *dx) {
    struct plan plan = conv_plan(cpu, conv);
    int64_t filter_rows = conv->k * conv->kh, starts_count = plan.cells * plan.windows + 1;
    size_t own = room(plan.frame, 4) + room(plan.out_size, 4) + room(plan.out_size, sizeof(struct entry)) +
                 room(starts_count, 4) + room(plan.windows * conv->k + 1, sizeof(struct entry));
    if (!cpu_scratch(cpu, room(filter_rows * plan.run_padded, 4) + room(starts_count, 4), own)) {
        return;
    }
    char *shared = cpu->shared;
    float *filters = carve(&shared, filter_rows * plan.run_padded, 4);
    int32_t *offsets = carve(&shared, starts_count, 4);
    list_offsets(conv, &plan, offsets);
#pragma omp parallel num_threads(cpu->threads)
    {
        char *at = cpu->own + (size_t)this_thread() * cpu->own_bytes;
        struct data_scratch scratch = {.offsets = offsets};
        scratch.frame = carve(&at, plan.frame, 4);
        scratch.gradient = carve(&at, plan.out_size, 4);
        scratch.entries = carve(&at, plan.out_size, sizeof(struct entry));
        scratch.starts = carve(&at, starts_count, 4);
        scratch.places = carve(&at, plan.windows * conv->k + 1, sizeof(struct entry));
#pragma omp for schedule(static)
        for (int64_t row = 0; row < filter_rows; row++) {
            memcpy(filters + row * plan.run_padded, w + row * plan.run, (size_t)plan.run * 4);
        }
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < conv->n; i++) {
            int64_t out = i * plan.out_size;
            memset(scratch.frame, 0, (size_t)plan.frame * 4);
            cpu->kernels->mask(plan.cells, conv->k, conv->activation.kind != ACTIVATION_NONE, conv->activation.slope,
                               y != NULL ? y + out : NULL, dy + out, scratch.gradient, NULL);
            list_by_cell(conv, &plan, scratch.gradient, winner != NULL ? winner + out : NULL, scratch);
            data_image(cpu, conv, &plan, filters, scratch);
            conv_from_frame(conv, &plan, scratch.frame, dx + i * conv->h * conv->w * conv->c);
        }
    }
}

/* ---- gradient of the filters and biases ---- */

struct weights_scratch {
    const int32_t *offsets; /* (cells, windows), of all threads */
    float *frame;
    float *gradient;       /* (cells, k): dy masked by ReLU */
    struct entry *entries; /* (k, cells + 1) */
    int32_t *found;        /* k */
    float *dw;             /* (k, kh, run): this thread's part */
    float *dbias;          /* k */
};

/* gradient (cells, k), masked. An entry's offset is that of its window in the frame. */
static void list_by_filter(const struct conv *conv, const struct plan *plan, const float *gradient,
                           const uint8_t *winner, struct weights_scratch scratch) {
    int64_t stride = plan->cells + 1;
    const int32_t *offsets = scratch.offsets;
    memset(scratch.found, 0, (size_t)conv->k * sizeof scratch.found[0]);
    for (int64_t cell = 0; cell < plan->cells; cell++, offsets += plan->windows) {
        for (int64_t k = 0; k < conv->k; k++) {
            int64_t i = cell * conv->k + k, place = plan->windows > 1 ? winner[i] : 0;
            scratch.entries[k * stride + scratch.found[k]] = (struct entry){gradient[i], offsets[place]};
            scratch.found[k] += counts(gradient[i]);
        }
    }
}

static void weights_image(const struct cpu *cpu, const struct conv *conv, const struct plan *plan,
                          struct weights_scratch scratch) {
    struct gather_job job = {.from = scratch.frame,
                             .from_stride = plan->frame_row,
                             .out_stride = plan->run,
                             .rows = conv->kh,
                             .run = plan->run};
    for (int64_t k = 0; k < conv->k; k++) {
        job.entries = scratch.entries + k * (plan->cells + 1);
        job.count = scratch.found[k];
        job.out = scratch.dw + k * conv->kh * plan->run;
        cpu->kernels->gather(&job);
    }
}

static struct weights_scratch weights_scratch(const struct cpu *cpu, const struct conv *conv, const struct plan *plan,
                                              int part) {
    char *at = cpu->own + (size_t)part * cpu->own_bytes;
    struct weights_scratch scratch = {.offsets = (const int32_t *)(const void *)cpu->shared};
    scratch.dw = carve(&at, conv->k * conv->kh * plan->run, 4);
    scratch.dbias = carve(&at, conv->k, 4);
    scratch.frame = carve(&at, plan->frame, 4);
    scratch.gradient = carve(&at, plan->out_size, 4);
    scratch.entries = carve(&at, conv->k * (plan->cells + 1), sizeof(struct entry));
    scratch.found = carve(&at, conv->k, 4);
    return scratch;
}

/* The parts are added in their order, whoever made them. */
static void add_parts(const struct cpu *cpu, const struct conv *conv, const struct plan *plan, int64_t k, float *dw,
                      float *dbias) {
    int64_t length = conv->kh * plan->run;
    for (int part = 0; part < cpu->threads; part++) {
        struct weights_scratch made = weights_scratch(cpu, conv, plan, part);
        if (dbias != NULL) dbias[k] = part == 0 ? made.dbias[k] : dbias[k] + made.dbias[k];
        for (int64_t i = k * length; i < (k + 1) * length; i++) {
            dw[i] = part == 0 ? made.dw[i] : dw[i] + made.dw[i];
        }
    }
}

void conv_sparse_weights(struct cpu *cpu, const struct conv *conv, const float *x, const float *y,
                         const uint8_t *winner, const float *dy, float *dw, float *dbias) {
    struct plan plan = conv_plan(cpu, conv);
    int64_t dw_count = conv->k * conv->kh * plan.run;
    size_t own = room(dw_count, 4) + 2 * room(conv->k, 4) + room(plan.frame, 4) + room(plan.out_size, 4) +
                 room(conv->k * (plan.cells + 1), sizeof(struct entry));
    if (!cpu_scratch(cpu, room(plan.cells * plan.windows, 4), own)) return;
    list_offsets(conv, &plan, (int32_t *)(void *)cpu->shared);
#pragma omp parallel num_threads(cpu->threads)
    {
        /* By part, not by thread: OpenMP may give fewer threads than were asked for. */
#pragma omp for schedule(static, 1)
        for (int part = 0; part < cpu->threads; part++) {
            struct weights_scratch scratch = weights_scratch(cpu, conv, &plan, part);
            memset(scratch.dw, 0, (size_t)dw_count * 4);
            memset(scratch.dbias, 0, (size_t)conv->k * 4);
            memset(scratch.frame, 0, (size_t)plan.frame * 4);
            int64_t first = conv->n * part / cpu->threads, last = conv->n * (part + 1) / cpu->threads;
            for (int64_t i = first; i < last; i++) {
                int64_t out = i * plan.out_size;
                conv_into_frame(conv, &plan, x + i * conv->h * conv->w * conv->c, scratch.frame);
                cpu->kernels->mask(plan.cells, conv->k, conv->activation.kind != ACTIVATION_NONE,
                                   conv->activation.slope, y != NULL ? y + out : NULL, dy + out, scratch.gradient,
                                   scratch.dbias);
                list_by_filter(conv, &plan, scratch.gradient, winner != NULL ? winner + out : NULL, scratch);
                weights_image(cpu, conv, &plan, scratch);
            }
        }
#pragma omp for schedule(static)
        for (int64_t k = 0; k < conv->k; k++) {
            add_parts(cpu, conv, &plan, k, dw, dbias);
        }
    }
}
