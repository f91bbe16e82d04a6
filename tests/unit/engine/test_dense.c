/*
 * test_dense.c: matrix products of every backend, in all transpositions, and the product that goes to Adam at once,
 * against float64, with odd sizes, long rows and guard rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "every_backend.h"
#include "guarded.h"

/* m, n, k: small ones, ones with tails everywhere, ones of several blocks. */
static const int64_t sizes[][3] = {
    {1, 1, 1},      {7, 10, 33},    {128, 10, 64},    {17, 131, 1001},
    {150, 70, 460}, {67, 600, 451}, {129, 1030, 128}, {33, 64, 2000},
};
#define SIZES (sizeof sizes / sizeof sizes[0])
#define PADDING 3 /* floats behind each row that belong to nobody */

struct product {
    struct gemm gemm;
    struct guarded a, b;
    double *want; /* (m, n) */
};

static struct product make(struct backend *backend, const int64_t *size, bool transpose_a, bool transpose_b) {
    struct gemm gemm = {
        .transpose_a = transpose_a, .transpose_b = transpose_b, .m = size[0], .n = size[1], .k = size[2]};
    gemm.lda = (transpose_a ? gemm.m : gemm.k) + PADDING;
    gemm.ldb = (transpose_b ? gemm.k : gemm.n) + PADDING;
    gemm.ldc = gemm.n;
    struct product product = {.gemm = gemm};
    product.a = guarded_floats(backend, (transpose_a ? gemm.k : gemm.m) * gemm.lda, 1);
    product.b = guarded_floats(backend, (transpose_b ? gemm.n : gemm.k) * gemm.ldb, 2);
    double *a = guarded_read(&product.a), *b = guarded_read(&product.b);
    product.want = calloc((size_t)(gemm.m * gemm.n), sizeof *product.want);
    for (int64_t i = 0; i < gemm.m; i++) {
        for (int64_t k = 0; k < gemm.k; k++) {
            double left = a[transpose_a ? k * gemm.lda + i : i * gemm.lda + k];
            for (int64_t j = 0; j < gemm.n; j++) {
                product.want[i * gemm.n + j] += left * b[transpose_b ? j * gemm.ldb + k : k * gemm.ldb + j];
            }
        }
    }
    free(a);
    free(b);
    return product;
}

static void release(struct product *product) {
    guarded_release(&product->a);
    guarded_release(&product->b);
    free(product->want);
}

static void assert_near(double got, double want, double limit, const struct gemm *gemm, int64_t i) {
    if (!(fabs(got - want) <= limit)) {
        fail_msg("(%lld, %lld, %lld) transposed %d %d, element %lld: %.9g instead of %.9g", (long long)gemm->m,
                 (long long)gemm->n, (long long)gemm->k, gemm->transpose_a, gemm->transpose_b, (long long)i, got, want);
    }
}

static void check_gemm(struct backend *backend, struct product *product) {
    struct gemm gemm = product->gemm;
    gemm.ldc = gemm.n + PADDING;
    struct guarded c = guarded_floats(backend, gemm.m * gemm.ldc, 5);
    double *before = guarded_read(&c);
    backend->ops->gemm(backend, &gemm, product->a.values, product->b.values, c.values);
    double *got = guarded_read(&c);
    for (int64_t i = 0; i < gemm.m * gemm.ldc; i++) {
        int64_t row = i / gemm.ldc, column = i % gemm.ldc;
        if (column < gemm.n) {
            assert_near(got[i], product->want[row * gemm.n + column], 2e-6 * sqrt((double)gemm.k) + 1e-6, &gemm, i);
        } else {
            assert_true(got[i] == before[i]);
        }
    }
    free(before);
    free(got);
    guarded_release(&c);
}

static void check_gemm_adam(struct backend *backend, struct product *product) {
    const struct gemm *gemm = &product->gemm;
    const struct adam adam = {.beta1 = 0.5, .beta2 = 0.75, .epsilon = 0.5, .weight_decay = 0.25};
    const struct step_values values = {.lr = 0.125, .step = 2};
    int64_t count = gemm->m * gemm->n;
    struct guarded w = guarded_floats(backend, count, 3), m = guarded_floats(backend, count, 4),
                   v = guarded_floats(backend, count, 0);
    float *ones = malloc((size_t)count * sizeof *ones);
    for (int64_t i = 0; i < count; i++) {
        ones[i] = 1;
    }
    guarded_write(&v, ones);
    double *w_before = guarded_read(&w), *m_before = guarded_read(&m);
    begin_fresh_step(backend, &values);
    backend->ops->gemm_adam(backend, gemm, product->a.values, product->b.values, &adam, w.values, m.values, v.values);
    backend->ops->step_end(backend);
    double *w_got = guarded_read(&w), *m_got = guarded_read(&m), *v_got = guarded_read(&v);
    double error = 2e-6 * sqrt((double)gemm->k) + 1e-6;
    for (int64_t i = 0; i < count; i++) {
        double g = product->want[i] + 0.25 * w_before[i], first = 0.5 * m_before[i] + 0.5 * g;
        double second = 0.75 + 0.25 * g * g;
        assert_near(m_got[i], first, error, gemm, i);
        assert_near(v_got[i], second, error * (1 + fabs(g)), gemm, i);
        double want = w_before[i] - 0.125 / 0.75 * first / (sqrt(second / 0.4375) + 0.5);
        assert_near(w_got[i], want, error, gemm, i);
    }
    double *const all[] = {w_before, m_before, w_got, m_got, v_got};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free(all[i]);
    }
    free(ones);
    guarded_release(&w);
    guarded_release(&m);
    guarded_release(&v);
}

static void products(struct backend *backend) {
    for (size_t size = 0; size < SIZES; size++) {
        for (int transposed = 0; transposed < 4; transposed++) {
            struct product product = make(backend, sizes[size], transposed & 1, transposed & 2);
            check_gemm(backend, &product);
            if (backend->ops->gemm_adam != NULL) check_gemm_adam(backend, &product);
            assert_int_equal(backend->ops->status(backend), 0);
            release(&product);
        }
    }
}

static void test_products(void **state) {
    (void)state;
    every_backend(products);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
