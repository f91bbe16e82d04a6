/*
 * onednn.c: the backend's table, and its convolutions and matrix products.
 *
 * Each operation goes to oneDNN where that was measured to be faster (`convolves`), else to the CPU backend's own code,
 * as does what oneDNN cannot do.
 */
#include "onednn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "cpu.h"
#include "engine.h"
#include "openblas.h"

struct onednn {
    struct cpu cpu; /* first: the operations of that backend take it as theirs */
    struct onednn_library *library;
    struct cache cache;
    char *workspace;
    size_t workspace_bytes;
};

static struct onednn *of(struct backend *backend) {
    return (struct onednn *)(void *)backend;
}

/* ---- life ---- */

static struct backend_ops table; /* backend_openblas's entries and our own; filled by the first open */

static void onednn_close(struct backend *backend) {
    if (backend == NULL) return;
    struct onednn *onednn = of(backend);
    cache_clear(&onednn->cache);
    onednn_library_free(onednn->library);
    backend_openblas.free(backend, onednn->workspace);
    cpu_release(&onednn->cpu);
    free(onednn);
}

static void describe(struct onednn *onednn) {
    struct cpu *cpu = &onednn->cpu;
    char library[64], *isa;
    snprintf(library, sizeof library, "%s", onednn_library_text(onednn->library));
    snprintf(cpu->numerics, sizeof cpu->numerics, "onednn/%s/%s/%s/%d", library, cpu->blas.core, cpu->kernels->name,
             cpu->threads);
    isa = strchr(library, '/');
    if (isa != NULL) *isa++ = '\0';
    snprintf(cpu->text, sizeof cpu->text, "onednn %s (%s, %s kernels, %d thread%s)", library, isa != NULL ? isa : "",
             cpu->kernels->name, cpu->threads, cpu->threads == 1 ? "" : "s");
}

static void fill_table(void);

static int onednn_open(const struct backend_options *options, struct backend **ret_backend, char *error) {
    if (options->precision != PRECISION_FLOAT32) {
        snprintf(error, ENGINE_ERROR_SIZE, "onednn computes in float32 only; tf32 and bf16 need cuda");
        return ENGINE_EBACKEND;
    }
    struct onednn *onednn = calloc(1, sizeof *onednn);
    if (onednn == NULL) {
        snprintf(error, ENGINE_ERROR_SIZE, "onednn: out of memory");
        return ENGINE_ENOMEM;
    }
    int code = cpu_init(&onednn->cpu, options, error);
    if (code < 0) {
        free(onednn);
        return code;
    }
    code = onednn_library_open(options->cpu, onednn->cpu.threads, &onednn->library, error);
    if (code < 0) {
        cpu_release(&onednn->cpu);
        free(onednn);
        return code;
    }
    describe(onednn);
    fill_table();
    onednn->cpu.backend.ops = &table;
    *ret_backend = &onednn->cpu.backend;
    return ENGINE_OK;
}

/* ---- helpers ---- */

static void fail(struct onednn *onednn, int code) {
    if (code < 0 && onednn->cpu.status == 0) onednn->cpu.status = code;
}

static void *workspace(struct onednn *onednn, size_t bytes) {
    if (onednn->workspace == NULL || bytes > onednn->workspace_bytes) {
        struct backend *backend = &onednn->cpu.backend;
        char *grown = backend_openblas.alloc(backend, bytes);
        if (grown == NULL) {
            fail(onednn, ENGINE_ENOMEM);
            return NULL;
        }
        backend_openblas.free(backend, onednn->workspace);
        onednn->workspace = grown;
        onednn->workspace_bytes = bytes;
    }
    return onednn->workspace;
}

/* oneDNN takes no const pointers; what an operation only reads it does not write. */
static void *plain(const void *array) {
    return (void *)(uintptr_t)array;
}

static size_t floats(int64_t count) {
    return (size_t)round_up(count * (int64_t)sizeof(float), 64);
}

/* Which passes oneDNN is faster at, as measured on one AVX-512 core, batch 128, over the models' shapes.
 *
 * Behind a max pool at most one gradient in pool × pool is not zero: the CPU backend visits these alone, at twice the
 * speed of oneDNN's dense pass. Dense gradients are oneDNN's: 1.0 to 7 times as fast. Forward with stride 1 is the CPU
 * backend's, by Winograd's method (5x5 of 32 channels: 2.6 times); with larger strides oneDNN wins 1.1 to 1.4 times
 * from 16 channels on, with fewer it has little to keep in registers. */
static bool convolves(const struct onednn *onednn, enum onednn_kind kind, const struct conv *conv) {
    if (onednn->cpu.kernels->width < 8) return false; /* its code for SSE is slower than ours */
    if (conv->pool != 1) return false;
    return kind != ONEDNN_FORWARD || (conv->stride > 1 && conv->c >= 16);
}

static struct onednn_op *find(struct onednn *onednn, enum onednn_kind kind, const struct conv *conv, bool with_bias) {
    if (!convolves(onednn, kind, conv)) return NULL;
    int status = 0;
    struct onednn_op *op = cache_conv(&onednn->cache, onednn->library, kind, conv, with_bias, &status);
    fail(onednn, status);
    return op;
}

static int64_t rows_size(const struct conv *conv) {
    return conv_rows(conv) * conv_columns(conv) * conv->k;
}

/* ---- convolution ---- */

static bool forward(struct onednn *onednn, const struct conv *conv, const float *x, const float *w, const float *bias,
                    float *y) {
    struct onednn_op *op = find(onednn, ONEDNN_FORWARD, conv, bias != NULL);
    if (op == NULL) return false;
    void *memory = workspace(onednn, onednn_op_workspace(op));
    if (memory == NULL) return true;
    struct onednn_arrays arrays = {.x = plain(x), .w = plain(w), .bias = plain(bias), .y = y};
    fail(onednn, onednn_op_run(op, &arrays, memory));
    if (conv->activation.kind == ACTIVATION_RELU) {
        struct backend *backend = &onednn->cpu.backend;
        backend_openblas.bias_activation(backend, conv->n * conv_rows(conv) * conv_columns(conv), conv->k, NULL,
                                         conv->activation, y);
    }
    return true;
}

static void onednn_conv_forward(struct backend *backend, const struct conv *conv, const float *x, const float *w,
                                const float *bias, float *y, uint8_t *winner) {
    if (!forward(of(backend), conv, x, w, bias, y)) cpu_conv_forward(backend, conv, x, w, bias, y, winner);
}

/* dy as it is before the activation, in `masked` where there is one. */
static const float *mask(const struct onednn *onednn, const struct conv *conv, const float *y, const float *dy,
                         float *masked) {
    if (conv->activation.kind == ACTIVATION_NONE) return dy;
    int64_t rows = conv->n * conv_rows(conv) * conv_columns(conv);
    int threads = onednn->cpu.threads;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        int64_t first = rows * i / threads, last = rows * (i + 1) / threads;
        onednn->cpu.kernels->mask(last - first, conv->k, true, conv->activation.slope, y + first * conv->k,
                                  dy + first * conv->k, masked + first * conv->k, NULL);
    }
    return masked;
}

/* Runs a gradient: of the filters and biases, or of x. False: oneDNN has none. */
static bool backward(struct onednn *onednn, enum onednn_kind kind, const struct conv *conv, const float *y,
                     const float *dy, struct onednn_arrays arrays) {
    struct onednn_op *op = find(onednn, kind, conv, arrays.bias != NULL);
    if (op == NULL) return false;
    bool masks = conv->activation.kind != ACTIVATION_NONE;
    size_t own = onednn_op_workspace(op);
    char *memory = workspace(onednn, own + (masks ? floats(conv->n * rows_size(conv)) : 0));
    if (memory == NULL) return true;
    arrays.y = plain(mask(onednn, conv, y, dy, (float *)(void *)(memory + own)));
    fail(onednn, onednn_op_run(op, &arrays, memory));
    return true;
}

static void onednn_conv_backward_data(struct backend *backend, const struct conv *conv, const float *y,
                                      const uint8_t *winner, const float *dy, const float *w, float *dx) {
    struct onednn_arrays arrays = {.x = dx, .w = plain(w)};
    if (!backward(of(backend), ONEDNN_DATA, conv, y, dy, arrays)) {
        cpu_conv_backward_data(backend, conv, y, winner, dy, w, dx);
    }
}

static void onednn_conv_backward_weights(struct backend *backend, const struct conv *conv, const float *x,
                                         const float *y, const uint8_t *winner, const float *dy, float *dw,
                                         float *dbias) {
    struct onednn_arrays arrays = {.x = plain(x), .w = dw, .bias = dbias};
    if (!backward(of(backend), ONEDNN_WEIGHTS, conv, y, dy, arrays)) {
        cpu_conv_backward_weights(backend, conv, x, y, winner, dy, dw, dbias);
    }
}

/* ---- matrix products ---- */

static bool multiply(struct onednn *onednn, const struct gemm *gemm, const float *a, const float *b, float *c) {
    if (gemm->beta != 0) return false;
    int status = 0;
    struct onednn_op *op = cache_matmul(&onednn->cache, onednn->library, gemm, &status);
    fail(onednn, status);
    if (op == NULL) return false;
    void *memory = workspace(onednn, onednn_op_workspace(op));
    if (memory == NULL) return true;
    struct onednn_arrays arrays = {.x = plain(a), .w = plain(b), .y = c};
    fail(onednn, onednn_op_run(op, &arrays, memory));
    return true;
}

static void onednn_gemm(struct backend *backend, const struct gemm *gemm, const float *a, const float *b, float *c) {
    if (!multiply(of(backend), gemm, a, b, c)) backend_openblas.gemm(backend, gemm, a, b, c);
}

static void fill_table(void) {
    table = backend_openblas;
    table.name = backend_onednn.name;
    table.open = onednn_open;
    table.close = onednn_close;
    table.gemm = onednn_gemm;
    table.conv_forward = onednn_conv_forward;
    table.conv_backward_data = onednn_conv_backward_data;
    table.conv_backward_weights = onednn_conv_backward_weights;
}

/* What the registry needs before a backend is open; an open one has `table`. */
const struct backend_ops backend_onednn = {.name = "onednn", .open = onednn_open, .close = onednn_close};
