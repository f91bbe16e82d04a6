/*
 * dense.c: matrix products of dense layers. The left factor is read row by row; the right one is copied into panels
 * (kernels_dense.h) a block of the depth at a time, which then stays in the cache while all rows pass.
 *
 * The gradient of the weights goes to the optimiser block by block and never to memory as a whole.
 */
#include "dense.h"

#include <string.h>

#include "conv_paths.h"
#include "openblas.h"

#define DEPTH 448        /* of a block: four rows of AVX-512's registers × this is a panel of 112 KiB */
#define STRIP 64         /* rows of a gradient that OpenBLAS makes at once */
#define ROWS 24          /* that pass all panels before the next do */
#define ADAM_COLUMNS 512 /* of a block of gradients that goes to the optimiser at once */

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* to (columns, to_row) = from (rows, from_row) transposed. */
static void transpose(int64_t rows, int64_t columns, const float *from, int64_t from_row, float *to, int64_t to_row) {
    for (int64_t first = 0; first < columns; first += 16) {
        int64_t last = smaller(first + 16, columns);
        for (int64_t row = 0; row < rows; row++) {
            for (int64_t column = first; column < last; column++) {
                to[column * to_row + row] = from[row * from_row + column];
            }
        }
    }
}

/* panel (depth, width) = rows first.. and columns column.. of op(from). `transposed`: from is stored (columns, rows).
 */
static void pack(const struct cpu *cpu, bool transposed, const float *from, int64_t from_row, int64_t first,
                 int64_t depth, int64_t column, int64_t columns, float *panel) {
    const struct dense_kernels *kernels = cpu->kernels->dense;
    if (!transposed) {
        kernels->pack(depth, columns, from + first * from_row + column, from_row, panel);
        return;
    }
    if (columns < kernels->panel) memset(panel, 0, (size_t)(depth * kernels->panel) * sizeof *panel);
    transpose(columns, depth, from + column * from_row + first, from_row, panel, kernels->panel);
}

/* Measured: a tenth faster than OpenBLAS with 16 floats to a vector, no faster with 8, slower with 4. */
static bool wide(const struct cpu *cpu) {
    return cpu->kernels->width >= 16;
}

bool dense_suits(const struct cpu *cpu, const struct gemm *gemm) {
    if (!wide(cpu) || gemm->beta != 0 || gemm->transpose_b) return false;
    return gemm->m >= 16 && gemm->n >= 64 && gemm->k >= 32 && gemm->m * gemm->n * gemm->k >= 1 << 21;
}

/* ---- c = op(a) × b ---- */

/* op(a), rows in a row: a itself, or a copy in the shared scratch, 16 floats more to a row lest rows share cache sets.
 */
struct left {
    const float *values;
    int64_t row;
};

static int64_t left_room(const struct gemm *gemm) {
    return gemm->transpose_a ? gemm->m * (gemm->k + 16) : 0;
}

/* In a parallel region: all threads together; ends with a barrier. */
static struct left make_left(const struct gemm *gemm, const float *a, float *copy) {
    if (!gemm->transpose_a) return (struct left){a, gemm->lda};
    int64_t row = gemm->k + 16;
#pragma omp for schedule(static)
    for (int64_t first = 0; first < gemm->m; first += 64) {
        transpose(gemm->k, smaller(64, gemm->m - first), a + first, gemm->lda, copy + first * row, row);
    }
    return (struct left){copy, row};
}

/* All rows of one panel's columns. */
static void multiply_panel(const struct cpu *cpu, const struct gemm *gemm, struct left left, const float *b,
                           int64_t column, float *panel, float *c) {
    struct dense_job job = {.a_row = left.row,
                            .rows = gemm->m,
                            .columns = smaller(cpu->kernels->dense->panel, gemm->n - column),
                            .panel = panel,
                            .out = c + column,
                            .out_row = gemm->ldc};
    for (int64_t depth = 0; depth < gemm->k; depth += DEPTH) {
        job.depth = smaller(DEPTH, gemm->k - depth);
        pack(cpu, gemm->transpose_b, b, gemm->ldb, depth, job.depth, column, job.columns, panel);
        job.a = left.values + depth;
        job.add = depth > 0;
        cpu->kernels->dense->multiply(&job);
    }
}

void dense_gemm(struct cpu *cpu, const struct gemm *gemm, const float *a, const float *b, float *c) {
    int64_t width = cpu->kernels->dense->panel, count = (gemm->n + width - 1) / width;
    if (!cpu_scratch(cpu, room(left_room(gemm), 4), room(DEPTH * width, 4))) return;
#pragma omp parallel num_threads(cpu->threads)
    {
        float *panel = (float *)(void *)(cpu->own + (size_t)this_thread() * cpu->own_bytes);
        struct left left = make_left(gemm, a, (float *)(void *)cpu->shared);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < count; i++) {
            multiply_panel(cpu, gemm, left, b, i * width, panel, c);
        }
    }
}

/* ---- the optimiser at once ---- */

struct update {
    const struct gemm *gemm;
    struct left left;
    const float *b;
    struct adam_job adam;
    float *w, *m, *v;
    float *panels;    /* this thread's: (k, panel width) of each panel of a block of columns */
    float *gradients; /* this thread's: (ROWS, ADAM_COLUMNS) */
};

/* Rows first..last of a block of columns. */
static void update_block(const struct cpu *cpu, const struct update *update, int64_t column, int64_t first,
                         int64_t last) {
    const struct gemm *gemm = update->gemm;
    const struct dense_kernels *kernels = cpu->kernels->dense;
    int64_t columns = smaller(ADAM_COLUMNS, gemm->n - column);
    struct dense_job job = {.a_row = update->left.row, .depth = gemm->k, .out_row = ADAM_COLUMNS};
    for (int64_t at = 0; at < columns; at += kernels->panel) {
        pack(cpu, gemm->transpose_b, update->b, gemm->ldb, 0, gemm->k, column + at,
             smaller(kernels->panel, columns - at), update->panels + at * gemm->k);
    }
    for (int64_t row = first; row < last; row += ROWS) {
        job.rows = smaller(ROWS, last - row);
        job.a = update->left.values + row * update->left.row;
        for (int64_t at = 0; at < columns; at += kernels->panel) {
            job.columns = smaller(kernels->panel, columns - at);
            job.panel = update->panels + at * gemm->k;
            job.out = update->gradients + at;
            kernels->multiply(&job);
        }
        for (int64_t i = 0; i < job.rows; i++) {
            int64_t at = (row + i) * gemm->ldc + column;
            cpu->kernels->adam(columns, &update->adam, update->w + at, update->gradients + i * ADAM_COLUMNS,
                               update->m + at, update->v + at);
        }
    }
}

/* By OpenBLAS, which leaves the scratch memory alone; dense_suits is false here. */
static void update_by_strips(struct backend *backend, const struct gemm *gemm, const float *a, const float *b,
                             const struct adam *adam, float *w, float *m, float *v) {
    struct cpu *cpu = cpu_of(backend);
    struct gemm strip = *gemm;
    if (!cpu_scratch(cpu, room(STRIP * gemm->n, 4), 0)) return;
    float *gradients = (float *)(void *)cpu->shared;
    for (int64_t row = 0; row < gemm->m; row += STRIP) {
        int64_t at = row * gemm->n;
        strip.m = smaller(STRIP, gemm->m - row);
        backend_openblas.gemm(backend, &strip, a + row * (gemm->transpose_a ? 1 : gemm->lda), b, gradients);
        cpu_adam(backend, strip.m * gemm->n, adam, w + at, gradients, m + at, v + at);
    }
}

void cpu_gemm_adam(struct backend *backend, const struct gemm *gemm, const float *a, const float *b,
                   const struct adam *adam, float *w, float *m, float *v) {
    struct cpu *cpu = cpu_of(backend);
    if (!wide(cpu)) {
        update_by_strips(backend, gemm, a, b, adam, w, m, v);
        return;
    }
    int64_t blocks = (gemm->n + ADAM_COLUMNS - 1) / ADAM_COLUMNS;
    int64_t panels = ADAM_COLUMNS * gemm->k;
    if (!cpu_scratch(cpu, room(left_room(gemm), 4), room(panels, 4) + room(ROWS * ADAM_COLUMNS, 4))) return;
#pragma omp parallel num_threads(cpu->threads)
    {
        char *own = cpu->own + (size_t)this_thread() * cpu->own_bytes;
        struct update update = {.gemm = gemm, .b = b, .adam = cpu_adam_job(cpu, adam), .w = w, .m = m, .v = v};
        update.left = make_left(gemm, a, (float *)(void *)cpu->shared);
        update.panels = carve(&own, panels, 4);
        update.gradients = carve(&own, ROWS * ADAM_COLUMNS, 4);
#pragma omp for schedule(static, 1)
        for (int part = 0; part < cpu->threads; part++) {
            for (int64_t block = 0; block < blocks; block++) {
                update_block(cpu, &update, block * ADAM_COLUMNS, gemm->m * part / cpu->threads,
                             gemm->m * (part + 1) / cpu->threads);
            }
        }
    }
}
