/*
 * test_ops.c: matrix products, element-wise operations, loss and optimisers of every backend against float64.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "every_backend.h"
#include "guarded.h"
#include "random.h"
#include "reference.h"

#define RELEASE(array) guarded_release(&(array))

static void assert_near(double got, double want, double scale, const char *what, int64_t i) {
    if (!(fabs(got - want) <= 3e-6 * scale))
        fail_msg("%s, element %lld: %.9g instead of %.9g", what, (long long)i, got, want);
}

static const struct gemm products[] = {
    {false, false, 1, 1, 1, 1, 1, 1, 0},
    {false, true, 7, 10, 33, 35, 34, 11, 0},
    {true, false, 13, 29, 5, 17, 31, 29, 0},
    {true, true, 3, 130, 65, 3, 67, 130, 1},
    {false, false, 128, 10, 784, 784, 10, 10, 0.5f},
    {false, true, 17, 257, 100, 100, 100, 257, 0},
};

static void check_product(struct backend *backend, const struct gemm *g) {
    int64_t a_count = (g->transpose_a ? g->k : g->m) * g->lda, b_count = (g->transpose_b ? g->n : g->k) * g->ldb;
    int64_t c_count = g->m * g->ldc;
    struct guarded a = guarded_floats(backend, a_count, 1), b = guarded_floats(backend, b_count, 2);
    struct guarded c = guarded_floats(backend, c_count, 3);
    double *as = guarded_read(&a), *bs = guarded_read(&b), *before = guarded_read(&c);
    backend->ops->gemm(backend, g, a.values, b.values, c.values);
    double *after = guarded_read(&c);
    for (int64_t i = 0; i < c_count; i++) {
        int64_t row = i / g->ldc, column = i % g->ldc;
        double want = before[i]; /* beyond n nothing may change */
        if (column < g->n) {
            want *= (double)g->beta;
            for (int64_t k = 0; k < g->k; k++) {
                want += as[g->transpose_a ? k * g->lda + row : row * g->lda + k] *
                        bs[g->transpose_b ? column * g->ldb + k : k * g->ldb + column];
            }
        }
        assert_near(after[i], want, sqrt((double)g->k) + 1, "gemm", i);
    }
    free(as);
    free(bs);
    free(before);
    free(after);
    RELEASE(a);
    RELEASE(b);
    RELEASE(c);
}

static void gemms(struct backend *backend) {
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
        check_product(backend, &products[i]);
    }
}

static const int64_t widths[] = {1, 3, 10, 17, 64, 133, 1030};
static const struct activation kinds[] = {{ACTIVATION_NONE, 0},
                                          {ACTIVATION_RELU, 0},
                                          {ACTIVATION_LEAKY_RELU, 0.2f},
                                          {ACTIVATION_SIGMOID, 0},
                                          {ACTIVATION_TANH, 0}};

static void check_activation(struct backend *backend, int64_t n, int64_t width, struct activation kind, bool biased) {
    struct guarded bias = guarded_floats(backend, width, 1), y = guarded_floats(backend, n * width, 2);
    struct guarded dy = guarded_floats(backend, n * width, 3), dbias = guarded_floats(backend, width, 0);
    double *x = guarded_read(&y), *b = guarded_read(&bias), *upper = guarded_read(&dy);
    backend->ops->bias_activation(backend, n, width, biased ? bias.values : NULL, kind, y.values);
    backend->ops->activation_backward(backend, n, width, kind, y.values, dy.values, biased ? dbias.values : NULL);
    double *got = guarded_read(&y), *slopes = guarded_read(&dy), *sums = guarded_read(&dbias);
    double *want_sums = calloc((size_t)width, sizeof *want_sums);
    for (int64_t i = 0; i < n * width; i++) {
        double want = reference_activation(kind, x[i] + (biased ? b[i % width] : 0));
        assert_near(got[i], want, 1, "activation", i);
        double slope = upper[i] * reference_slope(kind, got[i]);
        assert_near(slopes[i], slope, 1, "activation's gradient", i);
        want_sums[i % width] += slope;
    }
    for (int64_t i = 0; i < width && biased; i++) {
        assert_near(sums[i], want_sums[i], sqrt((double)n) + 1, "bias gradient", i);
    }
    double *const all[] = {x, b, upper, got, slopes, sums, want_sums};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]);
    }
    RELEASE(bias);
    RELEASE(y);
    RELEASE(dy);
    RELEASE(dbias);
}

static void activations(struct backend *backend) {
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            check_activation(backend, 1, widths[w], kinds[k], true);
            check_activation(backend, 37, widths[w], kinds[k], true);
            check_activation(backend, 5, widths[w], kinds[k], false);
            if (widths[w] <= 64) check_activation(backend, 1203, widths[w], kinds[k], true); /* several threads */
        }
    }
}

/* Relative error of the smooth ones, from the smallest slopes to where they are flat. */
static void check_accuracy(struct backend *backend, struct activation activation) {
    enum { COUNT = 40001 };
    float *x = malloc(COUNT * sizeof *x);
    for (int i = 0; i < COUNT; i++) {
        double far = (i - COUNT / 2) / (COUNT / 2.0);
        x[i] = (float)(i % 2 == 0 ? 95 * far : copysign(pow(10, -30 * (1 - fabs(far))), far));
    }
    struct guarded y = guarded_floats(backend, COUNT, 0);
    guarded_write(&y, x);
    backend->ops->bias_activation(backend, 1, COUNT, NULL, activation, y.values);
    double *got = guarded_read(&y);
    for (int i = 0; i < COUNT; i++) {
        double want = reference_activation(activation, (double)x[i]);
        if (!(fabs(got[i] - want) <= 5e-7 * fabs(want) + 1e-38))
            fail_msg("activation %d of %.9g: %.9g instead of %.9g", (int)activation.kind, (double)x[i], got[i], want);
    }
    free(got);
    free(x);
    RELEASE(y);
}

/* A NaN stays one wherever it stands; infinities go to the limits. */
static void check_extremes(struct backend *backend, struct activation activation) {
    const float x[] = {INFINITY, -INFINITY, NAN, 0, 3e38f, -3e38f, 1e-45f, 100, -100};
    enum { COUNT = sizeof x / sizeof x[0] };
    struct guarded y = guarded_floats(backend, COUNT, 0), dy = guarded_floats(backend, COUNT, 1);
    guarded_write(&y, x);
    backend->ops->bias_activation(backend, 3, COUNT / 3, NULL, activation, y.values);
    double *got = guarded_read(&y);
    for (int i = 0; i < COUNT; i++) {
        double want = reference_activation(activation, (double)x[i]);
        bool same = isnan(want) ? isnan(got[i]) : got[i] == want || fabs(got[i] - want) <= 1e-6 * fabs(want) + 1e-38;
        if (!same) fail_msg("activation %d of %g: %g instead of %g", (int)activation.kind, (double)x[i], got[i], want);
    }
    free(got);
    RELEASE(y);
    RELEASE(dy);
}

static void activation_values(struct backend *backend) {
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        check_extremes(backend, kinds[k]);
        if (kinds[k].kind == ACTIVATION_SIGMOID || kinds[k].kind == ACTIVATION_TANH) check_accuracy(backend, kinds[k]);
    }
}

static void check_dropout(struct backend *backend, int64_t count, double p, uint64_t place) {
    const struct step_values values = {.step = 1, .dropout_key = 77};
    uint64_t key = random_mix(77 ^ random_mix(place));
    begin_fresh_step(backend, &values);
    struct guarded from = guarded_floats(backend, count, 1), to = guarded_floats(backend, count, 0);
    double *x = guarded_read(&from);
    backend->ops->dropout(backend, count, p, place, from.values, to.values);
    backend->ops->dropout(backend, count, p, place, from.values, from.values); /* in place */
    backend->ops->step_end(backend);
    double *y = guarded_read(&to), *again = guarded_read(&from);
    int64_t dropped = 0;
    for (int64_t i = 0; i < count; i++) {
        double factor = reference_dropout(p, key, (uint64_t)i);
        assert_near(y[i], x[i] * factor, 4, "dropout", i);
        assert_true(y[i] == again[i]);
        dropped += factor == 0;
    }
    double deviation = fabs((double)dropped - p * (double)count), sigma = sqrt(p * (1 - p) * (double)count);
    if (count > 1000) assert_true(deviation <= 4 * sigma);
    free(x);
    free(y);
    free(again);
    RELEASE(from);
    RELEASE(to);
}

static void dropouts(struct backend *backend) {
    check_dropout(backend, 1, 0.5, 7);
    check_dropout(backend, 101, 0.25, 8);
    check_dropout(backend, 40001, 0.25, UINT64_MAX - 3);
    check_dropout(backend, 40000, 0.9, 10);
}

static void check_loss(struct backend *backend, int64_t n, int64_t classes) {
    struct guarded logits = guarded_floats(backend, n * classes, 4), p = guarded_floats(backend, n * classes, 0);
    struct guarded d = guarded_floats(backend, n * classes, 0), labels = guarded_bytes(backend, n);
    struct guarded sums = guarded_floats(backend, 2, 0);
    uint8_t *label = malloc((size_t)n);
    double *x = guarded_read(&logits), *want = malloc((size_t)(n * classes) * sizeof *want), right = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t best = 0;
        label[i] = (uint8_t)(i * 7 % classes);
        for (int64_t c = 1; c < classes; c++) {
            if (x[i * classes + c] > x[i * classes + best]) best = c;
        }
        right += best == label[i];
    }
    guarded_write(&labels, label);
    backend->ops->softmax_cross_entropy(backend, n, classes, logits.values, labels.values, p.values, d.values, NULL,
                                        sums.values);
    double loss = reference_loss(n, classes, x, label, want);
    double *got = guarded_read(&d), *ps = guarded_read(&p), *s = guarded_read(&sums);
    assert_near(s[0] / (double)n, loss, 1, "loss", 0);
    assert_true(s[1] == right);
    for (int64_t i = 0; i < n * classes; i++) {
        assert_near(got[i], want[i], 0.1, "dlogits", i);
        assert_near(ps[i], want[i] * (double)n + (i % classes == label[i / classes]), 1, "probability", i);
    }
    free(label);
    free(x);
    free(want);
    free(got);
    free(ps);
    free(s);
    RELEASE(logits);
    RELEASE(p);
    RELEASE(d);
    RELEASE(labels);
    RELEASE(sums);
}

/* Each sample's own loss, and the slopes in the place of the logits. */
static void check_each_loss(struct backend *backend) {
    enum { N = 1500, CLASSES = 7 };
    struct guarded logits = guarded_floats(backend, N * CLASSES, 8), labels = guarded_bytes(backend, N);
    struct guarded losses = guarded_floats(backend, N, 0), sums = guarded_floats(backend, 2, 0);
    uint8_t label[N];
    double *x = guarded_read(&logits), *want = malloc(N * CLASSES * sizeof *want), total = 0;
    for (int i = 0; i < N; i++) {
        label[i] = (uint8_t)(i % CLASSES);
    }
    guarded_write(&labels, label);
    backend->ops->softmax_cross_entropy(backend, N, CLASSES, logits.values, labels.values, NULL, logits.values,
                                        losses.values, sums.values);
    reference_loss(N, CLASSES, x, label, want);
    double *each = guarded_read(&losses), *s = guarded_read(&sums), *slopes = guarded_read(&logits);
    for (int i = 0; i < N; i++) {
        double one = reference_loss(1, CLASSES, x + i * CLASSES, label + i, NULL);
        assert_near(each[i], one, 2, "a sample's loss", i);
        total += one;
    }
    assert_near(s[0], total, total, "sum of losses", 0);
    for (int i = 0; i < N * CLASSES; i++) {
        assert_near(slopes[i], want[i], 0.001, "dlogits in place", i);
    }
    double *const all[] = {x, want, each, s, slopes};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]);
    }
    RELEASE(logits);
    RELEASE(labels);
    RELEASE(losses);
    RELEASE(sums);
}

/* A logit that is not finite is told by its sample's loss, and spoils no other sample. */
static void check_spoilt_sample(struct backend *backend) {
    const float x[] = {1, NAN, 0, /**/ 3, 2, 1, /**/ 0, 1, INFINITY, /**/ 0, -INFINITY, 0};
    struct guarded logits = guarded_floats(backend, 12, 0), labels = guarded_bytes(backend, 4);
    struct guarded p = guarded_floats(backend, 12, 0), losses = guarded_floats(backend, 4, 0);
    struct guarded sums = guarded_floats(backend, 2, 0);
    guarded_write(&logits, x);
    guarded_write(&labels, (uint8_t[]){0, 0, 0, 2});
    backend->ops->softmax_cross_entropy(backend, 4, 3, logits.values, labels.values, p.values, NULL, losses.values,
                                        sums.values);
    double *each = guarded_read(&losses), *s = guarded_read(&sums), *ps = guarded_read(&p);
    assert_true(isnan(each[0]) && isnan(s[0]) && isnan(ps[0]));
    assert_near(each[1], log(1 + exp(-1) + exp(-2)), 1, "loss beside a spoilt one", 1);
    assert_true(!isfinite(each[2]));
    assert_near(each[3], log(2), 1, "loss beside minus infinity", 3);
    assert_true(ps[10] == 0);
    free(each);
    free(s);
    free(ps);
    RELEASE(logits);
    RELEASE(labels);
    RELEASE(p);
    RELEASE(losses);
    RELEASE(sums);
}

static void losses(struct backend *backend) {
    check_loss(backend, 1, 2);
    check_loss(backend, 17, 10);
    check_loss(backend, 131, 3);
    check_loss(backend, 3001, 10);
    check_loss(backend, 2, 300);
    check_each_loss(backend);
    check_spoilt_sample(backend);
    /* Huge logits do not overflow; a label beyond the classes is NaN, told and not read out of bounds. */
    struct guarded logits = guarded_floats(backend, 4, 0), labels = guarded_bytes(backend, 2),
                   sums = guarded_floats(backend, 2, 0);
    guarded_write(&logits, (float[]){3e38f, -3e38f, -3e38f, 3e38f});
    guarded_write(&labels, (uint8_t[]){0, 1});
    backend->ops->softmax_cross_entropy(backend, 2, 2, logits.values, labels.values, NULL, NULL, NULL, sums.values);
    double *s = guarded_read(&sums);
    assert_true(s[0] == 0 && s[1] == 2);
    free(s);
    guarded_write(&labels, (uint8_t[]){0, 255});
    backend->ops->softmax_cross_entropy(backend, 2, 2, logits.values, labels.values, NULL, NULL, NULL, sums.values);
    s = guarded_read(&sums);
    assert_true(isnan(s[0]));
    free(s);
    RELEASE(logits);
    RELEASE(labels);
    RELEASE(sums);
}

static void check_adam(struct backend *backend, int64_t count, double decay) {
    struct guarded w = guarded_floats(backend, count, 1), g = guarded_floats(backend, count, 2);
    struct guarded m = guarded_floats(backend, count, 3), v = guarded_floats(backend, count, 4);
    float *zeros = calloc((size_t)count, sizeof *zeros);
    guarded_write(&m, zeros);
    guarded_write(&v, zeros);
    double *ws = guarded_read(&w), *gs = guarded_read(&g), *ms = guarded_read(&m), *vs = guarded_read(&v);
    for (uint64_t step = 1; step <= 5; step++) {
        const struct step_values values = {.lr = 0.01, .step = step};
        const struct adam adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = decay};
        begin_fresh_step(backend, &values);
        backend->ops->adam(backend, count, &adam, w.values, g.values, m.values, v.values);
        backend->ops->step_end(backend);
        for (int64_t i = 0; i < count; i++) {
            double slope = gs[i] + decay * ws[i];
            ms[i] = 0.9 * ms[i] + 0.1 * slope;
            vs[i] = 0.999 * vs[i] + 0.001 * slope * slope;
            double first = ms[i] / (1 - pow(0.9, (double)step)), second = vs[i] / (1 - pow(0.999, (double)step));
            ws[i] -= 0.01 * first / (sqrt(second) + 1e-8);
        }
    }
    double *w_got = guarded_read(&w), *m_got = guarded_read(&m), *v_got = guarded_read(&v);
    for (int64_t i = 0; i < count; i++) {
        assert_near(w_got[i], ws[i], 1, "adam's weight", i);
        assert_near(m_got[i], ms[i], 1, "adam's m", i);
        assert_near(v_got[i], vs[i], 0.01, "adam's v", i);
    }
    double *const all[] = {ws, gs, ms, vs, w_got, m_got, v_got};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]);
    }
    free(zeros);
    RELEASE(w);
    RELEASE(g);
    RELEASE(m);
    RELEASE(v);
}

static void check_sgd(struct backend *backend, int64_t count) {
    struct guarded w = guarded_floats(backend, count, 1), g = guarded_floats(backend, count, 2);
    struct guarded v = guarded_floats(backend, count, 3);
    double *ws = guarded_read(&w), *gs = guarded_read(&g), *vs = guarded_read(&v);
    const struct step_values values = {.lr = 0.1, .step = 1};
    begin_fresh_step(backend, &values);
    backend->ops->sgd(backend, count, 0.9, 0.01, w.values, g.values, v.values);
    backend->ops->step_end(backend);
    double *w_got = guarded_read(&w), *v_got = guarded_read(&v);
    for (int64_t i = 0; i < count; i++) {
        assert_near(v_got[i], 0.9 * vs[i] + gs[i] + 0.01 * ws[i], 1, "velocity", i);
        assert_near(w_got[i], ws[i] - 0.1 * (0.9 * vs[i] + gs[i] + 0.01 * ws[i]), 1, "sgd's weight", i);
    }
    double *const all[] = {ws, gs, vs, w_got, v_got};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]);
    }
    RELEASE(w);
    RELEASE(g);
    RELEASE(v);
}

static void optimisers(struct backend *backend) {
    static const int64_t counts[] = {1, 67, 50001};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        check_adam(backend, counts[i], i == 1 ? 0.01 : 0);
        check_sgd(backend, counts[i]);
    }
}

static void scales(struct backend *backend) {
    struct guarded from = guarded_bytes(backend, 30011), to = guarded_floats(backend, 30011, 0);
    uint8_t *bytes = malloc(30011);
    for (int i = 0; i < 30011; i++) {
        bytes[i] = (uint8_t)(i * 31);
    }
    guarded_write(&from, bytes);
    backend->ops->scale(backend, 30011, from.values, 255.0f, 0.0f, to.values);
    double *got = guarded_read(&to);
    for (int i = 0; i < 30011; i++) {
        assert_true((float)got[i] == (float)bytes[i] / 255.0f); /* the very same: the golden start divides */
    }
    free(got);
    backend->ops->scale(backend, 30011, from.values, 127.5f, 1.0f, to.values);
    got = guarded_read(&to);
    for (int i = 0; i < 30011; i++) {
        assert_near(got[i], bytes[i] / 127.5 - 1, 1, "scale", i);
    }
    free(got);
    free(bytes);
    RELEASE(from);
    RELEASE(to);
}

static void finiteness(struct backend *backend) {
    float values[37] = {0};
    struct guarded x = guarded_floats(backend, 37, 1);
    assert_true(backend->ops->is_finite(backend, 37, x.values));
    for (int i = 0; i < 37; i++) {
        values[i] = i % 2 == 0 ? NAN : -INFINITY;
        guarded_write(&x, values);
        assert_false(backend->ops->is_finite(backend, 37, x.values));
        values[i] = 0;
    }
    RELEASE(x);
    enum { MANY = 200003 };
    float *many = calloc(MANY, sizeof *many);
    x = guarded_floats(backend, MANY, 1);
    for (int i = 0; i < MANY; i += 50000) {
        many[i] = 3e38f;
        guarded_write(&x, many);
        assert_true(backend->ops->is_finite(backend, MANY, x.values));
        many[MANY - 1 - i] = INFINITY;
        guarded_write(&x, many);
        assert_false(backend->ops->is_finite(backend, MANY, x.values));
        many[MANY - 1 - i] = 0;
    }
    free(many);
    RELEASE(x);
}

#define EVERY(test)                                                                                                    \
    static void test_##test(void **state) {                                                                            \
        (void)state;                                                                                                   \
        every_backend(test);                                                                                           \
    }

EVERY(gemms)
EVERY(activations)
EVERY(activation_values)
EVERY(dropouts)
EVERY(losses)
EVERY(optimisers)
EVERY(scales)
EVERY(finiteness)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemms),    cmocka_unit_test(test_activations), cmocka_unit_test(test_activation_values),
        cmocka_unit_test(test_dropouts), cmocka_unit_test(test_losses),      cmocka_unit_test(test_optimisers),
        cmocka_unit_test(test_scales),   cmocka_unit_test(test_finiteness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
