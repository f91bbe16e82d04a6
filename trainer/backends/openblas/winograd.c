/*
 * winograd.c: convolutions by Winograd's minimal filtering (Lavin and Gray 2016, arXiv:1509.09308).
 *
 * A tile of 4 × 4 outputs needs side × side multiplications for each channel and filter instead of 16 × size × size,
 * with side = 3 + size: 36 instead of 144 for 3 × 3 filters, 64 instead of 400 for 5 × 5. Pixels and filters are
 * transformed to `side × side` points, at each point the tiles (tiles, c) are multiplied with the filters (c, k), and
 * the products transformed back, with bias, max pool and ReLU at once: pool windows never cross tiles.
 *
 * Rounding: the transforms multiply pixels by up to 21/4 and take differences, so that the error is two to five times
 * that of a direct sum (measured against float64: 2.5e-6 of the outputs' deviation with 5 × 5 × 32, 0.7e-6 with
 * 3 × 3 × 32; direct 0.5e-6 and 0.3e-6). NaN or infinity in a pixel spoils every output of the tiles it is part of.
 *
 * A window that holds nothing but zeros (the background of an image) gives exactly the bias, as a direct sum does: at a
 * bias of 0 rounding would decide whether ReLU lets the gradient through.
 */
#include <string.h>

#include "conv_paths.h"

#define FRAME_WIDTH_MAX 64 /* bits of a row of `struct scratch`'s zeros */
#define BLOCK_TILES 28     /* tiles transformed together at the least; the second-level cache holds them */

struct winograd {
    int64_t side, points;
    int64_t tiles_h, tiles_w, tiles; /* of an image */
    int64_t images;                  /* of a block */
    int64_t cp;                      /* channels, padded */
    int64_t frame_h;
    /* From one point to the next; a line more than needed, lest all points fall into the same sets of the cache. */
    int64_t pixels_stride, products_stride, filters_stride;
};

static int64_t tiles_for(int64_t outputs) {
    return (outputs + WINOGRAD_TILE - 1) / WINOGRAD_TILE;
}

/* Multiplications are not all: the transforms cost as much as a few dozen channels' products. */
bool winograd_suits(const struct conv *conv) {
    if (conv->stride != 1 || conv->kh != conv->kw || (conv->kh != 3 && conv->kh != 5)) return false;
    if (conv->pool != 1 && conv->pool != 2 && conv->pool != 4) return false;
    if (conv->c < 16 || conv->k < 16 || conv->w + 2 * conv->pad + WINOGRAD_TILE > FRAME_WIDTH_MAX) return false;
    int64_t out_h = conv_out_h(conv), out_w = conv_out_w(conv), side = WINOGRAD_TILE - 1 + conv->kh;
    int64_t direct = out_h * out_w * conv->pool * conv->pool * conv->kh * conv->kw;
    return 2 * tiles_for(out_h * conv->pool) * tiles_for(out_w * conv->pool) * side * side <= direct;
}

static struct winograd make_winograd(const struct cpu *cpu, const struct conv *conv, struct plan *plan) {
    struct winograd winograd = {.side = WINOGRAD_TILE - 1 + conv->kh,
                                .tiles_h = tiles_for(plan->out_h * conv->pool),
                                .tiles_w = tiles_for(plan->out_w * conv->pool),
                                .cp = round_up(conv->c, cpu->kernels->width)};
    int64_t line = KERNELS_WIDTH_MAX, width = winograd.tiles_w * WINOGRAD_TILE + conv->kw - 1;
    winograd.points = winograd.side * winograd.side;
    winograd.tiles = winograd.tiles_h * winograd.tiles_w;
    winograd.images = (BLOCK_TILES + winograd.tiles - 1) / winograd.tiles;
    if (winograd.images > conv->n) winograd.images = conv->n;
    winograd.pixels_stride = round_up(winograd.images * winograd.tiles * winograd.cp, line) + line;
    winograd.products_stride = round_up(winograd.images * winograd.tiles * plan->kp, line) + line;
    winograd.filters_stride = conv->c * plan->kp;
    winograd.frame_h = winograd.tiles_h * WINOGRAD_TILE + conv->kh - 1;
    if (winograd.frame_h < conv->h + 2 * conv->pad) winograd.frame_h = conv->h + 2 * conv->pad;
    if (plan->frame_w < width) plan->frame_w = width;
    plan->frame_row = plan->frame_w * conv->c;
    plan->frame = winograd.frame_h * plan->frame_row + line;
    return winograd;
}

struct scratch {
    float *frame, *pixels, *products;
    uint64_t *zeros; /* (images, frame_h): bit c of row r: the window that begins there holds zeros alone */
};

/* Whether all of a pixel's channels are 0; NaN is not. */
static bool is_zero(const float *pixel, int64_t channels) {
    uint32_t all = 0;
    for (int64_t c = 0; c < channels; c++) {
        uint32_t bits;
        memcpy(&bits, pixel + c, sizeof bits);
        all |= bits << 1;
    }
    return all == 0;
}

/* Rows first, then columns of rows. */
static void find_zeros(const struct conv *conv, const struct plan *plan, int64_t rows, const float *frame,
                       uint64_t *zeros) {
    for (int64_t row = 0; row < rows; row++) {
        uint64_t pixels = 0, windows;
        for (int64_t column = 0; column < plan->frame_w; column++) {
            pixels |= (uint64_t)is_zero(frame + row * plan->frame_row + column * conv->c, conv->c) << column;
        }
        windows = pixels;
        for (int64_t i = 1; i < conv->kw; i++) {
            windows &= pixels >> i;
        }
        zeros[row] = windows;
    }
    for (int64_t row = 0; row + conv->kh <= rows; row++) {
        for (int64_t i = 1; i < conv->kh; i++) {
            zeros[row] &= zeros[row + i];
        }
    }
}

static void transform_pixels(const struct cpu *cpu, const struct conv *conv, const struct plan *plan,
                             const struct winograd *winograd, const float *frame, float *to) {
    struct winograd_input_job job = {.side = winograd->side,
                                     .row = plan->frame_row,
                                     .channels = conv->c,
                                     .stride = winograd->pixels_stride};
    for (int64_t tile = 0; tile < winograd->tiles; tile++) {
        int64_t row = tile / winograd->tiles_w * WINOGRAD_TILE, column = tile % winograd->tiles_w * WINOGRAD_TILE;
        job.pixels = frame + row * plan->frame_row + column * conv->c;
        job.out = to + tile * winograd->cp;
        cpu->kernels->winograd->input(&job);
    }
}

/* Bit 4 × row + column, as the kernel wants it. */
static uint16_t zeros_of_tile(const uint64_t *rows, int64_t column) {
    unsigned bits = 0;
    for (int row = 0; row < WINOGRAD_TILE; row++) {
        bits |= (unsigned)(rows[row] >> column & 15) << (row * WINOGRAD_TILE);
    }
    return (uint16_t)bits;
}

static void transform_products(const struct cpu *cpu, const struct conv *conv, const struct plan *plan,
                               const struct winograd *winograd, const float *from, const uint64_t *zeros,
                               const float *bias, float *y, uint8_t *winner) {
    int64_t cells = WINOGRAD_TILE / conv->pool;
    struct winograd_output_job job = {.side = winograd->side,
                                      .stride = winograd->products_stride,
                                      .k = conv->k,
                                      .bias = bias,
                                      .rectify = conv->activation.kind != ACTIVATION_NONE,
                                      .slope = conv->activation.slope,
                                      .pool = conv->pool,
                                      .y_row = plan->out_w};
    for (int64_t tile = 0; tile < winograd->tiles; tile++) {
        int64_t row = tile / winograd->tiles_w * cells, column = tile % winograd->tiles_w * cells;
        int64_t at = (row * plan->out_w + column) * conv->k;
        job.rows = plan->out_h - row < cells ? plan->out_h - row : cells;
        job.columns = plan->out_w - column < cells ? plan->out_w - column : cells;
        job.m = from + tile * plan->kp;
        job.zeros = zeros_of_tile(zeros + row * conv->pool, column * conv->pool);
        job.y = y + at;
        job.winner = winner != NULL ? winner + at : NULL;
        cpu->kernels->winograd->output(&job);
    }
}

/* At each point: products (tiles, kp) = pixels (tiles, c) × filters (c, kp). */
static void multiply(const struct cpu *cpu, const struct conv *conv, const struct plan *plan,
                     const struct winograd *winograd, int64_t tiles, const float *filters, struct scratch scratch) {
    struct row_job job = {.pixel_stride = winograd->cp, .kh = 1, .run = conv->c, .kp = plan->kp, .columns = tiles};
    for (int64_t point = 0; point < winograd->points; point++) {
        job.x = scratch.pixels + point * winograd->pixels_stride;
        job.filters = filters + point * winograd->filters_stride;
        job.out = scratch.products + point * winograd->products_stride;
        cpu->kernels->conv_row(&job);
    }
}

void winograd_forward(struct cpu *cpu, const struct conv *conv, const float *x, const float *w, const float *bias,
                      float *y, uint8_t *winner) {
    struct plan plan = conv_plan(cpu, conv);
    struct winograd winograd = make_winograd(cpu, conv, &plan);
    int64_t pixel = conv->c * plan.kp, filters_count = winograd.points * winograd.filters_stride;
    if (!cpu_scratch(cpu, room(filters_count, 4) + room(conv->kh * conv->kw * pixel, 4) + room(plan.kp, 4),
                     room(plan.frame, 4) + room(winograd.points * winograd.pixels_stride, 4) +
                         room(winograd.points * winograd.products_stride, 4) +
                         room(winograd.images * winograd.frame_h, sizeof(uint64_t)))) {
        return;
    }
    char *at = cpu->shared;
    float *filters = carve(&at, filters_count, 4), *transposed = carve(&at, conv->kh * conv->kw * pixel, 4);
    float *padded_bias = carve(&at, plan.kp, 4);
    memset(padded_bias, 0, (size_t)plan.kp * 4);
    if (bias != NULL) memcpy(padded_bias, bias, (size_t)conv->k * 4);
    int64_t blocks = (conv->n + winograd.images - 1) / winograd.images;
#pragma omp parallel num_threads(cpu->threads)
    {
        char *own = cpu->own + (size_t)this_thread() * cpu->own_bytes;
        struct scratch scratch;
        scratch.frame = carve(&own, plan.frame, 4);
        scratch.pixels = carve(&own, winograd.points * winograd.pixels_stride, 4);
        scratch.products = carve(&own, winograd.points * winograd.products_stride, 4);
        scratch.zeros = carve(&own, winograd.images * winograd.frame_h, sizeof(uint64_t));
        memset(scratch.frame, 0, (size_t)plan.frame * 4);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < conv->kh; row++) {
            conv_transpose_filters(conv, &plan, w, transposed, row * plan.run, (row + 1) * plan.run);
        }
#pragma omp for schedule(static)
        for (int64_t c = 0; c < conv->c; c++) {
            struct winograd_filter_job job = {.side = winograd.side,
                                              .w = transposed + c * plan.kp,
                                              .pixel = pixel,
                                              .kp = plan.kp,
                                              .out = filters + c * plan.kp,
                                              .stride = winograd.filters_stride};
            cpu->kernels->winograd->filter(&job);
        }
#pragma omp for schedule(dynamic)
        for (int64_t block = 0; block < blocks; block++) {
            int64_t first = block * winograd.images, last = first + winograd.images;
            if (last > conv->n) last = conv->n;
            for (int64_t i = first; i < last; i++) {
                conv_into_frame(conv, &plan, x + i * conv->h * conv->w * conv->c, scratch.frame);
                find_zeros(conv, &plan, winograd.frame_h, scratch.frame,
                           scratch.zeros + (i - first) * winograd.frame_h);
                transform_pixels(cpu, conv, &plan, &winograd, scratch.frame,
                                 scratch.pixels + (i - first) * winograd.tiles * winograd.cp);
            }
            multiply(cpu, conv, &plan, &winograd, (last - first) * winograd.tiles, filters, scratch);
            for (int64_t i = first; i < last; i++) {
                transform_products(cpu, conv, &plan, &winograd,
                                   scratch.products + (i - first) * winograd.tiles * plan.kp,
                                   scratch.zeros + (i - first) * winograd.frame_h, padded_bias, y + i * plan.out_size,
                                   winner != NULL ? winner + i * plan.out_size : NULL);
            }
        }
    }
}
