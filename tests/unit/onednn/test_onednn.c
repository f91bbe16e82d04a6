/*
 * test_onednn.c: what is oneDNN's own in that backend: each of its passes against the float64 reference (also those
 * that the backend leaves to other code because it is faster), its table of operations, and what happens without
 * memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "guarded.h"
#include "operation.h"
#include "reference.h"
#include "registry.h"

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static bool no_memory;
static int allocations;

void *__wrap_calloc(size_t count, size_t size) {
    allocations++;
    return no_memory ? NULL : __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    allocations++;
    return no_memory ? NULL : __real_aligned_alloc(alignment, size);
}

/* The kernel set of this process; NULL: the CPU's best. */
static const char *cpu(void) {
    return getenv("TESTS_CPU");
}

static struct backend *open_backend(int threads) {
    struct backend_options options = {.threads = threads, .cpu = cpu()};
    struct backend *backend = NULL;
    char why[BACKEND_TEXT_SIZE], error[ENGINE_ERROR_SIZE];
    if (registry_open("onednn", &options, &backend, why, error) < 0) {
        print_message("[  SKIPPED ] %s\n", error);
        skip();
    }
    return backend;
}

/* ---- each pass against the reference ---- */

#define NONE                                                                                                           \
    { ACTIVATION_NONE, 0 }
#define LEAKY                                                                                                          \
    { ACTIVATION_LEAKY_RELU, 0.1f }

/* n, h, w, c, k, kh, kw, stride, pad, activation, pool */
static const struct conv shapes[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 0, NONE, 1},    {2, 5, 7, 3, 5, 3, 3, 1, 1, LEAKY, 1},
    {3, 9, 8, 1, 32, 5, 5, 1, 2, NONE, 1},   {2, 7, 7, 32, 64, 5, 5, 1, 2, LEAKY, 1},
    {5, 11, 13, 4, 17, 3, 2, 1, 0, NONE, 1}, {2, 10, 10, 2, 16, 3, 3, 3, 1, LEAKY, 1},
    {1, 14, 29, 7, 33, 3, 3, 2, 1, NONE, 1}, {4, 6, 31, 5, 48, 1, 5, 1, 2, LEAKY, 1},
    {2, 8, 8, 40, 9, 2, 7, 1, 3, NONE, 1},   {7, 14, 14, 16, 24, 4, 4, 2, 1, NONE, 1},
    {5, 28, 28, 1, 64, 4, 4, 2, 1, NONE, 1}, {3, 15, 15, 8, 16, 5, 5, 3, 1, NONE, 1},
};
#define SHAPES (sizeof shapes / sizeof shapes[0])

struct arrays {
    struct guarded x, w, bias, y;
    int64_t x_count, w_count, y_count;
};

/* What the pass writes begins as NaN, the rest as numbers. */
static struct arrays make(struct backend *backend, enum onednn_kind kind, const struct conv *conv) {
    struct arrays a = {.x_count = conv->n * conv->h * conv->w * conv->c,
                       .w_count = conv->k * conv->kh * conv->kw * conv->c,
                       .y_count = conv->n * conv_rows(conv) * conv_columns(conv) * conv->k};
    a.x = guarded_floats(backend, a.x_count, kind == ONEDNN_DATA ? 0 : 1);
    a.w = guarded_floats(backend, a.w_count, kind == ONEDNN_WEIGHTS ? 0 : 2);
    a.bias = guarded_floats(backend, conv->k, kind == ONEDNN_WEIGHTS ? 0 : 3);
    a.y = guarded_floats(backend, a.y_count, kind == ONEDNN_FORWARD ? 0 : 4);
    return a;
}

static void release(struct arrays *a) {
    guarded_release(&a->x);
    guarded_release(&a->w);
    guarded_release(&a->bias);
    guarded_release(&a->y);
}

static void assert_all_near(const double *got, const double *want, int64_t count, double terms, const char *what,
                            size_t shape) {
    for (int64_t i = 0; i < count; i++) {
        if (!(fabs(got[i] - want[i]) <= 4e-6 * (sqrt(terms) + 1))) {
            fail_msg("%s of shape %zu, element %lld: %.9g instead of %.9g", what, shape, (long long)i, got[i], want[i]);
        }
    }
}

static void compare(enum onednn_kind kind, const struct conv *conv, size_t shape, const struct arrays *a) {
    double *x = guarded_read(&a->x), *w = guarded_read(&a->w), *bias = guarded_read(&a->bias);
    double *y = guarded_read(&a->y);
    int64_t window = conv->kh * conv->kw, cells = a->y_count / conv->k;
    double *want = calloc((size_t)(a->x_count + a->w_count + a->y_count + conv->k), sizeof *want), *sums = want;
    if (kind == ONEDNN_FORWARD) {
        reference_conv(conv, x, w, bias, want);
        for (int64_t i = 0; i < a->y_count; i++) {
            if (want[i] < 0 && conv->activation.kind != ACTIVATION_NONE) want[i] *= (double)conv->activation.slope;
        }
        assert_all_near(y, want, a->y_count, (double)(window * conv->c), "y", shape);
    } else if (kind == ONEDNN_DATA) {
        reference_conv_backward(conv, x, w, y, want, NULL);
        assert_all_near(x, want, a->x_count, (double)(window * conv->k), "dx", shape);
    } else {
        reference_conv_backward(conv, x, w, y, NULL, want);
        assert_all_near(w, want, a->w_count, (double)cells, "dw", shape);
        sums = want + a->w_count;
        for (int64_t i = 0; i < a->y_count; i++) {
            sums[i % conv->k] += y[i];
        }
        assert_all_near(bias, sums, conv->k, (double)cells, "dbias", shape);
    }
    double *const all[] = {x, w, bias, y, want};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]);
    }
}

/* False: oneDNN has no code for it. */
static bool check_pass(struct backend *backend, struct onednn_library *library, enum onednn_kind kind, size_t shape) {
    const struct conv *conv = &shapes[shape];
    struct onednn_op *op = NULL;
    if (onednn_conv_create(library, kind, conv, kind != ONEDNN_DATA, &op) < 0) return false;
    struct arrays a = make(backend, kind, conv);
    void *workspace = backend->ops->alloc(backend, onednn_op_workspace(op));
    assert_non_null(workspace);
    memset(workspace, 0xff, onednn_op_workspace(op)); /* NaN: nothing may be taken from an earlier run */
    struct onednn_arrays arrays = {a.x.values, a.w.values, a.bias.values, a.y.values};
    assert_int_equal(onednn_op_run(op, &arrays, workspace), 0);
    compare(kind, conv, shape, &a);
    assert_int_equal(onednn_op_run(op, &arrays, workspace), 0);
    compare(kind, conv, shape, &a);
    backend->ops->free(backend, workspace);
    onednn_op_free(op);
    release(&a);
    return true;
}

static void test_passes(void **state) {
    (void)state;
    static const int threads[] = {1, 3};
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        struct backend *backend = open_backend(threads[t]);
        struct onednn_library *library = NULL;
        char error[ENGINE_ERROR_SIZE];
        assert_int_equal(onednn_library_open(cpu(), threads[t], &library, error), 0);
        int checked = 0;
        for (size_t shape = 0; shape < SHAPES; shape++) {
            checked += check_pass(backend, library, ONEDNN_FORWARD, shape);
            checked += check_pass(backend, library, ONEDNN_DATA, shape);
            checked += check_pass(backend, library, ONEDNN_WEIGHTS, shape);
        }
        print_message("%s, %d threads: %d of %zu passes are oneDNN's\n", onednn_library_text(library),
                      onednn_library_threads(library), checked, 3 * SHAPES);
        assert_true(checked >= (int)(2 * SHAPES));
        onednn_library_free(library);
        backend->ops->close(backend);
    }
}

/* ---- the backend ---- */

static struct gemm product_of(int64_t size) {
    return (struct gemm){.transpose_b = true, .m = size, .n = 5, .k = 7, .lda = 7, .ldb = 7, .ldc = 5};
}

/* More shapes than the table holds, then the first again. */
static void test_table_overflows(void **state) {
    (void)state;
    struct backend *backend = open_backend(1);
    struct guarded a = guarded_floats(backend, 250 * 7, 1), b = guarded_floats(backend, 5 * 7, 2);
    double *as = guarded_read(&a), *bs = guarded_read(&b);
    for (int64_t round = 0; round < 250; round++) {
        struct gemm gemm = product_of(round < 249 ? round + 1 : 1);
        struct guarded c = guarded_floats(backend, gemm.m * gemm.n, 0);
        backend->ops->gemm(backend, &gemm, a.values, b.values, c.values);
        double *got = guarded_read(&c);
        for (int64_t i = 0; i < gemm.m * gemm.n; i++) {
            double want = 0;
            for (int64_t k = 0; k < gemm.k; k++) {
                want += as[i / 5 * 7 + k] * bs[i % 5 * 7 + k];
            }
            assert_true(fabs(got[i] - want) <= 1e-5);
        }
        free(got);
        guarded_release(&c);
    }
    assert_int_equal(backend->ops->status(backend), 0);
    free(as);
    free(bs);
    guarded_release(&a);
    guarded_release(&b);
    backend->ops->close(backend);
}

/* A convolution without a pool, so that all passes are oneDNN's where it is the faster one. */
static void three_passes(struct backend *backend, const struct conv *conv, struct arrays *a, struct arrays *gradients) {
    backend->ops->conv_forward(backend, conv, a->x.values, a->w.values, a->bias.values, a->y.values, NULL);
    backend->ops->conv_backward_data(backend, conv, a->y.values, NULL, gradients->y.values, a->w.values,
                                     gradients->x.values);
    backend->ops->conv_backward_weights(backend, conv, a->x.values, a->y.values, NULL, gradients->y.values,
                                        gradients->w.values, gradients->bias.values);
}

static const struct conv plain = {6, 9, 9, 32, 48, 3, 3, 2, 1, {ACTIVATION_RELU, 0}, 1};

static void test_same_bits_and_no_allocation(void **state) {
    (void)state;
    struct backend *backend = open_backend(3);
    struct arrays a = make(backend, ONEDNN_FORWARD, &plain), g = make(backend, ONEDNN_WEIGHTS, &plain);
    three_passes(backend, &plain, &a, &g);
    double *first[] = {guarded_read(&a.y), guarded_read(&g.x), guarded_read(&g.w), guarded_read(&g.bias)};
    int before = allocations;
    for (int round = 0; round < 20; round++) {
        three_passes(backend, &plain, &a, &g);
    }
    assert_int_equal(allocations, before);
    double *again[] = {guarded_read(&a.y), guarded_read(&g.x), guarded_read(&g.w), guarded_read(&g.bias)};
    const int64_t counts[] = {a.y_count, a.x_count, a.w_count, plain.k};
    for (int i = 0; i < 4; i++) {
        assert_memory_equal(first[i], again[i], (size_t)counts[i] * sizeof *first[i]);
        free(first[i]);
        free(again[i]);
    }
    release(&a);
    release(&g);
    backend->ops->close(backend);
}

static void test_nan_is_not_hidden(void **state) {
    (void)state;
    struct backend *backend = open_backend(1);
    struct arrays a = make(backend, ONEDNN_FORWARD, &plain);
    float nan = NAN;
    backend->ops->upload(backend, a.bias.values, &nan, sizeof nan);
    for (int leaky = 0; leaky < 2; leaky++) {
        struct conv conv = plain;
        if (leaky) conv.activation = (struct activation){ACTIVATION_LEAKY_RELU, 0.2f};
        backend->ops->conv_forward(backend, &conv, a.x.values, a.w.values, a.bias.values, a.y.values, NULL);
        double *y = guarded_read(&a.y);
        for (int64_t i = 0; i < a.y_count; i++) {
            assert_int_equal(isnan(y[i]) != 0, i % conv.k == 0);
        }
        free(y);
    }
    release(&a);
    backend->ops->close(backend);
}

static void test_without_memory(void **state) {
    (void)state;
    struct backend_options options = {.threads = 1, .cpu = cpu()};
    char why[BACKEND_TEXT_SIZE], error[ENGINE_ERROR_SIZE] = "";
    struct backend *backend = open_backend(1);
    struct arrays a = make(backend, ONEDNN_FORWARD, &plain), g = make(backend, ONEDNN_WEIGHTS, &plain);
    no_memory = true;
    three_passes(backend, &plain, &a, &g);
    struct backend *none = NULL;
    int code = registry_open("onednn", &options, &none, why, error);
    no_memory = false;
    assert_int_equal(code, ENGINE_ENOMEM);
    assert_string_equal(error, "onednn: out of memory");
    assert_int_equal(backend->ops->status(backend), ENGINE_ENOMEM);
    release(&a);
    release(&g);
    backend->ops->close(backend);
}

static void test_other_kernels_need_another_process(void **state) {
    (void)state;
    struct backend *backend = open_backend(1);
    bool older = cpu() != NULL && strcmp(cpu(), "baseline") == 0;
    struct backend_options options = {.threads = 1, .cpu = older ? "avx2" : "baseline"};
    struct backend *other = NULL;
    char why[BACKEND_TEXT_SIZE], error[ENGINE_ERROR_SIZE] = "";
    int code = registry_open("onednn", &options, &other, why, error);
    if (strstr(error, "no kernels") == NULL) { /* a CPU without AVX2 refuses it for that */
        assert_int_equal(code, ENGINE_EBACKEND);
        assert_non_null(strstr(error, "this process has begun with"));
    }
    options = (struct backend_options){.threads = 1, .cpu = "mmx"};
    assert_int_equal(registry_open("onednn", &options, &other, why, error), ENGINE_EBACKEND);
    options = (struct backend_options){.threads = 1, .cpu = cpu(), .precision = PRECISION_BF16};
    assert_int_equal(registry_open("onednn", &options, &other, why, error), ENGINE_EBACKEND);
    assert_non_null(strstr(error, "float32 only"));
    backend->ops->close(backend);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes),
        cmocka_unit_test(test_table_overflows),
        cmocka_unit_test(test_same_bits_and_no_allocation),
        cmocka_unit_test(test_nan_is_not_hidden),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_other_kernels_need_another_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
