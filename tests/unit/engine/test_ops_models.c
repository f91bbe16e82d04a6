/*
 * test_ops_models.c: noise, batch normalisation and the losses of autoencoders, VAE and GANs of every backend against
 * float64.
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

static void assert_near(double got, double want, double scale, const char *what, int64_t i) {
    if (!(fabs(got - want) <= 3e-6 * scale))
        fail_msg("%s, element %lld: %.9g instead of %.9g", what, (long long)i, got, want);
}

static void release(struct guarded *arrays, size_t count) {
    for (size_t i = 0; i < count; i++) {
        guarded_release(&arrays[i]);
    }
}

static void free_all(double *const *arrays, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(arrays[i]);
    }
}

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* ---- noise ---- */

static void make_noise(struct backend *backend, uint64_t key, enum noise_kind kind, int64_t count, float scale,
                       float shift, void *to) {
    const struct step_values values = {.step = 1, .noise_key = key};
    begin_fresh_step(backend, &values);
    backend->ops->noise(backend, kind, count, scale, shift, to);
    backend->ops->step_end(backend);
}

static void check_uniform(struct backend *backend, uint64_t key, int64_t count, float scale, float shift) {
    struct guarded to = guarded_floats(backend, count, 0);
    make_noise(backend, key, NOISE_UNIFORM, count, scale, shift, to.values);
    double *got = guarded_read(&to);
    for (int64_t i = 0; i < count; i++) {
        float want = (random_uniform(key, (uint64_t)i) + shift) * scale;
        assert_true((float)got[i] == want); /* the golden curves start from these: not nearly, the very same */
    }
    free(got);
    guarded_release(&to);
}

static void check_normal(struct backend *backend, uint64_t key, int64_t count) {
    struct guarded to = guarded_floats(backend, count, 0);
    make_noise(backend, key, NOISE_NORMAL, count, 1, 0, to.values);
    double *got = guarded_read(&to), sum = 0, squares = 0, n = (double)count;
    for (int64_t i = 0; i < count; i++) {
        uint64_t pair = (uint64_t)i / 2 * 2;
        double radius = sqrt(-2 * log(1 - (double)random_uniform(key, pair)));
        double angle = 2 * acos(-1) * (double)random_uniform(key, pair + 1);
        assert_near(got[i], radius * (i % 2 == 0 ? cos(angle) : sin(angle)), 1, "normal noise", i);
        sum += got[i];
        squares += got[i] * got[i];
    }
    if (count > 10000) {
        assert_true(fabs(sum / n) < 5 / sqrt(n));
        assert_true(fabs(squares / n - 1) < 5 * sqrt(2 / n));
    }
    free(got);
    guarded_release(&to);
}

static void noises(struct backend *backend) {
    /* Odd counts end within a pair; a key near the end of 64 bits wraps, as random_uniform's sum does. */
    static const uint64_t keys[] = {0, 12345, UINT64_MAX - 30, 0x8000000000000000u};
    static const int64_t counts[] = {1, 2, 3, 33, 127, 64 * 96, 70001};
    for (size_t k = 0; k < COUNT_OF(keys); k++) {
        for (size_t c = 0; c < COUNT_OF(counts); c++) {
            check_uniform(backend, keys[k], counts[c], 2, -0.5f);
            check_uniform(backend, keys[k], counts[c], 3.46410162f, -0.5f);
            check_normal(backend, keys[k], counts[c]);
        }
    }
}

/* ---- batch normalisation ---- */

enum { X, SCALE, SHIFT, MEAN, VARIANCE, SAVED, Y, DY, DX, DSCALE, DSHIFT, NORM_ARRAYS };

/* x = offset + its random values × spread. */
static void make_norm(struct backend *backend, const struct batch_norm *norm, double offset, double spread,
                      struct guarded *arrays) {
    int64_t count = norm->rows * norm->channels;
    for (int i = 0; i < NORM_ARRAYS; i++) {
        bool large = i == X || i == Y || i == DY || i == DX, input = i != Y && i != SAVED && i < DX;
        int64_t size = large ? count : i == SAVED ? 2 * norm->channels : norm->channels;
        arrays[i] = guarded_floats(backend, size, input ? (uint64_t)i + 1 : 0);
    }
    double *x = guarded_read(&arrays[X]);
    float *moved = malloc((size_t)count * sizeof *moved);
    for (int64_t i = 0; i < count; i++) {
        moved[i] = (float)(offset + spread * x[i]);
    }
    guarded_write(&arrays[X], moved);
    free(moved);
    free(x);
}

struct channel {
    double mean, variance, factor;
    double slope, product; /* sums of dy, and of dy × the normalised x */
};

static struct channel channel_of(const struct batch_norm *norm, int64_t c, const double *x, const double *dy) {
    struct channel channel = {0};
    double n = (double)norm->rows;
    for (int64_t row = 0; row < norm->rows; row++) {
        channel.mean += x[row * norm->channels + c] / n;
    }
    for (int64_t row = 0; row < norm->rows; row++) {
        double difference = x[row * norm->channels + c] - channel.mean;
        channel.variance += difference * difference / n;
    }
    channel.factor = 1 / sqrt(channel.variance + norm->epsilon);
    for (int64_t row = 0; row < norm->rows; row++) {
        int64_t i = row * norm->channels + c;
        channel.slope += dy[i];
        channel.product += dy[i] * (x[i] - channel.mean) * channel.factor;
    }
    return channel;
}

/* `rounding`: what float32 loses in x - mean, in units of the deviation. */
static void check_channel(const struct batch_norm *norm, int64_t c, double *const *before, double *const *after,
                          double rounding) {
    double n = (double)norm->rows, unbiased = norm->rows > 1 ? n / (n - 1) : 1, momentum = norm->momentum;
    struct channel want = channel_of(norm, c, before[X], before[DY]);
    double sums = rounding * (sqrt(n) + 1);
    assert_near(after[SAVED][c], want.mean, fabs(want.mean) + 0.1, "batch mean", c);
    assert_near(after[SAVED][norm->channels + c], want.factor, rounding * want.factor, "batch deviation", c);
    assert_near(after[MEAN][c], (1 - momentum) * before[MEAN][c] + momentum * want.mean, fabs(want.mean) + 1,
                "running mean", c);
    assert_near(after[VARIANCE][c], (1 - momentum) * before[VARIANCE][c] + momentum * want.variance * unbiased,
                want.variance + 1, "running variance", c);
    assert_near(after[DSHIFT][c], want.slope, sums, "dshift", c);
    assert_near(after[DSCALE][c], want.product, sums, "dscale", c);
    for (int64_t row = 0; row < norm->rows; row++) {
        int64_t i = row * norm->channels + c;
        double normal = (before[X][i] - want.mean) * want.factor, scale = before[SCALE][c];
        assert_near(after[Y][i], normal * scale + before[SHIFT][c], 4 * rounding, "normalised", i);
        double dx = scale * want.factor * (before[DY][i] - want.slope / n - normal * want.product / n);
        assert_near(after[DX][i], dx, 4 * rounding * want.factor, "dx of batch norm", i);
    }
}

static void check_norm(struct backend *backend, const struct batch_norm *norm, double offset, double spread) {
    struct guarded a[NORM_ARRAYS];
    double *before[NORM_ARRAYS], *after[NORM_ARRAYS];
    make_norm(backend, norm, offset, spread, a);
    for (int i = 0; i < NORM_ARRAYS; i++) {
        before[i] = guarded_read(&a[i]);
    }
    backend->ops->batch_norm_forward(backend, norm, a[X].values, a[SCALE].values, a[SHIFT].values, a[MEAN].values,
                                     a[VARIANCE].values, a[SAVED].values, a[Y].values);
    backend->ops->batch_norm_backward(backend, norm, a[X].values, a[SCALE].values, a[SAVED].values, a[DY].values,
                                      a[DX].values, a[DSCALE].values, a[DSHIFT].values);
    for (int i = 0; i < NORM_ARRAYS; i++) {
        after[i] = guarded_read(&a[i]);
    }
    double deviation = sqrt(spread * spread / 3 + norm->epsilon), rounding = 1 + fabs(offset) / deviation / 16;
    for (int64_t c = 0; c < norm->channels; c++) {
        check_channel(norm, c, before, after, rounding);
    }
    /* In place, and without the gradients of scale and shift: the same. */
    backend->ops->batch_norm_backward(backend, norm, a[X].values, a[SCALE].values, a[SAVED].values, a[DY].values,
                                      a[DY].values, NULL, NULL);
    double *in_place = guarded_read(&a[DY]);
    for (int64_t i = 0; i < norm->rows * norm->channels; i++) {
        assert_true(in_place[i] == after[DX][i]);
    }
    free(in_place);
    free_all(before, NORM_ARRAYS);
    free_all(after, NORM_ARRAYS);
    release(a, NORM_ARRAYS);
}

static void norms(struct backend *backend) {
    static const struct batch_norm shapes[] = {
        {2, 1, 0.1, 1e-5}, {17, 3, 0.1, 1e-5}, {64, 37, 0.1, 1e-5},      {3, 1031, 0.1, 1e-5},
        {1, 5, 0.1, 1e-5}, {2, 16, 0.5, 0.8},  {64 * 49, 64, 0.1, 1e-5}, {1009, 17, 1, 1e-5},
    };
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        check_norm(backend, &shapes[i], 0, 1);
        check_norm(backend, &shapes[i], 0.5, 30);
        check_norm(backend, &shapes[i], -1000, 1); /* the squares of these lose what matters */
    }
}

/* With variance 0 what is left is the shift; no slope comes back but through it. */
static void norm_constant(struct backend *backend) {
    const struct batch_norm norm = {1000, 3, 0.1, 1e-5};
    struct guarded a[NORM_ARRAYS];
    make_norm(backend, &norm, 1234.567, 0, a);
    double *shift = guarded_read(&a[SHIFT]), *variance = guarded_read(&a[VARIANCE]);
    backend->ops->batch_norm_forward(backend, &norm, a[X].values, a[SCALE].values, a[SHIFT].values, a[MEAN].values,
                                     a[VARIANCE].values, a[SAVED].values, a[Y].values);
    backend->ops->batch_norm_backward(backend, &norm, a[X].values, a[SCALE].values, a[SAVED].values, a[DY].values,
                                      a[DX].values, a[DSCALE].values, a[DSHIFT].values);
    double *y = guarded_read(&a[Y]), *dx = guarded_read(&a[DX]), *running = guarded_read(&a[VARIANCE]);
    double *dscale = guarded_read(&a[DSCALE]);
    for (int64_t i = 0; i < norm.rows * norm.channels; i++) {
        assert_near(y[i], shift[i % norm.channels], 1, "shift of a constant", i);
        assert_true(isfinite(dx[i]));
    }
    for (int64_t c = 0; c < norm.channels; c++) {
        assert_near(running[c], 0.9 * variance[c], 1, "running variance of a constant", c);
        assert_near(dscale[c], 0, 1, "dscale of a constant", c);
    }
    double *const all[] = {shift, variance, y, dx, running, dscale};
    free_all(all, COUNT_OF(all));
    release(a, NORM_ARRAYS);
}

/* NaN or infinity spoils its own channel and no other. */
static void norm_not_finite(struct backend *backend) {
    const struct batch_norm norm = {7, 3, 0.1, 1e-5};
    struct guarded a[NORM_ARRAYS];
    make_norm(backend, &norm, 0, 1, a);
    double *x = guarded_read(&a[X]);
    float values[21];
    for (int i = 0; i < 21; i++) {
        values[i] = i == 3 * 3 ? NAN : i == 5 * 3 + 2 ? INFINITY : (float)x[i];
    }
    guarded_write(&a[X], values);
    backend->ops->batch_norm_forward(backend, &norm, a[X].values, a[SCALE].values, a[SHIFT].values, a[MEAN].values,
                                     a[VARIANCE].values, a[SAVED].values, a[Y].values);
    double *y = guarded_read(&a[Y]), *mean = guarded_read(&a[MEAN]);
    for (int i = 0; i < 21; i++) {
        assert_true(i % 3 == 1 ? isfinite(y[i]) : i % 3 == 2 || isnan(y[i]));
    }
    assert_true(isnan(y[5 * 3 + 2]));
    assert_true(isnan(mean[0]) && isfinite(mean[1]) && !isfinite(mean[2]));
    double *const all[] = {x, y, mean};
    free_all(all, COUNT_OF(all));
    release(a, NORM_ARRAYS);
}

static void check_evaluate(struct backend *backend, const struct batch_norm *norm) {
    struct guarded a[NORM_ARRAYS];
    make_norm(backend, norm, 0, 1, a);
    float *positive = malloc((size_t)norm->channels * sizeof *positive);
    for (int64_t c = 0; c < norm->channels; c++) {
        positive[c] = c == 0 ? 0 : (float)c * 0.01f;
    }
    guarded_write(&a[VARIANCE], positive);
    backend->ops->batch_norm_evaluate(backend, norm, a[X].values, a[SCALE].values, a[SHIFT].values, a[MEAN].values,
                                      a[VARIANCE].values, a[Y].values);
    double *x = guarded_read(&a[X]), *scale = guarded_read(&a[SCALE]), *shift = guarded_read(&a[SHIFT]);
    double *mean = guarded_read(&a[MEAN]), *variance = guarded_read(&a[VARIANCE]), *y = guarded_read(&a[Y]);
    for (int64_t i = 0; i < norm->rows * norm->channels; i++) {
        int64_t c = i % norm->channels;
        double factor = scale[c] / sqrt(variance[c] + norm->epsilon);
        assert_near(y[i], (x[i] - mean[c]) * factor + shift[c], 2 * fabs(factor) + 1, "evaluated batch norm", i);
        assert_true((float)variance[c] == positive[c]);
    }
    double *const all[] = {x, scale, shift, mean, variance, y};
    free_all(all, COUNT_OF(all));
    free(positive);
    release(a, NORM_ARRAYS);
}

static void norm_evaluate(struct backend *backend) {
    check_evaluate(backend, &(struct batch_norm){1, 1, 0.1, 1e-5});
    check_evaluate(backend, &(struct batch_norm){13, 37, 0.1, 1e-5});
    check_evaluate(backend, &(struct batch_norm){401, 128, 0.1, 1e-5});
}

/* ---- losses ---- */

static void check_squared(struct backend *backend, int64_t n, int64_t width) {
    struct guarded a[] = {guarded_floats(backend, n * width, 1), guarded_floats(backend, n * width, 2),
                          guarded_floats(backend, n * width, 0), guarded_floats(backend, n, 0),
                          guarded_floats(backend, 1, 0)};
    backend->ops->squared_error(backend, n, width, a[0].values, a[1].values, a[2].values, a[3].values, a[4].values);
    double *y = guarded_read(&a[0]), *target = guarded_read(&a[1]), *dy = guarded_read(&a[2]);
    double *losses = guarded_read(&a[3]), *sums = guarded_read(&a[4]), total = 0;
    for (int64_t i = 0; i < n; i++) {
        double loss = 0;
        for (int64_t j = i * width; j < (i + 1) * width; j++) {
            double error = y[j] - target[j];
            loss += error * error;
            assert_near(dy[j], 2 * error / (double)n, 1 / (double)n, "slope of the squared error", j);
        }
        assert_near(losses[i], loss, loss, "squared error", i);
        total += loss;
    }
    assert_near(sums[0], total, total, "sum of squared errors", 0);
    /* The loss alone; then the slope in the place of y. */
    backend->ops->squared_error(backend, n, width, a[0].values, a[1].values, NULL, NULL, a[4].values);
    double *alone = guarded_read(&a[4]);
    assert_true(alone[0] == sums[0]);
    backend->ops->squared_error(backend, n, width, a[0].values, a[1].values, a[0].values, NULL, a[4].values);
    double *in_place = guarded_read(&a[0]);
    for (int64_t i = 0; i < n * width; i++) {
        assert_true(in_place[i] == dy[i]);
    }
    double *const all[] = {y, target, dy, losses, sums, alone, in_place};
    free_all(all, COUNT_OF(all));
    release(a, COUNT_OF(a));
}

static void squared_errors(struct backend *backend) {
    check_squared(backend, 1, 1);
    check_squared(backend, 1, 784);
    check_squared(backend, 5, 17);
    check_squared(backend, 67, 784);
    check_squared(backend, 1001, 3);
}

static double logit_reference(enum logit_loss kind, double x, double target, double *ret_slope) {
    if (kind == LOGIT_SQUARED) {
        *ret_slope = 2 * (x - target);
        return (x - target) * (x - target);
    }
    double away = target > 0.5 ? -x : x; /* both losses are log(1 + exp(away)) */
    double slope = away > 0 ? 1 / (1 + exp(-away)) : exp(away) / (1 + exp(away));
    *ret_slope = target > 0.5 ? -slope : slope;
    return away > 30 ? away + exp(-away) : log1p(exp(away));
}

static void check_logits(struct backend *backend, enum logit_loss kind, int64_t n, float target) {
    float *x = malloc((size_t)n * sizeof *x), weight = 0.5f / (float)n, start = 0.25f;
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)((i % 2 == 0 ? 1 : -1) * pow(10, (double)(i % 7) - 4)) * (1 + 0.01f * (float)i);
    }
    struct guarded a[] = {guarded_floats(backend, n, 0), guarded_floats(backend, n, 0), guarded_floats(backend, 1, 0)};
    guarded_write(&a[0], x);
    guarded_write(&a[2], &start);
    backend->ops->logit_loss(backend, kind, n, target, weight, a[0].values, a[1].values, a[2].values);
    backend->ops->logit_loss(backend, kind, n, target, weight, a[0].values, NULL, a[2].values); /* added once more */
    double *slopes = guarded_read(&a[1]), *sums = guarded_read(&a[2]), sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double slope;
        sum += logit_reference(kind, (double)x[i], (double)target, &slope);
        slope *= (double)weight;
        assert_near(slopes[i], slope, fabs(slope) + 1e-32, "slope of a logit's loss", i);
    }
    double want = (double)start + 2 * (double)weight * sum;
    assert_near(sums[0], want, fabs(want), "logit loss", (int64_t)kind);
    free(x);
    free(slopes);
    free(sums);
    release(a, COUNT_OF(a));
}

/* One logit's loss and slope. */
static void check_logit(struct backend *backend, float logit, float target, double want, double want_slope) {
    struct guarded a[] = {guarded_floats(backend, 1, 0), guarded_floats(backend, 1, 0), guarded_floats(backend, 1, 0)};
    guarded_write(&a[0], &logit);
    guarded_write(&a[2], &(float){0});
    backend->ops->logit_loss(backend, LOGIT_BCE, 1, target, 1, a[0].values, a[1].values, a[2].values);
    double *slope = guarded_read(&a[1]), *sum = guarded_read(&a[2]);
    bool fits = isnan(want) ? isnan(sum[0]) && isnan(slope[0]) : sum[0] == want && slope[0] == want_slope;
    if (!fits) fail_msg("logit %g for %g: %g, slope %g", (double)logit, (double)target, sum[0], slope[0]);
    free(slope);
    free(sum);
    release(a, COUNT_OF(a));
}

static void logit_losses(struct backend *backend) {
    static const int64_t counts[] = {1, 2, 33, 64, 1025};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        for (int target = 0; target < 2; target++) {
            check_logits(backend, LOGIT_BCE, counts[i], (float)target);
            check_logits(backend, LOGIT_SQUARED, counts[i], (float)target);
        }
    }
    check_logit(backend, 1e30f, 1, 0, 0);
    check_logit(backend, -1e30f, 0, 0, 0);
    check_logit(backend, -1e30f, 1, (double)1e30f, -1);
    check_logit(backend, 1e30f, 0, (double)1e30f, 1);
    check_logit(backend, INFINITY, 1, 0, 0);
    check_logit(backend, INFINITY, 0, INFINITY, 1);
    check_logit(backend, -INFINITY, 0, 0, 0);
    check_logit(backend, -INFINITY, 1, INFINITY, -1);
    check_logit(backend, NAN, 1, NAN, NAN);
    check_logit(backend, NAN, 0, NAN, NAN);
}

enum { CODE, EPSILON, DZ, Z, KL, SUM, DCODE, LATENT_ARRAYS };

/* `spread`: how large mean and log variance become. */
static void check_latent(struct backend *backend, int64_t n, int64_t width, float spread) {
    struct guarded a[LATENT_ARRAYS];
    for (int i = 0; i < LATENT_ARRAYS; i++) {
        int64_t size = i == CODE || i == DCODE ? 2 * n * width : i == KL ? n : i == SUM ? 1 : n * width;
        a[i] = guarded_floats(backend, size, i < Z ? (uint64_t)i + 1 : 0);
    }
    double *code = guarded_read(&a[CODE]), *noise = guarded_read(&a[EPSILON]), *dz = guarded_read(&a[DZ]);
    float *wide = malloc((size_t)(2 * n * width) * sizeof *wide), weight = 0.3f;
    for (int64_t i = 0; i < 2 * n * width; i++) {
        wide[i] = spread * (float)code[i];
        code[i] = (double)wide[i];
    }
    guarded_write(&a[CODE], wide);
    backend->ops->sample_latent(backend, n, width, a[CODE].values, a[EPSILON].values, a[Z].values, a[KL].values,
                                a[SUM].values);
    backend->ops->sample_latent_backward(backend, n, width, a[CODE].values, a[EPSILON].values, a[DZ].values, weight,
                                         a[DCODE].values);
    double *z = guarded_read(&a[Z]), *kl = guarded_read(&a[KL]), *sum = guarded_read(&a[SUM]), total = 0,
           w = (double)weight;
    double *dcode = guarded_read(&a[DCODE]);
    for (int64_t i = 0; i < n; i++) {
        double one = 0;
        for (int64_t j = 0; j < width; j++) {
            int64_t at = i * width + j, mean_at = 2 * i * width + j;
            double mean = code[mean_at], log_variance = code[mean_at + width], variance = exp(log_variance);
            double deviation = sqrt(variance);
            assert_near(z[at], mean + deviation * noise[at], fabs(mean) + deviation, "z", at);
            one -= 0.5 * (1 + log_variance - mean * mean - variance);
            assert_near(dcode[mean_at], dz[at] + w * mean, 1 + fabs(mean), "slope of the mean", at);
            double slope = dz[at] * noise[at] * deviation / 2 + w * 0.5 * (variance - 1);
            assert_near(dcode[mean_at + width], slope, 1 + deviation + variance, "slope of the log variance", at);
        }
        assert_near(kl[i], one, one + (double)width, "KL", i);
        total += one;
    }
    assert_near(sum[0], total, total + 1, "sum of KL", 0);
    double *const all[] = {code, noise, dz, z, kl, sum, dcode};
    free_all(all, COUNT_OF(all));
    free(wide);
    release(a, LATENT_ARRAYS);
}

static void latents(struct backend *backend) {
    check_latent(backend, 1, 1, 1);
    check_latent(backend, 64, 20, 1);
    check_latent(backend, 3, 37, 20);
    check_latent(backend, 1003, 3, 4);
}

#define EVERY(test)                                                                                                    \
    static void test_##test(void **state) {                                                                            \
        (void)state;                                                                                                   \
        every_backend(test);                                                                                           \
    }

EVERY(noises)
EVERY(norms)
EVERY(norm_constant)
EVERY(norm_not_finite)
EVERY(norm_evaluate)
EVERY(squared_errors)
EVERY(logit_losses)
EVERY(latents)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noises),        cmocka_unit_test(test_norms),
        cmocka_unit_test(test_norm_constant), cmocka_unit_test(test_norm_not_finite),
        cmocka_unit_test(test_norm_evaluate), cmocka_unit_test(test_squared_errors),
        cmocka_unit_test(test_logit_losses),  cmocka_unit_test(test_latents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
