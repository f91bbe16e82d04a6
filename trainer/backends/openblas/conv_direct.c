/*
 * conv_direct.c: a convolution forward, row by row of the output, each row in register tiles of pixels × filters.
 */
#include <string.h>

#include "conv_paths.h"

struct forward_scratch {
    float *frame, *rows;
};

static void forward_image(const struct cpu *cpu, const struct conv *conv, const struct plan *plan, const float *filters,
                          const float *bias, const float *image, struct forward_scratch scratch, float *y,
                          uint8_t *winner) {
    int64_t columns = plan->out_w * conv->pool;
    struct row_job row = {.row_stride = plan->frame_row,
                          .pixel_stride = conv->stride * conv->c,
                          .kh = conv->kh,
                          .run = plan->run,
                          .filters = filters,
                          .kp = plan->kp,
                          .columns = columns};
    struct finish_job finish = {.rows = scratch.rows,
                                .row_floats = columns * plan->kp,
                                .kp = plan->kp,
                                .k = conv->k,
                                .bias = bias,
                                .rectify = conv->activation.kind != ACTIVATION_NONE,
                                .slope = conv->activation.slope,
                                .pool = conv->pool,
                                .columns = plan->out_w};
    conv_into_frame(conv, plan, image, scratch.frame);
    for (int64_t out_row = 0; out_row < plan->out_h; out_row++) {
        for (int64_t r = 0; r < conv->pool; r++) {
            row.x = scratch.frame + (out_row * conv->pool + r) * conv->stride * plan->frame_row;
            row.out = scratch.rows + r * finish.row_floats;
            cpu->kernels->conv_row(&row);
        }
        finish.y = y + out_row * plan->out_w * conv->k;
        finish.winner = conv->pool > 1 ? winner + out_row * plan->out_w * conv->k : NULL;
        cpu->kernels->conv_finish(&finish);
    }
}

void conv_direct_forward(struct cpu *cpu, const struct conv *conv, const float *x, const float *w, const float *bias,
                         float *y, uint8_t *winner) {
    struct plan plan = conv_plan(cpu, conv);
    int64_t filters_count = conv->kh * plan.run * plan.kp, rows_count = conv->pool * conv->pool * plan.out_w * plan.kp;
    if (!cpu_scratch(cpu, room(filters_count, 4) + room(plan.kp, 4), room(plan.frame, 4) + room(rows_count, 4))) {
        return;
    }
    char *at = cpu->shared;
    float *filters = carve(&at, filters_count, 4), *padded_bias = carve(&at, plan.kp, 4);
    memset(padded_bias, 0, (size_t)plan.kp * 4);
    if (bias != NULL) memcpy(padded_bias, bias, (size_t)conv->k * 4);
#pragma omp parallel num_threads(cpu->threads)
    {
        char *own = cpu->own + (size_t)this_thread() * cpu->own_bytes;
        struct forward_scratch scratch;
        scratch.frame = carve(&own, plan.frame, 4);
        scratch.rows = carve(&own, rows_count, 4);
        memset(scratch.frame, 0, (size_t)plan.frame * 4);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < conv->kh; row++) {
            conv_transpose_filters(conv, &plan, w, filters, row * plan.run, (row + 1) * plan.run);
        }
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < conv->n; i++) {
            forward_image(cpu, conv, &plan, filters, padded_bias, x + i * conv->h * conv->w * conv->c, scratch,
                          y + i * plan.out_size, conv->pool > 1 ? winner + i * plan.out_size : NULL);
        }
    }
}
