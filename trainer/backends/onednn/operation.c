/*
 * operation.c: builds oneDNN's primitives with their reorders of the filters, and runs them.
 */
#include "operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

static const char *isa_asked; /* "": the process's own choice */

struct onednn_library {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int threads;
    char text[64];
};

/* ---- opening ---- */

static const struct {
    const char *cpu;
    dnnl_cpu_isa_t isa;
} bounds[] = {{"avx512", dnnl_cpu_isa_avx512_core}, {"avx2", dnnl_cpu_isa_avx2}, {"baseline", dnnl_cpu_isa_sse41}};

/* oneDNN takes a bound only before its first operation. */
static int bound_isa(const char *cpu, char *error) {
    if (isa_asked != NULL) {
        if (cpu[0] == '\0' || strcmp(cpu, isa_asked) == 0) return ENGINE_OK;
        snprintf(error, ENGINE_ERROR_SIZE, "onednn: this process has begun with %s kernels; %.32s needs a new one",
                 isa_asked[0] != '\0' ? isa_asked : "the CPU's best", cpu);
        return ENGINE_EBACKEND;
    }
    if (cpu[0] == '\0') {
        isa_asked = "";
        return ENGINE_OK;
    }
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        if (strcmp(bounds[i].cpu, cpu) != 0) continue;
        if (onednn_api.dnnl_set_max_cpu_isa(bounds[i].isa) != dnnl_success) break;
        isa_asked = bounds[i].cpu;
        return ENGINE_OK;
    }
    snprintf(error, ENGINE_ERROR_SIZE, "onednn: it cannot be held to \"%.32s\" (avx512, avx2, baseline)", cpu);
    return ENGINE_EBACKEND;
}

static const char *isa_name(void) {
    switch (onednn_api.dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
        return "sse41";
    case dnnl_cpu_isa_avx:
        return "avx";
    case dnnl_cpu_isa_avx2:
        return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
        return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core:
        return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
        return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
        return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_amx:
        return "avx512_core_amx";
    default:
        return "another instruction set";
    }
}

int onednn_library_open(const char *cpu, int threads, struct onednn_library **ret_library, char *error) {
    int code = onednn_api_open(error);
    if (code == 0) code = bound_isa(cpu != NULL ? cpu : "", error);
    if (code < 0) return code;
    struct onednn_library *library = calloc(1, sizeof *library);
    if (library == NULL || onednn_api.dnnl_engine_create(&library->engine, dnnl_cpu, 0) != dnnl_success ||
        onednn_api.dnnl_stream_create(&library->stream, library->engine, dnnl_stream_default_flags) != dnnl_success) {
        onednn_library_free(library);
        snprintf(error, ENGINE_ERROR_SIZE, "onednn: out of memory");
        return ENGINE_ENOMEM;
    }
    int limit = onednn_api.omp_get_thread_limit();
    library->threads = threads < limit ? threads : limit;
    const dnnl_version_t *version = onednn_api.dnnl_version();
    snprintf(library->text, sizeof library->text, "%d.%d.%d/%s", version->major, version->minor, version->patch,
             isa_name());
    *ret_library = library;
    return ENGINE_OK;
}

void onednn_library_free(struct onednn_library *library) {
    if (library == NULL) return;
    if (library->stream != NULL) onednn_api.dnnl_stream_destroy(library->stream);
    if (library->engine != NULL) onednn_api.dnnl_engine_destroy(library->engine);
    free(library);
}

const char *onednn_library_text(const struct onednn_library *library) {
    return library->text;
}

int onednn_library_threads(const struct onednn_library *library) {
    return library->threads;
}

/* oneDNN shares an operation out when it is made, and waits for as many threads when it runs: it must get exactly
 * those. What OpenMP had is put back, because OpenBLAS asks it too. */
struct openmp {
    int threads, dynamic;
};

static struct openmp openmp_take(const struct onednn_library *library) {
    struct openmp before = {onednn_api.omp_get_max_threads(), onednn_api.omp_get_dynamic()};
    onednn_api.omp_set_dynamic(0);
    onednn_api.omp_set_num_threads(library->threads);
    return before;
}

static void openmp_give_back(struct openmp before) {
    onednn_api.omp_set_num_threads(before.threads);
    onednn_api.omp_set_dynamic(before.dynamic);
}

/* ---- shapes ---- */

/* (outer, channels, rows, columns) as oneDNN counts dimensions, channels last in memory. */
static int desc_channels_last(struct desc *desc, int64_t outer, int64_t channels, int64_t rows, int64_t columns) {
    dnnl_dim_t dims[] = {outer, channels, rows, columns};
    dnnl_dim_t strides[] = {rows * columns * channels, 1, columns * channels, channels};
    return desc_init(desc, 4, dims, strides);
}

static int desc_matrix(struct desc *desc, int64_t rows, int64_t columns, bool transposed, int64_t leading) {
    dnnl_dim_t dims[] = {rows, columns};
    dnnl_dim_t strides[] = {transposed ? 1 : leading, transposed ? leading : 1};
    return desc_init(desc, 2, dims, strides);
}

/* ---- one operation ---- */

enum slot { SLOT_X, SLOT_W, SLOT_BIAS, SLOT_Y, SLOT_SCRATCH, SLOTS };

struct onednn_op {
    struct onednn_library *library;
    dnnl_primitive_t main, reorder; /* reorder: of the filters, into oneDNN's order or (WEIGHTS) out of it; or NULL */
    bool reorder_after;
    dnnl_exec_arg_t args[SLOTS]; /* of `main`; memory NULL: not used */
    dnnl_exec_arg_t order[3];    /* of `reorder`: from, to, scratch */
    size_t scratch_bytes, filters_bytes;
};

static const int arguments[][SLOTS] = {
    [ONEDNN_FORWARD] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD},
    [ONEDNN_DATA] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, 0, DNNL_ARG_DIFF_DST, DNNL_ARG_SCRATCHPAD},
    [ONEDNN_WEIGHTS] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_DIFF_DST,
                        DNNL_ARG_SCRATCHPAD},
    [ONEDNN_MATMUL] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, 0, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD},
};

/* Scratch memory by the caller, float32 as such, and a leaky ReLU of `slope` behind it unless that is 0. */
static int attributes(float slope, dnnl_primitive_attr_t *ret_attributes) {
    dnnl_primitive_attr_t made = NULL;
    dnnl_post_ops_t after = NULL;
    dnnl_status_t status = onednn_api.dnnl_primitive_attr_create(&made);
    if (status == dnnl_success)
        status = onednn_api.dnnl_primitive_attr_set_scratchpad_mode(made, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) status = onednn_api.dnnl_primitive_attr_set_fpmath_mode(made, dnnl_fpmath_mode_strict);
    if (status == dnnl_success && slope > 0) {
        status = onednn_api.dnnl_post_ops_create(&after);
        if (status == dnnl_success) status = onednn_append_leaky_relu(after, slope);
        if (status == dnnl_success) status = onednn_api.dnnl_primitive_attr_set_post_ops(made, after);
        if (after != NULL) onednn_api.dnnl_post_ops_destroy(after);
    }
    if (status != dnnl_success) {
        if (made != NULL) onednn_api.dnnl_primitive_attr_destroy(made);
        return onednn_error(status);
    }
    *ret_attributes = made;
    return ENGINE_OK;
}

static void shapes_release(struct shapes *shapes) {
    desc_release(&shapes->x);
    desc_release(&shapes->w);
    desc_release(&shapes->plain_w);
    desc_release(&shapes->bias);
    desc_release(&shapes->y);
}

static int conv_shapes(const struct conv *conv, bool with_bias, struct shapes *shapes) {
    dnnl_dim_t filters[] = {conv->k, conv->c, conv->kh, conv->kw}, one = 1;
    *shapes = (struct shapes){.strides = {conv->stride, conv->stride}, .pads = {conv->pad, conv->pad}};
    int code = desc_channels_last(&shapes->x, conv->n, conv->c, conv->h, conv->w);
    if (code == 0) code = desc_init(&shapes->w, 4, filters, NULL);
    if (code == 0) code = desc_channels_last(&shapes->plain_w, conv->k, conv->c, conv->kh, conv->kw);
    if (code == 0 && with_bias) code = desc_init(&shapes->bias, 1, &conv->k, &one);
    if (code == 0) code = desc_channels_last(&shapes->y, conv->n, conv->k, conv_rows(conv), conv_columns(conv));
    return code;
}

/* Where oneDNN has the implementation's own list of arrays. */
static desc_ref described(dnnl_primitive_desc_t desc, enum onednn_kind kind) {
    dnnl_query_t what = kind == ONEDNN_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
    return onednn_api.dnnl_primitive_desc_query_md(desc, what, 0);
}

/* oneDNN's last resort is a naive loop. */
static bool is_naive(dnnl_primitive_desc_t desc) {
    const char *name = NULL;
    dnnl_status_t status = onednn_api.dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name);
    return status != dnnl_success || strncmp(name, "ref", 3) == 0;
}

static int describe(struct onednn_library *library, enum onednn_kind kind, const struct shapes *shapes, float slope,
                    dnnl_primitive_desc_t *ret_desc) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t hint = NULL, made = NULL;
    int code = attributes(slope, &attr);
    if (code < 0) return code;
    bool gradient = kind == ONEDNN_DATA || kind == ONEDNN_WEIGHTS;
    if (gradient) code = onednn_error(onednn_describe(library->engine, ONEDNN_FORWARD, shapes, attr, NULL, &hint));
    if (code == 0) code = onednn_error(onednn_describe(library->engine, kind, shapes, attr, hint, &made));
    if (hint != NULL) onednn_api.dnnl_primitive_desc_destroy(hint);
    onednn_api.dnnl_primitive_attr_destroy(attr);
    if (code == 0 && is_naive(made)) {
        onednn_api.dnnl_primitive_desc_destroy(made);
        code = ENGINE_ESHAPE;
    }
    if (code == 0) *ret_desc = made;
    return code;
}

static int add_memory(struct onednn_op *op, dnnl_exec_arg_t *arg, int argument, desc_ref desc) {
    arg->arg = argument;
    return onednn_error(onednn_api.dnnl_memory_create(&arg->memory, desc, op->library->engine, DNNL_MEMORY_NONE));
}

static void grow_scratch(struct onednn_op *op, dnnl_primitive_desc_t desc, desc_ref *ret_scratch) {
    *ret_scratch = onednn_api.dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    size_t bytes = onednn_api.dnnl_memory_desc_get_size(*ret_scratch);
    if (bytes > op->scratch_bytes) op->scratch_bytes = bytes;
}

/* The filters from the engine's order into oneDNN's, or back. */
static int make_reorder(struct onednn_op *op, desc_ref from, desc_ref to) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    desc_ref scratch;
    dnnl_engine_t engine = op->library->engine;
    int code = attributes(0, &attr);
    if (code < 0) return code;
    code = onednn_error(onednn_api.dnnl_reorder_primitive_desc_create(&desc, from, engine, to, engine, attr));
    onednn_api.dnnl_primitive_attr_destroy(attr);
    if (code < 0) return code;
    grow_scratch(op, desc, &scratch);
    code = add_memory(op, &op->order[0], DNNL_ARG_FROM, from);
    if (code == 0) code = add_memory(op, &op->order[1], DNNL_ARG_TO, to);
    if (code == 0) code = add_memory(op, &op->order[2], DNNL_ARG_SCRATCHPAD, scratch);
    if (code == 0) code = onednn_error(onednn_api.dnnl_primitive_create(&op->reorder, desc));
    onednn_api.dnnl_primitive_desc_destroy(desc);
    return code;
}

static int make_memories(struct onednn_op *op, enum onednn_kind kind, const struct shapes *shapes,
                         dnnl_primitive_desc_t desc) {
    desc_ref w = described(desc, kind), scratch, plain = desc_ref_of(&shapes->plain_w);
    grow_scratch(op, desc, &scratch);
    const int *names = arguments[kind];
    int code = add_memory(op, &op->args[SLOT_X], names[SLOT_X], desc_ref_of(&shapes->x));
    if (code == 0) code = add_memory(op, &op->args[SLOT_W], names[SLOT_W], w);
    if (code == 0) code = add_memory(op, &op->args[SLOT_Y], names[SLOT_Y], desc_ref_of(&shapes->y));
    if (code == 0) code = add_memory(op, &op->args[SLOT_SCRATCH], names[SLOT_SCRATCH], scratch);
    if (code == 0 && shapes->bias.made && names[SLOT_BIAS] != 0) {
        code = add_memory(op, &op->args[SLOT_BIAS], names[SLOT_BIAS], desc_ref_of(&shapes->bias));
    }
    if (code < 0 || plain == NULL || onednn_api.dnnl_memory_desc_equal(plain, w)) return code;
    op->filters_bytes = onednn_api.dnnl_memory_desc_get_size(w);
    op->reorder_after = kind == ONEDNN_WEIGHTS;
    return op->reorder_after ? make_reorder(op, w, plain) : make_reorder(op, plain, w);
}

static int op_create(struct onednn_library *library, enum onednn_kind kind, const struct shapes *shapes, float slope,
                     struct onednn_op **ret_op) {
    struct onednn_op *op = calloc(1, sizeof *op);
    if (op == NULL) return ENGINE_ENOMEM;
    op->library = library;
    dnnl_primitive_desc_t desc = NULL;
    struct openmp before = openmp_take(library);
    int code = describe(library, kind, shapes, slope, &desc);
    if (code == 0) code = make_memories(op, kind, shapes, desc);
    if (code == 0) code = onednn_error(onednn_api.dnnl_primitive_create(&op->main, desc));
    if (desc != NULL) onednn_api.dnnl_primitive_desc_destroy(desc);
    openmp_give_back(before);
    if (code < 0) {
        onednn_op_free(op);
        return code;
    }
    *ret_op = op;
    return ENGINE_OK;
}

int onednn_conv_create(struct onednn_library *library, enum onednn_kind kind, const struct conv *conv, bool with_bias,
                       struct onednn_op **ret_op) {
    struct shapes shapes;
    bool fused = kind == ONEDNN_FORWARD && conv->activation.kind == ACTIVATION_LEAKY_RELU;
    int code = conv_shapes(conv, with_bias, &shapes);
    if (code == 0) code = op_create(library, kind, &shapes, fused ? conv->activation.slope : 0, ret_op);
    shapes_release(&shapes);
    return code;
}

int onednn_matmul_create(struct onednn_library *library, const struct gemm *gemm, struct onednn_op **ret_op) {
    struct shapes shapes = {0};
    int code = desc_matrix(&shapes.x, gemm->m, gemm->k, gemm->transpose_a, gemm->lda);
    if (code == 0) code = desc_matrix(&shapes.w, gemm->k, gemm->n, gemm->transpose_b, gemm->ldb);
    if (code == 0) code = desc_matrix(&shapes.y, gemm->m, gemm->n, false, gemm->ldc);
    if (code == 0) code = op_create(library, ONEDNN_MATMUL, &shapes, 0, ret_op);
    shapes_release(&shapes);
    return code;
}

static void free_memories(dnnl_exec_arg_t *args, int count) {
    for (int i = 0; i < count; i++) {
        if (args[i].memory != NULL) onednn_api.dnnl_memory_destroy(args[i].memory);
    }
}

void onednn_op_free(struct onednn_op *op) {
    if (op == NULL) return;
    if (op->main != NULL) onednn_api.dnnl_primitive_destroy(op->main);
    if (op->reorder != NULL) onednn_api.dnnl_primitive_destroy(op->reorder);
    free_memories(op->args, SLOTS);
    free_memories(op->order, 3);
    free(op);
}

/* ---- running ---- */

static size_t lines(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

size_t onednn_op_workspace(const struct onednn_op *op) {
    return lines(op->scratch_bytes) + lines(op->filters_bytes);
}

static dnnl_status_t set(dnnl_memory_t memory, void *to) {
    return memory != NULL ? onednn_api.dnnl_memory_set_data_handle(memory, to) : dnnl_success;
}

static dnnl_status_t set_arrays(struct onednn_op *op, const struct onednn_arrays *arrays, char *workspace) {
    void *filters = workspace + lines(op->scratch_bytes), *const w = op->reorder != NULL ? filters : arrays->w;
    void *const to[SLOTS] = {arrays->x, w, arrays->bias, arrays->y, workspace};
    dnnl_status_t status = dnnl_success;
    for (int slot = 0; slot < SLOTS && status == dnnl_success; slot++) {
        status = set(op->args[slot].memory, to[slot]);
    }
    void *const order[] = {op->reorder_after ? filters : arrays->w, op->reorder_after ? arrays->w : filters, workspace};
    for (int i = 0; i < 3 && status == dnnl_success; i++) {
        status = set(op->order[i].memory, order[i]);
    }
    return status;
}

int onednn_op_run(struct onednn_op *op, const struct onednn_arrays *arrays, void *workspace) {
    dnnl_stream_t stream = op->library->stream;
    dnnl_exec_arg_t used[SLOTS];
    int count = 0;
    for (int slot = 0; slot < SLOTS; slot++) {
        if (op->args[slot].memory != NULL) used[count++] = op->args[slot];
    }
    struct openmp before = openmp_take(op->library);
    dnnl_status_t status = set_arrays(op, arrays, workspace);
    if (status == dnnl_success && op->reorder != NULL && !op->reorder_after) {
        status = onednn_api.dnnl_primitive_execute(op->reorder, stream, 3, op->order);
    }
    if (status == dnnl_success) status = onednn_api.dnnl_primitive_execute(op->main, stream, count, used);
    if (status == dnnl_success && op->reorder_after) {
        status = onednn_api.dnnl_primitive_execute(op->reorder, stream, 3, op->order);
    }
    if (status == dnnl_success) status = onednn_api.dnnl_stream_wait(stream);
    openmp_give_back(before);
    return onednn_error(status);
}
