/*
 * test_cuda_elements.c: the arithmetic of the CUDA kernels, on the CPU: random numbers bit for bit as random.h has
 * them, the rest against float64 and finite differences.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "elements.h"
#include "random.h"

static void near(double got, double want, double tolerance, const char *what) {
    if (!(fabs(got - want) <= tolerance)) fail_msg("%s: %.9g instead of %.9g", what, got, want);
}

static void test_random_numbers(void **state) {
    (void)state;
    static const uint64_t keys[] = {0, 1, 77, UINT64_MAX, UINT64_C(1) << 63};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        for (uint64_t i = 0; i < 1000; i++) {
            assert_true(element_mix(keys[k] + i) == random_mix(keys[k] + i));
            assert_true(element_uniform(keys[k], i) == random_uniform(keys[k], i));
            assert_true(element_dropout_key(keys[k], i) == random_mix(keys[k] ^ random_mix(i)));
            uint64_t bits = element_dropout_bits(keys[k], i);
            assert_true(bits == random_mix(keys[k] + (2 * i) / 2) && bits == random_mix(keys[k] + (2 * i + 1) / 2));
        }
    }
    assert_true(element_dropout_limit(0) == 0);
    assert_true(element_dropout_limit(0.25) == UINT32_C(1) << 30);
    assert_true(element_dropout_limit(1) == UINT32_MAX);
}

static void test_normal_noise(void **state) {
    (void)state;
    double sum = 0, squares = 0, product = 0;
    enum { PAIRS = 50000 };
    for (uint64_t pair = 0; pair < PAIRS; pair++) {
        float a, b;
        element_normals(5, pair, &a, &b);
        double u = 1 - (double)random_uniform(5, 2 * pair), v = (double)random_uniform(5, 2 * pair + 1);
        near((double)a, sqrt(-2 * log(u)) * cos(2 * acos(-1) * v), 1e-6, "normal, even");
        near((double)b, sqrt(-2 * log(u)) * sin(2 * acos(-1) * v), 1e-6, "normal, odd");
        sum += (double)a + (double)b;
        squares += (double)a * (double)a + (double)b * (double)b;
        product += (double)a * (double)b;
    }
    near(sum / (2 * PAIRS), 0, 0.015, "mean");
    near(squares / (2 * PAIRS), 1, 0.03, "variance");
    near(product / PAIRS, 0, 0.02, "correlation");
}

static const struct activation activations[] = {{ACTIVATION_NONE, 0},
                                                {ACTIVATION_RELU, 0},
                                                {ACTIVATION_LEAKY_RELU, 0.2f},
                                                {ACTIVATION_SIGMOID, 0},
                                                {ACTIVATION_TANH, 0}};

/* The slope by the output is the derivative by the input. */
static void test_activations(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof activations / sizeof activations[0]; k++) {
        for (float x = -3.05f; x < 3; x += 0.1f) {
            float up = element_activate(activations[k], x + 0.005f),
                  down = element_activate(activations[k], x - 0.005f);
            float slope = element_back(activations[k], element_activate(activations[k], x), 3.0f);
            near((double)slope, 3 * (double)(up - down) / 0.01, 1e-3, "slope of an activation");
        }
        assert_true(isnan(element_activate(activations[k], NAN)));
    }
    assert_true(element_activate(activations[1], -INFINITY) == 0);
    assert_true(element_back(activations[1], 0.0f, 1.0f) == 0);
    assert_true(element_back(activations[1], 0.0f, INFINITY) == 0 && element_back(activations[1], 0.0f, NAN) == 0);
    assert_true(element_back(activations[2], 0.0f, 1.0f) == 0.2f);
    near((double)element_activate(activations[3], 100), 1, 0, "sigmoid of much");
    near((double)element_activate(activations[3], -100), 0, 1e-30, "sigmoid of very little");
}

/* Which windows reach a place, and where a winner is, against going through all windows. */
static void test_windows(void **state) {
    (void)state;
    for (int64_t size = 1; size <= 4; size++) {
        for (int64_t stride = 1; stride <= 4; stride++) {
            for (int64_t width = size; width < 12; width++) {
                int64_t out = (width - size) / stride + 1;
                for (int64_t at = 0; at < width; at++) {
                    int64_t first, last, count = 0;
                    element_windows(at, size, stride, out, &first, &last);
                    for (int64_t window = 0; window < out; window++) {
                        bool reaches = at >= window * stride && at < window * stride + size;
                        assert_true(reaches == (window >= first && window < last));
                        count += reaches;
                    }
                    assert_true(count == (last > first ? last - first : 0));
                }
            }
        }
    }
    /* windows 3 × 3, two apart, on a row of 9: cell 5 of 4 a row is (1, 1); its winner 7 is (2, 1) */
    assert_int_equal(element_winner_pixel(5, 4, 2, 3, 9, 7), (2 + 2) * 9 + 2 + 1);
    assert_true(element_wins(2, 1) && !element_wins(1, 1) && !element_wins(0, 1));
    assert_true(element_wins(NAN, 1) && element_wins(NAN, NAN) && !element_wins(1, NAN));
}

static void test_softmax(void **state) {
    (void)state;
    const float logits[] = {1, 3, -2, 3, 0.5f};
    struct element_row row = element_softmax_row(5, logits);
    assert_int_equal(row.best, 1); /* the first of equals */
    double all = 0, total = 0;
    for (int c = 0; c < 5; c++) {
        all += exp((double)logits[c]);
    }
    for (int c = 0; c < 5; c++) {
        double p = element_probability(row, logits[c]);
        near(p, exp((double)logits[c]) / all, 1e-12, "probability");
        near(element_cross_entropy(row, 5, logits, c), -log(p), 1e-12, "cross-entropy");
        total += p;
    }
    near(total, 1, 1e-12, "probabilities together");
    assert_true(isnan(element_cross_entropy(row, 5, logits, 5)) && isnan(element_cross_entropy(row, 5, logits, 255)));
    const float huge[] = {3e38f, -3e38f};
    near(element_cross_entropy(element_softmax_row(2, huge), 2, huge, 0), 0, 0, "loss of huge logits");
}

static void test_logit_losses(void **state) {
    (void)state;
    for (int target = 0; target <= 1; target++) {
        for (double x = -20; x <= 20; x += 0.37) {
            double slope, up, down, unused;
            double loss = element_logit_loss(LOGIT_BCE, x, target, &slope);
            near(loss, target == 1 ? log1p(exp(-x)) : log1p(exp(x)), 1e-9, "BCE");
            up = element_logit_loss(LOGIT_BCE, x + 1e-5, target, &unused);
            down = element_logit_loss(LOGIT_BCE, x - 1e-5, target, &unused);
            near(slope, (up - down) / 2e-5, 1e-6, "slope of BCE");
            near(element_logit_loss(LOGIT_SQUARED, x, target, &slope), (x - target) * (x - target), 0, "squared");
            near(slope, 2 * (x - target), 0, "slope of squared");
        }
    }
    double slope;
    assert_true(isfinite(element_logit_loss(LOGIT_BCE, -1e30, 1, &slope)) && slope == -1);
    element_logit_loss(LOGIT_BCE, 40, 1, &slope);
    near(slope / -exp(-40), 1, 1e-12, "a slope that is almost nothing");
}

static void test_latent(void **state) {
    (void)state;
    for (double mu = -1.5; mu < 2; mu += 0.7) {
        for (double lv = -2; lv < 2; lv += 0.6) {
            float noise = 0.8f, dz = 1.3f, weight = 0.25f;
            double h = 1e-5, z = mu + exp(lv / 2) * (double)noise;
            near((double)element_latent((float)mu, (float)lv, noise), z, 1e-5, "z");
            double kl_mu = (element_kl(mu + h, lv) - element_kl(mu - h, lv)) / (2 * h);
            double kl_lv = (element_kl(mu, lv + h) - element_kl(mu, lv - h)) / (2 * h);
            near((double)element_latent_mu_back((float)mu, dz, weight), (double)dz + (double)weight * kl_mu, 1e-5,
                 "slope of mu");
            double through = (double)dz * (double)noise * exp(lv / 2) / 2;
            near((double)element_latent_variance_back((float)lv, noise, dz, weight), through + (double)weight * kl_lv,
                 1e-5, "slope of the log variance");
        }
    }
    near(element_kl(0, 0), 0, 0, "KL of the standard normal");
}

/* One channel, forward and back, against float64; the slope against finite differences of Σ dy × y. */
#define ROWS 7
static double normalised(const double *x, int row, double epsilon) {
    double mean = 0, variance = 0;
    for (int i = 0; i < ROWS; i++) {
        mean += x[i] / ROWS;
    }
    for (int i = 0; i < ROWS; i++) {
        variance += (x[i] - mean) * (x[i] - mean) / ROWS;
    }
    return (x[row] - mean) / sqrt(variance + epsilon);
}

static void test_batch_norm(void **state) {
    (void)state;
    double x[ROWS] = {0.3, -1.2, 2.5, 0.1, 0.9, -0.4, 1.1}, dy[ROWS] = {1, -0.5, 0.25, 2, -1, 0.75, 0.1};
    double sum = 0, squares = 0, mean_dy = 0, mean_product = 0, scale = 1.5;
    for (int i = 0; i < ROWS; i++) {
        sum += x[i];
        squares += x[i] * x[i];
        mean_dy += dy[i] / ROWS;
        mean_product += dy[i] * normalised(x, i, 1e-5) / ROWS;
    }
    struct element_norm norm = element_norm_of(sum, squares, ROWS, 1e-5);
    near((double)norm.unbiased, (squares - sum * sum / ROWS) / (ROWS - 1), 1e-6, "unbiased variance");
    near((double)element_running(0.5f, 2.0f, 0.1), 0.65, 1e-7, "running statistics");
    for (int i = 0; i < ROWS; i++) {
        float y = element_normalise((float)x[i], norm.mean, norm.inverse, (float)scale, 0.25f);
        near((double)y, normalised(x, i, 1e-5) * scale + 0.25, 1e-5, "normalised");
        double slope = 0, kept = x[i], h = 1e-5;
        for (int sign = -1; sign <= 1; sign += 2) {
            x[i] = kept + sign * h;
            for (int row = 0; row < ROWS; row++) {
                slope += sign * dy[row] * scale * normalised(x, row, 1e-5) / (2 * h);
            }
        }
        x[i] = kept;
        float back = element_norm_back((float)x[i], norm.mean, norm.inverse, (float)scale, (float)dy[i], (float)mean_dy,
                                       (float)mean_product);
        near((double)back, slope, 1e-5, "slope of a normalised channel");
    }
    assert_true(element_norm_of(3, 3 - 1e-15, 3, 1e-5).inverse > 0); /* a variance that rounding made negative */
    near((double)element_norm_of(2, 4, 1, 1e-5).unbiased, 0, 0, "variance of one row");
}

static void test_optimisers(void **state) {
    (void)state;
    const struct adam adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01};
    float w = 0.7f, m = 0, v = 0;
    double ws = 0.7, ms = 0, vs = 0;
    for (uint64_t step = 1; step <= 50; step++) {
        double g = sin((double)step), slope = g + 0.01 * ws;
        struct element_adam made = element_adam_of(&adam, 0.01, step);
        w = element_adam_step(&made, w, (float)g, &m, &v);
        ms = 0.9 * ms + 0.1 * slope;
        vs = 0.999 * vs + 0.001 * slope * slope;
        ws -= 0.01 * (ms / (1 - pow(0.9, (double)step))) / (sqrt(vs / (1 - pow(0.999, (double)step))) + 1e-8);
        near((double)w, ws, 3e-6, "Adam's weight");
    }
    assert_true(element_adam_of(&adam, 0.01, 1).beta2_rest == 0.001f); /* not 1 - 0.999f */
    float velocity = 0.5f;
    near((double)element_sgd_step(0.1f, 0.9f, 0.01f, 2.0f, 0.3f, &velocity), 2 - 0.1 * (0.45 + 0.3 + 0.02), 1e-6,
         "SGD");
    near((double)velocity, 0.77, 1e-6, "velocity");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_numbers), cmocka_unit_test(test_normal_noise), cmocka_unit_test(test_activations),
        cmocka_unit_test(test_windows),        cmocka_unit_test(test_softmax),      cmocka_unit_test(test_logit_losses),
        cmocka_unit_test(test_latent),         cmocka_unit_test(test_batch_norm),   cmocka_unit_test(test_optimisers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
