/*
 * test_conv.c: convolutions and pools of every backend against the float64 reference, with odd sizes and guard rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "engine.h"
#include "every_backend.h"
#include "guarded.h"
#include "reference.h"

#define NONE                                                                                                           \
    { ACTIVATION_NONE, 0 }
#define LEAKY                                                                                                          \
    { ACTIVATION_LEAKY_RELU, 0.2f }
#define RELU                                                                                                           \
    { ACTIVATION_RELU, 0 }

/* n, h, w, c, k, kh, kw, stride, pad, activation, pool */
static const struct conv shapes[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 0, NONE, 1},
    {2, 5, 7, 3, 5, 3, 3, 1, 1, RELU, 1},
    {3, 9, 8, 1, 32, 5, 5, 1, 2, RELU, 2},
    {2, 7, 7, 32, 64, 5, 5, 1, 2, RELU, 2},
    {5, 11, 13, 4, 17, 3, 2, 1, 0, NONE, 2},
    {2, 10, 10, 2, 16, 3, 3, 3, 1, RELU, 2},
    {1, 14, 29, 7, 33, 3, 3, 2, 1, RELU, 3},
    {4, 6, 31, 5, 48, 1, 5, 1, 2, RELU, 1},
    {2, 8, 8, 40, 9, 2, 7, 1, 3, NONE, 1},
    {7, 4, 4, 16, 8, 4, 4, 2, 1, RELU, 1},
    {3, 13, 13, 32, 64, 3, 3, 1, 0, RELU, 2},
    {1, 3, 40, 3, 3, 3, 3, 1, 1, RELU, 2},
    {3, 28, 27, 1, 64, 4, 4, 2, 1, LEAKY, 1},
    {2, 14, 14, 64, 37, 4, 4, 2, 1, LEAKY, 1},
    {2, 9, 11, 3, 19, 3, 3, 1, 1, LEAKY, 2},
    {2, 7, 7, 16, 1, 3, 3, 1, 1, LEAKY, 1},
    /* Those that Winograd's filtering may take, with tiles cut at every border. */
    {3, 14, 14, 32, 64, 5, 5, 1, 2, RELU, 2},
    {2, 13, 9, 19, 37, 3, 3, 1, 0, NONE, 1},
    {2, 9, 17, 16, 21, 5, 5, 1, 2, LEAKY, 4},
    {5, 12, 12, 33, 17, 5, 5, 1, 0, RELU, 2},
    {2, 9, 9, 16, 16, 3, 3, 1, 0, RELU, 4},
    {9, 5, 5, 64, 64, 3, 3, 1, 0, RELU, 1},
    {1, 10, 7, 48, 40, 3, 3, 1, 3, LEAKY, 2},
    {3, 8, 23, 17, 33, 5, 5, 1, 4, NONE, 1},
    /* Every gradient counts: no pool. */
    {3, 14, 14, 64, 128, 4, 4, 2, 1, NONE, 1},
    {2, 28, 28, 1, 64, 4, 4, 2, 1, NONE, 1},
    {4, 9, 11, 5, 7, 3, 2, 2, 1, LEAKY, 1},
};
#define SHAPES (sizeof shapes / sizeof shapes[0])

/* Winograd's filtering rounds up to five times as much as a direct sum (the limit below allows a direct sum more than
 * it needs). */
#define FORWARD_SCALE 4.0

static void assert_near(double got, double want, double scale, const char *what, size_t shape, int64_t i) {
    if (!(fabs(got - want) <= 4e-6 * scale)) {
        fail_msg("%s of shape %zu, element %lld: %.9g instead of %.9g", what, shape, (long long)i, got, want);
    }
}

struct arrays {
    struct guarded x, w, bias, y, winner, dy, dx, dw, dbias;
    int64_t x_count, w_count, y_count;
};

static struct arrays make(struct backend *backend, const struct conv *conv) {
    struct arrays a = {.x_count = conv->n * conv->h * conv->w * conv->c,
                       .w_count = conv->k * conv->kh * conv->kw * conv->c,
                       .y_count = conv->n * conv_out_h(conv) * conv_out_w(conv) * conv->k};
    a.x = guarded_floats(backend, a.x_count, 1);
    a.w = guarded_floats(backend, a.w_count, 2);
    a.bias = guarded_floats(backend, conv->k, 3);
    a.y = guarded_floats(backend, a.y_count, 0);
    a.winner = guarded_bytes(backend, a.y_count);
    a.dy = guarded_floats(backend, a.y_count, 4);
    a.dx = guarded_floats(backend, a.x_count, 0);
    a.dw = guarded_floats(backend, a.w_count, 0);
    a.dbias = guarded_floats(backend, conv->k, 0);
    return a;
}

static void release(struct arrays *a) {
    struct guarded *const all[] = {&a->x, &a->w, &a->bias, &a->y, &a->winner, &a->dy, &a->dx, &a->dw, &a->dbias};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        guarded_release(all[i]);
    }
}

/* Where output cell i's window place `place` stands in the array before the pool. */
static int64_t before_pool(const struct conv *conv, int64_t i, int64_t place) {
    int64_t out_w = conv_out_w(conv), out_h = conv_out_h(conv);
    int64_t k = i % conv->k, column = i / conv->k % out_w, row = i / conv->k / out_w % out_h,
            n = i / conv->k / out_w / out_h;
    row = row * conv->pool + place / conv->pool;
    column = column * conv->pool + place % conv->pool;
    return ((n * conv_rows(conv) + row) * conv_columns(conv) + column) * conv->k + k;
}

static void check_forward(const struct conv *conv, size_t shape, const struct arrays *a, const double *full,
                          const double *y, const uint8_t *winner) {
    double scale = FORWARD_SCALE * (sqrt((double)(conv->kh * conv->kw * conv->c)) + 1);
    for (int64_t i = 0; i < a->y_count; i++) {
        double best = -INFINITY;
        for (int64_t place = 0; place < conv->pool * conv->pool; place++) {
            best = fmax(best, full[before_pool(conv, i, place)]);
        }
        double want = reference_activation(conv->activation, best);
        assert_near(y[i], want, scale, "y", shape, i);
        if (conv->pool > 1) {
            assert_in_range(winner[i], 0, conv->pool * conv->pool - 1);
            assert_near(full[before_pool(conv, i, winner[i])], best, scale, "winner", shape, i);
        }
    }
}

static void check_backward(const struct conv *conv, size_t shape, struct arrays *a, const double *y,
                           const uint8_t *winner) {
    int64_t full_count = conv->n * conv_rows(conv) * conv_columns(conv) * conv->k;
    double *dfull = calloc((size_t)full_count, sizeof *dfull), *x = guarded_read(&a->x), *w = guarded_read(&a->w);
    double *dx_want = calloc((size_t)a->x_count, sizeof *dx_want),
           *dw_want = calloc((size_t)a->w_count, sizeof *dw_want);
    double *dbias_want = calloc((size_t)conv->k, sizeof *dbias_want), *dy = guarded_read(&a->dy);
    for (int64_t i = 0; i < a->y_count; i++) {
        double slope = reference_slope(conv->activation, y[i]);
        dfull[before_pool(conv, i, conv->pool > 1 ? winner[i] : 0)] = dy[i] * slope;
        dbias_want[i % conv->k] += dy[i] * slope;
    }
    reference_conv_backward(conv, x, w, dfull, dx_want, dw_want);
    double *dx = guarded_read(&a->dx), *dw = guarded_read(&a->dw), *dbias = guarded_read(&a->dbias);
    double cells = (double)(a->y_count / conv->k);
    for (int64_t i = 0; i < a->x_count; i++) {
        assert_near(dx[i], dx_want[i], sqrt((double)(conv->kh * conv->kw * conv->k)) + 1, "dx", shape, i);
    }
    for (int64_t i = 0; i < a->w_count; i++) {
        assert_near(dw[i], dw_want[i], sqrt(cells) + 1, "dw", shape, i);
    }
    for (int64_t k = 0; k < conv->k; k++) {
        assert_near(dbias[k], dbias_want[k], sqrt(cells) + 1, "dbias", shape, k);
    }
    double *const all[] = {dfull, x, w, dx_want, dw_want, dbias_want, dy, dx, dw, dbias};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]);
    }
}

static void check_shape(struct backend *backend, size_t shape) {
    const struct conv *conv = &shapes[shape];
    struct arrays a = make(backend, conv);
    uint8_t *winner_place = conv->pool > 1 ? a.winner.values : NULL;
    backend->ops->conv_forward(backend, conv, a.x.values, a.w.values, a.bias.values, a.y.values, winner_place);
    backend->ops->conv_backward_data(backend, conv, a.y.values, winner_place, a.dy.values, a.w.values, a.dx.values);
    backend->ops->conv_backward_weights(backend, conv, a.x.values, a.y.values, winner_place, a.dy.values, a.dw.values,
                                        a.dbias.values);
    assert_int_equal(backend->ops->status(backend), 0);
    double *full = calloc((size_t)(conv->n * conv_rows(conv) * conv_columns(conv) * conv->k), sizeof *full);
    double *x = guarded_read(&a.x), *w = guarded_read(&a.w), *bias = guarded_read(&a.bias), *y = guarded_read(&a.y);
    uint8_t *winner = guarded_read_bytes(&a.winner);
    reference_conv(conv, x, w, bias, full);
    check_forward(conv, shape, &a, full, y, winner);
    check_backward(conv, shape, &a, y, winner);
    free(full);
    free(x);
    free(w);
    free(bias);
    free(y);
    free(winner);
    release(&a);
}

static void conv_shapes(struct backend *backend) {
    for (size_t shape = 0; shape < SHAPES; shape++) {
        check_shape(backend, shape);
    }
}

static void test_conv(void **state) {
    (void)state;
    every_backend(conv_shapes);
}

/* Equal values: the first wins; NaN is not hidden by pool or ReLU. */
static void conv_ties_and_nan(struct backend *backend) {
    struct conv conv = {
        .n = 1, .h = 2, .w = 4, .c = 1, .k = 1, .kh = 1, .kw = 1, .stride = 1, .activation = RELU, .pool = 2};
    struct guarded x = guarded_floats(backend, 8, 0), w = guarded_floats(backend, 1, 0),
                   bias = guarded_floats(backend, 1, 0);
    struct guarded y = guarded_floats(backend, 2, 0), winner = guarded_bytes(backend, 2);
    guarded_write(&x, (float[]){1, 3, 5, NAN, 3, 3, 6, 7});
    guarded_write(&w, (float[]){1});
    guarded_write(&bias, (float[]){0});
    backend->ops->conv_forward(backend, &conv, x.values, w.values, bias.values, y.values, winner.values);
    double *got = guarded_read(&y);
    uint8_t *places = guarded_read_bytes(&winner);
    assert_true(got[0] == 3);
    assert_int_equal(places[0], 1);
    assert_true(isnan(got[1]));
    free(got);
    free(places);
    struct guarded *const all[] = {&x, &w, &bias, &y, &winner};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        guarded_release(all[i]);
    }
}

static void test_conv_ties_and_nan(void **state) {
    (void)state;
    every_backend(conv_ties_and_nan);
}

/* A NaN pixel reaches every output whose windows hold it (with Winograd's filtering some more beside them), and no
 * other image. */
static void check_nan_reaches(struct backend *backend, const struct conv *conv) {
    int64_t row = conv->h / 2, column = conv->w - 1, pixel = (row * conv->w + column) * conv->c + conv->c - 1;
    struct arrays a = make(backend, conv);
    double *x = guarded_read(&a.x);
    float *spoilt = calloc((size_t)a.x_count, sizeof *spoilt);
    for (int64_t i = 0; i < a.x_count; i++) {
        spoilt[i] = i == pixel ? NAN : (float)x[i];
    }
    guarded_write(&a.x, spoilt);
    backend->ops->conv_forward(backend, conv, a.x.values, a.w.values, a.bias.values, a.y.values,
                               conv->pool > 1 ? a.winner.values : NULL);
    double *y = guarded_read(&a.y);
    int64_t image = a.y_count / conv->n, window_h = conv->kh + conv->pool - 1, window_w = conv->kw + conv->pool - 1;
    for (int64_t i = 0; i < a.y_count; i++) {
        int64_t cell = i % image / conv->k, first_row = cell / conv_out_w(conv) * conv->pool - conv->pad,
                first_column = cell % conv_out_w(conv) * conv->pool - conv->pad;
        bool holds = first_row <= row && row < first_row + window_h && first_column <= column &&
                     column < first_column + window_w;
        bool spoiled = isnan(y[i]);
        if (i < image && holds) assert_true(spoiled);
        if (i >= image) assert_false(spoiled);
    }
    free(x);
    free(spoilt);
    free(y);
    release(&a);
}

static void conv_nan_reaches(struct backend *backend) {
    static const struct conv some[] = {
        {3, 14, 14, 32, 64, 5, 5, 1, 2, RELU, 2},
        {3, 9, 9, 16, 16, 3, 3, 1, 0, NONE, 1},
        {2, 9, 9, 3, 5, 3, 3, 1, 1, LEAKY, 2},
    };
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        check_nan_reaches(backend, &some[i]);
    }
}

static void test_conv_nan_reaches(void **state) {
    (void)state;
    every_backend(conv_nan_reaches);
}

static void fill(struct guarded *array, int64_t count, float value) {
    float *values = malloc((size_t)count * sizeof *values);
    for (int64_t i = 0; i < count; i++) {
        values[i] = value;
    }
    guarded_write(array, values);
    free(values);
}

static void assert_all(const struct guarded *array, int64_t count, double want, const char *what,
                       const struct conv *conv) {
    double *got = guarded_read(array);
    for (int64_t i = 0; i < count; i++) {
        if (got[i] == want) continue;
        fail_msg("%s, %lldx%lld filters, activation %d, pool %lld: %g instead of %g", what, (long long)conv->kh,
                 (long long)conv->kw, (int)conv->activation.kind, (long long)conv->pool, got[i], want);
    }
    free(got);
}

/* ReLU makes 0 of minus infinity, and lets nothing back where its output is 0, were it infinite: no 0 × infinity. */
static void check_infinite(struct backend *backend, const struct conv *conv) {
    struct arrays a = make(backend, conv);
    uint8_t *winner = conv->pool > 1 ? a.winner.values : NULL;
    bool leaky = conv->activation.kind == ACTIVATION_LEAKY_RELU;
    fill(&a.bias, conv->k, -INFINITY);
    backend->ops->conv_forward(backend, conv, a.x.values, a.w.values, a.bias.values, a.y.values, winner);
    assert_all(&a.y, a.y_count, leaky ? (double)-INFINITY : 0, "y of minus infinity", conv);
    if (!leaky) {
        fill(&a.dy, a.y_count, INFINITY);
        backend->ops->conv_backward_data(backend, conv, a.y.values, winner, a.dy.values, a.w.values, a.dx.values);
        backend->ops->conv_backward_weights(backend, conv, a.x.values, a.y.values, winner, a.dy.values, a.dw.values,
                                            a.dbias.values);
        assert_all(&a.dx, a.x_count, 0, "dx behind zeros", conv);
        assert_all(&a.dw, a.w_count, 0, "dw behind zeros", conv);
        assert_all(&a.dbias, conv->k, 0, "dbias behind zeros", conv);
    }
    release(&a);
}

static void conv_infinite(struct backend *backend) {
    static const struct conv some[] = {
        {3, 14, 14, 32, 64, 5, 5, 1, 2, RELU, 2}, {2, 14, 14, 32, 64, 5, 5, 1, 2, LEAKY, 2},
        {9, 5, 5, 64, 64, 3, 3, 1, 0, RELU, 1},   {2, 9, 9, 16, 17, 3, 3, 1, 0, LEAKY, 1},
        {2, 9, 9, 3, 5, 3, 3, 1, 1, RELU, 1},     {2, 9, 9, 3, 19, 3, 3, 1, 1, RELU, 2},
        {3, 9, 8, 1, 32, 5, 5, 1, 2, RELU, 2},    {2, 13, 14, 16, 37, 4, 4, 2, 1, RELU, 1},
        {2, 13, 14, 16, 37, 4, 4, 2, 1, LEAKY, 1}};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        check_infinite(backend, &some[i]);
    }
}

static void test_conv_infinite(void **state) {
    (void)state;
    every_backend(conv_infinite);
}

static const struct pool pools[] = {
    {1, 1, 1, 1, 1, 1}, {2, 5, 7, 3, 2, 2}, {3, 4, 4, 17, 2, 1}, {2, 9, 8, 33, 3, 2}, {5, 6, 6, 4, 3, 3},
};

static void check_pool(struct backend *backend, const struct pool *pool, size_t shape) {
    int64_t x_count = pool->n * pool->h * pool->w * pool->c, out_w = pool_out_w(pool), out_h = pool_out_h(pool);
    int64_t y_count = pool->n * out_h * out_w * pool->c;
    struct guarded x = guarded_floats(backend, x_count, 5), y = guarded_floats(backend, y_count, 0);
    struct guarded winner = guarded_bytes(backend, y_count), dy = guarded_floats(backend, y_count, 6);
    struct guarded dx = guarded_floats(backend, x_count, 0);
    backend->ops->pool_forward(backend, pool, x.values, y.values, winner.values);
    backend->ops->pool_backward(backend, pool, winner.values, dy.values, dx.values);
    double *xs = guarded_read(&x), *ys = guarded_read(&y), *dys = guarded_read(&dy), *dxs = guarded_read(&dx);
    uint8_t *places = guarded_read_bytes(&winner);
    double *want = calloc((size_t)y_count, sizeof *want), *dx_want = calloc((size_t)x_count, sizeof *dx_want);
    reference_pool(pool, xs, want);
    for (int64_t i = 0; i < y_count; i++) {
        assert_true(ys[i] == want[i]);
        int64_t c = i % pool->c, column = i / pool->c % out_w, row = i / pool->c / out_w % out_h,
                n = i / pool->c / out_w / out_h;
        row = row * pool->stride + places[i] / pool->size;
        column = column * pool->stride + places[i] % pool->size;
        int64_t at = ((n * pool->h + row) * pool->w + column) * pool->c + c;
        assert_true(xs[at] == ys[i]);
        dx_want[at] += dys[i];
    }
    for (int64_t i = 0; i < x_count; i++) {
        assert_near(dxs[i], dx_want[i], 1, "pool's dx", shape, i);
    }
    double *const all[] = {xs, ys, dys, dxs, want, dx_want};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]);
    }
    free(places);
    struct guarded *const arrays[] = {&x, &y, &winner, &dy, &dx};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        guarded_release(arrays[i]);
    }
}

static void pool_shapes(struct backend *backend) {
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        check_pool(backend, &pools[i], i);
    }
}

static void test_pool(void **state) {
    (void)state;
    every_backend(pool_shapes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_conv_ties_and_nan),
        cmocka_unit_test(test_conv_nan_reaches),
        cmocka_unit_test(test_conv_infinite),
        cmocka_unit_test(test_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
